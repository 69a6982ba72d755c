"""Web processes that go on until those that take over are ready.

At a reload gunicorn starts new processes and tells the old to stop at once. Until the new
have loaded their model, some seconds, nobody would take a request. So an old process that
is told to stop looks first whether others have begun since a reload, and stays until as
many as shall be have said that they are ready.

What they say lies in memory that the master shares with all it forks: gunicorn's master has
no way to tell its processes anything but by signals.
"""

import mmap
import os
import signal
import struct
import time
from collections.abc import Callable
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

AT_MOST_S = 60.0
"""For which an old process stays on: more is a new version that doesn't come up."""
HEAD = struct.Struct("=QQ?")
"""The number of the last process before the reload, how many follow on it, and whether all stop."""
PLACES = 4096
READY, GONE = 1, 2
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)

Handler = Callable[[int, Any], None]


class Handover:
    """What processes tell each other at a reload. Made in the master, before it forks.

    A master keeps the class that it began with through later updates: what the hooks call may
    be added to, not changed.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, HEAD.size + PLACES)

    def begin(self, last: int, following: int) -> None:
        """Note a reload: processes numbered up to `last` are old, so many follow."""
        HEAD.pack_into(self._memory, 0, last, following, False)
        self._memory[HEAD.size :] = bytes(PLACES)

    def note(self, number: int, state: int) -> None:
        """Note that a process takes requests (READY), or has ended (GONE); not of an old one."""
        if not self.is_old(number):
            self._memory[HEAD.size + number % PLACES] = state

    def is_old(self, number: int) -> bool:
        """Tell whether a reload has come after a process."""
        last: int = HEAD.unpack_from(self._memory)[0]
        return number <= last

    def is_missing(self, number: int) -> bool:
        """Tell whether a process that others wait for has said nothing yet."""
        return not self.is_old(number) and not self._memory[HEAD.size + number % PLACES]

    def hearing(self, handler: Handler) -> Handler:
        """Give the master's handler of signals, which also notes that all shall stop.

        gunicorn heeds a signal once the reload is done, and that waits for the old processes.
        """
        master = os.getpid()

        def heard(sig: int, frame: Any) -> None:
            if sig in STOPS and os.getpid() == master:
                last, following, _ = HEAD.unpack_from(self._memory)
                HEAD.pack_into(self._memory, 0, last, following, True)
            handler(sig, frame)

        return heard

    def is_over(self) -> bool:
        """Tell whether the old shall end: enough others are ready, one has ended, or all stop."""
        _, following, stopping = HEAD.unpack_from(self._memory)
        states = self._memory[HEAD.size :]
        return stopping or GONE in states or states.count(READY) >= following


class WebProcess(ThreadWorker):
    """gunicorn's process with threads, which stays until those that take over are ready."""

    alive: bool
    handover: Handover
    _until: float | None = None

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop, or begin to wait for those that take over; gunicorn asks once a second."""
        if not self.handover.is_old(self.age):
            super().handle_exit(sig, frame)
        elif self._until is None:
            self._until = time.monotonic() + AT_MOST_S

    def notify(self) -> None:
        """Look, each time round, whether it is time to stop."""
        super().notify()
        if self._until is not None and self.alive:
            self.alive = not (self.handover.is_over() or time.monotonic() > self._until)
