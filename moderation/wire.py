"""Our own JSON: what comes in (marshmallow schemas → values), what goes out (values → dicts).

No schema touches the database. Unknown keys of a submission are kept with the
comment; everywhere else they are refused, so that nobody believes in a field that
does nothing.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from marshmallow import EXCLUDE, INCLUDE, RAISE, Schema, ValidationError, fields, validate
from marshmallow.decorators import post_load, validates_schema

from moderation.core.comment import (
    Article,
    Assessment,
    Author,
    Finding,
    Format,
    Missing,
    PastComment,
    Role,
    Score,
    Status,
    Submission,
)
from moderation.core.decision import Reason

EVENT_TYPES = ("comment.published", "comment.held", "comment.rejected", "comment.removed")
REVIEW_REASONS = (
    "harassment",
    "hate",
    "threat",
    "profanity",
    "sexual",
    "spam",
    "off_topic",
    "misinformation",
    "privacy",
    "other",
)
"""Why a person decides. The desk asks for one with each rejection."""

ID = validate.Length(min=1, max=200)
NAME = validate.Length(max=500)


class Text(fields.String):
    """A text; marshmallow's own also takes bytes."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("must be a text")
        return value


class AuthorSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    id = Text(allow_none=True, validate=ID)
    name = Text(allow_none=True, validate=NAME)
    email = Text(allow_none=True, validate=NAME)
    ip = Text(allow_none=True, validate=validate.Length(max=100))
    role = fields.Enum(Role, by_value=True, load_default=Role.READER)

    @validates_schema
    def has_id_or_name(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data.get("id") is None and not data.get("name"):
            raise ValidationError("must have an id or a name")

    @post_load
    def build(self, data: dict[str, Any], **kwargs: Any) -> Author:
        return Author(**data)


class ArticleSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    id = Text(required=True, validate=ID)
    title = Text(allow_none=True, validate=validate.Length(max=2000))
    url = Text(allow_none=True, validate=validate.Length(max=4000))
    section = Text(allow_none=True, validate=validate.Length(max=200))

    @post_load
    def build(self, data: dict[str, Any], **kwargs: Any) -> Article:
        return Article(**data)


def _not_blank(body: str) -> None:
    if not body.strip():
        raise ValidationError("must not be empty")


class SubmissionSchema(Schema):
    """A comment, new or edited."""

    class Meta:
        unknown = INCLUDE

    id = Text(required=True, validate=ID)
    body = Text(required=True, validate=_not_blank)
    format = fields.Enum(Format, by_value=True, load_default=Format.TEXT)
    language = Text(allow_none=True, validate=validate.Length(max=35))
    parent_id = Text(allow_none=True, validate=ID)
    submitted_at = fields.AwareDateTime(allow_none=True, default_timezone=UTC)
    author = fields.Nested(AuthorSchema, required=True)
    article = fields.Nested(ArticleSchema, required=True)

    @post_load(pass_original=True)
    def build(self, data: dict[str, Any], original: Any, **kwargs: Any) -> Submission:
        known = {name: data[name] for name in self.fields if name in data}
        extra = {name: value for name, value in original.items() if name not in self.fields}
        for part, schema in (("author", AuthorSchema), ("article", ArticleSchema)):
            rest = {k: v for k, v in original[part].items() if k not in schema._declared_fields}
            if rest:
                extra[part] = rest
        return Submission(**known, extra=extra)


class PastCommentSchema(SubmissionSchema):
    """A comment from before, as a line of a file to be imported."""

    verdict = Text(
        allow_none=True, validate=validate.OneOf([Status.PUBLISHED.value, Status.REJECTED.value])
    )

    @post_load(pass_original=True)
    def build(self, data: dict[str, Any], original: Any, **kwargs: Any) -> PastComment:
        verdict = data.pop("verdict", None)
        given = super().build(data, original)
        return PastComment(given, Status(verdict) if verdict else None)


class DeletionSchema(Schema):
    """The author took the comment back."""

    class Meta:
        unknown = EXCLUDE

    id = Text(required=True, validate=ID)


class ReporterSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    id = Text(allow_none=True, validate=ID)


class ReportSchema(Schema):
    """A reader's flag."""

    class Meta:
        unknown = EXCLUDE

    id = Text(required=True, validate=ID)
    reporter = fields.Nested(ReporterSchema, allow_none=True)
    reason = Text(allow_none=True, validate=validate.Length(max=200))
    note = Text(allow_none=True, validate=validate.Length(max=5000))


_SUBMISSION = SubmissionSchema()
INBOUND: Mapping[str, Schema] = {
    "comment.submitted": _SUBMISSION,
    "comment.edited": _SUBMISSION,
    "comment.deleted": DeletionSchema(),
    "comment.reported": ReportSchema(),
}
"""Type of an event → how its data is read. Making a schema costs more than loading by it."""


class EnvelopeSchema(Schema):
    """A Standard Webhooks payload; `data` is read by the schema of its type."""

    class Meta:
        unknown = EXCLUDE

    type = Text(required=True, validate=validate.OneOf(INBOUND))
    timestamp = fields.AwareDateTime(allow_none=True, default_timezone=UTC)
    data = fields.Dict(required=True)

    @post_load
    def build(self, loaded: dict[str, Any], **kwargs: Any) -> tuple[str, Any]:
        try:
            return loaded["type"], INBOUND[loaded["type"]].load(loaded["data"])
        except ValidationError as error:
            raise ValidationError({"data": error.messages}) from None


class DecisionOrderSchema(Schema):
    """What a moderator orders."""

    class Meta:
        unknown = RAISE

    action = Text(required=True, validate=validate.OneOf(("publish", "reject", "escalate")))
    reason = Text(allow_none=True, validate=validate.OneOf(REVIEW_REASONS))
    note = Text(allow_none=True, validate=validate.Length(max=5000))
    revision = fields.Integer(required=True, strict=True, validate=validate.Range(min=1))
    seen = Text(allow_none=True, metadata={"description": "The newest decision that was seen"})


class ClaimOrderSchema(Schema):
    """How many items a moderator takes."""

    class Meta:
        unknown = RAISE

    site = Text(allow_none=True)
    section = Text(allow_none=True)
    limit = fields.Integer(strict=True, load_default=1, validate=validate.Range(min=1, max=50))


def error_pointers(messages: Any, pointer: str = "#") -> list[dict[str, str]]:
    """Marshmallow's messages as RFC 9457 errors: a JSON pointer and a sentence each."""
    if isinstance(messages, dict):
        return [
            error
            for key, inner in messages.items()
            for error in error_pointers(inner, pointer if key == "_schema" else f"{pointer}/{key}")
        ]
    if isinstance(messages, list):
        return [error for inner in messages for error in error_pointers(inner, pointer)]
    return [{"pointer": pointer, "detail": str(messages)}]


# Out


def instant(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC, with a Z."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def dump_reason(reason: Reason) -> dict[str, Any]:
    """A reason as it is kept: spans as pairs, no words."""
    return {
        "code": reason.code.value,
        "action": reason.action.word,
        "check": reason.check,
        "attribute": reason.attribute,
        "score": reason.score,
        "threshold": reason.threshold,
        "message": reason.message,
        "spans": [list(span) for span in reason.spans],
    }


def reasons_with_words(reasons: list[Any], body: str) -> list[dict[str, Any]]:
    """Kept reasons as the contract shows them: each span with its words."""
    return [
        reason
        | {
            "spans": [
                {"start": start, "end": end, "text": body[start:end]}
                for start, end in reason["spans"]
            ]
        }
        for reason in reasons
    ]


def dump_assessment(assessment: Assessment) -> dict[str, Any]:
    """An assessment as it is kept: `load_assessment` gives it back."""
    return {
        "scores": {
            name: {"check": score.check, "value": score.value}
            for name, score in assessment.scores.items()
        },
        "missing": {
            name: {"check": missing.check, "why": missing.why}
            for name, missing in assessment.missing.items()
        },
        "findings": [
            {name: getattr(finding, name) for name in Finding.__slots__}
            for finding in assessment.findings
        ],
        "versions": dict(assessment.versions),
        "took_ms": assessment.took_ms,
    }


def load_assessment(document: Mapping[str, Any]) -> Assessment:
    """Read an assessment that `dump_assessment` wrote."""
    return Assessment(
        scores={name: Score(**score) for name, score in document["scores"].items()},
        missing={name: Missing(**missing) for name, missing in document["missing"].items()},
        findings=tuple(Finding(**finding) for finding in document["findings"]),
        versions=document["versions"],
        took_ms=document["took_ms"],
    )


def plain_scores(document: Mapping[str, Any] | None) -> dict[str, float]:
    """Attribute → score, of a kept assessment."""
    return {} if document is None else {k: v["value"] for k, v in document["scores"].items()}
