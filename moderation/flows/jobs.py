"""Jobs: long work, done by whichever worker is free, a piece at a time.

A piece and the place reached are one transaction, so a job goes on where it was, whoever
is killed, and no piece is done twice.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from moderation.flows.errors import NotFound
from moderation.flows.runtime import Runtime
from moderation.store.tables import Job

log = logging.getLogger(__name__)

Step = Callable[[Runtime, Session, Job], timedelta | None]
"""Does a piece; says how long until the next is due, None where the job has ended."""

RECURRING = ("retention",)
CANCELED = "57014"
"""What PostgreSQL calls a statement that ran into its time limit."""
AFTER_FAILURE, AFTER_FAILURE_MOST = timedelta(seconds=10), timedelta(hours=1)


def ensure_recurring(rt: Runtime) -> None:
    """Make the jobs that recur for ever, where they are not on record yet."""
    with rt.sessions.write() as session:
        now = rt.clock(session)
        kind = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
        for name in RECURRING:
            row = {"id": name, "kind": name, "details": {}, "due_at": now, "created_at": now}
            session.execute(kind.insert(Job).values(row).on_conflict_do_nothing())


def add(rt: Runtime, session: Session, kind: str, details: dict[str, Any]) -> str:
    """Put a job on record, due at once; its id."""
    now = rt.clock(session)
    job = Job(id=rt.new_id("job"), kind=kind, details=details, due_at=now, created_at=now)
    session.add(job)
    session.flush()
    return job.id


def work_due(rt: Runtime, steps: Mapping[str, Step]) -> int:
    """Do a piece of the job that has been due for longest; returns how many were done."""
    with rt.sessions.read() as session:  # most of the time there is none: take no lock
        now = rt.clock(session)
        if session.scalar(select(Job.id).where(Job.due_at <= now).limit(1)) is None:
            return 0
    job_id = ""
    try:
        with rt.sessions.write() as session:
            now = rt.clock(session)
            job = session.scalars(
                select(Job)
                .where(Job.due_at <= now)
                .order_by(Job.due_at)
                .limit(1)
                .with_for_update(skip_locked=True)
            ).first()
            if job is None:
                return 0
            job_id = job.id
            wait = steps[job.kind](rt, session, job)
            job.due_at = None if wait is None else now + wait
            job.finished_at = now if wait is None else None
            job.failures, job.error = 0, None
    except Exception as error:
        if isinstance(error, OperationalError) and not (job_id and _took_too_long(error)):
            raise  # the database's trouble, not the job's
        log.exception("job %s failed", job_id)
        _put_off(rt, job_id, error)
    return 1


def listed(rt: Runtime, limit: int = 50) -> Sequence[Job]:
    """The jobs, newest first."""
    with rt.sessions.read() as session:
        return session.scalars(select(Job).order_by(Job.created_at.desc()).limit(limit)).all()


def stop(rt: Runtime, job_id: str) -> None:
    """End a job where it is. Raises NotFound where none of that id is at work."""
    with rt.sessions.write() as session:
        job = session.get(Job, job_id, with_for_update=True)
        if job is None or job.due_at is None or job.kind in RECURRING:
            raise NotFound(f"there is no job {job_id!r} that could be stopped")
        job.due_at, job.finished_at, job.error = None, rt.clock(session), "stopped"


def _took_too_long(error: OperationalError) -> bool:
    return getattr(error.orig, "sqlstate", None) == CANCELED


def _put_off(rt: Runtime, job_id: str, error: Exception) -> None:
    with rt.sessions.write() as session:
        job = session.get_one(Job, job_id, with_for_update=True)
        wait = min(AFTER_FAILURE * 2**job.failures, AFTER_FAILURE_MOST)
        session.execute(
            update(Job)
            .where(Job.id == job_id)
            .values(
                failures=job.failures + 1,
                error=type(error).__name__,  # its message may quote a comment
                due_at=rt.clock(session) + wait,
            )
        )
