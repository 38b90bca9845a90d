"""A backup while everybody writes: all that was acknowledged before it began is in it, and it is whole."""

import asyncio
from pathlib import Path

import httpx
from store.whole import is_whole

import hookline
from hookline.clock import SystemClock
from hookline.model import DeliveryState, SubscriptionSpec
from hookline.store import SqliteStore

EMITTERS = 8
BEFORE = 200


async def test_what_was_acknowledged_before_a_backup_began_is_in_it(tmp_path: Path) -> None:
    file, target = tmp_path / "hookline.db", tmp_path / "backup.db"
    acknowledged: set[str] = set()
    enough, more, over = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def emit(name: int) -> None:
        number = 0
        while not over.is_set():
            number += 1
            result = await client.emit("invoice.paid", {"n": number}, id=f"evt-{name}-{number}")
            acknowledged.add(result.event_id)
            more.set()
            if len(acknowledged) >= BEFORE:
                enough.set()

    receiver = httpx.MockTransport(lambda request: httpx.Response(503 if request.headers["webhook-id"].endswith("3") else 200))
    async with hookline.open(file, transport=receiver) as client:
        await client.subscriptions.create(SubscriptionSpec(url="https://example.com/"))
        emitting = [asyncio.ensure_future(emit(name)) for name in range(EMITTERS)]
        await enough.wait()
        while not (await client.deliveries.stats()).delivered:  # noqa: ASYNC110  # there is no event of it here
            await asyncio.sleep(0.01)
        other = SqliteStore(file, SystemClock())  # as `hookline backup` does, beside the process that writes
        await other.open()
        before = frozenset(acknowledged)
        await other.backup(target)
        more.clear()
        await more.wait()  # writing has gone on
        over.set()
        await asyncio.gather(*emitting)
        await other.close()
    states = await is_whole(target)
    kept: set[str] = set()
    async with hookline.open(target, deliver=False) as copy:
        page = await copy.events.list(page_size=1000)
        kept.update(event.id for event in page.items)
        while page.next_page_token:
            page = await copy.events.list(page_size=1000, page_token=page.next_page_token)
            kept.update(event.id for event in page.items)
    assert before <= kept <= acknowledged
    assert states.total() == len(kept)
    assert states[DeliveryState.DELIVERED]
    assert (await is_whole(file)).total() == len(acknowledged)
