"""A connection that is lost while a statement is under way: what became of it is asked, and told rightly."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from postgres.proxy import COMMIT, EXECUTE, Cut, Proxy
from postgres.server import Server
from store.making import NOON, SECOND, TENANT, Yard, make_event, make_event_type, make_subscription, outcome, route

from hookline.clock import SystemClock
from hookline.store.postgres import Address, PostgresStore
from hookline.store.protocol import NOBODY, Accepted, Duplicate, Result, Settled

NOTHING = Settled(frozenset(), frozenset())
CUTS = pytest.mark.parametrize("when", list(Cut))


@pytest.fixture
async def proxy(shared: Server) -> AsyncIterator[Proxy]:
    async with Proxy(shared.port) as made:
        yield made


@pytest.fixture(params=["direct", "pooler"])
async def far(request: pytest.FixtureRequest, shared: Server, database: str, proxy: Proxy) -> AsyncIterator[PostgresStore]:
    """A store behind the proxy, with one connection."""
    query = "&connections=1" + ("&pooler=1" if request.param == "pooler" else "")
    made = PostgresStore(Address.parse(shared.url(database, port=proxy.port, query=query)), SystemClock(), floor=None)
    await made.open()
    yield made
    await made.close()


async def quiet(far: PostgresStore) -> None:
    """Until nothing is on its way to other nodes, over the one connection: what is cut is to be what the test does next."""
    sender = far._the.wakes._sender
    if sender is not None:
        await asyncio.wait([sender])


@CUTS
async def test_an_append_whose_answer_is_lost_is_not_a_duplicate_of_itself(far: PostgresStore, proxy: Proxy, when: Cut) -> None:
    yard = await Yard.make(far)
    revision = await yard.revision()
    event = make_event("mine", key="k")
    await quiet(far)
    proxy.arm(EXECUTE, when)
    (answer,) = await far.append(yard.node, [route(event, yard.lanes, revision=revision)])
    assert proxy.cuts == 1
    (work,) = await yard.claim()
    assert answer == Accepted([work.pos])
    (again,) = await far.append(yard.node, [route(event, yard.lanes, revision=revision)])
    assert again == Duplicate("mine", event.accept_time)


@CUTS
async def test_an_append_that_nobody_can_repeat_is_stored_once(far: PostgresStore, proxy: Proxy, when: Cut) -> None:
    yard = await Yard.make(far)
    revision = await yard.revision()
    await quiet(far)
    proxy.arm(EXECUTE, when)
    batch = [route(make_event(), yard.lanes, revision=revision, digest=b"") for _ in range(3)]
    answers = await far.append(yard.node, batch)
    assert proxy.cuts == 1
    assert [work.pos for work in await yard.claim()] == [answer.positions[0] for answer in answers if isinstance(answer, Accepted)]
    assert len(await yard.claim()) == 3


@CUTS
@pytest.mark.parametrize("result", [Result.DELIVERED, Result.WAIT])
async def test_a_settle_whose_answer_is_lost_takes_effect_once(far: PostgresStore, proxy: Proxy, when: Cut, result: Result) -> None:
    yard = await Yard.make(far)
    work = await yard.work()
    await quiet(far)
    proxy.arm(EXECUTE, when)
    due = NOON + SECOND if result is Result.WAIT else None
    assert await far.settle(yard.node, [outcome(work, result, due=due)]) == NOTHING
    assert proxy.cuts == 1
    (attempt,) = await far.attempts(TENANT, work.delivery_id)
    assert not attempt.superseded
    assert len(await far.changes(TENANT, after=0, limit=9)) == 1
    stats = await far.stats(TENANT, now=NOON)
    assert (stats.pending, stats.delivered) == ((1, 0) if result is Result.WAIT else (0, 1))


@CUTS
async def test_a_change_of_the_catalogue_whose_commit_is_not_answered_is_made_once(
    far: PostgresStore, proxy: Proxy, when: Cut
) -> None:
    proxy.arm(COMMIT, when)
    assert await far.add_subscription(make_subscription("s1"), owner=NOBODY) == "s1"
    assert proxy.cuts == 1
    await quiet(far)
    proxy.arm(COMMIT, when)
    assert await far.put_event_type(make_event_type("a"), etag="")
    assert proxy.cuts == 2
    assert await far.revisions() == {TENANT: 2}


async def test_a_read_goes_on_over_a_new_connection(far: PostgresStore, proxy: Proxy) -> None:
    yard = await Yard.make(far)
    (pos,) = await yard.emit()
    proxy.drop()
    assert [work.pos for work in await yard.claim()] == [pos]
