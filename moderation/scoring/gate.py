"""The gate: which comments the second stage need not read.

Most comments are so harmless that the costly stage could not bring them to a threshold.
Which, is not guessed: the model comes with the logits that both ways gave on its
calibration rows. For any thresholds a logistic regression tells from the first stage's
logits how likely the whole model is to hold or reject, and a limit on that is found that
keeps a stated share of what it would (a cascade in the sense of Viola and Jones 2001,
with one stage to spare). All attributes count, not just the one that is nearest to its
threshold: the second stage reads a threat where the first sees only that someone is rude.
All rows count alike, also those of sets that were picked for hatred in clean words: what
the second stage is for comes too rarely among comments as they come to find a limit by.

It releases only where it is told the thresholds, and never what the first stage alone
would hold.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moderation.scoring.model import ATTRIBUTES

AGREEMENT = 0.99
"""Share of the whole model's holds and rejects that must still reach it."""

PARTS = 10
"""The limit is found on rows that the regression has not seen: in turn a tenth of them."""
RIDGE = 0.01
"""Keeps the weights finite where few rows reach anything."""
MOST_STEPS = 50
ENOUGH = 1e-6
"""Improvement of the loss, as a share of it, at which the regression is done."""
ROUNDING = 1e-9
"""A row alone and among others gives sums that differ in their last digits."""

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Fitted:
    """What is released at some thresholds: rows below them whose doubt is below the limit."""

    at: Floats
    """The thresholds, as logits."""
    weights: Floats
    """Of each attribute's logit, then the offset."""
    limit: float


class Gate:
    """A regression for each set of thresholds, fitted when it is first asked for."""

    def __init__(self, first: Floats, whole: Floats) -> None:
        """Take what both ways said of the same comments.

        first, whole  logits of the first stage alone and of the whole model; shape
                      (comments, attributes)
        """
        self._first, self._whole = first, whole
        self._fitted = lru_cache(maxsize=256)(self._fit)

    @classmethod
    def load(cls, file: Path) -> "Gate":
        """Read what `save` wrote. Raises OSError, ValueError or KeyError if it can't be."""
        with np.load(file, allow_pickle=False) as saved:
            return cls(saved["first"].astype(np.float64), saved["whole"].astype(np.float64))

    def save(self, file: Path) -> None:
        """Write the logits, of two bytes each."""
        first, whole = self._first.astype(np.float16), self._whole.astype(np.float16)
        np.savez_compressed(file, first=first, whole=whole)

    def releases(self, first: Floats, thresholds: Mapping[str, float]) -> bool:
        """Tell whether a comment can be decided on what the first stage says.

        first       its logits of the first stage alone, by attribute
        thresholds  attribute → lowest score at which anything follows
        """
        limits = tuple(thresholds.get(name, 1.0) for name in ATTRIBUTES)
        fitted = self._fitted(limits)
        if (first >= fitted.at).any():
            return False
        return float(_doubt(first[None], fitted.weights)[0]) < fitted.limit

    def _fit(self, limits: tuple[float, ...]) -> _Fitted:
        at = _logits(limits)
        reached: Flags = np.asarray((self._whole >= at).any(axis=1))
        none = np.zeros(len(at) + 1)
        if np.isinf(at).all():
            return _Fitted(at, none, np.inf)
        lost = _may_be_lost(int(reached.sum()))
        if lost < 0:
            # Too few like it were seen; what they look like to the first stage isn't known.
            return _Fitted(at, none, -np.inf)
        weights = self._regression(reached, np.ones(len(reached), bool))
        doubt = _doubt(self._first, weights)
        unseen = np.empty_like(doubt)
        part_of = np.arange(len(doubt)) % PARTS
        for part in range(PARTS):
            of_others = self._regression(reached, part_of != part)
            unseen[part_of == part] = _doubt(self._first[part_of == part], of_others)
        lowest = (np.sort(one[reached])[lost] for one in (doubt, unseen))
        return _Fitted(at, weights, float(min(lowest)) - ROUNDING)

    def _regression(self, reached: Flags, chosen: Flags) -> Floats:
        """Fit a logistic regression by Newton's method, on the rows that are chosen."""
        rows = np.column_stack([self._first[chosen], np.ones(chosen.sum())])
        target = reached[chosen].astype(np.float64)
        penalty = RIDGE * np.append(self._first.var(axis=0), 0)

        def loss(weights: Floats) -> float:
            logits = rows @ weights
            error = np.logaddexp(0, logits) - target * logits
            return float(error.sum() + penalty @ weights**2)

        found = np.zeros(rows.shape[1])
        now = loss(found)
        for _ in range(MOST_STEPS):
            likely = 1 / (1 + np.exp(-(rows @ found)))
            slope = rows.T @ (likely - target) + 2 * penalty * found
            bend = (rows.T * (likely * (1 - likely))) @ rows + np.diag(2 * penalty + 1e-9)
            step = np.linalg.solve(bend, slope)
            # Far from the end a whole step may lead away from it.
            while loss(found - step) > now and np.abs(step).max() > ENOUGH:
                step /= 2
            found, before, now = found - step, now, loss(found - step)
            if before - now <= ENOUGH * before:
                break
        return found


def _may_be_lost(reached: int) -> int:
    """Give how many of the rows that reach a threshold may be released; -1 if none can be told.

    The share is stated of comments to come, so one more than was seen is counted as lost
    (conformal risk control, Angelopoulos et al. 2022): of two hundred rows, the two that
    look most harmless say little about where the next will lie.
    """
    return int((1 - AGREEMENT) * (reached + 1)) - 1


def _doubt(first: Floats, weights: Floats) -> Floats:
    """Give the logit of the chance that the whole model would hold or reject each row."""
    return np.asarray(first @ weights[:-1] + weights[-1])


def _logits(limits: tuple[float, ...]) -> Floats:
    """Threshold → logit; one that no score is to reach is infinite."""
    with np.errstate(divide="ignore"):
        chances = np.array(limits)
        return np.asarray(np.log(chances) - np.log1p(-chances))
