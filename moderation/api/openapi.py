"""/openapi.json and /docs, written by flask-smorest from the schemas that do the work."""

from collections.abc import Iterable
from typing import Any, cast

from flask import Flask, Response, render_template
from flask_smorest import Api
from marshmallow import Schema, fields

from moderation import wire
from moderation.api.blueprint import Blueprint
from moderation.core.comment import ATTRIBUTES, Role
from moderation.edge import everyone

TITLE = "Copydesk"
VERSION = "1"

LIMITS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "hold": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
        "reject": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
    },
}
THRESHOLDS = {
    "type": "object",
    "additionalProperties": False,
    "properties": dict.fromkeys(ATTRIBUTES, LIMITS),
}
WORD_LIST = {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 200}}
POLICY = {
    "type": "object",
    "additionalProperties": False,
    "description": "Thresholds and rules. A score at or above a number triggers it; null is never.",
    "properties": {
        "thresholds": THRESHOLDS,
        "words": {
            "type": "object",
            "additionalProperties": False,
            "properties": dict.fromkeys(("reject", "hold", "allow"), WORD_LIST),
        },
        "rules": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "max_links": {"type": ["integer", "null"], "minimum": 0, "maximum": 1000},
                "hold_first_comments": {"type": "integer", "minimum": 0, "maximum": 1000},
                "repeat_window_s": {"type": "integer", "minimum": 0, "maximum": 3600},
            },
        },
        "sections": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "properties": {"premoderate": {"type": "boolean"}, "thresholds": THRESHOLDS},
            },
        },
        "trusted_roles": {"type": "array", "items": {"enum": [role.value for role in Role]}},
        "when_missing": {"enum": ["hold", "publish"]},
        "max_length": {"type": "integer", "minimum": 1, "maximum": 20_000},
    },
}


class ProblemErrorSchema(Schema):
    pointer = fields.String(required=True)
    detail = fields.String(required=True)


class ProblemSchema(Schema):
    """RFC 9457."""

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    errors = fields.List(fields.Nested(ProblemErrorSchema))


class ProblemAPI(Api):
    """An Api whose errors are the edge's problems, in the document as in the answers."""

    ERROR_SCHEMA = ProblemSchema

    def _register_error_handlers(self) -> None:
        """The edge has registered its own."""

    def _register_responses(self) -> None:
        self.DEFAULT_RESPONSE_CONTENT_TYPE = "application/problem+json"
        super()._register_responses()
        self.DEFAULT_RESPONSE_CONTENT_TYPE = "application/json"


def register(app: Flask, blueprints: Iterable[Blueprint]) -> None:
    """Hang the API and its description on an app."""
    app.config.update(
        API_TITLE=TITLE,
        API_VERSION=VERSION,
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
    )
    api = ProblemAPI(app)
    api.register_field(wire.Text, "string", None)
    api.spec.components.schema("Policy", POLICY)
    for name in ("SubmissionSchema", "DeletionSchema", "ReportSchema"):
        api.spec.components.schema(name.removesuffix("Schema"), schema=getattr(wire, name))
    api.spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer"})
    api.spec.components.security_scheme(
        "standardWebhook",
        {
            "type": "apiKey",
            "in": "header",
            "name": "webhook-signature",
            "description": "Standard Webhooks 1.0, HMAC-SHA256 with the site's secret",
        },
    )
    api.spec.options["security"] = [{"bearer": []}]
    for blueprint in blueprints:
        api.register_blueprint(blueprint)
    written = app.view_functions["api-docs.openapi_json"]
    app.view_functions["api-docs.openapi_json"] = everyone(cast(Any, lambda: written()))
    app.add_url_rule("/docs", view_func=docs)


@everyone
def docs() -> Response:
    """The API for people, in Swagger UI. The one page whose styles are written inline."""
    response = Response(render_template("docs.html"))
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return response
