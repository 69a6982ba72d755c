"""How fast a checkpoint scores, by every way that could be taken; on one core.

Interleaved, so that a busy minute of the machine slows all of them: a round is a few
comments, scored by each in turn.
"""

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from benchmarks.shapes import make_checkpoint
from moderation.scoring.detoxify import DetoxifyModel, checked_digest
from moderation.scoring.engine.model import PACK_TOKENS, EngineModel, cores
from moderation.scoring.engine.network import PackedNetwork
from moderation.scoring.engine.packing import chosen
from moderation.scoring.engine.prepared import Prepared, folder_of, prepare

NAIVE = "Detoxify.predict, one by one"
PADDED = "torch, sorted batches of 8, padded"
RAW = "network, packs ready"
ENGINE = "engine, 8 callers"
BATCH = 8
CALLERS = 8
PORTION = 16
"""Comments that a lane makes packs of at a time, as many as wait for one under load."""

Texts = Sequence[str]


def measure(shape: str, folder: Path, texts: Texts, rounds: int) -> dict[str, Any]:
    """Give, for each way, comments a second and how many times that of the first."""
    import torch

    torch.set_num_threads(1)
    checkpoint = make_checkpoint(shape, folder / shape)
    exact = DetoxifyModel(checkpoint, shape)
    kept = folder_of(exact.digest, folder)
    prepared = prepare(checkpoint, shape, kept)
    network, tokenizer = _bare(kept, prepared)
    engine = EngineModel(
        shape, prepared, Tokenizer.from_str(tokenizer.to_str()), network, 1, PACK_TOKENS
    )
    took: list[float] = []
    with ThreadPoolExecutor(CALLERS) as pool:
        ways: dict[str, Callable[[Texts], Any]] = {
            NAIVE: lambda some: [exact.labelled(text) for text in some],
            PADDED: lambda some: _padded(exact, some),
            RAW: lambda some: _raw(network, tokenizer, some),
            ENGINE: lambda some: took.extend(pool.map(lambda text: _timed(engine, text), some)),
        }
        seconds = _interleaved(ways, texts, rounds)
    rates = {way: len(texts) / rounds / statistics.median(each) for way, each in seconds.items()}
    ratios = {
        way: statistics.median(a / b for a, b in zip(seconds[NAIVE], each, strict=True))
        for way, each in seconds.items()
    }
    return {
        "per_core_second": rates,
        "times_naive": ratios,
        "agreement": str(prepared.agreement),
        "engine_share_of_raw": ratios[ENGINE] / ratios[RAW],
        "pack_ms": _pack_ms(network, tokenizer, texts),
    }


def bare_network(checkpoint: Path, shape: str, folder: Path) -> tuple[PackedNetwork, Tokenizer]:
    """Give the network that the engine runs, without the engine, and its tokenizer."""
    kept = folder_of(checked_digest(checkpoint), folder)
    return _bare(kept, prepare(checkpoint, shape, kept))


def on_all_cores(
    network: PackedNetwork, tokenizer: Tokenizer, texts: Texts, seconds: float
) -> float:
    """Give the comments a second that a network alone scores, a thread on each core."""
    ends = time.perf_counter() + seconds

    def lane(number: int) -> int:
        scored, places = 0, itertools.count(number, cores())
        while time.perf_counter() < ends:
            start = next(places) * PORTION % len(texts)
            some = texts[start : start + PORTION]
            _raw(network, tokenizer, some)
            scored += len(some)
        return scored

    began = time.perf_counter()
    with ThreadPoolExecutor(cores()) as pool:
        scored = sum(pool.map(lane, range(cores())))
    return scored / (time.perf_counter() - began)


def _bare(kept: Path, prepared: Prepared) -> tuple[PackedNetwork, Tokenizer]:
    tokenizer = Tokenizer.from_file(str(kept / "tokenizer.json"))
    tokenizer.enable_truncation(512)
    return PackedNetwork(kept / "network.onnx", prepared.first_position), tokenizer


def _interleaved(
    ways: dict[str, Callable[[Texts], Any]], texts: Texts, rounds: int
) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    size = len(texts) // rounds
    for way in ways.values():
        way(texts[:2])
    for number in range(rounds):
        some = texts[number * size : (number + 1) * size]
        for name, way in ways.items():
            began = time.perf_counter()
            way(some)
            seconds[name].append(time.perf_counter() - began)
    return seconds


def _padded(exact: DetoxifyModel, texts: Texts) -> None:
    ordered = sorted(texts, key=len)
    for at in range(0, len(ordered), BATCH):
        exact._detoxify.predict(ordered[at : at + BATCH])


def _raw(network: PackedNetwork, tokenizer: Tokenizer, texts: Texts) -> list[float]:
    """Score in packs that are made beforehand; give the ms that each took."""
    waiting = sorted((one.ids for one in tokenizer.encode_batch(list(texts))), key=len)
    took = []
    while waiting:
        taken = chosen([len(ids) for ids in waiting], PACK_TOKENS)
        pack = [waiting[at] for at in taken]
        waiting = [ids for at, ids in enumerate(waiting) if at not in taken]
        began = time.perf_counter()
        network(pack)
        took.append((time.perf_counter() - began) * 1000)
    return took


def _pack_ms(network: PackedNetwork, tokenizer: Tokenizer, texts: Texts) -> dict[str, float]:
    took = sorted(_raw(network, tokenizer, texts))
    return {"median": took[len(took) // 2], "p99": took[int(0.99 * len(took))]}


def _timed(engine: EngineModel, text: str) -> float:
    began = time.perf_counter()
    engine.score(text)
    return time.perf_counter() - began
