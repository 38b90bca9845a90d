"""A transaction that commits after newer ones were seen is not skipped; one of somebody else holds up nobody."""

import asyncio
import random
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postgres.late import Late
from postgres.server import Server
from store.making import NOON, TENANT, Yard, make_event, outcome, route

from hookline.store.postgres import PostgresStore, reading
from hookline.store.protocol import ClaimRequest, DeliveryFilter, EventFilter, OwnedLane


async def begin_late(store: PostgresStore, yard: Yard) -> tuple[Late, "asyncio.Task[Any]", str]:
    event = make_event()
    late = Late(store)
    task = asyncio.create_task(store.append(yard.node, [route(event, yard.lanes, revision=await yard.revision())]))
    await late.began()
    return late, task, event.id


async def test_a_claim_finds_what_commits_after_newer_ones_were_claimed(store: PostgresStore) -> None:
    yard = await Yard.make(store)
    late, task, name = await begin_late(store, yard)
    (newer,) = await yard.emit()
    (first,) = await store.claim([ClaimRequest(yard.key, None, 10)])
    assert [work.pos for work in first.works] == [newer]
    (again,) = await store.claim([ClaimRequest(yard.key, first.cursor, 10)])
    assert list(again.works) == []
    late.commit()
    await task
    (found,) = await store.claim([ClaimRequest(yard.key, again.cursor, 10)])
    assert [work.event.id for work in found.works] == [name]
    assert found.works[0].pos < newer
    (nothing,) = await store.claim([ClaimRequest(yard.key, found.cursor, 10)])
    assert list(nothing.works) == []


async def test_scan_and_changes_hold_back_what_is_newer_than_a_commit_of_ours_under_way(store: PostgresStore) -> None:
    yard = await Yard.make(store)
    work = await yard.work()
    late, task, name = await begin_late(store, yard)
    await store.settle(yard.node, [outcome(work)])
    await store.append(yard.node, [route(make_event("newer"), revision=await yard.revision())])
    before = await store.scan(TENANT, EventFilter(), after=0, limit=9)
    assert [found.event.id for found in before] == [work.event.id]
    assert await store.changes(TENANT, after=0, limit=9) == []
    head = await store.head(TENANT)
    late.commit()
    await task
    after = await store.scan(TENANT, EventFilter(), after=before[-1].pos, limit=9)
    assert [found.event.id for found in after] == [name, "newer"]
    (change,) = await store.changes(TENANT, after=head, limit=9)
    assert change.delivery.id == work.delivery_id


async def test_a_list_waits_for_commits_under_way_so_that_its_pages_miss_nothing(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LONGEST_WAIT", 60.0)
    yard = await Yard.make(store)
    (older,) = await yard.emit()
    late, task, name = await begin_late(store, yard)
    await yard.append(make_event("newest"))
    events = asyncio.create_task(store.events(TENANT, EventFilter(), before=None, limit=1))
    deliveries = asyncio.create_task(store.deliveries(TENANT, DeliveryFilter(), before=None, limit=9))
    await asyncio.sleep(0.05)
    late.commit()
    await task
    (first,) = await events
    assert first.event.id == "newest"
    (second,) = await store.events(TENANT, EventFilter(), before=first.pos, limit=1)
    assert second.event.id == name
    assert [one.delivery.event_id for one in await deliveries][:2] == ["newest", name]
    assert (await deliveries)[-1].pos == older


async def test_a_long_transaction_of_somebody_else_holds_up_nobody(store: PostgresStore, shared: Server, database: str) -> None:
    yard = await Yard.make(store)
    stranger = await asyncpg.connect(shared.url(database))
    try:
        await stranger.execute("BEGIN")
        await stranger.execute("CREATE TABLE public.elsewhere AS SELECT pg_current_xact_id()")
        work = await yard.work()
        await store.settle(yard.node, [outcome(work)])
        assert [found.event.id for found in await store.scan(TENANT, EventFilter(), after=0, limit=9)] == [work.event.id]
        assert len(await store.changes(TENANT, after=0, limit=9)) == 1
        assert len(await store.events(TENANT, EventFilter(), before=None, limit=9)) == 1
        assert await store.head(TENANT) >= work.pos
    finally:
        await stranger.close()


async def test_a_takeover_passes_over_a_lane_that_is_being_settled_and_then_sees_the_outcome(
    store: PostgresStore, other: PostgresStore
) -> None:
    yard = await Yard.make(store)
    work = await yard.work()
    heir = await other.join()
    late = Late(store)
    task = asyncio.create_task(store.settle(yard.node, [outcome(work)]))
    await late.began()
    await other.bury(yard.node, 0)
    assert await other.sweep(heir, 9) == []
    late.commit()
    await task
    assert await other.sweep(heir, 9) == [OwnedLane(yard.key, 2, False)]
    (claimed,) = await other.claim([ClaimRequest(yard.key, None, 9)])
    assert list(claimed.works) == []
    late_again = await store.settle(yard.node, [outcome(work, attempt_id="second")])
    assert late_again.lost == {yard.key}


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), room=st.integers(1, 4))
async def test_whatever_the_order_of_the_commits_every_work_is_claimed_exactly_once(
    store: PostgresStore, seed: int, room: int
) -> None:
    dice = random.Random(seed)
    yard = await Yard.make(store)
    cursor: object | None = None
    open_ones: list[tuple[Late, asyncio.Task[Any]]] = []
    expected: list[str] = []
    seen: list[str] = []

    async def claim() -> bool:
        nonlocal cursor
        (answer,) = await store.claim([ClaimRequest(yard.key, cursor, room)])
        assert [work.pos for work in answer.works] == sorted(work.pos for work in answer.works)
        seen.extend(work.event.id for work in answer.works)
        cursor = answer.cursor
        if answer.works:
            await store.settle(yard.node, [outcome(work, at=NOON) for work in answer.works])
        return answer.more

    for _ in range(25):
        match dice.choice(("begin", "begin", "commit", "emit", "claim", "claim")):
            case "begin" if len(open_ones) < 4:
                late, task, name = await begin_late(store, yard)
                open_ones.append((late, task))
                expected.append(name)
            case "commit" if open_ones:
                late, task = open_ones.pop(dice.randrange(len(open_ones)))
                late.commit()
                await task
            case "emit":
                events = [make_event() for _ in range(dice.randrange(1, 4))]
                await yard.append(*events)
                expected.extend(event.id for event in events)
            case _:
                await claim()
    for late, task in open_ones:
        late.commit()
        await task
    while await claim():
        pass
    await claim()
    assert sorted(seen) == sorted(expected)
