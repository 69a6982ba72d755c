"""`systemctl reload` after an update: no process is half the old version and half the new."""

import os
import shutil
import signal
import threading
from pathlib import Path

import pytest
import requests

from tests.receiver import until
from tests.server import ROOT, Server, children

LOADING_S = 8.0
OLD, NEW = "old", "a newer one"
VERSIONS = {OLD: 1, NEW: 2}
"""Version → how many web processes its configuration asks for."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the code, to be updated."""
    root = tmp_path / "code"
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("moderation", "migrations"):
        shutil.copytree(ROOT / folder, root / folder, ignore=ignored)
    for file in ("config.py", "wsgi.py"):
        shutil.copy(ROOT / file, root / file)
    return root


def install(root: Path, version: str, *, loading_s: float = 0) -> None:
    """Put a version in the place of another: each of its modules says which it is.

    loading_s  for which its processes sleep before they are ready
    """
    say = f"INSTALLED = {version!r}\n"
    added = {
        "config.py": say,
        "moderation/wire.py": say,
        "moderation/store/ledger.py": say,
        "moderation/worker.py": say + f"import time\ntime.sleep({loading_s})\n",
        "moderation/api/health.py": say + TELLING,
        "moderation/gunicorn_conf.py": f"workers = {VERSIONS[version]}\n",
    }
    for name, lines in added.items():
        # Of another length each time: Python takes a file of the same second and length for
        # the one that it has compiled.
        (root / name).write_text((ROOT / name).read_text() + "\n\n" + lines)


TELLING = """
@bp.after_request
def tell_versions(answer):
    import os
    import sys

    ours = (m for n, m in sys.modules.items() if n.split(".")[0] in ("config", "moderation"))
    versions = {vars(module)["INSTALLED"] for module in ours if "INSTALLED" in vars(module)}
    answer.headers["X-Versions"] = ", ".join(sorted(versions))
    answer.headers["X-Process"] = str(os.getpid())
    return answer
"""


class Readers:
    """Ask again and again, on a new connection each time."""

    def __init__(self, url: str) -> None:
        self.answers: list[tuple[str, str]] = []
        """Versions and process of each."""
        self.failed: list[str] = []
        self.slowest_s = 0.0
        self._url = url
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(2)]

    def __enter__(self) -> "Readers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)

    def _ask(self) -> None:
        while not self._over.wait(0.01):
            try:
                answer = requests.get(f"{self._url}/healthz", timeout=20)
                answer.raise_for_status()
            except requests.RequestException as error:
                self.failed.append(repr(error))
            else:
                self.slowest_s = max(self.slowest_s, answer.elapsed.total_seconds())
                self.answers.append((answer.headers["X-Versions"], answer.headers["X-Process"]))

    def processes(self, version: str) -> set[str]:
        return {process for versions, process in self.answers if versions == version}


def started(root: Path, tmp_path: Path) -> Server:
    """The service, from code that is installed."""
    server = Server(tmp_path, root=root)
    server.flask("db", "upgrade")
    server.start()
    return server


def test_after_an_update_and_a_reload_each_process_is_of_one_version(root, tmp_path) -> None:
    install(root, OLD)
    server = started(root, tmp_path)
    with Readers(server.url) as readers:
        until(lambda: len(readers.answers) > 20, "answers of the old version")
        install(root, NEW)
        os.kill(server.process.pid, signal.SIGHUP)  # as `systemctl reload` does
        until(lambda: NEW in readers.answers[-1][0], "an answer with something new in it", 60)
        before = len(readers.answers)
        until(lambda: len(readers.answers) > before + 100, "more answers")
        assert {versions for versions, _ in readers.answers} == {OLD, NEW}
        until(
            lambda: len(readers.processes(NEW)) == VERSIONS[NEW],
            "as many processes as the new configuration says",
        )
    assert server.stop() == 0
    assert readers.failed == []


def test_until_the_new_processes_are_ready_the_old_go_on(root, tmp_path) -> None:
    install(root, OLD)
    server = started(root, tmp_path)
    with Readers(server.url) as readers:
        until(lambda: len(readers.answers) > 20, "answers of the old version")
        install(root, NEW, loading_s=LOADING_S)
        os.kill(server.process.pid, signal.SIGHUP)
        until(lambda: NEW in readers.answers[-1][0], "an answer of the new version", 60)
        before = len(readers.answers)
        until(lambda: len(readers.answers) > before + 200, "more answers")
        [old_process] = readers.processes(OLD)
        until(lambda: not Path(f"/proc/{old_process}").exists(), "the old process to end", 40)
    assert server.stop() == 0
    assert readers.failed == []
    assert readers.slowest_s < LOADING_S / 2


def test_a_stop_in_the_middle_of_a_reload_is_heeded_by_the_old_at_once(root, tmp_path) -> None:
    install(root, OLD)
    server = started(root, tmp_path)
    [old_process] = children(server.process.pid)
    install(root, NEW, loading_s=60)
    os.kill(server.process.pid, signal.SIGHUP)
    everybody = 1 + VERSIONS[NEW]
    until(lambda: len(children(server.process.pid)) == everybody, "the new processes to begin")
    server.process.terminate()
    until(lambda: old_process not in children(server.process.pid), "the old process to end", 10)
    server.kill()


def test_a_new_process_that_is_killed_before_it_is_ready_is_replaced(root, tmp_path) -> None:
    install(root, OLD)
    server = started(root, tmp_path)
    old_ones = children(server.process.pid)
    install(root, NEW, loading_s=4)
    with Readers(server.url) as readers:
        os.kill(server.process.pid, signal.SIGHUP)
        everybody = 1 + VERSIONS[NEW]
        until(lambda: len(children(server.process.pid)) == everybody, "the new processes to begin")
        os.kill(min(children(server.process.pid) - old_ones), signal.SIGKILL)
        until(
            lambda: len(readers.processes(NEW)) == VERSIONS[NEW],
            "as many new processes as there shall be",
            30,
        )
    assert server.stop() == 0
    assert readers.failed == []


def test_a_master_of_a_version_that_did_not_hand_over_reloads(root, tmp_path) -> None:
    install(root, OLD)
    conf = root / "moderation" / "gunicorn_conf.py"
    conf.write_text(conf.read_text() + BEFORE)
    server = started(root, tmp_path)
    with Readers(server.url) as readers:
        until(lambda: len(readers.answers) > 20, "answers of the old version")
        install(root, NEW)
        os.kill(server.process.pid, signal.SIGHUP)
        until(lambda: len(readers.processes(NEW)) == VERSIONS[NEW], "all the new processes", 60)
    assert server.stop() == 0
    assert readers.failed == []


BEFORE = """
worker_class = "gthread"


def on_starting(server):
    _let_go()


def on_reload(server):
    _let_go()


def post_fork(server, worker):
    pass


def post_worker_init(worker):
    from moderation.checks.check import warm_up

    runtime = worker.app.callable.extensions["moderation"]
    warm_up(runtime.checks, runtime.pool)


def child_exit(server, worker):
    pass


def worker_exit(server, worker):
    pass
"""
