"""Delivery: the site is told. At least once, and of one comment in the order of `seq`.

A delivery is inserted in the transaction that makes the decision, so neither can exist
without the other. It is sent from here, not from the request, because a site that is
slow or down must not slow or lose a decision. Receivers drop repeats by `webhook-id`.

Lease what is due (short write) → send (no transaction is open) → note the outcome.

Endpoints are kept apart: each has a few attempts in flight at once, so one that is slow
takes no one else's turn (`flight`). No more is leased than there are places, so that what is
leased is sent at once. One that fails again and again is paused, then tried with a
single event (a circuit breaker, Nygard 2007, "Release It!"); one that does so for days is
disabled, and what it is owed is kept.
"""

import logging
import random
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import groupby

from sqlalchemy import Exists, Select, bindparam, exists, func, or_, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, aliased

from moderation import logs, metrics
from moderation.flows.flight import BREAK_AFTER, Flight, Landed, Outcome, Parcel, arrived
from moderation.flows.runtime import Runtime
from moderation.sender import Answered
from moderation.signing import sign
from moderation.store.database import tried_again
from moderation.store.reading import event_bodies, webhook_id
from moderation.store.tables import Delivery, Endpoint, table_of

log = logging.getLogger(__name__)

SCHEDULE = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
)
"""Waits between attempts, from the Standard Webhooks specification: about three days."""
JITTER = 0.2
RETRY_AFTER_MOST = timedelta(hours=24)
ERROR_MOST = 500
"""Characters that are kept of why there was no answer."""
LEASE_BEYOND_TIMEOUT = timedelta(seconds=10)
PAUSE, PAUSE_MOST = timedelta(seconds=15), timedelta(minutes=10)
"""The first pause, doubled at every further failure, and the longest."""
DISABLE_AFTER = timedelta(days=5)


_DELIVERY = table_of(Delivery)
_WITHHELD = text("delivery.status = 'withheld'")
"""Not a parameter: a prepared statement would not know its index by it."""
_DELIVERED = (
    update(_DELIVERY)
    .where(_DELIVERY.c.id == bindparam("delivery"))
    .values(
        status="delivered",
        next_attempt_at=None,
        delivered_at=bindparam("now"),
        answered=bindparam("answer"),
        error=None,
    )
)


def tell_due(rt: Runtime, senders: ThreadPoolExecutor, flight: Flight) -> int:
    """Note what has landed, then begin to send what is due, as far as there is room.

    Waits for no answer. What lands together is noted together: one commit for many.
    Gives how many were noted and begun.
    """
    return note_landed(rt, flight) + len(begin_due(rt, senders, flight))


def begin_due(rt: Runtime, senders: ThreadPoolExecutor, flight: Flight) -> list[Future[None]]:
    """Begin to send what is due, as far as there is room; waits for no answer."""
    if flight.full:
        return []
    parcels = _lease(rt, flight)
    for parcel in parcels:
        flight.begin(parcel)
    return [senders.submit(_attempt, rt, parcel, flight) for parcel in parcels]


def deliver_due(rt: Runtime, senders: ThreadPoolExecutor) -> int:
    """Send what is due, wait for the answers and note them; gives how many were tried."""
    flight = Flight()
    begun = begin_due(rt, senders, flight)
    for attempt in begun:
        attempt.result()
    return note_landed(rt, flight)


@tried_again
def release_withheld(rt: Runtime) -> int:
    """Make due what is withheld from endpoints that are enabled; gives from how many.

    A decision that is under way as its endpoint is enabled sees it disabled. To be called
    now and then: a lock that kept the two apart would be in the way of every comment.
    """
    owed = exists().where(Delivery.endpoint_id == Endpoint.id, _WITHHELD)
    enabled = select(Endpoint.id).where(Endpoint.disabled_at.is_(None), owed)
    with rt.sessions.read() as session:  # most of the time there are none: take no lock
        if not session.scalars(enabled).all():
            return 0
    with rt.sessions.write() as session:
        # Locked, so that none is disabled meanwhile; but not for new deliveries, which refer to it.
        locked = enabled.order_by(Endpoint.id).with_for_update(key_share=True)
        found = session.scalars(locked).all()
        session.execute(
            update(Delivery)
            .where(Delivery.endpoint_id.in_(found), _WITHHELD)
            .values(status="pending", next_attempt_at=rt.clock(session))
        )
    return len(found)


def _attempt(rt: Runtime, parcel: Parcel, flight: Flight) -> None:
    logs.go_on(parcel.request_id)
    outcome = _send(rt, parcel) if time.monotonic() <= parcel.begin_by else None
    flight.land(parcel, outcome)
    rt.to_tell.set()
    told = {
        "delivery": parcel.id,
        "webhook_id": parcel.webhook_id,
        "attempt": parcel.attempts,
        "status": outcome.status if isinstance(outcome, Answered) else None,
    }
    log.info("delivery", extra={"fields": told})


def retry_wait(attempts: int, retry_after: str | None, now: datetime) -> timedelta | None:
    """How long to wait after a number of failed attempts; None to give up.

    A site's Retry-After (seconds or a date) lengthens the wait, up to a day.
    """
    if attempts > len(SCHEDULE):
        return None
    wait = SCHEDULE[attempts - 1] * (1 + random.uniform(-JITTER, JITTER))
    return max(wait, min(_asked_for(retry_after, now), RETRY_AFTER_MOST))


@tried_again
def _lease(rt: Runtime, flight: Flight) -> list[Parcel]:
    """Take what is due for one attempt: the attempt counts before it is made."""
    with rt.sessions.read() as session:  # most of the time there is nothing: take no lock
        begin_by, now = time.monotonic(), rt.clock(session)
        ready = session.execute(_ready(now)).tuples().all()
    places = flight.hand_out(ready)
    if not places:
        return []
    begin_by += LEASE_BEYOND_TIMEOUT.total_seconds()
    until = now + timedelta(seconds=rt.settings.delivery_timeout_s) + LEASE_BEYOND_TIMEOUT
    parcels = []
    with rt.sessions.write() as session:
        for endpoint_id, most in sorted(places.items()):  # locked in one order
            endpoint = session.get_one(Endpoint, endpoint_id)
            due = session.execute(_due(endpoint_id, now).limit(most)).all()
            session.execute(
                update(Delivery)
                .where(Delivery.id.in_([row.id for row in due]))
                .values(
                    attempts=Delivery.attempts + 1,
                    next_attempt_at=until,
                    first_attempt_at=func.coalesce(Delivery.first_attempt_at, now),
                )
            )
            if due and endpoint.failures >= BREAK_AFTER:  # one tries whether it is back
                endpoint.paused_until = until
            bodies = event_bodies(session, [row.decision_id for row in due])
            parcels += [
                Parcel(
                    id=row.id,
                    endpoint_id=endpoint_id,
                    url=endpoint.url,
                    secret=endpoint.secret,
                    webhook_id=webhook_id(row.decision_id),
                    body=bodies[row.decision_id],
                    decided_at=row.created_at,
                    attempts=row.attempts + 1,
                    request_id=row.request_id,
                    begin_by=begin_by,
                )
                for row in due
            ]
    return parcels


def _ready(now: datetime) -> Select[int, int]:
    """Endpoints that may be told something now and are not paused, with their failures."""
    owed = exists().where(
        Delivery.endpoint_id == Endpoint.id, Delivery.next_attempt_at <= now, ~_overtakes()
    )
    awake = or_(Endpoint.paused_until.is_(None), Endpoint.paused_until <= now)
    return select(Endpoint.id, Endpoint.failures).where(owed, awake)


def _due(endpoint_id: int, now: datetime) -> Select[int, str, datetime, int, str | None]:
    """What an endpoint is owed, the oldest first; of one comment only the earliest."""
    return (
        select(
            *(Delivery.id, Delivery.decision_id, Delivery.created_at),
            *(Delivery.attempts, Delivery.request_id),
        )
        .where(Delivery.endpoint_id == endpoint_id, Delivery.next_attempt_at <= now, ~_overtakes())
        .order_by(Delivery.next_attempt_at, Delivery.id)
        .with_for_update(of=Delivery, skip_locked=True)
    )


def _overtakes() -> Exists:
    """The condition that an earlier event of the same comment has not arrived."""
    earlier = aliased(Delivery)
    return exists().where(
        earlier.endpoint_id == Delivery.endpoint_id,
        earlier.comment_id == Delivery.comment_id,
        earlier.status == "pending",
        earlier.id < Delivery.id,
    )


def _send(rt: Runtime, parcel: Parcel) -> Outcome:
    headers = sign(parcel.secret, parcel.webhook_id, rt.now(), parcel.body)
    headers |= {"Content-Type": "application/json", "User-Agent": "Copydesk"}
    if parcel.request_id:
        headers["X-Request-Id"] = parcel.request_id
    try:
        answered = rt.post(parcel.url, parcel.body, headers, rt.settings.delivery_timeout_s)
        metrics.ATTEMPTS.labels(f"{answered.status // 100}xx").inc()
        return answered
    except Exception as error:  # whatever went wrong, the row says when to try again
        metrics.ATTEMPTS.labels("no answer").inc()
        log.warning("delivery %s failed: %s", parcel.id, type(error).__name__)
        return _plain(f"{type(error).__name__}: {error}"[:ERROR_MOST])


def _plain(text: str) -> str:
    """An error as it can be stored and shown: it may quote a site, and that may be any bytes."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


def note_landed(rt: Runtime, flight: Flight) -> int:
    """Note how attempts ended, and give how many there were.

    All at once; each by itself where that fails, so that none holds up another. If it is the
    database that fails, they are made again once their leases have run out.
    """
    landed = sorted(flight.unload(), key=_endpoint)  # workers lock endpoints in one order
    if not landed:
        return 0
    try:
        _note_all(rt, landed)
    except OperationalError:
        raise  # the database's trouble, no outcome's
    except Exception as error:
        log.error("outcomes are noted one by one: %s", type(error).__name__)
        for parcel, outcome in landed:
            _note_alone(rt, parcel, outcome)
    return len(landed)


def _note_alone(rt: Runtime, parcel: Parcel, outcome: Outcome) -> None:
    """Note how an attempt ended; where that can't be noted, that it failed.

    Where not even that can be, the delivery may be gone; else it is tried again after its lease.
    """
    for told in (outcome, "its outcome can't be noted; see the log"):
        try:
            return _note_all(rt, [(parcel, told)])
        except OperationalError:
            raise
        except Exception:
            log.exception("the outcome of delivery %s can't be noted", parcel.id)


@tried_again
def _note_all(rt: Runtime, landed: list[Landed]) -> None:
    with rt.sessions.write() as session:
        now = rt.clock(session)
        for endpoint_id, some in groupby(landed, _endpoint):
            _note(session, endpoint_id, list(some), now)
    for parcel, outcome in landed:
        if arrived(outcome):
            metrics.LAG.observe((now - parcel.decided_at).total_seconds())


def _endpoint(landed: Landed) -> int:
    return landed[0].endpoint_id


def _note(session: Session, endpoint_id: int, landed: list[Landed], now: datetime) -> None:
    told = [(parcel, outcome) for parcel, outcome in landed if arrived(outcome)]
    if told:
        noted = [{"delivery": p.id, "answer": a.status, "now": now} for p, a in told]
        session.execute(_DELIVERED, noted)
        # Touched only if it had failed, for all deliveries share its row.
        session.execute(
            update(Endpoint)
            .where(Endpoint.id == endpoint_id, Endpoint.failures > 0)
            .values(failures=0, failing_since=None, paused_until=None)
        )
    for parcel, outcome in landed:
        if outcome is None:
            _give_back(session, parcel, now)
        elif not arrived(outcome):
            _note_failure(session, parcel, outcome, now)


def _give_back(session: Session, parcel: Parcel, now: datetime) -> None:
    """Make due again what was not sent, unless another has it by now."""
    first = parcel.attempts == 1
    session.execute(
        update(Delivery)
        .where(
            Delivery.id == parcel.id,
            Delivery.attempts == parcel.attempts,
            Delivery.status == "pending",
        )
        .values(
            attempts=parcel.attempts - 1,
            next_attempt_at=now,
            first_attempt_at=None if first else Delivery.first_attempt_at,
        )
    )


def _note_failure(session: Session, parcel: Parcel, outcome: Answered | str, now: datetime) -> None:
    answered = outcome if isinstance(outcome, Answered) else None
    # Locked, because attempts that fail at once must all be counted; but not for new deliveries.
    locked = {"key_share": True}
    endpoint = session.get_one(Endpoint, parcel.endpoint_id, with_for_update=locked)
    delivery = session.get_one(Delivery, parcel.id)
    delivery.answered = answered.status if answered else None
    delivery.error = outcome if isinstance(outcome, str) else None
    if answered and answered.status == 410:
        _disable(session, endpoint, "answered 410 Gone", now)
        return
    asked = answered.retry_after if answered else None
    wait = retry_wait(parcel.attempts, asked, now)
    if wait is not None and endpoint.disabled_at is not None:  # meanwhile
        delivery.status, delivery.next_attempt_at = "withheld", None
        return
    delivery.status = "dead" if wait is None else "pending"
    delivery.next_attempt_at = None if wait is None else now + wait
    _count_failure(session, endpoint, _asked_for(asked, now), now)


def _count_failure(session: Session, endpoint: Endpoint, asked: timedelta, now: datetime) -> None:
    """Pause an endpoint that fails again and again, and disable one that does so for days."""
    endpoint.failures += 1
    endpoint.failing_since = endpoint.failing_since or now
    if now - endpoint.failing_since >= DISABLE_AFTER:
        since = f"{endpoint.failing_since:%d %B %Y, %H:%M} UTC"
        _disable(session, endpoint, f"has answered nothing right since {since}", now)
    elif endpoint.failures >= BREAK_AFTER or asked:
        longer = min(endpoint.failures - BREAK_AFTER, 10)  # beyond that it is the longest anyway
        pause = min(PAUSE * 2**longer, PAUSE_MOST) if longer >= 0 else timedelta()
        endpoint.paused_until = now + max(pause, min(asked, RETRY_AFTER_MOST))


def _disable(session: Session, endpoint: Endpoint, why: str, now: datetime) -> None:
    if endpoint.disabled_at is None:  # of two events that are answered 410, one disables it
        endpoint.disabled_at, endpoint.disabled_why = now, why
        session.flush()
        metrics.DISABLED.inc()
        log.error("endpoint %s was disabled: it %s", endpoint.id, why)
    session.execute(
        update(Delivery)
        .where(Delivery.endpoint_id == endpoint.id, Delivery.status == "pending")
        .values(status="withheld", next_attempt_at=None)
    )


def _asked_for(retry_after: str | None, now: datetime) -> timedelta:
    if not retry_after:
        return timedelta()
    if retry_after.strip().isdecimal():
        return timedelta(seconds=min(int(retry_after[:9]), 10**6))
    try:
        return parsedate_to_datetime(retry_after) - now
    except (ValueError, TypeError, OverflowError):  # such as a time zone of years
        return timedelta()
