"""A read replica of a test's server, made as an operator makes one: pg_basebackup -R."""

from pathlib import Path

import pytest
from postgres.server import Server, programs

SYSTEM = Path("/usr/lib/postgresql")


def replicating_programs() -> Path:
    """The programs of the system's newest server that can copy a server, else the wheel's; skips the test if none can."""
    found = sorted(SYSTEM.glob("*/bin/pg_basebackup"), key=lambda path: int(path.parent.parent.name))
    folder = found[-1].parent if found else programs()
    if not (folder / "pg_basebackup").is_file():
        pytest.skip("pg_basebackup is not installed (Debian: apt-get install postgresql)")
    return folder


class Standby(Server):
    """Follows `primary` until it is removed."""

    def __init__(self, primary: Server) -> None:
        self._primary = primary
        super().__init__(primary.programs, hot_standby="on")

    def _run(self, program: str, *args: str) -> None:
        if program == "initdb":
            source = f"host=127.0.0.1 port={self._primary.port} user=postgres"
            program, args = (
                "pg_basebackup",
                ("-d", source, "-D", str(self.data), "-R", "-X", "stream", "--checkpoint=fast", "--no-sync"),
            )
        super()._run(program, *args)
