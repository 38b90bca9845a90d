"""What a node reads, and when: nothing that is pending stays unread, and nothing is read into memory twice."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from engine.virtual import CONFIG, OK, Reply, VirtualClock, World, at, standing, virtual, webhook_ids, world

from hookline.engine.lane import Lane, Memory
from hookline.engine.ordered import OrderedLane
from hookline.engine.reader import Reader
from hookline.engine.turns import Tenant
from hookline.errors import Unavailable
from hookline.model import DeliveryState, Ordering, RetryPolicy, Steps
from hookline.store.protocol import ClaimAnswer, DueAnswer, LaneKey, OwnedLane, Result, Settlement, Wake, WakeKind, Work

QUICK = RetryPolicy(schedule=Steps(delays=(5.0,)), max_attempts=4, jitter=0.0)
HOURLY = RetryPolicy(schedule=Steps(delays=(3_600.0,)), max_attempts=4, jitter=0.0)


async def deafen(w: World, name: str) -> None:
    """From now on the node hears of everything only that there is something to look at."""
    node = (await w.nodes[name].client.engine()).node.id
    heard = w.store._listeners[node]
    w.store._listeners[node] = lambda _: heard(Wake(WakeKind.LOOK))


@virtual
async def test_a_cancel_that_fails_does_not_bring_a_delivery_into_memory_twice() -> None:
    async with world(lambda _: Reply(after=10.0)) as w:
        subscription = await w.subscribe(max_in_flight=1)
        await w.emit(2)
        await w.live(0.5)
        store = w.nodes["a"].store

        async def refuse(*_: Any, **__: Any) -> bool:
            await asyncio.sleep(0.5)
            raise Unavailable("the store is away, as the test says", retry_after=1.0)

        store.cancel = refuse  # type: ignore[attr-defined]  # in the place of a verb that __getattr__ finds
        second = (await w.deliveries())[1]
        cancelling = asyncio.create_task(w.client.deliveries.cancel(second.id))
        await w.live(0.1)
        (await w.client.engine()).dispatcher.look([LaneKey("acme", subscription.id)])
        with pytest.raises(Unavailable):
            await cancelling
        await w.until_done(within=60.0)
        assert set(webhook_ids(w.receiver.seen).values()) == {1}


@virtual
async def test_a_cancel_that_fails_does_not_bring_back_what_was_delivered_meanwhile() -> None:
    async with world(lambda _: Reply(after=1.0)) as w:
        subscription = await w.subscribe(max_in_flight=1)
        await w.emit(2)
        await w.live(0.5)
        store = w.nodes["a"].store

        async def refuse(*_: Any, **__: Any) -> bool:
            await asyncio.sleep(5.0)
            raise Unavailable("the store is away, as the test says", retry_after=1.0)

        store.cancel = refuse  # type: ignore[attr-defined]  # in the place of a verb that __getattr__ finds
        second = (await w.deliveries())[1]
        cancelling = asyncio.create_task(w.client.deliveries.cancel(second.id))
        await w.live(0.1)
        (await w.client.engine()).dispatcher.look([LaneKey("acme", subscription.id)])
        with pytest.raises(Unavailable):
            await cancelling
        await w.until_done(within=60.0)
        await w.live(5.0)
        assert set(webhook_ids(w.receiver.seen).values()) == {1}


@virtual
async def test_a_delivery_that_was_forgotten_for_a_cancel_that_failed_is_delivered() -> None:
    async with world(lambda _: Reply(after=1.0)) as w:
        await w.subscribe(max_in_flight=1)
        await w.emit(2)
        await w.live(0.5)
        w.nodes["a"].store.refuses = lambda verb: verb == "cancel"
        with pytest.raises(Unavailable):
            await w.client.deliveries.cancel((await w.deliveries())[1].id)
        await w.until_done(within=10.0)
        assert await w.states() == {DeliveryState.DELIVERED: 2}


@virtual
async def test_a_key_goes_on_although_the_cancel_of_its_head_elsewhere_was_not_heard_of() -> None:
    async with world(lambda seen: Reply(status=500) if b'"data":"sick"' in seen.body else OK) as w:
        other = await w.node("b", deliver=False)
        await w.subscribe(ordering=Ordering.BY_KEY, retry=HOURLY)
        await w.client.emit("a.b", "sick", ordering_key="k")
        await w.live(1.0)
        await w.emit(3, ordering_key="k")
        await w.live(1.0)
        await deafen(w, "a")
        head = (await w.deliveries())[0]
        await other.run(other.client.deliveries.cancel(head.id))
        await w.until_done(within=60.0)
        assert await w.states() == {DeliveryState.CANCELLED: 1, DeliveryState.DELIVERED: 3}


@virtual
async def test_a_key_goes_on_although_its_owner_took_the_lane_when_the_head_waited_already() -> None:
    async with world(lambda seen: Reply(status=500) if b'"data":"sick"' in seen.body else OK) as w:
        other = await w.node("b", deliver=False)
        subscription = await w.subscribe(ordering=Ordering.BY_KEY, retry=HOURLY)
        await w.client.emit("a.b", "sick", ordering_key="k")
        await w.live(1.0)
        await w.emit(3, ordering_key="k")
        dispatcher = (await w.client.engine()).dispatcher
        dispatcher.reread(LaneKey("acme", subscription.id))
        await w.live(1.0)
        await deafen(w, "a")
        w.store._listeners.clear()
        head = (await w.deliveries())[0]
        await other.run(other.client.deliveries.cancel(head.id))
        await w.emit(1, ordering_key="l")  # reads on, and finds nothing that waits
        await w.live(1.0)
        dispatcher.look_at_all()
        await w.until_done(within=60.0)
        assert await w.states() == {DeliveryState.CANCELLED: 1, DeliveryState.DELIVERED: 4}


@virtual
async def test_a_retry_by_hand_during_an_attempt_is_not_forgotten_when_the_clock_was_set_back() -> None:
    async with world(lambda seen: Reply(status=503) if seen.nth == 1 else Reply(after=10.0)) as w:
        other = await w.node("b", deliver=False)
        other.clock.stopped_at = 1.0
        await w.subscribe(retry=QUICK)
        await w.emit(1)
        await w.until(lambda: len(w.receiver.seen) == 2, within=20.0)
        await w.live(1.0)
        await other.run(other.client.deliveries.retry((await w.deliveries())[0].id))
        await w.until_done(within=60.0)
        assert await w.states() == {DeliveryState.DELIVERED: 1}


@virtual
async def test_a_retry_by_hand_ends_the_wait_for_the_events_time() -> None:
    async with world() as w:
        await w.subscribe()
        await w.emit(1, not_before_time=at(3_600.0))
        await w.live(5.0)
        assert not w.receiver.seen
        delivery = (await w.deliveries())[0]
        await w.client.deliveries.retry(delivery.id)
        await w.until_done(within=10.0)
        assert await w.states() == {DeliveryState.DELIVERED: 1}


def owned(ordered: bool = False) -> OwnedLane:
    return OwnedLane(LaneKey("acme", "s"), 1, ordered)


def target() -> Any:
    return SimpleNamespace(active=True, subscription=standing(max_in_flight=8))


def work(pos: int, key: str = "") -> Work:
    event: Any = SimpleNamespace(data=b"{}", ordering_key=key)
    return Work("acme", "s", pos, None, f"d{pos}", f"e{pos}", event, 1, 0, 0, 0)


class Queue:
    """The part of a store that a reader asks."""

    def __init__(self) -> None:
        self.works: dict[str, list[Work]] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.faults = 0

    async def claim(self, requests: Any) -> list[ClaimAnswer]:
        if self.faults:
            self.faults -= 1
            raise ValueError("as the test says")
        return [ClaimAnswer([work(1)], 1, False) for _ in requests]

    async def due(self, requests: Any) -> list[DueAnswer]:
        return [DueAnswer((), None, False) for _ in requests]

    async def probe(self, _: LaneKey, key: str, __: int) -> list[Work]:
        await self.gate.wait()
        return self.works[key]


@virtual
async def test_what_waits_on_disk_is_not_read_again_and_again_until_its_outcome_is_answered() -> None:
    config = replace(CONFIG, lane_window=64, node_concurrency=64)
    async with world(lambda seen: Reply(status=500 if seen.nth == 1 else 200, after=0.01), config=config) as w:
        policy = RetryPolicy(schedule=Steps(delays=(0.5,)), max_attempts=10, jitter=0.0)
        subscription = await w.subscribe(retry=policy, max_in_flight=64)
        store = w.nodes["a"].store
        reads = 0

        async def due(requests: Any) -> Any:
            nonlocal reads
            reads += 1
            await asyncio.sleep(0.002)
            return await store.inner.due(requests)

        store.due = due  # type: ignore[attr-defined]  # instead of the one behind it
        store.slow["settle"] = (0.0, 3.0)  # written at once, answered three seconds later
        await w.emit(60)
        await w.live(0.6)
        (await w.client.engine()).dispatcher.look([LaneKey("acme", subscription.id)])
        await w.live(2.2)
        assert reads < 20
        store.slow.clear()
        await w.until_done(within=60.0)


@virtual
async def test_a_lane_that_is_narrowed_while_it_is_read_passes_over_nothing() -> None:
    lane = Lane(owned(ordered=False), target(), Tenant("acme", 1), now=0, monotonic=0.0, window=100, memory=Memory(1 << 20))
    rooms: list[int] = []

    class Narrowing(Queue):
        async def due(self, requests: Any) -> list[DueAnswer]:
            lane.window = 0
            return await super().due(requests)

        async def claim(self, requests: Any) -> list[ClaimAnswer]:
            rooms.extend(request.room for request in requests)
            return await super().claim(requests)

    reader = Reader(Narrowing(), VirtualClock(), lambda _: None)  # type: ignore[arg-type]  # all of a store that is asked here
    await reader._read([lane])
    assert min(rooms) >= 1
    assert (lane.cursor, lane.behind) == (None, True)
    lane.window = 100
    await reader._read([lane])
    assert [work.pos for work in lane.ready] == [1]


@virtual
async def test_a_lane_that_is_to_be_handed_over_takes_nothing_more_from_a_probe() -> None:
    queue = Queue()
    reader = Reader(queue, VirtualClock(), lambda _: None)  # type: ignore[arg-type]  # all of a store that is asked here
    lane = OrderedLane(owned(ordered=True), target(), Tenant("acme", 1), now=0, monotonic=0.0, window=100, memory=Memory(1 << 20))
    first, second = work(1, "k"), work(2, "l")
    queue.works = {"k": [work(3, "k")], "l": [work(4, "l")]}
    lane.begin_read()
    lane.absorb(ClaimAnswer([first, second], 2, False), None)
    lane.take(), lane.take()
    lane.empty()  # as when somebody cancels a delivery of the lane: both keys are under way
    lane.release(first)
    lane.settled(Settlement(first, 1, Result.DELIVERED, None, "", 0))
    queue.gate.clear()
    probing = asyncio.create_task(reader._probe(lane))
    await asyncio.sleep(0.1)
    lane.closing = True
    lane.empty()
    lane.release(second)
    lane.settled(Settlement(second, 1, Result.DELIVERED, None, "", 0))
    queue.gate.set()
    await probing
    assert lane.drained


@virtual
async def test_a_key_whose_head_waits_is_not_read_past_it_after_the_lane_was_emptied() -> None:
    lane = OrderedLane(owned(ordered=True), target(), Tenant("acme", 1), now=0, monotonic=0.0, window=100, memory=Memory(1 << 20))
    first, second = work(1, "k"), work(2, "k")
    lane.begin_read()
    lane.absorb(ClaimAnswer([first], 1, False), None)
    lane.take()
    lane.empty()  # somebody cancels a delivery of the lane
    lane.release(first)
    lane.settled(Settlement(first, 1, Result.DELIVERED, None, "", 0))
    lane.empty()  # and another one, before the key was probed
    lane.begin_read()
    lane.absorb(ClaimAnswer([second], 2, False), None)
    lane.take()
    lane.release(second)
    lane.settled(Settlement(second, 1, Result.WAIT, None, "", 0, due=5))
    assert lane.next_probe() is None


@virtual
async def test_a_read_that_fails_for_an_unforeseen_reason_is_repeated() -> None:
    queue = Queue()
    queue.faults = 1
    reader = Reader(queue, VirtualClock(), lambda _: None)  # type: ignore[arg-type]  # all of a store that is asked here
    lane = Lane(owned(), target(), Tenant("acme", 1), now=0, monotonic=0.0, window=100, memory=Memory(1 << 20))
    reader.want(lane)
    with pytest.raises(ValueError, match="as the test says"):
        await reader.run()
    again = asyncio.create_task(reader.run())  # as the engine does
    await asyncio.sleep(1.0)
    again.cancel()
    assert lane.ready


@virtual
async def test_timers_do_not_pile_up_behind_one_that_is_far_away() -> None:
    reader = Reader(Queue(), VirtualClock(), lambda _: None)  # type: ignore[arg-type]  # all of a store that is asked here
    lane = Lane(owned(), target(), Tenant("acme", 1), now=0, monotonic=0.0, window=100, memory=Memory(1 << 20))
    now = VirtualClock().time() * 1_000_000
    for number in range(2_000):
        for due in (now + 10_000_000_000, now + number * 1_000):
            lane.next_due = int(due)
            reader.want(lane)
        await asyncio.sleep(0.002)
    assert len(reader._timers) < 200
    lane.next_due = int(now + 10_000_000_000)
    reader.want(lane)
    assert reader._timed[lane] == lane.next_due
    assert any(entry[0] == lane.next_due for entry in reader._timers)
    reader.close()


def waiting(pos: int, due: int) -> Work:
    return work(pos)._replace(due=due)


def reading(*, ordered: bool = False) -> Lane:
    """A lane that has read a work due at 10 and one due at 30, and has settled the first."""
    made = OrderedLane if ordered else Lane
    lane = made(owned(ordered=ordered), target(), Tenant("acme", 1), now=0, monotonic=0.0, window=100, memory=Memory(1 << 20))
    lane.begin_read()
    lane.absorb(None, DueAnswer([waiting(1, 10), waiting(2, 30)], None, False))
    lane.release(lane.take())
    lane.settled(Settlement(waiting(1, 10), 1, Result.DELIVERED, None, "", 0))
    return lane


def test_what_waits_is_read_on_from_where_the_last_read_ended() -> None:
    lane = reading()
    assert lane.floor == (30, 2)
    lane.begin_read()
    lane.absorb(None, DueAnswer([waiting(3, 40)], None, False))
    assert lane.floor == (40, 3)


@pytest.mark.parametrize("ordered", [False, True])
def test_a_retry_whose_settle_is_answered_after_the_read_that_passed_it_is_read_again(ordered: bool) -> None:
    lane = reading(ordered=ordered)
    lane.settled(Settlement(waiting(2, 30), 1, Result.WAIT, None, "", 0, due=25))
    assert lane.floor < (25, 0)
    assert lane.next_due == 25


def test_a_retry_whose_settle_is_answered_during_the_read_is_not_passed() -> None:
    lane = reading()
    lane.begin_read()
    lane.settled(Settlement(waiting(2, 30), 1, Result.WAIT, None, "", 0, due=35))
    lane.absorb(None, DueAnswer([waiting(3, 40)], None, False))
    assert (30, 2) <= lane.floor < (35, 0)


@pytest.mark.parametrize("doubt", [Lane.empty, Lane.look_again, Lane.doubt_floor, lambda lane: lane.forget("dlv_9")])
def test_what_somebody_else_has_moved_is_read_from_the_earliest_also_if_a_read_is_under_way(
    doubt: Callable[[Lane], object],
) -> None:
    lane = reading()
    doubt(lane)
    assert lane.floor < (0, 0)
    lane.begin_read()
    doubt(lane)
    lane.absorb(None, DueAnswer([waiting(3, 40)], None, False))
    assert lane.floor < (0, 0)


def test_the_floor_stands_below_what_had_no_room() -> None:
    lane = Lane(owned(ordered=False), target(), Tenant("acme", 1), now=0, monotonic=0.0, window=1, memory=Memory(1 << 20))
    lane.begin_read()
    lane.absorb(None, DueAnswer([waiting(1, 10), waiting(2, 30)], None, False))
    assert lane.floor == (10, 1)
