"""Real parts for every test: a migrated database of each kind, the real checks, a real site."""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import create_engine, text

from config import Settings
from moderation.app import build_runtime, create_app
from moderation.core.viewer import SCOPES_OF, PersonRole, Viewer
from moderation.flows import sites
from moderation.flows.runtime import Runtime
from moderation.store import migrating
from moderation.store.tables import Base
from tests.builders import NewsSite

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Labelled comments beside the checkout; a user has none, and what needs them skips."""
IN_CI = os.environ.get("CI") == "true"


def needed(variable: str) -> str:
    """The URL of a server that a user's machine need not have, but CI must."""
    url = os.environ.get(variable)
    if url:
        return url
    if IN_CI:
        pytest.fail(f"CI must set {variable}")
    pytest.skip(f"{variable} is not set")


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file at the newest revision, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "copydesk.db"
    migrating.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_server() -> Iterator[str]:
    """A PostgreSQL database of this run's own, at the newest revision."""
    url = needed("TEST_DATABASE_URL")
    name = f"copydesk_{uuid4().hex[:12]}"
    admin = create_engine(
        url.replace("postgresql://", "postgresql+psycopg://", 1), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    own = url.rsplit("/", 1)[0] + "/" + name
    migrating.upgrade(own)
    yield own
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty, migrated database; each test that asks for one runs on both kinds."""
    if request.param == "sqlite":
        path = tmp_path / "copydesk.db"
        shutil.copy(request.getfixturevalue("migrated_file"), path)
        yield f"sqlite:///{path}"
        return
    yield request.getfixturevalue("postgresql_url")


@pytest.fixture
def postgresql_url(migrated_server: str) -> Iterator[str]:
    """The run's PostgreSQL database, emptied afterwards."""
    yield migrated_server
    engine = create_engine(migrated_server.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.begin() as connection:
        names = ", ".join(table.name for table in Base.metadata.sorted_tables)
        connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
    engine.dispose()


@pytest.fixture(scope="session")
def checks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    """The default checks, with the bundled model loaded once."""
    settings = Settings(
        instance_dir=tmp_path_factory.mktemp("models"), toxicity_model="bundled"
    ).completed()
    found = build_runtime(settings).checks
    for check in found:
        if hasattr(check, "warm_up"):
            assert check.warm_up()
    return found


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        instance_dir=tmp_path / "instance",
        database_url=database_url,
        toxicity_model="bundled",
        delivery_networks="127.0.0.0/8",  # where the tests' receivers listen
    ).completed()


@pytest.fixture
def app(settings: Settings, checks: tuple[Any, ...]) -> Iterator[Flask]:
    """The whole service on an empty database, with the real checks and no worker."""
    app = create_app(settings, checks=checks)
    app.testing = True
    yield app
    runtime = app.extensions["moderation"]
    runtime.pool.shutdown(wait=False)
    runtime.sessions.engine.dispose()


@pytest.fixture
def rt(app: Flask) -> Runtime:
    return app.extensions["moderation"]


@pytest.fixture
def site(app: Flask, rt: Runtime) -> NewsSite:
    """A news site, with its secret and key."""
    made = sites.add_site(rt, "daily", "The Daily", by="test")
    return NewsSite(app.test_client(), "daily", made["webhook_secret"], made["api_key"])


@pytest.fixture
def admin() -> Viewer:
    return Viewer("chief@daily.example", SCOPES_OF[PersonRole.ADMIN], is_admin=True)


@pytest.fixture
def moderator() -> Viewer:
    return Viewer("mo@daily.example", SCOPES_OF[PersonRole.MODERATOR])


@pytest.fixture
def senders() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def with_settings(rt: Runtime, **changes: Any) -> Runtime:
    """A Runtime with other parts, on the same database; another time is the database's too."""
    if "now" in changes:
        now = changes["now"]
        changes = {"clock": lambda session: now()} | changes
    return replace(rt, **changes)
