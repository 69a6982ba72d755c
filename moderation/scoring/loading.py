"""From the name of a model in the settings to the model."""

from pathlib import Path

from moderation.scoring.bundled import BundledModel
from moderation.scoring.detoxify import DetoxifyModel, is_installed
from moderation.scoring.fetch import BASES, fetched
from moderation.scoring.model import ModelUnavailable, ToxicityModel

DETOXIFY = "detoxify:"


def load_model(spec: str, models_dir: Path) -> ToxicityModel:
    """Load the model that a setting names. Takes seconds; contacts no network.

    spec  `auto` (a fetched Detoxify checkpoint, else the bundled model), `bundled`,
          `detoxify:` with the name of a fetched one, or the path of a checkpoint

    Raises `ModelUnavailable`; `auto` does not fall back from a broken checkpoint,
    because scores would change their meaning without anyone having asked.
    """
    if spec == "auto":
        spec = _best(models_dir)
    if spec == "bundled":
        return BundledModel()
    if not spec.startswith(DETOXIFY):
        checkpoint = Path(spec)
        return DetoxifyModel(checkpoint, DETOXIFY + checkpoint.stem)
    return _named(spec.removeprefix(DETOXIFY), models_dir)


def _best(models_dir: Path) -> str:
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
