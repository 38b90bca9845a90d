"""Bringing a database to this version; or printing how a DBA would."""

import asyncio
import contextlib
import logging
import re
from typing import Final

import asyncpg

from hookline.errors import StoreError
from hookline.store.postgres import faults
from hookline.store.postgres.address import Address
from hookline.store.postgres.pool import TIMEOUT, Connection, connect
from hookline.store.postgres.statements import load, migrations

LOGGER: Final = logging.getLogger(__name__)
MIGRATIONS: Final = migrations()
VERSION: Final = max(MIGRATIONS)
BREAKS: Final[tuple[int, ...]] = ()
"""Versions of the schema on which code made for a former one does not work; on all others older replicas run on."""
OLDEST_SERVER: Final = 140000
LOCK: Final = 0x686F6F6B6C696E65
"""Of the advisory lock under which one migrates at a time (`hookline` in ASCII)."""
MIGRATION_TIMEOUT: Final = 3_600.0
"""Seconds."""
LOCK_TIMEOUT: Final = "SET LOCAL lock_timeout = '2s'"
"""A change of a table that waits behind somebody's long transaction holds up all who come later: it gives way, and tries again."""
PAUSE: Final = 1.0
"""Seconds between two tries."""

_SQL: Final = load("core")
_TABLE: Final = """\
CREATE SCHEMA IF NOT EXISTS hookline;
CREATE TABLE IF NOT EXISTS hookline.migration (
  version int PRIMARY KEY, serves int NOT NULL, at timestamptz NOT NULL DEFAULT now()
);
"""
_FOLLOWS: Final = """\
DO $$ BEGIN
  IF (SELECT coalesce(max(version), 0) FROM hookline.migration) <> {former} THEN
    RAISE 'hookline: this makes schema {number} of schema {former}, and here is schema %',
      (SELECT coalesce(max(version), 0) FROM hookline.migration);
  END IF;
END $$;
"""
"""Whoever runs what is printed may go on after an error, as psql does by itself: then nothing is made of what is not there."""
_MADE: Final = re.compile(r"^CREATE TABLE hookline\.(\w+)", re.MULTILINE)
TABLES: Final = tuple(sorted({name for script in MIGRATIONS.values() for name in _MADE.findall(script)}))
"""That stand in a database of this version."""


def serves(number: int) -> int:
    """The oldest version whose code works on schema `number`."""
    return max((version for version in BREAKS if version <= number), default=1)


def print_migrations(after: int = 0) -> str:
    """The migrations from version `after` on as plain SQL, each a transaction; empty if there is none."""
    scripts = [_script(number) for number in MIGRATIONS if number > after]
    return "\n".join(scripts)


def _script(number: int) -> str:
    return (
        f"-- hookline, schema {number}\nBEGIN;\nSELECT pg_advisory_xact_lock({LOCK});\n{LOCK_TIMEOUT};\n{_TABLE}\n"
        f"{_FOLLOWS.format(number=number, former=number - 1)}\n"
        f"{MIGRATIONS[number].strip()}\n\n"
        f"INSERT INTO hookline.migration (version, serves) VALUES ({number}, {serves(number)});\nCOMMIT;\n"
    )


async def version_of(address: Address) -> int:
    """The version of a database's schema, 0 if there is none. Raises StoreError."""
    try:
        connection = await connect(address)
        try:
            await check_server(connection, address)
            return (await standing(connection))[0]
        finally:
            with contextlib.suppress(*faults.AWAY):
                await connection.close(timeout=1.0)
    except faults.OPENING as error:
        raise faults.at_opening(error, address) from error


async def migrate_at(address: Address) -> list[int]:
    """Bring a database to this version; which versions that took. Raises StoreError."""
    try:
        connection = await connect(address)
        try:
            return await migrate(connection, address)
        finally:
            with contextlib.suppress(*faults.AWAY):
                await connection.close(timeout=1.0)
    except faults.OPENING as error:
        raise faults.at_opening(error, address) from error


async def standing(connection: Connection) -> tuple[int, int]:
    """The schema's version (0: there is none), and the oldest code that works on it."""
    try:
        row = await connection.fetchrow("SELECT version, serves FROM hookline.migration ORDER BY version DESC LIMIT 1")
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return 0, 0
    return (row[0], row[1]) if row else (0, 0)


async def check_server(connection: Connection, address: Address) -> None:
    """Raise StoreError if the server is too old, or does not take writes."""
    server = await connection.fetchrow(_SQL["server"], timeout=TIMEOUT)
    if server["version"] < OLDEST_SERVER:
        raise StoreError(f"{address.shown} is PostgreSQL {server['version'] // 10000}: hookline needs 14 or newer")
    if server["standby"]:
        raise StoreError(
            f"{address.shown} is a read replica: name the primary (or add target_session_attrs=read-write and all hosts)"
        )
    if server["read_only"]:
        raise StoreError(
            f"{address.shown} is read only for {server['role']}: "
            f"let a superuser run `ALTER ROLE {server['role']} SET default_transaction_read_only = off`"
        )


async def migrate(connection: Connection, address: Address) -> list[int]:
    """Bring the database to this version; which versions that took. Raises StoreError."""
    await check_server(connection, address)
    version, oldest = await standing(connection)
    if version >= VERSION:
        if oldest > VERSION:
            raise StoreError(
                f"{address.shown} was migrated by a newer hookline (schema {version}, this one knows {VERSION}): upgrade hookline"
            )
        await _check_tables(connection, address, version)
        await _check_rights(connection, address)
        return []
    await _check_owner(connection, address, version)
    loop = asyncio.get_running_loop()
    end = loop.time() + MIGRATION_TIMEOUT
    while True:
        try:
            return await _migrate(connection)
        except asyncpg.LockNotAvailableError as error:
            if loop.time() >= end:
                raise
            LOGGER.warning("%s is not migrated yet, somebody holds a table (%s); it is tried again", address.shown, error)
            await asyncio.sleep(PAUSE)


async def _migrate(connection: Connection) -> list[int]:
    done: list[int] = []
    async with connection.transaction():
        await connection.execute(f"SELECT pg_advisory_xact_lock({LOCK})", timeout=MIGRATION_TIMEOUT)
        await connection.execute(LOCK_TIMEOUT)
        await connection.execute(_TABLE)
        version, _ = await standing(connection)  # another may have been faster
        for number, script in MIGRATIONS.items():
            if number > version:
                await connection.execute(script, timeout=MIGRATION_TIMEOUT)
                await connection.execute("INSERT INTO hookline.migration (version, serves) VALUES ($1, $2)", number, serves(number))
                done.append(number)
    return done


async def _check_owner(connection: Connection, address: Address, version: int) -> None:
    """Whether this role may make or change the schema; said before anything is tried."""
    database, role, creates, owns = await connection.fetchrow(
        "SELECT current_database(), current_user, has_database_privilege(current_database(), 'CREATE'), "
        "(SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = 'hookline')"
    )
    if owns or (owns is None and creates):
        return
    if owns is None:
        raise StoreError(
            f"{address.shown}: role {role} may not make the schema hookline: let the database's owner run "
            f'`GRANT CREATE ON DATABASE "{database}" TO "{role}"`, or run what `hookline migrate --print` prints'
        )
    raise StoreError(
        f"{address.shown}: the schema is at version {version}, this hookline needs {VERSION}, and role {role} does not own it: "
        "let the owner run `hookline migrate`, or what `hookline migrate --print` prints"
    )


async def _check_tables(connection: Connection, address: Address, version: int) -> None:
    missing = await connection.fetchval(
        "SELECT string_agg(name, ', ' ORDER BY name) FROM unnest($1::text[]) name WHERE NOT EXISTS "
        "(SELECT FROM pg_class c WHERE c.relnamespace = 'hookline'::regnamespace AND c.relname = name AND c.relkind IN ('r', 'p'))",
        TABLES,
    )
    if missing:
        raise StoreError(
            f"{address.shown} says that it has schema {version}, and the tables {missing} are not there: restore it; "
            "or, if it was never used, let the owner run `DROP SCHEMA hookline CASCADE`, and then `hookline migrate`"
        )


async def _check_rights(connection: Connection, address: Address) -> None:
    role, owner, missing = await connection.fetchrow(
        "SELECT current_user, (SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'hookline'), "
        "(SELECT string_agg(c.relname, ', ' ORDER BY c.relname) FROM pg_class c WHERE c.relnamespace = 'hookline'::regnamespace "
        "AND c.relkind IN ('r', 'p') AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT') "
        "AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')) AND c.relname <> 'migration')"
    )
    if missing:
        raise StoreError(
            f"{address.shown}: role {role} lacks rights on {missing}: let the owner run "
            f'`GRANT "{owner}" TO "{role}"` (rights on the tables alone do not let it make and drop the partitions of each day)'
        )
