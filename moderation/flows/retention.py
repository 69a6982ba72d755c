"""Retention: once a day, what is older than the settings keep is taken away.

The comments are walked by their numbers, two hundred to a transaction, so that nothing
waits for it and no index is kept for it alone.
"""

from datetime import timedelta

from sqlalchemy.orm import Session

from moderation.flows.runtime import Runtime
from moderation.store import retention
from moderation.store.tables import Job

AT_ONCE = 200
PERIOD = timedelta(days=1)


def step(rt: Runtime, session: Session, job: Job) -> timedelta:
    """See to the next few comments; a day after the last, begin anew."""
    settings, now = rt.settings, rt.clock(session)
    ids = retention.window(session, job.cursor, AT_ONCE)
    if not ids:
        retention.delete_logins(session, now - timedelta(days=settings.keep_logs_days))
        job.cursor = 0
        return PERIOD
    if settings.keep_comments_days:
        before = now - timedelta(days=settings.keep_comments_days)
        old = retention.old_comments(session, ids[0], ids[-1], before)
        retention.delete_comments(session, old)
        job.done += len(old)
    before = now - timedelta(days=settings.keep_logs_days)
    retention.delete_log(session, ids[0], ids[-1], before)
    job.cursor = ids[-1]
    return timedelta()
