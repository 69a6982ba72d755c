"""A checkpoint is prepared once, compared, kept, and taken back where it disagrees."""

import json
import logging
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from moderation.checks.check import run_checks
from moderation.checks.toxicity import ToxicityCheck
from moderation.core.comment import Comment
from moderation.scoring.detoxify import DetoxifyModel, checked_digest, is_installed
from moderation.scoring.engine.model import EngineModel
from moderation.scoring.engine.prepared import agreement, folder_of, reference_texts
from moderation.scoring.loading import load_model
from tests.scoring.tiny import bits, make_checkpoint, record

needs_detoxify = pytest.mark.skipif(not is_installed(), reason="Detoxify is not installed")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = make_checkpoint(tmp_path_factory.mktemp("tiny"), spread=20)
    record(path)
    return path


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def model(checkpoint, models_dir):
    return load_model(str(checkpoint), models_dir)


@needs_detoxify
def test_a_checkpoint_runs_in_the_engine_and_says_so(model, checkpoint):
    assert model.name == f"detoxify:tiny@{record(checkpoint)[:8]} int{bits()}"


@needs_detoxify
def test_its_scores_are_nearly_those_of_detoxify(model, checkpoint):
    exact = DetoxifyModel(checkpoint, "detoxify:tiny")
    for text in ("you are a pathetic idiot", "hello", "", "the army . , town " * 3):
        assert model.score(text) == pytest.approx(exact.score(text), abs=0.03)


@needs_detoxify
def test_the_end_of_a_long_text_is_scored_too(model):
    padding = "hello . " * 500
    assert model.score(padding + "idiot " * 30) != model.score(padding)
    assert model.score("idiot " * 30 + padding) != model.score(padding)


@needs_detoxify
def test_on_a_gpu_the_exact_network_answers_all_callers(checkpoint):
    exact = DetoxifyModel(checkpoint, "detoxify:tiny")
    model = EngineModel.on_gpu(exact, device="cpu")
    texts = ["you are a pathetic idiot", "hello", "the army", "town . , town"] * 5
    with ThreadPoolExecutor(8) as pool:
        scores = list(pool.map(model.score, texts))
    for text, found in zip(texts, scores, strict=True):
        assert found == pytest.approx(exact.score(text), abs=1e-5)


@needs_detoxify
def test_what_was_prepared_is_loaded_without_torch(model, checkpoint, models_dir):
    code = (
        "import sys; from pathlib import Path; from moderation.scoring.loading import load_model;"
        f"m = load_model({str(checkpoint)!r}, Path({str(models_dir)!r}));"
        "print(m.name, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{model.name} False"


@needs_detoxify
def test_an_answer_that_would_be_late_is_missing(model):
    check = ToxicityCheck(lambda: model)
    assert check.warm_up()
    with pytest.raises(TimeoutError):
        model.score("hello", time.monotonic() - 1)
    with ThreadPoolExecutor(1) as pool:
        found = run_checks([check], Comment("hello"), 5_000, pool)
        assert not found.missing
    late = Comment("hello", until=time.monotonic() - 1)
    with pytest.raises(TimeoutError):
        check.score(late)


@needs_detoxify
def test_many_that_start_at_once_prepare_once(checkpoint, tmp_path, caplog):
    with ThreadPoolExecutor(3) as pool:
        names = list(pool.map(lambda _: load_model(str(checkpoint), tmp_path).name, range(3)))
    assert len(set(names)) == 1 and names[0].endswith(f"int{bits()}")
    assert caplog.text.count("preparing") == 1


@needs_detoxify
def test_a_network_that_disagrees_is_not_used_and_the_log_says_so(
    model, checkpoint, tmp_path, caplog
):
    folder = folder_of(checked_digest(checkpoint), tmp_path)
    load_model(str(checkpoint), tmp_path)
    kept = json.loads((folder / "prepared.json").read_text())
    kept["agreement"]["largest_difference"] = 0.2
    (folder / "prepared.json").write_text(json.dumps(kept))
    with caplog.at_level(logging.ERROR):
        found = load_model(str(checkpoint), tmp_path)
    assert isinstance(found, DetoxifyModel)
    assert "too far off" in caplog.text


@needs_detoxify
def test_a_checkpoint_that_can_not_be_prepared_runs_as_it_is(checkpoint, tmp_path, caplog):
    (tmp_path / "engine").write_text("a file where the folder should be")
    found = load_model(str(checkpoint), tmp_path)
    assert isinstance(found, DetoxifyModel)
    assert "can't be prepared" in caplog.text


@needs_detoxify
def test_it_can_be_asked_to_run_as_it_is(checkpoint, tmp_path):
    assert isinstance(load_model(str(checkpoint), tmp_path, exact=True), DetoxifyModel)
    assert not (tmp_path / "engine").exists()


def test_agreement_is_the_worst_of_what_was_compared():
    exact = np.array([[0.1, 0.9], [0.2, 0.8], [0.3, 0.76]])
    same = agreement(exact, exact)
    assert (same.largest_difference, same.rank_correlation, same.good) == (0, 1, True)
    moved = exact + [[0, 0], [0, 0], [0, 0.06]]
    assert agreement(exact, moved).largest_difference == pytest.approx(0.06)
    assert not agreement(exact, moved).good
    turned = exact + [[0, 0], [0, -0.03], [0, 0.03]]
    assert agreement(exact, turned).rank_correlation == pytest.approx(0.5)
    assert not agreement(exact, turned).good


def test_the_reference_texts_are_of_every_length():
    words = [len(text.split()) for text in reference_texts()]
    assert len(words) >= 50 and min(words) == 1 and max(words) > 40
