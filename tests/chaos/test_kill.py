"""kill -9 at random moments under load: nothing that got a 2xx is lost, none is decided twice.

Row K2 to K6 of the fault matrix. The seed is printed; KILLS and SEED repeat a run.
"""

import json
import os
import random
import time
from pathlib import Path

import pytest

from tests.chaos.load import Load, all_settled, report
from tests.receiver import Receiver, serve, until
from tests.server import Server

KILLS = int(os.environ.get("KILLS", "8"))
PER_KILL = 100 if KILLS >= 100 else 0
"""Comments to be accepted for each kill, in a long run."""
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 10**6)


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
    server.flask("db", "upgrade")
    made = json.loads(
        server.flask("site", "add", "daily", "--name", "D", "--callback", receiver.url, "--json")
    )
    receiver.secret = made["webhook_secret"]

    load = Load(made["webhook_secret"], server)
    server.start()
    for thread in load.threads:
        thread.start()
    kills = KILLS if kind == "sqlite" else max(1, KILLS // 4)
    for number in range(1, kills + 1):
        time.sleep(dice.uniform(0.1, 1.0))
        until(lambda n=number: len(load.accepted) >= n * PER_KILL, "comments to be accepted", 120)
        server.kill()
        server.start()
    load.stop()

    def told() -> set[str]:
        return {event["data"]["id"] for event in receiver.events}

    accepted = set(load.accepted)
    until(lambda: accepted <= told(), "an event of every accepted comment", 90)
    url = environ.get("DATABASE_URL", f"sqlite:///{tmp_path / 'copydesk.db'}")
    until(lambda: all_settled(url), "every duty to be done", 90)
    assert server.stop() == 0
    listening.shutdown()
    report(url, accepted, receiver)
