"""Opening and migrating a database file."""

import os
import sqlite3
from pathlib import Path
from typing import Final

from hookline.errors import StoreError
from hookline.store.sqlite.statements import migrations

APPLICATION_ID: Final = 0x686F6F6B
"""Marks the file as ours (`hook`), in its header."""

MIGRATIONS: Final = migrations()
VERSION: Final = max(MIGRATIONS)
BUSY: Final = 10_000
"""Milliseconds to wait for a lock that a foreign program holds on the file."""

_SETTINGS: Final = (
    f"PRAGMA busy_timeout = {BUSY}",
    "PRAGMA foreign_keys = OFF",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -16384",  # 16 MiB
)
_FILE_SETTINGS: Final = (
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 4000",  # pages; 16 MB
    "PRAGMA journal_size_limit = 67108864",
)


def connect(path: Path | None, *, reading: bool = False) -> sqlite3.Connection:
    """A connection to a file, or to a private database in memory."""
    connection = sqlite3.connect(
        ":memory:" if path is None else path,
        timeout=BUSY / 1000,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    try:
        for setting in _SETTINGS if path is None else (*_SETTINGS, *_FILE_SETTINGS):
            connection.execute(setting)
        if reading:
            connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def make_place(path: Path) -> None:
    """Make the directory (0700) and the file (0600) if they are missing: what stands in it is not for everybody."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def prepare(connection: sqlite3.Connection, name: str, *, in_file: bool) -> None:
    """Check that the database is ours, and bring it to this version; the caller holds the write lock.

    Raises StoreError: another program's database, or one of a future version. Raises sqlite3.Error.
    """
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and application != APPLICATION_ID:
        raise StoreError(f"{name} is a database of another program (application id {application:#x}): name another file")
    if version > VERSION:
        raise StoreError(
            f"{name} was written by a newer hookline (schema {version}; this one knows up to {VERSION}): "
            "upgrade hookline, or restore a backup from before the upgrade"
        )
    if in_file and connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise StoreError(f"{name} cannot use a write-ahead log (journal mode {mode}): put it on a local disk")
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Written even if they stand there: a file that cannot be written shows it now, not at the first event.
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        for number, script in MIGRATIONS.items():
            if number > version:
                for statement in _statements(script):
                    connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _statements(script: str) -> list[str]:
    """A script's statements; `executescript` would commit between them."""
    found: list[str] = []
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    return found
