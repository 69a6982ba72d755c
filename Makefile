# Copydesk: `make run` to try it, `make check` and `make test` to work on it.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Any Python from 3.11 on; the newest that is found first. `make run PYTHON=…` chooses.
PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3 python; do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; exit; fi; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# On Linux without a GPU, --index-url of an index of CPU builds spares gigabytes.
TORCH_ARGS ?=
TORCH := $(shell sed -n 's/^torch==\([^ ;]*\).*/torch==\1/p' requirements.txt)

LOCKS := requirements.txt moderation/requirements.in moderation/scoring/requirements.in tests/requirements.txt \
	moderation/training/requirements.txt benchmarks/requirements.txt docs/deploy/opentelemetry.txt
HASH := $(shell cat $(LOCKS) | cksum | tr ' ' '-')
STAMP := $(VENV)/.copydesk

# Labelled comments for `make evaluate`; docs/evaluation.md says which files it looks for.
DATA ?= ../shared/data

export FLASK_APP := wsgi

# Test processes: one more than cores, because many a test waits for another process.
TESTERS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')

# A package of which only the weights are read; what it asks for is not installed.
TEACHER := tox-block==0.1.2

.PHONY: help run detoxify evaluate train bench chaos test check lock vendor clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 18

run: $(STAMP)/default-$(HASH) ## install what is missing, then serve on http://127.0.0.1:8000
	@$(BIN)/flask init
	@$(BIN)/flask demo
	@exec $(BIN)/python -m gunicorn -c python:moderation.gunicorn_conf wsgi:app

detoxify: $(STAMP)/full-$(HASH) ## also install Detoxify and torch; then: flask model fetch NAME
	@echo "Detoxify is installed. Next: . $(BIN)/activate; FLASK_APP=wsgi flask model fetch original-small"

# One thread, so that the time of a comment is the same on a machine with more cores.
evaluate: $(STAMP)/default-$(HASH) ## measure the model in force on the sets in DATA; ARGS="--compare NAME"; page in build/, figures into docs/model-card.md
	@OMP_NUM_THREADS=1 $(BIN)/python -m flask evaluate --data $(DATA) --figures docs/figures \
		--html build/evaluation.html --json-to build/evaluation.json --card docs/model-card.md $(ARGS)

train: $(STAMP)/train-$(HASH) ## train the bundled model on the sets in DATA, one or two hours on two cores, into build/model; ARGS="--out FOLDER"
	@$(BIN)/python -m moderation.training --data $(DATA) $(ARGS)

bench: $(STAMP)/bench-$(HASH) ## measure speed against other ways and other services, under 10 minutes; ARGS="engines services steps growth"
	@$(BIN)/python -m benchmarks --data $(DATA) --out build $(ARGS)

chaos: $(STAMP)/test-$(HASH) ## kill, stop and fill what it stands on, under load, then show that memory stays flat: about 50 minutes; KILLS=20 COMMENTS=10000 for a short one
	KILLS=$${KILLS:-200} STOPS=$${STOPS:-10} DOWN_S=$${DOWN_S:-60} OVERLOAD_S=$${OVERLOAD_S:-60} $(BIN)/python -m pytest -s tests/chaos tests/test_sender.py tests/test_reload.py \
		tests/flows/test_contention.py tests/flows/test_delivery.py tests/flows/test_endpoints.py $(ARGS)
	$(BIN)/python -m benchmarks.fleet --data $(DATA) --out build --comments $${COMMENTS:-200000}

test: $(STAMP)/test-$(HASH) ## everything that CI runs
	@$(MAKE) --no-print-directory check
	$(BIN)/python -m pytest -n $(TESTERS) --dist worksteal $(ARGS)

check: $(STAMP)/test-$(HASH) ## ruff and mypy
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

lock: ## pin requirements anew; needs uv
	uv pip compile --quiet --upgrade --python-version 3.11 --no-emit-find-links --no-emit-index-url --no-header --no-annotate \
		moderation/requirements.in moderation/scoring/requirements.in \
		| sed -e 's/+cpu$$//' -e 's/^\(pysqlite3==.*\)/\1 ; sys_platform == "linux"/' > requirements.new
	{ sed '/^[^#]/,$$d' requirements.txt; cat requirements.new; } > requirements.locked
	mv requirements.locked requirements.txt; rm requirements.new
	uv pip compile --quiet --upgrade --python-version 3.11 --no-emit-find-links --no-emit-index-url --no-header --no-annotate \
		-c requirements.txt tests/requirements.in > tests/requirements.new
	{ sed '/^[^#]/,$$d' tests/requirements.txt; cat tests/requirements.new; } > tests/requirements.locked
	mv tests/requirements.locked tests/requirements.txt; rm tests/requirements.new
	uv pip compile --quiet --upgrade --python-version 3.11 --no-emit-find-links --no-emit-index-url --no-header --no-annotate \
		-c requirements.txt moderation/training/requirements.in > train.new
	{ sed '/^[^#]/,$$d' moderation/training/requirements.txt; cat train.new; } > train.locked
	mv train.locked moderation/training/requirements.txt; rm train.new
	uv pip compile --quiet --upgrade --python-version 3.11 --no-emit-find-links --no-emit-index-url --no-header --no-annotate \
		-c requirements.txt -c docs/deploy/opentelemetry.txt benchmarks/requirements.in > bench.new
	{ sed '/^[^#]/,$$d' benchmarks/requirements.txt; cat bench.new; } > bench.locked
	mv bench.locked benchmarks/requirements.txt; rm bench.new

vendor: ## fetch the pages' styles and scripts anew; needs npm
	sh moderation/static/vendor/vendor.sh

clean: ## remove the virtual environment and caches; keeps instance/
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis

$(STAMP):
	@if [ -z "$(PYTHON)" ]; then \
		echo "Copydesk needs Python 3.11 or newer; $$(python3 --version 2>/dev/null || echo 'no Python') is what was found here." >&2; \
		echo "Install one from python.org or your system, or name it: make run PYTHON=/path/to/python3.12" >&2; exit 1; fi
	@if ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
		echo "Copydesk needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; exit 1; fi
	@echo "Making a virtual environment in $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "On Debian and Ubuntu, the package python3-venv is needed for this." >&2; exit 1; }
	@mkdir -p $(STAMP)

$(STAMP)/default-$(HASH): | $(STAMP)
	@echo "Installing what Copydesk needs; this takes a minute or two"
	@$(PIP) -c requirements.txt -r moderation/requirements.in
	@rm -f $(STAMP)/default-*; touch $@

$(STAMP)/full-$(HASH): $(STAMP)/default-$(HASH) | $(STAMP)
	@echo "Installing torch and Detoxify; torch alone is 200 MB to 3 GB, by platform"
	@$(PIP) $(TORCH_ARGS) $(TORCH)
	@$(PIP) -r requirements.txt
	@rm -f $(STAMP)/full-*; touch $@

$(STAMP)/test-$(HASH): $(STAMP)/full-$(HASH) | $(STAMP)
	@$(PIP) -r tests/requirements.txt -r docs/deploy/opentelemetry.txt
	@rm -f $(STAMP)/test-*; touch $@

$(STAMP)/bench-$(HASH): $(STAMP)/full-$(HASH) | $(STAMP)
	@$(PIP) -r benchmarks/requirements.txt
	@rm -f $(STAMP)/bench-*; touch $@

$(STAMP)/train-$(HASH): $(STAMP)/full-$(HASH) | $(STAMP)
	@$(PIP) -r moderation/training/requirements.txt
	@$(PIP) --no-deps $(TEACHER)
	@rm -f $(STAMP)/train-*; touch $@
