"""Several processes on one database share the lanes out, whoever comes, goes or dies, and within the documented bound."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from client.policies import QUICK
from client.receiver import Receiver
from postgres.server import Server

import hookline
from hookline import EngineConfig, SubscriptionSpec
from hookline.engine import Engine
from hookline.engine.node import BEATS_A_TTL
from hookline.store.protocol import NodeRow, OwnedLane

CONFIG = EngineConfig(allow_http_loopback=True, grace=0.2, lease_ttl=2.0, floor_poll=0.2)
BEATS_TO_TAKEOVER = BEATS_A_TTL + 2
"""One until its last beat is seen, a lease until it has stood still, and one more as beats are not exactly a quarter apart."""


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.start()
    yield made
    await made.stop()


async def until(what: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while True:
            found = what()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.02)


def held(engines: Sequence[Engine], of: str = "") -> list[int]:
    """How many lanes each has, of subscriptions with this in their URL."""
    return [sum(of in lane.target.subscription.url for lane in engine.dispatcher.lanes.values()) for engine in engines]


@pytest.mark.slow
async def test_lanes_are_spread_by_work_and_by_number_over_nodes_that_come_and_go(
    shared: Server, database: str, receiver: Receiver
) -> None:
    url = shared.url(database)
    clients = [hookline.open(url, config=CONFIG) for _ in range(3)]
    first, second, third = clients
    await first.start()
    for path in ("/busy/1", "/busy/2", *(f"/idle/{number}" for number in range(4))):
        await first.subscriptions.create(SubscriptionSpec(url=receiver.url(path), event_types=(path.split("/")[1],), retry=QUICK))
    quiet = asyncio.Event()

    async def flow() -> int:
        number = 0
        while not quiet.is_set():
            number += len(await first.emit_many([hookline.EventSpec(type="busy", data=b"1") for _ in range(5)]))
            await asyncio.sleep(0.1)
        return number

    flowing = asyncio.create_task(flow())
    engines = [await first.engine()]
    await until(lambda: held(engines) == [6])
    await second.start()
    engines.append(await second.engine())
    await until(lambda: held(engines, "/busy/") == [1, 1] and held(engines) == [3, 3])
    await third.start()
    engines.append(await third.engine())
    await until(lambda: held(engines) == [2, 2, 2] and max(held(engines, "/busy/")) == 1)
    await second.close()
    del engines[1]
    await until(lambda: held(engines) == [3, 3] and held(engines, "/busy/") == [1, 1])
    quiet.set()
    number = await flowing

    async def all_there() -> bool:
        return (await first.deliveries.stats()).pending == 0

    await until(all_there)
    taken = Counter((one.path, one.webhook_id) for one in receiver.received)
    assert len(taken) == 2 * number
    await third.close()
    await first.close()


@pytest.mark.slow
async def test_a_dead_nodes_lanes_are_taken_over_within_the_documented_number_of_the_survivors_beats(
    shared: Server, database: str, receiver: Receiver
) -> None:
    url = shared.url(database)
    first, second = hookline.open(url, config=CONFIG), hookline.open(url, config=CONFIG)
    await first.start()
    made = await first.subscriptions.create(SubscriptionSpec(url=receiver.url("/"), retry=QUICK))
    await second.start()
    dying, surviving = await first.engine(), await second.engine()
    store = surviving.node._store
    beat, beats = store.beat, 0
    sweep, taken = store.sweep, []

    async def counted(node: int, load: int) -> Sequence[NodeRow]:
        nonlocal beats
        beats += 1
        return await beat(node, load)

    async def swept(node: int, limit: int) -> Sequence[OwnedLane]:
        found = await sweep(node, limit)
        if found:
            taken.append((beats, dying.node.holds_lease))
        return found

    for task in dying._tasks:  # as if it had been killed: it neither beats nor leaves
        task.cancel()
    store.beat, store.sweep = counted, swept  # type: ignore[method-assign]  # count
    await second.emit_event(hookline.EventSpec(type="a.b", data=b"{}"))
    await receiver.wait(1, "/")
    ((within, too_early),) = taken
    assert [lane.target.subscription.id for lane in surviving.dispatcher.lanes.values()] == [made.id]
    assert not too_early
    assert within <= BEATS_TO_TAKEOVER + 1  # and one, that may be due before it looks
    await second.close()
    await first.close()
