"""What a journey needs from the outside, built once in `app.create_app`.

Flows get a Runtime and no Flask: the same code runs in a request, in the worker, on
the command line and in a test with another clock.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from ulid import ULID

from moderation.checks.check import Check
from moderation.sender import Sender
from moderation.store.database import Database, Sessions, clock


class RuntimeSettings(Protocol):
    """The settings that are read below the edge."""

    @property
    def instance_dir(self) -> Path: ...
    @property
    def models_dir(self) -> Path: ...
    @property
    def host(self) -> str: ...
    @property
    def base_url(self) -> str: ...
    @property
    def delivery_timeout_s(self) -> float: ...
    @property
    def session_idle_h(self) -> float: ...
    @property
    def keep_comments_days(self) -> int: ...
    @property
    def keep_logs_days(self) -> int: ...


def utc_now() -> datetime:
    return datetime.now(UTC)


def new_id(prefix: str) -> str:
    """A new sortable id, such as `dec_01JD…`."""
    return f"{prefix}_{ULID()}"


LEARNING = 0.1
"""Share of the latest comment in what is known of how long a place is taken."""


class Room:
    """Places for comments to be scored at once while their sites wait. Safe to share."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._free = threading.Semaphore(places)
        self._lock = threading.Lock()
        self._waiting = 0
        self._held_s = 0.0

    def enter(self, patience_s: float) -> bool:
        """Take a place, if one is to be had in time."""
        if self._free.acquire(blocking=False):
            return True
        with self._lock:
            if (self._waiting + 1) / self._places * self._held_s > patience_s:
                return False
            self._waiting += 1
        try:
            return self._free.acquire(timeout=max(patience_s, 0))
        finally:
            with self._lock:
                self._waiting -= 1

    def leave(self, held_s: float) -> None:
        """Give a place back, and say how long it was taken."""
        self._free.release()
        with self._lock:
            self._held_s += LEARNING * (held_s - self._held_s)


@dataclass(frozen=True, slots=True)
class Runtime:
    settings: RuntimeSettings
    sessions: Sessions
    checks: tuple[Check, ...]
    post: Sender
    pool: ThreadPoolExecutor
    """Where checks run, apart from the requests that wait for them."""
    room: Room = field(default_factory=lambda: Room(12))
    now: Callable[[], datetime] = utc_now
    clock: Callable[[Database], datetime] = clock
    """The time by which work is leased: the database's, for the nodes' own may disagree."""
    new_id: Callable[[str], str] = new_id
    to_screen: threading.Event = field(default_factory=threading.Event)
    """Set when a comment was left to the worker …"""
    to_tell: threading.Event = field(default_factory=threading.Event)
    """… and when a site is owed an event."""
