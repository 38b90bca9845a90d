"""What was: deliveries, attempts, changes, counts, jobs, retention, backup."""

from pathlib import Path

import pytest
from store.making import NOON, SECOND, TENANT, Yard, make_event, make_job, outcome, route

from hookline.clock import SystemClock, moment
from hookline.errors import StoreError
from hookline.model import DeliveryState
from hookline.store import SqliteStore, Store
from hookline.store.postgres import PostgresStore
from hookline.store.protocol import (
    NOBODY,
    Accepted,
    Clash,
    DeliveryFilter,
    Duplicate,
    JobDelivery,
    JobKind,
    LaneKey,
    Purged,
    Repeatable,
    Result,
    Work,
)

DAY = 86_400 * SECOND


async def prepared(store: Store) -> tuple[Yard, list[Work]]:
    """Two lanes; works 0 to 4 of the first: delivered, exhausted, cancelled, waiting, fresh."""
    yard = await Yard.make(store, lanes=2)
    await yard.append(*(make_event(type="a" if number % 2 else "b", accepted=NOON + number) for number in range(5)))
    works = list(await yard.claim())
    results = (
        outcome(works[0]),
        outcome(works[1], Result.EXHAUSTED),
        outcome(works[2], Result.CANCELLED, tried=False),
        outcome(works[3], Result.WAIT, due=NOON + SECOND),
    )
    await store.settle(yard.node, results)
    return yard, works


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (None, [0, 1, 2, 3, 4]),
        (DeliveryState.PENDING, [3, 4]),
        (DeliveryState.DELIVERED, [0]),
        (DeliveryState.EXHAUSTED, [1]),
        (DeliveryState.CANCELLED, [2]),
    ],
)
@pytest.mark.parametrize("by", ["subscription", "event", "type", "time", "nothing"])
async def test_deliveries_are_found_by_every_filter(
    store: Store, state: DeliveryState | None, expected: list[int], by: str
) -> None:
    yard, works = await prepared(store)
    ids = [works[number].delivery_id for number in expected]
    if by == "subscription":
        which = DeliveryFilter(state=state, subscription_id=yard.lanes[0])
    elif by == "event":
        which = DeliveryFilter(state=state, subscription_id=yard.lanes[0], event_id=works[3].event.id)
        ids = [name for name in ids if name == works[3].delivery_id]
    elif by == "type":
        which = DeliveryFilter(state=state, subscription_id=yard.lanes[0], event_type="a")
        ids = [name for name in ids if name in {works[1].delivery_id, works[3].delivery_id}]
    elif by == "time":
        which = DeliveryFilter(state=state, subscription_id=yard.lanes[0], from_time=NOON + 1, to_time=NOON + 4)
        ids = [name for name in ids if name not in {works[0].delivery_id, works[4].delivery_id}]
    else:
        which = DeliveryFilter(state=state)
    found = await store.deliveries(TENANT, which, before=None, limit=99)
    assert [one.pos for one in found] == sorted((one.pos for one in found), reverse=True)
    assert [one.delivery.id for one in found if one.delivery.subscription_id == yard.lanes[0]] == ids[::-1]
    for one in found:
        assert await store.delivery(TENANT, one.delivery.id) == one
    paged, before = [], None
    while page := await store.deliveries(TENANT, which, before=before, limit=2):
        paged += page
        before = page[-1].pos
    assert paged == list(found)
    assert await store.deliveries("globex", which, before=None, limit=9) == []


async def test_a_delivery_says_how_it_stands(store: Store) -> None:
    yard, works = await prepared(store)
    waiting = await store.delivery(TENANT, works[3].delivery_id)
    assert waiting is not None
    assert (waiting.delivery.next_attempt_time, waiting.delivery.finish_time) == (moment(NOON + SECOND), None)
    assert (waiting.delivery.webhook_id, waiting.delivery.event_type) == (works[3].event.id, "a")
    assert waiting.delivery.create_time == moment(NOON + 3)
    assert await store.delivery("globex", works[3].delivery_id) is None
    assert yard.lanes[0] == waiting.delivery.subscription_id


async def test_every_change_appears_once_in_commit_order_as_it_was(store: Store) -> None:
    yard, works = await prepared(store)
    await store.requeue(TENANT, works[1].delivery_id, at=NOON + 7)
    await store.requeue(TENANT, works[3].delivery_id, at=NOON + 8)
    await store.cancel(TENANT, works[4].delivery_id, reason="why", at=NOON + 9)
    changes = await store.changes(TENANT, after=0, limit=99)
    assert [change.pos for change in changes] == sorted({change.pos for change in changes})
    seen = [(change.delivery.id, change.delivery.state.value, change.attempt is not None) for change in changes]
    names = [work.delivery_id for work in works]
    assert seen == [
        (names[0], "delivered", True),
        (names[1], "exhausted", True),
        (names[2], "cancelled", False),
        (names[3], "pending", True),
        (names[1], "pending", False),
        (names[3], "pending", False),
        (names[4], "cancelled", False),
    ]
    assert (changes[4].delivery.run, changes[4].delivery.attempts) == (2, 1)
    assert changes[5].delivery.next_attempt_time == moment(NOON + 8)
    assert changes[6].delivery.reason == "why"
    paged, after = [], 0
    while page := await store.changes(TENANT, after=after, limit=2):
        paged += page
        after = page[-1].pos
    assert paged == list(changes)
    assert await store.head(TENANT) >= changes[-1].pos
    assert await store.changes(TENANT, after=await store.head(TENANT), limit=9) == []
    del yard


async def test_attempts_read_back_as_they_were(store: Store) -> None:
    yard = await Yard.make(store)
    settlement = outcome(await yard.work(), Result.WAIT, due=NOON + SECOND)
    await store.settle(yard.node, [settlement])
    assert await store.attempts(TENANT, settlement.work.delivery_id) == [settlement.attempt]
    assert await store.attempts("globex", settlement.work.delivery_id) == []


async def test_stats_count_by_state_and_know_the_oldest_that_is_due(store: Store) -> None:
    yard, works = await prepared(store)
    stats = await store.stats(TENANT, now=NOON + 10 * SECOND)
    first = stats.by_subscription[yard.lanes[0]]
    assert (first.pending, first.delivered, first.exhausted, first.cancelled) == (2, 1, 1, 1)
    assert (stats.pending, stats.delivered) == (7, 1)
    assert stats.oldest_pending_age == pytest.approx(10.0)
    await store.cancel(TENANT, works[4].delivery_id, reason="", at=NOON)
    first = (await store.stats(TENANT, now=NOON + 10 * SECOND)).by_subscription[yard.lanes[0]]
    assert first.oldest_pending_age == pytest.approx(9.0)
    empty = await store.stats("globex", now=NOON)
    assert (empty.pending, empty.oldest_pending_age, empty.by_subscription) == (0, 0.0, {})


async def test_a_job_moves_only_from_where_it_stood(store: Store) -> None:
    yard = await Yard.make(store)
    event = make_event(ordering_key="o")
    await store.append(NOBODY, [route(event, revision=await yard.revision())])
    request = Repeatable(method="replay", request_id="r", digest=b"")
    job = await store.add_job(make_job(JobKind.REPLAY, yard.lanes[0]), request)
    assert await store.add_job(make_job(JobKind.REPLAY, yard.lanes[0]), request) == job
    new = [
        JobDelivery(yard.lanes[0], "d1", event.id, event.id),
        JobDelivery(yard.lanes[0], "d2", event.id, "fresh-id"),
        JobDelivery("nowhere", "d3", event.id, event.id),
        JobDelivery(yard.lanes[0], "d4", "nothing", "nothing"),
    ]
    assert await store.step(job, cursor="5", scanned=2, deliveries=new, finished=False, at=NOON)
    assert not await store.step(job, cursor="5", scanned=2, deliveries=new, finished=False, at=NOON)
    (moved,) = await store.jobs()
    assert (moved.cursor, moved.scanned, moved.added) == ("5", 2, 2)
    assert [(work.delivery_id, work.webhook_id) for work in await yard.claim()] == [("d1", event.id), ("d2", "fresh-id")]
    found = await store.delivery(TENANT, "d2")
    assert found is not None
    assert (found.delivery.replay_id, found.delivery.webhook_id) == (job.id, "fresh-id")
    assert await store.step(moved, cursor="9", scanned=1, deliveries=(), finished=True, at=NOON + 1)
    assert await store.jobs() == []
    over = await store.job(TENANT, job.id)
    assert over is not None
    assert (over.scanned, over.finish_time, over.cancelled) == (3, moment(NOON + 1), False)
    assert not await store.end_job(TENANT, job.id, at=NOON)


async def test_the_last_delivery_of_an_event_says_how_it_stands(store: Store) -> None:
    yard, works = await prepared(store)
    events = [work.event.id for work in works]
    expected = dict(zip(events, (DeliveryState.DELIVERED, DeliveryState.EXHAUSTED, DeliveryState.CANCELLED), strict=False))
    expected |= dict.fromkeys(events[3:], DeliveryState.PENDING)
    assert await store.standings(TENANT, yard.lanes[0], [*events, "nothing"]) == expected
    assert await store.standings(TENANT, "nobody", events) == {}
    job = await store.add_job(make_job(JobKind.REPLAY, yard.lanes[0]))
    again = [JobDelivery(yard.lanes[0], "again", events[1], events[1])]
    assert await store.step(job, cursor="1", scanned=1, deliveries=again, finished=True, at=NOON)
    assert await store.standings(TENANT, yard.lanes[0], events[:2]) == {
        events[0]: DeliveryState.DELIVERED,
        events[1]: DeliveryState.PENDING,
    }
    for which in ({}, {"subscription_id": yard.lanes[0]}, {"event_id": events[1]}, {"state": DeliveryState.PENDING}):
        found = await store.deliveries(TENANT, DeliveryFilter(replay_id=job.id, **which), before=None, limit=10)
        assert [one.delivery.id for one in found] == ["again"], which
    assert await store.deliveries(TENANT, DeliveryFilter(replay_id="none"), before=None, limit=10) == []


async def test_replays_are_listed_by_subscription_the_newest_first(store: Store) -> None:
    for number, (kind, subject) in enumerate(
        ((JobKind.REPLAY, "s"), (JobKind.DRAIN, "s"), (JobKind.REPLAY, "t"), (JobKind.REPLAY, "s"))
    ):
        await store.add_job(make_job(kind, subject, job_id=f"rpl_{number}"))
    await store.end_job(TENANT, "rpl_3", at=NOON)
    assert [job.id for job in await store.replays(TENANT, "", before="", limit=10)] == ["rpl_3", "rpl_2", "rpl_0"]
    assert [job.id for job in await store.replays(TENANT, "s", before="rpl_3", limit=10)] == ["rpl_0"]
    assert [job.id for job in await store.replays(TENANT, "", before="", limit=1)] == ["rpl_3"]
    assert await store.replays("nobody", "", before="", limit=10) == []


async def test_a_job_that_was_ended_moves_no_more(store: Store) -> None:
    job = await store.add_job(make_job(JobKind.REPLAY, "s"))
    assert await store.end_job(TENANT, job.id, at=NOON)
    assert not await store.end_job(TENANT, job.id, at=NOON)
    assert not await store.step(job, cursor="1", scanned=1, deliveries=(), finished=False, at=NOON)
    ended = await store.job(TENANT, job.id)
    assert ended is not None
    assert ended.cancelled


async def purge(store: Store, *, finished_before: int, keys_before: int, limit: int = 100) -> Purged:
    total = Purged(0, 0, 0)
    while any(step := await store.purge(finished_before=finished_before, keys_before=keys_before, limit=limit)):
        total = Purged(*(a + b for a, b in zip(total, step, strict=True)))
    return total


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_retention_takes_what_is_finished_and_nothing_that_is_pending(store: Store, limit: int) -> None:
    yard = await Yard.make(store)
    await yard.emit(6)
    works = await yard.claim()
    await store.settle(yard.node, [outcome(work, at=NOON + number * DAY) for number, work in enumerate(works[:4])])
    before = await store.changes(TENANT, after=0, limit=9)
    assert await purge(store, finished_before=NOON + 2 * DAY, keys_before=0, limit=limit) == Purged(2, 2, 2)
    assert await store.delivery(TENANT, works[0].delivery_id) is None
    assert await store.event(TENANT, works[0].event.id) is None
    assert await store.attempts(TENANT, works[0].delivery_id) == []
    assert await store.changes(TENANT, after=0, limit=9) == before[2:]
    assert await store.horizon(TENANT) == before[1].pos
    assert await store.horizon("globex") == 0
    assert [work.pos for work in await yard.claim()] == [work.pos for work in works[4:]]
    assert await store.event(TENANT, works[5].event.id) is not None


async def test_ids_and_keys_stay_known_for_their_window_when_the_event_is_gone(store: Store) -> None:
    await store.append(NOBODY, [route(make_event("e1", key="k"), revision=0)])
    assert (await purge(store, finished_before=NOON + DAY, keys_before=NOON)).events == 1
    assert await store.event(TENANT, "e1") is None
    again = [route(make_event("e1"), revision=0), route(make_event("e1"), revision=0, digest=b"other")]
    again.append(route(make_event("e2", key="k"), revision=0))
    known = Duplicate("e1", moment(NOON))
    assert await store.append(NOBODY, again) == [known, Clash("id", "e1"), known]
    await purge(store, finished_before=0, keys_before=NOON + 1)
    await store.purge(finished_before=0, keys_before=NOON + 1, limit=9)
    assert await store.append(NOBODY, [route(make_event("e1", key="k"), revision=0)]) == [Accepted([])]


async def test_an_event_that_waits_for_its_fan_out_stays(store: Store) -> None:
    await store.append(NOBODY, [route(make_event("e1"), revision=0, fanout=True)])
    assert (await purge(store, finished_before=NOON + DAY, keys_before=NOON + DAY)).events == 0
    (job,) = await store.jobs()
    await store.step(job, cursor="", scanned=0, deliveries=(), finished=True, at=NOON)
    assert (await purge(store, finished_before=NOON + DAY, keys_before=NOON + DAY)).events == 1


async def test_a_removed_subscriptions_history_stays_until_retention_takes_it(store: Store) -> None:
    yard = await Yard.make(store)
    work = await yard.work()
    job = make_job(JobKind.DRAIN, yard.lanes[0])
    await store.remove_subscription(TENANT, yard.lanes[0], etag="1", job=job)
    while await store.drain(job, limit=9, reason="gone", at=NOON):
        pass
    found = await store.delivery(TENANT, work.delivery_id)
    assert found is not None
    assert (found.delivery.state, found.delivery.subscription_id) == (DeliveryState.CANCELLED, yard.lanes[0])
    assert not await store.requeue(TENANT, work.delivery_id, at=NOON)
    assert (await purge(store, finished_before=NOON + 1, keys_before=0)).deliveries == 1
    assert await store.delivery(TENANT, work.delivery_id) is None


async def test_a_backup_is_a_whole_store(store: Store, tmp_path: Path) -> None:
    yard, works = await prepared(store)
    target = tmp_path / "backup.db"
    if isinstance(store, PostgresStore):
        with pytest.raises(StoreError, match="use pg_dump"):
            await store.backup(target)
        return
    await store.backup(target)
    assert target.stat().st_mode & 0o777 == 0o600
    copy = SqliteStore(target, SystemClock())
    await copy.open()
    try:
        assert await copy.stats(TENANT, now=NOON) == await store.stats(TENANT, now=NOON)
        assert await copy.attempts(TENANT, works[0].delivery_id) == await store.attempts(TENANT, works[0].delivery_id)
        assert (await copy.catalogue(TENANT)) == await store.catalogue(TENANT)
    finally:
        await copy.close()
    with pytest.raises(StoreError, match="exists already"):
        await store.backup(target)
    with pytest.raises(StoreError, match="cannot be written"):
        await store.backup(tmp_path / "missing" / "backup.db")
    assert LaneKey(TENANT, yard.lanes[0]) == yard.key
