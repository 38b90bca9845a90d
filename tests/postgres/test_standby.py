"""A read replica cannot be used, and who names it is told so; named beside its primary it does no harm."""

import asyncio
import contextlib
from collections.abc import Iterator

import pytest
from postgres.server import Server
from postgres.standby import Standby, replicating_programs

from hookline.errors import StoreError
from hookline.store import open_store


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Server, Standby]]:
    with contextlib.ExitStack() as stack:
        primary = Server(replicating_programs(), wal_level="replica", max_wal_senders="4")
        stack.callback(primary.remove)
        primary.start()
        standby = Standby(primary)
        stack.callback(standby.remove)
        standby.start()
        yield primary, standby


@pytest.fixture
async def database(pair: tuple[Server, Standby]) -> str:
    """A database that both have."""
    primary, standby = pair
    name = primary.database()
    async with asyncio.timeout(60):
        while not standby.sql(f"SELECT FROM pg_database WHERE datname = '{name}'"):  # noqa: ASYNC110  # it follows by itself
            await asyncio.sleep(0.02)
    return name


async def test_a_read_replica_is_refused_and_the_primary_asked_for(pair: tuple[Server, Standby], database: str) -> None:
    _, standby = pair
    with pytest.raises(StoreError, match="is a read replica: name the primary") as raised:
        await open_store(standby.url(database)).open()
    assert "\n" not in raised.value.message


async def test_of_a_replica_and_its_primary_the_primary_is_found(pair: tuple[Server, Standby], database: str) -> None:
    primary, standby = pair
    hosts = f"127.0.0.1:{standby.port},127.0.0.1:{primary.port}"
    store = open_store(f"postgresql://postgres@{hosts}/{database}?sslmode=disable&target_session_attrs=read-write")
    await store.open()
    await store.close()
