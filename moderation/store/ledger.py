"""The ledger: the only writer of decisions, of what follows from them, and of deliveries.

A decision, the comment's new status and the events that the site is owed are written
in one transaction: all three or none. Decisions are only ever added; `comment.status`
is a projection that `fold` rebuilds.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, Executable, bindparam, insert, select, update
from sqlalchemy.orm import Session, joinedload

from moderation import logs, metrics
from moderation.core.comment import Status, Submission
from moderation.core.decision import raised_by_report
from moderation.store.database import Database, clock, dialect_of
from moderation.store.places import Place, insert_missing, place_of
from moderation.store.tables import (
    AssessmentRow,
    Comment,
    DecisionRow,
    Delivery,
    Endpoint,
    Report,
    Revision,
    table_of,
)
from moderation.text import content_key

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


@dataclass(frozen=True, slots=True)
class Admitted:
    """The comment of a submission."""

    comment_id: int
    author_id: int
    before: Comment | None
    """The comment as it stood, locked; None if it is new."""


# Every comment comes through these; they are built once, and by table.
_COMMENT, _REVISION, _REPORT, _ENDPOINT, _ASSESSMENT = map(
    table_of, (Comment, Revision, Report, Endpoint, AssessmentRow)
)
_LOCKED = (
    select(Comment)
    .where(Comment.id == bindparam("comment_id"))
    .with_for_update(of=Comment)
    .execution_options(populate_existing=True)
)
_LOCKED_WITH_PARTS = _LOCKED.options(joinedload(Comment.article), joinedload(Comment.author))
_NEW_COMMENT = insert(_COMMENT).returning(_COMMENT.c.id)
_NEW_REVISION = insert(_REVISION).returning(_REVISION.c.id)
_NEW_ASSESSMENT = insert(_ASSESSMENT).returning(_ASSESSMENT.c.id)
_NEW_DECISION, _NEW_DELIVERY = insert(table_of(DecisionRow)), insert(table_of(Delivery))
_DONE = update(_REVISION).where(_REVISION.c.id == bindparam("revision_id")).values(due_at=None)
_AGAIN = (
    update(_REVISION)
    .where(_REVISION.c.id == bindparam("revision_id"), _REVISION.c.body != "")
    .values(due_at=bindparam("at"))
)
_OPEN_REPORT = (
    select(_REPORT.c.id)
    .where(_REPORT.c.comment_id == bindparam("comment_id"), _REPORT.c.closed_at.is_(None))
    .limit(1)
)
_ENDPOINTS = select(_ENDPOINT.c.id, _ENDPOINT.c.events, _ENDPOINT.c.disabled_at).where(
    _ENDPOINT.c.site_id == bindparam("site_id")
)


def lock_comment(session: Session, comment_id: int, *, parts: bool = True) -> Comment:
    """The comment, current, and nobody else's until this transaction ends.

    parts  with its article and its author
    """
    query = _LOCKED_WITH_PARTS if parts else _LOCKED
    return session.scalars(query, {"comment_id": comment_id}).one()


def find_comment(session: Session, site_id: int, external_id: str) -> Comment | None:
    """A site's comment, locked, or None."""
    comment_id = session.scalar(
        select(Comment.id).where(Comment.site_id == site_id, Comment.external_id == external_id)
    )
    return None if comment_id is None else lock_comment(session, comment_id)


def admit(session: Session, site_id: int, given: Submission, now: datetime) -> Admitted:
    """Find the comment of a submission, or make it, pending and at its first revision."""
    place = place_of(session, site_id, given, now)
    pending = _first(site_id, given, place, now) | {"status": Status.PENDING.value}
    made = session.scalar(insert_missing(dialect_of(session), Comment), pending)
    if made is not None:
        return Admitted(made, place.author_id, None)
    comment = find_comment(session, site_id, given.id)
    assert comment is not None
    return Admitted(comment.id, comment.author_id, comment)


def admit_decided(
    database: Database,
    site_id: int,
    given: Submission,
    place: Place,
    *,
    published_before: int,
    document: dict[str, Any],
    entry: Entry,
    due_at: datetime | None,
) -> DecisionRow:
    """Store a new comment with all that was said of it: one step, and nothing to be read back.

    The same rows as by `admit`, `revise`, `keep_assessment` and `record`, one after the
    other. Raises IntegrityError where the comment is there already.

    document  what the checks said (`wire.dump_assessment`)
    due_at    when it is to be screened again; None where nothing is missing
    """
    held = entry.action == "hold"
    values = _first(site_id, given, place, entry.decided_at) | {
        "status": STATUS_AFTER[entry.action].value,
        "seq": 1,
        "decision_id": entry.id,
        "waiting_since": entry.decided_at if held else None,
        "urgency": entry.urgency if held else 0.0,
    }
    comment_id = cast(int, database.scalar(_NEW_COMMENT, values))
    revision_id = revise(
        database,
        Admitted(comment_id, place.author_id, None),
        given,
        number=1,
        published_before=published_before,
        received_at=entry.decided_at,
        due_at=due_at,
    )
    kept = keep_assessment(database, revision_id, document, entry.decided_at)
    decision = _append(database, comment_id, 1, 1, replace(entry, assessment_id=kept))
    _owe_events(database, site_id, decision)
    return decision


def _first(site_id: int, given: Submission, place: Place, now: datetime) -> dict[str, Any]:
    return {
        "site_id": site_id,
        "external_id": given.id,
        "article_id": place.article_id,
        "author_id": place.author_id,
        "parent_external_id": given.parent_id,
        "created_at": now,
        "revision": 1,
    }


def reopen(session: Session, comment: Comment) -> None:
    """Make room for a new wording: the comment is pending until that is decided."""
    comment.revision += 1
    comment.status = Status.PENDING
    _leave_queue(comment)
    session.flush()


def revise(
    database: Database,
    place: Admitted,
    given: Submission,
    *,
    number: int,
    published_before: int,
    received_at: datetime,
    due_at: datetime | None,
) -> int:
    """Store a wording, and when it is to be screened; its number."""
    values = {
        "comment_id": place.comment_id,
        "author_id": place.author_id,
        "number": number,
        "body": given.body,
        "format": given.format.value,
        "language": given.language,
        "content_key": content_key(given.body),
        "role": given.author.role.value,
        "section": given.article.section,
        "published_before": published_before,
        "submitted_at": given.submitted_at,
        "received_at": received_at,
        "extra": dict(given.extra),
        "due_at": due_at,
    }
    return cast(int, database.scalar(_NEW_REVISION, values))


def keep_assessment(
    database: Database, revision_id: int, document: dict[str, Any], now: datetime
) -> int:
    """Store what the checks said (`wire.dump_assessment`); its number."""
    values = {"revision_id": revision_id, "document": document, "created_at": now}
    return cast(int, database.scalar(_NEW_ASSESSMENT, values))


def plan_retry(session: Session, revision_id: int, at: datetime | None) -> None:
    """Say when a revision is to be screened again; None is never. One that is erased is not."""
    given = {"revision_id": revision_id}
    session.execute(*(_DONE, given) if at is None else (_AGAIN, given | {"at": at}))


def record(session: Session, comment: Comment, entry: Entry, *, tell: bool = True) -> DecisionRow:
    """Append a decision, move the comment's status, and owe the site its events.

    tell  False where the site is the one who told us

    `comment` must be locked in this transaction. A decision by a person closes the
    open reports; what a policy publishes waits for a moderator while there are any.
    The answer is the row as it was stored, and no part of the session.
    """
    comment.seq += 1
    decision = _append(session, comment.id, comment.revision, comment.seq, entry)
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
    if tell:
        _owe_events(session, comment.site_id, decision)
    session.flush()
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
    return session.scalar(_OPEN_REPORT, {"comment_id": comment.id}) is not None


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


def _append(
    database: Database, comment_id: int, revision: int, seq: int, entry: Entry
) -> DecisionRow:
    metrics.DECISIONS.labels(entry.action, entry.by).inc()
    values = {name: getattr(entry, name) for name in Entry.__slots__ if name != "urgency"}
    values |= {"comment_id": comment_id, "revision": revision, "seq": seq}
    database.execute(_NEW_DECISION, values)
    return DecisionRow(**values)


def _owe_events(database: Database, site_id: int, decision: DecisionRow) -> None:
    event = f"comment.{STATUS_AFTER[decision.action].value}"
    due = clock(database)  # a node whose own clock is ahead would tell late
    owed = [
        {
            "endpoint_id": endpoint.id,
            "comment_id": decision.comment_id,
            "decision_id": decision.id,
            "event": event,
            "status": "pending" if endpoint.disabled_at is None else "withheld",
            "next_attempt_at": due if endpoint.disabled_at is None else None,
            "created_at": decision.decided_at,
            "request_id": logs.request_id(),
        }
        for endpoint in database.execute(_ENDPOINTS, {"site_id": site_id})
        if not endpoint.events or event in endpoint.events
    ]
    if owed:
        database.execute(_NEW_DELIVERY, owed)
