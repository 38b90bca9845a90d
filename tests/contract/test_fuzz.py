"""Arbitrary messages and bytes to every method: the server answers, never INTERNAL or UNKNOWN, and the store stays whole."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import pytest
from contract.strategies import messages
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store.whole import is_whole

import hookline
from hookline.client import Client
from hookline.embedded import EmbeddedClient
from hookline.model import EventTypeSpec, SubscriptionSpec
from hookline_proto.v1 import (
    delivery_service_pb2,
    event_pb2,
    event_service_pb2,
    event_service_pb2_grpc,
    event_type_service_pb2,
    subscription_service_pb2,
)
from hookline_server.app import Server
from hookline_server.settings import Settings

SERVICES = (
    event_service_pb2.DESCRIPTOR.services_by_name["EventService"],
    subscription_service_pb2.DESCRIPTOR.services_by_name["SubscriptionService"],
    delivery_service_pb2.DESCRIPTOR.services_by_name["DeliveryService"],
    event_type_service_pb2.DESCRIPTOR.services_by_name["EventTypeService"],
)
METHODS = {method.full_name: method for service in SERVICES for method in service.methods}
DEADLINE = 60.0
"""Seconds; a call that takes longer counts as hanging."""
EXAMPLES = 25
"""A method; `HYPOTHESIS_PROFILE=long` makes it four times as many."""
NEVER = {
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.UNAVAILABLE,
}
"""The store is there all the time, so no request may be told that it is not."""

fuzzed = settings(
    max_examples=EXAMPLES * settings().max_examples // 50, suppress_health_check=list(HealthCheck), print_blob=True, deadline=None
)


@dataclass(frozen=True, slots=True)
class Target:
    """A server to call, and the ids of what exists there, by the fields that name it."""

    channel: grpc.Channel
    ids: dict[str, str]


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A server on a loop of its own, so that calls can be made from plain test functions."""
    folder = tmp_path_factory.mktemp("fuzz")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    receiver = httpx.MockTransport(lambda request: httpx.Response(503 if b"1" in request.content else 200))
    store = "memory:" if request.param == "memory" else folder / "hookline.db"
    client = hookline.open(store, transport=receiver)
    server = Server(Settings(port=0), client)
    try:
        ids = asyncio.run_coroutine_threadsafe(_prepare(client, server), loop).result(30)
        with grpc.insecure_channel(server.address) as channel:
            yield Target(channel, ids)
        asyncio.run_coroutine_threadsafe(server.stop(1.0), loop).result(30)
        asyncio.run_coroutine_threadsafe(_stays_whole(client, folder), loop).result(60)
        asyncio.run_coroutine_threadsafe(client.close(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _prepare(client: Client, server: Server) -> dict[str, str]:
    await client.start()
    await server.start()
    subscription = await client.subscriptions.create(SubscriptionSpec(url="https://example.com/hook"))
    await client.event_types.put("invoice.paid", EventTypeSpec(schema='{"type": "object"}', enforce=True))
    event = await client.emit("invoice.paid", {"n": 1})
    (delivery,) = (await client.deliveries.list(event_id=event.event_id)).items
    replay = await client.events.replay(subscription.id)
    return {"subscription_id": subscription.id, "event_id": event.event_id, "delivery_id": delivery.id, "replay_id": replay.id}


async def _stays_whole(client: EmbeddedClient, folder: Path) -> None:
    """After all of it, what is stored makes sense: a copy, for what is in memory has no file."""
    engine = await client.engine()
    await engine.store.backup(folder / "copy.db")
    assert (await is_whole(folder / "copy.db")).total() > 0


def call(target: Target, method: MethodDescriptor, requests: list[bytes]) -> grpc.StatusCode:
    """How the call ends; of a stream that has no end, how its first answer comes."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    try:
        if method.client_streaming:
            list(target.channel.stream_stream(path)(iter(requests), timeout=DEADLINE))
        elif method.server_streaming:
            stream = target.channel.unary_stream(path)(requests[0], timeout=DEADLINE)
            with suppress(StopIteration):
                next(stream)
            stream.cancel()
        else:
            target.channel.unary_unary(path)(requests[0], timeout=DEADLINE)
    except grpc.RpcError as error:
        ended = error
    else:
        return grpc.StatusCode.OK
    code = ended.code()
    assert code not in NEVER, f"{code}: {ended.details()}"
    assert isinstance(code, grpc.StatusCode)
    return code


def still_works(target: Target) -> None:
    """A plain emit, read back."""
    events = event_service_pb2_grpc.EventServiceStub(target.channel)
    request = event_service_pb2.EmitEventRequest(event=event_pb2.EventSpec(type="plain", data=b"{}"))
    emitted = events.EmitEvent(request, timeout=DEADLINE).result.event_id
    assert events.GetEvent(event_service_pb2.GetEventRequest(event_id=emitted), timeout=DEADLINE).event.data == b"{}"


@pytest.mark.parametrize("name", METHODS)
def test_arbitrary_messages(name: str, target: Target) -> None:
    method = METHODS[name]

    @fuzzed
    @given(st.lists(messages(method.input_type, target.ids), min_size=1, max_size=5 if method.client_streaming else 1))
    def run(requests: list[Message]) -> None:
        call(target, method, [request.SerializeToString() for request in requests])

    run()
    still_works(target)


@pytest.mark.parametrize("name", METHODS)
def test_arbitrary_bytes(name: str, target: Target) -> None:
    method = METHODS[name]
    kind = GetMessageClass(method.input_type)
    strings = [field.number for field in method.input_type.fields if field.type == field.TYPE_STRING]
    broken = st.tuples(st.sampled_from(strings or [1]), st.binary(max_size=100)).map(
        lambda pair: bytes([pair[0] << 3 | 2, len(pair[1])]) + pair[1]
    )

    @fuzzed
    @given(st.binary(max_size=200) | broken)
    def run(data: bytes) -> None:
        code = call(target, method, [data])
        try:
            kind.FromString(data)
        except DecodeError:
            assert code is grpc.StatusCode.INVALID_ARGUMENT

    run()
    still_works(target)
