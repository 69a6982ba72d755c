"""Writers that share a commit: each gets what was its own, whatever happens to the others."""

import fcntl
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError, OperationalError

from moderation.store import database
from moderation.store.database import Sessions, open_database

ROUNDS, WRITERS = 25, 8


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "commits.db"


@pytest.fixture
def sessions(file: Path) -> Sessions:
    sessions = open_database(f"sqlite:///{file}")
    with sessions.write() as session:
        session.execute(text("CREATE TABLE note (words TEXT UNIQUE)"))
    return sessions


def note(sessions: Sessions, words: str, *, then: type[Exception] | None = None) -> None:
    with sessions.write() as session:
        session.execute(text("INSERT INTO note VALUES (:words)"), {"words": words})
        if then is not None:
            raise then(words)


def at_once(work: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def on_disk(file: Path) -> set[str]:
    with sqlite3.connect(file) as connection:
        return {words for (words,) in connection.execute("SELECT words FROM note")}


def test_writers_that_come_at_once_share_commits_and_lose_nothing(sessions, file):
    commits: list[int] = []
    event.listen(sessions.engine, "commit", lambda _: commits.append(1))

    def work(number: int) -> None:
        for turn in range(ROUNDS):
            note(sessions, f"{number}-{turn}")
            assert f"{number}-{turn}" in on_disk(file), "it returned before it was on disk"

    at_once(work)
    assert len(on_disk(file)) == ROUNDS * WRITERS
    assert len(commits) < ROUNDS * WRITERS


def test_a_lone_writer_commits_at_once(sessions, file):
    note(sessions, "alone")
    assert on_disk(file) == {"alone"}


def test_what_fails_in_one_writer_is_taken_back_and_the_others_stand(sessions, file):
    failed: list[str] = []

    def work(number: int) -> None:
        for turn in range(ROUNDS):
            words = f"{number}-{turn}"
            try:
                note(sessions, words, then=RuntimeError if (number + turn) % 3 == 0 else None)
            except RuntimeError:
                failed.append(words)

    at_once(work)
    every = {f"{number}-{turn}" for number in range(WRITERS) for turn in range(ROUNDS)}
    assert failed and on_disk(file) == every - set(failed)


def test_a_key_that_is_taken_fails_for_its_writer_only(sessions, file):
    note(sessions, "same")
    with pytest.raises(IntegrityError):
        note(sessions, "same")
    note(sessions, "other")
    assert on_disk(file) == {"same", "other"}


def test_a_full_disk_is_told_to_every_writer_whose_words_are_not_on_it(sessions, file):
    told: set[str] = set()
    with sessions.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    event.listen(
        sessions.engine,
        "checkout",
        lambda connection, *_: connection.execute(f"PRAGMA max_page_count={pages + 20}"),
    )

    def work(number: int) -> None:
        for turn in range(ROUNDS):
            words = f"{number}-{turn}-" + "x" * 2000
            try:
                note(sessions, words)
            except OperationalError:
                continue
            told.add(words)

    at_once(work)
    assert 0 < len(told) < ROUNDS * WRITERS
    assert on_disk(file) == told


def test_a_lock_that_another_process_holds_is_told_and_passes(sessions, file):
    event.listen(
        sessions.engine,
        "checkout",
        lambda connection, *_: connection.execute("PRAGMA busy_timeout=50"),
    )
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(OperationalError, match="locked"):
        note(sessions, "too early")
    other.execute("ROLLBACK")
    note(sessions, "in time")
    assert on_disk(file) == {"in time"}


@pytest.fixture
def patience_s(monkeypatch) -> float:
    """How long a writer waits, made short; to be asked for before `sessions`."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 1000)
    return 1.0


def test_writers_that_wait_for_a_locked_file_are_told_together(patience_s, sessions, file):
    """One after the other, the last of 16 would be told after 16 times as long."""
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waited: list[float] = []

    def work(number: int) -> None:
        began = time.monotonic()
        with pytest.raises(OperationalError, match="locked"):
            note(sessions, f"too early {number}")
        waited.append(time.monotonic() - began)

    for _ in range(2):  # those who come later wait for themselves
        at_once(work)
    assert len(waited) == 2 * WRITERS
    assert max(waited) < 1.5 * patience_s
    assert max(waited[WRITERS:]) > 0.5 * patience_s, "a later writer was told of an old error"
    other.execute("ROLLBACK")
    at_once(lambda number: note(sessions, f"in time {number}"))
    assert on_disk(file) == {f"in time {number}" for number in range(WRITERS)}


def test_waiting_for_another_process_and_for_the_lock_is_one_wait(patience_s, sessions, file):
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with open(f"{file}-turn", "r+b") as turn:  # opened anew, it is held as by another process
        fcntl.flock(turn, fcntl.LOCK_EX)
        began = time.monotonic()
        with pytest.raises(OperationalError, match="locked"):
            note(sessions, "too early")
        assert 0.9 * patience_s < time.monotonic() - began < 1.5 * patience_s
        other.execute("ROLLBACK")
        note(sessions, "without the turn")
    assert on_disk(file) == {"without the turn"}
    with sessions.engine.connect() as connection:
        left = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
    assert left == 1000 * patience_s, "whoever uses the connection next waits as long as any"
