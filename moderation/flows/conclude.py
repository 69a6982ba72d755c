"""The end of a comment's way, the same in a request and in the worker: decide, record, answer."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from moderation.core.comment import Assessment, Comment, Context, Earlier, Status, Submission
from moderation.core.decision import Verdict, decide, urgency
from moderation.core.policy import Action, Policy
from moderation.flows.runtime import Runtime
from moderation.store import intake, ledger, reading
from moderation.store.database import tried_again
from moderation.store.intake import Webhook
from moderation.store.places import place_of
from moderation.store.tables import Comment as CommentRow
from moderation.store.tables import DecisionRow
from moderation.text import content_key
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


@dataclass(frozen=True, slots=True)
class News:
    """A comment that is not stored yet, with all that the checks need."""

    site_id: int
    given: Submission
    comment: Comment
    policy: Policy
    policy_version: int


class Overtaken(Exception):
    """What was gathered for the checks is not so any more; nothing was stored."""


@tried_again
def conclude_new(rt: Runtime, news: News, assessment: Assessment, webhook: Webhook) -> Reply:
    """Store a comment with what was assessed and decided, in one write, and answer.

    Raises Overtaken if the comment or its webhook is new no more, or if its author has
    written the same since: two copies that come at once see each other.
    """
    given, document = news.given, dump_assessment(assessment)
    try:
        with rt.sessions.writing() as database:
            place = place_of(database, news.site_id, given, rt.now())
            now = rt.now()  # the author was waited for; what they wrote meanwhile is earlier
            history = intake.history(database, place.author_id, now)
            key = content_key(given.body)
            if _repeats(key, history) > _repeats(key, news.comment.history):
                raise Overtaken
            before = intake.published_before(database, place.author_id)
            context = Context(given.author.role, given.article.section, before)
            verdict = decide(assessment, news.policy, context)
            decision = ledger.admit_decided(
                database,
                news.site_id,
                given,
                place,
                published_before=before,
                document=document,
                entry=_entry(rt.new_id("dec"), verdict, news.policy_version, now),
                due_at=_next_try(0, assessment, rt.clock(database)),
            )
            intake.remember(
                database, news.site_id, webhook, decision.comment_id, 1, decision.id, now
            )
    except IntegrityError:
        raise Overtaken from None
    rt.to_tell.set()
    return Reply(200, reading.rendered(given.id, 1, decision, given.body, document))


def _repeats(key: str, history: tuple[Earlier, ...]) -> int:
    """How often an author wrote what has a content key."""
    return sum(earlier.key == key for earlier in history)


@tried_again
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
        due_at = _next_try(task.attempts, assessment, rt.clock(session))
        ledger.plan_retry(session, task.revision_id, due_at)
        verdict = decide(assessment, task.policy, task.context)
        entry = _entry(
            rt.new_id("dec"),
            verdict,
            task.policy_version,
            now,
            assessment_id=kept,
            gave_up=task.attempts > MAX_ATTEMPTS,
        )
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
    verdict: Verdict,
    policy_version: int,
    now: datetime,
    *,
    assessment_id: int | None = None,
    gave_up: bool = False,
) -> ledger.Entry:
    # What could never be scored is for a person, even where the policy would publish it.
    action = max(verdict.action, Action.HOLD) if gave_up else verdict.action
    return ledger.Entry(
        id=id,
        action=action.word,
        by="policy",
        decided_at=now,
        policy_version=policy_version,
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


def _next_try(attempts: int, assessment: Assessment, now: datetime) -> datetime | None:
    if not assessment.missing or attempts >= MAX_ATTEMPTS:
        return None
    return now + timedelta(seconds=10 * 4**attempts)
