"""Claiming and settling: nothing twice, nothing lost, fenced by the epoch."""

import asyncio

import pytest
from store.making import NOON, SECOND, TENANT, Yard, make_event, outcome, route

from hookline.clock import moment
from hookline.model import DeliveryState
from hookline.store import Store
from hookline.store.protocol import (
    NOBODY,
    ClaimRequest,
    DueRequest,
    LaneKey,
    OwnedLane,
    Result,
    Settled,
    Wake,
    WakeKind,
)

NOTHING = Settled(frozenset(), frozenset())


async def test_a_claim_reads_forward_from_its_cursor(store: Store) -> None:
    yard = await Yard.make(store)
    positions = await yard.emit(5)
    (first,) = await store.claim([ClaimRequest(yard.key, None, 3)])
    assert ([work.pos for work in first.works], first.more) == (positions[:3], True)
    (second,) = await store.claim([ClaimRequest(yard.key, first.cursor, 3)])
    assert ([work.pos for work in second.works], second.more) == (positions[3:], False)
    more = await yard.emit(1)
    (third,) = await store.claim([ClaimRequest(yard.key, second.cursor, 3)])
    assert [work.pos for work in third.works] == more


@pytest.mark.parametrize("room", [0, -1, -2])
async def test_a_request_without_room_is_refused_as_its_answer_could_not_be_told_from_all_there_is(store: Store, room: int) -> None:
    yard = await Yard.make(store)
    await yard.emit(2)
    with pytest.raises(ValueError, match="room"):
        await store.claim([ClaimRequest(yard.key, None, 1), ClaimRequest(yard.key, None, room)])
    with pytest.raises(ValueError, match="room"):
        await store.due([DueRequest(yard.key, NOON, room)])


async def test_a_claim_carries_the_whole_event(store: Store) -> None:
    yard = await Yard.make(store)
    event = make_event(data=b"\x00", ordering_key="o", not_before=moment(NOON + SECOND))
    await yard.append(event)
    (work,) = await yard.claim()
    assert work.event == event
    assert (work.tenant, work.lane, work.webhook_id, work.due) == (TENANT, yard.lanes[0], event.id, None)
    assert (work.run, work.attempts, work.before, work.run_start) == (1, 0, 0, 0)


async def test_an_unknown_lane_has_no_work(store: Store) -> None:
    key = LaneKey(TENANT, "nowhere")
    (claimed,) = await store.claim([ClaimRequest(key, None, 3)])
    (due,) = await store.due([DueRequest(key, NOON, 3)])
    assert (tuple(claimed.works), claimed.more, tuple(due.works), due.next_due) == ((), False, (), None)


async def test_a_delivered_work_is_over(store: Store) -> None:
    yard = await Yard.make(store)
    work = await yard.work()
    assert await store.settle(yard.node, [outcome(work)]) == NOTHING
    assert await yard.claim() == []
    found = await store.delivery(TENANT, work.delivery_id)
    assert found is not None
    assert (found.delivery.state, found.delivery.attempts, found.delivery.finish_time) == (DeliveryState.DELIVERED, 1, moment(NOON))


async def test_a_work_that_waits_is_due_at_its_time(store: Store) -> None:
    yard = await Yard.make(store)
    work = await yard.work()
    await store.settle(yard.node, [outcome(work, Result.WAIT, due=NOON + SECOND)])
    assert await yard.claim() == []
    (early,) = await store.due([DueRequest(yard.key, NOON, 9)])
    assert (early.works, early.next_due) == ([], NOON + SECOND)
    (late,) = await store.due([DueRequest(yard.key, NOON + SECOND, 9)])
    assert late.works == [work._replace(due=NOON + SECOND, attempts=1, run_start=NOON)]
    assert late.next_due is None


async def test_due_works_come_earliest_first_and_say_if_there_are_more(store: Store) -> None:
    yard = await Yard.make(store)
    await yard.emit(4)
    works = await yard.claim()
    waits = [outcome(work, Result.WAIT, due=NOON + delay) for work, delay in zip(works, (30, 10, 20, 99), strict=True)]
    await store.settle(yard.node, waits)
    (answer,) = await store.due([DueRequest(yard.key, NOON + 50, 2)])
    assert [work.due for work in answer.works] == [NOON + 10, NOON + 20]
    assert (answer.more, answer.next_due) == (True, NOON + 99)


async def test_due_works_are_read_on_from_the_one_that_was_read_last(store: Store) -> None:
    yard = await Yard.make(store)
    await yard.emit(4)
    works = await yard.claim()
    waits = [outcome(work, Result.WAIT, due=NOON + delay) for work, delay in zip(works, (10, 20, 20, 30), strict=True)]
    await store.settle(yard.node, waits)
    (first,) = await store.due([DueRequest(yard.key, NOON + 50, 2)])
    last = first.works[-1]
    assert last.due is not None
    (rest,) = await store.due([DueRequest(yard.key, NOON + 50, 9, (last.due, last.pos))])
    assert [work.pos for work in (*first.works, *rest.works)] == [work.pos for work in works]
    (more,) = await store.due([DueRequest(yard.key, NOON + 50, 9, (NOON + 20, -1))])
    assert [work.due for work in more.works] == [NOON + 20, NOON + 20, NOON + 30]


async def test_attempts_add_up_over_retries(store: Store) -> None:
    yard = await Yard.make(store)
    work = await yard.work()
    for number in (1, 2, 3):
        await store.settle(yard.node, [outcome(work, Result.WAIT, due=NOON + number)])
        (answer,) = await store.due([DueRequest(yard.key, NOON + number, 9)])
        (work,) = answer.works
        assert work.attempts == number
    await store.settle(yard.node, [outcome(work, Result.EXHAUSTED, reason="503")])
    found = await store.delivery(TENANT, work.delivery_id)
    assert found is not None
    assert (found.delivery.state, found.delivery.attempts, found.delivery.reason) == (DeliveryState.EXHAUSTED, 4, "503")
    assert [attempt.number for attempt in await store.attempts(TENANT, work.delivery_id)] == [1, 2, 3, 4]


async def test_a_settle_without_the_lane_changes_nothing_and_keeps_the_attempt(store: Store) -> None:
    yard = await Yard.make(store)
    work = await yard.work()
    other = await store.join()
    for node, epoch in ((other, 1), (yard.node, 2), (NOBODY, 1)):
        settled = await store.settle(node, [outcome(work, epoch=epoch)])
        assert settled == Settled(frozenset({yard.key}), frozenset())
    assert await yard.claim() == [work]
    attempts = await store.attempts(TENANT, work.delivery_id)
    assert [attempt.superseded for attempt in attempts] == [True, True, True]


async def test_a_settle_of_what_was_cancelled_is_gone(store: Store) -> None:
    yard = await Yard.make(store)
    work = await yard.work()
    assert await store.cancel(TENANT, work.delivery_id, reason="by hand", at=NOON)
    settled = await store.settle(yard.node, [outcome(work)])
    assert settled == Settled(frozenset(), frozenset({work.pos}))
    found = await store.delivery(TENANT, work.delivery_id)
    assert found is not None
    assert (found.delivery.state, found.delivery.reason, found.delivery.attempts) == (DeliveryState.CANCELLED, "by hand", 0)
    (attempt,) = await store.attempts(TENANT, work.delivery_id)
    assert attempt.superseded


@pytest.mark.parametrize(
    ("result", "due", "tried"),
    [
        (Result.DELIVERED, None, True),
        (Result.EXHAUSTED, None, True),
        (Result.CANCELLED, None, False),
        (Result.WAIT, NOON + 5, True),
        (Result.WAIT, NOON + 5, False),
    ],
)
async def test_a_repeated_settle_writes_nothing_twice(store: Store, result: Result, due: int | None, tried: bool) -> None:
    yard = await Yard.make(store)
    work = await yard.work()
    settlement = outcome(work, result, due=due, tried=tried)
    assert await store.settle(yard.node, [settlement]) == NOTHING
    changes = await store.changes(TENANT, after=0, limit=9)
    stats = await store.stats(TENANT, now=NOON)
    assert await store.settle(yard.node, [settlement]) == NOTHING
    assert await store.changes(TENANT, after=0, limit=9) == changes
    assert await store.stats(TENANT, now=NOON) == stats


async def test_a_settle_repeated_after_the_lane_was_lost_does_not_supersede_itself(store: Store) -> None:
    yard = await Yard.make(store)
    work = await yard.work()
    settlement = outcome(work)
    await store.settle(yard.node, [settlement])
    other = await store.join()
    assert await store.hand(yard.node, OwnedLane(yard.key, 1, False), other)
    assert (await store.settle(yard.node, [settlement])).lost == {yard.key}
    (attempt,) = await store.attempts(TENANT, work.delivery_id)
    assert not attempt.superseded


async def test_a_superseded_attempt_is_written_once(store: Store) -> None:
    yard = await Yard.make(store)
    settlement = outcome(await yard.work(), epoch=7)
    await store.settle(yard.node, [settlement])
    await store.settle(yard.node, [settlement])
    assert len(await store.attempts(TENANT, settlement.work.delivery_id)) == 1


async def test_two_outcomes_for_one_work_are_refused(store: Store) -> None:
    yard = await Yard.make(store)
    work = await yard.work()
    with pytest.raises(ValueError, match=work.delivery_id):
        await store.settle(yard.node, [outcome(work), outcome(work, Result.EXHAUSTED)])
    assert await yard.claim() == [work]


async def test_an_ordered_lane_leaves_out_keys_that_wait(store: Store) -> None:
    yard = await Yard.make(store, ordered=True)
    head, _, other, free = [*await yard.emit(2, ordering_key="a"), *await yard.emit(1, ordering_key="b"), *await yard.emit(1)]
    works = await yard.claim()
    assert works[0].pos == head
    await store.settle(yard.node, [outcome(works[0], Result.WAIT, due=NOON + 1)])
    assert [work.pos for work in await yard.claim()] == [other, free]


async def test_a_probe_reads_one_key_even_if_its_head_waits(store: Store) -> None:
    yard = await Yard.make(store, ordered=True)
    positions = await yard.emit(3, ordering_key="a")
    await yard.emit(1, ordering_key="b")
    works = await yard.claim()
    await store.settle(yard.node, [outcome(works[0], Result.WAIT, due=NOON + 1)])
    assert [work.pos for work in await store.probe(yard.key, "a", 1)] == positions[1:2]
    assert [work.pos for work in await store.probe(yard.key, "a", 9)] == positions[1:]
    assert await store.probe(yard.key, "none", 9) == []


async def test_a_lane_without_order_does_not_care_about_keys(store: Store) -> None:
    yard = await Yard.make(store)
    await yard.emit(2, ordering_key="a")
    works = await yard.claim()
    await store.settle(yard.node, [outcome(works[0], Result.WAIT, due=NOON + 1)])
    assert [work.pos for work in await yard.claim()] == [works[1].pos]


async def test_cancelling_is_for_what_is_pending(store: Store) -> None:
    yard = await Yard.make(store)
    work = await yard.work()
    assert not await store.cancel("globex", work.delivery_id, reason="", at=NOON)
    assert not await store.cancel(TENANT, "dlv_none", reason="", at=NOON)
    await store.settle(yard.node, [outcome(work, Result.WAIT, due=NOON + 1)])
    assert await store.cancel(TENANT, work.delivery_id, reason="", at=NOON)
    assert not await store.cancel(TENANT, work.delivery_id, reason="", at=NOON)
    (due,) = await store.due([DueRequest(yard.key, NOON + 9, 9)])
    assert due.works == []


async def test_a_finished_delivery_that_is_requeued_begins_a_new_run_at_the_end(store: Store) -> None:
    yard = await Yard.make(store)
    work = await yard.work()
    await store.settle(yard.node, [outcome(work, Result.EXHAUSTED)])
    (later,) = await yard.emit(1)
    assert await store.requeue(TENANT, work.delivery_id, at=NOON + 5)
    assert not await store.requeue(TENANT, work.delivery_id, at=NOON + 5)
    following, again = await yard.claim()
    assert following.pos == later
    assert (again.delivery_id, again.run, again.attempts, again.before, again.run_start) == (work.delivery_id, 2, 0, 1, 0)
    assert again.pos > later
    assert await store.settle(yard.node, [outcome(again, at=NOON + 9)]) == NOTHING
    found = await store.delivery(TENANT, work.delivery_id)
    assert found is not None
    assert (found.delivery.run, found.delivery.attempts, found.delivery.state) == (2, 2, DeliveryState.DELIVERED)
    assert [(attempt.run, attempt.number) for attempt in await store.attempts(TENANT, work.delivery_id)] == [(1, 1), (2, 1)]


async def test_an_outcome_of_the_former_run_does_not_touch_the_new_one(store: Store) -> None:
    yard = await Yard.make(store)
    work = await yard.work()
    await store.settle(yard.node, [outcome(work, Result.EXHAUSTED)])
    await store.requeue(TENANT, work.delivery_id, at=NOON)
    settled = await store.settle(yard.node, [outcome(work)])
    assert settled.gone == {work.pos}
    assert len(await yard.claim()) == 1


async def test_a_waiting_delivery_that_is_requeued_is_due_now(store: Store) -> None:
    yard = await Yard.make(store)
    work = await yard.work()
    assert not await store.requeue(TENANT, work.delivery_id, at=NOON)
    await store.settle(yard.node, [outcome(work, Result.WAIT, due=NOON + SECOND)])
    assert await store.requeue(TENANT, work.delivery_id, at=NOON + 1)
    assert not await store.requeue(TENANT, work.delivery_id, at=NOON + 1)
    (due,) = await store.due([DueRequest(yard.key, NOON + 1, 9)])
    assert [(moved.run, moved.attempts, moved.due) for moved in due.works] == [(1, 1, NOON + 1)]
    stale = outcome(work._replace(due=NOON + SECOND, attempts=1))
    assert (await store.settle(yard.node, [stale])).gone == {work.pos}


async def test_the_owner_is_told_what_to_forget(store: Store) -> None:
    yard = await Yard.make(store)
    cancelled, moved = (await yard.work(), await yard.work())
    await store.settle(yard.node, [outcome(moved, Result.WAIT, due=NOON + SECOND)])
    heard: asyncio.Queue[Wake] = asyncio.Queue()
    store.listen(yard.node, heard.put_nowait)
    await asyncio.sleep(0)  # what was said before is heard first
    await store.cancel(TENANT, cancelled.delivery_id, reason="", at=NOON)
    wakes = [await asyncio.wait_for(heard.get(), 60)]
    while wakes[-1].kind is not WakeKind.FORGET:
        wakes.append(await asyncio.wait_for(heard.get(), 60))
    assert wakes[-1] == Wake(WakeKind.FORGET, (yard.key,), (cancelled.delivery_id,))
    await store.requeue(TENANT, moved.delivery_id, at=NOON)
    assert await asyncio.wait_for(heard.get(), 60) == Wake(WakeKind.FORGET, (yard.key,), (moved.delivery_id,))
    assert await asyncio.wait_for(heard.get(), 60) == Wake(WakeKind.LANES, (yard.key,))


async def test_appends_and_settles_side_by_side_keep_the_books(store: Store) -> None:
    yard = await Yard.make(store)

    async def one() -> None:
        event = make_event()
        revision = await yard.revision()
        routed = route(event, yard.lanes, revision=revision)
        await store.append(yard.node, [routed])
        works = await yard.claim()
        work = next(work for work in works if work.event.id == event.id)
        assert await store.settle(yard.node, [outcome(work)]) == NOTHING

    await asyncio.gather(*(one() for _ in range(50)))
    stats = await store.stats(TENANT, now=NOON)
    assert (stats.pending, stats.delivered) == (0, 50)
