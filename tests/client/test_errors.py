"""The same errors from every door: type, code, message, and what they name."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from client.conftest import Subscribe
from client.doors import Door
from client.receiver import Receiver

import hookline
import hookline.sync
from hookline import Client, EngineConfig, EventSpec, EventTypeSpec, SubscriptionSpec
from hookline.errors import (
    AlreadyExists,
    Closed,
    Conflict,
    HooklineError,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)
from hookline_server.app import Server
from hookline_server.settings import Settings

Call = Callable[[Client], Awaitable[Any]]
NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001  # without a time zone: that is what is refused
NOW = datetime.now(UTC)
LONG = "x" * 5_000

REFUSED: dict[str, tuple[Call, list[str]]] = {
    "event": (
        lambda client: client.emit_event(
            EventSpec(type="", data=b"{", id="a.b", labels={"Big": "x"}, traceparent="00-x", data_content_type="application/json")
        ),
        ["event.data", "event.id", "event.labels", "event.traceparent", "event.type"],
    ),
    "event too large": (lambda client: client.emit("a", b"1" * 300_000), ["event.data"]),
    "event too early": (lambda client: client.emit("a", {}, not_before_time=NOW + timedelta(days=31)), ["event.not_before_time"]),
    "event long subject": (lambda client: client.emit("a", {}, subject=LONG), ["event.subject"]),
    "subscription": (
        lambda client: client.subscriptions.create(
            SubscriptionSpec(url="ftp://example.com", event_types=("a", "a.*.b"), timeout=61.0, max_in_flight=0)
        ),
        ["subscription.event_types[1]", "subscription.max_in_flight", "subscription.timeout", "subscription.url"],
    ),
    "subscription text": (
        lambda client: client.subscriptions.create(SubscriptionSpec(url="https://example.com", description="a\ud800")),
        ["subscription.description"],
    ),
    "subscription header": (
        lambda client: client.subscriptions.create(SubscriptionSpec(url="https://example.com", headers={"Webhook-Id": "mine"})),
        ["subscription.headers.Webhook-Id"],
    ),
    "secret": (
        lambda client: client.subscriptions.create(SubscriptionSpec(url="https://example.com", secret="hunter2")),
        ["subscription.secret"],
    ),
    "request id": (
        lambda client: client.subscriptions.create(SubscriptionSpec(url="https://example.com"), request_id="a b"),
        ["request_id"],
    ),
    "tenant": (lambda client: client.subscriptions.list(tenant="No Such"), ["tenant"]),
    "subscription id": (lambda client: client.subscriptions.get("a b"), ["subscription_id"]),
    "event id": (lambda client: client.events.get("a\x00b"), ["event_id"]),
    "delivery id": (lambda client: client.deliveries.get("a\ud800b"), ["delivery_id"]),
    "page token": (lambda client: client.deliveries.list(page_token="nonsense"), ["page_token"]),
    "span": (lambda client: client.events.list(from_time=NOW, to_time=NOW - timedelta(1)), ["to_time"]),
    "naive": (lambda client: client.deliveries.list(from_time=NAIVE), ["from_time"]),
    "event type": (
        lambda client: client.event_types.put("a b", EventTypeSpec(enforce=True)),
        ["event_type.enforce", "event_type.name"],
    ),
    "retry many": (lambda client: client.deliveries.retry_many([]), ["delivery_ids"]),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_refusal_names_the_same_fields_at_every_door(client: Client, case: str) -> None:
    call, fields = REFUSED[case]
    with pytest.raises(InvalidArgument) as caught:
        await call(client)
    assert sorted(each.field for each in caught.value.violations) == fields
    assert caught.value.code == "INVALID_ARGUMENT"
    assert all(len(each.description) <= 500 for each in caught.value.violations)
    assert "hunter2" not in str(caught.value)


async def test_an_overlap_out_of_range_is_refused(client: Client, subscribe: Subscribe) -> None:
    subscription = await subscribe()
    for overlap in (-1.0, 31 * 86_400.0):
        with pytest.raises(InvalidArgument) as caught:
            await client.subscriptions.rotate_secret(subscription.id, overlap=overlap)
        assert [each.field for each in caught.value.violations] == ["overlap"]


async def test_errors_say_and_carry_the_same_at_every_door(
    door: Door, client: Client, receiver: Receiver, subscribe: Subscribe
) -> None:
    subscription = await subscribe()
    await client.emit("a", {}, id="taken")

    def calls(client: Client) -> list[Awaitable[Any]]:
        return [
            client.emit("b", {}, id="taken"),
            client.subscriptions.get("sub_none"),
            client.subscriptions.update(subscription.id, SubscriptionSpec(url=receiver.url("/x")), etag="99"),
            client.emit("a", {}, id="a.b"),
            client.deliveries.list(page_size=0),
        ]

    kinds = (AlreadyExists, NotFound, Conflict, InvalidArgument, InvalidArgument)
    for kind, seen, core in zip(kinds, calls(client), calls(door.core), strict=True):
        outside, inside = await _error(seen), await door.run(_error(core))
        assert type(outside) is type(inside) is kind
        assert (outside.code, outside.retry_after, _named(outside)) == (inside.code, inside.retry_after, _named(inside))


async def test_a_closed_client_says_so(client: Client) -> None:
    await client.close()
    await client.close()
    for call in (client.emit("a", {}), client.subscriptions.list(), client.start()):
        with pytest.raises(Closed) as caught:
            await call
        assert caught.value.code == "CLOSED"


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    # A call that is never repeated: its first answer is judged, whenever it comes.
    async with hookline.connect("127.0.0.1:1", timeout=60.0) as client:
        with pytest.raises(Unavailable):
            await client.subscriptions.test("sub_none")


def _named(error: HooklineError) -> object:
    """What an error names: its fields, or the thing it is about. The words about a field may be a door's own."""
    if isinstance(error, InvalidArgument):
        return [each.field for each in error.violations]
    return getattr(error, "kind", ""), getattr(error, "name", ""), error.message


@pytest.mark.parametrize(("token", "code"), [("", "TOKEN_MISSING"), ("another-token-than-that", "TOKEN_UNKNOWN")])
async def test_a_caller_without_the_token_is_refused(tmp_path: Path, token: str, code: str) -> None:
    async with hookline.open("memory:") as core, served(core, tmp_path, token="a-token-of-the-server") as address:
        async with hookline.connect(address, token=token) as client:
            refused = await _error(client.emit("a", {}))
            assert (type(refused), refused.code) == (Unauthenticated, code)
        async with hookline.connect(address, token="a-token-of-the-server") as client:
            await client.emit("a", {})
        with hookline.sync.connect(address, token="a-token-of-the-server") as sync:
            await asyncio.to_thread(sync.emit, "a", {})


async def test_too_much_at_once_is_refused_with_a_time_to_come_back(tmp_path: Path) -> None:
    events = [EventSpec(type="a", data=b"1")] * 3
    async with (
        hookline.open("memory:", config=EngineConfig(max_unacknowledged=2)) as core,
        served(core, tmp_path) as address,
        hookline.connect(address) as remote,
    ):
        for client in (core, remote):
            refused = await _error(client.emit_many(events))
            assert (type(refused), refused.code, refused.retry_after) == (ResourceExhausted, "RESOURCE_EXHAUSTED", 0.1)


@asynccontextmanager
async def served(core: Client, folder: Path, token: str | None = None) -> AsyncIterator[str]:
    """The address of a server in front of `core`."""
    server = Server(Settings.load(port=0, data_dir=folder, token=token), core)
    await server.start()
    try:
        yield server.address
    finally:
        await server.stop(0.2)


async def _error(call: Awaitable[Any]) -> HooklineError:
    with pytest.raises(HooklineError) as caught:
        await call
    return caught.value
