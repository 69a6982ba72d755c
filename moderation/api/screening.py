"""The site's webhook: verify over the raw bytes, parse, call the one flow of its type, answer."""

from typing import Any

from flask import Response, jsonify, request
from marshmallow import ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from moderation import jsontext, metrics, shapes, wire
from moderation.api.blueprint import Blueprint
from moderation.core.comment import Submission
from moderation.core.viewer import Scope, Viewer
from moderation.edge import bearer_token, problem, runtime, sites_only, unauthorized
from moderation.flows import access, screening
from moderation.flows.conclude import Reply
from moderation.flows.errors import Invalid
from moderation.signing import SignatureMismatch, verify
from moderation.store.intake import Webhook
from moderation.store.sites import SiteDoor

bp = Blueprint("screening", __name__, url_prefix="/v1", description="A site's comments come in")

MOST_BYTES = 64 * 1024
DEADLINE_MS = 2000
DEADLINE_MOST_MS = 30_000
ENVELOPE = wire.EnvelopeSchema()
"""Made once: making a schema costs more than loading a comment by it."""


@bp.post("/sites/<site>/webhook")
@bp.doc(
    operationId="receiveWebhook",
    security=[{"standardWebhook": []}, {"bearer": []}],
    parameters=[
        {
            "in": "query",
            "name": "deadline_ms",
            "schema": {
                "type": "integer",
                "minimum": 0,
                "maximum": DEADLINE_MOST_MS,
                "default": DEADLINE_MS,
            },
            "description": "Milliseconds to wait for a decision; 0 stores the comment only",
        },
        *(
            {"in": "header", "name": name, "schema": {"type": "string"}, "description": text}
            for name, text in (
                ("webhook-id", "Unique to this message; the same at every attempt"),
                ("webhook-timestamp", "Seconds since 1970 of this attempt, within 5 minutes"),
                ("webhook-signature", "v1,<base64 HMAC-SHA256>; several, parted by spaces"),
            )
        ),
    ],
    requestBody={
        "required": True,
        "content": {"application/json": {"schema": wire.EnvelopeSchema}},
    },
)
@bp.response(200, shapes.AnswerSchema, description="Decided")
@bp.alt_response(
    202, schema=shapes.AnswerSchema, description="Stored; the decision follows by event"
)
@sites_only
def receive_webhook(site: str) -> Any:
    """Take a comment, an edit, a deletion or a reader's report from a site.

    Signed as Standard Webhooks 1.0 with the site's secret, or with an API key where the
    site allows it. The same webhook-id gets the first answer again.
    """
    request.max_content_length = MOST_BYTES
    try:
        raw = request.get_data()
    except RequestEntityTooLarge:
        return problem(
            413,
            f"the body has more than {MOST_BYTES} bytes",
            pointers=[{"pointer": "#", "detail": f"at most {MOST_BYTES} bytes"}],
        )
    door = access.site_door(runtime(), site)
    try:
        webhook_id = _verified_id(door, raw)
    except SignatureMismatch:
        metrics.UNSIGNED.inc()
        return unauthorized()
    assert door is not None
    if request.mimetype != "application/json":
        return problem(
            415, f"Content-Type is {request.mimetype or 'missing'}; send application/json"
        )
    kind, data = _parsed(raw)
    reply = _hand_over(door.site_id, kind, data, Webhook.of(webhook_id, raw), _deadline_ms())
    return Response(jsonify(reply.body).data, reply.status, content_type="application/json")


def _verified_id(door: SiteDoor | None, raw: bytes) -> str | None:
    """The webhook-id of a request that the site made. An unknown site is no different."""
    token = bearer_token()
    if token is not None and door is not None and door.allow_bearer:
        caller = access.viewer_of_key(runtime(), token)
        if caller is not None and _may_submit(caller, door.site_id):
            return request.headers.get("webhook-id") or None
    return verify(raw, request.headers, door.secrets if door else ())


def _may_submit(caller: Viewer, site_id: int) -> bool:
    return caller.person_id is None and caller.sees(site_id) and Scope.SUBMIT in caller.scopes


def _parsed(raw: bytes) -> tuple[str, Any]:
    document = jsontext.loads(raw)
    try:
        loaded: tuple[str, Any] = ENVELOPE.load(document)
        return loaded
    except ValidationError as error:
        raise Invalid(
            *((e["pointer"], e["detail"]) for e in wire.error_pointers(error.messages))
        ) from None


def _deadline_ms() -> int:
    given = request.args.get("deadline_ms", str(DEADLINE_MS))
    if not given.isascii() or not given.isdigit() or int(given[:9]) > DEADLINE_MOST_MS:
        raise Invalid(
            ("#/query/deadline_ms", f"{given[:20]!r} is not a number from 0 to {DEADLINE_MOST_MS}")
        )
    return int(given)


def _hand_over(site_id: int, kind: str, data: Any, webhook: Webhook, deadline_ms: int) -> Reply:
    rt = runtime()
    if isinstance(data, Submission):
        return screening.submit(rt, site_id, data, webhook, deadline_ms)
    if kind == "comment.deleted":
        return screening.remove(rt, site_id, data["id"], webhook)
    return screening.report(
        rt,
        site_id,
        data["id"],
        reporter_id=(data.get("reporter") or {}).get("id"),
        reason=data.get("reason"),
        note=data.get("note"),
        webhook=webhook,
    )
