"""A load that tries again until it gets a 2xx, and the promises that are checked after it."""

import json
import threading
import time
from collections import Counter
from datetime import UTC, datetime

import requests
from sqlalchemy import select
from standardwebhooks.webhooks import Webhook

from moderation.store import keeping
from moderation.store.database import open_database
from moderation.store.ledger import fold
from moderation.store.reading import decisions_of
from moderation.store.tables import Comment, Delivery
from tests.builders import FRIENDLY, INSULT, submitted
from tests.receiver import Receiver
from tests.server import Server

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

    def post(self, id: str, *, words: int = 0, deadline_ms: int = 2000) -> requests.Response:
        """Post one comment, once."""
        body = f"{FRIENDLY} {id}" + " word" * words
        payload = json.dumps(submitted(id, body=body, author={"id": f"u-{id}"})).encode()
        return self._posted(id, payload, deadline_ms, timeout_s=30)

    def _posted(
        self, id: str, payload: bytes, deadline_ms: int, timeout_s: float
    ) -> requests.Response:
        now = datetime.now(UTC)
        headers = {
            "webhook-id": f"m-{id}",
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(self.secret).sign(f"m-{id}", now, payload.decode()),
            "Content-Type": "application/json",
        }
        url = f"{self.server.url}/v1/sites/daily/webhook?deadline_ms={deadline_ms}"
        return requests.post(url, data=payload, headers=headers, timeout=timeout_s)

    def post_until_accepted(self, id: str, payload: bytes, deadline_ms: int) -> None:
        while True:
            try:
                answer = self._posted(id, payload, deadline_ms, timeout_s=10)
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


def all_settled(url: str) -> bool:
    sessions = open_database(url)
    with sessions.read() as session:
        pending = session.scalars(select(Comment).where(Comment.status == "pending")).first()
        owed = session.scalars(select(Delivery).where(Delivery.status == "pending")).first()
    sessions.engine.dispose()
    return pending is None and owed is None


def decided_once(decisions) -> bool:
    """One decision; before it at most one, held because a score was out of time.

    Or one that leaves the comment to a person, because three attempts died with it.
    """
    if len(decisions) == 1 and given_up(decisions):
        return decisions[0].action == "hold"
    on_all_scores = [d for d in decisions if "score_missing" not in {r["code"] for r in d.reasons}]
    first = decisions[0].action if decisions else None
    return (
        len(on_all_scores) == 1
        and len(decisions) <= 2
        and (len(decisions) == 1 or (first == "hold" and decisions[-1] is on_all_scores[0]))
    )


def given_up(decisions) -> bool:
    return any("gave up" in reason["message"] for reason in decisions[-1].reasons)


def report(url: str, accepted: set[str], receiver: Receiver) -> None:
    """Check the invariants, and print the counts."""
    sessions = open_database(url)
    with sessions.read() as session:
        comments = session.scalars(select(Comment)).all()
        late = left = 0
        assert accepted <= {comment.external_id for comment in comments}
        for comment in comments:
            decisions = decisions_of(session, comment.id)
            assert decided_once(decisions), comment.external_id
            late += len(decisions) - 1
            left += given_up(decisions)
            assert comment.status == fold(decisions, comment.revision)
            assert comment.seq == len(decisions)
    assert keeping.faults(sessions) == []
    sessions.engine.dispose()
    by_comment: dict[str, set[str]] = {}
    for id, event in zip(receiver.ids, receiver.events, strict=True):
        by_comment.setdefault(event["data"]["id"], set()).add(id)
    assert all(len(ids) == 1 for ids in by_comment.values()), "an event came under two ids"
    counts = Counter(event["type"] for event in receiver.events)
    print(
        f"accepted {len(accepted)}, stored and decided once {len(comments)} "
        f"({late} after a score was out of time, {left} left to a person after three attempts), "
        f"told {len(by_comment)}, repeats {len(receiver.ids) - len(by_comment)}, {dict(counts)}"
    )
