"""One HTTP POST of an event to a site, which may be anyone's and may misbehave.

A site's address is given by people, so it is a way into the network that Copydesk stands
in (server-side request forgery). Every address that its name has is compared with the
networks that are no site's, each time it is connected to, and the address that was
compared is the one that is connected to. Redirects are not followed.
"""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from http.client import HTTPException
from urllib.parse import urlsplit

from AntiSSRF import AntiSSRFError, AntiSSRFPolicy, PolicyConfigOptions
from AntiSSRF._antissrf_agent import _validate_request_host
from requests import Request, Session

from moderation.connections import CONNECT_TIMEOUT_S, Connections

NOT_ROUTABLE = ("::/96",)
"""Denied beside the library's list: IPv4 addresses in the old dress of IPv6."""


class Refused(OSError):
    """The address is in a network that nothing may be sent to."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What a site's endpoint answered to an event."""

    status: int
    retry_after: str | None = None


class Sender:
    """Posts to sites. Safe to share between threads."""

    def __init__(self, allowed: Iterable[str] = (), own: str | None = None) -> None:
        """Say where it may post to beside the public Internet.

        allowed  networks such as `10.20.0.0/16` in which sites are; raises `ValueError`
        own      beginning of addresses that are ours, such as the demo site's
        """
        self._own = own
        self._policy = AntiSSRFPolicy(PolicyConfigOptions.EXTERNAL_ONLY_V1)
        self._policy.add_denied_addresses(list(NOT_ROUTABLE))
        try:
            for network in allowed:
                self._policy.add_allowed_addresses([network])
        except AntiSSRFError:
            raise ValueError(f"{network!r} is not a network such as 10.20.0.0/16") from None
        self._session = Session()
        self._session.trust_env = False
        sites = Connections(self._compared)
        self._session.mount("http://", sites)
        self._session.mount("https://", sites)
        if own:
            self._session.mount(own, Connections(str))

    def __call__(
        self, url: str, body: bytes, headers: dict[str, str], timeout_s: float
    ) -> Answered:
        """Send an event and give the answer's status; its body is thrown away.

        No proxies or credentials are taken from the environment: what is sent, and
        where, is only what the endpoint says. A site that closes a kept connection just
        then is sent the event again, and may see it twice.

        timeout_s  for all of it, to the answer's last header; but a look-up of the name can't
                   be cut off, and takes as long as the system's resolver lets it;
                   if the time is over by then, nothing is sent

        Raises `OSError` where there is no answer, `Refused` where none may be asked for.
        """
        try:
            request = Request("POST", url, {"Accept": "*/*"} | headers, data=body).prepare()
            answer = self._session.send(request, timeout=timeout_s, allow_redirects=False)
        except AntiSSRFError as error:
            raise Refused(_told(url)) from error
        except TimeoutError as error:
            within = f"no connection within {CONNECT_TIMEOUT_S:g} s or no answer within"
            raise TimeoutError(f"{within} {timeout_s:g} s") from error
        except (HTTPException, ValueError) as error:
            raise OSError(f"{type(error).__name__}: {error}") from error
        return Answered(answer.status_code, answer.headers.get("Retry-After"))

    def refusal(self, url: str) -> str | None:
        """Tell why nothing may be sent to an address, by what its name stands for now.

        None if it may, or if the name stands for nothing yet.
        """
        if self._own is not None and url.startswith(self._own):
            return None
        try:
            host = urlsplit(url).hostname or ""
            found = socket.getaddrinfo(host, None, socket.AF_UNSPEC, socket.SOCK_STREAM)
        except (OSError, UnicodeError, ValueError):
            return None
        addresses = [str(one[4][0]).partition("%")[0] for one in found]
        allowed = self._policy._is_network_connection_allowed(addresses)
        return None if allowed else _told(url)

    def _compared(self, host: str) -> str:
        return str(_validate_request_host(self._policy, host)[0])


def _told(url: str) -> str:
    return (
        f"{urlsplit(url).hostname} is, or has among its addresses, one of a private network; "
        "DELIVERY_NETWORKS may allow it"
    )
