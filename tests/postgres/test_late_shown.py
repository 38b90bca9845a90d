"""Late commits, as a client sees them: delivered, and shown by List, Watch and Replay that had gone past them."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from client.changes import Changes
from client.policies import QUICK
from client.receiver import Receiver
from postgres.late import Late
from postgres.server import Server

import hookline
from hookline import DeliveryState, EngineConfig, SubscriptionSpec
from hookline.embedded import EmbeddedClient
from hookline.model import ReplayState
from hookline.store.postgres import PostgresStore, reading

CONFIG = EngineConfig(allow_http_loopback=True, grace=0.2, floor_poll=0.2)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def client(shared: Server, database: str) -> AsyncIterator[EmbeddedClient]:
    async with hookline.open(shared.url(database), config=CONFIG) as made:
        yield made


@pytest.fixture
async def emitter(shared: Server, database: str) -> AsyncIterator[EmbeddedClient]:
    """Another process that only emits."""
    async with hookline.open(shared.url(database), config=CONFIG, deliver=False) as made:
        yield made


async def begin_late(emitter: EmbeddedClient) -> "tuple[Late, asyncio.Task[hookline.EmitResult]]":
    store = (await emitter.engine()).store
    assert isinstance(store, PostgresStore)
    late = Late(store)
    task = asyncio.create_task(emitter.emit("late.one", {}, id="late"))
    await late.began()
    return late, task


async def test_an_event_that_commits_after_newer_ones_were_delivered_is_delivered_and_watched(
    client: EmbeddedClient, emitter: EmbeddedClient, receiver: Receiver
) -> None:
    await client.subscriptions.create(SubscriptionSpec(url=receiver.url(), retry=QUICK))
    async with Changes(client) as changes:
        late, task = await begin_late(emitter)
        await client.emit("newer.one", {}, id="newer")
        assert [one.webhook_id for one in await receiver.wait(1)] == ["newer"]
        late.commit()
        await task
        assert [one.webhook_id for one in await receiver.wait(2)] == ["newer", "late"]
        await changes.until(DeliveryState.DELIVERED, count=2)
        assert {change.delivery.event_id for change in changes.seen} == {"newer", "late"}


async def test_a_list_that_was_begun_before_a_late_commit_shows_it_on_its_pages(
    client: EmbeddedClient, emitter: EmbeddedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LONGEST_WAIT", 60.0)
    await client.emit("older.one", {}, id="older")
    late, task = await begin_late(emitter)
    await client.emit("newer.one", {}, id="newer")
    listing = asyncio.create_task(client.events.list(page_size=1))
    await asyncio.sleep(0.05)
    late.commit()
    await task
    page = await listing
    shown = [event.id for event in page.items]
    while page.next_page_token:
        page = await client.events.list(page_size=1, page_token=page.next_page_token)
        shown += [event.id for event in page.items]
    assert shown == ["newer", "late", "older"]


async def test_a_replay_neither_ends_before_what_was_acknowledged_nor_goes_past_what_commits_late(
    client: EmbeddedClient, emitter: EmbeddedClient, receiver: Receiver
) -> None:
    late, task = await begin_late(emitter)
    await client.emit("newer.one", {}, id="newer")
    made = await client.subscriptions.create(SubscriptionSpec(url=receiver.url(), retry=QUICK))
    replay = await client.events.replay(made.id)
    await asyncio.sleep(0.5)  # as long as the commit is under way it may not end
    assert (await client.events.get_replay(replay.id)).state is ReplayState.RUNNING
    late.commit()
    await task
    async with asyncio.timeout(60):
        while (await client.events.get_replay(replay.id)).state is ReplayState.RUNNING:  # noqa: ASYNC110  # a task ends it
            await asyncio.sleep(0.02)
    assert [one.webhook_id for one in await receiver.wait(2)] == ["late", "newer"]


async def test_an_sql_transaction_that_stays_open_holds_up_nobody_and_its_event_comes_when_it_commits(
    client: EmbeddedClient, receiver: Receiver, shared: Server, database: str
) -> None:
    made = await client.subscriptions.create(SubscriptionSpec(url=receiver.url(), retry=QUICK))
    caller = await asyncpg.connect(shared.url(database))
    async with Changes(client) as changes:
        await caller.execute("BEGIN")
        await caller.execute("SELECT hookline.emit('default', 'late.one', '{}', id => 'late')")
        await client.emit("newer.one", {}, id="newer")
        await receiver.wait(1)
        assert [event.id for event in (await client.events.list()).items] == ["newer"]
        replay = await client.events.replay(made.id)
        async with asyncio.timeout(60):
            while (await client.events.get_replay(replay.id)).state is ReplayState.RUNNING:  # noqa: ASYNC110  # a task ends it
                await asyncio.sleep(0.02)
        await receiver.wait(2)
        await caller.execute("COMMIT")
        assert [one.webhook_id for one in await receiver.wait(3)] == ["newer", "newer", "late"]
        await changes.until(DeliveryState.DELIVERED, count=3)
    assert [event.id for event in (await client.events.list()).items] == ["late", "newer"]
    await caller.close()
