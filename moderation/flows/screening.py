"""Screening: a comment comes in, a decision goes out.

Read from top to bottom, this is the way of one comment: store it with its duty to be
decided (short write) → run the checks (no transaction is open) → decide (pure) → record
the decision, the status and the events owed (short write) → answer.

A process that dies in between leaves a revision that is due; the worker finishes it.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from moderation.checks.check import run_checks
from moderation.core.comment import (
    Assessment,
    Comment,
    Context,
    Format,
    Missing,
    Role,
    Status,
    Submission,
)
from moderation.core.decision import decide, raised_by_report, urgency
from moderation.core.policy import Action, Policy
from moderation.flows.errors import Invalid, NotFound, Removed, WebhookReused
from moderation.flows.runtime import Runtime
from moderation.store import intake, ledger, reading
from moderation.store.intake import Webhook
from moderation.store.policies import policy_in_force
from moderation.store.tables import Comment as CommentRow
from moderation.store.tables import DecisionRow, Report, Revision
from moderation.text import content_key
from moderation.wire import dump_assessment, dump_reason

log = logging.getLogger(__name__)

Result = TypeVar("Result")

GRACE = timedelta(seconds=5)
"""How long after its deadline a request still has its comment to itself."""
LATE_BUDGET_MS = 30_000
LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 3
"""Tries of the worker before a comment is left to a person."""
BATCH = 20


@dataclass(frozen=True, slots=True)
class Reply:
    """What the site is answered: an HTTP status and the contract's body."""

    status: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Task:
    """A revision to be decided, with all that the decision needs."""

    comment_id: int
    revision_id: int
    number: int
    attempts: int
    """Of the worker, this one counted; 0 in a request."""
    decision_seen: str | None
    """The newest decision when the task was gathered; if it moved, someone was faster."""
    comment: Comment
    context: Context
    policy: Policy
    policy_version: int


def submit(
    rt: Runtime, site_id: int, given: Submission, webhook: Webhook, deadline_ms: float
) -> Reply:
    """Store a comment, new or edited, and decide on it if the deadline allows.

    Answers 200 with the decision, or 202 where it follows by event. Raises Invalid
    (too long), WebhookReused, Removed; then nothing is stored.

    deadline_ms  wall time from now; 0 stores only
    """
    started = time.monotonic()
    admitted = _once(rt, lambda session: _admit(rt, session, site_id, given, webhook, deadline_ms))
    if isinstance(admitted, Reply):
        return admitted
    if deadline_ms <= 0:
        rt.wake.set()
        return _standing(rt, admitted.comment_id)
    left_ms = deadline_ms - (time.monotonic() - started) * 1000
    assessment = run_checks(rt.checks, admitted.comment, max(left_ms, 0), rt.pool)
    return _conclude(rt, admitted, assessment, webhook)


def remove(rt: Runtime, site_id: int, comment_id: str, webhook: Webhook) -> Reply:
    """Take a comment back for its author: out of the queue, its words erased.

    Raises NotFound, WebhookReused.
    """

    def write(session: Session) -> Reply:
        comment = _known_comment(session, site_id, comment_id, webhook)
        if isinstance(comment, Reply):
            return comment
        if comment.status != Status.REMOVED:
            ledger.record(
                session,
                comment,
                ledger.Entry(rt.new_id("dec"), "remove", "author", rt.now()),
            )
            ledger.erase_words(session, comment)
        intake.remember(
            session, site_id, webhook, comment.id, comment.revision, comment.decision_id, rt.now()
        )
        return Reply(200, reading.standing_answer(session, comment))

    reply = _once(rt, write)
    rt.wake.set()
    return reply


def report(
    rt: Runtime,
    site_id: int,
    comment_id: str,
    *,
    reporter_id: str | None,
    reason: str | None,
    note: str | None,
    webhook: Webhook,
) -> Reply:
    """Keep a reader's report and put the comment before a moderator.

    The comment stays visible until a person decides. The same reporter counts once a
    revision. Raises NotFound, WebhookReused.
    """

    def write(session: Session) -> Reply:
        comment = _known_comment(session, site_id, comment_id, webhook)
        if isinstance(comment, Reply):
            return comment
        flagged = Report(
            comment_id=comment.id,
            revision=comment.revision,
            reporter_id=reporter_id,
            reason=reason,
            note=note,
            received_at=rt.now(),
        )
        if not intake.reported_before(session, flagged):
            newly = comment.status == Status.PUBLISHED and comment.waiting_since is None
            ledger.flag(session, comment, flagged, raised_by_report(comment.urgency, newly=newly))
        standing = None if reading.is_pending(comment) else comment.decision_id
        intake.remember(session, site_id, webhook, comment.id, comment.revision, standing, rt.now())
        body = reading.standing_answer(session, comment)
        return Reply(202 if standing is None else 200, body)

    return _once(rt, write)


def complete_due(rt: Runtime) -> int:
    """Screen what no request has finished; returns how many revisions were taken up.

    The worker's part: comments stored without waiting, those whose process died, and
    those decided with a score missing. What can't be scored stays with a moderator.
    """
    taken = _lease_due(rt)
    for revision_id in taken:
        with rt.sessions.read() as session:
            revision = session.get_one(Revision, revision_id)
            comment = session.get_one(CommentRow, revision.comment_id)
            task = _gather(session, comment, revision)
        if task.attempts > MAX_ATTEMPTS:
            assessment = _given_up(rt)
        else:
            assessment = run_checks(rt.checks, task.comment, LATE_BUDGET_MS, rt.pool)
        _conclude(rt, task, assessment)
    return len(taken)


def _admit(
    rt: Runtime,
    session: Session,
    site_id: int,
    given: Submission,
    webhook: Webhook,
    deadline_ms: float,
) -> Task | Reply:
    """Store the revision and its duty, or answer at once where nothing new was said."""
    now = rt.now()
    again = _answered_before(session, site_id, webhook)
    if again is not None:
        return again
    version, policy = policy_in_force(session, site_id)
    _refuse_too_long(policy, given)
    place = ledger.admit(session, site_id, given, now)
    number = 1
    if place.before is not None:
        if _says_the_same(session, place.before, given):
            return _nothing_new(session, place.before, webhook, now)
        ledger.reopen(session, place.before)
        number = place.before.revision
    before = intake.published_before(session, place.author_id, place.comment_id)
    revision_id = ledger.revise(
        session,
        comment_id=place.comment_id,
        author_id=place.author_id,
        number=number,
        body=given.body,
        format=given.format.value,
        language=given.language,
        content_key=content_key(given.body),
        role=given.author.role.value,
        section=given.article.section,
        published_before=before,
        submitted_at=given.submitted_at,
        received_at=now,
        extra=dict(given.extra),
        due_at=now
        + timedelta(milliseconds=deadline_ms)
        + (GRACE if deadline_ms > 0 else timedelta()),
    )
    intake.remember(session, site_id, webhook, place.comment_id, number, None, now)
    return Task(
        comment_id=place.comment_id,
        revision_id=revision_id,
        number=number,
        attempts=0,
        decision_seen=place.before.decision_id if place.before else None,
        comment=Comment(
            body=given.body,
            format=given.format,
            language=given.language,
            words=policy.words,
            history=intake.history(session, place.author_id, place.comment_id, now),
            acting_from=policy.acting_from(given.article.section),
        ),
        context=Context(given.author.role, given.article.section, before),
        policy=policy,
        policy_version=version,
    )


def _nothing_new(session: Session, comment: CommentRow, webhook: Webhook, now: datetime) -> Reply:
    standing = None if reading.is_pending(comment) else comment.decision_id
    intake.remember(session, comment.site_id, webhook, comment.id, comment.revision, standing, now)
    return Reply(202 if standing is None else 200, reading.standing_answer(session, comment))


def _gather(session: Session, comment: CommentRow, revision: Revision) -> Task:
    """The task of a revision that is on record."""
    version, policy = policy_in_force(session, comment.site_id)
    history = intake.history(session, revision.author_id, comment.id, revision.received_at)
    return Task(
        comment_id=comment.id,
        revision_id=revision.id,
        number=revision.number,
        attempts=revision.attempts,
        decision_seen=comment.decision_id,
        comment=Comment(
            body=revision.body,
            format=Format(revision.format),
            language=revision.language,
            words=policy.words,
            history=history,
            acting_from=policy.acting_from(revision.section),
        ),
        context=Context(Role(revision.role), revision.section, revision.published_before),
        policy=policy,
        policy_version=version,
    )


def _conclude(
    rt: Runtime,
    task: Task,
    assessment: Assessment,
    webhook: Webhook | None = None,
) -> Reply:
    """Decide on what was assessed, record it, and answer.

    If anything was decided meanwhile, by a person above all, or the comment was edited
    or removed, that stands. A first decision is made whatever is missing; a later one
    only once nothing is.
    """
    now = rt.now()
    document = dump_assessment(assessment)
    with rt.sessions.write() as session:
        comment = ledger.lock_comment(session, task.comment_id, parts=False)
        kept = ledger.keep_assessment(session, task.revision_id, document, now)
        ledger.plan_retry(session, task.revision_id, _next_try(task, assessment, now))
        first = comment.status == Status.PENDING
        if _may_decide(session, comment, task) and (first or not assessment.missing):
            gave_up = task.attempts > MAX_ATTEMPTS
            entry = _entry(rt.new_id("dec"), task, assessment, kept, now, gave_up=gave_up)
            decision = ledger.record(session, comment, entry)
            if webhook is not None:
                intake.answered_with(session, comment.site_id, webhook, decision.id)
            body = task.comment.body
            answer = reading.rendered(comment.external_id, task.number, decision, body, document)
        else:
            answer = reading.standing_answer(session, comment)
    rt.wake.set()
    return Reply(202 if answer["decision"] is None else 200, answer)


def _entry(
    id: str,
    task: Task,
    assessment: Assessment,
    assessment_id: int,
    now: datetime,
    *,
    gave_up: bool,
) -> ledger.Entry:
    verdict = decide(assessment, task.policy, task.context)
    # What could never be scored is for a person, even where the policy would publish it.
    action = max(verdict.action, Action.HOLD) if gave_up else verdict.action
    return ledger.Entry(
        id=id,
        action=action.word,
        by="policy",
        decided_at=now,
        policy_version=task.policy_version,
        assessment_id=assessment_id,
        reasons=[dump_reason(reason) for reason in verdict.reasons],
        urgency=urgency((r.attribute, r.score) for r in verdict.reasons),
    )


def _may_decide(session: Session, comment: CommentRow, task: Task) -> bool:
    """Whether the task is still about what stands, and no person has decided on it."""
    if comment.revision != task.number or comment.decision_id != task.decision_seen:
        return False
    if comment.status in (Status.PENDING, Status.REMOVED):
        return comment.status == Status.PENDING
    return session.get_one(DecisionRow, comment.decision_id).by == "policy"


def _next_try(task: Task, assessment: Assessment, now: datetime) -> datetime | None:
    if not assessment.missing or task.attempts >= MAX_ATTEMPTS:
        return None
    return now + timedelta(seconds=10 * 4**task.attempts)


def _lease_due(rt: Runtime) -> list[int]:
    """Revisions that are due, each taken by one worker for a lease; attempts count up first."""
    now = rt.now()
    with rt.sessions.read() as session:  # most of the time there is nothing: take no lock
        if session.scalar(select(Revision.id).where(Revision.due_at <= now).limit(1)) is None:
            return []
    with rt.sessions.write() as session:
        due = session.scalars(
            select(Revision)
            .where(Revision.due_at <= now)
            .order_by(Revision.due_at)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        ).all()
        for revision in due:
            revision.due_at = now + LEASE
            revision.attempts += 1
        return [revision.id for revision in due]


def _given_up(rt: Runtime) -> Assessment:
    return Assessment(
        missing={
            check.name: Missing(check.name, f"gave up after {MAX_ATTEMPTS} attempts")
            for check in rt.checks
        }
    )


def _once(rt: Runtime, write: Callable[[Session], Result]) -> Result:
    """Run a short write; once more if another process inserted the same key first."""
    try:
        with rt.sessions.write() as session:
            return write(session)
    except IntegrityError:
        with rt.sessions.write() as session:
            return write(session)


def _standing(rt: Runtime, comment_id: int) -> Reply:
    with rt.sessions.read() as session:
        body = reading.standing_answer(session, session.get_one(CommentRow, comment_id))
    return Reply(202 if body["decision"] is None else 200, body)


def _known_comment(
    session: Session, site_id: int, comment_id: str, webhook: Webhook
) -> CommentRow | Reply:
    again = _answered_before(session, site_id, webhook)
    if again is not None:
        return again
    comment = ledger.find_comment(session, site_id, comment_id)
    if comment is None:
        raise NotFound(f"#/data/id: there is no comment {comment_id!r} on this site")
    return comment


def _answered_before(session: Session, site_id: int, webhook: Webhook) -> Reply | None:
    inbound = intake.answered_before(session, site_id, webhook)
    if inbound is None:
        return None
    if inbound.body_hash != webhook.body_hash:
        log.warning("webhook-id %s came again with another body", webhook.id)
        raise WebhookReused(f"webhook-id {webhook.id!r} was used before with another body")
    return Reply(*reading.repeated_answer(session, inbound))


def _refuse_too_long(policy: Policy, given: Submission) -> None:
    if len(given.body) > policy.max_length:
        why = f"has {len(given.body)} characters; at most {policy.max_length}"
        raise Invalid(("#/data/body", why))


def _says_the_same(session: Session, comment: CommentRow, given: Submission) -> bool:
    current = reading.revision_of(session, comment.id, comment.revision)
    if comment.status == Status.REMOVED:
        if current.content_key == content_key(given.body):
            return True
        raise Removed(f"comment {given.id!r} was removed by its author")
    return current.body == given.body and current.format == given.format
