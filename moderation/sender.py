"""One HTTP POST of an event to a site, which may be anyone's and may misbehave.

A site's address is given by people, so it is a way into the network that Copydesk stands
in (server-side request forgery). Every address that its name has is compared with the
networks that are no site's, each time it is connected to, and the address that was
compared is the one that is connected to. Redirects are not followed.

A site that drips its answer a byte at a time would hold a thread for as long as it likes,
because every byte is in time: the connection is cut when the whole has taken too long.
"""

import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from AntiSSRF import AntiSSRFError, AntiSSRFPolicy, PolicyConfigOptions
from AntiSSRF._antissrf_agent import _AntiSSRFAdapter
from requests import PreparedRequest, Session
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

CONNECT_TIMEOUT_S = 5.0
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
        self._policy.allow_plain_text_http = True
        self._policy.add_xff_header = False
        try:
            for network in allowed:
                self._policy.add_allowed_addresses([network])
        except AntiSSRFError:
            raise ValueError(f"{network!r} is not a network such as 10.20.0.0/16") from None

    def __call__(
        self, url: str, body: bytes, headers: dict[str, str], timeout_s: float
    ) -> Answered:
        """Send an event and give the answer's status; its body is not read.

        No proxies or credentials are taken from the environment: what is sent, and
        where, is only what the endpoint says.

        timeout_s  for all of it, from looking up the name to the answer's last header

        Raises `OSError` where there is no answer, `Refused` where none may be asked for.
        """
        cut = threading.Event()
        with self._session(url, timeout_s, cut) as session:
            session.trust_env = False
            try:
                with session.post(
                    url,
                    data=body,
                    headers=headers,
                    timeout=(min(CONNECT_TIMEOUT_S, timeout_s), timeout_s),
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    if cut.is_set():  # half a head looks like a whole one
                        raise TimeoutError(f"the answer took longer than {timeout_s:g} s")
                    return Answered(response.status_code, response.headers.get("Retry-After"))
            except AntiSSRFError as error:
                raise Refused(_told(url)) from error

    def refusal(self, url: str) -> str | None:
        """Tell why nothing may be sent to an address, by what its name stands for now.

        None if it may, or if the name stands for nothing yet.
        """
        if self._is_own(url):
            return None
        try:
            host = urlsplit(url).hostname or ""
            found = socket.getaddrinfo(host, None, socket.AF_UNSPEC, socket.SOCK_STREAM)
        except (OSError, UnicodeError, ValueError):
            return None
        addresses = [str(one[4][0]).partition("%")[0] for one in found]
        allowed = self._policy._is_network_connection_allowed(addresses)
        return None if allowed else _told(url)

    def _is_own(self, url: str) -> bool:
        return self._own is not None and url.startswith(self._own)

    def _session(self, url: str, timeout_s: float, cut: threading.Event) -> Session:
        session = Session()
        adapter = HTTPAdapter() if self._is_own(url) else _Guarded(self._policy)
        adapter.poolmanager.pool_classes_by_scheme = _cut_after(timeout_s, cut)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        return session


class _Guarded(_AntiSSRFAdapter):  # the library's session makes these, and shares them out to none
    def add_headers(self, request: PreparedRequest, **_: Any) -> None:
        # The library leaves the port out, by which some sites tell their hosts apart.
        request.headers["Host"] = urlsplit(str(request.url)).netloc.rpartition("@")[2]


def _cut_after(seconds: float, cut: threading.Event) -> dict[str, Any]:
    """Give connection pools whose connections are shut down, and `cut` set, after a time."""
    ends = time.monotonic() + seconds

    class Cut:
        """To be mixed into a connection: its socket is watched from the first byte."""

        def _new_conn(self) -> socket.socket:
            made: socket.socket = super()._new_conn()  # type: ignore[misc]
            self._watch = threading.Timer(max(ends - time.monotonic(), 0), _shut, [made, cut])
            self._watch.daemon = True
            self._watch.start()
            return made

        def close(self) -> None:
            if watch := getattr(self, "_watch", None):
                watch.cancel()
            super().close()  # type: ignore[misc]

    class Plain(HTTPConnectionPool):
        ConnectionCls = type("CutHTTP", (Cut, HTTPConnection), {})

    class Secure(HTTPSConnectionPool):
        ConnectionCls = type("CutHTTPS", (Cut, HTTPSConnection), {})

    return {"http": Plain, "https": Secure}


def _shut(connection: socket.socket, cut: threading.Event) -> None:
    cut.set()
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _told(url: str) -> str:
    return (
        f"{urlsplit(url).hostname} is, or has among its addresses, one of a private network; "
        "DELIVERY_NETWORKS may allow it"
    )
