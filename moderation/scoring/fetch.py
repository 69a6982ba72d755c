"""Fetching a published Detoxify checkpoint, so that loading it needs no network.

Everything of one model lies in one folder: the checkpoint, its checksum, and the
config and tokenizer of its base model. Fetching is a command, never a side effect of
a request: a moderation service that waits for a download moderates nothing.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from moderation.scoring.detoxify import HOW_TO_INSTALL, is_installed, sidecar
from moderation.scoring.model import ModelUnavailable

BASES = {
    "original": "bert-base-uncased",
    "unbiased": "roberta-base",
    "multilingual": "xlm-roberta-base",
    "original-small": "albert-base-v2",
    "unbiased-small": "albert-base-v2",
}
"""Published checkpoints → base model whose config and tokenizer they need."""
TOKENIZER_FILES = ["config.json", "tokenizer*", "vocab*", "merges.txt", "*.model", "special_*"]
CHUNK = 1 << 20
TIMEOUT_S = (10, 60)

Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all (0 where unknown)."""


def fetch(
    name: str,
    models_dir: Path,
    progress: Progress,
    *,
    url: str | None = None,
    fetch_base: Callable[[str, Path], None] | None = None,
) -> Path:
    """Fetch a checkpoint with its config and tokenizer; give where it lies.

    Nothing of a fetch that fails is ever loaded: the checkpoint appears whole, last,
    and with the checksum that its name promises.

    url         where to fetch from, if not from where Detoxify publishes
    fetch_base  puts config and tokenizer of a base model into a folder

    Raises `ModelUnavailable` for an unknown name or a failed download.
    """
    if name not in BASES:
        raise ModelUnavailable(f"there is no model {name!r}: choose one of {', '.join(BASES)}")
    url = url or _published(name)
    folder = models_dir / name
    folder.mkdir(parents=True, exist_ok=True)
    try:
        (fetch_base or _fetch_base)(BASES[name], folder)
        return _download(url, folder, progress)
    except OSError as error:  # of requests, of the hub and of the disk alike
        raise ModelUnavailable(f"{name} can't be fetched: {error}") from error


def fetched(name: str, models_dir: Path) -> Path | None:
    """Give the checkpoint of a model that was fetched, or None."""
    return next(iter(sorted((models_dir / name).glob("*.ckpt"))), None)


def _published(name: str) -> str:
    if not is_installed():
        raise ModelUnavailable(HOW_TO_INSTALL)
    from detoxify.detoxify import MODEL_URLS

    return str(MODEL_URLS[name])


def _fetch_base(base: str, folder: Path) -> None:
    from huggingface_hub import snapshot_download

    snapshot_download(base, local_dir=folder, allow_patterns=TOKENIZER_FILES)


def _download(url: str, folder: Path, progress: Progress) -> Path:
    target = folder / url.rpartition("/")[2]
    promised = target.stem.rpartition("-")[2]  # toxic_original-c1212f89.ckpt
    handle, partial = tempfile.mkstemp(dir=folder, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            digest = _stream(url, file.write, progress)
            file.flush()
            os.fsync(file.fileno())
        if not digest.startswith(promised):
            raise ModelUnavailable(f"{target.name} has SHA-256 {digest}, not {promised}…")
        sidecar(target).write_text(f"{digest}  {target.name}\n", "utf-8")
        os.replace(partial, target)
    finally:
        Path(partial).unlink(missing_ok=True)
    return target


def _stream(url: str, write: Callable[[bytes], object], progress: Progress) -> str:
    import requests  # here: gunicorn's master asks this module what was fetched, and forks

    digest, done = hashlib.sha256(), 0
    with requests.get(url, stream=True, timeout=TIMEOUT_S) as response:
        response.raise_for_status()
        total = int(response.headers.get("Content-Length", 0))
        for chunk in response.iter_content(CHUNK):
            write(chunk)
            digest.update(chunk)
            done += len(chunk)
            progress(done, total)
    return digest.hexdigest()
