"""What no request has finished is finished here, by the worker, the oldest first."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from moderation.checks.check import run_checks
from moderation.core.comment import Assessment, Comment, Context, Format, Missing, Role
from moderation.flows.conclude import MAX_ATTEMPTS, Task, conclude
from moderation.flows.runtime import Runtime
from moderation.store import intake
from moderation.store.policies import policy_in_force
from moderation.store.tables import Comment as CommentRow
from moderation.store.tables import Revision

LATE_BUDGET_MS = 30_000
LEASE = timedelta(seconds=60)
BATCH = 20


def complete_due(
    rt: Runtime, at_once: int = 1, stopping: Callable[[], bool] = lambda: False
) -> int:
    """Screen what no request has finished; returns how many revisions were taken up.

    The worker's part: comments stored without waiting, those whose process died, and
    those decided with a score missing. What can't be scored stays with a moderator.

    at_once   how many are screened side by side: each waits for commits of its own
    stopping  tells that no more is to be begun: the rest is given back for others
    """
    taken = _lease_due(rt)
    left: list[int] = []

    def complete(leased: tuple[int, int]) -> None:
        if stopping():
            left.append(leased[0])
        else:
            _complete(rt, *leased)

    # What was tried before may have killed its process: it is tried alone, lest it cost
    # its neighbours an attempt again.
    fresh = [leased for leased in taken if leased[1] == 0]
    if fresh:
        with ThreadPoolExecutor(at_once, thread_name_prefix="late") as screeners:
            list(screeners.map(complete, fresh))
    for leased in taken:
        if leased[1] > 0:
            complete(leased)
    if left:
        _give_back(rt, left)
    return len(taken)


def _complete(rt: Runtime, revision_id: int, attempts: int) -> None:
    task = _begin(rt, revision_id, attempts)
    if task is None:
        return
    if task.attempts > MAX_ATTEMPTS:
        assessment = _given_up(rt)
    else:
        assessment = run_checks(rt.checks, task.comment, LATE_BUDGET_MS, rt.pool)
    conclude(rt, task, assessment)


def _lease_due(rt: Runtime) -> list[tuple[int, int]]:
    """Revisions that are due, with their attempts, each taken by one worker for a lease."""
    with rt.sessions.read() as session:  # most of the time there is nothing: take no lock
        now = rt.clock(session)
        if session.scalar(select(Revision.id).where(Revision.due_at <= now).limit(1)) is None:
            return []
    due = (
        select(Revision.id, Revision.attempts)
        .where(Revision.due_at <= now)
        .order_by(Revision.due_at)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    with rt.sessions.write() as session:
        taken = session.execute(due).tuples().all()
        ids = [revision_id for revision_id, _ in taken]
        session.execute(update(Revision).where(Revision.id.in_(ids)).values(due_at=now + LEASE))
        return list(taken)


def _give_back(rt: Runtime, ids: Sequence[int]) -> None:
    with rt.sessions.write() as session:
        unfinished = update(Revision).where(Revision.id.in_(ids), Revision.due_at.is_not(None))
        session.execute(unfinished.values(due_at=rt.clock(session)))


def _begin(rt: Runtime, revision_id: int, attempts: int) -> Task | None:
    """Count the attempt before it is made, and gather what it needs.

    None if it is done, or another worker has begun since the lease: it ran out.

    Not at the lease: a comment that kills its process would cost its neighbours an attempt.
    """
    with rt.sessions.write() as session:
        revision = session.get_one(Revision, revision_id, with_for_update=True)
        if revision.due_at is None or revision.attempts != attempts:
            return None
        revision.attempts += 1
        revision.due_at = rt.clock(session) + LEASE
        comment = session.get_one(CommentRow, revision.comment_id)
        return _gather(session, comment, revision)


def _given_up(rt: Runtime) -> Assessment:
    return Assessment(
        missing={
            check.name: Missing(check.name, f"gave up after {MAX_ATTEMPTS} attempts")
            for check in rt.checks
        }
    )


def _gather(session: Session, comment: CommentRow, revision: Revision) -> Task:
    """The task of a revision that is on record."""
    version, policy = policy_in_force(session, comment.site_id)
    history = intake.history(session, revision.author_id, revision.received_at, but=comment.id)
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
