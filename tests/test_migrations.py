"""Migrations: one line, the tables as declared, up and down with data, on both databases."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from config import Settings
from moderation.app import create_app
from moderation.store import keeping, migrating
from moderation.store.database import open_database, wal_is_safe
from moderation.store.tables import Base
from tests.builders import INSULT, event, submitted
from tests.conftest import needed

ROOT = Path(__file__).resolve().parents[1]
LOCK_TIMEOUT_S = 10
"""For which PostgreSQL lets us wait for a lock that others may wait behind."""


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request, tmp_path: Path):
    """A database with nothing in it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    url = needed("TEST_DATABASE_URL")
    admin = create_engine(
        url.replace("postgresql://", "postgresql+psycopg://", 1), isolation_level="AUTOCOMMIT"
    )
    name = f"copydesk_{abs(hash(request.node.name)) % 10**9}"
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield url.rsplit("/", 1)[0] + "/" + name
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def test_there_is_one_line_of_migrations() -> None:
    scripts = ScriptDirectory(str(migrating.SCRIPTS))

    assert len(scripts.get_heads()) == 1
    names = sorted(path.name for path in (migrating.SCRIPTS / "versions").glob("*.py"))
    assert [name[:4] for name in names] == [f"{n:04}" for n in range(1, len(names) + 1)]


def test_the_newest_revision_has_the_tables_as_declared(empty_url: str) -> None:
    migrating.upgrade(empty_url)

    engine = open_database(empty_url).engine
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    assert migrating.current(open_database(empty_url)) == migrating.head()


def test_down_and_up_again_leaves_an_empty_house(empty_url: str) -> None:
    migrating.upgrade(empty_url)
    migrating.downgrade(empty_url, "base")

    left = set(inspect(open_database(empty_url).engine).get_table_names())
    assert left == {"alembic_version"}
    migrating.upgrade(empty_url)


def test_several_processes_may_migrate_at_once(empty_url: str, tmp_path: Path) -> None:
    environ = dict(os.environ) | {
        "FLASK_APP": "wsgi",
        "DATABASE_URL": empty_url,
        "INSTANCE_DIR": str(tmp_path / "instance"),
    }
    command = [sys.executable, "-m", "flask", "db", "upgrade"]
    started = [
        subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE) for _ in range(3)
    ]

    for process in started:
        assert process.communicate()[1] == b""
        assert process.returncode == 0
    assert migrating.current(open_database(empty_url)) == migrating.head()


ON_POSTGRESQL = pytest.mark.parametrize("empty_url", ["postgresql"], indirect=True)


@ON_POSTGRESQL
def test_an_index_whose_building_was_cut_off_is_built_anew(empty_url: str) -> None:
    migrating.upgrade(empty_url)
    sessions = open_database(empty_url)
    with sessions.write() as session:
        name = "'ix_delivery_withheld'::regclass"
        session.execute(text(f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = {name}"))
    assert keeping.faults(sessions) == [
        "index ix_delivery_withheld is not finished; run flask db upgrade"
    ]

    migrating.upgrade(empty_url)

    assert keeping.faults(sessions) == []
    sessions.engine.dispose()


@ON_POSTGRESQL
def test_an_index_is_built_however_long_a_backup_takes(empty_url: str) -> None:
    migrating.upgrade(empty_url, "0005")
    backup = open_database(empty_url).engine.connect()
    backup.execution_options(isolation_level="REPEATABLE READ")
    backup.execute(text("SELECT count(*) FROM delivery"))

    with ThreadPoolExecutor(1) as pool:
        upgraded = pool.submit(migrating.upgrade, empty_url)
        assert wait([upgraded], timeout=LOCK_TIMEOUT_S + 1).not_done
        backup.close()
        upgraded.result(30)

    assert keeping.faults(open_database(empty_url)) == []


def test_migrating_what_is_current_keeps_every_row(site, rt, database_url: str) -> None:
    site.post(submitted(body=INSULT))
    site.post(event("comment.reported", id="c-1"))
    before = site.comment("c-1")

    migrating.upgrade(database_url)

    assert site.comment("c-1") == before


def test_the_sqlite_in_use_is_free_of_the_wal_bug(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'a.db'}").engine

    with engine.connect() as connection:
        version = connection.exec_driver_sql("SELECT sqlite_version()").scalar()
        journal = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1

    safe = wal_is_safe(tuple(int(part) for part in version.split(".")))
    assert journal == ("wal" if safe else "truncate")


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 53, 4), True),
    ],
)
def test_affected_versions_of_sqlite_are_known(version, safe) -> None:
    assert wal_is_safe(version) is safe


def test_a_version_runs_on_with_the_tables_of_the_next(empty_url: str, tmp_path: Path) -> None:
    migrating.upgrade(empty_url)
    settings = Settings(instance_dir=tmp_path, database_url=empty_url, toxicity_model="bundled")
    app = create_app(settings.completed())
    said = {}
    for revision in ("9999", "0001"):
        with open_database(empty_url).write() as session:
            session.execute(text(f"UPDATE alembic_version SET version_num = '{revision}'"))
        missing = app.test_client().get("/readyz").get_json()["missing"]
        said[revision] = [why for why in missing if "database" in why]
        if revision == "9999":
            migrating.upgrade(empty_url)  # as `flask init` of an old node that starts again
            assert migrating.current(open_database(empty_url)) == "9999"

    assert said["9999"] == []
    assert "at revision 0001" in said["0001"][0]
