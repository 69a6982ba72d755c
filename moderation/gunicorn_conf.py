"""How gunicorn runs the service: `gunicorn -c python:moderation.gunicorn_conf wsgi:app`.

Each web process loads its model before it takes a request, so that no comment is held
only because a model was still loading, and runs a worker of its own unless told not to.
A model that can't be loaded does not stop the start: comments are then held, and /readyz
says why.
"""

import os
from typing import Any

from config import Settings

settings = Settings.from_env()  # before any import that counts for /metrics

from moderation import heaps, metrics
from moderation.checks.check import warm_up
from moderation.scoring.naming import BUNDLED, resolved
from moderation.worker import Worker

MOST_PROCESSES = 4
"""Chosen unasked: each takes a quarter of a gigabyte."""


def _processes(settings: Settings) -> int:
    """One a core with the bundled model; with another, which uses every core itself, one."""
    if resolved(settings.toxicity_model, settings.models_dir) not in BUNDLED:
        return 1
    ours = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    return min(len(ours(0)) if ours else os.cpu_count() or 1, MOST_PROCESSES)


bind = f"{settings.host}:{settings.port}"
workers = settings.web_concurrency or _processes(settings)
threads = settings.web_threads
worker_class = "gthread"
timeout = 120
graceful_timeout = 30
keepalive = 75
control_socket_disable = True
accesslog = None
loglevel = "warning"
forwarded_allow_ips = "127.0.0.1"

_running: dict[int, Worker] = {}


def on_starting(server: Any) -> None:
    """Begin with the figures of those that live, and with few heaps."""
    metrics.forget_the_dead()
    heaps.share()


def post_worker_init(worker: Any) -> None:
    """Load the model, then start this process's worker, if it is to have one."""
    runtime = worker.app.callable.extensions["moderation"]
    warm_up(runtime.checks, runtime.pool)
    if not settings.embedded_worker:
        return
    _running[worker.pid] = Worker(runtime)
    _running[worker.pid].start()


def worker_exit(server: Any, worker: Any) -> None:
    """Let the worker finish what it has in hand."""
    if worker.pid in _running:
        _running.pop(worker.pid).stop()
