"""EventService: what is accepted, what is refused, and how."""

import asyncio
from typing import Any

import grpc
from google.rpc import error_details_pb2

from hookline_conformance.api.target import ApiTarget, Failed
from hookline_conformance.check import check
from hookline_proto.v1 import delivery_service_pb2 as dlvs
from hookline_proto.v1 import event_pb2 as evt
from hookline_proto.v1 import event_service_pb2 as evts
from hookline_proto.v1 import subscription_service_pb2 as subs

INVALID = grpc.StatusCode.INVALID_ARGUMENT
EXISTS = grpc.StatusCode.ALREADY_EXISTS
NOT_FOUND = grpc.StatusCode.NOT_FOUND
DATA = b'{"n": 9007199254740993, "n": 1.10, "s": "\xc3\xa9\\u00e9"}'


def _event(**fields: Any) -> evt.EventSpec:
    return evt.EventSpec(**{"type": "conformance.event", "data": b'{"n": 1}', **fields})


def _emission(tenant: str, **fields: Any) -> evts.EmitEventRequest:
    return evts.EmitEventRequest(tenant=tenant, event=_event(**fields))


async def _get(target: ApiTarget, tenant: str, event_id: str) -> evt.Event:
    request = evts.GetEventRequest(tenant=tenant, event_id=event_id)
    return (await target.call(target.events.GetEvent, request)).event


@check("EMI-201")
async def an_event_is_kept_as_it_was_given(target: ApiTarget) -> None:
    """All fields set, and none but the required ones."""
    tenant = target.unique()
    given = _event(
        id=target.unique("e"),
        source="/conformance",
        subject="a subject",
        data=DATA,
        data_schema="https://example.com/schema",
        labels={"colour": "blue"},
        idempotency_key=target.unique("k"),
        ordering_key="o",
    )
    given.time.FromSeconds(1_700_000_000)
    result = (await target.call(target.events.EmitEvent, evts.EmitEventRequest(tenant=tenant, event=given))).result
    kept = await _get(target, tenant, result.event_id)
    for field in ("id", "type", "source", "subject", "data", "data_schema", "labels", "idempotency_key", "ordering_key", "time"):
        wanted, got = getattr(given, field), getattr(kept, field)
        target.expect(got == wanted, "EMI-201", f"{field} as it was given, {wanted!r}", repr(got))
    plain = await _get(target, tenant, (await target.emit(tenant)).event_id)
    target.expect(
        bool(plain.id) and plain.data_content_type == "application/json" and plain.tenant == tenant,
        "EMI-201",
        "an id, the content type application/json and the tenant filled in",
        f"{plain.id!r}, {plain.data_content_type!r}, {plain.tenant!r}",
    )
    target.expect(
        plain.time == plain.accept_time and plain.HasField("accept_time"), "EMI-201", "time to be accept_time", str(plain.time)
    )


async def _duplicate(target: ApiTarget, requirement: str, **name: str) -> None:
    tenant = target.unique()
    first = await target.emit(tenant, **name)
    again = await target.emit(tenant, **name)
    target.expect(not first.duplicate, requirement, "the first one not to be a duplicate", first)
    target.expect(
        again.duplicate and again.event_id == first.event_id and again.accept_time == first.accept_time,
        requirement,
        f"duplicate, with the first result {first.event_id!r}",
        again,
    )


async def _other_content(target: ApiTarget, requirement: str, **name: str) -> None:
    tenant = target.unique()
    await target.emit(tenant, **name)
    for other in ({"data": b'{"n": 2}'}, {"type": "conformance.other"}, {"subject": "other"}):
        await target.refused(requirement, target.events.EmitEvent, _emission(tenant, **name, **other), EXISTS, f"{name}, {other}")


@check("EMI-202")
async def a_known_id_is_a_duplicate(target: ApiTarget) -> None:
    """The same emission twice."""
    await _duplicate(target, "EMI-202", id=target.unique("e"))


@check("EMI-203")
async def a_known_id_with_other_content_is_refused(target: ApiTarget) -> None:
    """Other data, another type, another subject."""
    await _other_content(target, "EMI-203", id=target.unique("e"))


@check("EMI-204")
async def a_known_key_is_a_duplicate(target: ApiTarget) -> None:
    """The same emission twice."""
    await _duplicate(target, "EMI-204", idempotency_key=target.unique("k"))


@check("EMI-205")
async def a_known_key_with_other_content_is_refused(target: ApiTarget) -> None:
    """Other data, another type, another subject."""
    await _other_content(target, "EMI-205", idempotency_key=target.unique("k"))


@check("EMI-206")
async def keys_are_of_a_tenant(target: ApiTarget) -> None:
    """The same key and other content in two tenants."""
    key = target.unique("k")
    one = await target.emit(target.unique(), idempotency_key=key)
    try:
        other = await target.emit(target.unique(), idempotency_key=key, data=b'{"n": 2}')
    except Failed as failed:
        target.fail("EMI-206", "the key to be free in another tenant", str(failed))
    target.expect(not other.duplicate and other.event_id != one.event_id, "EMI-206", "an event of its own", other)


@check("EMI-207")
async def concurrent_emissions_with_one_key_are_one_event(target: ApiTarget) -> None:
    """Twenty at once."""
    tenant, key = target.unique(), target.unique("k")
    results = await asyncio.gather(*(target.emit(tenant, idempotency_key=key) for _ in range(20)))
    fresh = [result for result in results if not result.duplicate]
    names = {result.event_id for result in results}
    target.expect(len(fresh) == 1, "EMI-207", "one that is no duplicate", f"{len(fresh)}")
    target.expect(len(names) == 1, "EMI-207", "one id for all", f"{sorted(names)}")


@check("EMI-208")
async def errors_carry_a_reason(target: ApiTarget) -> None:
    """Errors of several kinds and services."""
    tenant, name = target.unique(), target.unique("e")
    await target.emit(tenant, id=name)
    calls = (
        (target.events.EmitEvent, _emission(tenant, type=""), INVALID),
        (target.events.EmitEvent, _emission(tenant, id=name, data=b"2"), EXISTS),
        (target.events.GetEvent, evts.GetEventRequest(tenant=tenant, event_id="evt_unknown"), NOT_FOUND),
        (target.subscriptions.GetSubscription, subs.GetSubscriptionRequest(tenant=tenant, subscription_id="sub_x"), NOT_FOUND),
        (target.deliveries.GetDelivery, dlvs.GetDeliveryRequest(tenant=tenant, delivery_id="dlv_x"), NOT_FOUND),
    )
    for method, request, code in calls:
        failed = await target.refused("EMI-208", method, request, code, type(request).__name__)
        info = failed.detail(error_details_pb2.ErrorInfo)
        target.expect(
            info is not None and bool(info.reason) and info.domain == "hookline",
            "EMI-208",
            "ErrorInfo with a reason and the domain hookline",
            info,
        )


@check("EMI-209")
async def wrong_fields_are_named(target: ApiTarget) -> None:
    """One at a time, and several at once."""
    tenant = target.unique()
    wrong: tuple[tuple[dict[str, Any], set[str]], ...] = (
        ({"type": "no type"}, {"event.type"}),
        ({"id": "with.stop"}, {"event.id"}),
        ({"subject": "s" * 1_025}, {"event.subject"}),
        ({"type": "", "id": "a b"}, {"event.type", "event.id"}),
    )
    for fields, paths in wrong:
        failed = await target.refused("EMI-209", target.events.EmitEvent, _emission(tenant, **fields), INVALID, str(paths))
        target.expect(paths <= set(failed.fields), "EMI-209", f"BadRequest that names {sorted(paths)}", failed.fields)


@check("EMI-210")
async def limits_are_kept_and_nothing_is_cut(target: ApiTarget) -> None:
    """At the limit, and one beyond it."""
    tenant = target.unique()
    limits: tuple[tuple[str, Any, Any], ...] = (
        ("type", "t" * 128, "t" * 129),
        ("id", "i" * 64, "i" * 65),
        ("subject", "s" * 1_024, "s" * 1_025),
        ("idempotency_key", "k" * 256, "k" * 257),
        ("ordering_key", "o" * 256, "o" * 257),
        ("labels", {f"l{n}": "v" for n in range(32)}, {f"l{n}": "v" for n in range(33)}),
        ("labels", {"l": "v" * 256}, {"l": "v" * 257}),
    )
    for field, at_limit, beyond in limits:
        what = f"{field} beyond its limit"
        await target.refused("EMI-210", target.events.EmitEvent, _emission(tenant, **{field: beyond}), INVALID, what)
        try:
            result = await target.emit(tenant, **{field: at_limit})
        except Failed as failed:
            target.fail("EMI-210", f"{field} at its limit to be accepted", str(failed))
        kept = getattr(await _get(target, tenant, result.event_id), field)
        target.expect(kept == at_limit, "EMI-210", f"{field} kept whole", repr(kept)[:80])


@check("EMI-211")
async def nul_is_refused(target: ApiTarget) -> None:
    """In each text field."""
    tenant = target.unique()
    for field in ("id", "type", "source", "subject", "idempotency_key", "ordering_key", "data_content_type"):
        request = _emission(tenant, **{field: "a\x00b"})
        await target.refused("EMI-211", target.events.EmitEvent, request, INVALID, f"NUL in {field}")


@check("EMI-212")
async def json_is_checked(target: ApiTarget) -> None:
    """What is no JSON, and what some parsers take for it."""
    tenant = target.unique()
    for data in (b"", b"{", b"{'a': 1}", b"NaN", b"[1,]", b"\xff", b'"\xed\xa0\x80"', b"1 2", b"01"):
        await target.refused("EMI-212", target.events.EmitEvent, _emission(tenant, data=data), INVALID, f"the data {data!r}")
    try:
        await target.emit(tenant, data=b"\xff\x00 anything", data_content_type="application/octet-stream")
    except Failed as failed:
        target.fail("EMI-212", "bytes of another content type to be accepted", str(failed))


@check("EMI-213")
async def a_batch_has_an_outcome_for_each(target: ApiTarget) -> None:
    """Good ones and bad ones mixed."""
    tenant = target.unique()
    events = [_event(id=target.unique("e")) if number % 3 else _event(type="no type") for number in range(10)]
    answer = await target.call(target.events.BatchEmitEvents, evts.BatchEmitEventsRequest(tenant=tenant, events=events))
    target.expect(len(answer.outcomes) == 10, "EMI-213", "ten outcomes", len(answer.outcomes))
    for number, (event, outcome) in enumerate(zip(events, answer.outcomes, strict=True)):
        if number % 3:
            target.expect(outcome.result.event_id == event.id, "EMI-213", f"outcome {number} to be that of {event.id!r}", outcome)
            await _get(target, tenant, event.id)
        else:
            code = grpc.StatusCode.INVALID_ARGUMENT.value[0]
            target.expect(outcome.error.code == code, "EMI-213", f"outcome {number} to be INVALID_ARGUMENT", outcome)


@check("EMI-214")
async def a_batch_has_bounds(target: ApiTarget) -> None:
    """None, 1,001, and 1,000."""
    tenant = target.unique()
    for count in (0, 1_001):
        request = evts.BatchEmitEventsRequest(tenant=tenant, events=[_event(data=b"1")] * count)
        await target.refused("EMI-214", target.events.BatchEmitEvents, request, INVALID, f"a batch of {count}")
    full = evts.BatchEmitEventsRequest(tenant=tenant, events=[_event(data=b"1")] * 1_000)
    answer = await target.call(target.events.BatchEmitEvents, full)
    accepted = sum(outcome.HasField("result") for outcome in answer.outcomes)
    target.expect(accepted == 1_000, "EMI-214", "1,000 events accepted", accepted)


@check("EMI-215")
async def a_stream_answers_each_message(target: ApiTarget) -> None:
    """Two hundred, every tenth of them wrong, one without an event."""
    tenant = target.unique()
    messages = [
        evts.StreamEmitEventsRequest(tenant=tenant, sequence=2 * number, event=_event(type="" if number % 10 == 0 else "a.b"))
        for number in range(200)
    ]
    messages.append(evts.StreamEmitEventsRequest(sequence=1_001))
    outcomes: dict[int, evt.EmitOutcome] = {}
    try:
        async for answer in target.stream(target.events.StreamEmitEvents, iter(messages), timeout=30.0):
            target.expect(answer.sequence not in outcomes, "EMI-215", "one answer for each", f"two for {answer.sequence}")
            outcomes[answer.sequence] = answer.outcome
    except grpc.aio.AioRpcError as error:
        target.fail("EMI-215", "the stream to end with OK", f"{error.code().name}: {error.details()}")
    wanted = {message.sequence for message in messages}
    target.expect(set(outcomes) == wanted, "EMI-215", "an answer for each sequence number", f"{len(outcomes)} of {len(wanted)}")
    for message in messages:
        good = message.event.type == "a.b"
        target.expect(
            outcomes[message.sequence].HasField("result" if good else "error"),
            "EMI-215",
            f"a {'result' if good else 'refusal'} for {message.sequence}",
            outcomes[message.sequence],
        )


@check("EMI-216")
async def unknown_names_are_not_found(target: ApiTarget) -> None:
    """Events, deliveries, replays."""
    tenant = target.unique()
    calls = (
        (target.events.GetEvent, evts.GetEventRequest(tenant=tenant, event_id="evt_unknown")),
        (target.events.GetReplay, evts.GetReplayRequest(tenant=tenant, replay_id="rpl_unknown")),
        (target.deliveries.GetDelivery, dlvs.GetDeliveryRequest(tenant=tenant, delivery_id="dlv_unknown")),
        (target.deliveries.ListAttempts, dlvs.ListAttemptsRequest(tenant=tenant, delivery_id="dlv_unknown")),
        (target.deliveries.RetryDelivery, dlvs.RetryDeliveryRequest(tenant=tenant, delivery_id="dlv_unknown")),
        (target.deliveries.CancelDelivery, dlvs.CancelDeliveryRequest(tenant=tenant, delivery_id="dlv_unknown")),
    )
    for method, request in calls:
        await target.refused("EMI-216", method, request, NOT_FOUND, type(request).__name__)


@check("EMI-217")
async def events_are_paged(target: ApiTarget) -> None:
    """Twenty-three events by pages of five, while others come."""
    tenant = target.unique()
    names = [(await target.emit(tenant)).event_id for _ in range(23)]
    seen: list[str] = []
    token = ""
    while True:
        page = await target.call(target.events.ListEvents, evts.ListEventsRequest(tenant=tenant, page_size=5, page_token=token))
        target.expect(len(page.events) <= 5, "EMI-217", "at most five a page", len(page.events))
        seen += [event.id for event in page.events]
        token = page.next_page_token
        if not token or len(seen) > 100:
            break
    target.expect(
        seen == names[::-1], "EMI-217", "every event once, newest first", f"{len(seen)} events, {len(set(seen))} different"
    )


@check("EMI-218")
async def pages_that_cannot_be_are_refused(target: ApiTarget) -> None:
    """Sizes and tokens, in every list."""
    tenant = target.unique()
    lists = (
        (target.events.ListEvents, evts.ListEventsRequest),
        (target.deliveries.ListDeliveries, dlvs.ListDeliveriesRequest),
        (target.subscriptions.ListSubscriptions, subs.ListSubscriptionsRequest),
    )
    for method, request in lists:
        for wrong in ({"page_size": -1}, {"page_size": 1_001}, {"page_token": "no token"}, {"page_token": "AAAA"}):
            made = request(tenant=tenant, **wrong)
            await target.refused("EMI-218", method, made, INVALID, f"{wrong} in {request.__name__}")


@check("EMI-219")
async def events_are_listed_by_type(target: ApiTarget) -> None:
    """A type, and one that begins like it."""
    tenant = target.unique()
    wanted = (await target.emit(tenant, type="a.b")).event_id
    await target.emit(tenant, type="a.b.c")
    await target.emit(tenant, type="a.bc")
    page = await target.call(target.events.ListEvents, evts.ListEventsRequest(tenant=tenant, event_type="a.b"))
    got = [event.id for event in page.events]
    target.expect(got == [wanted], "EMI-219", "the one event of exactly this type", f"{len(got)} events")


@check("EMI-223")
async def tenants_see_their_own_events(target: ApiTarget) -> None:
    """An event of one, looked for by another."""
    ours, theirs = target.unique(), target.unique()
    event_id = (await target.emit(ours)).event_id
    page = await target.call(target.events.ListEvents, evts.ListEventsRequest(tenant=theirs))
    target.expect(not page.events, "EMI-223", "no events in a tenant that emitted none", len(page.events))
    request = evts.GetEventRequest(tenant=theirs, event_id=event_id)
    await target.refused("EMI-223", target.events.GetEvent, request, NOT_FOUND, "another tenant's event")
