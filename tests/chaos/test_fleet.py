"""A fleet: restarted under load without an error, cut off from its database without a loss.

Rows K9 and K11 of the fault matrix. The nodes are hosts of their own: network namespaces of this
machine, each with one cable to a switch that the database hangs on too.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.chaos.load import Load, prepared, settle
from tests.receiver import Receiver, serve, until
from tests.server import ROOT, Server, children

HUB = "10.99.7.1"


def begin(load: Load) -> None:
    for thread in load.threads:
        thread.start()


def accepted_more(load: Load, count: int = 20) -> None:
    before = len(load.accepted)
    until(lambda: len(load.accepted) >= before + count, "more comments to be accepted", 60)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_restart_under_load_is_not_noticed(kind: str, tmp_path: Path, request) -> None:
    environ = {"WEB_CONCURRENCY": "2"}
    if kind == "postgresql":
        environ["DATABASE_URL"] = request.getfixturevalue("postgresql_url")
    server, receiver = Server(tmp_path, environ), Receiver()
    listening = serve(receiver)
    load = prepared(server, receiver)
    server.start()
    begin(load)
    for _ in range(2):
        accepted_more(load)
        assert server.process is not None
        before = children(server.process.pid)
        os.kill(server.process.pid, signal.SIGHUP)  # as `systemctl reload` does
        until(lambda before=before: not before & children(server.process.pid), "the old to go", 60)
    accepted_more(load)
    assert load.refused == {}
    assert server.stop() == 0  # in hand is finished; whoever comes then finds nobody
    server.start()
    accepted_more(load)
    load.stop()
    assert set(load.refused) <= {"ConnectionError"}, load.refused
    settle(environ.get("DATABASE_URL", f"sqlite:///{tmp_path / 'copydesk.db'}"), load, receiver)
    assert server.stop() == 0
    listening.shutdown()


@dataclass
class Hosts:
    """Hosts beside this one: each a network namespace, on a switch that is at `HUB`."""

    prefix: str
    names: list[str] = field(default_factory=list)

    def ip(self, *words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    def begin(self) -> None:
        self.ip("link", "add", f"{self.prefix}br", "type", "bridge")
        self.ip("addr", "add", f"{HUB}/24", "dev", f"{self.prefix}br")
        self.ip("link", "set", f"{self.prefix}br", "up")

    def add(self) -> tuple[str, tuple[str, ...]]:
        """Make a host; its address, and the command that runs others there."""
        number = len(self.names) + 2
        name, cable, far = (f"{self.prefix}{kind}{number}" for kind in ("h", "c", "f"))
        address = f"{HUB.rpartition('.')[0]}.{number}"
        self.ip("netns", "add", name)
        self.names.append(name)
        self.ip("link", "add", cable, "type", "veth", "peer", "name", far, "netns", name)
        self.ip("link", "set", cable, "master", f"{self.prefix}br", "up")
        inside = ("ip", "netns", "exec", name)
        for words in (
            ("addr", "add", f"{address}/24", "dev", far),
            ("link", "set", far, "up"),
            ("link", "set", "lo", "up"),
        ):
            subprocess.run([*inside, "ip", *words], check=True)
        return address, inside

    def cable(self, host: int, state: str) -> None:
        """Put a host's cable `up` or `down`."""
        self.ip("link", "set", f"{self.prefix}c{host + 2}", state)

    def end(self) -> None:
        for name in self.names:
            self.ip("netns", "del", name)
        subprocess.run(["ip", "link", "del", f"{self.prefix}br"], capture_output=True)


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and iproute2 to make hosts")
    found = Hosts(f"cd{os.getpid() % 10_000}")
    try:
        found.begin()
        yield found
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no hosts can be made here: {error.stderr!r}")
    finally:
        found.end()


def test_hosts_that_are_cut_off_lose_nothing_and_double_nothing(
    hosts, cluster, tmp_path, request
) -> None:
    cluster.start()
    url = cluster.url.replace("127.0.0.1", HUB)
    receiver = Receiver()
    listening = serve(receiver, HUB)
    common = {
        "DATABASE_URL": url,
        "SECRET_KEY": "one key for all the fleet",
        "EMBEDDED_WORKER": "0",
        "WEB_CONCURRENCY": "1",
        "DELIVERY_NETWORKS": f"{HUB}/32",
        "DELIVERY_TIMEOUT_S": "2",
    }
    nodes = []
    for number in range(4):
        address, inside = hosts.add()
        (tmp_path / str(number)).mkdir()
        nodes.append(Server(tmp_path / str(number), common, host=address, inside=inside))
    *webs, first, second = nodes
    prepared(webs[0], receiver)
    load = Load(receiver.secret, *webs)
    for web in webs:
        web.start()
    workers = [worker(first), worker(second)]
    request.addfinalizer(lambda: [process.kill() for process in workers])
    request.addfinalizer(lambda: [web.kill() for web in webs])
    begin(load)

    accepted_more(load)
    hosts.cable(2, "down")  # a worker, with work in hand
    accepted_more(load)
    hosts.cable(0, "down")  # a web node: the site tries again at the other
    accepted_more(load, 5)
    time.sleep(3)
    hosts.cable(0, "up")
    hosts.cable(2, "up")
    accepted_more(load)
    workers[1].kill()
    accepted_more(load)

    load.stop()
    settle(cluster.url, load, receiver)
    workers[0].terminate()
    assert workers[0].wait(30) == 0
    for web in webs:
        assert web.stop() == 0
    listening.shutdown()


def worker(node: Server) -> subprocess.Popen:
    log = open(node.instance / "worker.log", "ab")  # noqa: SIM115 - the process keeps it
    return subprocess.Popen(
        [*node.inside, sys.executable, "-m", "flask", "worker"],
        cwd=ROOT,
        env=node.settings(),
        stdout=log,
        stderr=log,
    )
