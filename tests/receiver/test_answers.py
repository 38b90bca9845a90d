"""The answers: each row of the table in docs/receiving.md, over ASGI; nothing is told but the status."""

import asyncio
import gzip
import logging
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pydantic
import pytest
from crash.processes import until
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from receiver.hostile import BODIES, HEADERS, PLATFORMS
from receiver.sending import FORM, JSON, STANDARD, Sender, client_of, post, sender, standard, text

from hookline.errors import HooklineError, InvalidArgument, Unavailable
from hookline.receiver import Answer, MalformedEvent, ReceivedEvent, Receiver, SqliteInbox, WebhookApp
from hookline.receiver.bridge import Bridge
from hookline.receiver.inbox import inbox as inboxes


def receiver(**options: Any) -> Receiver:
    return Receiver(STANDARD.verifier(), **options)


def collecting(made: Receiver) -> list[ReceivedEvent]:
    """What its default handler is given."""
    taken: list[ReceivedEvent] = []

    @made.default
    async def take(event: ReceivedEvent) -> None:
        taken.append(event)

    return taken


async def test_an_event_is_taken_and_the_same_again_has_no_effect() -> None:
    made = receiver()
    taken = collecting(made)
    async with client_of(WebhookApp(made)) as client:
        request = standard()
        assert [(await post(client, request)).status_code for _ in range(3)] == [200, 200, 200]
    assert len(taken) == 1


async def test_an_event_that_nobody_wants_is_taken() -> None:
    made = receiver()
    made.on("customer.*")(lambda event: None)
    async with client_of(WebhookApp(made)) as client:
        assert (await post(client, standard("invoice.paid"))).status_code == 200


async def test_the_same_event_is_refused_for_now_while_it_is_being_handled() -> None:
    made = receiver()
    entered, leave = asyncio.Event(), asyncio.Event()

    @made.default
    async def slow(event: ReceivedEvent) -> None:
        entered.set()
        await leave.wait()

    async with client_of(WebhookApp(made)) as client:
        request = standard()
        first = asyncio.create_task(post(client, request))
        await entered.wait()
        meanwhile = await post(client, request)
        leave.set()
        assert (await first).status_code == 200
        assert (meanwhile.status_code, meanwhile.headers["retry-after"]) == (503, "1")
        assert (await post(client, request)).status_code == 200


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_an_event_that_is_not_handled_in_time_is_to_come_again(asynchronous: bool) -> None:
    made = receiver(deadline=0.2)
    leave = asyncio.Event()
    loop = asyncio.get_running_loop()
    calls: list[str] = []

    async def slow(event: ReceivedEvent) -> None:
        calls.append("begun")
        await leave.wait()

    def blocking(event: ReceivedEvent) -> None:
        calls.append("begun")
        asyncio.run_coroutine_threadsafe(leave.wait(), loop).result()

    made.default(slow if asynchronous else blocking)
    async with client_of(WebhookApp(made)) as client:
        request = standard()
        late = await post(client, request)
        assert (late.status_code, "retry-after" in late.headers) == (503, True)
        # An async handler was cancelled, so the event is free again; a thread goes on, and holds it until it is done.
        if not asynchronous:
            assert (await post(client, request)).status_code == 503
        leave.set()

        async def taken() -> bool:
            return (await post(client, request)).status_code == 200

        await until(taken, within=60)
    assert len(calls) == (2 if asynchronous else 1)


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (RuntimeError("down"), 503, "10"),
        (TimeoutError(), 503, "10"),
        (Unavailable("down", retry_after=61.5), 503, "62"),
        (MalformedEvent("never"), 400, None),
    ],
)
async def test_a_handler_that_fails_says_when_the_event_is_to_come_again(
    error: Exception, status: int, retry_after: str | None
) -> None:
    made = receiver()
    failing = [error]

    @made.default
    def fail(event: ReceivedEvent) -> None:
        if failing:
            raise failing.pop()

    async with client_of(WebhookApp(made)) as client:
        request = standard()
        answer = await post(client, request)
        assert (answer.status_code, answer.headers.get("retry-after"), answer.content) == (status, retry_after, b"")
        assert (await post(client, request)).status_code == 200, "it is not held for seen"


async def test_every_refusal_of_a_signature_looks_the_same_and_the_log_tells_them_apart(caplog: pytest.LogCaptureFixture) -> None:
    made = receiver()
    taken = collecting(made)
    good = standard()
    forged = sender("standard").signed(good.body, id="msg_x")
    stale = standard(now=1_700_000_000)
    unsigned = STANDARD.signed(good.body, id="m")
    async with client_of(WebhookApp(made)) as client:
        answers = [
            await post(client, forged),
            await post(client, stale),
            await client.post("/", headers=list(JSON), content=unsigned.body),
            await client.post("/", headers=list(good.headers), content=good.body + b" "),
            await client.post("/", headers=[*JSON, ("webhook-signature", "\x7f"), ("webhook-id", "a")], content=b"{}"),
        ]
    assert {(answer.status_code, answer.content, answer.headers.multi_items().__repr__()) for answer in answers} == {
        (401, b"", answers[0].headers.multi_items().__repr__())
    }
    assert taken == []
    reasons = [record.getMessage() for record in caplog.records]
    for reason in ("NO_MATCHING_SIGNATURE", "TIMESTAMP_TOO_OLD", "MISSING_HEADER"):
        assert any(reason in text for text in reasons), reasons


class Invoice(pydantic.BaseModel):
    amount: int


async def test_what_is_signed_and_malformed_is_400() -> None:
    made = receiver()
    taken: list[object] = []

    @made.on("invoice.*", model=Invoice)
    def paid(event: ReceivedEvent, data: Invoice) -> None:
        taken.append(data)

    @made.on("order.placed", schema='{"type":"object","required":["order"]}')
    def placed(event: ReceivedEvent, data: object) -> None:
        taken.append(data)

    async with client_of(WebhookApp(made)) as client:
        wrong = [
            STANDARD.signed(b"{", id="m1"),
            STANDARD.signed(b"[]", id="m2"),
            standard("invoice.paid", {"amount": "x"}),
            standard("order.placed", {}),
        ]
        right = [standard("invoice.paid", {"amount": 1}), standard("order.placed", {"order": 2})]
        assert [(await post(client, request)).status_code for request in wrong] == [400] * 4
        assert [(await post(client, request)).status_code for request in right] == [200] * 2
    assert taken == [Invoice(amount=1), {"order": 2}]


async def test_too_large_is_413_whether_it_says_so_or_not() -> None:
    made = receiver(max_body=100)
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(1_000):
            read += 1
            yield b"x" * 60

    async with client_of(WebhookApp(made)) as client:
        assert (await client.post("/", headers=list(JSON), content=b"x" * 101)).status_code == 413
        answer = await made.receive(method="POST", url="http://a/", headers=list(JSON), chunks=endless())
        assert (answer.status, read) == (413, 2)
        lied = [("content-length", "9" * 400)]
        assert (await made.receive(method="POST", url="http://a/", headers=lied, chunks=endless())).status == 413


@pytest.mark.parametrize(
    "headers", [[], [("content-type", "text/plain")], list(FORM), [*JSON, ("content-encoding", "gzip")], [*JSON, *JSON]]
)
async def test_a_wrong_type_is_415(headers: list[tuple[str, str]]) -> None:
    async with client_of(WebhookApp(receiver())) as client:
        # httpx would name a type of its own for text.
        answer = await client.post("/", headers=headers, content=gzip.compress(b"{}"))
    assert answer.status_code == 415


async def test_any_other_method_is_405() -> None:
    async with client_of(WebhookApp(receiver())) as client:
        answer = await client.get("/")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_more_at_once_than_is_taken_is_429() -> None:
    made = receiver(concurrency=2)
    leave = asyncio.Event()
    entered = asyncio.Semaphore(0)

    @made.default
    async def slow(event: ReceivedEvent) -> None:
        entered.release()
        await leave.wait()

    async with client_of(WebhookApp(made)) as client:
        working = [asyncio.create_task(post(client, standard())) for _ in range(2)]
        for _ in working:
            await entered.acquire()
        refused = await post(client, standard())
        leave.set()
        assert [(await task).status_code for task in working] == [200, 200]
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert (await post(client, standard())).status_code == 200


async def test_what_is_stored_is_202_the_same_again_200_and_a_full_inbox_503(tmp_path: Path) -> None:
    inbox = SqliteInbox(tmp_path / "inbox.db", most_waiting=2)
    made = receiver(inbox=inbox)
    taken = collecting(made)
    await inbox.setup()
    async with client_of(WebhookApp(made)) as client:
        first = standard()
        assert (await post(client, first)).status_code == 202
        assert (await post(client, first)).status_code == 200
        assert (await post(client, standard())).status_code == 202
        full = await post(client, standard())
        assert (full.status_code, full.headers["retry-after"]) == (503, str(int(inboxes.FULL_FOR)))
        assert (await post(client, first)).status_code == 200, "a full inbox still knows what it has"
    assert taken == []
    await inbox.close()


async def test_what_can_never_be_handled_is_not_stored(tmp_path: Path) -> None:
    inbox = SqliteInbox(tmp_path / "inbox.db")
    made = receiver(inbox=inbox)
    made.on("invoice.*", model=Invoice)(lambda event, data: None)
    await inbox.setup()
    async with client_of(WebhookApp(made)) as client:
        assert (await post(client, standard("invoice.paid", {"amount": "x"}))).status_code == 400
        assert (await post(client, standard("order.placed"))).status_code == 200, "nobody wants it"
    assert await inbox.next_due(made.name) is None
    await inbox.close()


async def test_a_database_that_is_away_is_503(tmp_path: Path) -> None:
    inbox = SqliteInbox(tmp_path / "missing" / "inbox.db")
    made = receiver(inbox=inbox)
    collecting(made)
    async with client_of(WebhookApp(made)) as client:
        assert (await post(client, standard())).status_code == 503


async def test_a_body_that_does_not_come_is_400_after_the_deadline() -> None:
    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    answer = await receiver(deadline=0.05).receive(method="POST", url="http://a/", headers=list(JSON), chunks=never())
    assert answer.status == 400


async def test_slack_is_answered_its_challenge_if_it_signs_it() -> None:
    slack = sender("slack")
    app = WebhookApp(Receiver(slack.verifier()))
    request = slack.signed(text({"type": "url_verification", "challenge": "3eZbrw1a"}))
    async with client_of(app) as client:
        assert (await post(client, request)).text == "3eZbrw1a"
        assert (await client.post("/", headers=list(JSON), content=request.body)).status_code == 401


async def test_the_exact_type_is_preferred_then_the_longest_prefix_then_the_default() -> None:
    made = receiver()
    taken: list[tuple[str, str]] = []
    for pattern in ("*", "invoice.*", "invoice.paid.*", "invoice.paid"):

        @made.on(pattern)
        def take(event: ReceivedEvent, pattern: str = pattern) -> None:
            taken.append((event.type, pattern))

    async with client_of(WebhookApp(made)) as client:
        for type in ("invoice.paid", "invoice.paid.late", "invoice.sent", "invoice", "other"):
            await post(client, standard(type))
    assert taken == [
        ("invoice.paid", "invoice.paid"),
        ("invoice.paid.late", "invoice.paid.*"),
        ("invoice.sent", "invoice.*"),
        ("invoice", "*"),
        ("other", "*"),
    ]


SEGMENTS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3)


@given(
    st.sets(SEGMENTS.map(".".join) | SEGMENTS.map(lambda parts: ".".join(parts) + ".*") | st.just("*"), max_size=6),
    SEGMENTS.map(".".join),
)
def test_every_event_goes_to_the_one_handler_that_says_most_about_it(patterns: set[str], type: str) -> None:
    from hookline.receiver.contract import Patterns
    from hookline.routing import matches

    handlers: Patterns[str] = Patterns()
    for pattern in patterns:
        handlers.add(pattern, pattern)
    found = handlers.find(type)
    fitting = [pattern for pattern in patterns if matches(pattern, type)]
    assert (found is None) == (not fitting)
    if found is not None:
        assert found == type or (type not in fitting and len(found) == max(map(len, fitting)))


def test_handlers_that_cannot_be_are_refused_with_the_remedy() -> None:
    made = receiver()
    made.on("a.b")(lambda event: None)

    def takes_too_much(event: ReceivedEvent, request: object) -> None: ...

    def takes_nothing() -> None: ...

    def takes_transaction(event: ReceivedEvent, transaction: object) -> None: ...

    for pattern, function, names in (
        ("a.b", lambda event: None, "pattern"),
        ("a..b", lambda event: None, "pattern"),
        ("c", takes_too_much, "request"),
        ("c", takes_nothing, "handler"),
        ("c", takes_transaction, "transactions"),
    ):
        with pytest.raises(InvalidArgument, match=names):
            made.on(pattern)(function)
    with pytest.raises(InvalidArgument, match="schema"):
        made.on("d", schema="{")(lambda event: None)


async def test_a_handler_that_forgot_to_be_async_is_found_out_and_its_event_not_lost(caplog: pytest.LogCaptureFixture) -> None:
    made = receiver()

    async def work() -> None: ...

    made.default(lambda event: work())
    async with client_of(WebhookApp(made)) as client:
        assert (await post(client, standard())).status_code == 503
    assert any("answered with an awaitable" in str(record.exc_info) for record in caplog.records)


async def test_one_application_has_a_receiver_a_path() -> None:
    first, second = receiver(name="first"), receiver(name="second")
    taken = collecting(first), collecting(second)
    async with client_of(WebhookApp({"/first": first, "/second": second})) as client:
        request = standard()
        for path in ("/first", "/second", "/third"):
            answer = await client.post(path, headers=list(request.headers), content=request.body)
            assert answer.status_code == (404 if path == "/third" else 200)
    assert [len(each) for each in taken] == [1, 1]


async def test_a_request_that_breaks_off_has_no_effect_and_is_no_fault_of_the_receiver(caplog: pytest.LogCaptureFixture) -> None:
    made = receiver()
    taken = collecting(made)
    request = standard()
    headers = [(name.lower().encode(), value.encode()) for name, value in request.headers]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers, "query_string": b"", "scheme": "http"}
    incoming = iter([{"type": "http.request", "body": request.body, "more_body": True}, {"type": "http.disconnect"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(incoming)

    async def send(message: Any) -> None:
        sent.append(message)

    await WebhookApp(made)(scope, receive, send)
    assert (taken, sent[0]["status"]) == ([], 400)
    assert {record.levelname for record in caplog.records} == {"WARNING"}


async def test_a_handler_that_fails_after_the_answer_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    made = receiver(deadline=0.05)
    leave = threading.Event()

    @made.default
    def late(event: ReceivedEvent) -> None:
        leave.wait(30)
        raise RuntimeError("too late")

    async with client_of(WebhookApp(made)) as client:
        assert (await post(client, standard())).status_code == 503
    leave.set()
    await until(lambda: any("too late" in str(record.exc_info) for record in caplog.records), within=60)
    await made.close()


async def test_a_sender_that_goes_away_does_not_tear_the_effect() -> None:
    made = receiver()
    entered, leave, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @made.default
    async def slow(event: ReceivedEvent) -> None:
        entered.set()
        await leave.wait()
        done.set()

    async with client_of(WebhookApp(made)) as client:
        gone = asyncio.create_task(post(client, standard()))
        await entered.wait()
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        leave.set()
        await asyncio.wait_for(done.wait(), 60)
    await made.close()


@pytest.fixture
def quiet() -> Iterator[None]:
    """What is refused a thousand times need not be logged a thousand times."""
    logging.getLogger("hookline.receiver").disabled = True
    yield
    logging.getLogger("hookline.receiver").disabled = False


async def answer_to(platform: Sender, method: str, url: str, headers: Any, body: bytes) -> Answer:
    async def chunks() -> AsyncIterator[bytes]:
        yield body

    made = Receiver(platform.verifier(), deadline=60)
    made.default(lambda event: None)
    return await made.receive(method=method, url=url, headers=headers, chunks=chunks())


@pytest.mark.usefixtures("quiet")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(PLATFORMS), st.sampled_from(["POST", "GET", ""]), st.text(max_size=30), HEADERS, BODIES)
async def test_whatever_comes_unsigned_is_answered_by_a_row_of_the_table(
    platform: Sender, method: str, url: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    answer = await answer_to(platform, method, url, headers, body)
    assert (answer.status in {401, 405, 413, 415}, answer.body) == (True, b"")


@pytest.mark.usefixtures("quiet")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(PLATFORMS), HEADERS, BODIES)
async def test_whatever_is_signed_is_answered_by_a_row_of_the_table(
    platform: Sender, headers: list[tuple[str, str]], body: bytes
) -> None:
    try:
        request = platform.signed(body, headers=tuple(headers), id="id_1", type="push")
    except HooklineError:
        return  # such a thing is not even sent
    answer = await answer_to(platform, "POST", request.url, request.headers, body)
    assert answer.status in {200, 400, 401, 415}


def test_a_handler_that_asks_to_end_the_process_has_failed_and_the_next_one_is_called() -> None:
    made = receiver()
    leaving = [True]

    @made.default
    def leave(event: ReceivedEvent) -> None:
        if leaving:
            sys.exit(leaving.pop())

    views = Bridge()
    for status in (503, 200):
        request = standard()
        asked = {"method": "POST", "url": request.url, "headers": list(request.headers), "body": request.body}
        with ThreadPoolExecutor(1) as threads:
            assert threads.submit(partial(views.answer, made, **asked)).result(60).status == status


def test_a_loop_that_has_ended_is_made_anew() -> None:
    views = Bridge()

    async def one() -> int:
        return 1

    assert views.call(one()) == 1
    assert views._loop is not None
    assert views._thread is not None
    views._loop.call_soon_threadsafe(views._loop.stop)
    views._thread.join(60)
    assert views.call(one()) == 1


async def test_what_the_parent_was_working_on_at_a_fork_does_not_count_in_the_child() -> None:
    made = receiver(concurrency=1)
    taken = collecting(made)
    made._active = 1
    async with client_of(WebhookApp(made)) as client:
        assert (await post(client, standard())).status_code in {429, 503}
        made._pid -= 1  # as if it had been made in another process
        assert (await post(client, standard())).status_code == 200
    assert len(taken) == 1
