"""One HTTP POST of an event to a site. Never follows a redirect; reads little of the answer."""

from dataclasses import dataclass

import requests

CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Answered:
    """What a site's endpoint answered to an event."""

    status: int
    retry_after: str | None = None


def post(url: str, body: bytes, headers: dict[str, str], timeout_s: float) -> Answered:
    """Send an event and return the answer's status. Raises OSError where there is none.

    No proxies or credentials are taken from the environment: what is sent, and where,
    is only what the endpoint says.
    """
    with requests.Session() as session:
        session.trust_env = False
        with session.post(
            url,
            data=body,
            headers=headers,
            timeout=(min(CONNECT_TIMEOUT_S, timeout_s), timeout_s),
            allow_redirects=False,
            stream=True,
        ) as response:
            return Answered(response.status_code, response.headers.get("Retry-After"))
