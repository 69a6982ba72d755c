"""kill -9 at random moments under load: nothing that got a 2xx is lost, none is decided twice.

Row K2 to K6 of the fault matrix. The seed is printed; KILLS and SEED repeat a run.
"""

import json
import os
import random
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from sqlalchemy import select, text
from standardwebhooks.webhooks import Webhook

from moderation.store.database import open_database
from moderation.store.ledger import fold
from moderation.store.reading import decisions_of
from moderation.store.tables import Comment, Delivery
from tests.builders import FRIENDLY, INSULT, submitted
from tests.receiver import Receiver, serve, until
from tests.server import Server

KILLS = int(os.environ.get("KILLS", "20"))
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
SENDERS = 6


class Load:
    """A site's backend: posts without a pause, and tries again until it gets a 2xx."""

    def __init__(self, server: Server, secret: str) -> None:
        self.server, self.secret = server, secret
        self.accepted: dict[str, int] = {}
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(SENDERS)]

    def run(self, sender: int) -> None:
        number = 0
        while not self.stopping.is_set():
            number += 1
            id = f"c-{sender}-{number}"
            body = f"{INSULT if number % 3 == 0 else FRIENDLY} {id}"
            author = {"id": f"u-{sender}-{number}"}
            payload = json.dumps(submitted(id, body=body, author=author)).encode()
            deadline_ms = 0 if number % 5 == 0 else 2000
            self.post_until_accepted(id, payload, deadline_ms)

    def post_until_accepted(self, id: str, payload: bytes, deadline_ms: int) -> None:
        url = f"{self.server.url}/v1/sites/daily/webhook?deadline_ms={deadline_ms}"
        while True:
            now = datetime.now(UTC)
            headers = {
                "webhook-id": f"m-{id}",
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": Webhook(self.secret).sign(f"m-{id}", now, payload.decode()),
                "Content-Type": "application/json",
            }
            try:
                answer = requests.post(url, data=payload, headers=headers, timeout=10)
            except requests.RequestException:
                if self.stopping.is_set():
                    return
                time.sleep(0.05)
                continue
            if 200 <= answer.status_code < 300:
                self.accepted[id] = answer.status_code
                return
            assert answer.status_code == 503, answer.text
            time.sleep(0.05)

    def stop(self) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)


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

    load = Load(server, made["webhook_secret"])
    server.start()
    for thread in load.threads:
        thread.start()
    kills = KILLS if kind == "sqlite" else max(1, KILLS // 4)
    for _ in range(kills):
        time.sleep(dice.uniform(0.1, 1.0))
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


def all_settled(url: str) -> bool:
    sessions = open_database(url)
    with sessions.read() as session:
        pending = session.scalars(select(Comment).where(Comment.status == "pending")).first()
        owed = session.scalars(select(Delivery).where(Delivery.status == "pending")).first()
    sessions.engine.dispose()
    return pending is None and owed is None


def decided_once(decisions) -> bool:
    """One decision; before it at most one, held because a score was out of time."""
    on_all_scores = [d for d in decisions if "score_missing" not in {r["code"] for r in d.reasons}]
    first = decisions[0].action if decisions else None
    return (
        len(on_all_scores) == 1
        and len(decisions) <= 2
        and (len(decisions) == 1 or (first == "hold" and decisions[-1] is on_all_scores[0]))
    )


def report(url: str, accepted: set[str], receiver: Receiver) -> None:
    """Check the invariants, and print the counts."""
    sessions = open_database(url)
    with sessions.read() as session:
        comments = session.scalars(select(Comment)).all()
        late = 0
        assert accepted <= {comment.external_id for comment in comments}
        for comment in comments:
            decisions = decisions_of(session, comment.id)
            assert decided_once(decisions), comment.external_id
            late += len(decisions) - 1
            assert comment.status == fold(decisions, comment.revision)
            assert comment.seq == len(decisions)
        if session.get_bind().dialect.name == "sqlite":
            assert session.execute(text("PRAGMA integrity_check")).scalar() == "ok"
            assert session.execute(text("PRAGMA foreign_key_check")).first() is None
    sessions.engine.dispose()
    by_comment: dict[str, set[str]] = {}
    for id, event in zip(receiver.ids, receiver.events, strict=True):
        by_comment.setdefault(event["data"]["id"], set()).add(id)
    assert all(len(ids) == 1 for ids in by_comment.values()), "an event came under two ids"
    counts = Counter(event["type"] for event in receiver.events)
    print(
        f"accepted {len(accepted)}, stored and decided once {len(comments)} "
        f"({late} after a score was out of time), "
        f"told {len(by_comment)}, repeats {len(receiver.ids) - len(by_comment)}, {dict(counts)}"
    )
