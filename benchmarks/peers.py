"""Services to compare: Copydesk, and what a newsroom would build or take otherwise.

Each is a process group of its own, on a free port, with a folder of its own. Peers are
set as well as we know how: one thread for torch in each process, as many processes as
cores.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook

from benchmarks.load import Request

ROOT = Path(__file__).resolve().parents[1]
READY_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True)
class Peer:
    """A service that decides on comments."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    ready_path: str
    secret: str = ""
    """Of the site whose webhook signs; empty for a service that checks no signature."""

    def request(self, number: int, text: str, port: int) -> Request:
        """Give a request that has not been sent before."""
        if not self.secret:
            body = json.dumps({"id": f"c{number}", "text": text}).encode()
            return _http(port, "/comments", body, {})
        body = json.dumps(payload(number, text)).encode()
        headers = signature(self.secret, f"m{number}", body)
        return _http(port, "/v1/sites/bench/webhook?deadline_ms=20000", body, headers)

    @staticmethod
    def decided(body: bytes) -> bool:
        """Tell whether an answer is a decision on all scores, not a promise of one."""
        return b'"decision":null' not in body.replace(b" ", b"") and b"score_missing" not in body


def payload(number: int, text: str) -> dict[str, Any]:
    """Give the payload of a new comment."""
    return {
        "type": "comment.submitted",
        "timestamp": datetime.now(UTC).isoformat(),
        "data": {
            "id": f"c{number}",
            "body": text,
            "author": {"id": f"a{number % 997}", "name": "A reader"},
            "article": {"id": f"s{number % 13}", "title": "News", "section": "politics"},
        },
    }


def signature(secret: str, message: str, body: bytes) -> dict[str, str]:
    """Give the headers by which a site signs a message."""
    now = datetime.now(UTC)
    return {
        "webhook-id": message,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(message, now, body.decode()),
    }


def copydesk(
    folder: Path,
    name: str,
    model: str,
    callback: str = "http://127.0.0.1:9/events",
    **environ: str,
) -> Peer:
    """Set up Copydesk as it is installed, with a site; give how to start it."""
    settings = {
        "FLASK_APP": "wsgi",
        "INSTANCE_DIR": str(folder),
        "TOXICITY_MODEL": model,
        "DATABASE_URL": f"sqlite:///{folder / 'copydesk.db'}",
        "DEMO": "0",
        # What is measured ends with the event queued; a site that is told takes its own time.
        "EMBEDDED_WORKER": "0",
        "DELIVERY_NETWORKS": "127.0.0.0/8",
        **environ,
    }
    _flask(settings, "init")
    told = ("site", "add", "bench", "--name", "Bench", "--callback", callback)
    secret = json.loads(_flask(settings, *told, "--json"))["webhook_secret"]
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "-c",
        "python:moderation.gunicorn_conf",
        "wsgi:app",
    ]
    return Peer(name, command, settings, "/readyz", secret)


def naive(checkpoint: Path, folder: Path, processes: int) -> Peer:
    """Give what a newsroom would write: a route that asks Detoxify and stores the answer."""
    command = [sys.executable, "-m", "gunicorn", "-w", str(processes), "--threads", "8"]
    command += ["-t", "120", "benchmarks.naive:app"]
    environ = {"NAIVE_CHECKPOINT": str(checkpoint), "NAIVE_DATABASE": f"sqlite:///{folder}/n.db"}
    return Peer("Flask + Detoxify", command, environ | ONE_THREAD, "/ready")


def litserve(checkpoint: Path, folder: Path, processes: int) -> Peer:
    """Give LitServe with the same model and the same table."""
    environ = {
        "NAIVE_CHECKPOINT": str(checkpoint),
        "NAIVE_DATABASE": f"sqlite:///{folder}/l.db",
        "LITSERVE_WORKERS": str(processes),
    }
    return Peer(
        "LitServe", [sys.executable, "-m", "benchmarks.lit"], environ | ONE_THREAD, "/health"
    )


ONE_THREAD = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


@dataclass(slots=True)
class Running:
    """A peer that answers."""

    port: int
    ready_s: float
    group: int

    def memory_mb(self) -> float:
        """Give the memory of all its processes; what they share is counted once."""
        return sum(_share_mb(pid) for pid in _members(self.group))

    @property
    def processes(self) -> int:
        return len(_members(self.group))


@contextmanager
def running(peer: Peer) -> Iterator[Running]:
    """Start a peer, wait until it answers, and end it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = list(peer.command)
    if "benchmarks.naive:app" in command:
        command += ["-b", f"127.0.0.1:{port}"]
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | dict(peer.environ) | {"PORT": str(port)},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_ready(port, peer.ready_path, process)
        yield Running(port, time.perf_counter() - began, process.pid)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def _wait_until_ready(port: int, path: str, process: subprocess.Popen[bytes]) -> None:
    ask = f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode()
    ends = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < ends:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended with {process.returncode}")
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as connection:
                connection.sendall(ask)
                if b" 200 " in connection.recv(64):
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"{process.args} was not ready in {READY_WITHIN_S} s")


def _http(port: int, path: str, body: bytes, headers: Mapping[str, str]) -> Request:
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{key}: {value}" for key, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _flask(settings: Mapping[str, str], *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "flask", *words],
        cwd=ROOT,
        env=os.environ | dict(settings),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def _members(group: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[3]) == group:  # the session, which start_new_session made
            found.append(int(stat.parent.name))
    return found


def _share_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
