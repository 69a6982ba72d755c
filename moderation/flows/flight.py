"""What one worker has in the air, and who gets its places: no endpoint waits for another.

A place is taken until the site has answered, so those that hang would soon have all. An
event that is on its way can't be called back; what can be done is to hand out with care.
Places go round, to whoever has the fewest. The last few are for endpoints that have nothing
in the air, and endpoints of which little good is known never have them.
"""

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import TypeGuard

from moderation.sender import Answered

SENDERS = 16
"""Attempts of one worker in flight at once."""
PER_ENDPOINT = 4
"""… and to one endpoint."""
KEPT = 4
"""Places that are kept for endpoints that have none and did well the last time, or are new."""
SLOW_S = 1.0
"""Seconds after which an endpoint that has not answered did not do well."""
BREAK_AFTER = 5
"""Failures in a row after which an endpoint is paused."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery that was leased, with all that sending it needs."""

    id: int
    endpoint_id: int
    url: str
    secret: str
    webhook_id: str
    body: bytes
    decided_at: datetime
    attempts: int
    request_id: str | None
    """Of the request that caused the decision."""
    begin_by: float
    """When, by `time.monotonic`, its lease no longer covers an attempt."""


Outcome = Answered | str | None
"""The site's answer, or why there was none; None where it was not sent."""
Landed = tuple[Parcel, Outcome]


def arrived(outcome: Outcome) -> TypeGuard[Answered]:
    """Tell whether a site has taken the event."""
    return isinstance(outcome, Answered) and 200 <= outcome.status < 300


class Flight:
    """Attempts of one worker that are in the air, and those that have landed since."""

    def __init__(self) -> None:
        self._since: dict[Parcel, float] = {}
        self._landed: list[Landed] = []
        self._doubted: set[int] = set()
        self._lock = Lock()

    @property
    def full(self) -> bool:
        """Tell whether no more may be taken."""
        return len(self._since) >= SENDERS

    def hand_out(self, ready: Sequence[tuple[int, int]]) -> Counter[int]:
        """Share the free places among endpoints; gives how many each may take.

        ready  endpoints that are owed something, with their failures in a row
        """
        room = {id: PER_ENDPOINT if failures < BREAK_AFTER else 1 for id, failures in ready}
        slow = time.monotonic() - SLOW_S
        with self._lock:
            has = Counter(parcel.endpoint_id for parcel in self._since)
            hang = {parcel.endpoint_id for parcel, since in self._since.items() if since < slow}
            doubted = self._doubted | hang | {id for id, failures in ready if failures}
        before = has.copy()
        turn = random.sample(list(room), len(room))
        while (free := SENDERS - has.total()) > 0:
            for_doubted = SENDERS - KEPT - sum(has[id] for id in doubted)
            may = [
                id
                for id in turn
                if has[id] < room[id]
                and (free > KEPT or not has[id])
                and (for_doubted > 0 or id not in doubted)
            ]
            if not may:
                break
            has[min(may, key=has.__getitem__)] += 1
        return has - before

    def begin(self, parcel: Parcel) -> None:
        """Count an attempt that begins."""
        with self._lock:
            self._since[parcel] = time.monotonic()

    def land(self, parcel: Parcel, outcome: Outcome) -> None:
        """Keep how an attempt ended until it is noted."""
        with self._lock:
            took = time.monotonic() - self._since.pop(parcel)
            if arrived(outcome) and took <= SLOW_S:
                self._doubted.discard(parcel.endpoint_id)
            elif outcome is not None:
                self._doubted.add(parcel.endpoint_id)
            self._landed.append((parcel, outcome))

    def unload(self) -> list[Landed]:
        """Give what has landed since, and forget it."""
        with self._lock:
            landed, self._landed = self._landed, []
        return landed
