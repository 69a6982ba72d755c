"""Copies taken while comments come, put back; and a database that is not sound says so."""

import shutil
import sqlite3
import subprocess
import threading
import time

import pytest
from sqlalchemy import func, select, text, update

from moderation.flows.late import complete_due
from moderation.store import database, keeping
from moderation.store.database import open_database
from moderation.store.tables import Comment, DecisionRow, Revision
from tests.builders import FRIENDLY, INSULT, submitted
from tests.conftest import with_settings


@pytest.fixture
def on_sqlite(rt):
    if rt.sessions.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL has tools of its own; they are tried below")
    return rt


def ids(sessions) -> list[str]:
    with sessions.read() as session:
        return list(session.scalars(select(Comment.external_id).order_by(Comment.id)))


def test_a_copy_taken_while_comments_come_is_sound_and_can_be_put_back(
    site, on_sqlite, tmp_path
) -> None:
    rt = on_sqlite
    site.post(submitted(id="before", body=INSULT))
    site.post(submitted(id="waits", body=FRIENDLY), deadline_ms=0)
    coming = threading.Event()

    def post() -> None:
        for number in range(10):
            site.post(submitted(id=f"c-{number}", body=f"{FRIENDLY} {number}"))
            coming.set()

    writer = threading.Thread(target=post)
    writer.start()
    coming.wait(20)
    copy = tmp_path / "copy.db"
    keeping.back_up(rt.sessions, copy)
    writer.join()
    assert [file.name for file in tmp_path.glob("copy.*")] == ["copy.db"]
    copied = open_database(f"sqlite:///{copy}")
    kept = ids(copied)
    assert (
        kept[:2] == ["before", "waits"] and keeping.faults(open_database(f"sqlite:///{copy}")) == []
    )

    site.post(submitted(id="after", body=FRIENDLY))
    keeping.restore(rt.sessions, copy)
    assert ids(rt.sessions) == kept
    assert complete_due(with_settings(rt, now=rt.now)) == 1, "what waited goes on"
    assert site.post(submitted(id="after", body=FRIENDLY)).status_code == 200
    assert keeping.faults(rt.sessions) == []


@pytest.mark.parametrize("wal_is_safe", [True, False])
def test_a_copy_of_a_large_database_ends_however_often_it_is_written_to(
    migrated_file, tmp_path, monkeypatch, wal_is_safe
) -> None:
    """A copy in steps that hold no snapshot begins anew after every write by another."""
    monkeypatch.setattr(database, "wal_is_safe", lambda _: wal_is_safe)
    file, copy = tmp_path / "busy.db", tmp_path / "copy.db"
    shutil.copy(migrated_file, file)
    sessions = open_database(f"sqlite:///{file}")
    with sessions.writing() as connection:
        connection.execute(text("CREATE TABLE ballast (number INTEGER, words BLOB)"))
        filled = "INSERT INTO ballast VALUES (0, zeroblob(1000000))"
        for _ in range(40):
            connection.execute(text(filled))
    writing, copied = threading.Event(), threading.Event()
    written: list[int] = []

    def write() -> None:
        other = sqlite3.connect(file, isolation_level=None, timeout=10)
        other.execute("PRAGMA synchronous=OFF")  # as often as can be
        deadline = time.monotonic() + 20
        while not copied.is_set() and time.monotonic() < deadline:
            other.execute("INSERT INTO ballast VALUES (1, 'x')")
            written.append(1)
            writing.set()
        other.close()

    writer = threading.Thread(target=write)
    writer.start()
    assert writing.wait(20)
    keeping.back_up(sessions, copy)
    ended_in_time = writer.is_alive()
    copied.set()
    writer.join()
    assert ended_in_time, "the copy ended only when nobody wrote any more"
    with sqlite3.connect(copy) as connection:
        [(kept,)] = connection.execute("SELECT count(*) FROM ballast WHERE number = 1")
    assert 0 < kept <= len(written)


def test_a_copy_overwrites_nothing_and_a_damaged_one_is_not_put_back(
    site, on_sqlite, tmp_path
) -> None:
    rt = on_sqlite
    for number in range(30):
        site.post(submitted(id=f"c-{number}", body=f"{FRIENDLY} {number}"))
    copy = tmp_path / "copy.db"
    keeping.back_up(rt.sessions, copy)
    with pytest.raises(FileExistsError, match="overwrites nothing"):
        keeping.back_up(rt.sessions, copy)
    whole = bytearray(copy.read_bytes())
    whole[8192:16384] = b"\xff" * 8192
    copy.write_bytes(whole)
    with pytest.raises(keeping.Unsound):
        keeping.restore(rt.sessions, copy)
    (tmp_path / "letter.txt").write_text("Dear Sir, " * 1000)
    with pytest.raises(keeping.Unsound, match="no SQLite database"):
        keeping.restore(rt.sessions, tmp_path / "letter.txt")
    other = open_database(f"sqlite:///{tmp_path / 'other.db'}")
    with other.engine.begin() as connection:
        connection.execute(text("CREATE TABLE letter (id INTEGER)"))
    with pytest.raises(keeping.Unsound, match="not one of Copydesk's"):
        keeping.restore(rt.sessions, tmp_path / "other.db")
    assert len(ids(rt.sessions)) == 30


BREAKS = {
    "have gaps": update(DecisionRow).values(seq=7),
    "counts other decisions": update(Comment).values(seq=2),
    "is not its newest": update(DecisionRow).where(DecisionRow.seq == 1).values(seq=3),
    "nobody's duty": update(Comment).values(status="pending"),
}


@pytest.mark.parametrize("said", BREAKS)
def test_what_does_not_agree_is_found(site, rt, said) -> None:
    site.post(submitted(body=INSULT))
    assert keeping.faults(rt.sessions) == []
    with rt.sessions.write() as session:
        session.execute(update(Revision).values(due_at=None))
        session.execute(BREAKS[said])
    assert any(said in fault for fault in keeping.faults(rt.sessions)), said


def test_a_postgresql_dump_is_put_back_and_goes_on(site, rt, tmp_path) -> None:
    if rt.sessions.engine.dialect.name == "sqlite":
        pytest.skip("SQLite is copied by the command")
    site.post(submitted(id="before", body=INSULT))
    url = rt.sessions.engine.url.set(drivername="postgresql")
    plain = url.render_as_string(hide_password=False)
    dump = str(tmp_path / "copy.dump")
    subprocess.run(["pg_dump", "--format=custom", f"--file={dump}", plain], check=True)
    site.post(submitted(id="after", body=FRIENDLY))
    restored = ["pg_restore", "--clean", "--if-exists", f"--dbname={plain}", dump]
    rt.sessions.engine.dispose()
    subprocess.run(restored, check=True)
    assert ids(rt.sessions) == ["before"] and keeping.faults(rt.sessions) == []
    site.post(submitted(id="after", body=FRIENDLY))
    with rt.sessions.read() as session:
        assert session.scalar(select(func.count()).select_from(DecisionRow)) == 2
