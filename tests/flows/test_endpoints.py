"""Endpoints are kept apart: one that is slow, dead or gone takes no one else's turn."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, event, select, update

from moderation import worker as workers
from moderation.flows import delivery, delivery_log, flight, sites
from moderation.flows.delivery import begin_due, deliver_due, note_landed
from moderation.flows.flight import BREAK_AFTER, KEPT, PER_ENDPOINT, SENDERS, Flight, Parcel
from moderation.sender import Answered
from moderation.store.tables import Delivery, Endpoint
from moderation.worker import Worker
from tests.builders import FRIENDLY, INSULT, submitted
from tests.conftest import with_settings
from tests.receiver import Receiver, accepting, hasten, serve, until


@pytest.fixture
def endpoint(site, rt):
    """Makes endpoints of the site; gives what each hears."""
    servers = []

    def make() -> Receiver:
        found = Receiver()
        servers.append(serve(found))
        found.secret = sites.add_endpoint(rt, "daily", found.url, [])["secret"]
        return found

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


def post(site, count: int) -> None:
    for number in range(count):
        site.post(submitted(id=f"c-{number}", body=FRIENDLY))


def state(rt) -> Endpoint:
    with rt.sessions.read() as session:
        return session.scalars(select(Endpoint).order_by(Endpoint.id)).first()


def test_a_slow_endpoint_does_not_slow_another(site, rt, endpoint) -> None:
    slow, quick = endpoint(), endpoint()
    hang = threading.Event()

    def hold(count: int) -> tuple[int, dict[str, str]]:
        hang.wait(20)
        return 200, {}

    slow.answer = hold
    worker = Worker(rt)
    worker.start()
    post(site, 3 * PER_ENDPOINT)
    until(lambda: len(quick.events) == 3 * PER_ENDPOINT, "the quick endpoint's events", 15)
    assert len(slow.ids) <= PER_ENDPOINT, "more attempts at once than an endpoint may have"
    hang.set()
    until(lambda: len(slow.events) == 3 * PER_ENDPOINT, "the slow endpoint's events", 20)
    worker.stop()


def begun(rt) -> int:
    """How many deliveries were leased, or have arrived."""
    with rt.sessions.read() as session:
        return len(session.scalars(select(Delivery.id).where(Delivery.attempts > 0)).all())


def test_endpoints_that_hang_do_not_keep_all_senders(site, rt, endpoint) -> None:
    hanging, hang = [endpoint() for _ in range(10)], threading.Event()

    def hold(count: int) -> tuple[int, dict[str, str]]:
        hang.wait(30)
        return 200, {}

    for one in hanging:
        one.answer = hold
    worker = Worker(rt)
    worker.start()
    try:
        post(site, 6)
        until(lambda: all(one.ids for one in hanging), "an event to each that hangs")
        late = endpoint()
        for number in range(6):
            site.post(submitted(id=f"late-{number}", body=FRIENDLY))
        until(lambda: len(late.events) == 6, "the events of the one that answers", 5)
        heard = [len(one.ids) for one in hanging]
        assert sum(heard) <= SENDERS - KEPT
        assert begun(rt) == 6 + sum(heard), "what is leased is begun"
    finally:
        hang.set()
        worker.stop()


def parcel(endpoint_id: int) -> Parcel:
    """One of no matter what."""
    return Parcel(1, endpoint_id, "", "", "", b"", datetime.now(UTC), 1, None, 0.0)


def test_endpoints_that_failed_leave_places_to_others() -> None:
    failed, others = [(id, 1) for id in range(20)], [(id, 0) for id in range(20, 24)]
    assert sum(Flight().hand_out(failed).values()) == SENDERS - KEPT
    given = Flight().hand_out(failed[:12] + others)
    assert sum(given.values()) == SENDERS and all(given[id] for id, _ in others)
    air = Flight()
    for id in range(20):
        tried = parcel(id)
        air.begin(tried)
        air.land(tried, "no answer")
    assert sum(air.hand_out([(id, 0) for id in range(20)]).values()) == SENDERS - KEPT


def test_endpoints_that_are_slow_leave_places_to_others(monkeypatch) -> None:
    monkeypatch.setattr(flight, "SLOW_S", -1.0)
    air = Flight()
    for id in range(15):  # they answered at last
        tried = parcel(id)
        air.begin(tried)
        air.land(tried, Answered(200))
    for id in range(20, 26):  # they did not yet
        air.begin(parcel(id))
    given = air.hand_out([(id, 0) for id in range(15)])
    assert sum(given.values()) == SENDERS - KEPT - 6
    assert sum(air.hand_out([(id, 0) for id in range(40, 60)]).values()) == SENDERS - 6


def test_places_are_handed_out_in_turn() -> None:
    given = Flight().hand_out([(1, 0), (2, 0), (3, BREAK_AFTER)])
    assert given == {1: PER_ENDPOINT, 2: PER_ENDPOINT, 3: 1}
    given = Flight().hand_out([(id, 0) for id in range(10)])
    assert set(given.values()) == {1, 2} and sum(given.values()) == SENDERS - KEPT
    given = Flight().hand_out([(id, 0) for id in range(100)])
    assert set(given.values()) == {1} and sum(given.values()) == SENDERS


def test_an_attempt_whose_lease_is_nearly_over_is_given_back(
    site, rt, endpoint, senders, monkeypatch
) -> None:
    receiver = endpoint()
    post(site, 1)
    with monkeypatch.context() as patched:
        patched.setattr(delivery, "LEASE_BEYOND_TIMEOUT", timedelta(seconds=-1))
        deliver_due(rt, senders)
    assert receiver.ids == [], "it would have been sent beyond its lease"
    with rt.sessions.read() as session:
        [row] = session.scalars(select(Delivery))
    assert (row.status, row.attempts, row.first_attempt_at, row.error) == ("pending", 0, None, None)
    assert state(rt).failures == 0
    deliver_due(rt, senders)
    assert len(receiver.ids) == 1


def test_of_a_comment_the_earlier_event_goes_first(site, rt, endpoint, senders, admin) -> None:
    receiver = endpoint()
    receiver.answer = lambda count: (500 if count == 1 else 200, {})
    site.post(submitted(body=INSULT))
    deliver_due(rt, senders)
    site.post(submitted(body=FRIENDLY))  # an edit: a second decision, while the first waits
    assert deliver_due(rt, senders) == 0
    hasten(rt)
    deliver_due(rt, senders)
    deliver_due(rt, senders)
    assert [event["data"]["seq"] for event in receiver.events] == [1, 1, 2]


def test_an_endpoint_that_fails_again_and_again_is_paused(site, rt, endpoint, senders) -> None:
    receiver = endpoint()
    receiver.answer = lambda count: (500, {})
    post(site, 40)
    while state(rt).failures < BREAK_AFTER:
        assert deliver_due(rt, senders)
    tried = len(receiver.ids)
    assert tried < BREAK_AFTER + PER_ENDPOINT
    assert deliver_due(rt, senders) == 0
    assert state(rt).failing_since and state(rt).paused_until > rt.now()

    later = with_settings(rt, now=lambda: rt.now() + timedelta(minutes=15))
    assert deliver_due(later, senders) == 1, "after the pause one tries, no more"
    assert deliver_due(later, senders) == 0

    receiver.answer = lambda count: (200, {})
    hasten(rt, also_paused=True)
    assert deliver_due(rt, senders) == 1
    assert (state(rt).failures, state(rt).failing_since, state(rt).paused_until) == (0, None, None)
    while deliver_due(rt, senders):
        pass
    assert len(set(receiver.ids)) == 40


def test_one_tries_for_all_workers_after_a_pause(site, rt, endpoint, senders) -> None:
    receiver = endpoint()
    post(site, 4)
    with rt.sessions.write() as session:
        session.execute(update(Endpoint).values(failures=BREAK_AFTER))
    hang = threading.Event()

    def hold(count: int) -> tuple[int, dict[str, str]]:
        hang.wait(20)
        return 200, {}

    receiver.answer = hold
    begun = [one for _ in range(3) for one in begin_due(rt, senders, Flight())]
    assert len(begun) == 1
    hang.set()
    begun[0].result(20)


def test_retry_after_pauses_the_endpoint_not_the_one_event(site, rt, endpoint, senders) -> None:
    receiver = endpoint()
    receiver.answer = lambda count: (429, {"Retry-After": "120"})
    site.post(submitted(id="c-1"))
    deliver_due(rt, senders)
    site.post(submitted(id="c-2"))
    assert deliver_due(rt, senders) == 0
    assert state(rt).paused_until > rt.now() + timedelta(seconds=100)


def test_one_that_fails_for_days_is_disabled_and_keeps_what_it_is_owed(
    site, rt, endpoint, senders, caplog
) -> None:
    receiver = endpoint()
    receiver.answer = lambda count: (500, {})
    post(site, 2)
    with rt.sessions.write() as session:
        long_ago = rt.now() - timedelta(days=5, minutes=1)
        session.execute(update(Endpoint).values(failures=9, failing_since=long_ago))
    deliver_due(rt, senders)
    assert state(rt).disabled_at and "nothing right since" in state(rt).disabled_why
    assert "was disabled" in caplog.text
    with rt.sessions.read() as session:
        assert set(session.scalars(select(Delivery.status))) == {"withheld"}

    receiver.answer = lambda count: (200, {})
    sites.switch_endpoint(rt, "daily", state(rt).id, on=True)
    assert state(rt).failures == 0
    while deliver_due(rt, senders):
        pass
    assert len(set(receiver.ids)) == 2


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """The address of a server that answers every request with these bytes."""

    def take(one: socket.socket) -> None:
        with one:
            one.recv(65536)
            one.sendall(answer)
            one.shutdown(socket.SHUT_WR)
            while one.recv(65536):
                pass

    with accepting(take) as port:
        yield f"http://127.0.0.1:{port}/"


@pytest.mark.parametrize(
    ("answer", "answered", "error"),
    [
        (b"\x00\x00\r\n\r\n", None, "BadStatusLine"),
        (b"\x1b\x85\xff\r\n\r\n", None, "BadStatusLine"),
        (b"HTTP/1.1 503 x\r\nRetry-After: Mon, 01 Jan 2024 00:00:00 +" + b"9" * 20, 503, None),
        (b"HTTP/1.1 503 x\r\nRetry-After: Mon, 01 Jan 0001 00:00:00 +2300", 503, None),
    ],
)
def test_an_odd_answer_is_a_failed_attempt_and_holds_up_no_other(
    site, rt, endpoint, senders, caplog, answer, answered, error
) -> None:
    other = endpoint()
    with answering(answer + b"\r\n\r\n") as url:
        sites.add_endpoint(rt, "daily", url, [])
        post(site, 1)
        deliver_due(rt, senders)
    assert len(other.ids) == 1
    with rt.sessions.read() as session:
        told, odd = session.scalars(select(Delivery).order_by(Delivery.endpoint_id))
    assert (told.status, odd.status, odd.attempts) == ("delivered", "pending", 1)
    assert odd.answered == answered
    assert error in odd.error and odd.error.isprintable() if error else odd.error is None
    assert "noted" not in caplog.text


def test_an_outcome_that_the_database_refuses_is_noted_as_a_failure(
    site, rt, endpoint, senders, caplog
) -> None:
    other, odd = endpoint(), endpoint()
    post(site, 2)

    def posted(url: str, *given) -> Answered:
        return Answered(2**70) if url == odd.url else rt.post(url, *given)

    assert deliver_due(with_settings(rt, post=posted), senders) == 4
    assert len(other.ids) == 2
    with rt.sessions.read() as session:
        rows = session.scalars(select(Delivery).order_by(Delivery.endpoint_id)).all()
        failures = session.scalars(select(Endpoint.failures).order_by(Endpoint.id)).all()
    assert [row.status for row in rows] == ["delivered"] * 2 + ["pending"] * 2
    assert failures == [0, 2]
    assert rows[2].error and rows[2].next_attempt_at > rt.now()
    assert "can't be noted" in caplog.text


def test_an_attempt_whose_delivery_is_gone_holds_up_no_other(site, rt, endpoint, senders) -> None:
    endpoint()
    endpoint().answer = lambda count: (500, {})
    post(site, 2)
    flight = Flight()
    for attempt in begin_due(rt, senders, flight):
        attempt.result(20)
    with rt.sessions.write() as session:  # as retention does
        session.execute(delete(Delivery).where(Delivery.id == 2))
    assert note_landed(rt, flight) == 4
    with rt.sessions.read() as session:
        assert sorted(session.scalars(select(Delivery.status))) == [
            *("delivered", "delivered"),
            "pending",
        ]


def test_what_fails_after_its_endpoint_was_switched_off_is_kept(
    site, rt, endpoint, senders
) -> None:
    receiver, flight, hang = endpoint(), Flight(), threading.Event()

    def hold(count: int) -> tuple[int, dict[str, str]]:
        hang.wait(20)
        return 500, {}

    receiver.answer = hold
    post(site, 2)
    begun = begin_due(rt, senders, flight)
    sites.switch_endpoint(rt, "daily", state(rt).id, on=False)
    hang.set()
    for attempt in begun:
        attempt.result(20)
    assert note_landed(rt, flight) == 2
    hasten(rt)
    assert deliver_due(rt, senders) == 0
    with rt.sessions.read() as session:
        assert set(session.scalars(select(Delivery.status))) == {"withheld"}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite's writers wait
def test_what_is_decided_as_its_endpoint_is_enabled_is_told(
    site, rt, endpoint, monkeypatch
) -> None:
    monkeypatch.setattr(workers, "RELEASE_EVERY_S", 0.1)
    receiver, owed, enabled = endpoint(), threading.Event(), threading.Event()
    sites.switch_endpoint(rt, "daily", state(rt).id, on=False)

    def hold_up(connection, cursor, statement, *more) -> None:
        if statement.startswith("INSERT INTO delivery"):
            owed.set()
            enabled.wait(20)

    event.listen(rt.sessions.engine, "after_cursor_execute", hold_up)
    running, deciding = Worker(rt), threading.Thread(target=post, args=(site, 1))
    running.start()
    deciding.start()
    assert owed.wait(20)
    sites.switch_endpoint(rt, "daily", state(rt).id, on=True)
    enabled.set()
    deciding.join(20)
    event.remove(rt.sessions.engine, "after_cursor_execute", hold_up)
    try:
        until(lambda: receiver.ids, "the event", 10)
    finally:
        running.stop()


def test_what_a_disabled_endpoint_is_owed_stays_withheld(site, rt, endpoint) -> None:
    endpoint()
    sites.switch_endpoint(rt, "daily", state(rt).id, on=False)
    post(site, 1)
    assert delivery.release_withheld(rt) == 0
    with rt.sessions.read() as session:
        assert session.scalars(select(Delivery.status)).all() == ["withheld"]


def test_a_worker_that_stops_notes_what_it_has_in_the_air(site, rt, endpoint) -> None:
    receiver, hang = endpoint(), threading.Event()

    def hold(count: int) -> tuple[int, dict[str, str]]:
        hang.wait(20)
        return 200, {}

    receiver.answer = hold
    worker = Worker(rt)
    worker.start()
    post(site, 2)
    until(lambda: len(receiver.ids) == 2, "both attempts")
    threading.Timer(0.3, hang.set).start()
    worker.stop()
    with rt.sessions.read() as session:
        assert set(session.scalars(select(Delivery.status))) == {"delivered"}


def test_a_range_of_time_is_sent_again(site, rt, endpoint, senders) -> None:
    receiver = endpoint()
    post(site, 3)
    while deliver_due(rt, senders):
        pass
    middle = rt.now()
    time.sleep(0.01)
    site.post(submitted(id="c-later"))
    deliver_due(rt, senders)
    assert len(receiver.ids) == 4

    assert delivery_log.replay(rt, since=middle) == 1
    assert delivery_log.replay(rt, site="daily", until=middle) == 3
    while deliver_due(rt, senders):
        pass
    assert len(receiver.ids) == 8 and len(set(receiver.ids)) == 4
