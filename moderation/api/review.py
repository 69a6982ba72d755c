"""Reading and deciding: for moderators' tools, and for the page that shows the comments."""

from typing import Any

from flask import jsonify, request

from moderation import shapes, wire
from moderation.api.blueprint import Blueprint
from moderation.core.viewer import Scope
from moderation.edge import runtime, viewer, viewers_with
from moderation.flows import review

bp = Blueprint("review", __name__, url_prefix="/v1", description="Comments are read and decided on")


@bp.get("/sites/<site>/articles/<path:article>/comments")
@viewers_with(Scope.READ)
@bp.arguments(shapes.PageQuerySchema, location="query")
@bp.response(200, shapes.PublishedPageSchema)
def published_comments(page: dict[str, Any], site: str, article: str) -> Any:
    """The published comments of an article, oldest first: what a page renders."""
    response = jsonify(review.read_published(runtime(), viewer(), site, article, **page))
    response.headers["Cache-Control"] = "private, max-age=5"
    response.add_etag()
    return response.make_conditional(request)


@bp.get("/sites/<site>/comments/<path:comment_id>")
@viewers_with(Scope.READ)
@bp.response(200, shapes.WholeCommentSchema)
def comment(site: str, comment_id: str) -> Any:
    """One comment: revisions, assessments, decisions, reports and deliveries."""
    return review.read_comment(runtime(), viewer(), site, comment_id)


@bp.get("/queue")
@viewers_with(Scope.REVIEW)
@bp.arguments(shapes.QueueQuerySchema, location="query")
@bp.response(200, shapes.QueuePageSchema)
def queue(query: dict[str, Any]) -> Any:
    """What waits for review, most urgent first."""
    items, cursor = review.read_queue(runtime(), viewer(), **query)
    return {"items": items, "next": cursor}


@bp.post("/queue/claim")
@viewers_with(Scope.REVIEW)
@bp.arguments(wire.ClaimOrderSchema)
@bp.response(200, shapes.QueuePageSchema)
def claim(order: dict[str, Any]) -> Any:
    """Lease the next items for ten minutes. Items that you still hold come first."""
    return {"items": review.claim(runtime(), viewer(), **order), "next": None}


@bp.post("/sites/<site>/comments/<path:comment_id>/decisions")
@viewers_with(Scope.REVIEW)
@bp.arguments(wire.DecisionOrderSchema)
@bp.response(201, shapes.DecisionSchema)
def decide(order: dict[str, Any], site: str, comment_id: str) -> Any:
    """Publish, reject or escalate a comment. 409 when the revision or the lease is not current."""
    return review.decide(runtime(), viewer(), site, comment_id, **order)


@bp.post("/decisions/<decision_id>/undo")
@viewers_with(Scope.REVIEW)
@bp.response(201, shapes.DecisionSchema)
def undo(decision_id: str) -> Any:
    """Take a person's newest decision back; the site hears of it."""
    return review.undo(runtime(), viewer(), decision_id)
