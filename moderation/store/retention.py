"""Taking away what is old: comments whole, with all that hangs on them, and the logs."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, delete, exists, select
from sqlalchemy.orm import Session

from moderation.store.tables import (
    Article,
    AssessmentRow,
    Author,
    Comment,
    DecisionRow,
    Delivery,
    Inbound,
    LoginFailure,
    PersonSession,
    Report,
    Revision,
)


def window(session: Session, after: int, most: int) -> tuple[int, ...]:
    """The numbers of the comments that follow one, at most so many."""
    query = select(Comment.id).where(Comment.id > after).order_by(Comment.id).limit(most)
    return tuple(session.scalars(query))


def old_comments(session: Session, first: int, last: int, before: datetime) -> list[int]:
    """Numbers of comments that came before a moment, are decided, and owe no site an event.

    Locked first and looked at then, by a statement of its own: what the writer of an edit has
    left while the lock was waited for is seen by no statement that began before.
    """
    old = (Comment.created_at < before) & Comment.waiting_since.is_(None)
    locked = session.scalars(
        select(Comment.id).where(Comment.id.between(first, last), old).with_for_update()
    ).all()
    owed = exists().where(Delivery.comment_id == Comment.id, Delivery.next_attempt_at.is_not(None))
    due = exists().where(Revision.comment_id == Comment.id, Revision.due_at.is_not(None))
    newer = exists().where(Revision.comment_id == Comment.id, Revision.received_at >= before)
    settled = select(Comment.id).where(Comment.id.in_(locked), old, ~owed, ~due, ~newer)
    return list(session.scalars(settled))


def delete_comments(session: Session, ids: Collection[int]) -> None:
    """Delete comments with all that hangs on them, and authors and articles left without."""
    if not ids:
        return
    chosen = session.execute(
        select(Comment.author_id, Comment.article_id).where(Comment.id.in_(ids))
    ).all()
    revisions = select(Revision.id).where(Revision.comment_id.in_(ids))
    for table in (Delivery, Inbound, Report, DecisionRow):
        session.execute(delete(table).where(table.comment_id.in_(ids)))
    session.execute(delete(AssessmentRow).where(AssessmentRow.revision_id.in_(revisions)))
    session.execute(delete(Revision).where(Revision.comment_id.in_(ids)))
    session.execute(delete(Comment).where(Comment.id.in_(ids)))
    authors, articles = {row.author_id for row in chosen}, {row.article_id for row in chosen}
    writes = exists().where(Comment.author_id == Author.id)
    wrote = exists().where(Revision.author_id == Author.id)
    session.execute(delete(Author).where(Author.id.in_(authors), ~writes, ~wrote))
    bears = exists().where(Comment.article_id == Article.id)
    session.execute(delete(Article).where(Article.id.in_(articles), ~bears))


def delete_log(session: Session, first: int, last: int, before: datetime) -> int:
    """Delete webhooks answered and events told before a moment, of a range of comments."""
    gone = session.execute(
        delete(Inbound).where(Inbound.comment_id.between(first, last), Inbound.received_at < before)
    )
    told = session.execute(
        delete(Delivery).where(
            Delivery.comment_id.between(first, last),
            Delivery.created_at < before,
            Delivery.status.in_(("delivered", "dead")),  # what is withheld may be asked for yet
        )
    )
    return sum(cast("CursorResult[Any]", result).rowcount for result in (gone, told))


def delete_logins(session: Session, before: datetime) -> None:
    """Delete failed logins, and sessions not used since, of before a moment."""
    session.execute(delete(LoginFailure).where(LoginFailure.at < before))
    session.execute(delete(PersonSession).where(PersonSession.seen_at < before))
