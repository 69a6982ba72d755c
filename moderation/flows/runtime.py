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
from moderation.sender import Answered
from moderation.store.database import Sessions


class RuntimeSettings(Protocol):
    """The settings that are read below the edge."""

    @property
    def instance_dir(self) -> Path: ...
    @property
    def models_dir(self) -> Path: ...
    @property
    def base_url(self) -> str: ...
    @property
    def delivery_timeout_s(self) -> float: ...
    @property
    def session_idle_h(self) -> float: ...


Post = Callable[[str, bytes, dict[str, str], float], Answered]
"""(url, body, headers, timeout in seconds) → answer; raises OSError when there is none."""


def utc_now() -> datetime:
    return datetime.now(UTC)


def new_id(prefix: str) -> str:
    """A new sortable id, such as `dec_01JD…`."""
    return f"{prefix}_{ULID()}"


@dataclass(frozen=True, slots=True)
class Runtime:
    settings: RuntimeSettings
    sessions: Sessions
    checks: tuple[Check, ...]
    post: Post
    pool: ThreadPoolExecutor
    """Where checks run, apart from the requests that wait for them."""
    now: Callable[[], datetime] = utc_now
    new_id: Callable[[str], str] = new_id
    wake: threading.Event = field(default_factory=threading.Event)
    """Set when there is new work for the worker."""
