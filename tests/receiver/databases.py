"""Each way to have a transaction, with a table `effect` that handlers write to."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import psycopg
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import sessionmaker

from hookline.receiver import AsyncTransactions, ReceivedEvent, SqliteTransactions, Transactions
from hookline.receiver.transactions.asyncpg import AsyncpgTransactions
from hookline.receiver.transactions.django import DjangoTransactions
from hookline.receiver.transactions.psycopg import PsycopgTransactions
from hookline.receiver.transactions.sqlalchemy import AsyncSqlAlchemyTransactions, SqlAlchemyTransactions

TABLE = "CREATE TABLE effect (id text)"
INSERT = "INSERT INTO effect (id) VALUES (:id)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """`write` has the effect of an event in a transaction; `commit` ends the transaction, as no handler should.

    `run` has the database do a statement.
    """

    transactions: Transactions[Any] | AsyncTransactions[Any]
    write: Callable[[Any, str], Any]
    commit: Callable[[Any], Any] | None
    run: Callable[[Any, str], Any]
    effects: Callable[[str], int]

    @property
    def asynchronous(self) -> bool:
        return isinstance(self.transactions, AsyncTransactions)

    def handler(self, behind: Callable[[], None] = lambda: None) -> Callable[..., Any]:
        """A handler that has the effect, and then does what is `behind` it."""

        def handle(event: ReceivedEvent, transaction: Any) -> None:
            self.write(transaction, event.id)
            behind()

        async def handle_async(event: ReceivedEvent, transaction: Any) -> None:
            await self.write(transaction, event.id)
            behind()

        return handle_async if self.asynchronous else handle


Opener = Callable[[Path, Callable[[], str]], Any]


def counted(connect: Callable[[], Any], mark: str) -> Callable[[str], int]:
    def effects(event_id: str) -> int:
        connection = connect()
        try:
            return int(connection.execute(f"SELECT count(*) FROM effect WHERE id = {mark}", (event_id,)).fetchone()[0])
        finally:
            connection.close()

    return effects


def sqlite_effects(path: Path) -> Callable[[str], int]:
    import sqlite3

    connection = sqlite3.connect(path)
    connection.execute(TABLE)
    connection.commit()
    connection.close()
    return counted(lambda: sqlite3.connect(path), "?")


def postgres_effects(uri: str) -> Callable[[str], int]:
    with psycopg.connect(uri) as connection:
        connection.execute(TABLE)
    return counted(lambda: psycopg.connect(uri), "%s")


def driver(uri: str, name: str) -> str:
    """As SQLAlchemy writes it; asyncpg does not know libpq's options there."""
    return uri.replace("postgresql:", f"postgresql+{name}:").partition("?")[0]


def _write_sqlite(connection: Any, event_id: str) -> None:
    connection.execute("INSERT INTO effect (id) VALUES (?)", (event_id,))


def _write_psycopg(connection: Any, event_id: str) -> None:
    connection.execute("INSERT INTO effect (id) VALUES (%s)", (event_id,))


def _write_alchemy(opened: Any, event_id: str) -> None:
    opened.execute(text(INSERT), {"id": event_id})


async def _write_alchemy_async(opened: Any, event_id: str) -> None:
    await opened.execute(text(INSERT), {"id": event_id})


async def _write_asyncpg(connection: Any, event_id: str) -> None:
    await connection.execute("INSERT INTO effect (id) VALUES ($1)", event_id)


def _run(opened: Any, sql: str) -> None:
    opened.execute(sql)


async def _run_async(opened: Any, sql: str) -> None:
    await opened.execute(sql)


def _run_alchemy(opened: Any, sql: str) -> None:
    opened.execute(text(sql))


async def _run_alchemy_async(opened: Any, sql: str) -> None:
    await opened.execute(text(sql))


async def _commit_async(opened: Any) -> None:
    await opened.commit()


@asynccontextmanager
async def sqlite(path: Path, _: Callable[[], str]) -> AsyncIterator[Database]:
    made = SqliteTransactions(path / "a.db")
    yield Database(
        transactions=made, write=_write_sqlite, commit=lambda each: each.commit(), run=_run, effects=sqlite_effects(path / "a.db")
    )


def alchemy(url: str, effects: Callable[[str], int], session: bool) -> Database:
    engine = create_engine(url)
    source: Any = sessionmaker(engine) if session else engine
    return Database(
        transactions=SqlAlchemyTransactions(source),
        write=_write_alchemy,
        commit=lambda each: each.commit(),
        run=_run_alchemy,
        effects=effects,
    )


def alchemy_async(url: str, effects: Callable[[str], int], session: bool) -> tuple[Any, Database]:
    engine = create_async_engine(url, pool_size=40)
    source: Any = async_sessionmaker(engine) if session else engine
    made = AsyncSqlAlchemyTransactions(source)
    return engine, Database(
        transactions=made, write=_write_alchemy_async, commit=_commit_async, run=_run_alchemy_async, effects=effects
    )


def on_sqlite(session: bool) -> Opener:
    @asynccontextmanager
    async def opened(path: Path, _: Callable[[], str]) -> AsyncIterator[Database]:
        yield alchemy(f"sqlite:///{path / 'a.db'}", sqlite_effects(path / "a.db"), session)

    return opened


def on_postgres(session: bool) -> Opener:
    @asynccontextmanager
    async def opened(_: Path, postgres: Callable[[], str]) -> AsyncIterator[Database]:
        uri = postgres()
        yield alchemy(driver(uri, "psycopg"), postgres_effects(uri), session)

    return opened


def async_on_sqlite(session: bool) -> Opener:
    @asynccontextmanager
    async def opened(path: Path, _: Callable[[], str]) -> AsyncIterator[Database]:
        engine, made = alchemy_async(f"sqlite+aiosqlite:///{path / 'a.db'}", sqlite_effects(path / "a.db"), session)
        yield made
        await engine.dispose()

    return opened


def async_on_postgres(session: bool) -> Opener:
    @asynccontextmanager
    async def opened(_: Path, postgres: Callable[[], str]) -> AsyncIterator[Database]:
        uri = postgres()
        engine, made = alchemy_async(driver(uri, "asyncpg"), postgres_effects(uri), session)
        yield made
        await engine.dispose()

    return opened


@asynccontextmanager
async def with_psycopg(_: Path, postgres: Callable[[], str]) -> AsyncIterator[Database]:
    uri = postgres()
    made = PsycopgTransactions(lambda: psycopg.connect(uri))
    yield Database(
        transactions=made, write=_write_psycopg, commit=lambda each: each.commit(), run=_run, effects=postgres_effects(uri)
    )


@asynccontextmanager
async def with_asyncpg(_: Path, postgres: Callable[[], str]) -> AsyncIterator[Database]:
    uri = postgres()
    async with asyncpg.create_pool(uri, min_size=0, max_size=40) as pool:
        yield Database(
            transactions=AsyncpgTransactions(pool), write=_write_asyncpg, commit=None, run=_run_async, effects=postgres_effects(uri)
        )


def _write_django(connection: Any, event_id: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO effect (id) VALUES (%s)", [event_id])


def _run_django(connection: Any, sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


@asynccontextmanager
async def with_django(_: Path, __: Callable[[], str]) -> AsyncIterator[Database]:
    import asyncio

    from receiver import django_site

    await asyncio.to_thread(django_site.setup)

    def effects(event_id: str) -> int:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as threads:  # Django refuses to wait for a database on an event loop
            return threads.submit(django_site.effects, event_id).result()

    yield Database(
        transactions=django_site.TRANSACTIONS,
        write=_write_django,
        commit=lambda each: each.commit(),
        run=_run_django,
        effects=effects,
    )


@asynccontextmanager
async def with_django_on_postgres(_: Path, postgres: Callable[[], str]) -> AsyncIterator[Database]:
    from receiver import django_site

    uri = postgres()
    yield Database(
        transactions=DjangoTransactions(django_site.on_postgres(psycopg.conninfo.conninfo_to_dict(uri))),
        write=_write_django,
        commit=lambda each: each.commit(),
        run=_run_django,
        effects=postgres_effects(uri),
    )


async def setup(database: Database) -> None:
    made: Transactions[Any] | AsyncTransactions[Any] = database.transactions
    if isinstance(made, AsyncTransactions):
        await made.setup()
    else:
        import asyncio

        await asyncio.to_thread(made.setup)


OPENERS: dict[str, Opener] = {
    "sqlite3": sqlite,
    "sqlalchemy-connection-sqlite": on_sqlite(session=False),
    "sqlalchemy-session-sqlite": on_sqlite(session=True),
    "sqlalchemy-async-connection-sqlite": async_on_sqlite(session=False),
    "sqlalchemy-session-postgres": on_postgres(session=True),
    "sqlalchemy-async-connection-postgres": async_on_postgres(session=False),
    "sqlalchemy-async-session-postgres": async_on_postgres(session=True),
    "psycopg": with_psycopg,
    "asyncpg": with_asyncpg,
    "django": with_django,
    "django-postgres": with_django_on_postgres,
}
