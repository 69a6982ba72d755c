"""The log of deliveries, read by people, and what of it is sent again."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select, true, update
from sqlalchemy.orm import Session, joinedload

from moderation.core.viewer import OPERATOR, Viewer
from moderation.flows.errors import Invalid, NotFound
from moderation.flows.runtime import Runtime
from moderation.store.database import tried_again
from moderation.store.reading import event_bodies, shown_delivery
from moderation.store.sites import site_by_slug
from moderation.store.tables import NUMBER_MOST, DecisionRow, Delivery, Endpoint

STATUSES = ("pending", "delivered", "dead", "withheld")


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
            query = query.where(Delivery.id < min(before, NUMBER_MOST))
        return session.scalars(query).all()


def shown(rt: Runtime, id: int, *, viewer: Viewer = OPERATOR) -> dict[str, Any]:
    """A delivery with the body that was or will be sent. Raises NotFound."""
    with rt.sessions.read() as session:
        query = (
            select(Delivery)
            .join(Delivery.endpoint)
            .where(Delivery.id == min(id, NUMBER_MOST), _of_sites(session, viewer, None))
            .options(joinedload(Delivery.endpoint))
        )
        delivery = session.scalar(query)
        if delivery is None:
            raise NotFound(f"there is no delivery {id}")
        [body] = event_bodies(session, [delivery.decision_id]).values()
        return shown_delivery(delivery) | {"body": json.loads(body)}


@tried_again
def replay(
    rt: Runtime,
    *,
    ids: Sequence[int] = (),
    site: str | None = None,
    failed: bool = False,
    since: datetime | None = None,
    until: datetime | None = None,
    viewer: Viewer = OPERATOR,
) -> int:
    """Make deliveries due again: those named, or a site's, or those of a time.

    failed        only those that did not arrive, or were tried in vain so far
    since, until  only those of decisions made from the one on and before the other

    Returns how many. Raises NotFound where a named one, or the site, does not exist for
    the viewer; Invalid where all that were asked for go to endpoints that are disabled,
    and must be enabled first. Among others, such deliveries are left alone.
    """
    with rt.sessions.write() as session:
        mine = select(Delivery.id).join(Delivery.endpoint).where(_of_sites(session, viewer, site))
        query = mine
        if ids:
            asked = [id for id in ids if 0 < id <= NUMBER_MOST]
            unknown = set(ids) - set(session.scalars(mine.where(Delivery.id.in_(asked))))
            if unknown:
                raise NotFound(f"there is no delivery {min(unknown)}")
            query = query.where(Delivery.id.in_(asked))
        if failed:
            in_vain = (Delivery.status == "pending") & (Delivery.attempts > 0)
            query = query.where(Delivery.status.in_(("dead", "withheld")) | in_vain)
        if since or until:
            query = query.join(DecisionRow, Delivery.decision_id == DecisionRow.id)
            query = query.where(
                DecisionRow.decided_at >= since if since else true(),
                DecisionRow.decided_at < until if until else true(),
            )
        chosen = list(session.scalars(query.where(Endpoint.disabled_at.is_(None))))
        disabled = None if chosen else session.scalar(query.with_only_columns(Endpoint.id).limit(1))
        if disabled is not None:
            raise Invalid(("#/endpoint", f"{disabled} is disabled: enable it in the settings"))
        # Whoever asks for them now wants them tried now, paused or not.
        theirs = select(Delivery.endpoint_id).where(Delivery.id.in_(chosen))
        session.execute(update(Endpoint).where(Endpoint.id.in_(theirs)).values(paused_until=None))
        session.execute(
            update(Delivery)
            .where(Delivery.id.in_(chosen))
            .values(status="pending", attempts=0, next_attempt_at=rt.clock(session), error=None)
        )
    rt.to_tell.set()
    return len(chosen)


def _of_sites(session: Session, viewer: Viewer, slug: str | None) -> ColumnElement[bool]:
    """The condition that an endpoint is of a site: of the one named, or of any that is seen."""
    if slug:
        site = site_by_slug(session, slug, viewer)
        if site is None:
            raise NotFound(f"there is no site {slug!r}")
        return Endpoint.site_id == site.id
    return true() if viewer.site_ids is None else Endpoint.site_id.in_(viewer.site_ids)
