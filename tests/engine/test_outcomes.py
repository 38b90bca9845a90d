"""Outcomes: whatever happens in an attempt becomes one, and one that came too late harms nobody else."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from engine.virtual import OK, Reply, standing, virtual, world

from hookline.clock import SystemClock
from hookline.engine.lane import Lane, Memory
from hookline.engine.settle import Settler
from hookline.engine.strain import Strain
from hookline.engine.turns import Tenant
from hookline.errors import InvalidArgument
from hookline.model import DeliveryState, ErrorClass, RetryPolicy, Steps
from hookline.store.protocol import LaneKey, OwnedLane, Result, Settled, Settlement, Work


@pytest.mark.parametrize("fault", [InvalidArgument.of("id", "cannot be signed"), ValueError("as the test says")])
def test_an_event_that_cannot_be_signed_is_tried_and_exhausted_as_any_other(fault: Exception) -> None:
    class Refusing:
        def sign(self, *_: Any) -> Any:
            raise fault

    @virtual
    async def run() -> None:
        async with world(lambda _: OK) as w:
            subscription = await w.subscribe(retry=RetryPolicy(schedule=Steps(delays=(1.0,)), max_attempts=2))
            lane = (await w.client.engine()).dispatcher.lanes[LaneKey("acme", subscription.id)]
            lane.target = replace(lane.target, scheme=Refusing())  # type: ignore[arg-type]  # all that is asked of a scheme here
            await w.emit(1)
            await w.until_done(within=30.0)
            assert await w.states() == {DeliveryState.EXHAUSTED: 1}
            assert {attempt.error for attempt in await w.attempts()} == {ErrorClass.BODY}
            assert lane.in_flight == 0

    run()


@virtual
async def test_an_outcome_of_a_former_epoch_does_not_end_the_lane_that_is_held_now() -> None:
    key = LaneKey("acme", "s")
    target: Any = SimpleNamespace(active=True, subscription=standing(max_in_flight=8))
    event: Any = SimpleNamespace(data=b"{}", ordering_key="")
    settled: list[Lane] = []
    lost: list[Lane] = []

    class Queue:
        async def settle(self, _: int, __: Any) -> Settled:
            return Settled(frozenset({key}), frozenset())

    settler = Settler(
        Queue(),  # type: ignore[arg-type]  # all of a store that is asked here
        strain=Strain.of(SystemClock()),
        node=lambda: 2,
        settled=lambda lane, _: settled.append(lane),
        lost=lost.append,
        flushed=lambda: None,
    )
    former, held = (
        Lane(OwnedLane(key, epoch, ordered=False), target, Tenant("acme", 1), now=0, monotonic=0.0, window=9, memory=Memory(9))
        for epoch in (1, 2)
    )
    for lane, pos in ((held, 8), (former, 7)):
        work = Work("acme", "s", pos, None, f"d{pos}", f"e{pos}", event, 1, 0, 0, 0)
        settler.submit(lane, Settlement(work, lane.epoch, Result.DELIVERED, None, "", 0))
    await settler.drain()
    assert (lost, settled) == ([former], [held])


@virtual
async def test_what_was_under_way_in_a_lane_that_is_lost_takes_no_memory_any_more() -> None:
    async with world(lambda _: Reply(after=20.0)) as w:
        await w.subscribe(timeout=60.0)
        await w.emit(10)
        await w.live(1.0)
        memory = (await w.client.engine()).dispatcher.memory
        assert memory.held > 0
        w.nodes["a"].stall()
        await w.node("b")
        await w.live(15.0)
        w.nodes["a"].wake()
        await w.live(30.0)
        tenants = {lane.tenant for node in w.nodes.values() for lane in (await node.client.engine()).dispatcher.lanes.values()}
        assert memory.held == 0
        assert {tenant.held for tenant in tenants} <= {0}


@virtual
async def test_an_outcome_that_the_store_refuses_harms_no_other() -> None:
    target: Any = SimpleNamespace(active=True, subscription=standing(max_in_flight=8))
    event: Any = SimpleNamespace(data=b"{}", ordering_key="")
    settled: list[str] = []
    lost: list[str] = []

    class Queue:
        async def settle(self, _: int, batch: Any) -> Settled:
            if any(one.reason == "poison" for one in batch):
                raise ValueError("as the test says")
            return Settled(frozenset(), frozenset())

    settler = Settler(
        Queue(),  # type: ignore[arg-type]  # all of a store that is asked here
        strain=Strain.of(SystemClock()),
        node=lambda: 2,
        settled=lambda lane, _: settled.append(lane.key.lane),
        lost=lambda lane: lost.append(lane.key.lane),
        flushed=lambda: None,
    )
    for pos, name in enumerate("abc"):
        lane = Lane(
            OwnedLane(LaneKey("acme", name), 1, ordered=False),
            target,
            Tenant("acme", 1),
            now=0,
            monotonic=0.0,
            window=9,
            memory=Memory(9),
        )
        work = Work("acme", name, pos, None, f"d{pos}", f"e{pos}", event, 1, 0, 0, 0)
        settler.submit(lane, Settlement(work, 1, Result.DELIVERED, None, "poison" if name == "b" else "", 0))
    await settler.drain()
    assert (lost, settled, settler.load) == (["b"], ["a", "c"], 0)


@virtual
async def test_an_outcome_whose_commit_was_cancelled_before_it_began_goes_into_the_next_one() -> None:
    settled: list[str] = []

    class Queue:
        async def settle(self, _: int, __: Any) -> Settled:
            return Settled(frozenset(), frozenset())

    settler = Settler(
        Queue(),  # type: ignore[arg-type]  # all of a store that is asked here
        strain=Strain.of(SystemClock()),
        node=lambda: 2,
        settled=lambda _, settlement: settled.append(settlement.reason),
        lost=lambda _: None,
        flushed=lambda: None,
    )
    lane: Any = SimpleNamespace(owned=SimpleNamespace(ordered=False), key=LaneKey("acme", "s"), epoch=1, was_moved=lambda _: False)
    work: Any = SimpleNamespace(pos=1)
    settler.submit(lane, Settlement(work, 1, Result.DELIVERED, None, "first", 0))
    await settler.close()
    settler.submit(lane, Settlement(work, 1, Result.DELIVERED, None, "second", 0))
    await settler.drain()
    assert settled == ["first", "second"]
    assert settler.load == 0
