"""Writes that get in each other's way in the database. Rows D8 and D9 of the fault matrix."""

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from moderation.flows import delivery, delivery_log, jobs, review, sites
from moderation.flows.flight import Flight
from moderation.store import database, ledger
from moderation.store.database import tried_again
from moderation.store.tables import Comment, Delivery, Revision
from moderation.worker import STEPS
from tests.builders import submitted
from tests.conftest import with_settings
from tests.flows.test_jobs import settings_of
from tests.receiver import until

ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

BLOCKED = text(
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def until_blocked(rt) -> None:
    with rt.sessions.engine.connect() as watch:
        watch.execution_options(isolation_level="AUTOCOMMIT")
        until(lambda: watch.scalar(BLOCKED), "a lock to be waited for", 10)


@ON_POSTGRESQL
def test_a_comment_that_ends_a_deadlock_is_tried_again(site, rt, caplog) -> None:
    caplog.set_level(logging.INFO, logger="moderation")
    assert site.post(submitted("c-0")).status_code == 200
    renamed = {"id": "a-22", "title": "Another headline"}

    with rt.sessions.engine.connect() as other, ThreadPoolExecutor(1) as pool:
        other.execute(text("SET LOCAL deadlock_timeout = '60s'"))  # so that it isn't the victim
        other.execute(text("SELECT 1 FROM author FOR UPDATE"))
        answer = pool.submit(site.post, submitted("c-1", article=renamed))
        until_blocked(rt)
        other.execute(text("UPDATE article SET section = 'politics'"))
        other.commit()

        assert answer.result(20).status_code == 200
    assert "crossed another write" in caplog.text
    assert len(site.comment("c-1")["decisions"]) == 1


@pytest.mark.parametrize(
    ("error", "times"), [(psycopg.errors.DeadlockDetected(), 3), (psycopg.errors.DiskFull(), 1)]
)
def test_what_crosses_others_is_given_up_in_the_end_and_what_fails_otherwise_at_once(
    error, times
) -> None:
    tries = []

    @tried_again
    def write() -> None:
        tries.append(1)
        raise OperationalError("UPDATE", {}, error)

    with pytest.raises(OperationalError):
        write()
    assert len(tries) == times


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


@ON_POSTGRESQL
@pytest.mark.parametrize("what", ["switched off", "replayed"])
def test_what_an_admin_does_beside_the_worker_is_tried_again(site, rt, what) -> None:
    endpoint_id = sites.add_endpoint(rt, "daily", "http://127.0.0.1:9/", [])["id"]
    assert site.post(submitted("c-0")).status_code == 200

    def act() -> object:
        if what == "replayed":
            return delivery_log.replay(rt, site="daily")
        return sites.switch_endpoint(rt, "daily", endpoint_id, on=False)

    # As the worker, which has a delivery in hand and then notes something of its endpoint.
    with rt.sessions.engine.connect() as worker, ThreadPoolExecutor(1) as pool:
        worker.execute(text("SET LOCAL deadlock_timeout = '60s'"))
        worker.execute(text("UPDATE delivery SET attempts = attempts + 1"))
        acted = pool.submit(act)
        until_blocked(rt)
        worker.execute(text("UPDATE endpoint SET failures = failures + 1"))
        worker.commit()
        acted.result(20)


@ON_POSTGRESQL
def test_a_comment_does_not_wait_while_failures_are_noted(site, rt) -> None:
    sites.add_endpoint(rt, "daily", "http://127.0.0.1:9/", [])
    assert site.post(submitted("c-0")).status_code == 200
    flight = Flight()
    with ThreadPoolExecutor(1) as senders:
        for attempt in delivery.begin_due(rt, senders, flight):
            attempt.result(20)
    told = []

    def post_meanwhile(*given) -> None:
        with ThreadPoolExecutor(1) as pool:
            told.append(pool.submit(site.post, submitted("c-1")).result(5).status_code)
        real(*given)

    real = delivery._count_failure
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delivery, "_count_failure", post_meanwhile)
        assert delivery.note_landed(rt, flight) == 1
    assert told == [200]


def make_old(rt) -> None:
    long_ago = "now() - interval '400 days'"
    with rt.sessions.write() as session:
        session.execute(text(f"UPDATE comment SET created_at = {long_ago}"))
        session.execute(text(f"UPDATE revision SET received_at = {long_ago}"))
        session.execute(text("UPDATE delivery SET next_attempt_at = NULL, status = 'delivered'"))


def beside_retention(rt, act, step: str) -> Future:
    """Do something to an old comment; while it is in the middle of a step, retention comes by."""
    kept = with_settings(rt, settings=settings_of(rt, keep_comments_days=365))
    jobs.ensure_recurring(kept)
    begun, go_on = threading.Event(), threading.Event()
    real = getattr(ledger, step)

    def slow(*given, **named):
        done = real(*given, **named)
        begun.set()
        go_on.wait(20)
        return done

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(ledger, step, slow)
        acted = pool.submit(act)
        assert begun.wait(20)
        swept = pool.submit(jobs.work_due, kept, STEPS)
        until_blocked(rt)
        go_on.set()
        swept.result(30)
        acted.result(30)
    return acted


@ON_POSTGRESQL
def test_an_edit_that_comes_as_a_comment_is_to_go_keeps_it(site, rt) -> None:
    assert site.post(submitted("c-0")).status_code == 200
    make_old(rt)
    edit = submitted("c-0", body="Another wording altogether")

    answer = beside_retention(rt, lambda: site.post(edit), "revise").result()

    assert answer.status_code == 200
    with rt.sessions.read() as session:
        assert session.scalar(select(func.count()).select_from(Comment)) == 1
        assert session.scalar(select(func.count()).select_from(Revision)) == 2


@ON_POSTGRESQL
def test_a_decision_that_comes_as_a_comment_is_to_go_is_told(site, rt, moderator) -> None:
    sites.add_endpoint(rt, "daily", "http://127.0.0.1:9/", [])
    assert site.post(submitted("c-0")).status_code == 200
    make_old(rt)

    def reject() -> object:
        return review.decide(rt, moderator, "daily", "c-0", action="reject", revision=1)

    assert beside_retention(rt, reject, "record").result()["action"] == "reject"

    with rt.sessions.read() as session:
        owed = select(func.count()).where(Delivery.next_attempt_at.is_not(None))
        assert session.scalar(owed) == 1


@ON_POSTGRESQL
def test_the_time_that_all_share_does_not_go_back(rt, monkeypatch) -> None:
    with rt.sessions.read() as session:
        engine = session.get_bind().engine
        before = database.clock(session)
        asked_at = time.monotonic() - 2
        # As if the answer then had been quicker than this one by 50 ms; and then, by an hour.
        told = before - timedelta(seconds=2) + timedelta(milliseconds=50)
        monkeypatch.setitem(database._ASKED, engine, (asked_at, told))
        assert database.clock(session) >= told + timedelta(seconds=2)
        ahead = before + timedelta(hours=1)
        monkeypatch.setitem(database._ASKED, engine, (asked_at, ahead))
        assert database.clock(session) < ahead
