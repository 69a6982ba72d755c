"""The models that are measured: those of the settings, and peers for comparison.

A peer is never used to moderate; it is here so that a table says what another tool
would have done with the same comments.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from moderation.scoring.loading import load_model
from moderation.scoring.model import ModelUnavailable

ALT_PROFANITY_CHECK = "alt-profanity-check"


class Scorer(Protocol):
    """As much of a `ToxicityModel` as is measured."""

    name: str
    attributes: tuple[str, ...]

    def score(self, text: str) -> dict[str, float]: ...


@dataclass(frozen=True, slots=True)
class Skipped:
    """A model that was asked for and can't be measured."""

    spec: str
    why: str


class AltProfanityCheck:
    """alt-profanity-check: a linear model of words, trained on Jigsaw and Davidson.

    Its own `predict_prob` spends nine tenths of its time on starting a job pool, so the
    coefficients are applied here; a test holds that the answers are the same.
    """

    attributes: tuple[str, ...] = ("toxicity",)

    def __init__(self) -> None:
        """Load the package; some 3 s. Raises `ModelUnavailable` where it can't be."""
        try:
            from profanity_check import profanity_check as package
        except ImportError:
            raise ModelUnavailable(
                f"{ALT_PROFANITY_CHECK} is not installed: pip install {ALT_PROFANITY_CHECK}"
            ) from None
        except Exception as error:  # unpickling may raise anything
            raise ModelUnavailable(f"{ALT_PROFANITY_CHECK} can't be loaded: {error}") from error
        self.name = f"{ALT_PROFANITY_CHECK}@{version(ALT_PROFANITY_CHECK)}"
        self._vectorizer: Any = package.vectorizer
        parts = package.model.calibrated_classifiers_
        self._weights = np.vstack([part.estimator.coef_[0] for part in parts])
        self._intercepts = np.array([part.estimator.intercept_[0] for part in parts])
        self._slopes = np.array([part.calibrators[0].a_ for part in parts])
        self._offsets = np.array([part.calibrators[0].b_ for part in parts])

    def score(self, text: str) -> dict[str, float]:
        """Give the toxicity of a text."""
        row = self._vectorizer.transform([text])
        margins = self._weights[:, row.indices] @ row.data + self._intercepts
        chances = 1 / (1 + np.exp(self._slopes * margins + self._offsets))
        return {"toxicity": float(chances.mean())}


PEERS: Mapping[str, Callable[[], Scorer]] = {ALT_PROFANITY_CHECK: AltProfanityCheck}


def load_scorer(spec: str, models_dir: Path, *, exact: bool = False) -> Scorer:
    """Load a peer, or a model as the settings name it. Raises `ModelUnavailable`."""
    if spec in PEERS:
        return PEERS[spec]()
    return load_model(spec, models_dir, exact=exact)


def load_peers(
    specs: tuple[str, ...], models_dir: Path, first: Scorer, *, exact: bool = False
) -> tuple[list[Scorer], list[Skipped]]:
    """Load what is compared with the model in force; what can't be loaded is skipped.

    first  the model in force; another with its name is the same model
    """
    loaded, skipped = [first], []
    for spec in dict.fromkeys(specs):
        try:
            scorer = load_scorer(spec, models_dir, exact=exact)
        except ModelUnavailable as error:
            skipped.append(Skipped(spec, error.why))
            continue
        if scorer.name in {one.name for one in loaded}:
            skipped.append(Skipped(spec, f"is {scorer.name}, which is measured already"))
        else:
            loaded.append(scorer)
    return loaded, skipped
