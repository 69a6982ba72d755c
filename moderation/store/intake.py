"""What intake asks of the past: was this webhook answered, what did the author write lately?"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from moderation.core.comment import Earlier, Status
from moderation.store.tables import Comment, DecisionRow, Inbound, Report, Revision

HISTORY = timedelta(hours=1)
"""How far back the author's own comments are shown to the checks."""
HISTORY_MOST = 200


@dataclass(frozen=True, slots=True)
class Webhook:
    """The identity of a webhook: its id, if it has one, and a hash of its bytes."""

    id: str | None
    body_hash: str

    @classmethod
    def of(cls, id: str | None, body: bytes) -> "Webhook":
        return cls(id, hashlib.sha256(body).hexdigest())


def answered_before(session: Session, site_id: int, webhook: Webhook) -> Inbound | None:
    """What is on record of a webhook-id of a site; None if it is new or has no id."""
    return None if webhook.id is None else session.get(Inbound, (site_id, webhook.id))


def remember(
    session: Session,
    site_id: int,
    webhook: Webhook,
    comment: Comment,
    decision_id: str | None,
    now: datetime,
) -> None:
    """Keep what a webhook was answered with; None for "pending"."""
    if webhook.id is not None:
        session.add(
            Inbound(
                site_id=site_id,
                webhook_id=webhook.id,
                body_hash=webhook.body_hash,
                comment_id=comment.id,
                revision=comment.revision,
                decision_id=decision_id,
                received_at=now,
            )
        )
        session.flush()


def answered_with(session: Session, site_id: int, webhook: Webhook, decision: DecisionRow) -> None:
    """Note the decision that a webhook, remembered as pending, was answered with."""
    session.execute(
        update(Inbound)
        .where(Inbound.site_id == site_id, Inbound.webhook_id == webhook.id)
        .values(decision_id=decision.id)
    )


def reported_before(session: Session, flagged: Report) -> bool:
    """Whether the same reporter has flagged the same wording."""
    if flagged.reporter_id is None:
        return False
    return (
        session.scalar(
            select(Report.id).where(
                Report.comment_id == flagged.comment_id,
                Report.revision == flagged.revision,
                Report.reporter_id == flagged.reporter_id,
            )
        )
        is not None
    )


def published_before(session: Session, comment: Comment) -> int:
    """How many other comments of the author are published."""
    return (
        session.scalar(
            select(func.count())
            .select_from(Comment)
            .where(
                Comment.author_id == comment.author_id,
                Comment.status == Status.PUBLISHED,
                Comment.id != comment.id,
            )
        )
        or 0
    )


def history(session: Session, revision: Revision) -> tuple[Earlier, ...]:
    """The author's other comments within `HISTORY` before a revision, newest first."""
    rows = session.execute(
        select(Revision.content_key, Revision.received_at)
        .where(
            Revision.author_id == revision.author_id,
            Revision.received_at > revision.received_at - HISTORY,
            Revision.received_at <= revision.received_at,
            Revision.comment_id != revision.comment_id,
        )
        .order_by(Revision.received_at.desc())
        .limit(HISTORY_MOST)
    )
    return tuple(
        Earlier(key, (revision.received_at - received).total_seconds()) for key, received in rows
    )
