"""What is shown of a comment: the contract's answer, and the pages built from it.

Reads only. An answer is rendered from rows that never change (revision, assessment,
decision), so the same webhook can get the same answer again without a copy of it.
"""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from moderation.core.comment import Status
from moderation.store.ledger import STATUS_AFTER
from moderation.store.tables import (
    Article,
    AssessmentRow,
    Author,
    Comment,
    DecisionRow,
    Delivery,
    Inbound,
    Report,
    Revision,
)
from moderation.wire import instant, plain_scores, reasons_with_words


def answer(
    session: Session, comment: Comment, number: int, decision: DecisionRow | None
) -> dict[str, Any]:
    """The contract's answer: where a revision stood after a decision, or that it is pending."""
    revision = revision_of(session, comment.id, number)
    assessment = _assessment_of(session, revision, decision)
    document = assessment.document if assessment else None
    return rendered(comment.external_id, number, decision, revision.body, document)


def rendered(
    external_id: str,
    number: int,
    decision: DecisionRow | None,
    body: str,
    document: dict[str, Any] | None,
) -> dict[str, Any]:
    """The contract's answer, of its parts.

    document  the assessment that the decision was made on
    """
    return {
        "id": external_id,
        "revision": number,
        "status": "pending" if decision is None else STATUS_AFTER[decision.action].value,
        "decision": None if decision is None else shown_decision(decision, body),
        "scores": plain_scores(document),
    }


def standing_answer(session: Session, comment: Comment) -> dict[str, Any]:
    """The answer as of now."""
    decision = session.get(DecisionRow, comment.decision_id) if comment.decision_id else None
    return answer(session, comment, comment.revision, None if is_pending(comment) else decision)


def standing_answers(
    session: Session, comments: Sequence[tuple[Comment, Revision]]
) -> list[dict[str, Any]]:
    """The answers as of now for many comments, each with its current revision."""
    standing = [comment.decision_id for comment, _ in comments]
    decisions = {
        decision.id: decision
        for decision in session.scalars(select(DecisionRow).where(DecisionRow.id.in_(standing)))
    }
    made_on = [decision.assessment_id for decision in decisions.values()]
    assessments = {
        assessment.id: assessment
        for assessment in session.scalars(
            select(AssessmentRow).where(AssessmentRow.id.in_(made_on))
        )
    }

    def answer_of(comment: Comment, revision: Revision) -> dict[str, Any]:
        decision = None if is_pending(comment) else decisions[comment.decision_id or ""]
        assessment = decision and assessments.get(decision.assessment_id or 0)
        if decision is not None and assessment is None:  # a person's decision names none
            assessment = newest_assessment(session, revision.id)
        document = assessment.document if assessment else None
        return rendered(comment.external_id, comment.revision, decision, revision.body, document)

    return [answer_of(comment, revision) for comment, revision in comments]


def is_pending(comment: Comment) -> bool:
    return comment.status == "pending"


def repeated_answer(session: Session, inbound: Inbound) -> tuple[int, dict[str, Any]]:
    """The first answer to a webhook again, with its HTTP status."""
    comment = session.get_one(Comment, inbound.comment_id)
    decision = session.get(DecisionRow, inbound.decision_id) if inbound.decision_id else None
    return (202 if decision is None else 200), answer(session, comment, inbound.revision, decision)


def event_bodies(session: Session, decision_ids: Sequence[str]) -> dict[str, bytes]:
    """The bodies of the events that announce decisions; the same at every attempt.

    (But for the words of a comment that its author has since taken back.)
    """
    rows = session.execute(
        select(
            *(DecisionRow, Comment.external_id, Comment.parent_external_id),
            *(Article, Author.given_id, Revision, AssessmentRow.document),
        )
        .join(Comment, Comment.id == DecisionRow.comment_id)
        .join(Article, Article.id == Comment.article_id)
        .join(Author, Author.id == Comment.author_id)
        .join(
            Revision,
            (Revision.comment_id == Comment.id) & (Revision.number == DecisionRow.revision),
        )
        .outerjoin(AssessmentRow, AssessmentRow.id == DecisionRow.assessment_id)
        .where(DecisionRow.id.in_(decision_ids))
    )
    bodies = {}
    for decision, external_id, parent_id, article, author_id, revision, document in rows:
        if document is None:  # a person's decision names no assessment
            newest = newest_assessment(session, revision.id)
            document = newest.document if newest else None
        data = rendered(external_id, revision.number, decision, revision.body, document) | {
            "article": shown_article(article),
            "author": {"id": author_id},
            "parent_id": parent_id,
            "seq": decision.seq,
        }
        event = {
            "type": f"comment.{data['status']}",
            "timestamp": instant(decision.decided_at),
            "data": data,
        }
        told = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        bodies[decision.id] = told.encode()
    return bodies


def shown_article(article: Article) -> dict[str, Any]:
    return {
        "id": article.external_id,
        "title": article.title,
        "url": article.url,
        "section": article.section,
    }


def shown_author(author: Author) -> dict[str, Any]:
    """An author as moderators and the site see them: no address, no e-mail."""
    return {"id": author.given_id, "name": author.name, "role": author.role}


def shown_decision(decision: DecisionRow, body: str) -> dict[str, Any]:
    """A decision in the contract's form. Notes stay inside: they are not for readers."""
    return {
        "id": decision.id,
        "action": decision.action,
        "by": decision.by,
        "policy_version": decision.policy_version,
        "decided_at": instant(decision.decided_at),
        "reasons": reasons_with_words(decision.reasons, body),
        "reason": decision.reason,
        "escalated": decision.escalated,
        "undoes": decision.undoes,
    }


def revision_of(session: Session, comment_id: int, number: int) -> Revision:
    return session.scalars(
        select(Revision).where(Revision.comment_id == comment_id, Revision.number == number)
    ).one()


def newest_assessment(session: Session, revision_id: int) -> AssessmentRow | None:
    return session.scalars(
        select(AssessmentRow)
        .where(AssessmentRow.revision_id == revision_id)
        .order_by(AssessmentRow.id.desc())
        .limit(1)
    ).first()


def decisions_of(session: Session, comment_id: int) -> list[DecisionRow]:
    """All decisions of a comment, oldest first."""
    return list(
        session.scalars(
            select(DecisionRow)
            .where(DecisionRow.comment_id == comment_id)
            .order_by(DecisionRow.seq)
        )
    )


def whole_comment(session: Session, comment: Comment) -> dict[str, Any]:
    """Everything that is on record of a comment: for moderators and the site, not for readers."""
    revisions = session.scalars(
        select(Revision).where(Revision.comment_id == comment.id).order_by(Revision.number)
    ).all()
    bodies = {revision.number: revision.body for revision in revisions}
    return standing_answer(session, comment) | {
        "site": comment.site.slug,
        "parent_id": comment.parent_external_id,
        "seq": comment.seq,
        "article": shown_article(comment.article),
        "author": shown_author(comment.author),
        "revisions": [_shown_revision(session, revision) for revision in revisions],
        "decisions": [
            shown_decision(decision, bodies[decision.revision])
            | {
                "seq": decision.seq,
                "revision": decision.revision,
                "note": decision.note,
                "actor": decision.actor,
            }
            for decision in decisions_of(session, comment.id)
        ],
        "reports": [
            {
                "reporter": {"id": report.reporter_id},
                "reason": report.reason,
                "note": report.note,
                "revision": report.revision,
                "received_at": instant(report.received_at),
                "closed_at": instant(report.closed_at),
            }
            for report in session.scalars(
                select(Report).where(Report.comment_id == comment.id).order_by(Report.id)
            )
        ],
        "deliveries": [
            shown_delivery(delivery)
            for delivery in session.scalars(
                select(Delivery)
                .where(Delivery.comment_id == comment.id)
                .order_by(Delivery.id)
                .options(joinedload(Delivery.endpoint))
            )
        ],
    }


def published_page(
    session: Session, site_id: int, article: str, after_id: int, limit: int
) -> dict[str, Any]:
    """Published comments of an article after an id, oldest first, and the next cursor."""
    found = session.execute(
        select(Comment, Revision)
        .join(Article, Article.id == Comment.article_id)
        .join(
            Revision,
            (Revision.comment_id == Comment.id) & (Revision.number == Comment.revision),
        )
        .options(joinedload(Comment.author))
        .where(
            Article.site_id == site_id,
            Article.external_id == article,
            Comment.status == Status.PUBLISHED,
            Comment.id > after_id,
        )
        .order_by(Comment.id)
        .limit(limit + 1)
    ).all()
    page = found[:limit]
    return {
        "comments": [
            {
                "id": comment.external_id,
                "revision": revision.number,
                "parent_id": comment.parent_external_id,
                "author": {"id": comment.author.given_id, "name": comment.author.name},
                "body": revision.body,
                "format": revision.format,
                "submitted_at": instant(revision.submitted_at or revision.received_at),
            }
            for comment, revision in page
        ],
        "next": str(page[-1][0].id) if len(found) > limit else None,
    }


def shown_delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "event": delivery.event,
        "webhook_id": webhook_id(delivery.decision_id),
        "url": delivery.endpoint.url,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "next_attempt_at": instant(delivery.next_attempt_at),
        "answered": delivery.answered,
        "error": delivery.error,
        "created_at": instant(delivery.created_at),
        "delivered_at": instant(delivery.delivered_at),
    }


def webhook_id(decision_id: str) -> str:
    """The `webhook-id` of the event that announces a decision: the same at every attempt."""
    return decision_id.replace("dec_", "evt_", 1)


def was_complete(session: Session, decision: DecisionRow) -> bool:
    """Whether a policy decided with every score at hand."""
    assessment = session.get(AssessmentRow, decision.assessment_id or 0)
    return assessment is not None and not assessment.document["missing"]


def _assessment_of(
    session: Session, revision: Revision, decision: DecisionRow | None
) -> AssessmentRow | None:
    if decision is None:
        return None
    if decision.assessment_id is not None:
        return session.get(AssessmentRow, decision.assessment_id)
    return newest_assessment(session, revision.id)


def _shown_revision(session: Session, revision: Revision) -> dict[str, Any]:
    assessments = session.scalars(
        select(AssessmentRow)
        .where(AssessmentRow.revision_id == revision.id)
        .order_by(AssessmentRow.id)
    )
    return {
        "revision": revision.number,
        "body": revision.body,
        "format": revision.format,
        "language": revision.language,
        "submitted_at": instant(revision.submitted_at),
        "received_at": instant(revision.received_at),
        "extra": revision.extra,
        "assessments": [
            row.document | {"created_at": instant(row.created_at)} for row in assessments
        ],
    }
