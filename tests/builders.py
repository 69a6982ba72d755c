"""Builders with good defaults, so that a test states only what it is about."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask.testing import FlaskClient
from standardwebhooks.webhooks import Webhook
from werkzeug.test import TestResponse

from moderation.core.comment import Assessment, Finding, Missing, Score
from moderation.core.policy import Policy, parse

FRIENDLY = "Thank you for this thoughtful article, I learnt a lot."
INSULT = "You are a pathetic idiot"


def make_policy(**document: Any) -> Policy:
    """A policy with no thresholds but those given."""
    return parse({"thresholds": {}} | document)


def make_assessment(
    scores: Mapping[str, float] | None = None,
    *,
    missing: Mapping[str, str] | None = None,
    findings: tuple[Finding, ...] = (),
) -> Assessment:
    return Assessment(
        scores={name: Score("toxicity", value) for name, value in (scores or {}).items()},
        missing={name: Missing("toxicity", why) for name, why in (missing or {}).items()},
        findings=findings,
        versions={"toxicity": "test@1"},
        took_ms=1.0,
    )


def make_finding(attribute: str = "links", **changes: Any) -> Finding:
    parts: dict[str, Any] = {
        "check": attribute,
        "attribute": attribute,
        "score": 1.0,
        "start": 0,
        "end": 4,
        "message": "Seen",
    }
    return Finding(**(parts | changes))


def submitted(id: str = "c-1", body: str = FRIENDLY, **data: Any) -> dict[str, Any]:
    """The payload of a new comment."""
    comment = {
        "id": id,
        "body": body,
        "author": {"id": "u-7", "name": "Ann"},
        "article": {"id": "a-22", "url": "https://news.example/a-22", "section": "world"},
    }
    return {
        "type": "comment.submitted",
        "timestamp": "2026-11-23T09:15:00Z",
        "data": comment | data,
    }


def event(type: str, **data: Any) -> dict[str, Any]:
    return {"type": type, "timestamp": "2026-11-23T09:15:00Z", "data": data}


@dataclass
class NewsSite:
    """A news site's backend: signs with the official client, and posts."""

    client: FlaskClient
    slug: str
    secret: str
    api_key: str
    sent: int = 0

    def headers(self, body: bytes, webhook_id: str | None = None) -> dict[str, str]:
        self.sent += 1
        webhook_id = webhook_id or f"msg-{self.sent}"
        now = datetime.now(UTC)
        return {
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(self.secret).sign(webhook_id, now, body.decode()),
            "Content-Type": "application/json",
        }

    def post(
        self,
        payload: Any,
        *,
        webhook_id: str | None = None,
        deadline_ms: int = 20_000,
        headers: Mapping[str, str] | None = None,
    ) -> TestResponse:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return self.client.post(
            f"/v1/sites/{self.slug}/webhook?deadline_ms={deadline_ms}",
            data=body,
            headers=self.headers(body, webhook_id) | dict(headers or {}),
        )

    def call(self, method: str, path: str, **kwargs: Any) -> TestResponse:
        """Call the API with the site's key."""
        headers = {"Authorization": f"Bearer {self.api_key}"} | kwargs.pop("headers", {})
        return self.client.open(path, method=method, headers=headers, **kwargs)

    def comment(self, id: str) -> dict[str, Any]:
        answer = self.call("GET", f"/v1/sites/{self.slug}/comments/{id}")
        assert answer.status_code == 200, answer.text
        return answer.get_json()
