"""Copies of the database, and whether it is sound."""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select

from moderation.store import migrating
from moderation.store.database import Sessions, make_private
from moderation.store.tables import Comment, DecisionRow, Delivery, Revision


class Unsound(ValueError):
    """A file is no backup, or not a sound one. Says what was found."""


def back_up(sessions: Sessions, to: Path) -> None:
    """Copy an SQLite database that may be written to meanwhile; `to` appears whole, last.

    Where its journal is TRUNCATE, not WAL, writers wait until it is copied.
    Raises `FileExistsError`, `Unsound` if the copy is not sound.
    """
    if to.exists():
        raise FileExistsError(f"{to} is there already; a backup overwrites nothing")
    if not to.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {to.parent}")
    unfinished = to.with_name(to.name + ".unfinished")
    unfinished.unlink(missing_ok=True)
    make_private(unfinished)
    with sessions.reading() as connection:
        # One state, held from the first page to the last: without it SQLite begins the copy
        # anew whenever another connection has written, and on a busy service it never ends.
        connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").all()
        target = type(_driver(connection))(str(unfinished))
        try:
            _driver(connection).backup(target)
            # One file, with no journal beside it that could be forgotten.
            target.execute("PRAGMA journal_mode=DELETE")
        finally:
            target.close()
    try:
        _refuse_unsound(unfinished)
    except Unsound:
        unfinished.unlink()
        raise
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    unfinished.rename(to)


def restore(sessions: Sessions, source: Path) -> None:
    """Put a backup in the place of an SQLite database: all of it, or nothing.

    Raises `Unsound` if the file is no sound backup.
    """
    if not source.is_file():
        raise Unsound(f"there is no file {source}")
    _refuse_unsound(source)
    with sessions.engine.connect() as connection:
        connection.rollback()  # a copy can't be written inside a transaction
        backup = type(_driver(connection))(f"file:{source}?mode=ro", uri=True)
        try:
            backup.backup(_driver(connection))
        finally:
            backup.close()


def faults(sessions: Sessions) -> list[str]:
    """Tell what is wrong with a database, in words; nothing if it is sound."""
    with sessions.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            found = [
                f"integrity: {row[0]}"
                for row in connection.exec_driver_sql("PRAGMA integrity_check(20)")
                if row[0] != "ok"
            ]
            found += [
                f"foreign keys: row {row[1]} of {row[0]} refers to a {row[2]} that is not there"
                for row in connection.exec_driver_sql("PRAGMA foreign_key_check")
            ]
            if found:
                return found
    at, head = migrating.current(sessions), migrating.head()
    if at != head:
        return [f"revision: {at}, not {head}; run flask db upgrade"]
    with sessions.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            cut_off = migrating.invalid_indexes(connection)
            if cut_off:
                return [f"index {name} is not finished; run flask db upgrade" for name in cut_off]
        return list(_broken_promises(connection))


def _broken_promises(connection: Connection) -> Iterator[str]:
    """Compare what is derived with what it is derived from."""
    newest = (
        select(
            DecisionRow.comment_id,
            func.count().label("count"),
            func.max(DecisionRow.seq).label("seq"),
        )
        .group_by(DecisionRow.comment_id)
        .subquery()
    )
    gaps = select(newest.c.comment_id).where(newest.c.count != newest.c.seq)
    yield from _told(connection, gaps, "the decisions of comment {} have gaps")
    moved = (
        select(Comment.id)
        .join(newest, newest.c.comment_id == Comment.id, isouter=True)
        .where(Comment.seq != func.coalesce(newest.c.seq, 0))
    )
    yield from _told(connection, moved, "comment {} counts other decisions than it has")
    other = (
        select(Comment.id)
        .join(DecisionRow, DecisionRow.id == Comment.decision_id)
        .where(or_(DecisionRow.comment_id != Comment.id, DecisionRow.seq != Comment.seq))
    )
    yield from _told(connection, other, "the decision of comment {} is not its newest")
    left = (
        select(Comment.id)
        .join(Revision, _current_revision())
        .where(Comment.status == "pending", Revision.due_at.is_(None))
    )
    yield from _told(connection, left, "comment {} is pending, and nobody's duty")
    untold = select(Delivery.id).where(
        Delivery.status == "pending", Delivery.next_attempt_at.is_(None)
    )
    yield from _told(connection, untold, "delivery {} is pending, and never due")


def _current_revision() -> ColumnElement[bool]:
    return (Revision.comment_id == Comment.id) & (Revision.number == Comment.revision)


def _told(connection: Connection, query: Any, words: str, most: int = 20) -> Iterator[str]:
    for (id,) in connection.execute(query.limit(most)):
        yield words.format(id)


def _refuse_unsound(file: Path) -> None:
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    except sqlite3.DatabaseError as error:
        raise Unsound(f"{file} is no SQLite database: {error}") from None
    finally:
        connection.close()
    if found != ["ok"]:
        raise Unsound(f"{file} is damaged: {found[0]}")
    if "comment" not in tables:
        raise Unsound(f"{file} is a database, but not one of Copydesk's")


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection
