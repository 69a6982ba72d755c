"""Copies taken while comments come, put back; and a database that is not sound says so."""

import subprocess
import threading

import pytest
from sqlalchemy import func, select, text, update

from moderation.flows.late import complete_due
from moderation.store import keeping
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
