"""The real service as a process group of its own, under gunicorn, that can be killed."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parents[1]


OWN = ("DATABASE_URL", "SECRET_KEY", "PROMETHEUS_MULTIPROC_DIR")
"""Of the environment of the tests, what the service must not take over."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def children(pid: int) -> set[int]:
    """Processes that a process has started."""
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True)
    return set(map(int, found.stdout.split()))


def hears(pid: int, number: signal.Signals) -> bool:
    """Whether a process has come as far as to handle a signal by itself."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    [caught] = (line.split()[1] for line in lines if line.startswith("SigCgt:"))
    return bool(int(caught, 16) >> (number - 1) & 1)


def figures(text: str) -> dict[str, float]:
    """What /metrics says: name and labels → value."""
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


@dataclass
class Server:
    """`start`, `kill` (-9, everything at once), `stop` (politely)."""

    instance: Path
    environ: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen | None = None
    host: str = "127.0.0.1"
    inside: tuple[str, ...] = ()
    """A command that runs others elsewhere: in the network of another host."""
    root: Path = ROOT
    """Where the code is."""

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def settings(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k not in OWN}
        return (
            kept
            | {
                "FLASK_APP": "wsgi",
                "INSTANCE_DIR": str(self.instance),
                "HOST": self.host,
                "PORT": str(self.port),
                "TOXICITY_MODEL": "bundled",
                "DELIVERY_NETWORKS": "127.0.0.0/8",
            }
            | self.environ
        )

    def flask(self, *words: str) -> str:
        """Run a command on the same instance."""
        done = subprocess.run(
            [*self.inside, sys.executable, "-m", "flask", *words],
            cwd=self.root,
            env=self.settings(),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def spawn(self, *words: str) -> subprocess.Popen[bytes]:
        """Run a command beside the service, until it is killed."""
        return subprocess.Popen(
            [*self.inside, sys.executable, "-m", "flask", *words],
            cwd=ROOT,
            env=self.settings(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def start(self, timeout_s: float = 60.0, *, ready: bool = True) -> None:
        """Start, and wait until it is ready."""
        log = open(self.instance / "server.log", "ab")  # noqa: SIM115 - the process keeps it
        self.process = subprocess.Popen(
            [
                *self.inside,
                *(sys.executable, "-m", "gunicorn"),
                *("-c", "python:moderation.gunicorn_conf", "wsgi:app"),
            ],
            cwd=self.root,
            env=self.settings(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        deadline = time.monotonic() + timeout_s
        while ready and not self.is_ready():
            assert self.process.poll() is None, (self.instance / "server.log").read_text()[-3000:]
            assert time.monotonic() < deadline, "the server did not get ready"
            time.sleep(0.05)

    def is_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def is_free(self) -> bool:
        """Tell whether nobody listens where it is to."""
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OSError:
                return False
        return True

    def kill(self) -> None:
        """kill -9 of master and workers, as a power cut would."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; returns the exit status. No process may have ended otherwise than asked."""
        assert self.process is not None
        self.process.terminate()
        status = self.process.wait(30)
        assert "SIGABRT" not in (self.instance / "server.log").read_text()
        return status
