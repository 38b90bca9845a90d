"""Closing: it ends, whatever goes on at the same time, and nothing goes on after it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from engine.virtual import Node, virtual, world

from hookline.errors import Closed
from hookline.model import EventSpec


@virtual
async def test_close_does_not_wait_for_a_stream_that_never_ends() -> None:
    async with world() as w:
        store = w.nodes["a"].store
        store.before = lambda: 0.01

        async def endless() -> AsyncIterator[EventSpec]:
            while True:
                await asyncio.sleep(0.001)
                yield EventSpec(type="a.b", data=b"1")

        outcomes: list[object] = []

        async def stream() -> None:
            async for _, outcome in w.client.emit_stream(endless()):
                outcomes.append(outcome)

        streaming = asyncio.create_task(stream())
        await w.live(1.0)
        async with asyncio.timeout(30.0):
            await w.client.close()
        await w.live(1.0)
        assert isinstance(outcomes[-1], Closed)
        streaming.cancel()
        await asyncio.wait([streaming])


@virtual
async def test_a_client_that_is_closed_while_it_opens_does_not_stay_open() -> None:
    async with world(start=False) as w:
        node = w.nodes["a"] = Node(w, "a", w.config, deliver=True)
        node.store.before = lambda: 0.5
        starting = asyncio.create_task(node.client.start())
        await asyncio.sleep(0.1)
        await node.client.close()
        await asyncio.wait([starting])
        assert node.client._engine is None
        with pytest.raises(Closed):
            await node.client.emit("a.b", 1)
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("hookline")]


@virtual
async def test_an_observer_that_fails_holds_up_no_delivery() -> None:
    async with world() as w:
        engine = await w.client.engine()
        node = w.nodes["a"]

        def fail(_: object) -> None:
            raise RuntimeError("as the test says")

        del engine
        await node.client.close()
        again = Node(w, "b", w.config, deliver=True)
        again.client._observer = fail
        w.nodes["b"] = again
        await again.run(again.client.start())
        w.nodes["a"] = again
        await w.subscribe()
        await w.emit(3)
        await w.until_done(within=20.0)
