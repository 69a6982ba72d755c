"""Group commit: writers of a process that come at once share one commit on SQLite.

A commit that survives a power cut waits for the disk, and SQLite lets one writer in at a
time. So a writer that sees another waiting leaves the commit to it; the last of them
commits for all, and each goes on when that is done. Nobody waits for company: a lone
writer commits at once. (Group commit, DeWitt et al. 1984, without its waiting window.)

The first of a group has the transaction to itself; each that joins works in a savepoint:
what fails in one is rolled back, and the others stand.

Processes take turns by a lock on a file beside the database. SQLite's own waiting sleeps
longer and longer, up to a tenth of a second, and a process that commits often starves
another. The lock only orders: without it SQLite still keeps writers apart.

A file that stays locked is found out once, by the first that waits its time for it; those
that waited behind it are told the same. Each waiting a time of its own, one after the other,
would take every thread of a web process for minutes.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

MOST = 64
"""Writers of a group: the first has waited for all of them."""
LOOK_EVERY_S = 0.0005
LEAST_SHARE = 0.1
"""Of a writer's wait, left for SQLite's lock when the turn of processes took all of it."""


@dataclass(slots=True)
class _Group:
    connection: Connection
    size: int = 0
    failed: BaseException | None = None
    over: Event = field(default_factory=Event)


@dataclass(frozen=True, slots=True)
class _Refusal:
    """No transaction could be begun."""

    error: Exception
    at: float = field(default_factory=time.monotonic)


class CommitGroups:
    """Write transactions on one SQLite database. Safe to share between threads.

    wait_ms  for which a transaction waits to begin; what connections have as `busy_timeout`
    """

    def __init__(self, engine: Engine, wait_ms: int) -> None:
        self._engine = engine
        self._wait_ms = wait_ms
        self._queue = _Queue(f"{engine.url.database}-turn")
        self._turn = Lock()
        self._counting = Lock()
        self._waiting = 0
        self._group: _Group | None = None
        self._refusal: _Refusal | None = None

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Give a session in a transaction of its own; what it wrote is on disk at the end.

        Raises what the database raises: at the start if it is locked, at the end to every
        writer of a group that can't be committed.
        """
        with self._in_turn() as group:
            mode: Any = "rollback_only" if group.size == 1 else "create_savepoint"
            session = Session(group.connection, join_transaction_mode=mode, expire_on_commit=False)
            with session, session.begin():
                yield session

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection in a transaction of its own; otherwise as `write`."""
        with self._in_turn() as group:
            if group.size == 1:
                yield group.connection
                return
            with group.connection.begin_nested():
                yield group.connection

    @contextmanager
    def _in_turn(self) -> Iterator[_Group]:
        came_at = time.monotonic()
        with self._counting:
            self._waiting += 1
        with self._turn:
            with self._counting:
                self._waiting -= 1
            group = self._joined(came_at)
            try:
                yield group
            except BaseException as error:
                self._leave(group, error)
                raise
            self._leave(group)
        group.over.wait()
        if group.failed is not None:
            raise group.failed

    def _joined(self, came_at: float) -> _Group:
        if self._group is None:
            if self._refusal is not None and came_at < self._refusal.at:
                raise self._refusal.error
            try:
                connection = self._begun()
            except Exception as error:
                self._refusal = _Refusal(error)
                raise
            self._refusal = None
            self._group = _Group(connection)
        self._group.size += 1
        return self._group

    def _begun(self) -> Connection:
        """Begin a transaction, within one wait for the other processes and for the lock."""
        until = time.monotonic() + self._wait_ms / 1000
        self._queue.enter(until)
        try:
            connection = self._engine.connect()
            try:
                with self._waiting_until(until, connection):
                    connection.begin()
            except BaseException:
                connection.close()
                raise
        except BaseException:
            self._queue.leave()
            raise
        return connection

    @contextmanager
    def _waiting_until(self, until: float, connection: Connection) -> Iterator[None]:
        share = (until - time.monotonic()) * 1000 / self._wait_ms
        if share > 1 - LEAST_SHARE:  # as nearly always: what was waited for is soon had
            yield
            return
        try:
            _set_busy_timeout(connection, int(max(share, LEAST_SHARE) * self._wait_ms))
            yield
        finally:
            _set_busy_timeout(connection, self._wait_ms)

    def _leave(self, group: _Group, error: BaseException | None = None) -> None:
        """End the group, unless there is someone to go on with it."""
        if error is not None and (group.size == 1 or not _is_open(group.connection)):
            # It had no savepoint; or the disk is full, say, and SQLite has taken back the
            # others' part as well. What is left is rolled back as the connection closes.
            self._end(group, error)
        elif group.size >= MOST or not self._waiting:
            try:
                group.connection.commit()
            except BaseException as failed:
                self._end(group, failed)
                if error is None:
                    raise
            else:
                self._end(group)

    def _end(self, group: _Group, failed: BaseException | None = None) -> None:
        self._group, group.failed = None, failed
        try:
            group.connection.close()
        finally:
            self._queue.leave()
            group.over.set()


class _Queue:
    """One process of all that have the database open; the kernel ends a dead one's turn."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: tuple[int, int] | None = None

    def enter(self, until: float) -> None:
        """Wait for the turn; when it is `until`, go on without, and let SQLite say what is."""
        file = self._opened()
        while time.monotonic() < until:
            try:
                return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(LOOK_EVERY_S)

    def leave(self) -> None:
        fcntl.flock(self._opened(), fcntl.LOCK_UN)

    def _opened(self) -> int:
        # A forked process has the parent's lock as well, if it uses the parent's file.
        if self._file is None or self._file[0] != os.getpid():
            self._file = os.getpid(), os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        return self._file[1]


def _is_open(connection: Connection) -> bool:
    """Tell whether SQLite is still in the transaction that we began."""
    driver = connection.connection.driver_connection
    return driver is not None and bool(driver.in_transaction)


def _set_busy_timeout(connection: Connection, ms: int) -> None:
    driver = connection.connection.driver_connection
    if driver is not None:
        driver.execute(f"PRAGMA busy_timeout={ms}")
