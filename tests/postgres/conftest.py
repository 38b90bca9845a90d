"""What the tests of the PostgreSQL store share."""

from collections.abc import AsyncIterator

import pytest
from postgres.server import Server, server

from hookline.clock import SystemClock
from hookline.store.postgres import Address, PostgresStore


@pytest.fixture
def shared() -> Server:
    """The server of this process's tests."""
    return server()


@pytest.fixture
def database(shared: Server) -> str:
    """A new database with the schema in it."""
    return shared.database()


@pytest.fixture
async def store(shared: Server, database: str) -> AsyncIterator[PostgresStore]:
    """A store that nobody polls for."""
    made = PostgresStore(Address.parse(shared.url(database)), SystemClock(), floor=None)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def other(shared: Server, database: str) -> AsyncIterator[PostgresStore]:
    """Another process's store on the same database."""
    made = PostgresStore(Address.parse(shared.url(database)), SystemClock(), floor=None)
    await made.open()
    yield made
    await made.close()
