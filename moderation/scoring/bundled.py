"""The model of the default install: alt-profanity-check, a linear one.

It needs no download and no torch, and answers in a millisecond. It reads words, not
sentences: good at abuse that uses abusive words, blind to the rest. Its own
`predict_prob` spends nine tenths of its time on starting a job pool, so we apply the
coefficients ourselves; a test holds that the answers are the same.
"""

import re
from importlib.metadata import version
from typing import Any

import numpy as np

from moderation.scoring.model import ModelUnavailable

MOST_WORDS = 60
"""Places of a text that are told to carry its score."""
NOTABLE = 0.3
"""Share of the heaviest word's weight from which a word is told."""

_WORD = re.compile(r"(?u)\b\w\w+\b")


class BundledModel:
    """Scores one attribute, toxicity, by the words of a text."""

    attributes: tuple[str, ...] = ("toxicity",)
    cost_ms = 2.0

    def __init__(self) -> None:
        """Load the model out of its package; about 3 s, most of it scikit-learn.

        Raises `ModelUnavailable` if it is not installed or can't be read.
        """
        try:
            from profanity_check import profanity_check as package
        except Exception as error:  # unpickling may raise anything
            raise ModelUnavailable(f"the bundled model can't be loaded: {error}") from error
        self.name = f"alt-profanity-check@{version('alt-profanity-check')}"
        self._vectorizer: Any = package.vectorizer
        parts = package.model.calibrated_classifiers_
        self._weights = np.vstack([part.estimator.coef_[0] for part in parts])
        self._intercepts = np.array([part.estimator.intercept_[0] for part in parts])
        self._slopes = np.array([part.calibrators[0].a_ for part in parts])
        self._offsets = np.array([part.calibrators[0].b_ for part in parts])

    def score(self, text: str) -> dict[str, float]:
        """Give the toxicity of a text; some 0.04 for one without known words."""
        row = self._vectorizer.transform([text])
        margins = self._weights[:, row.indices] @ row.data + self._intercepts
        chances = 1 / (1 + np.exp(self._slopes * margins + self._offsets))
        return {"toxicity": float(chances.mean())}

    def explain(self, text: str, attribute: str) -> list[tuple[int, int, float]]:
        """Give the words that push the score up, with their share of the heaviest one's.

        In a linear model each word's part is exact, so nothing is left out and tried.
        """
        row = self._vectorizer.transform([text])
        parts = self._weights.mean(axis=0)[row.indices] * row.data
        heaviest = float(parts.max(initial=0.0))
        if heaviest <= 0:
            return []
        shares = dict(zip(row.indices.tolist(), (parts / heaviest).tolist(), strict=True))
        known = self._vectorizer.vocabulary_
        carrying = (
            (word.start(), word.end(), shares.get(known.get(word[0].lower(), -1), 0.0))
            for word in _WORD.finditer(text)
        )
        return [one for one in carrying if one[2] >= NOTABLE][:MOST_WORDS]
