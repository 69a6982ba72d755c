"""A news site's endpoint on a port of its own: verifies with the official client, and remembers."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sqlalchemy import update
from standardwebhooks.webhooks import Webhook

from moderation.flows.runtime import Runtime
from moderation.store.tables import Delivery, Endpoint


@dataclass
class Receiver:
    """Every request that came, and what is answered: set `answer` to change it."""

    secret: str = ""
    answer: Callable[[int], tuple[int, dict[str, str]]] = lambda count: (200, {})
    events: list[dict[str, Any]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    url: str = ""

    def take(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str]]:
        event = Webhook(self.secret).verify(body, headers)
        self.ids.append(headers["webhook-id"])
        self.events.append(event)
        return self.answer(len(self.ids))

    def types(self) -> list[str]:
        return [event["type"] for event in self.events]


def serve(receiver: Receiver, host: str = "127.0.0.1") -> ThreadingHTTPServer:
    """Listen on a free port until `shutdown`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:
                return  # who sent it was killed in the middle
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, more = receiver.take(headers, body)
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer((host, 0), Handler)
    receiver.url = f"http://{host}:{server.server_address[1]}/events"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@contextmanager
def accepting(take: Callable[[socket.socket], None]) -> Iterator[int]:
    """Hand every connection to `take`, in a thread of its own; gives the port."""
    server = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        while True:
            try:
                one, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=take, args=[one], daemon=True).start()

    threading.Thread(target=run, daemon=True).start()
    yield server.getsockname()[1]
    server.close()


def hasten(rt: Runtime, *, also_paused: bool = False) -> None:
    """Make what waits for its next attempt due, as if the wait had passed."""
    # A second ago: what is due is due by the database's clock, which is not this one.
    due = rt.now() - timedelta(seconds=1)
    with rt.sessions.write() as session:
        session.execute(
            update(Delivery).where(Delivery.status == "pending").values(next_attempt_at=due)
        )
        if also_paused:
            session.execute(update(Endpoint).values(paused_until=None))


def until(condition: Callable[[], Any], what: str, timeout_s: float = 30.0) -> None:
    """Wait for a condition; fail with the name of what was waited for."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s:.0f} s for {what}")
        time.sleep(0.02)
