"""What the names of models in the settings stand for.

Apart from `loading`, so that who asks loads no runtime: ONNX Runtime starts threads when
it is imported, and a process that forks after that, as gunicorn's master does, leaves
children that abort when they end.
"""

from collections.abc import Mapping
from pathlib import Path

from moderation.scoring.detoxify import is_installed
from moderation.scoring.fetch import BASES, fetched

DETOXIFY = "detoxify:"
BUNDLED: Mapping[str, bool] = {"bundled": False, "bundled:linear": True}
"""Name → whether the linear stage stands alone."""


def resolved(spec: str, models_dir: Path) -> str:
    """Say what `auto` stands for; any other name stands for itself. Loads nothing."""
    if spec != "auto":
        return spec
    if is_installed():
        for name in BASES:
            if fetched(name, models_dir):
                return DETOXIFY + name
    return "bundled"
