"""What the server bounds: how long a call takes, how many there are, how many connections and for how long."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
import pytest
from crash.processes import until
from grpc import aio

from hookline.client import Client
from hookline.errors import ResourceExhausted
from hookline.model import EventSpec
from hookline.remote import RemoteClient
from hookline_proto.v1.event_pb2 import EventSpec as EventSpecMessage
from hookline_proto.v1.event_service_pb2 import EmitEventRequest
from hookline_proto.v1.event_service_pb2_grpc import EventServiceStub
from hookline_server.app import Server
from hookline_server.connections import most_connections
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


async def test_one_connection_has_no_more_calls_at_once_than_allowed_and_all_are_answered(
    embedded: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    emit = embedded.emit_event
    under_way, most = 0, 0

    async def counted(event: EventSpec, *, tenant: str = "") -> Any:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(10):  # so that others would come, if they could
            await asyncio.sleep(0)
        try:
            return await emit(event, tenant=tenant)
        finally:
            under_way -= 1

    monkeypatch.setattr(embedded, "emit_event", counted)
    async with serving(embedded, max_concurrent_streams=2) as server, RemoteClient(server.address, timeout=60.0) as client:
        results = await asyncio.gather(*[client.emit("a.b", number) for number in range(20)])
    assert len({result.event_id for result in results}) == 20
    assert 1 <= most <= 2


async def test_more_connections_than_allowed_are_closed_until_others_have_gone(embedded: Client) -> None:
    async with serving(embedded, max_connections=3) as server, AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(_connection(server)) for _ in range(3)]
        for channel in channels:
            await asyncio.wait_for(channel.channel_ready(), 30.0)
        further = await stack.enter_async_context(_connection(server))
        with pytest.raises(aio.AioRpcError) as refused:
            await EventServiceStub(further).EmitEvent(REQUEST)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        await EventServiceStub(channels[1]).EmitEvent(REQUEST)
        await channels[0].close()
        await asyncio.wait_for(further.channel_ready(), 60.0)
        await EventServiceStub(further).EmitEvent(REQUEST)


def _connection(server: Server) -> aio.Channel:
    """A channel with a connection of its own."""
    return aio.insecure_channel(server.address, options=[("grpc.use_local_subchannel_pool", 1)])


@pytest.mark.parametrize(
    ("set_to", "limit", "most"),
    [(0, 0, 10_000), (0, 1_000_000, 10_000), (0, 1_024, 384), (0, 256, 16), (7, 0, 7), (20_000, 1_024, 20_000)],
)
def test_as_many_connections_as_is_set_or_as_descriptors_allow_for(set_to: int, limit: int, most: int) -> None:
    assert most_connections(Settings(max_connections=set_to, node_concurrency=512), limit) == most


SETTINGS, PING, GOAWAY = 4, 6, 7
ENHANCE_YOUR_CALM = 11


async def test_who_asks_too_often_whether_the_server_is_there_is_sent_away(embedded: Client) -> None:
    """Frames of RFC 9113, sections 6.5, 6.7 and 6.8."""
    async with serving(embedded) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + struct.pack(">IBBI", 0, SETTINGS, 0, 0)[1:])
        async with asyncio.timeout(30.0):
            while True:
                writer.write(struct.pack(">IBBIQ", 8, PING, 0, 0, 0)[1:])
                kind, payload = 0, b""
                while kind not in (PING, GOAWAY):  # one after the other: what it leaves unread would reset the connection
                    head = await reader.readexactly(9)
                    kind, payload = head[3], await reader.readexactly(int.from_bytes(head[:3]))
                if kind == GOAWAY:
                    break
        assert int.from_bytes(payload[4:8]) == ENHANCE_YOUR_CALM
        assert b"too_many_pings" in payload
        writer.close()


async def test_a_connection_that_has_reached_its_age_is_replaced_without_a_call_being_lost(embedded: Client) -> None:
    async with serving(embedded, max_connection_age=1.0) as server, RemoteClient(server.address, timeout=30.0) as client:
        loop = asyncio.get_running_loop()
        end = loop.time() + 3.0
        while loop.time() < end:
            await client.emit("a.b", {})


async def test_a_store_without_room_is_resource_exhausted_with_a_time_to_come_back(
    embedded: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def pressure(margin: int) -> str:
        return "the disk has 3 MiB left, as the test says"

    engine = await embedded.engine()  # type: ignore[attr-defined]  # the embedded client's
    monkeypatch.setattr(engine.store, "pressure", pressure)
    await until(lambda: engine.ingest.pressure != "", within=60.0)
    async with serving(embedded) as server, aio.insecure_channel(server.address) as channel:
        assert await code_of(lambda: EventServiceStub(channel).EmitEvent(REQUEST)) is grpc.StatusCode.RESOURCE_EXHAUSTED
        async with RemoteClient(server.address, timeout=60.0) as client:
            with pytest.raises(ResourceExhausted, match="3 MiB left") as refusal:
                await client.emit("a.b", {})
            assert refusal.value.retry_after == 5.0
