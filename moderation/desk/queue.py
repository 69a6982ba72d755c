"""The moderators' desk: the queue, one comment, and what was decided. Works without JavaScript."""

from typing import Any

from flask import flash, redirect, render_template, request, url_for

from moderation.desk.pages import error_page, flash_error, pages, whole
from moderation.edge import people_only, runtime, viewer
from moderation.flows import review
from moderation.flows.errors import Conflict, NotYourClaim
from moderation.wire import REVIEW_REASONS

bp = pages("desk", "/desk")

DONE = {"publish": "Published", "reject": "Rejected", "escalate": "Escalated"}


@bp.get("")
@people_only
def queue() -> Any:
    """What waits for review, most urgent first."""
    chosen = _filters()
    items, cursor = review.read_queue(
        runtime(), viewer(), cursor=request.args.get("cursor"), **chosen
    )
    counts, sections = review.queue_choices(runtime(), viewer(), chosen["site"])
    return render_template(
        "desk/queue.html",
        items=items,
        cursor=cursor,
        chosen=chosen,
        counts=counts,
        sections=sections,
        total=sum(counts.values()),
    )


@bp.post("/next")
@people_only
def take_next() -> Any:
    """Claim the next item and open it."""
    return _next(_filters())


@bp.get("/decided")
@people_only
def decided() -> Any:
    """What people decided lately, with a way to take it back."""
    mine = request.args.get("by") == "me"
    found = review.read_decided(runtime(), viewer(), mine=mine)
    return render_template("desk/decided.html", decisions=found, mine=mine)


@bp.get("/sites/<site>/comments/<path:comment_id>")
@people_only
def comment(site: str, comment_id: str) -> Any:
    """One comment; opening it claims it, unless somebody else has it."""
    return _comment_page(site, comment_id, {})


@bp.post("/sites/<site>/comments/<path:comment_id>")
@people_only
def decide(site: str, comment_id: str) -> Any:
    """Publish, reject or escalate; then the next item, with a way back."""
    order: dict[str, Any] = {
        name: request.form.get(name) or None for name in ("action", "reason", "note", "seen")
    }
    revision = whole(request.form.get("revision", ""))
    if order["action"] not in DONE or revision is None:
        return error_page(400, "Choose one of publish, reject and escalate.")
    if order["action"] == "reject" and order["reason"] not in REVIEW_REASONS:
        flash("A rejection names its reason.", "error")
        return _comment_page(site, comment_id, order, 422)
    try:
        made = review.decide(runtime(), viewer(), site, comment_id, revision=revision, **order)
    except Conflict as error:
        flash_error(error)
        return _comment_page(site, comment_id, order, 409)
    return _next(_filters(), undo=f"{made['id']} {DONE[str(order['action'])]}")


@bp.post("/sites/<site>/comments/<path:comment_id>/release")
@people_only
def release(site: str, comment_id: str) -> Any:
    """Hand an item back without deciding."""
    review.release(runtime(), viewer(), site, comment_id)
    return redirect(url_for("desk.queue", **_kept(_filters())), 303)


@bp.post("/undo/<decision_id>")
@people_only
def undo(decision_id: str) -> Any:
    """Take a decision back and show the comment again."""
    try:
        site, comment_id = review.comment_of_decision(runtime(), viewer(), decision_id)
        review.undo(runtime(), viewer(), decision_id)
    except Conflict as error:
        flash_error(error)
        return redirect(url_for("desk.decided"), 303)
    flash("Taken back. The site hears of it.", "good")
    return redirect(url_for("desk.comment", site=site, comment_id=comment_id), 303)


def _comment_page(site: str, comment_id: str, order: dict[str, Any], status: int = 200) -> Any:
    taken_by = None
    try:
        review.claim_one(runtime(), viewer(), site, comment_id)
    except NotYourClaim as error:
        taken_by = str(error)
    shown = review.read_for_review(runtime(), viewer(), site, comment_id)
    page = render_template(
        "desk/comment.html",
        taken_by=taken_by,
        order=order,
        reasons=REVIEW_REASONS,
        chosen=_filters(),
        **shown,
    )
    return page, status


def _next(chosen: dict[str, Any], undo: str | None = None) -> Any:
    items = review.claim(runtime(), viewer(), **chosen)
    kept = _kept(chosen) | ({"undo": undo} if undo else {})
    if not items:
        if not undo:
            flash("Nothing is free in the queue right now.")
        return redirect(url_for("desk.queue", **kept), 303)
    [item] = items
    return redirect(url_for("desk.comment", site=item["site"], comment_id=item["id"], **kept), 303)


def _filters() -> dict[str, Any]:
    return {name: request.values.get(f"in_{name}") or None for name in ("site", "section")}


def _kept(chosen: dict[str, Any]) -> dict[str, Any]:
    return {f"in_{name}": value for name, value in chosen.items() if value}


@bp.app_template_global("kept")
def kept(chosen: dict[str, Any]) -> dict[str, Any]:
    """The filters in force, for links that keep them."""
    return _kept(chosen)


@bp.app_template_global("undoable")
def undoable() -> tuple[str, str] | None:
    """The decision just made, as (id, what it was), from the address of the page."""
    id, _, what = request.args.get("undo", "").partition(" ")
    return (id, what) if id.startswith("dec_") and what in DONE.values() else None
