import math
import pickle
import socket

import pytest

from moderation.checks.toxicity import ToxicityCheck
from moderation.scoring.detoxify import DetoxifyModel, is_installed, sidecar
from moderation.scoring.loading import load_model
from moderation.scoring.model import ATTRIBUTES, ModelUnavailable
from tests.checks.contract import CheckContract
from tests.scoring.tiny import make_checkpoint, record

needs_detoxify = pytest.mark.skipif(not is_installed(), reason="Detoxify is not installed")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = make_checkpoint(tmp_path_factory.mktemp("tiny"))
    record(path)
    return path


@pytest.fixture(scope="module")
def model(checkpoint):
    return DetoxifyModel(checkpoint, "detoxify:tiny")


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("loading must not open a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@needs_detoxify
class TestToxicityCheckWithDetoxify(CheckContract):
    found = "you are a pathetic idiot"

    @pytest.fixture(scope="class")
    @classmethod
    def check(cls, checkpoint):
        check = ToxicityCheck(lambda: DetoxifyModel(checkpoint, "detoxify:tiny"))
        assert check.warm_up(), check.why_not
        return check

    @pytest.mark.skip(reason="Detoxify's scores are not explained")
    def test_it_finds_what_it_is_for(self, check):
        pass


@needs_detoxify
def test_a_checkpoint_is_loaded_by_detoxify_without_a_network(checkpoint, no_network):
    model = load_model(str(checkpoint), checkpoint.parent)
    assert set(model.score("you are a pathetic idiot")) == set(model.attributes)


@needs_detoxify
def test_the_scores_are_those_of_detoxify_under_our_names(model):
    text = "you are a pathetic idiot"
    theirs = model._detoxify.predict([text])
    assert model.score(text) == {
        "toxicity": theirs["toxicity"],
        "severe_toxicity": theirs["severe_toxicity"],
        "obscene": theirs["obscene"],
        "threat": theirs["threat"],
        "insult": theirs["insult"],
        "identity_attack": theirs["identity_attack"],
    }


@needs_detoxify
def test_the_name_carries_the_checksum(model, checkpoint):
    assert model.name == f"detoxify:tiny@{record(checkpoint)[:8]}"


@needs_detoxify
def test_the_weights_are_those_of_the_checkpoint(model, checkpoint):
    import torch

    saved = torch.load(checkpoint, weights_only=False)["state_dict"]
    loaded = model._detoxify.model.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in saved.items())


@needs_detoxify
def test_the_end_of_a_long_text_is_scored_too(model):
    padding = "hello . " * 500
    end = model.score(padding + "you are a pathetic idiot")
    assert end != model.score(padding + "hello hello hello hello hello")
    head, tail = model._windows(padding + "you are a pathetic idiot")
    assert head == padding[: len(head)] and tail.endswith("idiot")


@needs_detoxify
def test_of_two_windows_the_worse_counts(model):
    head, tail = model._windows("hello . " * 100 + "idiot " * 40)
    both = model.score("hello . " * 100 + "idiot " * 40)
    for attribute, value in both.items():
        worse = max(model.score(head)[attribute], model.score(tail)[attribute])
        assert value == pytest.approx(worse, abs=1e-5)


@needs_detoxify
def test_identity_labels_are_dropped(tmp_path):
    labels = ("toxicity", "sexual_explicit", "male", "muslim")
    model = DetoxifyModel(make_checkpoint(tmp_path, labels=labels), "detoxify:tiny")
    assert model.attributes == ("toxicity", "sexual_explicit")
    assert set(model.attributes) <= set(ATTRIBUTES)


@needs_detoxify
def test_a_checkpoint_with_no_label_of_ours_is_refused(tmp_path):
    with pytest.raises(ModelUnavailable, match="no label"):
        DetoxifyModel(make_checkpoint(tmp_path, labels=("joy", "anger")), "detoxify:tiny")


@needs_detoxify
def test_a_checkpoint_that_lacks_weights_is_refused(tmp_path):
    with pytest.raises(ModelUnavailable, match="lacks 2 weights"):
        DetoxifyModel(make_checkpoint(tmp_path, drop="classifier"), "detoxify:tiny")


@needs_detoxify
def test_a_score_that_is_no_number_is_refused(tmp_path):
    import torch

    model = DetoxifyModel(make_checkpoint(tmp_path), "detoxify:tiny")
    with torch.no_grad():
        model._detoxify.model.classifier.bias[2] = math.nan
    with pytest.raises(ValueError, match="obscene nan"):
        model.score("hello")


@needs_detoxify
def test_a_broken_checkpoint_is_unavailable(checkpoint, tmp_path):
    broken = make_checkpoint(tmp_path)
    broken.write_bytes(broken.read_bytes()[:1000])
    with pytest.raises(ModelUnavailable, match="can't be loaded"):
        DetoxifyModel(broken, "detoxify:tiny")


@needs_detoxify
def test_auto_takes_a_fetched_checkpoint(tmp_path):
    record(make_checkpoint(tmp_path / "original", name="toxic_original.ckpt"))
    assert load_model("auto", tmp_path).name.startswith("detoxify:original@")
    assert load_model("detoxify:original", tmp_path).name.startswith("detoxify:original@")


class Bomb:
    """A pickle that leaves a trace when it is loaded."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return (open, (str(self.trace), "w"))


def test_a_changed_checkpoint_is_refused_before_it_is_unpickled(tmp_path):
    path, trace = tmp_path / "evil.ckpt", tmp_path / "trace"
    path.write_bytes(pickle.dumps(Bomb(trace)))
    (tmp_path / "config.json").write_text("{}")
    sidecar(path).write_text("0" * 64 + "  evil.ckpt\n")
    with pytest.raises(ModelUnavailable, match="not the recorded one"):
        DetoxifyModel(path, "detoxify:evil")
    assert not trace.exists()


def test_an_empty_checksum_file_allows_nothing(tmp_path):
    path = tmp_path / "x.ckpt"
    path.write_bytes(b"x")
    sidecar(path).write_text("")
    with pytest.raises(ModelUnavailable, match="not the recorded one"):
        DetoxifyModel(path, "detoxify:x")


def test_a_missing_checkpoint_is_unavailable(tmp_path):
    with pytest.raises(ModelUnavailable, match="there is no checkpoint"):
        load_model(str(tmp_path / "none.ckpt"), tmp_path)


def test_a_checkpoint_without_its_tokenizer_is_unavailable(tmp_path):
    path = tmp_path / "x.ckpt"
    path.write_bytes(b"x")
    with pytest.raises(ModelUnavailable, match="needs config.json"):
        DetoxifyModel(path, "detoxify:x")


def test_a_model_that_was_not_fetched_says_how_to_fetch_it(tmp_path):
    with pytest.raises(ModelUnavailable, match="flask model fetch unbiased"):
        load_model("detoxify:unbiased", tmp_path)


def test_an_unknown_model_says_which_there_are(tmp_path):
    with pytest.raises(ModelUnavailable, match="choose one of original"):
        load_model("detoxify:best", tmp_path)
