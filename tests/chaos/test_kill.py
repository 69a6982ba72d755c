"""kill -9 at random moments under load: nothing that got a 2xx is lost, none is decided twice.

Rows K2 to K8 of the fault matrix. The seed is printed; KILLS and SEED repeat a run.
"""

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.load import prepared, settle
from tests.receiver import Receiver, serve, until
from tests.server import Server, children, hears

KILLS = int(os.environ.get("KILLS", "8"))
PER_KILL = 100 if KILLS >= 100 else 0
"""Comments to be accepted for each kill, in a long run."""
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
VICTIMS = ("everything", "master", "web process", "worker")
"""What a kill takes, each as often."""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_was_accepted_survives_kill_9(kind: str, tmp_path: Path, request) -> None:
    print(f"seed {SEED}, {KILLS} kills")
    dice = random.Random(SEED)
    environ = {"DELIVERY_TIMEOUT_S": "2"}  # a lease outlives its process by that and a little
    if kind == "postgresql":
        environ["DATABASE_URL"] = request.getfixturevalue("postgresql_url")
    server = Server(tmp_path, environ)
    receiver = Receiver()
    listening = serve(receiver)
    load = prepared(server, receiver)
    server.start()
    worker = server.spawn("worker")
    for thread in load.threads:
        thread.start()
    killed: Counter[str] = Counter()
    kills = KILLS if kind == "sqlite" else max(1, KILLS // 4)
    for number in range(1, kills + 1):
        time.sleep(dice.uniform(0.1, 1.0))
        until(lambda n=number: len(load.accepted) >= n * PER_KILL, "comments to be accepted", 120)
        victim = dice.choice(VICTIMS)
        killed[victim] += 1
        if victim in ("everything", "worker"):
            worker.kill()
            worker.wait()
            worker = server.spawn("worker")
        assert server.process is not None
        if victim == "web process":
            until(lambda pid=server.process.pid: children(pid), "a web process", 60)
            before = children(server.process.pid)
            os.kill(dice.choice(sorted(before)), signal.SIGKILL)
            until(lambda old=before: children(server.process.pid) - old, "another process", 60)
        elif victim == "master":
            server.process.kill()
            server.process.wait()
            until(server.is_free, "its processes to finish and end", 60)
        elif victim == "everything":
            server.kill()
        if server.process.poll() is not None:
            server.start()
    load.stop()
    print(", ".join(f"{victim} {count}" for victim, count in killed.items()))

    settle(environ.get("DATABASE_URL", f"sqlite:///{tmp_path / 'copydesk.db'}"), load, receiver)
    assert server.stop() == 0
    until(lambda: hears(worker.pid, signal.SIGTERM), "the worker to have begun", 60)
    worker.terminate()
    assert worker.wait(30) == 0
    listening.shutdown()
