"""Whole services by HTTP, side by side in one run.

All are started first and then take turns, each alone under load, so that a busy minute
of the machine is shared out. Capacity is what a closed loop of 32 clients gets decided;
latencies are those of an open loop at shares of that capacity.
"""

import itertools
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from benchmarks.engines import bare_network, on_all_cores
from benchmarks.load import Request, closed_loop, open_loop
from benchmarks.peers import Peer, Running, copydesk, litserve, naive, running
from benchmarks.shapes import make_checkpoint
from moderation.scoring.engine.model import cores
from moderation.scoring.engine.network import PackedNetwork

CLIENTS = 32
ROUNDS = 3
CLOSED_S = 4.0
OPEN_S = 5.0
SHARES = (0.25, 0.5, 0.75)
IDLE_WORDS = 40
IDLE_REQUESTS = 10

DEFAULT = "Copydesk"
WHOLE = "Copydesk, GATE=0"
WITH_DETOXIFY = "Copydesk + Detoxify"


def measure(folder: Path, texts: Sequence[str]) -> dict[str, Any]:
    """Give, for each service, capacity, latencies, memory and time to readiness.

    Also what the network of the one with Detoxify scores alone, on all cores: its ceiling.
    """
    checkpoint = make_checkpoint("original", folder / "original")
    own = {name: folder / name.replace(" ", "_") for name in (DEFAULT, WHOLE, WITH_DETOXIFY)}
    peers = [
        copydesk(own[DEFAULT], DEFAULT, "bundled"),
        copydesk(own[WHOLE], WHOLE, "bundled", GATE="0"),
        copydesk(own[WITH_DETOXIFY], WITH_DETOXIFY, str(checkpoint)),
        naive(checkpoint, folder, cores()),
        litserve(checkpoint, folder, cores()),
    ]
    numbers = itertools.count()
    with ExitStack() as stack:
        services = [(peer, stack.enter_context(running(peer))) for peer in peers]
        found: dict[str, Any] = {
            peer.name: {"ready_s": at.ready_s, "idle_ms": _idle(peer, at, numbers)}
            for peer, at in services
        }
        bare = bare_network(checkpoint, "original", own[WITH_DETOXIFY] / "models")
        rates, alone = _capacities(services, texts, numbers, bare)
        for peer, at in services:
            of_peer = found[peer.name]
            of_peer["per_second"] = statistics.median(rates[peer.name])
            of_peer["rounds"] = rates[peer.name]
            of_peer["open"] = {
                f"{share:.0%}": _under(peer, at, share * of_peer["per_second"], texts, numbers)
                for share in SHARES
            }
            of_peer["memory_mb"], of_peer["processes"] = at.memory_mb(), at.processes
    least = found[peers[3].name]["per_second"]
    for of_peer in found.values():
        of_peer["times_naive"] = of_peer["per_second"] / least
    with_detoxify = found[WITH_DETOXIFY]
    with_detoxify["share_of_network_alone"] = with_detoxify["per_second"] / statistics.median(alone)
    return found


def _capacities(
    services: Sequence[tuple[Peer, Running]],
    texts: Sequence[str],
    numbers: Iterator[int],
    bare: tuple[PackedNetwork, Tokenizer],
) -> tuple[dict[str, list[float]], list[float]]:
    """Give the rates of each round: of the services, and of the network alone."""
    rates: dict[str, list[float]] = {peer.name: [] for peer, _ in services}
    alone = []
    for _ in range(ROUNDS):
        alone.append(on_all_cores(*bare, texts, CLOSED_S))
        for peer, at in services:
            requests = _requests(peer, at, texts, numbers)
            outcome = closed_loop(at.port, requests, peer.decided, CLIENTS, CLOSED_S)
            rates[peer.name].append(outcome.per_second)
    return rates, alone


def _under(
    peer: Peer, at: Running, per_second: float, texts: Sequence[str], numbers: Iterator[int]
) -> dict[str, Any]:
    count = max(8, int(per_second * OPEN_S))
    requests = list(itertools.islice(_requests(peer, at, texts, numbers), count))
    outcome = open_loop(at.port, requests, peer.decided, per_second)
    return {
        "per_second": per_second,
        "asked": outcome.asked,
        "failed": outcome.failed,
        "p50_ms": outcome.percentile(0.5),
        "p99_ms": outcome.percentile(0.99),
        "p99.9_ms": outcome.percentile(0.999),
    }


def _idle(peer: Peer, at: Running, numbers: Iterator[int]) -> float:
    """Give the median answer to a lone request of 40 words, in ms."""
    texts = [" ".join(f"word{n}" if n % 9 == 0 else "people" for n in range(IDLE_WORDS))]
    requests = list(itertools.islice(_requests(peer, at, texts, numbers), IDLE_REQUESTS))
    outcome = open_loop(at.port, requests, peer.decided, per_second=2.5 if len(peer.secret) else 2)
    return statistics.median(outcome.took_ms)


def _requests(
    peer: Peer, at: Running, texts: Sequence[str], numbers: Iterator[int]
) -> Iterator[Request]:
    """Give requests without end; no text comes twice, for a flood of copies costs nothing."""
    for number in numbers:
        yield peer.request(number, f"{texts[number % len(texts)]} {number}", at.port)
