"""What intake asks of the past: was this webhook answered, what did the author write lately?"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session

from moderation.core.comment import Earlier, Status
from moderation.store.database import Database
from moderation.store.tables import Author, Comment, Inbound, Report, Revision, table_of

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


# Every comment comes through these: they are built once, and by table, for an entity of
# the ORM costs as much again as the statement.
_AUTHOR, _INBOUND, _COMMENT, _REVISION = map(table_of, (Author, Inbound, Comment, Revision))
_KNOWN = select(
    or_(
        exists().where(
            _INBOUND.c.site_id == bindparam("site"), _INBOUND.c.webhook_id == bindparam("webhook")
        ),
        exists().where(
            _COMMENT.c.site_id == bindparam("site"),
            _COMMENT.c.external_id == bindparam("comment"),
        ),
    )
)
_AUTHOR_ID = select(_AUTHOR.c.id).where(
    _AUTHOR.c.site_id == bindparam("site"), _AUTHOR.c.external_id == bindparam("key")
)
_NEW_INBOUND = insert(_INBOUND)
_ANSWERED = (
    update(_INBOUND)
    .where(_INBOUND.c.site_id == bindparam("site"), _INBOUND.c.webhook_id == bindparam("webhook"))
    .values(decision_id=bindparam("decision_id"))
)
_PUBLISHED = (
    select(func.count())
    .select_from(_COMMENT)
    .where(
        _COMMENT.c.author_id == bindparam("author"),
        _COMMENT.c.status == Status.PUBLISHED.value,
        _COMMENT.c.id != bindparam("but"),
    )
)
_HISTORY = (
    select(_REVISION.c.content_key, _REVISION.c.received_at)
    .where(
        _REVISION.c.author_id == bindparam("author"),
        _REVISION.c.received_at > bindparam("since"),
        _REVISION.c.received_at <= bindparam("until"),
        _REVISION.c.comment_id != bindparam("but"),
    )
    .order_by(_REVISION.c.received_at.desc())
    .limit(HISTORY_MOST)
)


def is_known(database: Database, site_id: int, webhook: Webhook, comment_id: str) -> bool:
    """Whether a webhook was answered before, or its comment came before by another."""
    asked = {"site": site_id, "webhook": webhook.id, "comment": comment_id}
    return bool(database.scalar(_KNOWN, asked))


def author_of(database: Database, site_id: int, key: str) -> int | None:
    """The number of a site's author, who may be new."""
    return database.scalar(_AUTHOR_ID, {"site": site_id, "key": key})


def answered_before(session: Session, site_id: int, webhook: Webhook) -> Inbound | None:
    """What is on record of a webhook-id of a site; None if it is new or has no id."""
    return None if webhook.id is None else session.get(Inbound, (site_id, webhook.id))


def remember(
    database: Database,
    site_id: int,
    webhook: Webhook,
    comment_id: int,
    revision: int,
    decision_id: str | None,
    now: datetime,
) -> None:
    """Keep what a webhook was answered with; None for "pending"."""
    if webhook.id is not None:
        database.execute(
            _NEW_INBOUND,
            {
                "site_id": site_id,
                "webhook_id": webhook.id,
                "body_hash": webhook.body_hash,
                "comment_id": comment_id,
                "revision": revision,
                "decision_id": decision_id,
                "received_at": now,
            },
        )


def answered_with(session: Session, site_id: int, webhook: Webhook, decision_id: str) -> None:
    """Note the decision that a webhook, remembered as pending, was answered with."""
    session.execute(_ANSWERED, {"site": site_id, "webhook": webhook.id, "decision_id": decision_id})


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


def published_before(database: Database, author_id: int, but: int = 0) -> int:
    """How many comments of the author are published.

    but  the number of one that doesn't count
    """
    return database.scalar(_PUBLISHED, {"author": author_id, "but": but}) or 0


def history(
    database: Database, author_id: int, until: datetime, but: int = 0
) -> tuple[Earlier, ...]:
    """The author's comments within `HISTORY` before a moment, newest first.

    but  the number of a comment that doesn't count
    """
    within = {"author": author_id, "but": but, "since": until - HISTORY, "until": until}
    rows = database.execute(_HISTORY, within)
    return tuple(Earlier(key, (until - received).total_seconds()) for key, received in rows)


def duties(session: Session, most: int) -> int:
    """Count revisions that still wait for a check, up to a number: it is asked in a hurry."""
    some = select(Revision.id).where(Revision.due_at.is_not(None)).limit(most).subquery()
    return session.scalar(select(func.count()).select_from(some)) or 0
