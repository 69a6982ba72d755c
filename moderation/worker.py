"""The worker: one thread that finishes what requests left, and tells the sites.

The queue and the outbox are rows, so the loop holds no state: any number of workers may
run, in web processes or on their own, and one that is killed has lost nothing.
"""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

from moderation.flows.delivery import SENDERS, deliver_due
from moderation.flows.runtime import Runtime
from moderation.flows.screening import complete_due

log = logging.getLogger(__name__)

POLL_S = 0.5
"""How long a row waits at most where nobody in this process woke the worker."""
AFTER_ERROR_S = 2.0


class Worker(threading.Thread):
    """Runs until `stop`; outlives every error, for the database may come back."""

    def __init__(self, rt: Runtime) -> None:
        super().__init__(name="worker", daemon=True)
        self._rt = rt
        self._stopping = threading.Event()

    def run(self) -> None:
        with ThreadPoolExecutor(SENDERS, thread_name_prefix="send") as senders:
            while not self._stopping.is_set():
                try:
                    self._rt.wake.clear()
                    worked = complete_due(self._rt) + deliver_due(self._rt, senders)
                except Exception:
                    log.exception("the worker failed; it goes on in %s s", AFTER_ERROR_S)
                    self._stopping.wait(AFTER_ERROR_S)
                else:
                    if not worked:
                        self._rt.wake.wait(POLL_S)

    def stop(self, timeout_s: float = 20.0) -> None:
        """Finish what is in hand, then end."""
        self._stopping.set()
        self._rt.wake.set()
        self.join(timeout_s)
