"""What is counted and timed, for Prometheus; the names are an interface, see docs/operations.md.

Each process writes its figures into a file of its own in one folder
(`PROMETHEUS_MULTIPROC_DIR`, which `config` sets before this is imported), and whichever
process is asked adds them up. Without the folder they are this process's alone.
No figure is labelled with anything that a reader, an author or an article brings.
"""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    start_http_server,
)
from prometheus_client.multiprocess import MultiProcessCollector

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
LAGS = (0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800, 7200, 86_400)

REQUESTS = Histogram(
    "copydesk_request_seconds",
    "Time to answer an HTTP request.",
    ["method", "route", "status"],
    buckets=SECONDS,
)
STEPS = Histogram(
    "copydesk_step_seconds", "Time of a step of a comment's way.", ["step"], buckets=SECONDS
)
CHECKS = Histogram("copydesk_check_seconds", "Time of a check.", ["check"], buckets=SECONDS)
MISSING = Counter(
    "copydesk_missing_total", "Checks that gave no score, by reason.", ["check", "reason"]
)
DECISIONS = Counter("copydesk_decisions_total", "Decisions, by action and maker.", ["action", "by"])
PUT_OFF = Counter(
    "copydesk_put_off_total",
    "Comments that came while no more could be scored: stored for later, or refused.",
    ["how"],
)
UNSIGNED = Counter("copydesk_unsigned_total", "Requests to a webhook that its site did not sign.")
ATTEMPTS = Counter(
    "copydesk_delivery_attempts_total", "Attempts to tell a site, by outcome.", ["outcome"]
)
LAG = Histogram(
    "copydesk_delivery_lag_seconds", "From a decision to its arrival at the site.", buckets=LAGS
)
DISABLED = Counter("copydesk_endpoints_disabled_total", "Endpoints that were disabled unasked.")


@contextmanager
def timed(step: str) -> Iterator[None]:
    """Time a step of a comment's way; one that fails is no step."""
    began = time.perf_counter()
    yield
    STEPS.labels(step).observe(time.perf_counter() - began)


def rendered(collectors: Iterable[Any] = ()) -> bytes:
    """Give all figures of all processes, and of further collectors, as Prometheus reads them."""
    registry = CollectorRegistry()
    if FOLDER in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(_Own())
    for collector in collectors:
        registry.register(collector)
    return generate_latest(registry)


def serve(host: str, port: int) -> None:
    """Tell the figures at `/metrics` of a port of its own, for a process that serves no pages."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    start_http_server(port, host, registry=registry)


def forget() -> None:
    """Delete this process's figures: those of a command that is over are read by nobody."""
    for file in Path(os.environ.get(FOLDER, os.devnull)).glob(f"*_{os.getpid()}.db"):
        file.unlink(missing_ok=True)


class _Own:
    def collect(self) -> Iterator[Any]:
        return (family for family in REGISTRY.collect() if family.name.startswith("copydesk_"))
