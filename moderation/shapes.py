"""The shapes of our answers, for /openapi.json. Flows return dicts that have them."""

from marshmallow import Schema, fields, validate

from moderation.wire import Text


class SpanSchema(Schema):
    start = fields.Integer(required=True, metadata={"description": "First code point"})
    end = fields.Integer(required=True, metadata={"description": "One past the last"})
    text = fields.String(required=True)


class ReasonSchema(Schema):
    code = fields.String(required=True)
    action = fields.String(required=True)
    check = fields.String(required=True, allow_none=True)
    attribute = fields.String(required=True, allow_none=True)
    score = fields.Float(required=True, allow_none=True)
    threshold = fields.Float(required=True, allow_none=True)
    message = fields.String(required=True)
    spans = fields.List(fields.Nested(SpanSchema), required=True)


class DecisionSchema(Schema):
    id = fields.String(required=True)
    action = fields.String(required=True)
    by = fields.String(required=True)
    policy_version = fields.Integer(required=True, allow_none=True)
    decided_at = fields.String(required=True, metadata={"format": "date-time"})
    reasons = fields.List(fields.Nested(ReasonSchema), required=True)
    reason = fields.String(required=True, allow_none=True)
    escalated = fields.Boolean(required=True)
    undoes = fields.String(required=True, allow_none=True)


class AnswerSchema(Schema):
    id = fields.String(required=True)
    revision = fields.Integer(required=True)
    status = fields.String(required=True)
    decision = fields.Nested(DecisionSchema, required=True, allow_none=True)
    scores = fields.Dict(keys=fields.String(), values=fields.Float(), required=True)


class QueueItemSchema(AnswerSchema):
    site = fields.String(required=True)
    body = fields.String(required=True)
    format = fields.String(required=True)
    submitted_at = fields.String(required=True, metadata={"format": "date-time"})
    parent_id = fields.String(required=True, allow_none=True)
    article = fields.Dict(required=True)
    author = fields.Dict(required=True)
    waiting_since = fields.String(required=True, allow_none=True)
    urgency = fields.Float(required=True)
    escalated = fields.Boolean(required=True)
    reports = fields.List(fields.Dict(), required=True)
    claimed_by = fields.String(required=True, allow_none=True)
    claimed_until = fields.String(required=True, allow_none=True)


class QueuePageSchema(Schema):
    items = fields.List(fields.Nested(QueueItemSchema), required=True)
    next = fields.String(required=True, allow_none=True)


class WholeCommentSchema(AnswerSchema):
    site = fields.String(required=True)
    parent_id = fields.String(required=True, allow_none=True)
    seq = fields.Integer(required=True)
    article = fields.Dict(required=True)
    author = fields.Dict(required=True)
    revisions = fields.List(fields.Dict(), required=True)
    decisions = fields.List(fields.Dict(), required=True)
    reports = fields.List(fields.Dict(), required=True)
    deliveries = fields.List(fields.Dict(), required=True)


class PublishedCommentSchema(Schema):
    id = fields.String(required=True)
    revision = fields.Integer(required=True)
    parent_id = fields.String(required=True, allow_none=True)
    author = fields.Dict(required=True)
    body = fields.String(required=True)
    format = fields.String(required=True)
    submitted_at = fields.String(required=True, metadata={"format": "date-time"})


class PublishedPageSchema(Schema):
    comments = fields.List(fields.Nested(PublishedCommentSchema), required=True)
    next = fields.String(required=True, allow_none=True)


class PageQuerySchema(Schema):
    cursor = Text(validate=validate.Length(max=500))
    limit = fields.Integer(load_default=50, validate=validate.Range(min=1, max=200))


class QueueQuerySchema(PageQuerySchema):
    site = Text()
    section = Text()


class SimulationSchema(Schema):
    policy_version = fields.Integer(required=True, metadata={"description": "The one in force"})
    total = fields.Integer(required=True, metadata={"description": "Comments looked at"})
    on_record = fields.Integer(required=True)
    by_first_stage = fields.Integer(
        required=True,
        metadata={"description": "Of those looked at, scored by the model's first stage alone"},
    )
    live = fields.Dict(required=True)
    draft = fields.Dict(required=True)
    changes = fields.List(fields.Dict(), required=True)
    examples = fields.List(fields.Dict(), required=True)
