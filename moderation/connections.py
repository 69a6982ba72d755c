"""Connections to sites: kept for the next event, and cut off where a site takes too long.

They are not those of `requests`, whose time limit is for each piece of an answer: a site
that drips a byte at a time would hold a thread for as long as it likes. Here each read and
write has what is left of the whole's time. They are kept because to make one costs more
than all else that an event takes.
"""

import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse
from io import BufferedReader
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.util import wait_for_read

CONNECT_TIMEOUT_S = 5.0
KEPT_S = 60.0
"""How long a connection is used: a name that moves is followed within a minute."""
KEPT_MOST = 64
HEAD_MOST = 65536
"""Bytes of an answer's head, with all that comes before it."""
SHORT = 4096
"""Bytes of an answer's body that are thrown away for its connection to be kept …"""
SHORT_S = 0.5
"""… and how long they may take."""
PIECE = 16384
"""Bytes that are sent in one go: a record of TLS, for which alone there is a time limit."""


class _Connection(HTTPConnection):
    """To an address that was compared. All that is done on it ends at `ends`."""

    ends = 0.0
    may_read = 0
    """Bytes of an answer that are yet taken from it, whatever lengths the answer tells."""

    def __init__(self, scheme: str, place: str, address_of: Callable[[str], str]) -> None:
        self.place, self._address_of, self._secure = (scheme, place), address_of, scheme == "https"
        self.default_port = 443 if self._secure else 80
        self.opened_at = time.monotonic()
        super().__init__(place)

    def left(self) -> float:
        """Give the seconds that are left, of which there are some, or raise `TimeoutError`."""
        if (left := self.ends - time.monotonic()) <= 0:
            raise TimeoutError("timed out")
        return left

    def connect(self) -> None:
        at = self._address_of(self.host), self.port
        self.sock = socket.create_connection(at, min(CONNECT_TIMEOUT_S, self.left()))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._secure:
            self.sock.settimeout(self.left())
            self.sock = _tls().wrap_socket(self.sock, server_hostname=self.host)

    def send(self, data: Any) -> None:
        for at in range(0, len(data), PIECE):
            self.sock.settimeout(self.left())
            self.sock.sendall(data[at : at + PIECE])

    def response_class(self, sock: socket.socket, **more: Any) -> HTTPResponse:  # type: ignore[override]
        return _Answer(_InTime(sock, self), **more)  # type: ignore[arg-type]


class _Answer(HTTPResponse):
    """The final answer. `http.client` reads past 100 alone: with 103 it would end too early,
    and what comes later would be taken for the answer to the next event."""

    def begin(self) -> None:
        super().begin()
        while self.status in range(100, 200) and self.status != HTTPStatus.SWITCHING_PROTOCOLS:
            self.headers = None  # type: ignore[assignment]  # as before it had begun
            super().begin()


class _InTime(socket.SocketIO):
    """What an answer is read from: each piece has what is left of the whole's time and size."""

    def __init__(self, sock: socket.socket, of: _Connection) -> None:
        super().__init__(sock, "r")
        self._from, self._of = sock, of

    def makefile(self, _mode: str) -> BufferedReader:
        return BufferedReader(self)

    def readinto(self, buffer: Any) -> int | None:
        if not self._of.may_read:
            raise HTTPException(f"a head of more than {HEAD_MOST} bytes")
        self._from.settimeout(self._of.left())
        count = super().readinto(memoryview(buffer)[: self._of.may_read])
        self._of.may_read -= count or 0
        return count


class Connections(BaseAdapter):
    """Sends what a session is asked to, on connections that it keeps."""

    def __init__(self, address_of: Callable[[str], str]) -> None:
        super().__init__()
        self._address_of = address_of
        self._lock = Lock()
        self._idle: list[_Connection] = []

    def send(self, request: PreparedRequest, *_: Any, timeout: Any = None, **__: Any) -> Response:
        ends = time.monotonic() + timeout
        parts = urlsplit(str(request.url))
        place = parts.scheme, parts.netloc.rpartition("@")[2]
        if kept := self._taken(place):
            try:
                return self._exchanged(kept, request, ends)
            except TimeoutError:
                raise
            except OSError:
                pass  # the site closed it just now, which is no refusal
        return self._exchanged(_Connection(*place, self._address_of), request, ends)

    def _exchanged(self, to: _Connection, request: PreparedRequest, ends: float) -> Response:
        to.ends, to.may_read = ends, HEAD_MOST
        try:
            if to.sock is None:
                to.connect()
            with suppress(BrokenPipeError, ConnectionResetError):  # it may have answered before
                to.request("POST", request.path_url, request.body, request.headers)
            answer = to.getresponse()
        except BaseException:
            to.close()
            raise
        to.ends, to.may_read = min(ends, time.monotonic() + SHORT_S), SHORT
        if _is_over(answer):
            self._keep(to)
        else:
            to.close()
        given = Response()
        given.status_code = answer.status
        if wait := answer.headers["Retry-After"]:
            given.headers["Retry-After"] = wait
        return given

    def _taken(self, place: tuple[str, str]) -> _Connection | None:
        """Give a connection that stands, if there is one; let go of all that are too old."""
        since = time.monotonic() - KEPT_S
        with self._lock:
            old = [one for one in self._idle if one.opened_at < since]
            self._idle = [one for one in self._idle if one.opened_at >= since]
            kept = next((one for one in reversed(self._idle) if one.place == place), None)
            if kept:
                self._idle.remove(kept)
        if kept and wait_for_read(kept.sock, 0):  # there is nothing to read but its end
            old.append(kept)
            kept = None
        for one in old:
            one.close()
        return kept

    def _keep(self, connection: _Connection) -> None:
        with self._lock:
            self._idle.append(connection)
            over = self._idle.pop(0) if len(self._idle) > KEPT_MOST else None
        if over:
            over.close()


def _is_over(answer: HTTPResponse) -> bool:
    """Tell whether all of an answer has come, so that another may follow.

    Its status stands, however odd its body is: `http.client` tries to read -5 bytes where a
    chunk says that it has so many.
    """
    with answer, suppress(OSError, HTTPException, ValueError, OverflowError):
        # What follows 101 is of another protocol.
        if not answer.will_close and answer.status != HTTPStatus.SWITCHING_PROTOCOLS:
            answer.read(SHORT)
            return answer.isclosed()
    return False


@cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
    context.set_alpn_protocols(["http/1.1"])
    return context
