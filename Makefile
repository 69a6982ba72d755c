# make run: serve it. make test: try all of it. Both work on a fresh machine with Python 3.11+.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export FLASK_APP := wsgi

.PHONY: run test check detoxify vendor clean

run: $(VENV)/default
	@$(BIN)/flask init
	@$(BIN)/flask demo
	@echo "  Ctrl-C stops it."
	@exec $(BIN)/gunicorn -c python:moderation.gunicorn_conf wsgi:app

test: $(VENV)/tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: test

# The default install: the names of requirements.in at the versions of requirements.txt.
$(VENV)/default: moderation/requirements.in requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Copydesk needs Python 3.11 or newer; PYTHON=/path/to/python make …")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing; this takes a minute the first time."
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c requirements.txt -r moderation/requirements.in
	@touch $@

# Detoxify and torch. On Linux without a GPU, TORCH_ARGS can name an index of CPU builds.
detoxify: $(VENV)/detoxify

$(VENV)/detoxify: $(VENV)/default
	$(BIN)/python -m pip install -q --disable-pip-version-check $(TORCH_ARGS) torch==2.13.0
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/tests: $(VENV)/detoxify tests/requirements.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check -r tests/requirements.txt
	@touch $@

vendor:
	sh moderation/static/vendor/vendor.sh

clean:
	rm -rf $(VENV)
