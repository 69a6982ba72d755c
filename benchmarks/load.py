"""A load on a service: so many clients at once, or so many requests a second.

In an open loop, requests leave at their appointed times whether or not earlier ones were
answered, and an answer's time counts from the appointment: a service that stalls can't
hide it by keeping its clients from asking (coordinated omission, Tene 2013, "How NOT to
Measure Latency").
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

ANSWER_WITHIN_S = 30.0
WARM_UP_S = 1.0

Request = bytes
"""A whole HTTP/1.1 request, signed and ready to be sent."""
Judge = Callable[[bytes], bool]
"""Tells whether an answer's body is a decision."""


@dataclass
class Outcome:
    """What came of a load."""

    asked: int = 0
    decided: int = 0
    failed: int = 0
    seconds: float = 0.0
    took_ms: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return self.decided / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float | None:
        """Give the time, in ms, in which a share of all that was asked was answered.

        None where fewer were: those that failed took longer than any.
        """
        at = int(share * self.asked)
        ordered = sorted(self.took_ms)
        return round(ordered[at], 1) if at < len(ordered) else None


def closed_loop(
    port: int, requests: Iterator[Request], judge: Judge, clients: int, seconds: float
) -> Outcome:
    """Ask from a number of clients, each its next as soon as it is answered.

    Ends after the seconds, or with the requests.
    """

    async def run() -> Outcome:
        connections = [_Connection(port) for _ in range(clients)]
        await _for(connections, requests, judge, WARM_UP_S)
        return await _for(connections, requests, judge, seconds)

    return asyncio.run(run())


def open_loop(port: int, requests: Sequence[Request], judge: Judge, per_second: float) -> Outcome:
    """Ask at a constant rate, until all is asked; wait for the answers."""

    async def run() -> Outcome:
        outcome, idle = Outcome(), list[_Connection]()
        began = time.perf_counter() + 0.05

        async def ask(number: int, request: Request) -> None:
            due = began + number / per_second
            await asyncio.sleep(due - time.perf_counter())
            connection = idle.pop() if idle else _Connection(port)
            await _ask(connection, request, judge, outcome, due)
            idle.append(connection)

        await asyncio.gather(*(ask(*one) for one in enumerate(requests)))
        outcome.seconds = time.perf_counter() - began
        return outcome

    return asyncio.run(run())


async def _for(
    connections: list["_Connection"], requests: Iterator[Request], judge: Judge, seconds: float
) -> Outcome:
    outcome, began = Outcome(), time.perf_counter()

    async def client(connection: _Connection) -> None:
        while time.perf_counter() - began < seconds:
            if (request := next(requests, None)) is None:
                return
            await _ask(connection, request, judge, outcome, time.perf_counter())

    await asyncio.gather(*map(client, connections))
    outcome.seconds = time.perf_counter() - began
    return outcome


async def _ask(
    connection: "_Connection", request: Request, judge: Judge, outcome: Outcome, since: float
) -> None:
    outcome.asked += 1
    try:
        body = await asyncio.wait_for(connection.answer(request), ANSWER_WITHIN_S)
    except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError):
        connection.drop()
        outcome.failed += 1
        return
    if not judge(body):
        outcome.failed += 1
        return
    outcome.decided += 1
    outcome.took_ms.append((time.perf_counter() - since) * 1000)


class _Connection:
    """A connection that is kept, and made anew where the service has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def answer(self, request: Request) -> bytes:
        """Give the body of a 2xx. Raises `ValueError` for another answer."""
        if self._streams is None or self._streams[0].at_eof():
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        if b"connection: close" in head:
            self.drop()
        if not head.split(b" ", 2)[1].startswith(b"2"):
            raise ValueError(body.decode(errors="replace")[:200])
        return body

    def drop(self) -> None:
        if self._streams:
            self._streams[1].close()
            self._streams = None
