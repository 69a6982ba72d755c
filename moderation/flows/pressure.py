"""What is done when more comments come than can be scored: less for each, and in the end none.

A comment waits for a place to be scored as long as half its deadline allows; one that
would wait longer, by what the places have taken of late, does not begin to. What is put
off is on the disk like any other, so nothing here grows in memory.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from moderation import metrics
from moderation.flows.errors import Overloaded
from moderation.flows.runtime import Runtime
from moderation.store import intake

CHEAP_MS = 5.0
"""What a check may cost while more comes than can be scored."""
MOST_PUT_OFF = 50_000
"""Comments that may wait for a check; beyond, new ones are refused while all room is taken."""


PATIENCE = 0.5
"""Share of a comment's time that it may wait for a place."""


@contextmanager
def affordable(rt: Runtime, deadline_ms: float) -> Iterator[float]:
    """Tell what a check may cost now, in ms: anything, or only little.

    Raises Overloaded while too many wait already.
    """
    if rt.room.enter(PATIENCE * deadline_ms / 1000):
        began = time.monotonic()
        try:
            yield math.inf
        finally:
            rt.room.leave(time.monotonic() - began)
        return
    with rt.sessions.read() as session:
        if intake.duties(session, MOST_PUT_OFF) >= MOST_PUT_OFF:
            metrics.PUT_OFF.labels("refused").inc()
            raise Overloaded("more comments wait to be scored than this service lets wait")
    metrics.PUT_OFF.labels("stored").inc()
    yield CHEAP_MS
