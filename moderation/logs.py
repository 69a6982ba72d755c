"""The log: what happened, to which request, and never whose words.

A request has an id, the sender's own (`X-Request-Id`) or a new one; it stands in every
line that is logged for it, in the answer, and beside the events that it causes, so that
one search finds a comment's way from the site and back.
"""

import json
import logging
import re
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from ulid import ULID

GIVEN = re.compile(r"[\w.:-]{1,64}", re.ASCII)
ROOM = "moderation"
_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


def begin(given: str | None) -> str:
    """Begin to log for a request; give its id, the one that was given if it is sound."""
    id = given if given and GIVEN.fullmatch(given) else f"req_{ULID()}"
    _request_id.set(id)
    return id


def request_id() -> str | None:
    """Give the id of the request that is worked on; None outside any."""
    return _request_id.get()


def go_on(id: str | None) -> None:
    """Log on for a request that has begun elsewhere, in another thread or process."""
    _request_id.set(id)


def configure(form: str) -> None:
    """Write the log to standard error: `text` for people, `json` for machines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JSON() if form == "json" else _Text())
    own = logging.getLogger(ROOM)
    own.handlers, own.propagate = [handler], form == "text"
    own.setLevel(logging.INFO if form == "json" else logging.WARNING)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return getattr(record, "fields", {})


class _JSON(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": _request_id.get(),
            **_fields(record),
        }
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
            # Where it happened, not what with: an error's own words may quote a comment.
            line["at"] = [
                f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(record.exc_info[2])
            ]
        return json.dumps({key: value for key, value in line.items() if value is not None})


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")
