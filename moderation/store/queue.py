"""The moderation queue, read: what waits, most urgent first."""

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select
from sqlalchemy.orm import Session, joinedload

from moderation.core.viewer import Viewer
from moderation.store.reading import (
    shown_article,
    shown_author,
    shown_decision,
    standing_answers,
)
from moderation.store.sites import visible_to
from moderation.store.tables import Article, Comment, DecisionRow, Report, Revision, Site
from moderation.wire import instant

PAGE = 50

MOST_URGENT_FIRST = (
    Comment.escalated.desc(),
    Comment.urgency.desc(),
    Comment.waiting_since,
    Comment.id,
)


@dataclass(frozen=True, slots=True)
class Place:
    """The last item of a page, after which the next begins."""

    escalated: bool
    urgency: float
    waiting_since: datetime
    id: int

    def dump(self) -> str:
        parts = [self.escalated, self.urgency, self.waiting_since.isoformat(), self.id]
        return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")

    @classmethod
    def load(cls, cursor: str) -> "Place":
        """Raises ValueError for what is not a cursor of ours."""
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        escalated, urgency, since, id_ = json.loads(raw)
        return cls(bool(escalated), float(urgency), datetime.fromisoformat(since), int(id_))


def waiting(viewer: Viewer, site: str | None = None, section: str | None = None) -> Select[Any]:
    """The comments that wait for review, most urgent first."""
    query = (
        select(Comment)
        .join(Comment.article)
        .join(Comment.site)
        .where(Comment.waiting_since.is_not(None), visible_to(viewer))
        .order_by(*MOST_URGENT_FIRST)
    )
    if site:
        query = query.where(Site.slug == site)
    if section:
        query = query.where(Article.section == section)
    return query


def after(place: Place) -> ColumnElement[bool]:
    """The condition that a comment comes after a place in the queue."""
    same = Comment.escalated.is_(place.escalated)
    return or_(
        Comment.escalated.is_(False) if place.escalated else false(),
        and_(same, Comment.urgency < place.urgency),
        and_(
            same,
            Comment.urgency == place.urgency,
            or_(
                Comment.waiting_since > place.waiting_since,
                and_(Comment.waiting_since == place.waiting_since, Comment.id > place.id),
            ),
        ),
    )


def shown_items(session: Session, comments: list[Comment], now: datetime) -> list[dict[str, Any]]:
    """Queue items: the standing answer with the body, the article, the author and the claim.

    What belongs to them is read for all at once: fifty take as many queries as one.
    """
    ids = [comment.id for comment in comments]
    current = (Revision.comment_id == Comment.id) & (Revision.number == Comment.revision)
    revisions = {
        revision.comment_id: revision
        for revision in session.scalars(
            select(Revision).join(Comment, current).where(Comment.id.in_(ids))
        )
    }
    answers = standing_answers(session, [(comment, revisions[comment.id]) for comment in comments])
    reports: dict[int, list[Report]] = {id: [] for id in ids}
    for report in session.scalars(
        select(Report)
        .where(Report.comment_id.in_(ids), Report.closed_at.is_(None))
        .order_by(Report.id)
    ):
        reports[report.comment_id].append(report)
    return [
        answer | _shown_item(comment, revisions[comment.id], reports[comment.id], now)
        for comment, answer in zip(comments, answers, strict=True)
    ]


def with_parts(query: Select[Any]) -> Select[Any]:
    return query.options(
        joinedload(Comment.article), joinedload(Comment.author), joinedload(Comment.site)
    )


def counts_by_site(session: Session, viewer: Viewer) -> dict[str, int]:
    """Site slug → comments that wait."""
    rows = session.execute(
        select(Site.slug, func.count())
        .join(Comment, Comment.site_id == Site.id)
        .where(Comment.waiting_since.is_not(None), visible_to(viewer))
        .group_by(Site.slug)
    )
    return dict(rows.tuples().all())


def sections_waiting(session: Session, viewer: Viewer, site: str | None = None) -> list[str]:
    """The sections that have something in the queue."""
    query = (
        waiting(viewer, site)
        .with_only_columns(Article.section)
        .where(Article.section.is_not(None))
        .order_by(None)
        .distinct()
    )
    return sorted(session.scalars(query))


def _shown_item(
    comment: Comment, revision: Revision, reports: list[Report], now: datetime
) -> dict[str, Any]:
    held = comment.claimed_until is not None and comment.claimed_until > now
    return {
        "site": comment.site.slug,
        "body": revision.body,
        "format": revision.format,
        "submitted_at": instant(revision.submitted_at or revision.received_at),
        "parent_id": comment.parent_external_id,
        "article": shown_article(comment.article),
        "author": shown_author(comment.author),
        "waiting_since": instant(comment.waiting_since),
        "urgency": round(comment.urgency, 4),
        "escalated": comment.escalated,
        "reports": [{"reason": report.reason, "note": report.note} for report in reports],
        "claimed_by": comment.claimed_by if held else None,
        "claimed_until": instant(comment.claimed_until) if held else None,
    }


DECIDED_SHOWN = 100


def decided(session: Session, viewer: Viewer, actor: str | None) -> list[dict[str, Any]]:
    """The newest decisions of people, with their comments; `current` ones can be taken back."""
    query = (
        select(DecisionRow, Comment, Revision)
        .join(Comment, Comment.id == DecisionRow.comment_id)
        .join(
            Revision,
            and_(Revision.comment_id == Comment.id, Revision.number == DecisionRow.revision),
        )
        .options(joinedload(Comment.site), joinedload(Comment.author))
        .where(DecisionRow.by == "moderator", visible_to(viewer))
        .order_by(DecisionRow.id.desc())
        .limit(DECIDED_SHOWN)
    )
    if actor is not None:
        query = query.where(DecisionRow.actor == actor)
    return [
        {
            "id": decision.id,
            "site": comment.site.slug,
            "comment": comment.external_id,
            "author": comment.author.name or comment.author.given_id,
            "body": revision.body,
            "action": decision.action,
            "escalated": decision.escalated,
            "undoes": decision.undoes,
            "reason": decision.reason,
            "note": decision.note,
            "actor": decision.actor,
            "decided_at": instant(decision.decided_at),
            "status": comment.status,
            "current": comment.decision_id == decision.id and decision.undoes is None,
        }
        for decision, comment, revision in session.execute(query)
    ]


def author_record(session: Session, comment: Comment) -> dict[str, Any]:
    """What a moderator may weigh of an author: counts by status, and the latest decisions."""
    counts = session.execute(
        select(Comment.status, func.count())
        .where(Comment.author_id == comment.author_id)
        .group_by(Comment.status)
    )
    latest = session.execute(
        select(Comment, Revision, DecisionRow)
        .join(
            Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.revision)
        )
        .outerjoin(DecisionRow, DecisionRow.id == Comment.decision_id)
        .where(Comment.author_id == comment.author_id, Comment.id != comment.id)
        .order_by(Comment.id.desc())
        .limit(5)
    )
    return {
        "since": instant(comment.author.created_at),
        "counts": dict(counts.tuples().all()),
        "latest": [
            {
                "id": other.external_id,
                "status": other.status,
                "body": revision.body,
                "decision": shown_decision(decision, revision.body) if decision else None,
                "received_at": instant(revision.received_at),
            }
            for other, revision, decision in latest
        ],
    }
