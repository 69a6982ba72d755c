"""A checkpoint made ready for the engine, once: written, compared with the exact model, kept.

Kept by the checkpoint's SHA-256, so a changed checkpoint is prepared anew. What is kept
says how far its scores are from the exact ones; a network that is too far off is kept
as refused, so that the next start doesn't try again.

Preparing needs torch and a gigabyte for half a minute, so it runs in a process of its
own: the service that follows has neither in memory.
"""

import fcntl
import json
import logging
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moderation.scoring.detoxify import DetoxifyModel

log = logging.getLogger(__name__)

FORMAT = 1
"""Of what is kept; another one is not read."""
MOST_APART = 0.05
"""The largest difference of any score, on the reference texts, that is let pass."""
LEAST_RANKED = 0.98
"""The least rank correlation (Spearman 1904), of any attribute, that is let pass."""
BITS = (8, 7)
"""Of a weight, tried in this order: on a processor without VNNI, sums of 8 may overflow."""
TEXTS = Path(__file__).with_name("texts.txt")


@dataclass(frozen=True, slots=True)
class Agreement:
    """How near a network's scores are to those of the model that it was made of."""

    largest_difference: float
    rank_correlation: float
    texts: int

    @property
    def good(self) -> bool:
        return self.largest_difference <= MOST_APART and self.rank_correlation >= LEAST_RANKED

    def __str__(self) -> str:
        return (
            f"differs by at most {self.largest_difference:.4f}, rank correlation "
            f"{self.rank_correlation:.4f}, on {self.texts} texts"
        )


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is kept of a checkpoint, beside the network and its tokenizer."""

    digest: str
    labels: tuple[str, ...]
    ends: tuple[tuple[int, ...], tuple[int, ...]]
    """Tokens that mark the beginning and the end of a text."""
    room: int
    """Tokens of a text that are read at once, without those marks."""
    first_position: int
    bits: int
    agreement: Agreement


def reference_texts() -> list[str]:
    """Give the texts on which a network must agree with the exact model."""
    return [line for line in TEXTS.read_text("utf-8").splitlines() if line]


def agreement(exact: NDArray[np.floating], ours: NDArray[np.floating]) -> Agreement:
    """Compare scores of the same texts, shape (texts, labels)."""
    ranked = min(_spearman(a, b) for a, b in zip(exact.T, ours.T, strict=True))
    return Agreement(float(np.abs(exact - ours).max()), ranked, len(exact))


def folder_of(digest: str, models_dir: Path) -> Path:
    """Give the place of what is kept of a checkpoint on this kind of machine."""
    return models_dir / "engine" / f"{digest[:16]}-{platform.machine()}-{FORMAT}"


def prepare(checkpoint: Path, name: str, folder: Path) -> Prepared:
    """Give what is kept of a checkpoint, after making it where it isn't there.

    Takes half a minute the first time. Any number of processes may ask at once.

    Raises `RuntimeError`, saying why, if it could not be made.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.with_suffix(".lock")):
        if not (folder / "prepared.json").is_file():
            log.warning("preparing %s for the engine; this takes half a minute, once", name)
            module = "moderation.scoring.engine"
            command = [sys.executable, "-m", module, str(checkpoint), name, str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError((done.stderr.strip().splitlines() or ["no reason given"])[-1])
    return read(folder)


def told(exact: DetoxifyModel, bits: int, found: Agreement) -> Prepared:
    """Give what is to be known of a network made of an exact model."""
    marks = exact.tokenizer("")["input_ids"]
    half = len(marks) // 2
    return Prepared(
        exact.digest,
        exact.labels,
        (tuple(marks[:half]), tuple(marks[half:])),
        exact.room,
        exact.first_position,
        bits,
        found,
    )


def keep(folder: Path, network: bytes, tokenizer: str, prepared: Prepared) -> None:
    """Write what is to be kept; it appears whole or not at all."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        (made / "network.onnx").write_bytes(network)
        (made / "tokenizer.json").write_text(tokenizer, "utf-8")
        (made / "prepared.json").write_text(json.dumps(asdict(prepared), indent=1), "utf-8")
        made.rename(folder)


def read(folder: Path) -> Prepared:
    """Read what is kept in a folder."""
    kept: dict[str, Any] = json.loads((folder / "prepared.json").read_text("utf-8"))
    first, last = kept["ends"]
    return Prepared(
        **kept
        | {
            "labels": tuple(kept["labels"]),
            "ends": (tuple(first), tuple(last)),
            "agreement": Agreement(**kept["agreement"]),
        }
    )


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _spearman(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Correlate ranks; 1 where neither tells any text from another."""
    if np.ptp(a) == 0 and np.ptp(b) == 0:
        return 1.0
    of_a, of_b = (np.argsort(np.argsort(x)).astype(np.float64) for x in (a, b))
    return float(np.corrcoef(of_a, of_b)[0, 1])
