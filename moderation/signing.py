"""Standard Webhooks 1.0 signatures, inbound and outbound, by the official library.

The library is wrapped because it lets malformed headers through as other errors than
its own, and knows one secret at a time while a rotation has two.
"""

import base64
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook, WebhookVerificationError, hmac_data
from werkzeug.datastructures import Headers

MOST_HEADER = 4096
MOST_SIGNATURES = 10


class SignatureMismatch(Exception):
    """The request was not signed by the site, or too long ago. Never says which."""


def new_secret() -> str:
    """A new secret of 32 random bytes, in the form `whsec_…`."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def sign(secret: str, webhook_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of a webhook. `at` is the time of this attempt."""
    at = at.astimezone(UTC)  # the library reads any other zone wrongly
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, at, body.decode()),
    }


def verify(body: bytes, headers: Headers, secrets_in_force: Iterable[str]) -> str:
    """The `webhook-id` of a request that one of the secrets signed within five minutes.

    Raises SignatureMismatch for whatever reason; every secret is tried each time.
    """
    given = {
        name: headers.get(name, "")
        for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
    }
    signature = given["webhook-signature"]
    if len(signature) > MOST_HEADER or signature.count(" ") >= MOST_SIGNATURES:
        raise SignatureMismatch
    if not 0 < len(given["webhook-id"]) <= 256 or not given["webhook-timestamp"].isdecimal():
        raise SignatureMismatch
    results = [_matches(secret, body, given) for secret in secrets_in_force]
    if not any(results):
        raise SignatureMismatch
    return given["webhook-id"]


def _matches(secret: str, body: bytes, headers: dict[str, str]) -> bool:
    try:
        _BytesWebhook(secret).verify(body.decode("latin-1"), headers, json_parse=False)
    except (WebhookVerificationError, ValueError, OverflowError, OSError):
        return False
    return True


class _BytesWebhook(Webhook):
    """The library's verification over the bytes as they came.

    The library decodes the body first, so that one which is not UTF-8 looks unsigned;
    its sender shall hear what is wrong with it instead.
    """

    def sign(self, msg_id: str, timestamp: datetime, data: str) -> str:
        content = f"{msg_id}.{int(timestamp.timestamp())}.".encode() + data.encode("latin-1")
        return "v1," + base64.b64encode(hmac_data(self._whsecret, content)).decode()
