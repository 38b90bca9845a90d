"""The remote client against a real server: calls, errors, tokens, TLS, streams, and the end of a server."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
import trustme
from deadlines import at_last
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from ports import lasting_port

from hookline.client import Client
from hookline.errors import (
    AlreadyExists,
    Closed,
    Conflict,
    DeadlineExceeded,
    HooklineError,
    InvalidArgument,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from hookline.model import Checkpoint, DeliveryState, EmitResult, EventSpec, EventTypeSpec, SubscriptionSpec, SubscriptionState
from hookline.remote import RemoteClient
from hookline.remote.emit_stream import EmitStream
from hookline_proto.v1.event_pb2 import EventSpec as EventSpecMessage
from hookline_proto.v1.event_service_pb2 import EmitEventRequest
from hookline_proto.v1.event_service_pb2_grpc import EventServiceStub
from hookline_server.app import SERVICE_NAMES, Server
from hookline_server.settings import Settings

pytestmark = pytest.mark.timeout(400)
TOKEN = "a-token-for-tests"
URL = "https://example.com/hooks"


async def test_an_event_goes_in_and_comes_back_as_it_was(client: Client) -> None:
    time = datetime(2026, 3, 1, 12, 30, 0, 123456, tzinfo=UTC)
    emitted = await client.emit("invoice.paid", b'{"total": 1.10}', id="mine", time=time, labels={"a": "b"}, subject="x")
    assert emitted.event_id == "mine"
    event = await client.events.get("mine")
    assert (event.data, event.time, event.labels, event.subject) == (b'{"total": 1.10}', time, {"a": "b"}, "x")
    assert (await client.emit("invoice.paid", b'{"total": 1.10}', id="mine", time=time, labels={"a": "b"}, subject="x")).duplicate
    with pytest.raises(AlreadyExists):
        await client.emit("invoice.paid", b"{}", id="mine")


async def test_an_idempotency_key_alone_makes_two_events_one(client: Client) -> None:
    first = await client.emit("a", 1, idempotency_key="key")
    again = await client.emit("a", 1, idempotency_key="key")
    assert (again.event_id, again.duplicate) == (first.event_id, True)


async def test_both_doors_raise_the_same_errors(client: Client, embedded: Client) -> None:
    async def errors(door: Client) -> list[tuple[type[HooklineError], str, str, object]]:
        calls = (
            door.emit("a..b", b"{"),
            door.emit("a", b"1", time=datetime(1, 1, 1, tzinfo=UTC)),
            door.events.get("evt_none"),
            door.events.list(page_size=0),
            door.events.list(page_size=1_001),
            door.events.list(page_token="nonsense"),
            door.subscriptions.create(SubscriptionSpec(url="ftp://example.com", timeout=0.0)),
            door.subscriptions.get("sub_01h455vb4pex5vsknk084sn02q"),
            door.deliveries.get("dlv_01h455vb4pex5vsknk084sn02q"),
            door.event_types.get("none"),
            door.emit_many([]),
            door.emit("a", 1, tenant="No Such"),
        )
        raised = await asyncio.gather(*calls, return_exceptions=True)
        return [(type(e), e.code, e.message, getattr(e, "violations", None)) for e in raised if isinstance(e, HooklineError)]

    remote, local = await errors(client), await errors(embedded)
    assert len(local) == 12
    assert [error[:2] for error in remote] == [error[:2] for error in local]
    assert [_fields(error) for error in remote] == [_fields(error) for error in local]


def _fields(error: tuple[type[HooklineError], str, str, object]) -> list[str]:
    violations = error[3]
    return [violation.field for violation in violations] if isinstance(violations, tuple) else []


async def test_a_subscription_through_its_life(client: Client) -> None:
    made = await client.subscriptions.create(SubscriptionSpec(url=URL, description="first"), request_id="r1")
    assert await client.subscriptions.create(SubscriptionSpec(url=URL, description="first"), request_id="r1") == made
    changed = await client.subscriptions.update(
        made.id, SubscriptionSpec(url=URL, description="second"), fields=["description"], etag=made.etag
    )
    assert (changed.description, changed.url) == ("second", URL)
    with pytest.raises(Conflict):
        await client.subscriptions.update(made.id, SubscriptionSpec(url=URL), etag=made.etag)
    assert (await client.subscriptions.pause(made.id, reason="night")).state is SubscriptionState.PAUSED
    assert (await client.subscriptions.resume(made.id)).state is SubscriptionState.ACTIVE
    secret = await client.subscriptions.rotate_secret(made.id, request_id="r2")
    assert await client.subscriptions.rotate_secret(made.id, request_id="r2") == secret
    assert (await client.subscriptions.get_secret(made.id))[0].value == secret.value
    shown = await client.subscriptions.test(made.id, dry_run=True)
    assert shown.url == URL
    assert "webhook-signature" in dict(shown.headers)
    assert shown.attempt is None
    assert [item.id for item in (await client.subscriptions.list()).items] == [made.id]
    await client.subscriptions.delete(made.id)
    with pytest.raises(NotFound):
        await client.subscriptions.get(made.id)


async def test_deliveries_are_listed_retried_and_cancelled(client: Client) -> None:
    subscription = await client.subscriptions.create(SubscriptionSpec(url=URL))
    emitted = await client.emit("a.b", {"n": 1})
    (delivery,) = (await client.deliveries.list(event_id=emitted.event_id, state=DeliveryState.PENDING)).items
    assert (delivery.subscription_id, delivery.webhook_id) == (subscription.id, emitted.event_id)
    assert await client.deliveries.get(delivery.id) == delivery
    assert await client.deliveries.attempts(delivery.id) == ()
    assert (await client.deliveries.stats()).by_subscription[subscription.id].pending == 1
    assert (await client.deliveries.cancel(delivery.id, reason="no")).state is DeliveryState.CANCELLED
    retried, missing = await client.deliveries.retry_many([delivery.id, "dlv_01h455vb4pex5vsknk084sn02q"])
    assert not isinstance(retried, HooklineError)
    assert retried.run == 2
    assert isinstance(missing, NotFound)


async def test_event_types_are_put_and_held_to(client: Client) -> None:
    put = await client.event_types.put("a.b", EventTypeSpec(schema='{"type": "object"}', enforce=True))
    assert await client.event_types.get("a.b") == put
    with pytest.raises(InvalidArgument) as refused:
        await client.emit("a.b", [1])
    assert refused.value.violations[0].field == "event.data"
    await client.event_types.delete("a.b", etag=put.etag)
    assert (await client.event_types.list()).items == ()


async def test_a_malformed_event_of_a_batch_fails_alone_under_its_own_index(client: Client) -> None:
    good = EventSpec(type="a", data=b"1")
    outcomes = await client.emit_many([EventSpec(type="\ud800", data=b"1"), good, EventSpec(type="a..b", data=b"1"), good])
    assert [isinstance(outcome, EmitResult) for outcome in outcomes] == [False, True, False, True]
    assert [outcome.violations[0].field for outcome in outcomes if isinstance(outcome, InvalidArgument)] == [
        "events[0].type",
        "events[2].type",
    ]


async def test_a_batch_larger_than_a_message_is_sent_in_parts(client: Client) -> None:
    data = b'"' + b"x" * 250_000 + b'"'
    outcomes = await client.emit_many([EventSpec(type="a", data=data)] * 40)
    assert len({outcome.event_id for outcome in outcomes if isinstance(outcome, EmitResult)}) == 40


async def specs(number: int) -> AsyncIterator[EventSpec]:
    for index in range(number):
        yield EventSpec(type="a" if index % 10 else "not a type", data=b"%d" % index)


async def test_every_event_of_a_stream_is_answered_once(client: Client) -> None:
    outcomes = {index: outcome async for index, outcome in client.emit_stream(specs(2_500))}
    assert sorted(outcomes) == list(range(2_500))
    assert {index for index, outcome in outcomes.items() if isinstance(outcome, InvalidArgument)} == set(range(0, 2_500, 10))


async def test_a_stream_that_fails_at_its_source_raises_that(client: Client) -> None:
    async def failing() -> AsyncIterator[EventSpec]:
        yield EventSpec(type="a", data=b"1")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async for _ in client.emit_stream(failing()):
            pass


async def test_a_watch_begins_with_a_checkpoint_and_tells_of_changes(client: Client) -> None:
    await client.subscriptions.create(SubscriptionSpec(url=URL))
    watch = client.watch()
    first = await anext(watch)
    assert isinstance(first, Checkpoint)
    emitted = await client.emit("a", 1)
    (delivery,) = (await client.deliveries.list(event_id=emitted.event_id)).items
    await client.deliveries.cancel(delivery.id)
    async for watched in watch:
        if not isinstance(watched, Checkpoint) and watched.delivery.state is DeliveryState.CANCELLED:
            assert watched.delivery.id == delivery.id
            break
    with pytest.raises(InvalidArgument):
        await anext(client.watch(cursor="nonsense"))


async def test_streams_and_calls_survive_a_restart_of_the_server(embedded: Client) -> None:
    first = Server(Settings(port=lasting_port()), embedded)
    await first.start()
    client = RemoteClient(first.address, timeout=20.0)
    restarted: list[Server] = []

    async def slow() -> AsyncIterator[EventSpec]:
        for index in range(300):
            if index == 150:
                await first.stop(2.0)
                again = Server(Settings(port=first.port), embedded)
                await again.start()
                restarted.append(again)
            yield EventSpec(type="a", data=b"%d" % index)

    async with client:
        watch = client.watch()
        await anext(watch)
        outcomes = {index: outcome async for index, outcome in client.emit_stream(slow())}
        assert all(isinstance(outcome, EmitResult) and not outcome.duplicate for outcome in outcomes.values())
        assert len(outcomes) == 300
        assert isinstance(await anext(watch), Checkpoint)
        assert len((await embedded.events.list(page_size=1_000)).items) == 300
        await restarted[0].stop(0.5)


async def test_a_stream_goes_on_where_grpc_calls_a_message_that_was_not_sent_an_internal_error(
    server: Server, embedded: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = EmitStream._call
    nothing = aio.Metadata()
    failing = [aio.AioRpcError(grpc.StatusCode.INTERNAL, nothing, nothing, "Internal error from Core", 'Failed "execute_batch"')]

    async def broken(stream: EmitStream) -> None:
        if failing:
            raise failing.pop()
        await call(stream)

    monkeypatch.setattr(EmitStream, "_call", broken)
    async with RemoteClient(server.address, timeout=20.0) as client:
        outcomes = {index: outcome async for index, outcome in client.emit_stream(specs(3))}
    assert not failing
    assert {index: type(outcome) for index, outcome in outcomes.items()} == {0: InvalidArgument, 1: EmitResult, 2: EmitResult}
    assert len((await embedded.events.list(page_size=1_000)).items) == 2


async def test_a_call_whose_wait_took_longer_than_it_should_ends_with_what_it_met_before(monkeypatch: pytest.MonkeyPatch) -> None:
    sleep = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda seconds: sleep(seconds + 2.0))
    async with RemoteClient(f"127.0.0.1:{lasting_port()}", timeout=2.0) as client:
        with pytest.raises(Unavailable):
            await at_last(lambda: client.emit("a", 1))


async def test_a_server_that_is_away_is_unavailable_after_the_timeout() -> None:
    async with RemoteClient(f"127.0.0.1:{lasting_port()}", timeout=2.0) as client:

        async def stream() -> None:
            async for _ in client.emit_stream(specs(3)):
                pass

        for call in (lambda: client.emit("a", 1), lambda: anext(client.watch()), stream):
            with pytest.raises(Unavailable):
                await at_last(call)


async def test_a_server_that_does_not_answer_is_a_deadline_exceeded() -> None:
    async with await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        async with RemoteClient(f"127.0.0.1:{port}", timeout=0.3) as client:
            with pytest.raises((DeadlineExceeded, Unavailable)):
                await client.emit("a", 1)


async def test_a_closed_client_says_so(server: Server) -> None:
    client = RemoteClient(server.address)
    await client.emit("a", 1)
    await client.close()
    await client.close()
    with pytest.raises(Closed):
        await client.emit("a", 1)


async def test_closing_a_client_ends_its_streams(server: Server) -> None:
    client = RemoteClient(server.address)
    more = asyncio.Event()

    async def unending() -> AsyncIterator[EventSpec]:
        yield EventSpec(type="a", data=b"1")
        await more.wait()

    watch, stream = client.watch(), client.emit_stream(unending())
    await anext(watch)
    await anext(stream)
    waiting = [asyncio.ensure_future(anext(each)) for each in (watch, stream)]
    await asyncio.sleep(0)
    await client.close()
    ended = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 60.0)
    assert [type(each) for each in ended] == [Closed, Closed]


async def test_a_token_is_asked_for_in_every_method(embedded: Client) -> None:
    server = Server(Settings(port=0, token=TOKEN), embedded)  # type: ignore[arg-type]  # pydantic makes it a secret
    await server.start()
    try:
        for token in ("", "a-token-for-someone-else"):
            async with RemoteClient(server.address, token=token, timeout=60.0) as stranger:
                with pytest.raises(Unauthenticated):
                    await stranger.emit("a", 1)
                with pytest.raises(Unauthenticated):
                    await anext(stranger.watch())
        async with RemoteClient(server.address, token=TOKEN) as client:
            await client.emit("a", 1)
    finally:
        await server.stop(0.5)


async def test_tls_with_a_root_of_ones_own(embedded: Client, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(key)
    server = Server(Settings(port=0, tls_cert=chain, tls_key=key), embedded)
    await server.start()
    try:
        async with RemoteClient(f"localhost:{server.port}", tls=authority.cert_pem.bytes()) as client:
            await client.emit("a", 1)
        async with RemoteClient(f"localhost:{server.port}", tls=True, timeout=2.0) as stranger:
            with pytest.raises(Unavailable):
                await at_last(lambda: stranger.emit("a", 1))
    finally:
        await server.stop(0.5)


async def test_health_and_reflection_name_every_service(server: Server) -> None:
    async with aio.insecure_channel(server.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", *SERVICE_NAMES):
            answered = await health.Check(health_pb2.HealthCheckRequest(service=name))
            assert answered.status == health_pb2.HealthCheckResponse.SERVING
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        async for response in reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([request])):
            named = {service.name for service in response.list_services_response.service}
            assert named >= {*SERVICE_NAMES, "grpc.health.v1.Health"}


async def test_a_drain_ends_watches_and_says_not_serving_before_the_grace_is_over(server: Server) -> None:
    async with aio.insecure_channel(server.address) as channel, RemoteClient(server.address, timeout=2.0) as client:
        health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await health.read()).status == health_pb2.HealthCheckResponse.SERVING
        watch = client.watch()
        await anext(watch)
        stopping = asyncio.create_task(server.stop(30.0))
        assert (await health.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        await asyncio.wait_for(stopping, 25.0)
        with pytest.raises(Unavailable):
            await anext(watch)


async def test_bytes_that_are_no_message_are_the_callers_mistake(server: Server) -> None:
    async with aio.insecure_channel(server.address) as channel:
        for method, call in (("EmitEvent", channel.unary_unary), ("GetEvent", channel.unary_unary)):
            with pytest.raises(aio.AioRpcError) as refused:
                await call(f"/hookline.v1.EventService/{method}")(b"\x0a\x02\xff\xfe")
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        stream = channel.stream_stream("/hookline.v1.EventService/StreamEmitEvents")(iter([b"\xff"]))
        with pytest.raises(aio.AioRpcError) as refused:
            await stream.read()
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_what_is_too_large_is_refused(server: Server, client: Client) -> None:
    with pytest.raises(InvalidArgument, match=r"event\.data"):
        await client.emit("a", b"x" * 300_000, data_content_type="text/plain")
    with pytest.raises(InvalidArgument, match=r"event\.data"):
        await client.emit("a", b"x" * 5_000_000, data_content_type="text/plain")
    async with aio.insecure_channel(server.address) as channel:
        request = EmitEventRequest(event=EventSpecMessage(type="a", data=b"x" * 5_000_000))
        with pytest.raises(aio.AioRpcError) as refused:
            await EventServiceStub(channel).EmitEvent(request)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
