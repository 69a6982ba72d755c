"""The end of a comment's way, the same in a request and in the worker: decide, record, answer."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from moderation.core.comment import Assessment, Comment, Context, Status
from moderation.core.decision import decide, urgency
from moderation.core.policy import Action, Policy
from moderation.flows.runtime import Runtime
from moderation.store import intake, ledger, reading
from moderation.store.intake import Webhook
from moderation.store.tables import Comment as CommentRow
from moderation.store.tables import DecisionRow
from moderation.wire import dump_assessment, dump_reason

MAX_ATTEMPTS = 3
"""Tries of the worker before a comment is left to a person."""


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


def conclude(
    rt: Runtime,
    task: Task,
    assessment: Assessment,
    webhook: Webhook | None = None,
) -> Reply:
    """Decide on what was assessed, record it, and answer.

    If anything was decided meanwhile, by a person above all, or the comment was edited
    or removed, that stands. A first decision is made whatever is missing; a later one
    only once nothing is, and where it completes the one before or differs from it.
    """
    now = rt.now()
    document = dump_assessment(assessment)
    with rt.sessions.write() as session:
        comment = ledger.lock_comment(session, task.comment_id, parts=False)
        kept = ledger.keep_assessment(session, task.revision_id, document, now)
        ledger.plan_retry(session, task.revision_id, _next_try(task, assessment, rt.clock(session)))
        gave_up = task.attempts > MAX_ATTEMPTS
        entry = _entry(rt.new_id("dec"), task, assessment, kept, now, gave_up=gave_up)
        if _is_wanted(session, comment, task, entry, complete=not assessment.missing):
            decision = ledger.record(session, comment, entry)
            if webhook is not None:
                intake.answered_with(session, comment.site_id, webhook, decision.id)
            body = task.comment.body
            answer = reading.rendered(comment.external_id, task.number, decision, body, document)
        else:
            answer = reading.standing_answer(session, comment)
    rt.to_tell.set()
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


def _is_wanted(
    session: Session, comment: CommentRow, task: Task, entry: ledger.Entry, *, complete: bool
) -> bool:
    """Whether the task is still about what stands, and its decision says something new."""
    if comment.revision != task.number or comment.decision_id != task.decision_seen:
        return False
    if comment.status in (Status.PENDING, Status.REMOVED):
        return comment.status == Status.PENDING
    standing = session.get_one(DecisionRow, comment.decision_id)
    if standing.by != "policy" or standing.actor is not None or not complete:
        return False
    return standing.action != entry.action or not reading.was_complete(session, standing)


def _next_try(task: Task, assessment: Assessment, now: datetime) -> datetime | None:
    if not assessment.missing or task.attempts >= MAX_ATTEMPTS:
        return None
    return now + timedelta(seconds=10 * 4**task.attempts)
