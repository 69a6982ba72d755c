"""`python -m benchmarks.scale URL`: PostgreSQL with ten million comments on record.

Fills an empty database with the traces of so many comments, then does what sites,
moderators and workers do all day, and shows what it takes, beside the same with a
thousandth on record, and any statement whose plan reads a large table whole.
"""

import argparse
import json
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table
from sqlalchemy import Connection, event, select, text

from benchmarks.growth import HOSTILE, median_ms
from benchmarks.local import Desk
from moderation.core.viewer import OPERATOR
from moderation.flows import jobs, late, rescoring, retention, review
from moderation.store.tables import AssessmentRow, Base, Job

CHUNK = 250_000
PER_ARTICLE, PER_AUTHOR = 100, 20
WAITING = 50
"""One in so many comments waits for a moderator."""
LARGE = {"comment", "revision", "assessment", "decision", "delivery", "inbound", "author"}

CALM = "A calm word about the new bridge, number {}."

# What a comment leaves behind, for i from :first to :last; :now is that of the newest.
TRACES = {
    "article": (
        "INSERT INTO article (id, site_id, external_id, title, section) "
        "SELECT i, 1, 'a' || i, 'News', 'politics' FROM generate_series(:first, :last) i "
        "ON CONFLICT DO NOTHING"
    ),
    "author": (
        "INSERT INTO author (id, site_id, external_id, given_id, name, role, created_at) "
        "SELECT i, 1, 'u' || i, 'u' || i, 'A reader', 'reader', now() "
        "FROM generate_series(:first, :last) i ON CONFLICT DO NOTHING"
    ),
    "comment": (
        "INSERT INTO comment (id, site_id, external_id, article_id, author_id, created_at, "
        "revision, status, seq, decision_id, waiting_since, urgency, escalated) "
        "SELECT i, 1, 'old' || i, i / :per_article + 1, i % :authors + 1, :at, 1, "
        "CASE WHEN i % :waiting = 0 THEN 'held' WHEN i % 11 = 0 THEN 'rejected' "
        "ELSE 'published' END, 1, 'dec_' || i, CASE WHEN i % :waiting = 0 THEN :at END, "
        "(i % 1000 * 7919 % 1000) / 1000.0, false FROM generate_series(:first, :last) i"
    ),
    "revision": (
        "INSERT INTO revision (id, comment_id, author_id, number, body, format, content_key, "
        "role, published_before, received_at, extra, attempts) "
        "SELECT i, i, i % :authors + 1, 1, repeat('What somebody said of it. ', 1 + i % 12), "
        "'text', 'k' || i, 'reader', 3, :at, '{}', 0 FROM generate_series(:first, :last) i"
    ),
    "assessment": (
        "INSERT INTO assessment (id, revision_id, document, created_at) "
        "SELECT i, i, CAST(:document AS json), :at FROM generate_series(:first, :last) i"
    ),
    "decision": (
        "INSERT INTO decision (id, comment_id, revision, seq, action, by, policy_version, "
        "assessment_id, reasons, escalated, decided_at) "
        "SELECT 'dec_' || i, i, 1, 1, CASE WHEN i % :waiting = 0 THEN 'hold' "
        "WHEN i % 11 = 0 THEN 'reject' ELSE 'publish' END, 'policy', 1, i, '[]', false, :at "
        "FROM generate_series(:first, :last) i"
    ),
    "inbound": (
        "INSERT INTO inbound (site_id, webhook_id, body_hash, comment_id, revision, received_at) "
        "SELECT 1, 'msg_' || i, 'h', i, 1, :at FROM generate_series(:first, :last) i"
    ),
    "delivery": (
        "INSERT INTO delivery (id, endpoint_id, comment_id, decision_id, event, status, attempts, "
        "answered, created_at, delivered_at) SELECT i, 1, i, 'dec_' || i, 'comment.published', "
        "'delivered', 1, 204, :at, :at FROM generate_series(:first, :last) i"
    ),
}
AT = "now() - ({count} - i) * interval '9 seconds'"


def main() -> None:
    """Fill, measure, print."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    options.add_argument("url", help="postgresql://… of an empty database")
    options.add_argument("--comments", type=int, default=10_000_000)
    options.add_argument("--out", type=Path, default=Path("build"), help="where to write")
    given = options.parse_args()
    found: dict[str, Any] = {}
    with (
        tempfile.TemporaryDirectory(prefix="copydesk-scale-") as scratch,
        Desk(Path(scratch), given.url) as desk,
    ):
        desk.post(CALM.format(0))
        with desk.rt.sessions.read() as session:
            document = session.scalar(select(AssessmentRow.document))
        for count in (given.comments // 1000, given.comments):
            began = time.monotonic()
            fill(desk, count, document)
            found[f"{count}"] = {"filled_s": time.monotonic() - began} | measure(desk)
        found["bytes"] = _size(desk)
    show(found)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "scale.json").write_text(json.dumps(found, indent=1), "utf-8")


def fill(desk: Desk, count: int, document: Any) -> None:
    """Write the traces of comments up to a number, with the indexes put aside meanwhile."""
    given = {
        "count": count,
        "per_article": PER_ARTICLE,
        "authors": max(count // PER_AUTHOR, 1),
        "waiting": WAITING,
        "document": json.dumps(document),
    }
    tables = [table for table in Base.metadata.sorted_tables if table.name in TRACES]
    indexes = [index for table in tables for index in table.indexes]
    engine = desk.rt.sessions.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for line in (
            "SET session_replication_role = replica",  # what refers to what is known
            "SET synchronous_commit = off",
            "SET statement_timeout = 0",
            "SET maintenance_work_mem = '1GB'",
        ):
            connection.execute(text(line))
        for index in indexes:
            index.drop(connection)
        most = "SELECT max(id) FROM"
        have = int(
            connection.scalar(
                text(f"SELECT greatest(({most} comment), ({most} assessment), ({most} delivery))")
            )
            or 0
        )
        ranges = {
            "article": (1, count // PER_ARTICLE + 1),
            "author": (1, given["authors"]),
        }
        chunks = [
            (table.name, first, min(first + CHUNK - 1, last))
            for table in tables
            for start, last in [ranges.get(table.name, (have + 1, count))]
            for first in range(start, last + 1, CHUNK)
        ]
        for name, first, last in track(chunks, f"{count} comments"):
            _run(connection, TRACES[name], given | {"first": first, "last": last})
        for index in track(indexes, "indexes"):
            index.create(connection)
        for table in tables:
            if "id" in table.c and table.c.id.autoincrement and table.name != "decision":
                connection.execute(
                    text(
                        f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), "
                        f"(SELECT max(id) FROM {table.name}))"
                    )
                )
        connection.execute(text("VACUUM ANALYZE"))
    desk.rt.sessions.engine.dispose()


def _run(connection: Connection, statement: str, given: dict[str, Any]) -> None:
    numbers = given | {"at": AT.format(**given)}
    statement = re.sub(r"(?<!:):(?!document)(\w+)", lambda m: str(numbers[m[1]]), statement)
    wanted = {"document": given["document"]} if ":document" in statement else {}
    connection.execute(text(statement), wanted)


def measure(desk: Desk) -> dict[str, Any]:
    """Give the ms of what is done all day, and the statements that read a table whole."""
    ran: dict[str, Any] = {}

    def keep(_connection: Any, _cursor: Any, statement: str, given: Any, *_: Any) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "UPDATE", "DELETE", "WITH")):
            ran.setdefault(statement, given)

    event.listen(desk.rt.sessions.engine, "before_cursor_execute", keep)
    took = {name: median_ms(act) for name, act in acts(desk).items()}
    event.remove(desk.rt.sessions.engine, "before_cursor_execute", keep)
    return {"ms": took, "read whole": _read_whole(desk, ran)}


def acts(desk: Desk) -> dict[str, Callable[[], Any]]:
    """Name what is done all day."""
    rt, key = desk.rt, desk.api_key
    bearer = {"Authorization": f"Bearer {key}"}
    numbers = iter(range(10**6))

    def get(path: str) -> Callable[[], Any]:
        return lambda: desk.client.get(path, headers=bearer).get_data()

    def decide() -> None:
        [item] = review.claim(rt, OPERATOR, limit=1)
        review.decide(rt, OPERATOR, "bench", item["id"], action="publish", revision=1)

    def late_one() -> None:
        desk.post(CALM.format(next(numbers)), deadline_ms=0)
        late.complete_due(rt)

    def piece(step: jobs.Step, details: dict[str, Any]) -> Callable[[], Any]:
        def run() -> None:
            with rt.sessions.write() as session:
                job = Job(kind="", details=details, cursor=4000, done=0)
                step(rt, session, job)

        return run

    with rt.sessions.read() as session:
        chosen = rescoring.details(session, unscored=True)
    return {
        "a new comment, published": lambda: desk.post(CALM.format(next(numbers))),
        "a new comment, held": lambda: desk.post(f"{HOSTILE} {next(numbers)}"),
        "stored, then decided by the worker": late_one,
        "the comments of an article": get("/v1/sites/bench/articles/a7/comments"),
        "one comment with its history": get("/v1/sites/bench/comments/old500"),
        "a page of the queue": lambda: review.read_queue(rt, OPERATOR, limit=50),
        "claim one and decide": decide,
        "a piece of retention": piece(retention.step, {}),
        "a piece of scoring again": piece(rescoring.step, chosen),
        "metrics": get("/metrics"),
    }


def _read_whole(desk: Desk, ran: dict[str, Any]) -> list[str]:
    found = []
    with desk.rt.sessions.engine.connect() as connection:
        cursor: Any = connection.connection.cursor()
        for statement, given in ran.items():
            cursor.execute(f"EXPLAIN {statement}", given)
            plan = "\n".join(row[0] for row in cursor.fetchall())
            if any(f"Seq Scan on {table}" in plan for table in LARGE):
                found.append(f"{statement}\n{plan}")
    return found


def _size(desk: Desk) -> int:
    with desk.rt.sessions.read() as session:
        return int(session.scalar(text("SELECT pg_database_size(current_database())")) or 0)


def show(found: dict[str, Any]) -> None:
    """Print the figures, by how much is on record."""
    small, large = (found[count] for count in found if count.isdigit())
    names = [count for count in found if count.isdigit()]
    table = Table("ms, median", *(f"{int(count):,} comments" for count in names), "ratio")
    for name, took in large["ms"].items():
        before = small["ms"][name]
        table.add_row(name, f"{before:.1f}", f"{took:.1f}", f"{took / before:.2f}")
    table.caption = f"{found['bytes'] / 2**30:.1f} GiB, filled in {large['filled_s']:.0f} s"
    console = Console()
    console.print(table)
    for plan in large["read whole"]:
        console.print(f"[bold]reads a large table whole:[/bold]\n{plan}\n", highlight=False)
    console.print(f"statements that read a large table whole: {len(large['read whole'])}")


if __name__ == "__main__":
    main()
