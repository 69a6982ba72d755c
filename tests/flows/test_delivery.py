"""Events out, to a real endpoint that verifies with the official client."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select

from moderation import metrics
from moderation.flows import delivery_log, review, sites
from moderation.flows.delivery import SCHEDULE, deliver_due, retry_wait
from moderation.flows.errors import Invalid
from moderation.store.tables import Delivery, Endpoint
from moderation.worker import Worker
from tests.builders import FRIENDLY, INSULT, NewsSite, event, submitted
from tests.conftest import with_settings
from tests.receiver import Receiver, hasten, serve, until


@pytest.fixture
def receiver(site: NewsSite, rt) -> Iterator[Receiver]:
    """An endpoint of the site that wants every event."""
    found = Receiver()
    server = serve(found)
    found.secret = sites.add_endpoint(rt, "daily", found.url, [])["secret"]
    yield found
    server.shutdown()
    server.server_close()


def rows(rt) -> list[Delivery]:
    with rt.sessions.read() as session:
        return list(session.scalars(select(Delivery).order_by(Delivery.id)))


def test_a_decision_is_announced_once_with_the_contracts_data(site, rt, receiver, senders) -> None:
    answer = site.post(submitted(body=INSULT)).get_json()

    assert deliver_due(rt, senders) == 1
    assert deliver_due(rt, senders) == 0

    [told] = receiver.events
    assert told["type"] == "comment.held"
    data = told["data"]
    assert {k: data[k] for k in answer} == answer
    assert data["seq"] == 1
    assert data["author"] == {"id": "u-7"}
    assert data["article"]["id"] == "a-22"
    [row] = rows(rt)
    assert (row.status, row.answered, row.attempts) == ("delivered", 200, 1)


def test_each_decision_has_its_event_and_seq_grows(site, rt, receiver, senders, admin) -> None:
    site.post(submitted(body=INSULT))
    decision = review.decide(rt, admin, "daily", "c-1", action="publish", revision=1)
    review.undo(rt, admin, decision["id"])
    site.post(event("comment.deleted", id="c-1"))
    while deliver_due(rt, senders):
        pass

    told = sorted(receiver.events, key=lambda e: e["data"]["seq"])
    assert [e["type"] for e in told] == [
        "comment.held",
        "comment.published",
        "comment.held",
        "comment.removed",
    ]
    assert [e["data"]["seq"] for e in told] == [1, 2, 3, 4]


def test_notes_of_moderators_stay_inside(site, rt, receiver, senders, admin) -> None:
    site.post(submitted(body=INSULT))
    review.decide(
        rt, admin, "daily", "c-1", action="reject", reason="hate", note="know him", revision=1
    )
    deliver_due(rt, senders)

    assert "know him" not in str(receiver.events)
    assert admin.actor not in str(receiver.events)


def test_an_endpoint_hears_only_of_what_it_asked_for(site, rt, senders) -> None:
    sites.add_endpoint(rt, "daily", "http://127.0.0.1:9/", ["comment.rejected"])

    site.post(submitted(body=FRIENDLY))

    assert rows(rt) == []


def test_a_failed_delivery_is_tried_again_with_the_same_id(site, rt, receiver, senders) -> None:
    receiver.answer = lambda count: (500 if count < 3 else 200, {})
    site.post(submitted())

    deliver_due(rt, senders)
    assert deliver_due(rt, senders) == 0  # not yet
    hasten(rt, also_paused=True)
    deliver_due(rt, senders)
    hasten(rt, also_paused=True)
    deliver_due(rt, senders)

    assert len(receiver.ids) == 3
    assert len(set(receiver.ids)) == 1
    assert receiver.events[0] == receiver.events[2]
    assert [row.status for row in rows(rt)] == ["delivered"]


def test_the_list_of_deliveries_tells_when_each_was_owed_and_when_it_is_tried_again(
    site, rt, app, receiver, senders
) -> None:
    receiver.answer = lambda count: (500, {})
    site.post(submitted("c-1"))
    deliver_due(rt, senders)
    site.post(submitted("c-2"))
    tried, fresh = rows(rt)

    said = app.test_cli_runner().invoke(args=["deliveries", "list"]).stdout.splitlines()

    owed, again = (f"{at:%Y-%m-%dT%H:%M:%S}Z" for at in (tried.created_at, tried.next_attempt_at))
    assert f"{fresh.id}  " in said[0] and f"0 tries  -  {receiver.url}" in said[0]
    assert f"{tried.id}  {owed}  pending " in said[1]
    assert f"1 try, next {again}  500  {receiver.url}" in said[1]


def test_an_endpoint_that_is_down_loses_nothing(site, rt, receiver, senders) -> None:
    url = receiver.url
    with rt.sessions.write() as session:
        session.scalars(select(Endpoint)).one().url = "http://127.0.0.1:9/"
    site.post(submitted())
    deliver_due(rt, senders)
    assert rows(rt)[0].error

    with rt.sessions.write() as session:
        session.scalars(select(Endpoint)).one().url = url
    hasten(rt, also_paused=True)
    deliver_due(rt, senders)

    assert receiver.types() == ["comment.published"]


@pytest.mark.parametrize("status", [301, 307, 400, 404, 500, 503])
def test_whatever_is_not_2xx_is_a_failure(site, rt, receiver, senders, status) -> None:
    receiver.answer = lambda count: (status, {"Location": receiver.url})
    site.post(submitted())
    deliver_due(rt, senders)

    assert len(receiver.ids) == 1  # a redirect is not followed
    [row] = rows(rt)
    assert (row.status, row.answered) == ("pending", status)


def test_410_disables_the_endpoint_and_keeps_what_it_is_owed(site, rt, receiver, senders) -> None:
    receiver.answer = lambda count: (410, {})
    site.post(submitted("c-1"))
    deliver_due(rt, senders)
    site.post(submitted("c-2"))
    assert deliver_due(rt, senders) == 0
    assert [row.status for row in rows(rt)] == ["withheld", "withheld"]

    receiver.answer = lambda count: (200, {})
    sites.switch_endpoint(rt, "daily", 1, on=True)
    deliver_due(rt, senders)

    assert [row.status for row in rows(rt)] == ["delivered", "delivered"]


def test_the_schedule_grows_for_three_days_and_then_gives_up(rt) -> None:
    now = rt.now()
    waits = [retry_wait(attempts, None, now) for attempts in range(1, len(SCHEDULE) + 1)]

    for wait, planned in zip(waits, SCHEDULE, strict=True):
        assert abs(wait / planned - 1) <= 0.2
    assert timedelta(days=3) < sum(SCHEDULE, timedelta()) < timedelta(days=4)
    assert retry_wait(len(SCHEDULE) + 1, None, now) is None


def replay_what_failed(rt, receiver: Receiver, senders) -> None:
    """Send it again, now that the site is back: it arrives."""
    receiver.answer = lambda count: (200, {})
    assert delivery_log.replay(rt, site="daily", failed=True) == 1
    deliver_due(rt, senders)

    assert [row.status for row in rows(rt)] == ["delivered"]


def test_after_the_last_try_it_is_dead_and_can_be_replayed(site, rt, receiver, senders) -> None:
    receiver.answer = lambda count: (500, {})
    site.post(submitted())
    for _ in range(len(SCHEDULE) + 1):
        hasten(rt, also_paused=True)
        deliver_due(rt, senders)
    assert [row.status for row in rows(rt)] == ["dead"]

    replay_what_failed(rt, receiver, senders)
    assert len(set(receiver.ids)) == 1


def test_what_was_tried_in_vain_can_be_replayed_before_its_time(
    site, rt, receiver, senders
) -> None:
    receiver.answer = lambda count: (500, {})
    site.post(submitted())
    deliver_due(rt, senders)
    assert [row.status for row in rows(rt)] == ["pending"]

    replay_what_failed(rt, receiver, senders)


def test_what_a_disabled_endpoint_is_owed_is_not_replayed_and_why_is_said(
    site, rt, receiver, senders
) -> None:
    receiver.answer = lambda count: (410, {})
    for number in range(2):
        site.post(submitted(f"c-{number}"))
    before = metrics.DISABLED._value.get()
    deliver_due(rt, senders)

    assert metrics.DISABLED._value.get() == before + 1
    for asked in ({"ids": [1]}, {"site": "daily", "failed": True}):
        with pytest.raises(Invalid, match="is disabled"):
            delivery_log.replay(rt, **asked)


@pytest.mark.parametrize(
    ("given", "at_least", "at_most"),
    [
        ("120", 120, 120),
        ("Mon, 23 Nov 2026 10:02:00 GMT", 120, 120),
        ("garbage", 4, 6),
        ("-5", 4, 6),
        ("9" * 40, 86_400, 86_400),
        ("1", 4, 6),
    ],
)
def test_retry_after_lengthens_the_wait_up_to_a_day(given, at_least, at_most) -> None:
    now = datetime.fromisoformat("2026-11-23T10:00:00+00:00")

    assert at_least <= retry_wait(1, given, now).total_seconds() <= at_most


def test_two_workers_never_send_the_same_delivery(site, rt, receiver, senders) -> None:
    for number in range(20):
        site.post(submitted(f"c-{number}", body=f"{FRIENDLY} {number}"))
    workers = [Worker(rt) for _ in range(4)]
    for worker in workers:
        worker.start()
    until(lambda: len(set(receiver.ids)) == 20, "20 events")
    for worker in workers:
        worker.stop()

    assert len(receiver.ids) == 20
    assert {row.status for row in rows(rt)} == {"delivered"}


def test_a_worker_outlives_a_database_that_fails(site, rt, receiver) -> None:
    worker = Worker(with_settings(rt, now=iter_then_fail(rt)))
    worker.start()
    site.post(submitted())
    until(lambda: receiver.ids, "the event after the failure")
    worker.stop()
    assert not worker.is_alive()


def iter_then_fail(rt):
    """A clock that fails once, as a database that is away would."""
    failed = []

    def now():
        if not failed:
            failed.append(True)
            raise OSError("away")
        return rt.now()

    return now


def test_a_comment_and_its_duty_to_be_announced_are_stored_together(site, rt, receiver) -> None:
    site.post(submitted())

    with rt.sessions.read() as session:
        assert session.scalar(select(func.count()).select_from(Delivery)) == 1
    assert receiver.ids == []  # stored before it is sent
