"""Detoxify checkpoints: the published ones, and a newsroom's own.

Imports of torch and detoxify stand inside functions: the default install has
neither, and half a gigabyte of libraries is loaded only where a checkpoint is used.

A checkpoint is a pickle: loading one runs what is in it. So its SHA-256 is compared
with the one beside it (`<file>.sha256`) before a byte is unpickled. And it names its
base model ("bert-base-uncased"), which Detoxify looks up on the hub whatever folder it
is given; we hand it the folder for both, so loading needs no network.
"""

import hashlib
import importlib.util
import logging
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from moderation.scoring.model import ATTRIBUTES, ModelUnavailable

log = logging.getLogger(__name__)

RENAMED = {
    "toxic": "toxicity",
    "severe_toxic": "severe_toxicity",
    "identity_hate": "identity_attack",
}
"""Labels of a checkpoint that bear another name here."""
HOW_TO_INSTALL = "Detoxify is not installed: pip install detoxify"
LONGEST_TOKENS = 510
"""Tokens of one window: BERT's 512 without the two that mark begin and end."""

_patching = Lock()


class DetoxifyModel:
    """A Detoxify checkpoint, on the CPU."""

    cost_ms = 300.0

    def __init__(self, checkpoint: Path, name: str) -> None:
        """Check and load a checkpoint that has its config and tokenizer beside it.

        name  what it is called before its checksum, as in `detoxify:original`

        Raises `ModelUnavailable` if it is missing, changed, broken or not for us.
        """
        self.digest = checked_digest(checkpoint)
        self.name = f"{name}@{self.digest[:8]}"
        self._detoxify = _load(checkpoint)
        self.labels: tuple[str, ...] = tuple(self._detoxify.class_names)
        self._attribute_of = attributes_of(self.labels)
        self.attributes = tuple(one for one in ATTRIBUTES if one in self._attribute_of.values())
        if not self.attributes:
            raise ModelUnavailable(f"{checkpoint.name} has no label that we know")

    @property
    def network(self) -> Any:
        """Give the network itself, as transformers has it."""
        return self._detoxify.model

    @property
    def tokenizer(self) -> Any:
        """Give what turns a text into the network's tokens."""
        return self._detoxify.tokenizer

    @property
    def room(self) -> int:
        """Tell how many tokens of a text are read at once, without the marks of its ends."""
        return min(LONGEST_TOKENS, int(self.tokenizer.model_max_length) - 2)

    @property
    def first_position(self) -> int:
        """Tell what the network calls the position of a text's first token."""
        config = self.network.config
        return config.pad_token_id + 1 if "roberta" in config.model_type else 0

    def score(self, text: str, until: float = math.inf) -> dict[str, float]:
        """Score a text; of a long one its beginning and its end, whichever is worse.

        Raises `ValueError` if the model answers with something that is no number.
        """
        of_label = dict(zip(self.labels, self.labelled(text), strict=True))
        scores = {ours: of_label[label] for label, ours in self._attribute_of.items()}
        for attribute, value in scores.items():
            if not math.isfinite(value):
                raise ValueError(f"{self.name} scored {attribute} {value}")
        return scores

    def labelled(self, text: str) -> list[float]:
        """Give the score of each of its own labels; it may be no number."""
        answer = self._detoxify.predict(self._windows(text))
        return [_worst(answer[label]) for label in self.labels]

    def explain(self, text: str, attribute: str) -> list[tuple[int, int, float]]:
        """Give nothing: asking again without each word would cost seconds."""
        return []

    def _windows(self, text: str) -> list[str]:
        tokenizer, room = self.tokenizer, self.room
        if len(text) <= room:  # a token has at least one character
            return [text]
        places = _token_places(tokenizer, text)
        if len(places) <= room:
            return [text]
        return [text[: places[room - 1][1]], text[places[-room][0] :]]


def is_installed() -> bool:
    """Tell whether Detoxify could be imported, without importing it."""
    return bool(importlib.util.find_spec("detoxify"))


def checked_digest(checkpoint: Path) -> str:
    """Give a file's SHA-256, in hex. Raises `ModelUnavailable` if it isn't the recorded one."""
    if not checkpoint.is_file():
        raise ModelUnavailable(f"there is no checkpoint {checkpoint}")
    with checkpoint.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    recorded = sidecar(checkpoint)
    if not recorded.is_file():
        log.warning("%s has SHA-256 %s; write that to %s", checkpoint, digest, recorded.name)
        return digest
    expected = recorded.read_text("utf-8").split()
    if expected[:1] != [digest]:
        raise ModelUnavailable(
            f"{checkpoint.name} has SHA-256 {digest}, not the recorded one: fetch it again"
        )
    return digest


def sidecar(checkpoint: Path) -> Path:
    """Give the place of the checksum of a checkpoint, in the form of `sha256sum`."""
    return checkpoint.with_name(checkpoint.name + ".sha256")


def _load(checkpoint: Path) -> Any:
    folder = checkpoint.parent.resolve()
    if not (folder / "config.json").is_file():
        raise ModelUnavailable(f"{checkpoint.name} needs config.json and its tokenizer beside it")
    if not is_installed():
        raise ModelUnavailable(HOW_TO_INSTALL)
    try:
        with _offline(), _from_folder(folder) as detoxify:
            return detoxify.Detoxify(
                checkpoint=str(checkpoint), device="cpu", huggingface_config_path=str(folder)
            )
    except ModelUnavailable:
        raise
    except Exception as error:  # a broken checkpoint may raise anything
        raise ModelUnavailable(
            f"{checkpoint.name} can't be loaded: {type(error).__name__}: {error}"
        ) from error


@contextmanager
def _offline() -> Iterator[None]:
    before = os.environ.get("HF_HUB_OFFLINE")
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["HF_HUB_OFFLINE"]
        else:
            os.environ["HF_HUB_OFFLINE"] = before


@contextmanager
def _from_folder(folder: Path) -> Iterator[Any]:
    """Let Detoxify take the base model's config from a folder, not from the hub."""
    from detoxify import detoxify

    build = detoxify.get_model_and_tokenizer
    with _patching:
        detoxify.get_model_and_tokenizer = _complete(build, str(folder))
        try:
            yield detoxify
        finally:
            detoxify.get_model_and_tokenizer = build


def _complete(build: Callable[..., Any], folder: str) -> Callable[..., Any]:
    """Build from the folder, and refuse a model that kept weights of its own making."""

    def build_complete(model_type: str, **rest: Any) -> Any:
        model, tokenizer = build(model_type=folder, **rest)
        # Buffers such as position ids are computed; only weights must come from the file.
        made_up = {name for name, _ in model.named_parameters()} - set(rest["state_dict"])
        if made_up:
            raise ModelUnavailable(
                f"the checkpoint lacks {len(made_up)} weights, such as {min(made_up)}"
            )
        return model, tokenizer

    return build_complete


def attributes_of(labels: Iterable[str]) -> Mapping[str, str]:
    """Give labels of a checkpoint → our attributes; those of identities are dropped."""
    named = {label: RENAMED.get(label, label) for label in labels}
    return {label: ours for label, ours in named.items() if ours in ATTRIBUTES}


def _worst(answer: float | list[float]) -> float:
    # Detoxify squeezes the answer to a batch of one into a bare number. `max` would
    # lose a NaN that is not the first.
    values = answer if isinstance(answer, list) else [answer]
    return math.nan if any(math.isnan(value) for value in values) else max(values)


def _token_places(tokenizer: Any, text: str) -> list[tuple[int, int]]:
    if not tokenizer.is_fast:  # one with no offsets: take characters for tokens
        return [(at, at + 1) for at in range(len(text))]
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    return list(encoded["offset_mapping"])
