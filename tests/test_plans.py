"""No hot path reads a whole table: every statement of it has an index, on PostgreSQL.

A planner reads a small table whole whatever its indexes are, so it is told not to where
it can help it; what it then still reads whole has no index to go by.
"""

import re
from collections.abc import Iterator

import pytest
from sqlalchemy import event, select, update

from moderation.core.viewer import OPERATOR
from moderation.flows import review, sites
from moderation.flows.delivery import deliver_due, release_withheld
from moderation.flows.late import complete_due
from moderation.store.tables import Delivery, Revision
from tests.builders import FRIENDLY, INSULT, submitted

SMALL = {"site", "site_secret", "api_key", "endpoint", "person", "person_site", "policy_version"}
"""Tables of a newsroom's size, not of its readers'."""


@pytest.fixture
def database_url(postgresql_url: str) -> str:
    return postgresql_url


@pytest.fixture
def ran(rt):
    """The statements that a hot path runs, with their parameters."""
    statements: dict[str, object] = {}

    def keep(connection, cursor, statement, parameters, context, many) -> None:
        if re.match(r"\s*(SELECT|UPDATE|DELETE)", statement) and not many:
            statements[statement] = parameters

    event.listen(rt.sessions.engine, "before_cursor_execute", keep)
    yield statements
    event.remove(rt.sessions.engine, "before_cursor_execute", keep)


def plans(rt, statements: dict[str, object], without: str) -> Iterator[tuple[str, str]]:
    """Each statement with its plan, made without what can be helped."""
    with rt.sessions.engine.connect() as connection:
        cursor = connection.connection.cursor()
        cursor.execute(without)
        for statement, parameters in statements.items():
            cursor.execute(f"EXPLAIN {statement}", parameters)
            yield statement, "\n".join(row[0] for row in cursor.fetchall())


def read_whole(rt, statements: dict[str, object]) -> dict[str, set[str]]:
    """Statement → the tables that it reads whole, small ones left out."""
    found = plans(rt, statements, "SET enable_seqscan = off")
    tables = {one: set(re.findall(r"Seq Scan on (\w+)", plan)) - SMALL for one, plan in found}
    return {statement: whole for statement, whole in tables.items() if whole}


def sorted_rows(rt, statements: dict[str, object], table: str) -> list[str]:
    """The plans that sort rows of a table."""
    without = "SET enable_seqscan = off; SET enable_bitmapscan = off"
    found = (plan for _, plan in plans(rt, statements, without))
    return [plan for plan in found if "Sort Key" in plan and f" {table}" in plan]


def test_a_comment_from_the_webhook_to_the_site(site, rt, ran, senders) -> None:
    sites.add_endpoint(rt, "daily", "http://127.0.0.1:9/events", [])
    ran.clear()
    site.post(submitted(body=INSULT))
    site.post(submitted(body=FRIENDLY))
    site.post(submitted(id="late", body=FRIENDLY), deadline_ms=0)
    complete_due(rt)
    deliver_due(rt, senders)
    assert len(ran) > 20, "the way of a comment has more statements than that"
    assert read_whole(rt, ran) == {}


def test_what_is_withheld_is_found_by_its_index(site, rt, ran) -> None:
    sites.add_endpoint(rt, "daily", "http://127.0.0.1:9/events", [])
    site.post(submitted(body=INSULT))
    with rt.sessions.write() as session:
        session.execute(update(Delivery).values(status="withheld", next_attempt_at=None))
    ran.clear()
    assert release_withheld(rt) == 1
    found = dict(plans(rt, ran, "SET enable_seqscan = off"))
    assert [one for one, plan in found.items() if "ix_delivery_withheld" in plan] == [
        one for one in found if "withheld" in one
    ]
    assert len(ran) >= 3 and read_whole(rt, ran) == {}


def test_the_queue_is_read_in_order_and_counted_by_its_index(site, rt, ran) -> None:
    site.post(submitted(body=INSULT))
    ran.clear()
    page, _ = review.read_queue(rt, OPERATOR)
    assert len(page) == 1
    assert read_whole(rt, ran) == {}
    first = {statement: given for statement, given in ran.items() if "ORDER BY" in statement}
    assert first and sorted_rows(rt, first, "comment") == []
    review.claim(rt, OPERATOR, limit=5)
    assert read_whole(rt, ran) == {}


def test_the_figures_read_no_table_whole(app, site, rt, ran) -> None:
    site.post(submitted(body=INSULT))
    ran.clear()
    assert app.test_client().get("/metrics").status_code == 200
    assert read_whole(rt, ran) == {}


def test_the_test_itself_sees_a_table_that_is_read_whole(rt, ran) -> None:
    with rt.sessions.read() as session:
        session.scalars(select(Revision.id).where(Revision.body == "x")).all()
    assert {"revision"} in read_whole(rt, ran).values()
