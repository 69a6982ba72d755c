"""From the name of a model in the settings to the model."""

from collections.abc import Mapping
from pathlib import Path

from moderation.scoring.bundled import BundledModel
from moderation.scoring.detoxify import DetoxifyModel, is_installed
from moderation.scoring.fetch import BASES, fetched
from moderation.scoring.model import ModelUnavailable, ToxicityModel

DETOXIFY = "detoxify:"
BUNDLED: Mapping[str, bool] = {"bundled": False, "bundled:linear": True}
"""Name → whether the linear stage stands alone."""


def load_model(spec: str, models_dir: Path) -> ToxicityModel:
    """Load the model that a setting names. Takes seconds; contacts no network.

    spec  `auto` (a fetched Detoxify checkpoint, else the bundled model), `bundled`,
          `bundled:linear` (its first stage alone, for the smallest machines),
          `detoxify:` with the name of a fetched one, the path of a checkpoint, or that
          of a folder into which `make train` has put a model

    Raises `ModelUnavailable`; `auto` does not fall back from a broken checkpoint,
    because scores would change their meaning without anyone having asked.
    """
    spec = resolved(spec, models_dir)
    if spec in BUNDLED:
        return BundledModel(linear_only=BUNDLED[spec])
    if not spec.startswith(DETOXIFY):
        checkpoint = Path(spec)
        if checkpoint.is_dir():
            return BundledModel(checkpoint)
        return DetoxifyModel(checkpoint, DETOXIFY + checkpoint.stem)
    return _named(spec.removeprefix(DETOXIFY), models_dir)


def resolved(spec: str, models_dir: Path) -> str:
    """Say what `auto` stands for; any other name stands for itself. Loads nothing."""
    if spec != "auto":
        return spec
    if is_installed():
        for name in BASES:
            if fetched(name, models_dir):
                return DETOXIFY + name
    return "bundled"


def _named(name: str, models_dir: Path) -> ToxicityModel:
    if name not in BASES:
        raise ModelUnavailable(f"there is no model {name!r}: choose one of {', '.join(BASES)}")
    checkpoint = fetched(name, models_dir)
    if checkpoint is None:
        raise ModelUnavailable(f"{name} is not fetched: run `flask model fetch {name}`")
    return DetoxifyModel(checkpoint, DETOXIFY + name)
