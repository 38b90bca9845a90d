"""The server goes away and comes back: every verb says so meanwhile, and nothing is lost or skipped."""

import asyncio
import signal
from collections.abc import Iterator

import pytest
from postgres.server import Server, new_server
from store.making import TENANT, Yard, make_event, outcome, route

from hookline.clock import SystemClock
from hookline.errors import Unavailable
from hookline.store.postgres import Address, PostgresStore
from hookline.store.protocol import Accepted, ClaimRequest, DeliveryFilter, Wake, WakeKind

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def own() -> Iterator[Server]:
    """A server that the tests of this module may stop."""
    made = new_server()
    yield made
    made.remove()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
async def test_a_store_recovers_by_itself_and_goes_on_where_it_was(own: Server, how: signal.Signals) -> None:
    store = PostgresStore(Address.parse(own.url(own.database())), SystemClock(), floor=None)
    await store.open()
    try:
        yard = await Yard.make(store)
        heard: asyncio.Queue[Wake] = asyncio.Queue()
        store.listen(yard.node, heard.put_nowait)
        before = await yard.emit(3)
        (claimed,) = await store.claim([ClaimRequest(yard.key, None, 2)])
        revision = await yard.revision()
        await asyncio.to_thread(own.stop, how)
        for verb in (
            store.append(yard.node, [route(make_event(), yard.lanes, revision=revision)]),
            store.settle(yard.node, [outcome(claimed.works[0])]),
            store.claim([ClaimRequest(yard.key, None, 2)]),
            store.beat(yard.node, 1),
            store.revisions(),
            store.cancel(TENANT, "dlv_x", reason="", at=0),
            store.deliveries(TENANT, DeliveryFilter(), before=None, limit=1),
        ):
            with pytest.raises(Unavailable) as raised:
                await verb
            assert raised.value.retry_after
        await asyncio.to_thread(own.start)
        (answer,) = await store.append(yard.node, [route(make_event(), yard.lanes, revision=revision)])
        assert isinstance(answer, Accepted)
        (rest,) = await store.claim([ClaimRequest(yard.key, claimed.cursor, 9)])
        # After a restart all is read anew, what was claimed before included: its owner knows it.
        assert [work.pos for work in rest.works] == [*before, *answer.positions]
        assert [row.id for row in await store.beat(yard.node, 1)] == [yard.node]
        while (await asyncio.wait_for(heard.get(), 30)).kind is not WakeKind.LOOK:
            pass  # it listens again, and says that something may have been missed
    finally:
        await store.close()


async def test_a_store_that_stays_closed_to_writers_says_so_until_it_is_open_again(own: Server) -> None:
    database = own.database()
    store = PostgresStore(Address.parse(own.url(database)), SystemClock(), floor=None)
    await store.open()
    try:
        yard = await Yard.make(store)
        own.sql(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
        own.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}' AND pid <> pg_backend_pid()")
        with pytest.raises(Unavailable, match="read only"):
            await yard.append(make_event())
        own.sql(f"ALTER DATABASE {database} RESET default_transaction_read_only")
        own.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}' AND pid <> pg_backend_pid()")
        assert len(await yard.emit()) == 1
    finally:
        await store.close()
