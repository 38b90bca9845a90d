"""What finds others' events goes on whatever the server says, and every node is heard."""

import asyncio
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from postgres.server import Server

from hookline.errors import Unavailable
from hookline.store.postgres import Address, PostgresStore, wake
from hookline.store.postgres.wake import CHANNEL, Wakes, channel
from hookline.store.protocol import LaneKey, Wake, WakeKind

NOBODY_CONNECTS: Any = None


def wakes(floor: float | None) -> Wakes:
    return Wakes(NOBODY_CONNECTS, Address.parse("postgresql://u@h/db"), floor)


async def test_the_poll_goes_on_after_a_fault_that_nobody_foresaw(monkeypatch: pytest.MonkeyPatch) -> None:
    faults: list[Exception] = [asyncpg.InternalServerError("as the test says"), Unavailable("away")]
    lane = LaneKey("acme", "s")

    async def look(_: Wakes) -> list[tuple[int, LaneKey]]:
        if faults:
            raise faults.pop()
        return [(1, lane)]

    monkeypatch.setattr(Wakes, "look", look)
    polled = wakes(0.0)
    heard: asyncio.Queue[Wake] = asyncio.Queue()
    polled.listen(1, heard.put_nowait)
    polling = asyncio.create_task(polled._poll(0.0))
    assert await asyncio.wait_for(heard.get(), 60) == Wake(WakeKind.LANES, (lane,))
    polling.cancel()


async def test_a_database_that_lets_nobody_in_for_a_while_is_away(store: PostgresStore, shared: Server, database: str) -> None:
    await store.revisions()
    ended = f"SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = '{database}'"
    shared.sql(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false", ended)
    for _ in range(3):  # connections that do not know yet that they have ended are used up first
        with pytest.raises(Unavailable):
            await store.revisions()
    with pytest.raises(Unavailable, match="lets nobody in"):
        await store.revisions()
    shared.sql(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
    assert await store.revisions() == {}


async def test_a_node_that_tunes_in_while_a_new_ear_is_made_is_heard_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    listens, go_on = asyncio.Event(), asyncio.Event()
    channels: list[str] = []

    async def add_listener(name: str, _: object) -> None:
        listens.set()
        await go_on.wait()
        channels.append(name)

    async def connect(_: Address) -> Any:
        return SimpleNamespace(add_listener=add_listener, is_closed=lambda: False, terminate=lambda: None)

    monkeypatch.setattr(wake, "connect", connect)
    made = wakes(None)
    made._channels[CHANNEL] = None
    made._tasks.append(asyncio.create_task(asyncio.sleep(0)))  # it has been listening
    attaching = asyncio.create_task(made._attach())
    await listens.wait()
    await made.tune(7)
    go_on.set()
    assert await attaching
    assert channels == [CHANNEL, channel(7)]
    await made.close()
