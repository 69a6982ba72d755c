"""Comments that get in each other's way in the database. Rows D8 and D9 of the fault matrix."""

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from moderation.store.database import MAX_TRIES, tried_again
from tests.builders import submitted
from tests.receiver import until

BLOCKED = text(
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_comment_that_ends_a_deadlock_is_tried_again(site, rt, caplog) -> None:
    caplog.set_level(logging.INFO, logger="moderation")
    assert site.post(submitted("c-0")).status_code == 200
    renamed = {"id": "a-22", "title": "Another headline"}

    with rt.sessions.engine.connect() as other, ThreadPoolExecutor(1) as pool:
        other.execute(text("SET LOCAL deadlock_timeout = '60s'"))  # so that it isn't the victim
        other.execute(text("SELECT 1 FROM author FOR UPDATE"))
        answer = pool.submit(site.post, submitted("c-1", article=renamed))
        with rt.sessions.engine.connect() as watch:
            watch.execution_options(isolation_level="AUTOCOMMIT")
            until(lambda: watch.scalar(BLOCKED), "the comment to wait for its author", 10)
        other.execute(text("UPDATE article SET section = 'politics'"))
        other.commit()

        assert answer.result(20).status_code == 200
    assert "crossed another write" in caplog.text
    assert len(site.comment("c-1")["decisions"]) == 1


def test_what_crosses_others_again_and_again_is_given_up() -> None:
    tries = []

    @tried_again
    def write() -> None:
        tries.append(1)
        raise OperationalError("UPDATE", {}, psycopg.errors.DeadlockDetected())

    with pytest.raises(OperationalError):
        write()
    assert len(tries) == MAX_TRIES == 3


def test_what_fails_otherwise_is_not_tried_again() -> None:
    tries = []

    @tried_again
    def write() -> None:
        tries.append(1)
        raise OperationalError("UPDATE", {}, psycopg.errors.DiskFull())

    with pytest.raises(OperationalError):
        write()
    assert len(tries) == 1


def test_without_a_free_connection_a_comment_is_503_within_the_wait(site, rt, monkeypatch) -> None:
    assert site.post(submitted("c-0")).status_code == 200
    pool = rt.sessions.engine.pool
    monkeypatch.setattr(pool, "_timeout", 0.3)

    with ExitStack() as others:
        for _ in range(pool.size() + pool._max_overflow):
            others.enter_context(rt.sessions.engine.connect())
        answer = site.post(submitted("c-1"))

    assert answer.status_code == 503
    assert answer.get_json()["type"].endswith("storage")
    assert int(answer.headers["Retry-After"]) > 0
    assert 'status="503"' in site.client.get("/metrics").text
    assert site.post(submitted("c-1")).status_code == 200
