"""Emitting: what is accepted, what is refused, and what arrives."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from client.changes import Changes
from client.conftest import Subscribe
from client.receiver import Receiver

from hookline import BodyFormat, Client, DeliveryState, EmitResult, EventSpec, HoldKind
from hookline.errors import AlreadyExists, InvalidArgument


async def test_an_event_arrives_signed_for_the_standard_verifier(client: Client, receiver: Receiver, subscribe: Subscribe) -> None:
    subscription = await subscribe()
    result = await client.emit("invoice.paid", {"amount": 1250}, subject="invoice/7")
    (request,) = await receiver.wait()
    (secret,) = await client.subscriptions.get_secret(subscription.id)
    payload = request.verified(secret.value)
    assert payload["type"] == "invoice.paid"
    assert payload["data"] == {"amount": 1250}
    assert request.webhook_id == result.event_id
    assert not result.duplicate


async def test_the_bytes_of_the_data_are_the_bytes_in_the_body(client: Client, receiver: Receiver, subscribe: Subscribe) -> None:
    await subscribe()
    data = b'{ "n": 1.10, "big": 12345678901234567890,\n "s": "\\u00e9" }'
    await client.emit("a", data)
    (request,) = await receiver.wait()
    assert data in request.body
    assert json.loads(request.body)["data"] == json.loads(data)


async def test_raw_bodies_are_the_event_s_bytes_whatever_they_are(client: Client, receiver: Receiver, subscribe: Subscribe) -> None:
    await subscribe(body_format=BodyFormat.RAW)
    data = bytes(range(256))
    await client.emit("a", data, data_content_type="application/octet-stream")
    (request,) = await receiver.wait()
    assert request.body == data
    assert request.headers["content-type"] == "application/octet-stream"


async def test_an_event_goes_to_the_subscriptions_that_want_its_type(
    client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe
) -> None:
    await subscribe("/exact", event_types=("invoice.paid",))
    await subscribe("/prefix", event_types=("invoice.*",))
    await subscribe("/all", event_types=("*",))
    await subscribe("/other", event_types=("customer.*",))
    await client.emit("invoice.paid", {})
    await changes.until(DeliveryState.DELIVERED, count=3)
    assert {request.path for request in receiver.received} == {"/exact", "/prefix", "/all"}


async def test_a_trace_goes_through_to_the_request(client: Client, receiver: Receiver, subscribe: Subscribe) -> None:
    await subscribe()
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    await client.emit("a", {}, traceparent=trace)
    (request,) = await receiver.wait()
    assert request.headers["traceparent"] == trace


async def test_the_same_id_with_the_same_content_is_accepted_once(
    client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe
) -> None:
    await subscribe()
    first = await client.emit("a", {"n": 1}, id="order-7")
    again = await client.emit("a", {"n": 1}, id="order-7")
    assert (first.duplicate, again.duplicate) == (False, True)
    assert (again.event_id, again.accept_time) == (first.event_id, first.accept_time)
    await client.emit("a", {"n": 2}, id="order-8")
    await changes.until(DeliveryState.DELIVERED, event_id="order-8")
    await changes.until(DeliveryState.DELIVERED, event_id="order-7")
    assert sorted(request.webhook_id for request in receiver.received) == ["order-7", "order-8"]


async def test_the_same_key_with_the_same_content_is_accepted_once(client: Client) -> None:
    first = await client.emit("a", {"n": 1}, idempotency_key="key 7")
    again = await client.emit("a", {"n": 1}, idempotency_key="key 7")
    assert (again.event_id, again.duplicate) == (first.event_id, True)


async def test_the_same_id_or_key_with_other_content_is_refused(client: Client) -> None:
    await client.emit("a", {"n": 1}, id="order-7", idempotency_key="key-7")
    with pytest.raises(AlreadyExists) as by_id:
        await client.emit("a", {"n": 2}, id="order-7")
    with pytest.raises(AlreadyExists) as by_key:
        await client.emit("a", {"n": 2}, idempotency_key="key-7")
    for caught in (by_id, by_key):
        assert (caught.value.kind, caught.value.name, caught.value.code) == ("event", "order-7", "ALREADY_EXISTS")


async def test_a_malformed_event_of_a_batch_fails_alone(client: Client) -> None:
    await client.emit("a", {}, id="taken")
    outcomes = await client.emit_many(
        [
            EventSpec(type="a", data=b"1"),
            EventSpec(type="not a type", data=b"1"),
            EventSpec(type="a", data=b"{"),
            EventSpec(type="b", data=b"2", id="taken"),
            EventSpec(type="a", data=b"3", id="mine"),
        ]
    )
    good, bad_type, bad_data, clash, named = outcomes
    assert isinstance(good, EmitResult)
    assert isinstance(named, EmitResult)
    assert named.event_id == "mine"
    assert isinstance(bad_type, InvalidArgument)
    assert [each.field for each in bad_type.violations] == ["events[1].type"]
    assert isinstance(bad_data, InvalidArgument)
    assert [each.field for each in bad_data.violations] == ["events[2].data"]
    assert isinstance(clash, AlreadyExists)
    assert clash.name == "taken"


@pytest.mark.parametrize("count", [0, 1_001])
async def test_a_batch_has_one_to_a_thousand_events(client: Client, count: int) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await client.emit_many([EventSpec(type="a", data=b"1")] * count)
    assert [each.field for each in caught.value.violations] == ["events"]


async def test_a_stream_has_one_outcome_for_each_event(client: Client) -> None:
    count = 1_500

    async def events() -> AsyncIterator[EventSpec]:
        for index in range(count):
            yield EventSpec(type="a" if index != 700 else "not a type", data=b"%d" % index, id=f"s-{index}")

    outcomes = {index: outcome async for index, outcome in client.emit_stream(events())}
    refused = outcomes.pop(700)
    assert isinstance(refused, InvalidArgument)
    assert [each.field for each in refused.violations] == ["events[700].type"]
    accepted = {index: outcome.event_id for index, outcome in outcomes.items() if isinstance(outcome, EmitResult)}
    assert accepted == {index: f"s-{index}" for index in range(count) if index != 700}


async def test_a_fault_in_the_source_of_a_stream_reaches_the_caller(client: Client) -> None:
    async def events() -> AsyncIterator[EventSpec]:
        yield EventSpec(type="a", data=b"1")
        raise LookupError("the source broke")

    with pytest.raises((LookupError, ExceptionGroup)):
        async for _ in client.emit_stream(events()):
            pass


async def test_an_event_is_not_delivered_before_its_time(client: Client, changes: Changes, subscribe: Subscribe) -> None:
    await subscribe()
    far = await client.emit("a", {"n": 0}, not_before_time=datetime.now(UTC) + timedelta(hours=1))
    due = datetime.now(UTC) + timedelta(seconds=1)
    soon = await client.emit("a", {"n": 1}, not_before_time=due)
    at_once = await client.emit("a", {"n": 2})
    await changes.until(DeliveryState.DELIVERED, event_id=at_once.event_id)
    (waiting,) = (await client.deliveries.list(event_id=far.event_id)).items
    assert waiting.hold is not None
    assert waiting.hold.kind is HoldKind.SCHEDULED
    (change,) = await changes.until(DeliveryState.DELIVERED, event_id=soon.event_id)
    (attempt,) = await client.deliveries.attempts(change.delivery.id)
    assert attempt.start_time >= due


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b"], ids=["NUL", "lone surrogate"])
@pytest.mark.parametrize("field", ["subject", "idempotency_key", "ordering_key", "source", "id", "type"])
async def test_text_that_cannot_be_kept_is_refused_by_the_name_of_its_field(client: Client, field: str, text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await client.emit_event(EventSpec(**{"type": "a", "data": b"1", field: text}))
    assert [each.field for each in caught.value.violations] == [f"event.{field}"]


async def test_an_event_can_be_read_again_as_it_was_emitted(client: Client) -> None:
    time = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    result = await client.emit(
        "invoice.paid",
        b"\x00\xff",
        data_content_type="application/octet-stream",
        source="https://shop.example/eu",
        subject="invoice/7",
        time=time,
        data_schema="https://shop.example/schema",
        labels={"region": "eu"},
        idempotency_key="k",
        ordering_key="o",
    )
    event = await client.events.get(result.event_id)
    assert event.data == b"\x00\xff"
    assert event.data_content_type == "application/octet-stream"
    assert (event.type, event.source, event.subject) == ("invoice.paid", "https://shop.example/eu", "invoice/7")
    assert (event.time, event.accept_time) == (time, result.accept_time)
    assert (event.data_schema, dict(event.labels)) == ("https://shop.example/schema", {"region": "eu"})
    assert (event.idempotency_key, event.ordering_key) == ("k", "o")


async def test_data_that_is_no_json_value_is_refused(client: Client) -> None:
    for data in ({1, 2}, float("nan")):
        with pytest.raises(InvalidArgument) as caught:
            await client.emit("a", data)
        assert [each.field for each in caught.value.violations] == ["data"]


async def test_tenants_do_not_see_each_other(client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe) -> None:
    await subscribe()
    await client.emit("a", {}, id="theirs", tenant="other")
    await client.emit("a", {}, id="ours")
    await changes.until(DeliveryState.DELIVERED, event_id="ours")
    assert [request.webhook_id for request in receiver.received] == ["ours"]
    assert [event.id for event in (await client.events.list()).items] == ["ours"]
    assert [event.id for event in (await client.events.list(tenant="other")).items] == ["theirs"]
