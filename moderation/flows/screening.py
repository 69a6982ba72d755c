"""Screening: a comment comes in, a decision goes out.

Read from top to bottom, this is the way of one comment: look up what is known of it
(short read) → run the checks (no transaction is open) → decide (pure) → store the
comment, its assessment, the decision and the events owed (one short write) → answer.

Nothing is stored before it is decided, so a process that dies in between leaves nothing,
and has answered nothing: the site sends the comment again. What shall not be waited for,
an edit, and what two requests bring at once are stored first, with their duty to be
decided; the worker finishes what a dead process leaves of these.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from moderation import metrics
from moderation.checks.check import run_checks
from moderation.core.comment import (
    Assessment,
    Comment,
    Context,
    Earlier,
    Status,
    Submission,
)
from moderation.core.decision import raised_by_report
from moderation.core.policy import Policy
from moderation.flows.conclude import News, Overtaken, Reply, Task, conclude, conclude_new
from moderation.flows.errors import Invalid, NotFound, Removed, WebhookReused
from moderation.flows.pressure import affordable
from moderation.flows.runtime import Runtime
from moderation.store import intake, ledger, reading
from moderation.store.database import tried_again
from moderation.store.intake import Webhook
from moderation.store.policies import policy_in_force
from moderation.store.tables import Comment as CommentRow
from moderation.store.tables import Report
from moderation.text import content_key

log = logging.getLogger(__name__)

Result = TypeVar("Result")

GRACE = timedelta(seconds=5)
"""How long after its deadline a request still has its comment to itself."""


def submit(
    rt: Runtime, site_id: int, given: Submission, webhook: Webhook, deadline_ms: float
) -> Reply:
    """Store a comment, new or edited, and decide on it if the deadline allows.

    Answers 200 with the decision, or 202 where it follows by event. Raises Invalid
    (too long), WebhookReused, Removed, Overloaded; then nothing is stored.

    When more comes than can be scored, only the cheap checks run: the policy says what
    is done without the others, and the worker makes up for them, the oldest first.

    deadline_ms  wall time from now; 0 stores only
    """
    started = time.monotonic()

    def checked(comment: Comment) -> Assessment:
        left_ms = max(deadline_ms - (time.monotonic() - started) * 1000, 0)
        with metrics.timed("check"):
            return run_checks(rt.checks, comment, left_ms, rt.pool, most_ms=most_ms)

    if deadline_ms <= 0:
        stored = _stored(rt, site_id, given, webhook, deadline_ms)
        rt.to_screen.set()
        return stored if isinstance(stored, Reply) else _standing(rt, stored.comment_id)
    with affordable(rt, deadline_ms) as most_ms:
        news = _looked_up(rt, site_id, given, webhook)
        if news is not None:
            assessment = checked(news.comment)
            try:
                with metrics.timed("decide"):
                    return conclude_new(rt, news, assessment, webhook)
            except Overtaken:
                log.info("stored first: two requests came at once")
        task = _stored(rt, site_id, given, webhook, deadline_ms)
        if isinstance(task, Reply):
            return task
        assessment = checked(task.comment)
        with metrics.timed("decide"):
            return conclude(rt, task, assessment, webhook)


def _looked_up(rt: Runtime, site_id: int, given: Submission, webhook: Webhook) -> News | None:
    """Gather what the checks need for a new comment; None if it came before."""
    now = rt.now()
    with metrics.timed("look up"), rt.sessions.reading() as database:
        if intake.is_known(database, site_id, webhook, given.id):
            return None
        version, policy = policy_in_force(database, site_id)
        author_id = intake.author_of(database, site_id, given.author.key)
        history = intake.history(database, author_id, now) if author_id is not None else ()
    _refuse_too_long(policy, given)
    return News(site_id, given, _for_checks(given, policy, history), policy, version)


def _for_checks(given: Submission, policy: Policy, history: tuple[Earlier, ...]) -> Comment:
    return Comment(
        body=given.body,
        format=given.format,
        language=given.language,
        words=policy.words,
        history=history,
        acting_from=policy.acting_from(given.article.section),
    )


def _stored(
    rt: Runtime, site_id: int, given: Submission, webhook: Webhook, deadline_ms: float
) -> Task | Reply:
    with metrics.timed("store"):
        return _once(rt, lambda session: _admit(rt, session, site_id, given, webhook, deadline_ms))


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
    rt.to_tell.set()
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
    before = intake.published_before(session, place.author_id, but=place.comment_id)
    revision_id = ledger.revise(
        session,
        place,
        given,
        number=number,
        published_before=before,
        received_at=now,
        due_at=rt.clock(session)
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
        comment=_for_checks(
            given, policy, intake.history(session, place.author_id, now, but=place.comment_id)
        ),
        context=Context(given.author.role, given.article.section, before),
        policy=policy,
        policy_version=version,
    )


def _nothing_new(session: Session, comment: CommentRow, webhook: Webhook, now: datetime) -> Reply:
    standing = None if reading.is_pending(comment) else comment.decision_id
    intake.remember(session, comment.site_id, webhook, comment.id, comment.revision, standing, now)
    return Reply(202 if standing is None else 200, reading.standing_answer(session, comment))


@tried_again
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
