"""The second stage of the bundled model: a small sentence transformer, run by ONNX Runtime.

It reads words in their sentence, a window at a time. A window's states are pooled by
mean and by maximum, and the head on top of them is linear, so a logit is exactly the sum
of what its tokens add to it (class activation mapping, Zhou et al. 2016, "Learning Deep
Features for Discriminative Localization"). An explanation weighs words by these parts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from moderation.scoring.engine.network import session

WINDOW = 126
"""Tokens that are read at once, without the two that mark the ends."""
OVERLAP = 16
"""Tokens that a window has in common with the one before, so that no insult is cut in two."""
MOST_WINDOWS = 4
"""Windows of a comment that are read; most comments have one."""

Weights = NDArray[np.float32]
Spans = list[tuple[int, int]]
Promise = Callable[[Spans], list[float]]
"""Tells of each part of a text, given its first code point and end, how promising it is."""


@dataclass(frozen=True, slots=True)
class Window:
    """What was read at once."""

    spans: Spans
    """First code point and end of each token."""
    parts: NDArray[np.float64]
    """What each token adds to each attribute's logit; shape (tokens, attributes)."""
    logits: NDArray[np.float64]


class EncoderStage:
    """A network and a head. Safe to share between threads."""

    def __init__(self, network: Path, tokenizer: Path, head: Weights, offsets: Weights) -> None:
        """Load the network, for one thread of each caller; about 0.1 s.

        head     weights of the means, then of the maxima; shape (2 · width, attributes)
        offsets  the logit of a text whose states are all 0, for each attribute

        Raises ValueError for a network of another make.
        """
        self._session = session(network)
        if [one.name for one in self._session.get_inputs()] != ["input_ids"]:
            raise ValueError(f"{network} was exported for a version before 5: train it again")
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._ends = [self._tokenizer.token_to_id(mark) for mark in ("[CLS]", "[SEP]")]
        self._of_mean, self._of_highest = np.split(head.astype(np.float64), 2)
        self._offsets = offsets.astype(np.float64)

    def windows(self, text: str, promise: Promise) -> list[Window]:
        """Read a text; of a long one the beginning and the most promising windows."""
        tokens = self._tokenizer.encode(text, add_special_tokens=False)
        starts = _chosen(tokens.offsets, promise)
        return [
            self._window(tokens.ids[at : at + WINDOW], tokens.offsets[at : at + WINDOW])
            for at in starts
        ]

    def _window(self, ids: list[int], spans: list[tuple[int, int]]) -> Window:
        first, last = self._ends
        row = np.array([[first, *ids, last]], np.int64)
        states = self._session.run(None, {"input_ids": row})[0][0].astype(np.float64)
        parts = states @ self._of_mean / len(states)
        highest = states.argmax(0)
        # The token that has a dimension's maximum is given all that it adds.
        here = states[highest, np.arange(states.shape[1])]
        np.add.at(parts, highest, here[:, None] * self._of_highest)
        logits = parts.sum(0) + self._offsets
        return Window(spans, parts[1:-1], logits)


def _chosen(spans: Spans, promise: Promise) -> list[int]:
    """Give the first tokens of the windows to read."""
    starts = [*range(0, max(1, len(spans) - OVERLAP), WINDOW - OVERLAP)]
    if len(starts) <= MOST_WINDOWS:
        return starts
    later = starts[1:]
    worth = promise([(spans[at][0], spans[at : at + WINDOW][-1][1]) for at in later])
    best = sorted(range(len(later)), key=worth.__getitem__, reverse=True)
    return [0, *sorted(later[at] for at in best[: MOST_WINDOWS - 1])]
