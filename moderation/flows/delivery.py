"""Delivery: the site is told. At least once, in any order; `seq` says what is newest.

A delivery is inserted in the transaction that makes the decision, so neither can exist
without the other. It is sent from here, not from the request, because a site that is
slow or down must not slow or lose a decision. Receivers drop repeats by `webhook-id`.

Lease what is due (short write) → send (no transaction is open) → note the outcome.
"""

import json
import logging
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from sqlalchemy import ColumnElement, select, true, update
from sqlalchemy.orm import Session, joinedload

from moderation.core.viewer import OPERATOR, Viewer
from moderation.flows.errors import NotFound
from moderation.flows.runtime import Runtime
from moderation.sender import Answered
from moderation.signing import sign
from moderation.store.reading import event_data, webhook_id
from moderation.store.sites import site_by_slug
from moderation.store.tables import ID_MOST, DecisionRow, Delivery, Endpoint
from moderation.wire import instant

log = logging.getLogger(__name__)

SCHEDULE = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
)
"""Waits between attempts, from the Standard Webhooks specification: about three days."""
JITTER = 0.2
RETRY_AFTER_MOST = timedelta(hours=24)
LEASE_BEYOND_TIMEOUT = timedelta(seconds=10)
STATUSES = ("pending", "delivered", "dead", "withheld")
BATCH = 32
SENDERS = 8


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery that was leased, with all that sending it needs."""

    id: int
    url: str
    secret: str
    webhook_id: str
    body: bytes
    attempts: int


def deliver_due(rt: Runtime, senders: ThreadPoolExecutor) -> int:
    """Send what is due; returns how many deliveries were tried."""
    parcels = _lease(rt)
    for parcel, outcome in zip(parcels, senders.map(lambda p: _send(rt, p), parcels), strict=True):
        _note(rt, parcel, outcome)
    return len(parcels)


def render(session: Session, decision: DecisionRow) -> bytes:
    """The body of the event that announces a decision; the same at every attempt.

    (But for the words of a comment that its author has since taken back.)
    """
    data = event_data(session, decision)
    event = {
        "type": f"comment.{data['status']}",
        "timestamp": instant(decision.decided_at),
        "data": data,
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def retry_wait(attempts: int, retry_after: str | None, now: datetime) -> timedelta | None:
    """How long to wait after a number of failed attempts; None to give up.

    A site's Retry-After (seconds or a date) lengthens the wait, up to a day.
    """
    if attempts > len(SCHEDULE):
        return None
    wait = SCHEDULE[attempts - 1] * (1 + random.uniform(-JITTER, JITTER))
    return max(wait, min(_asked_for(retry_after, now), RETRY_AFTER_MOST))


def listed(
    rt: Runtime,
    *,
    site: str | None = None,
    status: str | None = None,
    before: int | None = None,
    limit: int = 50,
    viewer: Viewer = OPERATOR,
) -> Sequence[Delivery]:
    """Deliveries of the sites a viewer sees, newest first, with their endpoints.

    before  only those with a smaller number: where the page before has ended

    Raises NotFound where there is no such site for the viewer.
    """
    with rt.sessions.read() as session:
        query = (
            select(Delivery)
            .join(Delivery.endpoint)
            .where(_of_sites(session, viewer, site))
            .options(joinedload(Delivery.endpoint))
            .order_by(Delivery.id.desc())
            .limit(limit)
        )
        if status:
            if status not in STATUSES:
                return []
            query = query.where(Delivery.status == status)
        if before is not None:
            query = query.where(Delivery.id < min(before, ID_MOST))
        return session.scalars(query).all()


def replay(
    rt: Runtime,
    *,
    ids: Sequence[int] = (),
    site: str | None = None,
    failed: bool = False,
    viewer: Viewer = OPERATOR,
) -> int:
    """Make deliveries due again: those named, or all of a site's that did not arrive.

    Returns how many. Raises NotFound where a named one, or the site, does not exist for
    the viewer. An endpoint that is disabled must be enabled first; its deliveries are
    left alone.
    """
    with rt.sessions.write() as session:
        mine = select(Delivery.id).join(Delivery.endpoint).where(_of_sites(session, viewer, site))
        query = mine.where(Endpoint.disabled_at.is_(None))
        if ids:
            asked = [id for id in ids if 0 < id <= ID_MOST]
            unknown = set(ids) - set(session.scalars(mine.where(Delivery.id.in_(asked))))
            if unknown:
                raise NotFound(f"there is no delivery {min(unknown)}")
            query = query.where(Delivery.id.in_(asked))
        if failed:
            query = query.where(Delivery.status.in_(("dead", "withheld")))
        chosen = list(session.scalars(query))
        session.execute(
            update(Delivery)
            .where(Delivery.id.in_(chosen))
            .values(status="pending", attempts=0, next_attempt_at=rt.now(), error=None)
        )
    rt.wake.set()
    return len(chosen)


def _of_sites(session: Session, viewer: Viewer, slug: str | None) -> ColumnElement[bool]:
    """The condition that an endpoint is of a site: of the one named, or of any that is seen."""
    if slug:
        site = site_by_slug(session, slug, viewer)
        if site is None:
            raise NotFound(f"there is no site {slug!r}")
        return Endpoint.site_id == site.id
    return true() if viewer.site_ids is None else Endpoint.site_id.in_(viewer.site_ids)


def _lease(rt: Runtime) -> list[Parcel]:
    """Take what is due for one attempt: the attempt counts before it is made."""
    now = rt.now()
    with rt.sessions.read() as session:  # most of the time there is nothing: take no lock
        if (
            session.scalar(select(Delivery.id).where(Delivery.next_attempt_at <= now).limit(1))
            is None
        ):
            return []
    until = now + timedelta(seconds=rt.settings.delivery_timeout_s) + LEASE_BEYOND_TIMEOUT
    with rt.sessions.write() as session:
        due = session.scalars(
            select(Delivery)
            .where(Delivery.next_attempt_at <= now)
            .order_by(Delivery.next_attempt_at, Delivery.id)
            .limit(BATCH)
            .options(joinedload(Delivery.endpoint, innerjoin=True))
            .with_for_update(of=Delivery, skip_locked=True)
        ).all()
        for delivery in due:
            delivery.attempts += 1
            delivery.next_attempt_at = until
            delivery.first_attempt_at = delivery.first_attempt_at or now
        return [
            Parcel(
                id=delivery.id,
                url=delivery.endpoint.url,
                secret=delivery.endpoint.secret,
                webhook_id=webhook_id(delivery.decision_id),
                body=render(session, session.get_one(DecisionRow, delivery.decision_id)),
                attempts=delivery.attempts,
            )
            for delivery in due
        ]


def _send(rt: Runtime, parcel: Parcel) -> Answered | str:
    """The site's answer, or why there was none."""
    headers = sign(parcel.secret, parcel.webhook_id, rt.now(), parcel.body)
    headers |= {"Content-Type": "application/json", "User-Agent": "Copydesk"}
    try:
        return rt.post(parcel.url, parcel.body, headers, rt.settings.delivery_timeout_s)
    except Exception as error:  # whatever went wrong, the row says when to try again
        log.warning("delivery %s failed: %s", parcel.id, type(error).__name__)
        return f"{type(error).__name__}: {error}"[:500]


def _note(rt: Runtime, parcel: Parcel, outcome: Answered | str) -> None:
    now = rt.now()
    with rt.sessions.write() as session:
        delivery = session.get_one(Delivery, parcel.id)
        delivery.answered = outcome.status if isinstance(outcome, Answered) else None
        delivery.error = outcome if isinstance(outcome, str) else None
        if isinstance(outcome, Answered) and 200 <= outcome.status < 300:
            delivery.status, delivery.next_attempt_at, delivery.delivered_at = (
                "delivered",
                None,
                now,
            )
        elif isinstance(outcome, Answered) and outcome.status == 410:
            _disable(session, delivery.endpoint_id, "answered 410 Gone", now)
        else:
            asked = outcome.retry_after if isinstance(outcome, Answered) else None
            wait = retry_wait(parcel.attempts, asked, now)
            delivery.status = "dead" if wait is None else "pending"
            delivery.next_attempt_at = None if wait is None else now + wait


def _disable(session: Session, endpoint_id: int, why: str, now: datetime) -> None:
    endpoint = session.get_one(Endpoint, endpoint_id)
    endpoint.disabled_at, endpoint.disabled_why = now, why
    session.execute(
        update(Delivery)
        .where(Delivery.endpoint_id == endpoint_id, Delivery.status == "pending")
        .values(status="withheld", next_attempt_at=None)
    )
    log.error("endpoint %s was disabled: it %s", endpoint_id, why)


def _asked_for(retry_after: str | None, now: datetime) -> timedelta:
    if not retry_after:
        return timedelta()
    if retry_after.strip().isdecimal():
        return timedelta(seconds=min(int(retry_after[:9]), 10**6))
    try:
        return parsedate_to_datetime(retry_after) - now
    except (ValueError, TypeError):
        return timedelta()
