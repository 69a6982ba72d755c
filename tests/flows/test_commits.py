"""Writers that share a commit: each gets what was its own, whatever happens to the others."""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError, OperationalError

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
