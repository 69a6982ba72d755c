"""What the faults are done to."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server import free_port


class Cluster:
    """A PostgreSQL server of our own, which may be stopped at any moment."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self.programs, self.port = folder / "data", programs, free_port()
        shutil.chown(folder, "postgres")
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self.run("initdb", "-D", str(self.folder), "-A", "trust", "-U", "postgres")
        own = f"port={self.port}\nunix_socket_directories=''\nlisten_addresses='*'\n"
        with (self.folder / "postgresql.conf").open("a") as settings:
            settings.write(own)
        with (self.folder / "pg_hba.conf").open("a") as doors:
            doors.write("host all all samenet trust\n")  # the hosts that a test makes

    def run(self, program: str, *words: str) -> None:
        command = [str(self.programs / program), *words]
        as_owner = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(
            as_owner, check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def start(self) -> None:
        self.run("pg_ctl", "-D", str(self.folder), "-w", "-l", f"{self.folder}.log", "start")

    def stop(self, mode: str = "immediate") -> None:
        self.run("pg_ctl", "-D", str(self.folder), "-m", mode, "stop")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Made outside the tests' folder, which the server's own user may not enter."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs or os.geteuid() != 0:
        pytest.skip("needs PostgreSQL's programs, and root to run them as their user")
    folder = Path("/tmp") / f"copydesk-cluster-{os.getpid()}"
    folder.mkdir(mode=0o700)
    found = Cluster(folder, programs[-1])
    yield found
    if (found.folder / "postmaster.pid").exists():
        found.stop()
    shutil.rmtree(folder)
