import json
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from flask import Flask

from moderation.checks.profanity import ProfanityCheck
from moderation.checks.repetition import RepetitionCheck
from moderation.checks.toxicity import ToxicityCheck
from moderation.commands import score
from moderation.scoring.bundled import BundledModel
from moderation.scoring.detoxify import is_installed
from moderation.scoring.model import ATTRIBUTES, ModelUnavailable
from tests.scoring.tiny import bits, make_checkpoint, record


def unavailable():
    raise ModelUnavailable("no disk")


@pytest.fixture
def make_runner(tmp_path):
    with ThreadPoolExecutor(2) as pool:

        def make(load=BundledModel):
            app = Flask("test")
            app.extensions["moderation"] = SimpleNamespace(
                checks=(ToxicityCheck(load), ProfanityCheck(), RepetitionCheck()),
                pool=pool,
                settings=SimpleNamespace(models_dir=tmp_path, exact=False),
            )
            app.cli.add_command(score.score_command)
            app.cli.add_command(score.model_group)
            return app.test_cli_runner()

        yield make


def test_a_text_is_shown_with_scores_and_findings(make_runner):
    result = make_runner().invoke(args=["score", "You [b]pathetic[/b] idiot, damn"])
    assert result.exit_code == 0
    for part in ("toxicity", "profanity", "0.350", "copydesk@", '"damn"', "Profanity"):
        assert part in result.output


def test_a_text_is_printed_as_json(make_runner):
    result = make_runner().invoke(args=["score", "--json", "damn"])
    document = json.loads(result.output)
    assert document["scores"]["profanity"] == 0.35
    assert document["findings"][0]["start"] == 0
    assert document["missing"] == {}


def test_each_line_of_the_input_is_a_text(make_runner):
    result = make_runner().invoke(args=["score", "-"], input="damn\nhello\n\n")
    scores = [json.loads(line)["scores"]["profanity"] for line in result.output.splitlines()]
    assert scores == [0.35, 0, 0]


def test_a_missing_score_is_shown_with_its_reason(make_runner):
    result = make_runner(unavailable).invoke(args=["score", "damn"])
    assert result.exit_code == 0
    assert "missing" in result.output and "no disk" in result.output


def test_without_a_text_the_command_fails(make_runner):
    result = make_runner().invoke(args=["score"])
    assert result.exit_code != 0
    assert "Give a TEXT" in result.output


def test_the_model_in_use_is_named(make_runner):
    result = make_runner().invoke(args=["model", "show"])
    assert result.output.startswith("copydesk@")
    assert result.output.endswith(": " + ", ".join(ATTRIBUTES) + "\n")


def test_a_model_that_is_unavailable_is_an_error_of_one_line(make_runner):
    result = make_runner(unavailable).invoke(args=["model", "show"])
    assert result.exit_code == 1
    assert result.stderr == "Error: no disk\n"


def test_a_fetch_that_fails_is_an_error_of_one_line(make_runner, monkeypatch):
    def fail(name, models_dir, progress):
        raise ModelUnavailable(f"{name} can't be fetched: no route")

    monkeypatch.setattr(score, "fetch", fail)
    result = make_runner().invoke(args=["model", "fetch", "original"])
    assert result.exit_code == 1
    assert "Error: original can't be fetched: no route\n" in result.stderr


@pytest.mark.skipif(not is_installed(), reason="Detoxify is not installed")
def test_a_fetched_model_is_prepared_and_told_with_its_place(make_runner, monkeypatch, tmp_path):
    def succeed(name, models_dir, progress):
        progress(5, 10)
        path = make_checkpoint(models_dir / name, name="toxic_original.ckpt", spread=20)
        record(path)
        return path

    monkeypatch.setattr(score, "fetch", succeed)
    result = make_runner().invoke(args=["model", "fetch", "original"])
    assert result.exit_code == 0, result.stderr
    assert str(tmp_path / "original" / "toxic_original.ckpt") in result.stdout
    assert f"int{bits()} is ready" in result.stdout
