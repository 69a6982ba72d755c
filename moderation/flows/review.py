"""Review: a moderator takes a comment from the queue and decides on it.

A claim is a lease: while it runs, nobody else decides. A person's decision is only
changed by taking it back, or by someone who says which decision they have seen.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from moderation.core.comment import Status
from moderation.core.decision import urgency
from moderation.core.viewer import Viewer
from moderation.flows.errors import (
    Forbidden,
    Invalid,
    NotCurrent,
    NotFound,
    NotYourClaim,
    Removed,
    StaleRevision,
)
from moderation.flows.runtime import Runtime
from moderation.store import ledger, queue, reading
from moderation.store.database import tried_again
from moderation.store.sites import site_by_slug
from moderation.store.tables import Comment, DecisionRow, Site

CLAIM = timedelta(minutes=10)
"""How long a moderator has an item to themselves."""


def read_queue(
    rt: Runtime,
    viewer: Viewer,
    *,
    site: str | None = None,
    section: str | None = None,
    cursor: str | None = None,
    limit: int = queue.PAGE,
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of what waits for review, and the cursor of the next. Raises Invalid (cursor)."""
    query = queue.with_parts(queue.waiting(viewer, site, section)).limit(limit + 1)
    if cursor:
        try:
            query = query.where(queue.after(queue.Place.load(cursor)))
        except (ValueError, TypeError):
            raise Invalid(("#/cursor", "is not a cursor of this list")) from None
    with rt.sessions.read() as session:
        found = list(session.scalars(query))
        page = found[:limit]
        more = None
        if len(found) > limit:
            last = page[-1]
            assert last.waiting_since is not None
            more = queue.Place(last.escalated, last.urgency, last.waiting_since, last.id).dump()
        return queue.shown_items(session, page, rt.now()), more


@tried_again
def claim(
    rt: Runtime,
    viewer: Viewer,
    *,
    site: str | None = None,
    section: str | None = None,
    limit: int = 1,
) -> list[dict[str, Any]]:
    """The next items for this moderator, leased for `CLAIM`: first those already held."""
    now = rt.now()
    mine = Comment.claimed_by == viewer.actor
    free = or_(Comment.claimed_until.is_(None), Comment.claimed_until <= now)
    others = or_(Comment.claimed_by.is_(None), Comment.claimed_by != viewer.actor)
    query = queue.waiting(viewer, site, section).with_for_update(of=Comment, skip_locked=True)
    with rt.sessions.write() as session:
        # Two reads, because no index could serve both at once.
        taken = list(session.scalars(query.where(mine).limit(limit)))
        if len(taken) < limit:
            taken += session.scalars(query.where(free, others).limit(limit - len(taken)))
        for comment in taken:
            comment.claimed_by, comment.claimed_until = viewer.actor, now + CLAIM
        session.flush()
        ids = [comment.id for comment in taken]
        shown = session.scalars(
            queue.with_parts(select(Comment).where(Comment.id.in_(ids)))
        ).unique()
        by_id = {comment.id: comment for comment in shown}
        return queue.shown_items(session, [by_id[id_] for id_ in ids], now)


@tried_again
def claim_one(rt: Runtime, viewer: Viewer, site: str, comment_id: str) -> None:
    """Take one item of the queue; one that does not wait is left. Raises NotFound, NotYourClaim."""
    now = rt.now()
    with rt.sessions.write() as session:
        comment = _locked(session, viewer, site, comment_id)
        if comment.waiting_since is None:
            return
        if _held_by_other(comment, viewer, now):
            raise NotYourClaim(
                f"another moderator, {comment.claimed_by}, is looking at this comment"
            )
        comment.claimed_by, comment.claimed_until = viewer.actor, now + CLAIM


@tried_again
def release(rt: Runtime, viewer: Viewer, site: str, comment_id: str) -> None:
    """Hand an item back. Leaves another's claim alone. Raises NotFound."""
    with rt.sessions.write() as session:
        comment = _locked(session, viewer, site, comment_id)
        if comment.claimed_by == viewer.actor:
            comment.claimed_by = comment.claimed_until = None


def read_comment(rt: Runtime, viewer: Viewer, site: str, comment_id: str) -> dict[str, Any]:
    """All that is on record of a comment. Raises NotFound."""
    with rt.sessions.read() as session:
        return reading.whole_comment(session, _visible(session, viewer, site, comment_id))


def read_published(
    rt: Runtime, viewer: Viewer, site: str, article: str, *, limit: int, cursor: str | None = None
) -> dict[str, Any]:
    """A page of an article's published comments, oldest first. Raises NotFound (site), Invalid.

    An article that nobody has commented on is an empty page.
    """
    if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise Invalid(("#/query/cursor", "is not a cursor of this list"))
    with rt.sessions.read() as session:
        found = site_by_slug(session, site, viewer)
        if found is None:
            raise NotFound(f"there is no site {site!r}")
        return reading.published_page(session, found.id, article, int(cursor or 0), limit)


def read_for_review(rt: Runtime, viewer: Viewer, site: str, comment_id: str) -> dict[str, Any]:
    """A comment as the desk shows it: on record, as a queue item, and its author's record."""
    with rt.sessions.read() as session:
        comment = _visible(session, viewer, site, comment_id)
        [item] = queue.shown_items(session, [comment], rt.now())
        return {
            "item": item,
            "whole": reading.whole_comment(session, comment),
            "author": queue.author_record(session, comment),
            "decision_id": comment.decision_id,
        }


def read_decided(rt: Runtime, viewer: Viewer, *, mine: bool) -> list[dict[str, Any]]:
    """The newest decisions that people made, newest first."""
    with rt.sessions.read() as session:
        return queue.decided(session, viewer, viewer.actor if mine else None)


def queue_choices(
    rt: Runtime, viewer: Viewer, site: str | None
) -> tuple[dict[str, int], list[str]]:
    """By what the queue can be narrowed: what waits by site, and the sections that wait."""
    with rt.sessions.read() as session:
        return queue.counts_by_site(session, viewer), queue.sections_waiting(session, viewer, site)


def comment_of_decision(rt: Runtime, viewer: Viewer, decision_id: str) -> tuple[str, str]:
    """The site and id of the comment that was decided on. Raises NotFound."""
    with rt.sessions.read() as session:
        decision = session.get(DecisionRow, decision_id)
        comment = decision and session.get(Comment, decision.comment_id)
        if not isinstance(comment, Comment) or not viewer.sees(comment.site_id):
            raise NotFound(f"there is no decision {decision_id!r}")
        return session.get_one(Site, comment.site_id).slug, comment.external_id


@tried_again
def decide(
    rt: Runtime,
    viewer: Viewer,
    site: str,
    comment_id: str,
    *,
    action: str,
    revision: int,
    reason: str | None = None,
    note: str | None = None,
    seen: str | None = None,
) -> dict[str, Any]:
    """Publish, reject or escalate a comment; the site hears of it.

    seen  the id of the decision that the moderator looked at; if it is no longer the
          newest, nothing is done

    Returns the decision. Raises NotFound, Removed, StaleRevision, NotYourClaim, NotCurrent.
    """
    now = rt.now()
    with rt.sessions.write() as session:
        comment = _locked(session, viewer, site, comment_id)
        _refuse_stale(session, comment, viewer, revision, seen, now)
        decision = ledger.record(
            session,
            comment,
            ledger.Entry(
                id=rt.new_id("dec"),
                action="hold" if action == "escalate" else action,
                by="moderator",
                decided_at=now,
                actor=viewer.actor,
                reason=reason,
                note=note,
                escalated=action == "escalate",
                urgency=comment.urgency,
            ),
        )
        body = reading.revision_of(session, comment.id, comment.revision).body
        shown = reading.shown_decision(decision, body)
    rt.to_tell.set()
    return shown


@tried_again
def undo(rt: Runtime, viewer: Viewer, decision_id: str) -> dict[str, Any]:
    """Take a person's newest decision back: the one before it on this wording stands again.

    A wording that nothing else was decided on goes into the queue. By the person who made
    it, or an admin. Returns the decision that says so. Raises NotFound, NotCurrent, Forbidden.
    """
    now = rt.now()
    with rt.sessions.write() as session:
        taken_back = session.get(DecisionRow, decision_id)
        if taken_back is None:
            raise NotFound(f"there is no decision {decision_id!r}")
        comment = ledger.lock_comment(session, taken_back.comment_id)
        if not viewer.sees(comment.site_id):
            raise NotFound(f"there is no decision {decision_id!r}")
        _refuse_undo(comment, taken_back, viewer)
        before = [
            one
            for one in reading.decisions_of(session, comment.id)
            if one.seq < taken_back.seq and one.revision == taken_back.revision
        ]
        standing = before[-1] if before else None
        entry = ledger.Entry(
            id=rt.new_id("dec"),
            action=standing.action if standing else "hold",
            by="moderator",
            decided_at=now,
            actor=viewer.actor,
            policy_version=standing.policy_version if standing else None,
            assessment_id=standing.assessment_id if standing else None,
            reasons=standing.reasons if standing else [],
            escalated=standing.escalated if standing else False,
            undoes=taken_back.id,
            urgency=urgency((r["attribute"], r["score"]) for r in standing.reasons)
            if standing
            else 0.0,
        )
        decision = ledger.record(session, comment, entry)
        ledger.reopen_reports(session, comment, taken_back)
        body = reading.revision_of(session, comment.id, comment.revision).body
        shown = reading.shown_decision(decision, body)
    rt.to_tell.set()
    return shown


def _refuse_stale(
    session: Session,
    comment: Comment,
    viewer: Viewer,
    revision: int,
    seen: str | None,
    now: datetime,
) -> None:
    if comment.status == Status.REMOVED:
        raise Removed("its author has removed this comment")
    if comment.revision != revision:
        raise StaleRevision(f"the comment was edited: revision {comment.revision} is current")
    if _held_by_other(comment, viewer, now):
        raise NotYourClaim(f"another moderator, {comment.claimed_by}, is looking at this comment")
    if comment.claimed_by == viewer.actor and not _runs(comment, now):
        raise NotYourClaim("your claim ran out; claim the comment again")
    if seen is not None and seen != comment.decision_id:
        raise NotCurrent(_decided_by(session, comment))
    if seen is None and comment.waiting_since is None:
        newest = session.get(DecisionRow, comment.decision_id) if comment.decision_id else None
        if newest is not None and newest.by == "moderator":
            raise NotCurrent(_decided_by(session, comment))


def _refuse_undo(comment: Comment, taken_back: DecisionRow, viewer: Viewer) -> None:
    if taken_back.by != "moderator":
        raise NotCurrent("only a person's decision can be taken back")
    if taken_back.undoes is not None:
        raise NotCurrent("taking a decision back can't itself be taken back; decide again")
    if comment.decision_id != taken_back.id or comment.revision != taken_back.revision:
        raise NotCurrent("the comment was decided on or edited since")
    if not viewer.is_admin and taken_back.actor != viewer.actor:
        raise Forbidden(f"only {taken_back.actor} or an admin can take this back")


def _decided_by(session: Session, comment: Comment) -> str:
    newest = session.get(DecisionRow, comment.decision_id) if comment.decision_id else None
    if newest is None:
        return "the comment has no decision yet"
    return f"the comment was decided meanwhile: {newest.action} by {newest.actor or newest.by}"


def _held_by_other(comment: Comment, viewer: Viewer, now: datetime) -> bool:
    return comment.claimed_by != viewer.actor and _runs(comment, now)


def _runs(comment: Comment, now: datetime) -> bool:
    return comment.claimed_until is not None and comment.claimed_until > now


def _visible(session: Session, viewer: Viewer, slug: str, comment_id: str) -> Comment:
    site = site_by_slug(session, slug, viewer)
    comment: Comment | None = None
    if site is not None:
        comment = session.scalars(
            queue.with_parts(
                select(Comment).where(Comment.site_id == site.id, Comment.external_id == comment_id)
            )
        ).first()
    if comment is None:
        raise NotFound(f"there is no comment {comment_id!r} on the site {slug!r}")
    return comment


def _locked(session: Session, viewer: Viewer, slug: str, comment_id: str) -> Comment:
    return ledger.lock_comment(session, _visible(session, viewer, slug, comment_id).id)
