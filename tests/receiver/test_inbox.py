"""The inbox: one suite for both databases. What was answered 202 is handled, or is a dead letter; never neither."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from crash.processes import until
from receiver.sending import STANDARD, client_of, post, standard

from hookline.errors import ResourceExhausted, Unavailable
from hookline.model import Exponential, RetryPolicy
from hookline.receiver import (
    Inbox,
    MalformedEvent,
    ReceivedEvent,
    Receiver,
    SqliteInbox,
    SqliteTransactions,
    WebhookApp,
)
from hookline.receiver.inbox.postgres import PostgresInbox

SCOPE = "shop"
QUICK = RetryPolicy(schedule=Exponential(initial=0.01, factor=1.0), max_attempts=3, jitter=0.0)
LEASE = 60.0


def event(key: str, **more: Any) -> ReceivedEvent:
    return ReceivedEvent(
        id=key, key=key, type="invoice.paid", platform="standard", data=b'{"n":1}', body=b'{"data":{"n":1}}', **more
    )


@pytest.fixture(params=["sqlite", "postgres"])
async def new_inbox(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Callable[..., Inbox]]:
    """Makes inboxes on one database, each as another process would."""
    made: list[Inbox] = []
    pool = None
    if request.param == "postgres":
        import asyncpg

        pool = await asyncpg.create_pool(request.getfixturevalue("postgres"), min_size=0, max_size=20)

    def new(**options: Any) -> Inbox:
        made.append(SqliteInbox(tmp_path / "inbox.db", **options) if pool is None else PostgresInbox(pool, **options))
        return made[-1]

    yield new
    for each in made:
        await each.close()
    if pool is not None:
        await pool.close()


@pytest.fixture
async def inbox(new_inbox: Callable[..., Inbox]) -> Inbox:
    made = new_inbox()
    await asyncio.gather(made.setup(), made.setup())
    return made


async def test_an_event_comes_out_as_it_went_in_but_for_credentials(inbox: Inbox) -> None:
    headers = (("Webhook-Id", "a"), ("Authorization", "Bearer x"), ("cookie", "y"))
    stored = event("a", headers=headers)
    await inbox.accept(SCOPE, [stored])
    (claimed,) = await inbox.claim(SCOPE, 10, LEASE)
    assert claimed.event == event("a", headers=headers[:1])
    assert (claimed.attempts, claimed.elapsed >= 0) == (1, True)


async def test_a_key_is_stored_once_whatever_becomes_of_it(inbox: Inbox) -> None:
    assert await inbox.accept(SCOPE, [event("a"), event("b")]) == 2
    assert await inbox.accept(SCOPE, [event("a"), event("c")]) == 1
    for claimed in await inbox.claim(SCOPE, 10, LEASE):
        assert await inbox.finish(SCOPE, claimed)
    assert await inbox.accept(SCOPE, [event("a")]) == 0
    assert await inbox.claim(SCOPE, 10, LEASE) == []
    assert await inbox.accept("other", [event("a")]) == 1, "another receiver's"


async def test_what_is_claimed_is_claimed_by_nobody_else_until_the_lease_ends(inbox: Inbox) -> None:
    await inbox.accept(SCOPE, [event("held")])
    (held,) = await inbox.claim(SCOPE, 10, LEASE)
    assert await inbox.claim(SCOPE, 10, LEASE) == []
    assert await inbox.finish(SCOPE, held)
    await inbox.accept(SCOPE, [event("a")])
    (first,) = await inbox.claim(SCOPE, 10, 0.05)
    second = await claimed_again(inbox)
    assert (first.attempts, second.attempts) == (1, 2)
    assert not await inbox.finish(SCOPE, first), "the older attempt is not heard any more"
    assert not await inbox.bury(SCOPE, first, "x")
    assert not await inbox.postpone(SCOPE, first, 1, "x")
    await inbox.extend(SCOPE, [second], LEASE)
    assert await inbox.finish(SCOPE, second)


async def claimed_again(inbox: Inbox) -> Any:
    found: list[Any] = []

    async def claim() -> bool:
        found.extend(await inbox.claim(SCOPE, 10, LEASE))
        return found != []

    await until(claim, within=60)
    return found[0]


async def test_a_dead_letter_that_is_retried_is_not_taken_for_the_attempt_before(inbox: Inbox) -> None:
    await inbox.accept(SCOPE, [event("a")])
    (old,) = await inbox.claim(SCOPE, 1, LEASE)
    assert await inbox.bury(SCOPE, old, "why")
    assert await inbox.retry(SCOPE, "a")
    (new,) = await inbox.claim(SCOPE, 1, LEASE)
    assert new.attempts == 1
    assert not await inbox.finish(SCOPE, old)
    assert await inbox.finish(SCOPE, new)


async def test_dead_letters_are_listed_with_the_reason_page_by_page_and_retried_by_hand(inbox: Inbox) -> None:
    await inbox.accept(SCOPE, [event(key) for key in "abc"])
    for claimed in await inbox.claim(SCOPE, 10, LEASE):
        await inbox.bury(SCOPE, claimed, f"because of {claimed.event.key}")
    first = await inbox.dead_letters(SCOPE, most=2)
    rest = await inbox.dead_letters(SCOPE, most=2, after=first[-1].event.key)
    assert [(letter.event, letter.error, letter.attempts) for letter in [*first, *rest]] == [
        (event(key), f"because of {key}", 1) for key in "abc"
    ]
    assert await inbox.next_due(SCOPE) is None
    assert await inbox.retry(SCOPE, "b")
    assert not await inbox.retry(SCOPE, "b")
    assert await inbox.next_due(SCOPE) == 0
    assert [letter.event.key for letter in await inbox.dead_letters(SCOPE)] == ["a", "c"]


async def test_a_full_inbox_takes_nothing_of_a_request_and_knows_what_it_has(new_inbox: Callable[..., Inbox]) -> None:
    inbox = new_inbox(most_waiting=2)
    await inbox.setup()
    await inbox.accept(SCOPE, [event("a")])
    with pytest.raises(ResourceExhausted):
        await inbox.accept(SCOPE, [event("b"), event("c")])
    assert await inbox.accept(SCOPE, [event("a")]) == 0
    assert await inbox.accept(SCOPE, [event("b")]) == 1
    assert [claimed.event.key for claimed in await inbox.claim(SCOPE, 10, LEASE)] == ["a", "b"]


async def test_what_was_handled_is_forgotten_after_the_window_and_dead_letters_are_not(inbox: Inbox) -> None:
    await inbox.accept(SCOPE, [event("done"), event("dead"), event("waiting")])
    done, dead, waiting = sorted(
        await inbox.claim(SCOPE, 10, LEASE), key=lambda each: ["done", "dead", "waiting"].index(each.event.key)
    )
    await inbox.finish(SCOPE, done)
    await inbox.bury(SCOPE, dead, "x")
    assert await inbox.purge(SCOPE, timedelta(days=1)) == 0
    assert await inbox.purge(SCOPE, timedelta(days=-1)) == 1
    assert await inbox.accept(SCOPE, [event("done"), event("dead"), waiting.event]) == 1


async def test_several_workers_share_what_there_is_and_nothing_is_lost(new_inbox: Callable[..., Inbox]) -> None:
    ids = [f"msg_{number}" for number in range(120)]
    calls: Counter[str] = Counter()
    all_done = asyncio.Event()

    def made(failing: int) -> Receiver:
        receiver = Receiver(STANDARD.verifier(), inbox=new_inbox(), retry=QUICK)

        @receiver.default
        async def handle(event: ReceivedEvent) -> None:
            calls[event.id] += 1
            if len(calls) == len(ids):
                all_done.set()
            if calls[event.id] == 1 and int(event.id.removeprefix("msg_")) % 3 == failing:
                raise Unavailable("again, please")

        return receiver

    receivers = [made(number) for number in range(3)]
    for each in receivers:
        assert each.inbox is not None
        await each.inbox.setup()
    async with client_of(WebhookApp(receivers[0])) as client:
        answers = await asyncio.gather(*(post(client, standard(id=id)) for id in ids[:60]))
        async with receivers[0].worker(poll=0.02), receivers[1].worker(poll=0.02), receivers[2].worker(poll=0.02):
            answers += await asyncio.gather(*(post(client, standard(id=id)) for id in ids[60:]))
            assert {answer.status_code for answer in answers} == {202}
            async with asyncio.timeout(60):
                await all_done.wait()
            await until(lambda: empty(receivers[0].inbox), within=60)
        assert (await post(client, standard(id=ids[0]))).status_code == 200, "it is not taken again"
    assert set(calls) == set(ids)
    assert max(calls.values()) == 2


async def test_an_event_is_tried_as_the_policy_says_and_then_is_a_dead_letter(inbox: Inbox) -> None:
    attempts: Counter[str] = Counter()
    receiver = Receiver(STANDARD.verifier(), inbox=inbox, retry=QUICK)

    @receiver.on("invoice.*")
    async def fail(event: ReceivedEvent) -> None:
        attempts[event.id] += 1
        raise RuntimeError("no luck\0")

    @receiver.on("order.*")
    async def never(event: ReceivedEvent) -> None:
        attempts[event.id] += 1
        raise MalformedEvent("not like this")

    async with client_of(WebhookApp(receiver)) as client, receiver.worker(poll=0.02):
        await post(client, standard("invoice.paid", id="fails"))
        await post(client, standard("order.placed", id="wrong"))
        letters = await dead(inbox, 2)
        assert attempts == {"fails": QUICK.max_attempts, "wrong": 1}
        assert {letter.event.id: letter.error for letter in letters} == {"fails": "RuntimeError: no luck", "wrong": "not like this"}
        await inbox.retry("standard", "fails")
        await until(lambda: attempts["fails"] == 2 * QUICK.max_attempts, within=60)


async def dead(inbox: Inbox, most: int) -> Any:
    async def all_dead() -> bool:
        return len(await inbox.dead_letters("standard")) == most

    await until(all_dead, within=60)
    return await inbox.dead_letters("standard")


async def empty(inbox: Inbox | None) -> bool:
    return inbox is not None and await inbox.next_due("standard") is None


async def test_an_attempt_that_the_process_did_not_survive_counts(inbox: Inbox) -> None:
    calls: list[str] = []
    receiver = Receiver(STANDARD.verifier(), inbox=inbox, retry=QUICK)
    receiver.default(lambda event: calls.append(event.id))
    await inbox.accept("standard", [event("poison")])
    for _ in range(QUICK.max_attempts):
        await until(lambda: claimed_for_nothing(inbox), within=60, step=0.001)
    async with receiver.worker(poll=0.02):
        (letter,) = await dead(inbox, 1)
    assert (letter.event.id, calls) == ("poison", [])
    assert "process ended" in letter.error


async def claimed_for_nothing(inbox: Inbox) -> bool:
    return len(await inbox.claim("standard", 1, 0.0)) == 1


async def test_a_lease_is_extended_for_as_long_as_the_handler_takes(inbox: Inbox) -> None:
    calls: list[str] = []
    leave = asyncio.Event()
    receiver = Receiver(STANDARD.verifier(), inbox=inbox, retry=QUICK)

    @receiver.default
    async def slow(event: ReceivedEvent) -> None:
        calls.append(event.id)
        await leave.wait()

    await inbox.accept("standard", [event("slow")])
    async with receiver.worker(poll=0.02, lease=15.0), receiver.worker(poll=0.02, lease=15.0):
        await until(lambda: calls != [], within=60)
        remaining = [await inbox.next_due("standard") or 0.0]

        async def moved_on() -> bool:
            remaining.append(await inbox.next_due("standard") or 0.0)
            return remaining[-1] > remaining[-2]

        await until(moved_on, within=60)
        leave.set()
    assert calls == ["slow"]


async def test_a_worker_outlives_a_database_that_is_away_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hookline.receiver.inbox import worker as workers

    monkeypatch.setattr(workers, "_AFTER_FAULT", 0.01)
    inbox = SqliteInbox(tmp_path / "later" / "inbox.db")
    done = asyncio.Event()
    receiver = Receiver(STANDARD.verifier(), inbox=inbox)
    receiver.default(lambda event: loop.call_soon_threadsafe(done.set))
    loop = asyncio.get_running_loop()
    async with receiver.worker(poll=0.02):
        await asyncio.sleep(0.05)
        (tmp_path / "later").mkdir()
        await inbox.setup()
        await inbox.accept("standard", [event("a")])
        async with asyncio.timeout(30):
            await done.wait()
    await inbox.close()


async def test_the_application_sets_its_inbox_up_and_works_on_it(tmp_path: Path) -> None:
    transactions = SqliteTransactions(tmp_path / "a.db")
    transactions.setup()
    inbox = SqliteInbox(tmp_path / "a.db")
    receiver = Receiver(STANDARD.verifier(), inbox=inbox, transactions=transactions)
    handled = asyncio.Event()
    loop = asyncio.get_running_loop()

    @receiver.default
    def handle(event: ReceivedEvent, transaction: Any) -> None:
        transaction.execute("CREATE TABLE effect (id text)")
        loop.call_soon_threadsafe(handled.set)

    app = WebhookApp(receiver)
    incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    outgoing: asyncio.Queue[Any] = asyncio.Queue()
    life = asyncio.create_task(app({"type": "lifespan"}, incoming.get, outgoing.put))
    await incoming.put({"type": "lifespan.startup"})
    assert (await outgoing.get())["type"] == "lifespan.startup.complete"
    async with client_of(app) as client:
        assert (await post(client, standard())).status_code == 202
    async with asyncio.timeout(30):
        await handled.wait()
    await incoming.put({"type": "lifespan.shutdown"})
    assert (await outgoing.get())["type"] == "lifespan.shutdown.complete"
    await life
