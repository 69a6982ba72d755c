"""The worker: finishes what requests left, tells the sites, and does the long work.

Each has a thread of its own. The queue, the outbox and the jobs are rows, so the loops
hold no state: any number of workers may run, in web processes or on their own, and one
that is killed has lost nothing.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from moderation.flows import jobs, rescoring, retention
from moderation.flows.delivery import note_landed, release_withheld, tell_due
from moderation.flows.flight import SENDERS, Flight
from moderation.flows.late import complete_due
from moderation.flows.runtime import Runtime

log = logging.getLogger(__name__)

STEPS: dict[str, jobs.Step] = {"rescoring": rescoring.step, "retention": retention.step}
"""What a piece of each kind of job is."""
POLL_S = 0.5
"""How long a row waits at most where nobody in this process woke the worker."""
AFTER_ERROR_S = 2.0
RELEASE_EVERY_S = 30.0
"""How often it is looked for what was withheld from an endpoint as it was enabled."""


class Worker:
    """Runs from `start` to `stop`; outlives every error, for the database may come back."""

    def __init__(self, rt: Runtime, at_once: int = 1) -> None:
        """Make a worker that screens so many comments at once.

        One beside requests, whose sites wait; several where it has the process to itself.
        """
        self._rt = rt
        self._at_once = at_once
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=loop, name=name, daemon=True)
            for name, loop in (
                ("screening", self._screen),
                ("delivery", self._deliver),
                ("jobs", self._jobs),
            )
        ]

    def start(self) -> None:
        """Begin; returns at once."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = 20.0) -> None:
        """Finish what is in hand, give back the rest, then end."""
        self._stopping.set()
        self._rt.to_screen.set()
        self._rt.to_tell.set()
        for thread in self._threads:
            thread.join(timeout_s)

    def is_alive(self) -> bool:
        """Tell whether all of it runs."""
        return all(thread.is_alive() for thread in self._threads)

    def _screen(self) -> None:
        stopping = self._stopping.is_set
        self._repeat(lambda: complete_due(self._rt, self._at_once, stopping), self._rt.to_screen)

    def _deliver(self) -> None:
        flight = Flight()
        released_at = -math.inf

        def work() -> int:
            nonlocal released_at
            if time.monotonic() - released_at > RELEASE_EVERY_S:
                released_at = time.monotonic()
                release_withheld(self._rt)
            return tell_due(self._rt, senders, flight)

        with ThreadPoolExecutor(SENDERS, thread_name_prefix="send") as senders:
            self._repeat(work, self._rt.to_tell)
        note_landed(self._rt, flight)

    def _jobs(self) -> None:
        ensured = False

        def work() -> int:
            nonlocal ensured
            if not ensured:
                jobs.ensure_recurring(self._rt)
                ensured = True
            return jobs.work_due(self._rt, STEPS)

        self._repeat(work, self._stopping)

    def _repeat(self, work: Callable[[], int], wake: threading.Event) -> None:
        """Work until told to stop; where there is none, wait until woken, or a moment."""
        while not self._stopping.is_set():
            try:
                if wake is not self._stopping:
                    wake.clear()
                worked = work()
            except Exception:
                log.exception("the worker failed; it goes on in %s s", AFTER_ERROR_S)
                self._stopping.wait(AFTER_ERROR_S)
            else:
                if not worked:
                    wake.wait(POLL_S)
