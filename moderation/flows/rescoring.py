"""Scoring again: past comments get what the checks of today say of them.

A job feeds them to the worker that finishes late comments, a few at a time and only
while no fresh comment waits. What a policy decided it may decide anew, where the outcome
is another; what a person decided, or an import brought, keeps its decision.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, exists, func, select, update
from sqlalchemy.orm import Session

from moderation.flows.errors import NotFound
from moderation.flows.runtime import Runtime
from moderation.store.sites import site_by_slug
from moderation.store.tables import AssessmentRow, Comment, Job, Revision

STATUSES = ("held", "published", "rejected")
AT_ONCE = 50
"""Comments that are fed before it is looked whether a fresh one waits."""
WINDOW = 1000
"""Numbers of comments that are looked through at once."""
PAUSE = timedelta(seconds=0.2)


def details(
    session: Session,
    *,
    site: str | None = None,
    statuses: Sequence[str] = ("held",),
    since: datetime | None = None,
    unscored: bool = False,
) -> dict[str, Any]:
    """Describe which comments a job is about: those on record now.

    site      of this site only
    since     only those that came from then on
    unscored  only those that no check has seen

    Raises NotFound where there is no such site.
    """
    found = None if site is None else site_by_slug(session, site)
    if site is not None and found is None:
        raise NotFound(f"there is no site {site!r}")
    return {
        "site_id": found.id if found else None,
        "statuses": list(statuses),
        "since": since.isoformat() if since else None,
        "unscored": unscored,
        "last": session.scalar(select(func.max(Comment.id))) or 0,
    }


def step(rt: Runtime, session: Session, job: Job) -> timedelta | None:
    """Feed the next few, unless a fresh comment waits."""
    if job.cursor >= job.details["last"]:
        return None
    now = rt.clock(session)
    if session.scalar(select(Revision.id).where(Revision.due_at <= now).limit(1)) is not None:
        return PAUSE
    end = min(job.cursor + WINDOW, job.details["last"])
    found = session.execute(
        select(Comment.id, Revision.id)
        .join(Revision, (Revision.comment_id == Comment.id) & (Revision.number == Comment.revision))
        .where(Comment.id > job.cursor, Comment.id <= end, Revision.body != "")
        .where(*_chosen(job.details))
        .order_by(Comment.id)
        .limit(AT_ONCE)
    ).all()
    session.execute(
        update(Revision)
        .where(Revision.id.in_([revision_id for _, revision_id in found]))
        .values(due_at=now, attempts=0)
    )
    job.cursor = found[-1][0] if len(found) == AT_ONCE else end
    job.done += len(found)
    rt.to_screen.set()
    return timedelta()


def _chosen(details: dict[str, Any]) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [Comment.status.in_(details["statuses"])]
    if details["site_id"] is not None:
        conditions.append(Comment.site_id == details["site_id"])
    if details["since"] is not None:
        conditions.append(Comment.created_at >= datetime.fromisoformat(details["since"]))
    if details["unscored"]:
        conditions.append(~exists().where(AssessmentRow.revision_id == Revision.id))
    return conditions
