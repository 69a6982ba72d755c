"""The gate: which comments the second stage need not read.

Most comments are so far from every threshold that the costly stage could not bring them
there. How far is far enough is not guessed: the model comes with the logits that both
ways gave on its calibration rows, so for any thresholds there is a margin that keeps a
stated share of the comments that the whole model would hold or reject (a cascade in the
sense of Viola and Jones 2001, with one stage to spare).

It releases only where it is told the thresholds, and never what the first stage alone
would hold.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moderation.scoring.model import ATTRIBUTES

AGREEMENT = 0.99
"""Share of the whole model's holds and rejects that must still reach it."""

Floats = NDArray[np.float64]


class Gate:
    """A margin for each set of thresholds, fitted when it is first asked for."""

    def __init__(self, first: Floats, whole: Floats, weights: Floats) -> None:
        """Take what both ways said of the same comments.

        first, whole  logits of the first stage alone and of the whole model; shape
                      (comments, attributes)
        weights       how often such a comment comes, of each
        """
        seen = weights > 0
        self._first, self._whole, self._weights = first[seen], whole[seen], weights[seen]
        self._fitted = lru_cache(maxsize=256)(self._fit)

    @classmethod
    def load(cls, file: Path) -> "Gate":
        """Read what `save` wrote. Raises OSError, ValueError or KeyError if it can't be."""
        with np.load(file, allow_pickle=False) as saved:
            return cls(*(saved[name].astype(np.float64) for name in ("first", "whole", "weights")))

    def save(self, file: Path) -> None:
        """Write the logits and weights, of two bytes each."""
        np.savez_compressed(
            file,
            first=self._first.astype(np.float16),
            whole=self._whole.astype(np.float16),
            weights=self._weights.astype(np.float16),
        )

    def releases(self, first: Floats, thresholds: Mapping[str, float]) -> bool:
        """Tell whether a comment can be decided on what the first stage says.

        first       its logits of the first stage alone, by attribute
        thresholds  attribute → lowest score at which anything follows
        """
        limits = tuple(thresholds.get(name, 1.0) for name in ATTRIBUTES)
        return float(_nearest(first, _logits(limits))) < self._fitted(limits)

    def margin(self, thresholds: Mapping[str, float]) -> float:
        """Give the logits by which a released comment falls short of every threshold, ≤ 0."""
        return self._fitted(tuple(thresholds.get(name, 1.0) for name in ATTRIBUTES))

    def _fit(self, limits: tuple[float, ...]) -> float:
        at = _logits(limits)
        reached = (self._whole >= at).any(axis=1)
        if not self._weights[reached].any():
            # Nothing like it was seen; what it looks like to the first stage isn't known.
            return 0.0 if np.isinf(at).all() else -np.inf
        near = _nearest(self._first[reached], at)
        order = np.argsort(near)
        lost = self._weights[reached][order].cumsum()
        last = int(np.searchsorted(lost, (1 - AGREEMENT) * lost[-1], side="right"))
        return min(0.0, float(near[order][last]))


def _nearest(first: Floats, at: Floats) -> Floats:
    """Give how far each row is from the threshold that it comes nearest to; below 0: short."""
    return np.asarray((first - at).max(axis=-1))


def _logits(limits: tuple[float, ...]) -> Floats:
    """Threshold → logit; one that no score is to reach is infinite."""
    with np.errstate(divide="ignore"):
        chances = np.array(limits)
        return np.asarray(np.log(chances) - np.log1p(-chances))
