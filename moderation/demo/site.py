"""A demo news site: a client of Copydesk like any other, by signed webhooks over HTTP.

It posts what its readers write, hears of decisions at `/demo/events`, and shows from
its own database what is published. Nothing here calls into Copydesk's code.
"""

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
from flask import Blueprint, Response, abort, flash, g, redirect, render_template, request, url_for
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from moderation.demo import store
from moderation.demo.articles import ARTICLES
from moderation.edge import everyone, refuse_forged_forms, runtime

bp = Blueprint("demo", __name__, url_prefix="/demo")
READER = "lantern_reader"
TOLD = {
    "published": "Thank you. Your comment is published.",
    "held": "Thank you. Your comment waits for the editors.",
    "pending": "Thank you. Your comment is being looked at.",
    "rejected": "Your comment was not published: it breaks our rules.",
    "unsent": "Your comment is kept; it will be sent in a moment.",
}


@bp.get("")
@everyone
def front() -> Any:
    return render_template("demo/front.html", articles=ARTICLES)


@bp.get("/<article>")
@everyone
def article(article: str) -> Any:
    """An article with its comments, as this reader sees them."""
    if article not in ARTICLES:
        abort(404)
    for waiting in store.unsent(_folder()):
        _send(waiting.id, "comment.submitted", _submission(waiting))
    return render_template(
        "demo/article.html",
        id=article,
        article=ARTICLES[article],
        comments=store.of_article(_folder(), article, _reader()),
        reader=_reader(),
        told=TOLD,
    )


@bp.post("/<article>")
@everyone
def post(article: str) -> Any:
    """Keep what a reader wrote, then send it."""
    refuse_forged_forms()
    name, body = request.form.get("name", "").strip(), request.form.get("body", "").strip()
    if article not in ARTICLES or not name or not body:
        flash("A comment needs your name and some words.")
        return redirect(url_for("demo.article", article=article), 303)
    id = request.form.get("id") or f"c-{uuid.uuid4().hex[:12]}"
    known = store.find(_folder(), id)
    if known is not None and known.reader != _reader():
        abort(403)
    kept = {"article": article, "reader": _reader(), "name": name[:80], "body": body}
    store.keep(_folder(), id=id, status="unsent", **kept)
    posted = store.find(_folder(), id)
    assert posted is not None
    kind = "comment.edited" if known else "comment.submitted"
    flash(TOLD.get(_send(id, kind, _submission(posted)), TOLD["unsent"]))
    return redirect(url_for("demo.article", article=article, _anchor="comments"), 303)


@bp.post("/comments/<id>/<what>")
@everyone
def change(id: str, what: str) -> Any:
    """Take one's own comment back, or report another's."""
    refuse_forged_forms()
    posted = store.find(_folder(), id)
    if posted is None or what not in ("delete", "report"):
        abort(404)
    if what == "delete":
        if posted.reader != _reader():
            abort(403)
        _send(id, "comment.deleted", {"id": id})
        flash("Your comment is removed.")
    else:
        _send(id, "comment.reported", {"id": id, "reporter": {"id": _reader()}, "reason": "reader"})
        flash("Thank you. The editors will look at it.")
    return redirect(url_for("demo.article", article=posted.article, _anchor="comments"), 303)


@bp.post("/events")
@everyone
def events() -> Any:
    """Hear of a decision; what is late or repeated changes nothing."""
    setup = store.setup(_folder())
    try:
        event = Webhook(setup.secret if setup else "bm9uZQ==").verify(
            request.get_data(), dict(request.headers)
        )
    except (WebhookVerificationError, ValueError):
        return Response(status=401)
    data = event["data"]
    store.heard(_folder(), data["id"], event["type"].removeprefix("comment."), data["seq"])
    return Response(status=204)


def _submission(posted: store.Posted) -> dict[str, Any]:
    article = ARTICLES[posted.article]
    return {
        "id": posted.id,
        "body": posted.body,
        "submitted_at": posted.posted_at.replace(tzinfo=UTC).isoformat(),
        "author": {"id": posted.reader, "name": posted.name},
        "article": {
            "id": posted.article,
            "title": article["title"],
            "section": article["section"],
            "url": url_for("demo.article", article=posted.article, _external=True),
        },
    }


def _send(id: str, kind: str, data: dict[str, Any]) -> str:
    """Post a signed webhook; returns where the comment stands, or `unsent`."""
    setup = store.setup(_folder())
    if setup is None:
        return "unsent"
    now = datetime.now(UTC)
    body = json.dumps({"type": kind, "timestamp": now.isoformat(), "data": data})
    message = f"msg_{uuid.uuid4().hex}"
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(setup.secret).sign(message, now, body),
    }
    status: str
    url = f"{runtime().settings.base_url}/v1/sites/{setup.slug}/webhook"
    try:
        answer = requests.post(url, data=body.encode(), headers=headers, timeout=10)
        if answer.status_code in (400, 409, 413, 422):  # it will not do better next time
            status = "rejected"
        else:
            answer.raise_for_status()
            status = answer.json()["status"]
    except (requests.RequestException, ValueError, KeyError):
        return "unsent"
    if kind != "comment.reported":
        store.keep(_folder(), id=id, status=status)
    return status


def _reader() -> str:
    """By what this reader's browser is known again; a new one gets a cookie with the answer."""
    if "reader" not in g:
        g.reader = request.cookies.get(READER) or f"r-{uuid.uuid4().hex[:16]}"
    return str(g.reader)


@bp.after_request
def remember_reader(response: Response) -> Response:
    if "reader" in g and READER not in request.cookies:
        response.set_cookie(READER, g.reader, httponly=True, samesite="Lax", max_age=30 * 86_400)
    return response


def _folder() -> Path:
    return runtime().settings.instance_dir
