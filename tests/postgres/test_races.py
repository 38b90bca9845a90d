"""Races between processes, made certain: one is held up by a lock in the middle of what it does, the other goes on."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from postgres.proxy import Proxy
from postgres.server import Server, new_server
from store.making import NOON, SECOND, TENANT, Yard, make_event, make_job, outcome, route

from hookline.clock import SystemClock
from hookline.errors import Unavailable
from hookline.store.postgres import Address, PostgresStore, migrate_at, migrations, nodes, wake
from hookline.store.protocol import (
    NOBODY,
    Accepted,
    DueRequest,
    Duplicate,
    JobDelivery,
    JobKind,
    OwnedLane,
    Repeatable,
    Result,
    Wake,
    WakeKind,
)

DAY = 86_400 * SECOND
NAME = "INSERT INTO hookline.idempotency VALUES ($1, $2, $3, $4, 'same', 0, gen_random_uuid())"


@pytest.fixture
async def held(shared: Server, database: str) -> AsyncIterator["Held"]:
    """Somebody else, in the middle of a transaction."""
    connection = await asyncpg.connect(shared.url(database))
    await connection.execute("BEGIN")
    yield Held(connection)
    await connection.close()


class Held:
    """A transaction that ends when the test says so."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.execute = connection.execute

    async def has_waiting(self, number: int = 1) -> None:
        """Until so many others wait for locks."""
        async with asyncio.timeout(30):
            while (
                await self._connection.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
                < number
            ):
                await self._connection.execute("SELECT pg_stat_clear_snapshot()")
                await asyncio.sleep(0.01)


@asynccontextmanager
async def opened(url: str, *, floor: float | None = None) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(Address.parse(url), SystemClock(), floor=floor)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


# Appends.


async def test_an_append_that_goes_on_after_its_connection_was_lost_keeps_its_key_when_it_is_repeated(
    shared: Server, database: str, held: Held
) -> None:
    async with Proxy(shared.port) as proxy, opened(shared.url(database, port=proxy.port)) as store:
        yard = await Yard.make(store)
        event = make_event("mine", key="k")
        await held.execute("SELECT 1 FROM hookline.lane FOR UPDATE")
        task = asyncio.create_task(yard.append(event))
        await held.has_waiting()
        proxy.drop()  # the server goes on with it
        await held.has_waiting(2)
        await held.execute("COMMIT")
        (answer,) = await task
        assert isinstance(answer, Accepted)
        (again,) = await yard.append(make_event("other", key="k"))
        assert again == Duplicate("mine", event.accept_time)


async def test_an_event_that_was_too_late_with_its_key_leaves_nothing_under_its_id(
    store: PostgresStore, shared: Server, database: str, held: Held
) -> None:
    yard = await Yard.make(store)
    shared.sql(
        "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'as if the process had died'; END $$",
        "CREATE TRIGGER refuse BEFORE DELETE ON hookline.idempotency FOR EACH ROW EXECUTE FUNCTION public.refuse()",
        database=database,
    )
    await held.execute(NAME, TENANT, "key", "k", "first")
    task = asyncio.create_task(yard.append(make_event("second", key="k")))
    await held.has_waiting()
    await held.execute("COMMIT")
    (answer,) = await task
    assert isinstance(answer, Duplicate)
    assert answer.event_id == "first"
    (other,) = await yard.append(make_event("second"))
    assert isinstance(other, Accepted)  # and no duplicate of an event that there is not


async def test_what_waited_for_another_append_comes_after_it_within_an_ordering_key(
    store: PostgresStore, other: PostgresStore, held: Held
) -> None:
    yard = await Yard.make(store, ordered=True)
    one, two = make_event("b_one", ordering_key="x"), make_event("c_two", ordering_key="x")
    await held.execute(NAME, TENANT, "id", "a", "a")
    task = asyncio.create_task(yard.append(make_event("a"), one, two))  # as two readers of one outbox would
    await held.has_waiting()
    revision = await yard.revision()
    (first,) = await other.append(NOBODY, [route(one, yard.lanes, revision=revision)])
    await held.execute("ROLLBACK")
    answers = await task
    assert isinstance(first, Accepted)
    assert isinstance(answers[1], Duplicate)
    assert isinstance(answers[2], Accepted)
    assert answers[2].positions > first.positions
    assert isinstance(answers[0], Accepted)
    assert [work.event.id for work in await yard.claim()] == ["b_one", "a", "c_two"]


async def test_a_delivery_to_a_lane_that_closes_meanwhile_is_not_stored_and_one_before_it_is_drained(
    store: PostgresStore, held: Held
) -> None:
    yard = await Yard.make(store)
    await yard.emit()
    await held.execute("SELECT 1 FROM hookline.lane FOR UPDATE")
    await held.execute("UPDATE hookline.lane SET taking = false")
    task = asyncio.create_task(yard.append(make_event()))
    await held.has_waiting()
    await held.execute("COMMIT")
    assert list(await task) == [Accepted([0])]
    job = await store.add_job(make_job(JobKind.DRAIN, yard.lanes[0]))
    assert await store.drain(job, limit=9, reason="", at=NOON) == 1
    assert await store.drain(job, limit=9, reason="", at=NOON) == 0


# Membership.


async def test_a_heart_beats_while_a_handover_waits_for_a_lane_that_a_stopped_process_holds(
    store: PostgresStore, other: PostgresStore, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "PATIENCE", "60s")
    yard = await Yard.make(store)
    heir = await other.join()
    lane = OwnedLane(yard.key, 1, False)
    await held.execute("SELECT 1 FROM hookline.lane FOR SHARE")
    keeping = asyncio.create_task(store.keep(yard.node, [(lane, "state")]))
    handing = asyncio.create_task(store.hand(yard.node, lane, heir))
    await held.has_waiting(2)
    assert {row.id for row in await asyncio.wait_for(store.beat(yard.node, 1), 30)} == {yard.node, heir}
    assert not keeping.done()
    assert not handing.done()
    await held.execute("COMMIT")
    await keeping
    assert await handing


async def test_what_changes_a_lane_that_somebody_holds_gives_way_and_can_be_done_later(store: PostgresStore, held: Held) -> None:
    yard = await Yard.make(store)
    lane = OwnedLane(yard.key, 1, False)
    await held.execute("SELECT 1 FROM hookline.lane FOR SHARE")
    for asked in (store.keep(yard.node, [(lane, "s")]), store.hand(yard.node, lane, yard.node), store.retake(yard.node, lane)):
        with pytest.raises(Unavailable, match="lock timeout"):
            await asked
    await held.execute("COMMIT")
    assert await store.retake(yard.node, lane) == OwnedLane(yard.key, 2, False)


# By hand, beside the owner.


async def test_a_lane_is_not_taken_over_while_one_of_its_deliveries_is_moved_by_hand(
    store: PostgresStore, other: PostgresStore, held: Held
) -> None:
    yard = await Yard.make(store)
    work = await yard.work()
    await store.settle(yard.node, [outcome(work, Result.WAIT, due=NOON + DAY)])
    heir = await other.join()
    await held.execute("SELECT 1 FROM hookline.later FOR UPDATE")
    task = asyncio.create_task(other.requeue(TENANT, work.delivery_id, at=NOON + SECOND))
    await held.has_waiting()
    await store.bury(yard.node, 0)
    assert await other.sweep(heir, 9) == []  # its first read would not see the new time, and nobody would tell it
    await held.execute("COMMIT")
    assert await task
    assert await other.sweep(heir, 9) == [OwnedLane(yard.key, 2, False)]
    (due,) = await other.due([DueRequest(yard.key, NOON + SECOND, 9)])
    assert [found.delivery_id for found in due.works] == [work.delivery_id]


async def test_what_lapses_waits_for_a_settle_instead_of_each_for_the_other(store: PostgresStore, held: Held) -> None:
    yard = await Yard.make(store)
    first, second = await yard.emit(2)
    await held.execute("SELECT 1 FROM hookline.lane FOR SHARE")
    await held.execute("DELETE FROM hookline.fresh WHERE pos = $1", second)
    task = asyncio.create_task(store.lapse(yard.key, before=NOON + 1, limit=9, reason="", at=NOON))
    await held.has_waiting()
    await held.execute("DELETE FROM hookline.fresh WHERE pos = $1", first)  # a deadlock, had it the first already
    await held.execute("ROLLBACK")
    assert await task == 2


async def test_a_job_that_is_asked_for_twice_at_the_same_time_is_begun_once(store: PostgresStore, held: Held) -> None:
    yard = await Yard.make(store)
    request = Repeatable(method="replay", request_id="r", digest=b"d")
    await held.execute("INSERT INTO hookline.job SELECT $1, 'first', 'replay', $2, '{}', '', 0, 0, false, 0", TENANT, yard.lanes[0])
    await held.execute("INSERT INTO hookline.request VALUES ($1, 'replay', 'r', 'd', 'first', 0)", TENANT)
    task = asyncio.create_task(store.add_job(make_job(JobKind.REPLAY, yard.lanes[0]), request))
    await held.has_waiting()
    await held.execute("COMMIT")
    assert (await task).id == "first"
    assert [job.id for job in await store.jobs()] == ["first"]


async def test_a_settle_that_waited_for_a_cancel_reports_the_work_as_gone(store: PostgresStore, held: Held) -> None:
    yard = await Yard.make(store)
    one, two = await yard.work(), await yard.work()
    await held.execute("SELECT 1 FROM hookline.fresh WHERE pos = $1 FOR UPDATE", one.pos)
    cancel = asyncio.create_task(store.cancel(TENANT, one.delivery_id, reason="by hand", at=NOON))
    await held.has_waiting()
    settle = asyncio.create_task(store.settle(yard.node, [outcome(two), outcome(one)]))
    await held.has_waiting(2)
    await held.execute("COMMIT")
    assert await cancel
    settled = await settle
    assert settled.gone in ({one.pos}, frozenset())
    stats = await store.stats(TENANT, now=NOON)
    assert (stats.pending, stats.delivered, stats.cancelled) == (0, 1, 1)


# What became of a commit.


async def test_a_transaction_that_the_server_has_never_heard_of_is_not_committed(store: PostgresStore) -> None:
    assert not await store._the.pool._was_committed(1_000_000_000, "")


@pytest.fixture(scope="module")
def own() -> Iterator[Server]:
    """A server that the tests of this module may stop, and that writes nothing on its own for long."""
    made = new_server(wal_writer_delay="10s")
    yield made
    made.remove()


@pytest.mark.slow
async def test_after_a_crash_the_fate_of_a_transaction_is_not_that_of_another_with_its_number(own: Server) -> None:
    database = own.database()
    async with opened(own.url(database)) as store:
        number = 0

        async def work(connection: Any, base: int) -> None:
            nonlocal number
            if number:
                raise Unavailable("once is enough", retry_after=1.0)
            number = base >> 20
            await connection.execute("INSERT INTO hookline.tenant (tenant) VALUES ('mine')")
            await asyncio.to_thread(own.stop, signal.SIGQUIT)
            await asyncio.to_thread(own.start)
            stranger = await asyncpg.connect(own.url(database))
            while int(await stranger.fetchval("SELECT pg_current_xact_id()::text")) < number:
                pass
            await stranger.close()

        try:
            await store._the.pool.transaction(work)
            told = True
        except Unavailable:
            told = False
        made = own.sql("SELECT 1 FROM hookline.tenant WHERE tenant = 'mine'", database=database) != []
        assert number > 0
        assert made or not told


# Retention.


class Calendar(SystemClock):
    """A clock that is set by the day."""

    now = NOON

    def time(self) -> float:  # type: ignore[override]  # of one's own
        return self.now / SECOND


async def test_an_old_day_is_carried_forward_and_dropped_while_everybody_goes_on(
    shared: Server, database: str, other: PostgresStore
) -> None:
    calendar = Calendar()
    store = PostgresStore(Address.parse(shared.url(database)), calendar, floor=None)
    await store.open()
    try:
        yard = await Yard.make(store)
        pending, waiting, over, replayed = [await yard.work() for _ in range(4)]
        behind = make_event()
        await store.settle(yard.node, [outcome(waiting, Result.WAIT, due=NOON + 9 * DAY)])
        calendar.now = NOON + 2 * DAY  # it has its end a day later than its attempt, and both go
        await store.settle(yard.node, [outcome(over, Result.EXHAUSTED, at=calendar.now), outcome(replayed, at=calendar.now)])
        shared.sql(
            "CREATE TABLE public.gate AS SELECT 1 AS shut",
            "CREATE FUNCTION public.wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "WHILE NEW.accept / 86400000000 < NEW.day AND EXISTS (SELECT 1 FROM public.gate) "
            "LOOP PERFORM pg_sleep(0.01); END LOOP; RETURN NEW; END $$",
            "CREATE TRIGGER wait BEFORE INSERT ON hookline.event FOR EACH ROW EXECUTE FUNCTION public.wait()",
            database=database,
        )
        calendar.now = NOON + 5 * DAY

        async def purge() -> None:
            while any(await store.purge(finished_before=calendar.now - 2 * DAY, keys_before=0, limit=100)):
                pass

        purging = asyncio.create_task(purge())
        async with asyncio.timeout(60):
            sleeping = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
            while not await other._the.pool.read(sleeping):  # noqa: ASYNC110  # what is waited for happens in the database
                await asyncio.sleep(0.01)
            assert await other.event(TENANT, pending.event.id) == pending.event
            revision = await yard.revision()
            # Into the day of today, and by somebody whose clock is behind into the one that goes.
            for event in (make_event(accepted=calendar.now), behind):
                (new,) = await other.append(NOBODY, [route(event, yard.lanes, revision=revision)])
                assert isinstance(new, Accepted)
                assert (await yard.claim())[-1].pos == new.positions[0]
                assert await other.head(TENANT) >= new.positions[0]  # whoever watches does not wait for it either
            assert await other.cancel(TENANT, pending.delivery_id, reason="", at=calendar.now)
            assert await other.requeue(TENANT, over.delivery_id, at=calendar.now)  # it begins again, with an event that moves
            assert await other.requeue(TENANT, waiting.delivery_id, at=calendar.now)
            replay = await other.add_job(make_job(JobKind.REPLAY, yard.lanes[0]))
            again = [JobDelivery(yard.lanes[0], "again", replayed.event.id, "")]
            assert await other.step(replay, cursor="c", scanned=1, deliveries=again, finished=True, at=calendar.now)
        assert not purging.done()
        shared.sql("DELETE FROM public.gate", database=database)
        await purging
        left = shared.sql("SELECT relname FROM pg_class WHERE relname ~ '_d[0-9]+$' ORDER BY 1", database=database)
        assert min(int(str(name).rpartition("_d")[2]) for (name,) in left) >= NOON // DAY + 3
        works = {work.delivery_id: work for work in await yard.claim()}
        assert works[over.delivery_id].event == over.event
        assert works["again"].event == replayed.event
        assert behind in [work.event for work in works.values()]
        (due,) = await store.due([DueRequest(yard.key, calendar.now, 9)])
        assert [work.event for work in due.works] == [waiting.event]
        for work in (waiting, over):
            assert len(await store.attempts(TENANT, work.delivery_id)) == 1
    finally:
        await store.close()


# Wakes that nobody hears, and sessions that nobody ends.


async def test_behind_a_pooler_a_session_that_stands_still_within_a_transaction_is_ended_by_the_server(
    shared: Server, database: str
) -> None:
    async with opened(shared.url(database, query="&pooler=1")) as store:
        found = await store._the.pool.read("SELECT current_setting('idle_in_transaction_session_timeout')")
        assert found[0][0] == "5s"


async def test_behind_a_pooler_everything_is_looked_at_now_and_then(
    shared: Server, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wake, "POOLED_LOOK", 0.05)
    async with opened(shared.url(database, query="&pooler=1"), floor=0.02) as store:
        heard: asyncio.Queue[Wake] = asyncio.Queue()
        store.listen(await store.join(), heard.put_nowait)
        assert (await asyncio.wait_for(heard.get(), 30)).kind in {WakeKind.LOOK, WakeKind.NODES}
        while (await asyncio.wait_for(heard.get(), 30)).kind is not WakeKind.LOOK:
            pass


async def test_a_listening_connection_that_has_died_without_a_word_is_replaced(
    shared: Server, database: str, other: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wake, "CHECK", 0.05)
    monkeypatch.setattr(wake, "ANSWER", 0.5)
    async with opened(shared.url(database)) as store:
        yard = await Yard.make(store)
        heard: asyncio.Queue[Wake] = asyncio.Queue()
        store.listen(yard.node, heard.put_nowait)
        ear = store._the.wakes._ear
        assert ear is not None
        deaf = ear.get_server_pid()
        os.kill(deaf, signal.SIGSTOP)  # the test's own server's
        try:
            while (await asyncio.wait_for(heard.get(), 60)).kind is not WakeKind.LOOK:
                pass
            monkeypatch.setattr(wake, "CHECK", 60.0)
            monkeypatch.setattr(wake, "ANSWER", 60.0)
            kind = WakeKind.LOOK
            while kind is not WakeKind.FORGET:
                if kind is WakeKind.LOOK:  # again, if on a slow machine the new one was replaced too
                    work = await yard.work()
                    await other.cancel(TENANT, work.delivery_id, reason="", at=NOON)
                kind = (await asyncio.wait_for(heard.get(), 60)).kind
        finally:
            os.kill(deaf, signal.SIGCONT)


# Migrations.


async def test_a_migration_that_waits_for_a_table_holds_up_nobody_and_is_tried_again(
    store: PostgresStore, shared: Server, database: str, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard = await Yard.make(store)
    new = max(migrations.MIGRATIONS) + 1
    monkeypatch.setattr(migrations, "VERSION", new)
    monkeypatch.setattr(migrations, "MIGRATIONS", {new: "ALTER TABLE hookline.lane ADD COLUMN more int"})
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT", "SET LOCAL lock_timeout = '50ms'")
    monkeypatch.setattr(migrations, "PAUSE", 0.05)
    await held.execute("SELECT 1 FROM hookline.lane")  # a dump, say
    tasks = [asyncio.create_task(migrate_at(Address.parse(shared.url(database)))) for _ in range(2)]
    await held.has_waiting()
    for _ in range(3):
        assert len(await asyncio.wait_for(yard.emit(), 30)) == 1
    assert not any(task.done() for task in tasks)
    await held.execute("COMMIT")
    assert sorted(await asyncio.gather(*tasks)) == [[], [new]]
