"""History by day: retention drops whole days, and carries forward what is still needed of them."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from postgres.server import Server
from store.making import NOON, SECOND, TENANT, Yard, make_event, outcome

from hookline.model import DeliveryState
from hookline.store.postgres import Address, PostgresStore
from hookline.store.postgres.pool import connect
from hookline.store.postgres.rows import LAST
from hookline.store.postgres.statements import load
from hookline.store.protocol import DueRequest, EventFilter, Result, Wake, WakeKind

DAY = 86_400 * SECOND


class Calendar:
    """A clock that is set by the day."""

    def __init__(self) -> None:
        self.now = NOON

    def time(self) -> float:
        return self.now / SECOND

    def monotonic(self) -> float:
        return self.now / SECOND


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
async def dated(shared: Server, database: str, calendar: Calendar) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(Address.parse(shared.url(database)), calendar, floor=None)
    await store.open()
    yield store
    await store.close()


def days(shared: Server, database: str) -> set[int]:
    """Days for which there are partitions, counted from the first of the tests."""
    found = shared.sql("SELECT relname FROM pg_class WHERE relname ~ '^(event|done|change)_d[0-9]+$'", database=database)
    return {int(str(name).rpartition("_d")[2]) - NOON // DAY for (name,) in found}


async def until_done(store: PostgresStore, calendar: Calendar, kept: int) -> None:
    while any(await store.purge(finished_before=calendar.now - kept * DAY, keys_before=0, limit=100)):
        pass


async def test_days_come_ahead_and_go_whole(dated: PostgresStore, calendar: Calendar, shared: Server, database: str) -> None:
    assert days(shared, database) >= {-1, 0, 1, 2, 3}
    yard = await Yard.make(dated)
    old = await yard.work()
    await dated.settle(yard.node, [outcome(old)])
    horizon = (await dated.changes(TENANT, after=0, limit=9))[-1].pos
    assert shared.sql("SELECT (SELECT count(*) FROM hookline.done_default) + (SELECT count(*) FROM hookline.event_default)",
                      database=database) == [(0,)]  # fmt: skip
    calendar.now = NOON + 5 * DAY
    await until_done(dated, calendar, 2)
    assert {0, 1, 2} & days(shared, database) == set()
    assert {4, 5, 6, 7, 8} <= days(shared, database)
    assert await dated.delivery(TENANT, old.delivery_id) is None
    assert await dated.event(TENANT, old.event.id) is None
    assert await dated.attempts(TENANT, old.delivery_id) == []
    assert await dated.horizon(TENANT) == horizon
    assert (await dated.stats(TENANT, now=NOON)).delivered == 1


async def test_what_is_pending_outlives_its_day_with_its_event_and_its_attempts(
    dated: PostgresStore, calendar: Calendar, shared: Server, database: str
) -> None:
    yard = await Yard.make(dated)
    fresh = await yard.work()
    waiting = await yard.work()
    await dated.settle(yard.node, [outcome(waiting, Result.WAIT, due=NOON + 9 * DAY)])
    calendar.now = NOON + 9 * DAY
    await until_done(dated, calendar, 2)
    assert 0 not in days(shared, database)
    assert [work.event for work in await yard.claim()] == [fresh.event]
    (due,) = await dated.due([DueRequest(yard.key, NOON + 9 * DAY, 9)])
    assert [work.event for work in due.works] == [waiting.event]
    assert len(await dated.attempts(TENANT, waiting.delivery_id)) == 1
    assert await dated.event(TENANT, fresh.event.id) == fresh.event
    # And once more, from where they were carried to.
    calendar.now = NOON + 20 * DAY
    await until_done(dated, calendar, 2)
    assert [work.event for work in await yard.claim()] == [fresh.event]


async def test_a_delivery_that_finished_later_keeps_its_event_until_it_goes_itself(
    dated: PostgresStore, calendar: Calendar
) -> None:
    yard = await Yard.make(dated)
    work = await yard.work()
    calendar.now = NOON + 3 * DAY
    await dated.settle(yard.node, [outcome(work, Result.EXHAUSTED, at=calendar.now)])
    calendar.now = NOON + 4 * DAY
    await until_done(dated, calendar, 2)
    assert await dated.event(TENANT, work.event.id) == work.event
    assert await dated.requeue(TENANT, work.delivery_id, at=calendar.now)
    (again,) = await yard.claim()
    assert (again.run, again.event) == (2, work.event)


async def test_what_has_no_day_of_its_own_is_kept_and_goes_row_by_row(
    dated: PostgresStore, calendar: Calendar, shared: Server, database: str
) -> None:
    yard = await Yard.make(dated)
    far = NOON + 100 * DAY
    await yard.append(make_event(accepted=far))
    (work,) = await yard.claim()
    await dated.settle(yard.node, [outcome(work, at=far)])
    assert shared.sql("SELECT count(*) FROM hookline.done_default", database=database) == [(1,)]
    calendar.now = far + 3 * DAY
    await until_done(dated, calendar, 2)
    assert await dated.delivery(TENANT, work.delivery_id) is None
    assert await dated.event(TENANT, work.event.id) is None


async def test_a_delivery_whose_event_is_gone_is_cancelled_with_the_reason(
    dated: PostgresStore, shared: Server, database: str
) -> None:
    yard = await Yard.make(dated)
    work = await yard.work()
    heard: asyncio.Queue[Wake] = asyncio.Queue()
    dated.listen(yard.node, heard.put_nowait)
    shared.sql(f"DELETE FROM hookline.event WHERE id = '{work.event.id}'", database=database)
    assert await yard.claim() == []
    while (await asyncio.wait_for(heard.get(), 30)).kind is not WakeKind.FORGET:
        pass
    found = await dated.delivery(TENANT, work.delivery_id)
    assert found is not None
    assert (found.delivery.state, found.delivery.reason) == (DeliveryState.CANCELLED, "its event was removed by retention")


async def test_what_is_pending_survives_even_a_bound_that_lies_ahead(dated: PostgresStore, calendar: Calendar) -> None:
    yard = await Yard.make(dated)
    pending, over = await yard.work(), await yard.work()
    await dated.settle(yard.node, [outcome(over)])
    await until_done(dated, calendar, -2)
    assert [work.event for work in await yard.claim()] == [pending.event]
    assert await dated.delivery(TENANT, over.delivery_id) is None
    assert await dated.event(TENANT, over.event.id) is None


async def test_events_from_a_time_on_are_read_without_the_days_before(
    dated: PostgresStore, calendar: Calendar, shared: Server, database: str
) -> None:
    yard = await Yard.make(dated)
    await yard.emit(3)
    calendar.now = NOON + 2 * DAY
    await yard.append(make_event(accepted=calendar.now))
    since = EventFilter(from_time=calendar.now)
    assert len(await dated.scan(TENANT, since, after=0, limit=9)) == 1
    assert len(await dated.events(TENANT, since, before=None, limit=9)) == 1
    looker = await connect(Address.parse(shared.url(database)))
    try:
        for name, more in (("rising", f", {LAST}"), ("falling", "")):
            await looker.execute(f"PREPARE {name} AS {load('events')[name]}")
            bounds = f"{calendar.now}, {LAST}, '{{}}', {calendar.now // DAY}, 9"
            plan = await looker.fetch(f"EXPLAIN EXECUTE {name}('{TENANT}', {LAST if name == 'falling' else 0}, {bounds}{more})")
            read = set(re.findall(r"event_d(\d+)", "\n".join(row[0] for row in plan)))
            assert str(calendar.now // DAY) in read
            assert not any(int(day) < calendar.now // DAY for day in read)
    finally:
        await looker.close()
