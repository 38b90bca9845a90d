"""What the tests of the PostgreSQL store share."""

from collections.abc import AsyncIterator

import pytest
from postgres.server import SYSTEM, WHEEL, Server, server

from hookline.clock import SystemClock
from hookline.store.postgres import Address, PostgresStore

ON_BOTH = ("test_opening", "test_late_commits", "test_upgrade")
"""Modules that are run on the wheel's server and on the system's own, which may be years older."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test of some modules once for each server."""
    if "shared" in metafunc.fixturenames and metafunc.module.__name__.rpartition(".")[2] in ON_BOTH:
        metafunc.parametrize("shared", [WHEEL, SYSTEM], indirect=True)


@pytest.fixture
def shared(request: pytest.FixtureRequest) -> Server:
    """The server of this process's tests: the wheel's, or in the modules `ON_BOTH` the system's own as well."""
    return server(getattr(request, "param", WHEEL))


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
