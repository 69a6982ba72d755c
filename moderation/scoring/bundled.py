"""The model of the default install: ours, in two stages, without torch and without a download.

The linear stage knows words and their spelling, the encoder knows sentences. For each
attribute a logistic regression weighs the two (stacking, Wolpert 1992) and makes the
score a probability (Platt 1999). `docs/model-card.md` says what it was trained on and
where it fails; `moderation/training` makes it again.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moderation.scoring.encoder import EncoderStage, Spans, Window
from moderation.scoring.gate import Gate
from moderation.scoring.linear import Features, LinearStage, features
from moderation.scoring.model import ATTRIBUTES, ModelUnavailable

WEIGHTS = Path(__file__).parent / "weights"
CARD = "model.json"
MOST_WORDS = 60
"""Places of a text that are told to carry its score."""
PART = 60
"""Words that the linear stage decides on at once: among more, one insult drowns."""
NOTABLE = 0.5
"""Share of the heaviest word's part from which a word is told."""

Floats = NDArray[np.float64]


class BundledModel:
    """Scores the seven attributes; safe to share between threads."""

    attributes: tuple[str, ...] = ATTRIBUTES

    def __init__(self, folder: Path = WEIGHTS, *, linear_only: bool = False) -> None:
        """Load the model; about 0.3 s.

        linear_only  leave the encoder out: 100 times as fast, and it reads words only

        Raises `ModelUnavailable` if a file is missing, or isn't the one that was trained.
        """
        try:
            written = (folder / CARD).read_bytes()
            card = json.loads(written)
            _check(folder, card["files"])
            blend = card["linear_only" if linear_only else "blend"]
            self._linear = LinearStage.load(folder / "linear.npz")
            self._encoder = None if linear_only else _encoder(folder)
            self._gate = Gate.load(folder / "gate.npz") if "gate.npz" in card["files"] else None
        except (OSError, ValueError, KeyError) as error:
            raise ModelUnavailable(f"the bundled model can't be loaded: {error}") from error
        self._of_linear, self._of_encoder = _matrix(blend, "linear"), _matrix(blend, "encoder")
        self._offsets = _offsets(blend)
        alone = card.get("linear_only", blend)
        self._alone, self._alone_offsets = _matrix(alone, "linear"), _offsets(alone)
        print_of = hashlib.sha256(written).hexdigest()[:8]
        self.name = f"copydesk{'-linear' if linear_only else ''}@{card['version']}+{print_of}"
        self.cost_ms = 0.1 if linear_only else 10.0
        # A comment is scored, then explained for each attribute: it is read once.
        self._features = lru_cache(maxsize=16)(features)
        self._read = lru_cache(maxsize=16)(self._read_anew)

    def score(self, text: str, until: float = math.inf) -> dict[str, float]:
        """Give the chance, in the eyes of the people who labelled, that each attribute applies."""
        found, windows = self._read(text)
        logits = self._linear.logits(found) @ self._of_linear + self._offsets
        if windows:
            logits += _highest(windows) @ self._of_encoder
        return _chances(logits)

    def released(self, text: str, acting_from: Mapping[str, float]) -> dict[str, float] | None:
        """Give the linear stage's scores where the encoder would not change what follows."""
        if self._encoder is None or self._gate is None:
            return None
        found = self._features(text)
        whole = self._by_linear(found)
        every = chain([whole], map(self._by_linear, found.parts(PART)))
        if not all(self._gate.releases(logits, acting_from) for logits in every):
            return None
        return _chances(whole)

    def _by_linear(self, found: Features) -> Floats:
        """Give the logits of the linear stage as it is weighed where it stands alone."""
        return np.asarray(self._linear.logits(found) @ self._alone + self._alone_offsets)

    def explain(self, text: str, attribute: str) -> list[tuple[int, int, float]]:
        """Give the words that push a score up, with their share of the heaviest one's.

        Each stage adds up what its words bring, so each word's part is exact there. The
        linear stage names the words, and the encoder tells which of them are meant: it
        can't name them alone, because it spreads what it read over the words around.
        """
        at = ATTRIBUTES.index(attribute)
        found, windows = self._read(text)
        parts = _shares(self._linear.parts(found) @ self._of_linear[:, at])
        if windows:
            weights = self._of_encoder[:, at]
            highest = max(windows, key=lambda window: float(window.logits @ weights))
            read = _shares(_by_word(found.spans, highest, highest.parts @ weights))
            both = parts * (0.25 + 0.75 * read)
            parts = _shares(both if both.any() else read)
        told = zip(found.spans, parts.tolist(), strict=True)
        return [(*span, part) for span, part in told if part >= NOTABLE][:MOST_WORDS]

    def stages(self, text: str) -> tuple[Floats, Floats]:
        """Give the logits of the linear stage and of the encoder, before they are weighed."""
        found, windows = self._read(text)
        return self._linear.logits(found), _highest(windows)

    def _read_anew(self, text: str) -> tuple[Features, list[Window]]:
        found = self._features(text)
        if not self._encoder:
            return found, []
        return found, self._encoder.windows(text, lambda places: self._promise(found, places))

    def _promise(self, found: Features, places: Spans) -> list[float]:
        """Tell how much in each place speaks for toxicity, as the linear stage sees it."""
        weights = self._linear.parts(found)[:, 0].clip(0)
        before = np.concatenate([[0], weights.cumsum()])
        starts = np.array([start for start, _ in found.spans])
        ends = [np.searchsorted(starts, place) for place in places]
        return [float(before[last] - before[first]) for first, last in ends]


def _encoder(folder: Path) -> EncoderStage:
    with np.load(folder / "head.npz", allow_pickle=False) as head:
        return EncoderStage(
            folder / "encoder.onnx", folder / "tokenizer.json", head["weights"], head["offsets"]
        )


def _check(folder: Path, files: dict[str, str]) -> None:
    for name, expected in files.items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != expected:
            raise ValueError(f"{name} is not the file that was trained")


def _offsets(blend: dict[str, Any]) -> Floats:
    return np.array([blend[name]["offset"] for name in ATTRIBUTES])


def _chances(logits: Floats) -> dict[str, float]:
    return dict(zip(ATTRIBUTES, (1 / (1 + np.exp(-logits))).tolist(), strict=True))


def _matrix(blend: dict[str, Any], stage: str) -> Floats:
    """Give the weight of each of a stage's logits (rows) for each attribute (columns)."""
    return np.array(
        [[blend[name].get(stage, {}).get(head, 0.0) for name in ATTRIBUTES] for head in ATTRIBUTES]
    )


def _highest(windows: list[Window]) -> Floats:
    return np.asarray(np.max([window.logits for window in windows], axis=0))


def _shares(parts: Floats) -> Floats:
    """Give what speaks for an attribute as shares of the heaviest; all 0 if nothing does."""
    heaviest = parts.max(initial=0.0)
    return parts.clip(0) / heaviest if heaviest > 0 else np.zeros_like(parts)


def _by_word(spans: Spans, window: Window, of_tokens: Floats) -> Floats:
    """Add up the parts of the tokens of each word. Both lists are in reading order."""
    parts = np.zeros(len(spans))
    word = 0
    for (start, _end), part in zip(window.spans, of_tokens.tolist(), strict=True):
        while word < len(spans) and spans[word][1] <= start:
            word += 1
        if word < len(spans) and spans[word][0] <= start:
            parts[word] += part
    return parts
