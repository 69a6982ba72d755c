"""From the name of a model in the settings to the model."""

import logging
from pathlib import Path

from moderation.scoring.bundled import BundledModel
from moderation.scoring.detoxify import DetoxifyModel, checked_digest
from moderation.scoring.engine.model import EngineModel
from moderation.scoring.engine.network import has_gpu
from moderation.scoring.engine.prepared import folder_of, prepare
from moderation.scoring.fetch import BASES, fetched
from moderation.scoring.model import ModelUnavailable, ToxicityModel
from moderation.scoring.naming import BUNDLED, DETOXIFY, resolved

log = logging.getLogger(__name__)


def load_model(spec: str, models_dir: Path, *, exact: bool = False) -> ToxicityModel:
    """Load the model that a setting names. Takes seconds; contacts no network.

    A Detoxify checkpoint runs in the engine: on a GPU where there is one, else in int8.
    The first time it is prepared for that, which takes half a minute. Where its scores
    would then be too far from the exact ones, the exact model is loaded and the log says so.

    spec  `auto` (a fetched Detoxify checkpoint, else the bundled model), `bundled`,
          `bundled:linear` (its first stage alone, for the smallest machines),
          `detoxify:` with the name of a fetched one, the path of a checkpoint, or that
          of a folder into which `make train` has put a model
    exact load a Detoxify checkpoint as Detoxify does, several times as slow

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
        return _detoxify(checkpoint, DETOXIFY + checkpoint.stem, models_dir, exact)
    return _detoxify(_named(spec.removeprefix(DETOXIFY), models_dir), spec, models_dir, exact)


def _named(name: str, models_dir: Path) -> Path:
    if name not in BASES:
        raise ModelUnavailable(f"there is no model {name!r}: choose one of {', '.join(BASES)}")
    checkpoint = fetched(name, models_dir)
    if checkpoint is None:
        raise ModelUnavailable(f"{name} is not fetched: run `flask model fetch {name}`")
    return checkpoint


def _detoxify(checkpoint: Path, name: str, models_dir: Path, exact: bool) -> ToxicityModel:
    if exact:
        return DetoxifyModel(checkpoint, name)
    if has_gpu():
        return EngineModel.on_gpu(DetoxifyModel(checkpoint, name))
    folder = folder_of(checked_digest(checkpoint), models_dir)
    try:
        found = prepare(checkpoint, name, folder).agreement
    except (OSError, RuntimeError) as error:
        log.error("%s can't be prepared for the engine, so it runs slowly: %s", name, error)
        return DetoxifyModel(checkpoint, name)
    if not found.good:
        log.error("%s in int8 %s: too far off, so it runs slowly, as it is", name, found)
        return DetoxifyModel(checkpoint, name)
    log.info("%s in int8 %s", name, found)
    return EngineModel.on_cpu(name, folder)
