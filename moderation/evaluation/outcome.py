"""What an evaluation found: figures only, never a word of a comment.

Every `by_model` maps a model's name to its figure; a model that does not score the
attribute is not in it, and None is a figure that is not defined.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moderation.evaluation.metrics import Bias, Bin, Estimate
from moderation.evaluation.peers import Skipped

Ranking = Mapping[str, Estimate | None]
"""Each of `metrics.FIGURES`."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A model, and how long it took."""

    name: str
    attributes: tuple[str, ...]
    median_us: float
    """Microseconds of a comment: median over calls with one comment, one at a time."""
    calls: int


@dataclass(frozen=True, slots=True)
class OfSet:
    """One attribute of one set."""

    stem: str
    title: str
    kind: str
    attribute: str
    trained_on: bool
    note: str
    rows: int
    """Rows used."""
    all_rows: int
    blank: int
    """Rows left out because they have no text."""
    share_toxic: float | None
    """In the whole set, not in the sample."""
    by_model: Mapping[str, Ranking]
    calibration_error: Mapping[str, float | None]
    held: Mapping[str, tuple[Estimate | None, Estimate | None]]
    """Held under the default policy: share of the harmless, share of the toxic."""
    curves: Mapping[str, tuple[Any, Any]]
    """False and true positive rates, for the plots."""


@dataclass(frozen=True, slots=True)
class OfGroup:
    """One HateCheck functionality, or one language."""

    name: str
    hateful: bool | None
    """None where the group has both."""
    rows: int
    accuracy: Mapping[str, Estimate | None]
    """Share decided rightly at the default threshold."""
    mean_score: Mapping[str, float | None]
    by_model: Mapping[str, Ranking]


@dataclass(frozen=True, slots=True)
class OfHeld:
    """Comments of one sort, and how many of them the default policy holds."""

    title: str
    short: str
    """The title for a label of a plot."""
    is_harmless: bool
    in_headline: bool
    rows: int
    trained_on: bool
    by_model: Mapping[str, Estimate | None]


@dataclass(frozen=True, slots=True)
class OfIdentity:
    """The comments of a template set that name one identity."""

    stem: str
    title: str
    identity: str
    rows: int
    bias: Mapping[str, Bias]
    false_positives: Mapping[str, Estimate | None]


@dataclass(frozen=True, slots=True)
class OfBias:
    """All identities of a set in one figure: the generalised mean of each AUC."""

    stem: str
    title: str
    by_model: Mapping[str, Bias]


@dataclass(frozen=True, slots=True)
class OfCalibration:
    """How far scores can be read as chances, over some sets together."""

    title: str
    sets: tuple[str, ...]
    bins: Mapping[str, Sequence[Bin]]
    error: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Headline:
    """The one line: what the default policy holds of the harmless and of the abuse."""

    model: str
    harmless: Estimate | None
    abuse: Estimate | None


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that an evaluation found."""

    models: Sequence[Measured]
    """The model in force first."""
    skipped: Sequence[Skipped]
    recorded: Sequence[str]
    """Services whose scores a set carries."""
    sets: Sequence[OfSet]
    absent: Sequence[str]
    """Known sets whose file is not there."""
    functionalities: Sequence[OfGroup]
    languages: Sequence[OfGroup]
    held: Sequence[OfHeld]
    headlines: Sequence[Headline]
    identities: Sequence[OfIdentity]
    bias: Sequence[OfBias]
    calibration: Sequence[OfCalibration]
    thresholds: Mapping[str, float | None]
    """The default policy's hold thresholds."""
    cap: int
    """Most rows of a set; 0 is all."""
    seed: int
    machine: str

    @property
    def names(self) -> list[str]:
        """Every model with figures, recorded ones last."""
        return [model.name for model in self.models] + list(self.recorded)
