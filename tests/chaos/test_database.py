"""The database fails under load: clear 503s, nothing accepted that is not stored, back by itself.

Rows D1, D2 and D4 to D7 of the fault matrix, and workers whose clocks disagree.
"""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time

import pytest
import requests
from sqlalchemy import ColumnElement, func, select

from moderation.store.database import open_database
from moderation.store.tables import Comment
from tests.chaos.load import all_settled, prepared, report, settle
from tests.receiver import Receiver, serve, until
from tests.server import Server

STOPS = int(os.environ.get("STOPS", "2"))
DOWN_S = float(os.environ.get("DOWN_S", "5"))
"""How long the server is away the last time."""
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 10**6)


def test_a_server_that_is_stopped_in_the_middle_loses_nothing(cluster, tmp_path) -> None:
    dice = random.Random(SEED)
    print(f"seed {SEED}, {STOPS} stops")
    cluster.start()
    server = Server(tmp_path, {"DATABASE_URL": cluster.url, "DELIVERY_TIMEOUT_S": "2"})
    receiver = Receiver()
    listening = serve(receiver)
    load = prepared(server, receiver)
    server.start()
    for thread in load.threads:
        thread.start()
    for number in range(1, STOPS + 1):
        time.sleep(dice.uniform(0.5, 1.5))
        cluster.stop("immediate")
        until(lambda: not server.is_ready(), "/readyz to say that the database is gone", 20)
        time.sleep(dice.uniform(0.1, 1.0) if number < STOPS else DOWN_S)
        before = len(load.accepted)
        cluster.start()
        until(lambda before=before: len(load.accepted) > before, "comments to be taken again", 30)
    load.stop()
    settle(cluster.url, load, receiver)
    assert server.stop() == 0
    listening.shutdown()


def test_a_service_that_starts_before_its_database_waits_for_it(cluster, tmp_path) -> None:
    cluster.start()
    server = Server(tmp_path, {"DATABASE_URL": cluster.url})
    load = prepared(server, Receiver(url="http://127.0.0.1:9/"))
    cluster.stop()
    server.start(ready=False)
    until(lambda: answers(server), "/readyz to answer", 60)
    assert "database" in requests.get(f"{server.url}/readyz", timeout=10).text
    assert load.post("c-1").status_code == 503
    cluster.start()
    until(server.is_ready, "the service to be ready by itself", 30)
    assert load.post("c-1").status_code == 200
    server.stop()


def test_a_database_that_only_reads_is_503_and_comes_back(cluster, tmp_path) -> None:
    cluster.start()
    server = Server(tmp_path, {"DATABASE_URL": cluster.url})
    load = prepared(server, Receiver(url="http://127.0.0.1:9/"))
    server.start()
    for on, status in (("on", 503), ("off", 200)):
        change = f"ALTER SYSTEM SET default_transaction_read_only = {on}"
        cluster.run(
            "psql", cluster.url + "?options=-cdefault_transaction_read_only%3Doff", "-c", change
        )
        cluster.run("pg_ctl", "-D", str(cluster.folder), "reload")
        until(lambda status=status: load.post("c-1").status_code == status, f"a {status}", 20)
    server.stop()


def answers(server: Server) -> bool:
    try:
        return requests.get(f"{server.url}/readyz", timeout=10).status_code == 503
    except requests.RequestException:
        return False


def stored(url: str, *which: ColumnElement[bool]) -> int:
    sessions = open_database(url)
    with sessions.read() as session:
        found = session.scalar(select(func.count()).select_from(Comment).where(*which))
    sessions.engine.dispose()
    return found or 0


def test_a_locked_file_is_waited_for_and_then_503(tmp_path) -> None:
    server = Server(tmp_path)
    load = prepared(server, Receiver(url="http://127.0.0.1:9/"))
    server.start()
    other = sqlite3.connect(tmp_path / "copydesk.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    assert load.post("c-1").status_code == 503
    assert 5 < time.monotonic() - began < 25
    other.execute("ROLLBACK")
    assert load.post("c-1").status_code == 200
    server.stop()


def test_a_full_disk_is_503_and_nothing_is_half_stored(tmp_path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk)], check=True)
    try:
        url = f"sqlite:///{disk / 'copydesk.db'}"
        server = Server(tmp_path, {"DATABASE_URL": url})
        load = prepared(server, Receiver(url="http://127.0.0.1:9/"))
        server.start()
        (disk / "ballast").write_bytes(b"x" * (shutil.disk_usage(disk).free - 200_000))
        statuses = [load.post(f"c-{number}", words=2000).status_code for number in range(30)]
        assert set(statuses) == {200, 503}, statuses
        assert stored(url) == statuses.count(200)
        (disk / "ballast").unlink()
        until(lambda: load.post("c-after").status_code == 200, "room to be used again", 20)
        assert load.post("c-late", deadline_ms=0).status_code == 202
        until(lambda: not stored(url, Comment.status == "pending"), "the worker to go on", 20)
        assert server.flask("db", "check").strip() == "sound"
        server.stop()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


SKEWED = """
import sys, threading
from datetime import timedelta
from config import Settings
settings = Settings.from_env()
from dataclasses import replace
from moderation.app import create_app
from moderation.checks.check import warm_up
from moderation.flows.runtime import utc_now
from moderation.worker import Worker
wrong = timedelta(minutes=int(sys.argv[1]))
rt = replace(create_app(settings).extensions["moderation"], now=lambda: utc_now() + wrong)
warm_up(rt.checks, rt.pool)
Worker(rt).start()
print("running", flush=True)
threading.Event().wait()
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_workers_whose_clocks_disagree_decide_once(kind, tmp_path, request) -> None:
    environ = {"EMBEDDED_WORKER": "0"}
    if kind == "postgresql":
        environ["DATABASE_URL"] = request.getfixturevalue("postgresql_url")
    server = Server(tmp_path, environ)
    # Nobody is told: a receiver rightly refuses what was signed ten minutes ago or ahead.
    load = prepared(server, Receiver())
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", SKEWED, minutes],
            env=server.settings(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for minutes in ("-10", "0", "10")
    ]
    for worker in workers:
        assert worker.stdout and worker.stdout.readline() == b"running\n"
    server.start()
    for number in range(60):
        assert load.post(f"c-{number}", deadline_ms=0).status_code == 202
        load.accepted[f"c-{number}"] = 202
    url = environ.get("DATABASE_URL", f"sqlite:///{tmp_path / 'copydesk.db'}")
    until(lambda: all_settled(url), "every duty to be done", 60)
    report(url, set(load.accepted), Receiver())
    for worker in workers:
        worker.kill()
    server.stop()
