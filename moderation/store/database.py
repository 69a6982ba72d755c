"""The engine and its sessions, on SQLite and PostgreSQL.

On SQLite every write transaction begins IMMEDIATE: one that reads first and writes
later would fail at once with "database is locked", whatever the timeout. Commits are
synchronous=FULL, because a 2xx is a promise that survives a power cut.
"""

import logging
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from moderation.store.commits import CommitGroups

log = logging.getLogger(__name__)

WAL_IS_SAFE_FROM = (3, 51, 3)
WAL_BACKPORTS = ((3, 44, 6), (3, 50, 7))
BUSY_TIMEOUT_MS = 10_000
SQLITE_MOST = 40
SQLITE_KEPT = 6
"""Connections of a process at most, and those that stay open: one is free 24 times of 25.

Each holds a schema, statements and pages, scattered among what requests use and give back.
A new one costs half a millisecond.
"""
SQLITE_CACHE_KB = 512
"""Pages that each connection keeps. A write by another makes them worthless."""


CROSSED = ("40P01", "40001")
"""PostgreSQL's codes for a deadlock and a serialization failure."""
MAX_TRIES = 3

Given = ParamSpec("Given")
Result = TypeVar("Result")
Database = Session | Connection
"""What runs statements: with objects, or, at half the cost for each, without."""


@dataclass(frozen=True, slots=True)
class Sessions:
    """Where sessions come from: `with sessions.write() as s:` commits at its end.

    On SQLite writers that come at once share a commit (`commits.py`).
    """

    engine: Engine
    _write: Callable[[], AbstractContextManager[Session]]
    _read: sessionmaker[Session]
    _writing: Callable[[], AbstractContextManager[Connection]]
    _reading: Callable[[], AbstractContextManager[Connection]]

    def write(self) -> AbstractContextManager[Session]:
        """A session in one short write transaction."""
        return self._write()

    def read(self) -> AbstractContextManager[Session]:
        """A session that sees one state and writes nothing."""
        return self._read()

    def writing(self) -> AbstractContextManager[Connection]:
        """As `write`, without objects: for statements that every comment comes through."""
        return self._writing()

    def reading(self) -> AbstractContextManager[Connection]:
        """As `read`, without objects."""
        return self._reading()


def open_database(url: str) -> Sessions:
    """Connect to a database by URL. Connects lazily: a database that is down raises later."""
    url = url.replace("postgresql://", "postgresql+psycopg://", 1)
    engine = create_engine(
        url,
        pool_pre_ping=not url.startswith("sqlite"),
        hide_parameters=True,  # an error must not carry a reader's words into the log
        **_pool(url),
    )
    sqlite = engine.dialect.name == "sqlite"
    if sqlite:
        event.listen(engine, "do_connect", _begin_private)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    reader = engine.execution_options(copydesk_reads=True)
    writer = sessionmaker(engine, expire_on_commit=False)
    groups = CommitGroups(engine, BUSY_TIMEOUT_MS)
    return Sessions(
        engine,
        groups.write if sqlite else writer.begin,
        sessionmaker(reader, expire_on_commit=False),
        groups.writing if sqlite else engine.begin,
        reader.connect,
    )


def tried_again(write: Callable[Given, Result]) -> Callable[Given, Result]:
    """Make a short write begin anew if the database broke it off for the sake of another.

    write  one transaction, and nothing before it that may not be done twice
    """

    @wraps(write)
    def trying(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        for _ in range(MAX_TRIES - 1):
            try:
                return write(*args, **kwargs)
            except OperationalError as error:
                if getattr(error.orig, "sqlstate", None) not in CROSSED:
                    raise
                log.info("crossed another write; trying again")
        return write(*args, **kwargs)

    return trying


def reason_of(error: Exception) -> str:
    """Why a database fails, in words that quote nobody's: those of a database that can't serve."""
    words = str(getattr(error, "orig", None) or "").splitlines() or [""]
    told = isinstance(error, OperationalError) and words[0]
    return f"{type(error).__name__}: {words[0][:200]}" if told else type(error).__name__


def make_private(file: Path) -> None:
    """Make an empty file that its owner alone may read, unless it is there or can't be made.

    SQLite takes it for an empty database, and what it lays beside it is as private: secrets of
    sites are in there, and readers' words.
    """
    with suppress(OSError):
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600))


def dialect_of(database: Database) -> str:
    """Tell which database it is: sqlite or postgresql."""
    return _bind(database).dialect.name


def _bind(database: Database) -> Engine | Connection:
    return database if isinstance(database, Connection) else database.get_bind()


def clock(database: Database) -> datetime:
    """Give the database's time: the one that all nodes share, however wrong their own is.

    It is asked for once a second, and counted on in between. An answer that was longer on its
    way than the one before does not turn it back: what was due a moment ago stays due.
    """
    engine = _bind(database)
    if engine.dialect.name == "sqlite":  # on this machine, so it has this machine's time
        return datetime.now(UTC)
    before = _ASKED.get(engine.engine)
    if before and time.monotonic() - before[0] <= CLOCK_GOOD_FOR_S:
        return _counted_on(*before)
    now: datetime = database.scalar(_POSTGRESQL_TIME)
    told = now.astimezone(UTC)
    if before and timedelta() < _counted_on(*before) - told < CLOCK_TURNS_BACK:
        told = _counted_on(*before)
    _ASKED[engine.engine] = time.monotonic(), told
    return told


def _counted_on(asked_at: float, told: datetime) -> datetime:
    return told + timedelta(seconds=time.monotonic() - asked_at)


CLOCK_GOOD_FOR_S = 1.0
CLOCK_TURNS_BACK = timedelta(seconds=0.1)
"""By so much and more; less is the way's doing."""
_ASKED: WeakKeyDictionary[Engine, tuple[float, datetime]] = WeakKeyDictionary()
_POSTGRESQL_TIME = text("SELECT clock_timestamp()")


def wal_is_safe(version: tuple[int, ...]) -> bool:
    """Whether this SQLite is free of the WAL-reset bug."""
    return version >= WAL_IS_SAFE_FROM or any(
        version[:2] == backport[:2] and version >= backport for backport in WAL_BACKPORTS
    )


def _pool(url: str) -> dict[str, Any]:
    if url in ("sqlite://", "sqlite:///:memory:"):
        raise ValueError("DATABASE_URL: an SQLite database in memory would lose every comment")
    if url.startswith("sqlite"):
        most = {"pool_size": SQLITE_KEPT, "max_overflow": SQLITE_MOST - SQLITE_KEPT}
        return most | {"pool_timeout": 10, "pool_use_lifo": True}
    return {
        "pool_size": 10,
        "max_overflow": 10,
        "pool_timeout": 10,
        "pool_use_lifo": True,
        "connect_args": {
            "connect_timeout": 5,
            # A server that is cut off says nothing: without these, TCP waits a quarter of an hour.
            "tcp_user_timeout": 15_000,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 2,
            "options": "-c statement_timeout=30000 -c lock_timeout=10000 -c timezone=UTC",
        },
    }


def _begin_private(_dialect: Any, _record: Any, args: list[Any], _named: Any) -> None:
    make_private(Path(args[0]))


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    journal = "WAL" if wal_is_safe(sqlite3.sqlite_version_info) else "TRUNCATE"
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        f"journal_mode={journal}",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"cache_size=-{SQLITE_CACHE_KB}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Any) -> None:
    reads = connection.get_execution_options().get("copydesk_reads")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
