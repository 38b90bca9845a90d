"""Once: the effect of an event and the record of its id happen together, in every database library."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from receiver.databases import OPENERS, Database, setup
from receiver.sending import STANDARD, client_of, post, standard

from hookline.clock import now_micros
from hookline.errors import InvalidArgument
from hookline.receiver import EventKey, ReceivedEvent, Receiver, SqliteTransactions, WebhookApp
from hookline.receiver.seen import SeenKeys

DUPLICATES = 32
RECEIVERS = 4
"""Processes, as far as the database can tell: each has its own account of what it is handling."""


@pytest.fixture(params=OPENERS)
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    async with OPENERS[request.param](tmp_path, lambda: request.getfixturevalue("postgres")) as opened:
        await setup(opened)
        await setup(opened)  # it is safe to repeat
        yield opened


def receiver(database: Database, **options: Any) -> Receiver:
    return Receiver(STANDARD.verifier(), transactions=database.transactions, deadline=30, **options)


async def test_concurrent_duplicates_have_one_effect(database: Database) -> None:
    receivers = [receiver(database) for _ in range(RECEIVERS)]
    for each in receivers:
        each.default(database.handler())
    clients = [client_of(WebhookApp(each)) for each in receivers]
    request = standard()
    answers = await asyncio.gather(*(post(clients[number % RECEIVERS], request) for number in range(DUPLICATES)))
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses.keys() <= {200, 503}, statuses
    assert statuses[200] >= 1
    assert (await post(clients[0], request)).status_code == 200
    event_id = dict(request.headers)["webhook-id"]
    assert database.effects(event_id) == 1


async def test_an_effect_whose_handler_fails_behind_it_is_taken_back_and_had_once_later(database: Database) -> None:
    made = receiver(database)
    failures = [RuntimeError("once")]

    def fail() -> None:
        if failures:
            raise failures.pop()

    made.default(database.handler(fail))
    request = standard()
    event_id = dict(request.headers)["webhook-id"]
    async with client_of(WebhookApp(made)) as client:
        assert (await post(client, request)).status_code == 503
        assert database.effects(event_id) == 0
        assert [(await post(client, request)).status_code for _ in range(2)] == [200, 200]
    assert database.effects(event_id) == 1


async def test_a_handler_that_ends_the_transaction_is_found_out(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    if database.commit is None:
        return  # asyncpg's connections have no commit
    made = receiver(database)
    commit = database.commit

    def handle(event: ReceivedEvent, transaction: Any) -> None:
        commit(transaction)

    async def handle_async(event: ReceivedEvent, transaction: Any) -> None:
        await commit(transaction)

    made.default(handle_async if database.asynchronous else handle)
    async with client_of(WebhookApp(made)) as client:
        assert (await post(client, standard())).status_code == 503
    assert any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize(
    ("statements", "writes"),
    [(["COMMIT"], True), (["COMMIT"], False), (["COMMIT", "BEGIN"], True), (["ROLLBACK", "BEGIN"], False)],
    ids=["ended", "ended behind all", "another one", "undone and another one"],
)
async def test_a_handler_that_ends_the_transaction_in_sql_is_found_out(
    database: Database, caplog: pytest.LogCaptureFixture, statements: list[str], writes: bool
) -> None:
    made = receiver(database)

    def handle(event: ReceivedEvent, transaction: Any) -> None:
        for statement in statements:
            database.run(transaction, statement)
        if writes:
            database.write(transaction, event.id)

    async def handle_async(event: ReceivedEvent, transaction: Any) -> None:
        for statement in statements:
            await database.run(transaction, statement)
        if writes:
            await database.write(transaction, event.id)

    made.default(handle_async if database.asynchronous else handle)
    async with client_of(WebhookApp(made)) as client:
        assert (await post(client, standard())).status_code == 503
        # The connection is right again for who comes next.
        good = receiver(database)
        good.default(database.handler())
    async with client_of(WebhookApp(good)) as client:
        request = standard()
        assert (await post(client, request)).status_code == 200
        assert database.effects(dict(request.headers)["webhook-id"]) == 1
    assert any("ended the transaction" in str(record.exc_info[1]) for record in caplog.records if record.exc_info)


async def test_an_error_of_the_database_that_a_handler_swallows_is_not_answered_as_done(database: Database) -> None:
    """On PostgreSQL it has undone the transaction; on SQLite only the statement, and the rest counts."""
    made = receiver(database)

    def handle(event: ReceivedEvent, transaction: Any) -> None:
        database.write(transaction, event.id)
        with suppress(Exception):
            database.run(transaction, "SELECT nonsense FROM nowhere")

    async def handle_async(event: ReceivedEvent, transaction: Any) -> None:
        await database.write(transaction, event.id)
        with suppress(Exception):
            await database.run(transaction, "SELECT nonsense FROM nowhere")

    made.default(handle_async if database.asynchronous else handle)
    request = standard()
    async with client_of(WebhookApp(made)) as client:
        status = (await post(client, request)).status_code
    assert (status, database.effects(dict(request.headers)["webhook-id"])) in {(200, 1), (503, 0)}


async def test_handlers_without_the_transaction_are_kept_from_repeats_by_the_database(database: Database) -> None:
    calls: list[str] = []
    for _ in range(2):  # two processes, one after the other
        made = receiver(database)
        made.default(lambda event: calls.append(event.id))
        async with client_of(WebhookApp(made)) as client:
            request = standard(id="msg_without")
            assert (await post(client, request)).status_code == 200
    assert len(calls) == 1


async def test_keys_are_forgotten_after_the_window_and_no_sooner(database: Database) -> None:
    from hookline.clock import SystemClock

    key, now, window = EventKey(scope="s", key="k"), now_micros(SystemClock()), timedelta(days=30) // timedelta(microseconds=1)
    made: Any = database.transactions

    async def call(name: str, *arguments: object) -> Any:
        return (
            await getattr(made, name)(*arguments)
            if database.asynchronous
            else await asyncio.to_thread(getattr(made, name), *arguments)
        )

    async def nothing(_: object) -> None: ...

    effect = nothing if database.asynchronous else lambda _: None
    assert await call("once", key, now - window, effect)
    assert not await call("once", key, now, effect)
    await call("purge", "s", now - window)
    assert await call("seen", key)
    assert await call("purge", "other", now) == 0
    assert await call("purge", "s", now - window + 1) == 1
    assert not await call("seen", key)


async def test_two_names_in_one_database_keep_their_ids_apart(tmp_path: Path) -> None:
    transactions = SqliteTransactions(tmp_path / "a.db")
    transactions.setup()
    calls: list[str] = []
    for name in ("billing", "mailing"):
        made = Receiver(STANDARD.verifier(), name=name, transactions=transactions)
        made.default(lambda event, name=name: calls.append(name))
        async with client_of(WebhookApp(made)) as client:
            await post(client, standard(id="msg_same"))
    assert calls == ["billing", "mailing"]


async def test_handlers_and_transactions_must_be_of_a_kind(tmp_path: Path) -> None:
    made = Receiver(STANDARD.verifier(), transactions=SqliteTransactions(tmp_path / "a.db"))

    async def handle(event: ReceivedEvent, transaction: object) -> None: ...

    with pytest.raises(InvalidArgument, match="asynchronous"):
        made.default(handle)


def test_what_a_process_remembers_is_bounded_in_number_and_in_age() -> None:
    kept = SeenKeys(most=3)
    keys = [EventKey(scope="s", key=str(number)) for number in range(5)]
    for time, key in enumerate(keys):
        kept.record(key, time)
    assert [kept.seen(key) for key in keys] == [False, False, True, True, True]
    assert kept.purge(4) == 2
    assert [kept.seen(key) for key in keys] == [False, False, False, False, True]
