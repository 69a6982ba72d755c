"""A load that tries again until it gets a 2xx, and the promises that are checked after it."""

import itertools
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
from moderation.store.tables import Comment, Delivery, Revision
from tests.builders import FRIENDLY, INSULT, submitted
from tests.receiver import Receiver, until
from tests.server import Server

SENDERS = 6


class Load:
    """A site's backend: posts without a pause, and tries again until it gets a 2xx."""

    def __init__(self, secret: str, *servers: Server) -> None:
        self.secret = secret
        self.urls = itertools.cycle([server.url for server in servers])
        self.refused: Counter[str] = Counter()
        """How often it had to try again, and why."""
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
        url = f"{next(self.urls)}/v1/sites/daily/webhook?deadline_ms={deadline_ms}"
        return requests.post(url, data=payload, headers=headers, timeout=timeout_s)

    def post_until_accepted(self, id: str, payload: bytes, deadline_ms: int) -> None:
        while True:
            try:
                answer = self._posted(id, payload, deadline_ms, timeout_s=10)
            except requests.RequestException as error:
                self.refused[type(error).__name__] += 1
                if self.stopping.is_set():
                    return
                time.sleep(0.05)
                continue
            if 200 <= answer.status_code < 300:
                self.accepted[id] = answer.status_code
                return
            self.refused[str(answer.status_code)] += 1
            assert answer.status_code == 503, answer.text
            time.sleep(0.05)

    def stop(self) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)


def prepared(server: Server, receiver: Receiver) -> Load:
    """Migrate, make the site, and give its load."""
    server.flask("db", "upgrade")
    callback = ("--callback", receiver.url) if receiver.url else ()
    told = server.flask("site", "add", "daily", "--name", "D", *callback, "--json")
    receiver.secret = json.loads(told)["webhook_secret"]
    return Load(receiver.secret, server)


def settle(url: str, load: Load, receiver: Receiver) -> None:
    """Wait until all that was accepted was told, and check every promise."""
    accepted = set(load.accepted)

    def told() -> set[str]:
        return {event["data"]["id"] for event in receiver.events}

    until(lambda: accepted <= told(), "an event of every accepted comment", 90)
    until(lambda: all_settled(url), "every duty to be done", 90)
    report(url, accepted, receiver)


def all_settled(url: str) -> bool:
    sessions = open_database(url)
    with sessions.read() as session:
        pending = session.scalars(select(Comment).where(Comment.status == "pending")).first()
        due = session.scalars(select(Revision).where(Revision.due_at.is_not(None))).first()
        owed = session.scalars(select(Delivery).where(Delivery.status == "pending")).first()
    sessions.engine.dispose()
    return pending is None and due is None and owed is None


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
            assert decided_once(decisions), [
                (comment.external_id, d.action, d.by, d.decided_at, d.reasons) for d in decisions
            ]
            late += len(decisions) - 1
            left += given_up(decisions)
            assert comment.status == fold(decisions, comment.revision)
            assert comment.seq == len(decisions)
    assert keeping.faults(sessions) == []
    sessions.engine.dispose()
    by_comment: dict[str, set[str]] = {}
    for id, event in zip(receiver.ids, receiver.events, strict=True):
        by_comment.setdefault(event["data"]["id"], set()).add(id)
    seq = {comment.external_id: comment.seq for comment in comments}
    assert all(len(ids) <= seq[id] for id, ids in by_comment.items()), "an event came under two ids"
    counts = Counter(event["type"] for event in receiver.events)
    print(
        f"accepted {len(accepted)}, stored and decided once {len(comments)} "
        f"({late} after a score was out of time, {left} left to a person after three attempts), "
        f"told {len(by_comment)}, repeats {len(receiver.ids) - len(by_comment)}, {dict(counts)}"
    )
