"""How gunicorn runs the service: `gunicorn -c python:moderation.gunicorn_conf wsgi:app`.

Each web process loads its model before it takes a request, so that no comment is held
only because a model was still loading, and runs a worker of its own unless told not to.
A model that can't be loaded does not stop the start: comments are then held, and /readyz
says why.

The master reads this and forks. A worker has what the master has imported, and after an
update that is the old version, beside the new one that it reads from the disk. So what a
worker uses is imported in the hooks that run in it, and the master lets go of the little that
it has read itself; at a reload it reads that, the settings too, anew. (`preload_app` would
make workers of one version as well, but of the one that was there at the start.)
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config import Settings
from moderation import heaps
from moderation.handover import GONE, READY, Handover
from moderation.scoring.naming import BUNDLED, resolved

if TYPE_CHECKING:
    from moderation.worker import Worker

settings = Settings.from_env()

MOST_PROCESSES = 4
"""Chosen unasked: each takes a quarter of a gigabyte."""


def _processes(settings: Settings) -> int:
    """One a core with the bundled model; with another, which uses every core itself, one."""
    if resolved(settings.toxicity_model, settings.models_dir) not in BUNDLED:
        return 1
    ours = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    return min(len(ours(0)) if ours else os.cpu_count() or 1, MOST_PROCESSES)


_host = f"[{settings.host}]" if ":" in settings.host else settings.host
bind = f"{_host}:{settings.port}"
workers = settings.web_concurrency or _processes(settings)
threads = settings.web_threads
worker_class = "moderation.handover.WebProcess"
timeout = 120
graceful_timeout = 30
keepalive = 75
control_socket_disable = True
accesslog = None
loglevel = "warning"
forwarded_allow_ips = "127.0.0.1"

_running: dict[int, "Worker"] = {}


def on_starting(server: Any) -> None:
    """Begin with the figures of those that live, and with few heaps."""
    _forget_the_dead()
    heaps.share()
    server.handover = Handover()
    server.signal = server.handover.hearing(server.signal)
    _let_go()


def on_reload(server: Any) -> None:
    """Let go of what was read for the new processes that are about to be forked."""
    if not hasattr(server, "handover"):  # begun by a version that had none
        server.handover = Handover()
    server.handover.begin(server.worker_age, server.cfg.workers)
    _let_go()


def post_fork(server: Any, worker: Any) -> None:
    """Let the process know of reloads."""
    worker.handover = server.handover


def post_worker_init(worker: Any) -> None:
    """Load the model, then start this process's worker, if it is to have one."""
    from moderation.checks.check import warm_up
    from moderation.worker import Worker

    runtime = worker.app.callable.extensions["moderation"]
    warm_up(runtime.checks, runtime.pool)
    if settings.embedded_worker:
        _running[worker.pid] = Worker(runtime)
        _running[worker.pid].start()
    worker.handover.note(worker.age, READY)


def child_exit(server: Any, worker: Any) -> None:
    """Put another in the place of one that was killed before it was ready: others wait for it."""
    if server.LISTENERS and server.handover.is_missing(worker.age):  # none: the master is stopping
        server.spawn_worker()


def worker_exit(server: Any, worker: Any) -> None:
    """Let the worker finish what it has in hand."""
    server.handover.note(worker.age, GONE)
    if worker.pid in _running:
        _running.pop(worker.pid).stop()


def _let_go() -> None:
    """Leave no module of ours to be inherited. The hooks above keep what they use."""
    for name in list(sys.modules):
        if name.split(".")[0] in ("config", "moderation"):
            del sys.modules[name]


def _forget_the_dead() -> None:
    """Delete the figures of processes that are no more: a counter of theirs begins anew.

    Here, and not in `metrics`: to import that is to begin figures of this process.
    """
    for file in Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).glob("*.db"):
        pid = file.stem.rpartition("_")[2]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            file.unlink(missing_ok=True)
