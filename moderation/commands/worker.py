"""`flask worker`: the worker on its own, beside those in the web processes."""

import atexit
import signal
import threading

import click

from moderation import heaps, metrics
from moderation.checks.check import warm_up
from moderation.commands.console import as_command, runtime
from moderation.worker import Worker

AT_ONCE = 4
"""Comments that are screened side by side."""


@click.command("worker")
@click.option("--metrics-port", type=click.IntRange(1, 65535), help="Tell figures on this port.")
@as_command
def command(metrics_port: int | None) -> None:
    """Finish late checks and send events until SIGTERM or Ctrl-C."""
    atexit.unregister(metrics.forget)  # what it has counted is asked for until all begin anew
    heaps.share()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    rt = runtime()
    warm_up(rt.checks, rt.pool)
    worker = Worker(rt, AT_ONCE)
    worker.start()
    if metrics_port:
        metrics.serve(rt.settings.host, metrics_port)
    click.echo("worker: running; Ctrl-C stops it")
    stopping.wait()
    worker.stop()
