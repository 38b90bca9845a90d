"""What the server bounds: how long a call takes, how many there are, how long a connection lives."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc import aio

from hookline.client import Client
from hookline.errors import ResourceExhausted
from hookline.model import EventSpec
from hookline.remote import RemoteClient
from hookline_proto.v1.event_pb2 import EventSpec as EventSpecMessage
from hookline_proto.v1.event_service_pb2 import EmitEventRequest
from hookline_proto.v1.event_service_pb2_grpc import EventServiceStub
from hookline_server.app import Server
from hookline_server.settings import Settings

REQUEST = EmitEventRequest(event=EventSpecMessage(type="a.b", data=b"{}"))


@asynccontextmanager
async def serving(client: Client, **settings: Any) -> AsyncIterator[Server]:
    server = Server(Settings(port=0, **settings), client)
    await server.start()
    try:
        yield server
    finally:
        await server.stop(1.0)


async def code_of(call: Callable[[], Any]) -> grpc.StatusCode:
    with pytest.raises(aio.AioRpcError) as caught:
        await call()
    return caught.value.code()


async def test_a_call_without_a_deadline_ends_at_the_servers_limit(embedded: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(event: EventSpec, *, tenant: str = "") -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(embedded, "emit_event", hang)
    async with serving(embedded, call_timeout=1.0) as server, aio.insecure_channel(server.address) as channel:
        with pytest.raises(aio.AioRpcError, match="call_timeout") as caught:
            await EventServiceStub(channel).EmitEvent(REQUEST)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_stream_has_no_limit_of_time(embedded: Client) -> None:
    async with serving(embedded, call_timeout=1.0) as server, RemoteClient(server.address, timeout=30.0) as client:
        watching = client.watch()
        await anext(watching)
        await asyncio.sleep(1.5)
        await client.emit("a.b", {})
        await watching.aclose()  # type: ignore[attr-defined]  # a generator


async def test_more_calls_at_once_than_allowed_are_refused(embedded: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = asyncio.Event()
    emit = embedded.emit_event

    async def slow(event: EventSpec, *, tenant: str = "") -> Any:
        await gate.wait()
        return await emit(event, tenant=tenant)

    monkeypatch.setattr(embedded, "emit_event", slow)
    async with serving(embedded, max_concurrent_calls=3) as server, aio.insecure_channel(server.address) as channel:
        stub = EventServiceStub(channel)
        calls = [asyncio.ensure_future(stub.EmitEvent(REQUEST)) for _ in range(20)]
        await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)  # none is answered before the gate opens, so one was refused
        gate.set()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        refused = [one for one in outcomes if isinstance(one, aio.AioRpcError)]
        assert {error.code() for error in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert 0 < len(outcomes) - len(refused) < 20


async def test_a_connection_that_has_reached_its_age_is_replaced_without_a_call_being_lost(embedded: Client) -> None:
    async with serving(embedded, max_connection_age=1.0) as server, RemoteClient(server.address, timeout=30.0) as client:
        loop = asyncio.get_running_loop()
        end = loop.time() + 3.0
        while loop.time() < end:
            await client.emit("a.b", {})


async def test_a_store_without_room_is_resource_exhausted_with_a_time_to_come_back(embedded: Client) -> None:
    engine = await embedded.engine()  # type: ignore[attr-defined]  # the embedded client's
    engine.ingest.pressure = "the disk has 3 MiB left, as the test says"
    async with serving(embedded) as server, aio.insecure_channel(server.address) as channel:
        assert await code_of(lambda: EventServiceStub(channel).EmitEvent(REQUEST)) is grpc.StatusCode.RESOURCE_EXHAUSTED
        engine.ingest.pressure = "the disk has 3 MiB left, as the test says"
        async with RemoteClient(server.address, timeout=1.0) as client:
            with pytest.raises(ResourceExhausted, match="3 MiB left") as refusal:
                await client.emit("a.b", {})
            assert refusal.value.retry_after == 5.0
