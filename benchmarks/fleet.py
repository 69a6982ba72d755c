"""`python -m benchmarks.fleet`: what workers get done, and whether memory stays flat.

Workers: comments that were stored without waiting are decided and told by 1, 2 and 4
worker processes, with a check that costs no CPU: one that answers at once shows what the
database and the queue take, one that waits shows that workers add up.

Memory: one web process with the bundled model and its worker takes so many comments by
HTTP, decides them and tells a site.
"""

import argparse
import asyncio
import itertools
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from sqlalchemy import select

from benchmarks.comments import comments
from benchmarks.load import closed_loop
from benchmarks.peers import ROOT, copydesk, payload, running
from config import Settings
from moderation.app import create_app
from moderation.checks.check import Result
from moderation.commands.worker import AT_ONCE
from moderation.core.comment import Comment
from moderation.evaluation import svg
from moderation.flows import screening, sites
from moderation.flows.runtime import Runtime
from moderation.store import migrating
from moderation.store.intake import Webhook
from moderation.store.tables import Delivery, Revision
from moderation.wire import SubmissionSchema
from moderation.worker import Worker

WORKERS = (1, 2, 4)
CHECK_MS = (0, 20)
BACKLOG = {0: 2000, 20: 600}
"""Check's ms → comments to be worked off."""
SAMPLES = 40
CLIENTS = 16


class WaitingCheck:
    """Takes a time, but no CPU."""

    name = "waiting"
    version = "1"
    attributes = ("spam",)

    def __init__(self, ms: float) -> None:
        self.cost_ms = ms

    def score(self, comment: Comment) -> Result:
        time.sleep(self.cost_ms / 1000)
        return Result({"spam": 0.0})


def main() -> None:
    """Run the parts that are asked for; or be a worker or a receiver of one."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    options.add_argument("parts", nargs="*", choices=["workers", "memory", []])
    options.add_argument("--database", default="", help="postgresql://… of an empty database")
    options.add_argument("--comments", type=int, default=200_000, help="for memory")
    options.add_argument("--data", type=Path, help="labelled sets; without, our own sentences")
    options.add_argument("--out", type=Path, default=Path("build"))
    options.add_argument("--be", choices=["worker", "receiver"], help=argparse.SUPPRESS)
    options.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--ms", type=float, default=0, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.be == "receiver":
        asyncio.run(_receive())
    elif given.be == "worker":
        _work(_runtime(given.folder, given.database, given.ms))
    else:
        given.out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="copydesk-fleet-") as scratch, _receiver() as url:
            for part in given.parts or ("workers", "memory"):
                measure = {"workers": _workers, "memory": _memory}[part]
                measure(Path(scratch), url, given)


def _workers(folder: Path, told: str, given: argparse.Namespace) -> None:
    rt = _runtime(folder, given.database, 0)
    migrating.upgrade(rt.sessions.engine.url.render_as_string(hide_password=False))
    sites.add_site(rt, "bench", "Bench", by="bench", callback=told)
    site_id = sites.site_details(rt, "bench")["site"].id
    numbers = itertools.count()
    found = {
        ms: {
            count: _worked_off(rt, site_id, folder, given, ms, count, numbers) for count in WORKERS
        }
        for ms in CHECK_MS
    }
    title = f"decided and told a second, {rt.sessions.engine.dialect.name}"
    table = Table(title, *(f"{n} workers" for n in WORKERS), title="ratio to one in brackets")
    for ms, rates in found.items():
        cells = (f"{rate:.0f} ({rate / rates[1]:.2f})" for rate in rates.values())
        table.add_row(f"a check that waits {ms} ms", *cells)
    Console().print(table)
    (given.out / "fleet.json").write_text(json.dumps(found, indent=1), "utf-8")


def _worked_off(
    rt: Runtime,
    site_id: int,
    folder: Path,
    given: argparse.Namespace,
    ms: float,
    count: int,
    numbers: Iterator[int],
) -> float:
    """Comments a second that so many workers decide and tell."""
    for number in itertools.islice(numbers, BACKLOG[int(ms)]):
        data = payload(number, f"A calm word about the new bridge, number {number}.")["data"]
        given_comment = SubmissionSchema().load(data)
        screening.submit(rt, site_id, given_comment, Webhook.of(f"m{number}", b""), 0)
    command = [sys.executable, "-m", "benchmarks.fleet", "--be", "worker", "--folder", str(folder)]
    command += ["--database", given.database, "--ms", str(ms)]
    workers = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(count)
    ]
    for worker in workers:
        assert worker.stdout and worker.stdout.readline() == b"ready\n"
    began = time.perf_counter()
    for worker in workers:
        assert worker.stdin
        worker.stdin.write(b"go\n")
        worker.stdin.flush()
    while _left(rt):
        time.sleep(0.05)
    took = time.perf_counter() - began
    for worker in workers:
        worker.kill()
        worker.wait()
    return BACKLOG[int(ms)] / took


def _left(rt: Runtime) -> bool:
    with rt.sessions.read() as session:
        due = select(Revision.id).where(Revision.due_at.is_not(None)).limit(1)
        owed = select(Delivery.id).where(Delivery.next_attempt_at.is_not(None)).limit(1)
        return session.scalar(due) is not None or session.scalar(owed) is not None


def _runtime(folder: Path, database: str, ms: float) -> Runtime:
    settings = Settings(
        instance_dir=folder, database_url=database, demo=False, delivery_networks="127.0.0.0/8"
    ).completed()
    rt: Runtime = create_app(settings).extensions["moderation"]
    return replace(rt, checks=(WaitingCheck(ms),))


def _work(rt: Runtime) -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    Worker(rt, AT_ONCE).start()
    time.sleep(3600)


def _memory(folder: Path, told: str, given: argparse.Namespace) -> None:
    texts, _ = comments(512, given.data)
    peer = copydesk(
        folder / "memory",
        "memory",
        "bundled",
        callback=told,
        WEB_CONCURRENCY="1",
        EMBEDDED_WORKER="1",
    )
    piece = given.comments // SAMPLES
    found: list[tuple[int, float]] = []
    with running(peer) as at, Progress() as progress:
        task = progress.add_task("memory", total=given.comments)
        done = 0
        while done < given.comments:
            # One in ten texts is new; the others were seen before, as in a flood.
            requests = (
                peer.request(n, texts[n % len(texts)] + (f" {n}" if n % 10 == 0 else ""), at.port)
                for n in range(done, done + piece)
            )
            outcome = closed_loop(at.port, requests, peer.decided, CLIENTS, math.inf)
            assert outcome.failed == 0, outcome
            done += piece
            found.append((done, at.memory_mb()))
            progress.update(task, completed=done)
    half = found[len(found) // 2 :]
    grew = half[-1][1] / half[0][1] - 1
    Console().print(
        f"memory after {found[0][0]:,} comments {found[0][1]:.0f} MB, after {half[0][0]:,} "
        f"{half[0][1]:.0f} MB, after {half[-1][0]:,} {half[-1][1]:.0f} MB: "
        f"{grew:+.1%} in the second half"
    )
    (given.out / "memory.json").write_text(json.dumps(found), "utf-8")
    (given.out / "memory.svg").write_text(drawn(found), "utf-8")


def drawn(found: Sequence[tuple[int, float]]) -> str:
    """Draw memory against comments."""
    left, top, height = 42, 30, 150
    most_comments, most_mb = found[-1][0], max(mb for _, mb in found) * 1.2

    def at(count: float, mb: float) -> svg.Point:
        return left + count / most_comments * (svg.WIDTH - left - 16), top + height * (
            1 - mb / most_mb
        )

    parts = [svg.words("Memory of service and worker, MB", 8, 18, font_weight="600")]
    for mb in range(0, int(most_mb), 100):
        parts += [
            svg.line(at(0, mb), at(most_comments, mb), svg.PALE),
            svg.words(f"{mb}", left - 5, at(0, mb)[1] + 4, anchor="end"),
        ]
    for count in range(0, most_comments + 1, most_comments // 4):
        x, y = at(count, 0)
        parts.append(svg.words(f"{count:,}", x, y + 16, anchor="end" if count else "middle"))
    parts += [svg.path((at(*point) for point in found), 0)]
    parts.append(
        svg.words("comments decided and told", svg.WIDTH / 2, top + height + 32, anchor="middle")
    )
    told = f"from {found[0][1]:.0f} MB to {found[-1][1]:.0f} MB"
    return svg.figure("Memory over comments", told, top + height + 40, parts)


@contextmanager
def _receiver() -> Iterator[str]:
    """A site that takes every event at once; its address."""
    command = [sys.executable, "-m", "benchmarks.fleet", "--be", "receiver"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/events"
    finally:
        process.kill()
        process.wait()


async def _receive() -> None:
    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = head.partition(b"content-length:")[2].split(b"\r\n")[0]
                await reader.readexactly(int(length))
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    main()
