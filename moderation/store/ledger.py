"""The ledger: the only writer of decisions, of what follows from them, and of deliveries.

A decision, the comment's new status and the events that the site is owed are written
in one transaction: all three or none. Decisions are only ever added; `comment.status`
is a projection that `fold` rebuilds.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, Executable, Insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, joinedload

from moderation.core.comment import Assessment, Status, Submission
from moderation.core.decision import raised_by_report
from moderation.store.tables import (
    Article,
    AssessmentRow,
    Author,
    Base,
    Comment,
    DecisionRow,
    Delivery,
    Endpoint,
    Report,
    Revision,
)
from moderation.wire import dump_assessment

STATUS_AFTER = {
    "publish": Status.PUBLISHED,
    "hold": Status.HELD,
    "reject": Status.REJECTED,
    "remove": Status.REMOVED,
}
"""Recorded action → where the comment stands then."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A decision to be recorded."""

    id: str
    action: str
    by: str
    decided_at: datetime
    actor: str | None = None
    policy_version: int | None = None
    assessment_id: int | None = None
    reasons: list[Any] = field(default_factory=list)
    reason: str | None = None
    note: str | None = None
    escalated: bool = False
    undoes: str | None = None
    urgency: float = 0.0


def insert_missing(session: Session, table: type[Base], **values: Any) -> bool:
    """Insert a row unless its unique key is taken; tells whether it was inserted."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = cast(Insert, dialect.insert(table).values(**values).on_conflict_do_nothing())
    return _rows_touched(session, statement) == 1


def lock_comment(session: Session, comment_id: int) -> Comment:
    """The comment, current, and nobody else's until this transaction ends."""
    return session.scalars(
        select(Comment)
        .where(Comment.id == comment_id)
        .with_for_update(of=Comment)
        .options(joinedload(Comment.article), joinedload(Comment.author))
        .execution_options(populate_existing=True)
    ).one()


def find_comment(session: Session, site_id: int, external_id: str) -> Comment | None:
    """A site's comment, locked, or None."""
    comment_id = session.scalar(
        select(Comment.id).where(Comment.site_id == site_id, Comment.external_id == external_id)
    )
    return None if comment_id is None else lock_comment(session, comment_id)


def admit(session: Session, site_id: int, given: Submission, now: datetime) -> Comment:
    """The comment of a submission, locked; made, without a revision, if it is new."""
    article = _article(session, site_id, given)
    author = _author(session, site_id, given, now)
    insert_missing(
        session,
        Comment,
        site_id=site_id,
        external_id=given.id,
        article_id=article.id,
        author_id=author.id,
        parent_external_id=given.parent_id,
        created_at=now,
        revision=0,
        status=Status.PENDING.value,
    )
    comment = find_comment(session, site_id, given.id)
    assert comment is not None
    return comment


def revise(session: Session, comment: Comment, revision: Revision) -> None:
    """Make a new wording the current one; the comment is pending until it is decided."""
    session.add(revision)
    comment.revision = revision.number
    comment.status = Status.PENDING
    _leave_queue(comment)
    session.flush()


def keep_assessment(
    session: Session, revision_id: int, assessment: Assessment, now: datetime
) -> AssessmentRow:
    row = AssessmentRow(
        revision_id=revision_id, document=dump_assessment(assessment), created_at=now
    )
    session.add(row)
    session.flush()
    return row


def record(session: Session, comment: Comment, entry: Entry) -> DecisionRow:
    """Append a decision, move the comment's status, and owe the site its events.

    `comment` must be locked in this transaction. A decision by a person closes the
    open reports; what a policy publishes waits for a moderator while there are any.
    """
    comment.seq += 1
    decision = DecisionRow(
        comment_id=comment.id,
        revision=comment.revision,
        seq=comment.seq,
        **{name: getattr(entry, name) for name in Entry.__slots__ if name != "urgency"},
    )
    session.add(decision)
    session.flush()
    comment.decision_id = decision.id
    comment.status = STATUS_AFTER[entry.action]
    if entry.by != "policy":
        _close_reports(session, comment, entry.decided_at)
    if entry.action == "hold":
        comment.waiting_since = comment.waiting_since or entry.decided_at
        comment.urgency = entry.urgency
        comment.escalated = entry.escalated
        comment.claimed_by = comment.claimed_until = None
    else:
        _leave_queue(comment)
        if entry.action == "publish" and _has_open_reports(session, comment):
            comment.waiting_since = entry.decided_at
            comment.urgency = raised_by_report(entry.urgency, newly=True)
    _owe_events(session, comment, decision)
    return decision


def flag(session: Session, comment: Comment, report: Report, urgency: float) -> None:
    """Keep a reader's report, and put a visible comment before a moderator.

    The comment stays where it stands: one reader's flag must not silence another.
    """
    session.add(report)
    if comment.status in (Status.PUBLISHED, Status.HELD):
        comment.waiting_since = comment.waiting_since or report.received_at
        comment.urgency = urgency
    session.flush()


def fold(decisions: Iterable[DecisionRow], revision: int) -> Status:
    """Where a comment stands, by its decisions: the newest of its current revision."""
    last = max(decisions, key=lambda decision: decision.seq, default=None)
    if last is None or (last.action != "remove" and last.revision != revision):
        return Status.PENDING
    return STATUS_AFTER[last.action]


def erase_words(session: Session, comment: Comment) -> None:
    """Take a removed comment's words away: body, unknown keys and notes.

    Decisions stay, and so does the digest `content_key`: by it a text that is posted
    again after it was taken back is still known as a repeat.
    """
    session.execute(
        update(Revision)
        .where(Revision.comment_id == comment.id)
        .values(body="", extra={}, due_at=None)
    )
    session.execute(update(Report).where(Report.comment_id == comment.id).values(note=None))


def reopen_reports(session: Session, comment: Comment, taken_back: DecisionRow) -> None:
    """Open the reports again that a decision had closed, and queue the comment for them."""
    reopened = _rows_touched(
        session,
        update(Report)
        .where(Report.comment_id == comment.id, Report.closed_at == taken_back.decided_at)
        .values(closed_at=None),
    )
    if reopened and comment.waiting_since is None and comment.status == Status.PUBLISHED:
        comment.waiting_since = taken_back.decided_at


def _has_open_reports(session: Session, comment: Comment) -> bool:
    return (
        session.scalar(
            select(Report.id)
            .where(Report.comment_id == comment.id, Report.closed_at.is_(None))
            .limit(1)
        )
        is not None
    )


def _rows_touched(session: Session, statement: Executable) -> int:
    return cast("CursorResult[Any]", session.execute(statement)).rowcount


def _leave_queue(comment: Comment) -> None:
    comment.waiting_since = comment.claimed_by = comment.claimed_until = None
    comment.urgency = 0.0
    comment.escalated = False


def _close_reports(session: Session, comment: Comment, now: datetime) -> None:
    session.execute(
        update(Report)
        .where(Report.comment_id == comment.id, Report.closed_at.is_(None))
        .values(closed_at=now)
    )


def _owe_events(session: Session, comment: Comment, decision: DecisionRow) -> None:
    event = f"comment.{STATUS_AFTER[decision.action].value}"
    for endpoint in session.scalars(select(Endpoint).where(Endpoint.site_id == comment.site_id)):
        if not endpoint.events or event in endpoint.events:
            on = endpoint.disabled_at is None
            session.add(
                Delivery(
                    endpoint_id=endpoint.id,
                    comment_id=comment.id,
                    decision_id=decision.id,
                    event=event,
                    status="pending" if on else "withheld",
                    next_attempt_at=decision.decided_at if on else None,
                    created_at=decision.decided_at,
                )
            )
    session.flush()


def _article(session: Session, site_id: int, given: Submission) -> Article:
    insert_missing(session, Article, site_id=site_id, external_id=given.article.id)
    article = session.scalars(
        select(Article).where(Article.site_id == site_id, Article.external_id == given.article.id)
    ).one()
    for name in ("title", "url", "section"):
        value = getattr(given.article, name)
        if value is not None and value != getattr(article, name):
            setattr(article, name, value)
    return article


def _author(session: Session, site_id: int, given: Submission, now: datetime) -> Author:
    insert_missing(
        session,
        Author,
        site_id=site_id,
        external_id=given.author.key,
        given_id=given.author.id,
        role=given.author.role.value,
        created_at=now,
    )
    author = session.scalars(
        select(Author).where(Author.site_id == site_id, Author.external_id == given.author.key)
    ).one()
    for name in ("name", "email", "ip"):
        value = getattr(given.author, name)
        if value is not None and value != getattr(author, name):
            setattr(author, name, value)
    author.role = given.author.role.value
    return author
