"""Several nodes over one store: each lane with one of them, whoever dies, stalls, comes or goes."""

import asyncio
from collections import Counter, defaultdict
from dataclasses import replace

import pytest
from engine.virtual import CONFIG, Reply, Seen, World, now, virtual, webhook_ids, world
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.errors import HooklineError, Unavailable
from hookline.model import DeliveryState, Ordering, RetryPolicy, Steps
from hookline.store.protocol import OwnedLane

TTL = CONFIG.lease_ttl
QUICK = RetryPolicy(schedule=Steps(delays=(1.0,)), max_attempts=20, jitter=0.1)


def assert_one_node_a_lane(requests: list[Seen], ends: dict[tuple[str, str, int], float]) -> None:
    """Requests of one receiver by different nodes never overlap."""
    by_path: defaultdict[str, list[Seen]] = defaultdict(list)
    for seen in requests:
        by_path[seen.path].append(seen)
    for path, several in by_path.items():
        for seen in several:
            end = ends.get((path, seen.webhook_id, seen.nth))
            overlapping = {other.node for other in several if end is not None and seen.at <= other.at < end}
            assert overlapping <= {seen.node}, f"{path} is served by {overlapping | {seen.node}} at {seen.at}"


def ends(w: World) -> dict[tuple[str, str, int], float]:
    return {(seen.path, seen.webhook_id, seen.nth): end for seen, end in w.receiver.answered}


@virtual
async def test_lanes_are_shared_out_and_each_is_delivered_by_one_node() -> None:
    async with world(lambda _: Reply(after=0.05)) as w:
        for number in range(10):
            await w.subscribe(f"/{number}", max_in_flight=2)
        await w.node("b")
        for _ in range(100):
            await w.emit(5)
            await w.live(0.3)
        await w.until_done(within=60.0)
        assert set(webhook_ids(w.receiver.seen).values()) == {10}
        assert_one_node_a_lane(w.receiver.seen, ends(w))
        late = Counter(seen.node for seen in w.receiver.seen if seen.at > 15.0)
        assert late["a"] == late["b"]


@virtual
async def test_a_lane_whose_handover_is_still_under_way_is_served_again_only_once_that_can_do_nothing_more() -> None:
    async with world(lambda _: Reply(after=0.5)) as w:
        for number in range(2):
            await w.subscribe(f"/{number}", max_in_flight=20)
        store = w.nodes["a"].store
        sent: list[asyncio.Task[bool]] = []

        async def arrives_late(node: int, lane: OwnedLane, to: int) -> bool:
            async def arrives() -> bool:
                await asyncio.sleep(5.0)
                return await store.inner.hand(node, lane, to)

            sent.append(asyncio.create_task(arrives()))
            raise Unavailable("no answer, and what was asked is still on its way", retry_after=1.0)

        store.hand = arrives_late  # type: ignore[attr-defined]  # as the store that the node knows
        store.refuses = lambda verb: verb == "retake" and len(sent) > 0 and not sent[0].done()
        await w.node("b")
        await w.until(lambda: bool(sent), within=10.0)
        while not sent[0].done() or len(w.receiver.seen) < 100:
            await w.emit(1)
            await w.live(0.1)
        assert sent[0].result()  # the other node has it
        await w.until_done(within=60.0)
        assert set(webhook_ids(w.receiver.seen).values()) == {2}
        assert_one_node_a_lane(w.receiver.seen, ends(w))


@virtual
async def test_a_handover_that_was_refused_is_followed_by_a_higher_epoch() -> None:
    async with world() as w:
        for number in range(4):
            await w.subscribe(f"/{number}")
        engine = await w.client.engine()
        before = {key.lane: lane.epoch for key, lane in engine.dispatcher.lanes.items()}

        async def refuses(*_: object) -> bool:
            return False

        w.nodes["a"].store.hand = refuses  # type: ignore[attr-defined]  # as the store that the node knows
        await w.node("b")
        await w.live(2 * TTL)
        after = {key.lane: lane.epoch for key, lane in engine.dispatcher.lanes.items()}
        assert after.keys() == before.keys()
        assert sum(after[lane] > before[lane] for lane in after) >= 2


@virtual
async def test_a_dead_nodes_lanes_are_taken_over_after_the_ttl_and_nothing_is_lost() -> None:
    async with world(lambda seen: Reply(after=30.0 if seen.node == "a" else 0.01)) as w:
        for number in range(4):
            await w.subscribe(f"/{number}", timeout=60.0)
        b = await w.node("b")
        ids = await w.emit(100)
        await w.live(0.5)
        died = now()
        await w.nodes["a"].kill()
        w.nodes["a"] = b
        ids += await w.emit(100)
        await w.until_done(within=60.0)
        for number in range(4):
            delivered = {seen.webhook_id for seen, _ in w.receiver.answered if seen.path == f"/{number}"}
            assert delivered == set(ids)
        assert await w.states() == {DeliveryState.DELIVERED: 800}
        taken = min(seen.at for seen in w.receiver.seen if seen.node == "b")
        assert TTL * 0.7 <= taken - died <= TTL * 1.6


@virtual
async def test_a_late_outcome_of_a_node_that_lost_its_lane_is_kept_as_superseded_and_changes_nothing() -> None:
    async with world(lambda seen: Reply(status=200 if seen.node == "b" else 500, after=1.0)) as w:
        await w.subscribe(timeout=60.0)
        b = await w.node("b")
        await w.emit(3)
        await w.live(0.5)
        a = w.nodes["a"]
        a.stall()
        await w.live(3 * TTL)
        assert Counter(seen.node for seen in w.receiver.seen) == {"a": 3, "b": 3}
        a.wake()
        await w.live(TTL)
        w.nodes["a"] = b
        assert await w.states() == {DeliveryState.DELIVERED: 3}
        assert Counter((one.status, one.superseded) for one in await w.attempts()) == {(500, True): 3, (200, False): 3}
        w.nodes["a"] = a


@given(work=st.integers(1, 60), limit=st.integers(1, 4), when=st.floats(0.0, 3.0), span=st.floats(1.5, 3.5))
@settings(max_examples=20)
@virtual
async def test_a_node_that_stalled_past_its_ttl_starts_nothing_under_its_old_lease(
    work: int, limit: int, when: float, span: float
) -> None:
    async with world(lambda _: Reply(after=0.2)) as w:
        await w.subscribe(max_in_flight=limit, timeout=60.0)
        b = await w.node("b")
        await w.emit(work)
        await w.live(when)
        a = w.nodes["a"]
        a.stall()
        stalled = now()
        await w.live(span * TTL)
        took = min((seen.at for seen in w.receiver.seen if seen.node == "b"), default=None)
        a.wake()
        woke = now()
        w.nodes["a"] = b
        await w.until_done(within=120.0)
        w.nodes["a"] = a
        if took is not None:
            assert [seen.at for seen in w.receiver.seen if seen.node == "a" and stalled < seen.at <= woke + 0.1] == []
        assert len({seen.webhook_id for seen in w.receiver.seen}) == work
        assert set(webhook_ids(w.receiver.seen).values()) <= {1, 2}


@given(
    acts=st.lists(
        st.tuples(st.sampled_from(("kill", "stall", "leave", "emit", "join")), st.floats(0.1, 12.0)), min_size=1, max_size=12
    ),
    ordering=st.sampled_from(Ordering),
    slow=st.sampled_from((0.0, 0.05)),
    seed=st.integers(0, 99),
)
@settings(max_examples=25)
@virtual
async def test_whoever_dies_stalls_comes_or_goes_every_acknowledged_event_is_delivered(
    acts: list[tuple[str, float]], ordering: Ordering, slow: float, seed: int
) -> None:
    """`a` lives on; its fellows do not."""
    async with world(lambda _: Reply(after=0.3), seed=seed) as w:
        w.nodes["a"].store.before = w.nodes["a"].store.after = w.random_delay(slow)
        for number in range(5):
            await w.subscribe(f"/{number}", max_in_flight=2, ordering=ordering)
        fellows = [await w.node("b")]
        ids: list[str] = []
        for number, (act, pause) in enumerate(acts):
            ids += await w.emit(7, ordering_key="k")
            if act == "join":
                fellows.append(await w.node(f"n{number}"))
            elif fellows and act != "emit":
                fellow = fellows.pop(0)
                if act == "kill":
                    await fellow.kill()
                elif act == "leave":
                    await fellow.run(fellow.client.close())
                else:
                    fellow.stall()
                    await w.live(2 * TTL)
                    fellow.wake()
                    fellows.append(fellow)
            await w.live(pause)
        await w.until_done(within=600.0, step=0.5)
        assert (await w.states()).keys() == {DeliveryState.DELIVERED}
        for number in range(5):
            answered = [seen for seen, _ in w.receiver.answered if seen.path == f"/{number}"]
            assert {seen.webhook_id for seen in answered} == set(ids)


@virtual
async def test_a_node_that_leaves_hands_its_lanes_on_at_once() -> None:
    async with world(lambda _: Reply(status=503)) as w:
        await w.subscribe(retry=QUICK)
        b = await w.node("b")
        await w.emit(10)
        await w.live(0.5)
        left = now()
        await w.nodes["a"].run(w.nodes["a"].client.close())
        w.nodes["a"] = b
        await w.until(lambda: any(seen.node == "b" for seen in w.receiver.seen), within=3.0)
        assert now() - left < 1.6


@virtual
async def test_what_is_emitted_where_nobody_delivers_wakes_the_owner_elsewhere() -> None:
    async with world() as w:
        await w.subscribe()
        emitter = await w.node("e", deliver=False)
        for number in range(20):
            await w.live(0.7)
            began = now()
            await emitter.run(emitter.client.emit("a.b", number))
            await w.until(lambda number=number: len(w.receiver.seen) == number + 1, within=0.05, step=0.01)
            assert now() - began <= 0.05
        assert {seen.node for seen in w.receiver.seen} == {"a"}


@virtual
async def test_a_subscription_made_where_nobody_delivers_is_taken_up() -> None:
    async with world(start=False) as w:
        emitter = await w.node("a", deliver=False)
        await w.subscribe()
        await w.emit(5)
        await w.node("b")
        await w.until_done(within=5.0)
        assert {seen.node for seen in w.receiver.seen} == {"b"}
        assert emitter.name == "a"


@virtual
async def test_a_node_alone_that_was_buried_joins_anew() -> None:
    async with world(config=replace(CONFIG, lease_ttl=4.0)) as w:
        await w.subscribe()
        engine = await w.client.engine()
        first = engine.node.id
        rows = await w.store.beat(first, 0)
        assert await w.store.bury(first, rows[0].beat)
        await w.emit(10)
        await w.live(5.0)
        assert engine.node.id != first
        await w.emit(10)
        await w.until_done(within=5.0)
        assert len({seen.webhook_id for seen in w.receiver.seen}) == 20


@virtual
async def test_a_lane_that_is_born_while_its_node_looks_around_is_kept() -> None:
    async with world(lambda _: Reply(after=3.0)) as w:
        w.nodes["a"].store.slow = {"mine": (0.0, 1.0)}
        (await w.client.engine()).node.nudge()
        await w.live(0.1)
        await w.subscribe()
        await w.emit(10)
        await w.until_done(within=10.0)
        assert set(webhook_ids(w.receiver.seen).values()) == {1}


@virtual
async def test_a_subscription_made_by_a_node_that_was_buried_meanwhile_is_not_delivered_by_it() -> None:
    async with world(lambda _: Reply(after=0.5)) as w:
        await w.node("b")
        a = w.nodes["a"]
        a.store.slow = {"add_subscription": (0.0, 31.2), "join": (0.0, 1.0), "mine": (0.0, 1.0)}
        making = asyncio.create_task(w.subscribe("/new"))
        await w.live(0.5)
        a.stall()
        await w.live(3 * TTL)
        a.wake()
        await w.live(1.5)  # it has joined anew, and has not yet asked what is its own
        await making
        await w.emit(1)
        await w.live(5.0)
        assert [seen.node for seen in w.receiver.seen] == ["b"]


@pytest.mark.parametrize("ordering", Ordering)
@virtual
async def test_what_had_its_turn_before_the_process_stood_still_does_not_start_when_it_goes_on(ordering: Ordering) -> None:
    async with world() as w:
        await w.subscribe(ordering=ordering)
        dispatcher = (await w.client.engine()).dispatcher
        lease, pump = True, dispatcher.pump

        def pump_and_stand_still() -> None:
            nonlocal lease
            pump()
            lease = lease and not dispatcher._workers

        dispatcher._hooks = dispatcher._hooks._replace(may_start=lambda: lease)
        dispatcher.pump = pump_and_stand_still  # type: ignore[method-assign]
        ids = await w.emit(5, ordering_key="one" if ordering is Ordering.BY_KEY else "")
        await w.until(lambda: not lease, within=1.0)
        await w.live(1.0)
        assert not w.receiver.seen
        assert dispatcher._slots.busy == dispatcher.in_flight == 0
        lease, dispatcher.pump = True, pump  # type: ignore[method-assign]
        dispatcher.look_at_all()
        await w.until_done(within=30.0)
        assert [seen.webhook_id for seen in w.receiver.seen] == ids
        assert [one.attempts for one in await w.deliveries()] == [1] * 5


@virtual
async def test_a_subscription_whose_making_is_answered_after_its_lane_was_handed_over_is_delivered_by_one_node() -> None:
    async with world(lambda _: Reply(after=0.5)) as w:
        w.nodes["a"].store.slow["add_subscription"] = (0.0, 12.0)
        making = [asyncio.create_task(w.subscribe(f"/{number}")) for number in range(4)]
        await w.live(5.0)
        await w.node("b")
        await w.live(6.0)
        assert not any(one.done() for one in making)
        await asyncio.gather(*making)
        await w.emit(1)
        await w.live(3.0)
        assert set(webhook_ids(w.receiver.seen).values()) == {4}


PATIENT = RetryPolicy(schedule=Steps(delays=(5.0,)), max_attempts=10, jitter=0.0)
WHY = {"x-why": "{retry_reason}"}
"""Headers for which the store is asked before a request is made."""


def head_fails_first(seen: Seen) -> Reply:
    return Reply(status=500 if seen.nth == 1 and seen.webhook_id == "head" else 200)


@virtual
async def test_a_node_that_stood_still_while_it_prepared_a_request_does_not_make_it() -> None:
    async with world(head_fails_first) as w:
        await w.subscribe(ordering=Ordering.BY_KEY, retry=PATIENT, retry_headers=WHY)
        await w.node("b")
        a = w.nodes["a"]
        a.store.slow["attempts"] = (0.0, 0.2)
        for name in ("head", "second"):
            await w.emit(1, id=name, ordering_key="k")
        await w.live(5.1)  # the second attempt of the head is being prepared
        assert len(w.receiver.seen) == 1
        a.stall()
        await w.live(3 * TTL)
        a.wake()
        await w.live(1.0)
    assert [(seen.webhook_id, seen.node) for seen in w.receiver.seen] == [("head", "a"), ("head", "b"), ("second", "b")]


@pytest.mark.parametrize("away", [20.0, 40.0], ids=["and that has joined anew", "and that is still away"])
@virtual
async def test_a_node_whose_lease_ended_while_it_prepared_a_request_does_not_make_it(away: float) -> None:
    async with world(head_fails_first) as w:
        await w.subscribe(ordering=Ordering.BY_KEY, retry=PATIENT, retry_headers=WHY)
        await w.node("b")
        a = w.nodes["a"]
        for name in ("head", "second"):
            await w.emit(1, id=name, ordering_key="k")
        await w.live(4.9)
        a.store.slow["attempts"] = (0.0, 25.0)
        a.store.refuses = lambda verb: verb == "beat" and now() < 4.9 + away
        await w.live(40.0)
    assert [(seen.webhook_id, seen.node) for seen in w.receiver.seen] == [("head", "a"), ("head", "b"), ("second", "b")]


@virtual
async def test_a_node_that_was_told_to_look_and_could_not_looks_as_soon_as_it_can() -> None:
    async with world() as w:
        node = (await w.client.engine()).node
        w.nodes["a"].store.refuses = lambda verb: verb == "dead"
        node._look = True
        with pytest.raises(HooklineError):
            await node._tick()
        assert node._look
