"""What grows with what: cores, comments waiting, word lists, the length of a comment."""

import itertools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import text

from benchmarks.load import closed_loop
from benchmarks.local import Desk
from benchmarks.peers import copydesk, running
from moderation.checks.words import WordsCheck
from moderation.core.comment import Comment, Words
from moderation.core.viewer import OPERATOR
from moderation.flows import review
from moderation.scoring.engine.model import cores

WAITING = (1_000, 100_000, 1_000_000)
TERMS = (10, 100, 1_000, 10_000, 100_000)
LENGTHS = (100, 1_000, 4_000, 16_000, 65_536)
TRIES = 15
HOSTILE = "You are a pathetic idiot and everyone in your town should be destroyed."


def with_cores(
    folder: Path, texts: Sequence[str], clients: int, seconds: float
) -> dict[int, float]:
    """Give decisions a second with one web process, two, and so on to one a core."""
    found = {}
    for processes in range(1, cores() + 1):
        own = folder / f"cores-{processes}"
        peer = copydesk(own, "cores", "bundled", WEB_CONCURRENCY=str(processes))
        with running(peer) as at:
            requests = (
                peer.request(n, f"{texts[n % len(texts)]} {n}", at.port) for n in itertools.count()
            )
            found[processes] = closed_loop(
                at.port, requests, peer.decided, clients, seconds
            ).per_second
    return found


def with_waiting(folder: Path) -> dict[int, dict[str, float]]:
    """Give the ms of what moderators and sites do, with so many comments waiting."""
    found = {}
    with Desk(folder / "waiting") as desk:
        first = desk.post(HOSTILE)
        assert first["status"] == "held", first
        for count in WAITING:
            _fill(desk, count)
            moment = median_ms(lambda: desk.post("A calm word about the new bridge."))
            found[count] = {
                "a new comment": moment,
                "a page of the queue": median_ms(
                    lambda: review.read_queue(desk.rt, OPERATOR, limit=50)
                ),
                "claim 10": median_ms(lambda: review.claim(desk.rt, OPERATOR, limit=10)),
                "metrics": median_ms(lambda: desk.client.get("/metrics")),
            }
    return found


def with_terms() -> dict[int, dict[str, float]]:
    """Give the ms of a comment, and of the first one, by the length of a site's word list."""
    comment = "The minister was asked about the bridge and gave no answer. " * 4
    found = {}
    for count in TERMS:
        words = Words(hold=tuple(f"term{number}word" for number in range(count)))
        check, given = WordsCheck(), Comment(comment, words=words)
        began = time.perf_counter()
        check.score(given)
        first = (time.perf_counter() - began) * 1000
        found[count] = {"the first": first, "each": median_ms(lambda c=check, g=given: c.score(g))}
    return found


def with_length(desk: Desk, texts: Sequence[str]) -> dict[int, dict[str, float]]:
    """Give the ms of each check, by the length of a comment in characters."""
    whole = " ".join(texts)
    starts = itertools.count()

    def given(length: int) -> Comment:
        """A comment that was not scored before, or a memory of it would answer."""
        start = next(starts) * 1000 % (len(whole) - length)
        return Comment(whole[start : start + length])

    return {
        length: {
            check.name: median_ms(lambda c=check, n=length: c.score(given(n)), tries=5)
            for check in desk.rt.checks
        }
        for length in LENGTHS
    }


def _fill(desk: Desk, count: int) -> None:
    """Copy the one held comment until so many wait; as fast as SQL can."""
    with desk.rt.sessions.write() as session:
        have = session.scalar(text("SELECT count(*) FROM comment WHERE waiting_since IS NOT NULL"))
        for table, changed in COPIED.items():
            columns = [row[1] for row in session.execute(text(f"PRAGMA table_info({table})"))]
            taken = ", ".join(changed.get(column, column) for column in columns)
            session.execute(
                text(
                    "WITH RECURSIVE n(i) AS "
                    "(SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last) "
                    f"INSERT INTO {table} ({', '.join(columns)}) "
                    f"SELECT {taken} FROM {table}, n WHERE {table}.rowid = 1"
                ),
                {"first": have, "last": count - 1},
            )
    with desk.rt.sessions.write() as session:
        session.execute(text("ANALYZE"))


COPIED = {  # numbers below 0, so that comments that are posted keep theirs
    "comment": {
        "id": "-i",
        "external_id": "'copy' || i",
        "decision_id": "'dec_copy' || i",
        "urgency": "(i * 7919 % 1000) / 1000.0",
    },
    "revision": {"id": "-i", "comment_id": "-i", "content_key": "'copy' || i"},
    "assessment": {"id": "-i", "revision_id": "-i"},
    "decision": {"id": "'dec_copy' || i", "comment_id": "-i", "assessment_id": "-i"},
}


def median_ms(act: Callable[[], Any], tries: int = TRIES) -> float:
    """Give the median of the ms that something takes."""
    took = []
    for _ in range(tries):
        began = time.perf_counter()
        act()
        took.append((time.perf_counter() - began) * 1000)
    return sorted(took)[tries // 2]
