"""Checks of idempotency: an event takes effect once, however often and however it is delivered."""

import asyncio
from dataclasses import replace
from functools import partial
from typing import Final

from hypothesis import strategies as st

from hookline_conformance.check import Violation, check
from hookline_conformance.explore import Mode
from hookline_conformance.receiver.payload import json_objects, write
from hookline_conformance.receiver.target import ReceiverTarget
from hookline_conformance.receiver.wire import Answer
from hookline_conformance.schemes.scheme import Delivery, Message, replaced

AT_ONCE: Final = 8
TRY_AGAIN: Final = frozenset({409, 425, 429, 503})


@check("IDM-001", needs=("effects",), polite=True)
async def duplicates_in_sequence_take_effect_once(target: ReceiverTarget) -> None:
    async def law(value: tuple[dict[str, object], int]) -> None:
        data, times = value
        delivery = target.delivery(data)
        for _ in range(times):
            await target.deliver(target.signed(delivery), note="the same delivery again")
        await target.has_effects("IDM-001", delivery.id, 1, f"an event delivered {times} times")

    await target.for_all(st.tuples(json_objects, st.integers(2, 4)), law, share=target.waiting_share(0.4))


@check("IDM-002", needs=("effects",))
async def duplicates_at_once_take_effect_once(target: ReceiverTarget) -> None:
    deliveries = [target.delivery() for _ in range(target.plan.examples(0.2))]
    for delivery in deliveries:
        message = target.signed(delivery)
        await asyncio.gather(*(target.deliver(message, note="one of several at once") for _ in range(AT_ONCE)))
        await target.deliver(message, note="once more")
    for delivery in deliveries:
        await target.has_effects("IDM-002", delivery.id, 1, f"an event delivered {AT_ONCE} times at once")


@check("IDM-003", needs=("effects", "restart"), quick=False)
async def duplicates_across_a_restart_take_effect_once(target: ReceiverTarget) -> None:
    deliveries = [target.delivery() for _ in range(3)]
    for delivery in deliveries:
        await target.accepts("IDM-003", target.signed(delivery), "a genuine delivery before a restart")
    await target.restart()
    for delivery in deliveries:
        await target.deliver(target.signed(delivery), note="the same event behind a restart")
    for delivery in deliveries:
        await target.has_effects("IDM-003", delivery.id, 1, "an event delivered before and after a restart")


@check("IDM-004", needs=("effects", "timestamped"), polite=True)
async def a_retry_with_another_timestamp_takes_effect_once(target: ReceiverTarget) -> None:
    delivery = target.delivery(age=10)
    for age in (10, 5, 0):
        again = replace(delivery, timestamp=target.delivery(age=age).timestamp)
        await target.deliver(target.signed(again), note=f"the same event stamped {age} s ago")
    await target.has_effects("IDM-004", delivery.id, 1, "an event delivered three times, each with its own timestamp")


@check("IDM-005", polite=True)
async def a_seen_event_is_acknowledged(target: ReceiverTarget) -> None:
    delivery = target.delivery()
    await target.deliver(target.signed(delivery), note="a genuine delivery")
    for _ in range(3):
        await target.accepts("IDM-005", target.signed(delivery), "an event that was delivered before")


@check("IDM-006", needs=("effects",), polite=True)
async def a_refused_delivery_does_not_use_up_the_id(target: ReceiverTarget) -> None:
    deliveries = {way: target.delivery() for way in ("another key", "a changed body", "a stale timestamp")}
    for way, delivery in deliveries.items():
        if way == "another key":
            forged = target.signed(delivery, target.other_secret())
        elif way == "a changed body" or not target.kind.timestamped:
            forged = target.signed(delivery)
            forged = replace(forged, body=forged.body + b" ")
        else:
            forged = target.signed(replace(delivery, timestamp=target.delivery(age=86_400).timestamp))
        await target.deliver(forged, note=f"a forged delivery with {way}")
        await target.deliver(target.signed(delivery), note="the genuine one with the same id")
    for way, delivery in deliveries.items():
        await target.has_effects("IDM-006", delivery.id, 1, f"an event whose id came first with {way}")


@check("IDM-007", needs=("effects",), polite=True)
async def equal_content_is_not_the_same_event(target: ReceiverTarget) -> None:
    first = target.delivery({"amount": 100})
    second = target.delivery({"amount": 100})
    if target.kind.id_header:
        second = replace(second, body=first.body)
    for delivery in (first, second):
        await target.deliver(target.signed(delivery), note="one of two events with the same content")
    for delivery in (first, second):
        await target.has_effects("IDM-007", delivery.id, 1, "each of two events with the same content")


@check("IDM-008", needs=("effects", "timestamped"), polite=True)
async def an_equal_timestamp_is_not_the_same_event(target: ReceiverTarget) -> None:
    first = target.delivery({"n": 1})
    others = [target.delivery({"n": number}, timestamp=first.timestamp) for number in (2, 3)]
    for delivery in (first, *others):
        await target.deliver(target.signed(delivery), note="one of three events with the same timestamp")
    for delivery in (first, *others):
        await target.has_effects("IDM-008", delivery.id, 1, "each of three events with the same timestamp")


@check("IDM-009", needs=("effects", "header-id"), polite=True)
async def ids_are_compared_exactly(target: ReceiverTarget) -> None:
    small, long = f"{target.new_id()}a", target.new_id() + "x" * 120
    pairs = ((small, small[:-1] + "A"), (f"{long}1", f"{long}2"), (small, f"{small}0"))
    for pair in pairs:
        for event_id in pair:
            await target.deliver(target.signed(target.delivery(event_id=event_id)), note="one of two events with similar ids")
    for pair in pairs:
        for event_id in pair:
            await target.has_effects("IDM-009", event_id, 1, f"each of the events {pair[0][-20:]!r} and {pair[1][-20:]!r}")


@check("IDM-010", needs=("effects",), polite=True)
async def what_is_acknowledged_takes_effect(target: ReceiverTarget) -> None:
    deliveries = [target.delivery({"n": number}) for number in range(12)]
    one_by_one, at_once = deliveries[:4], deliveries[4:]
    answers = [await target.deliver(target.signed(delivery), note="a genuine delivery") for delivery in one_by_one]
    answers += await asyncio.gather(*(target.deliver(target.signed(delivery), note="one of eight at once") for delivery in at_once))
    for delivery, answer in zip(deliveries, answers, strict=True):
        if answer.accepted:
            await target.has_effects("IDM-010", delivery.id, 1, "an event that was acknowledged")


@check("IDM-011")
async def a_duplicate_of_what_is_being_handled_may_come_again(target: ReceiverTarget) -> None:
    for _ in range(target.plan.examples(0.2)):
        message = target.signed(target.delivery())
        answers = await asyncio.gather(*(target.deliver(message, note="one of several at once") for _ in range(AT_ONCE)))
        for answer in answers:
            if not answer.accepted and answer.status not in TRY_AGAIN:
                expected = "2xx, 409, 425, 429 or 503 for an event that is being handled"
                raise Violation("IDM-011", expected=expected, got=str(answer), exchanges=target.exchanges())


@check("IDM-012", needs=("effects",))
async def many_ids_are_remembered(target: ReceiverTarget) -> None:
    many = 100 if target.plan.mode is Mode.QUICK else 500
    first = target.delivery()
    await target.deliver(target.signed(first), note="the first of many events")
    for _ in range(many // 10):
        await asyncio.gather(*(target.deliver(target.signed(target.delivery()), note="one of many events") for _ in range(10)))
    await target.deliver(target.signed(first), note="the first of many events again")
    await target.has_effects("IDM-012", first.id, 1, f"an event delivered before and after {many} others")


@check("IDM-013", needs=("effects", "restart"), quick=False)
async def an_effect_survives_a_restart(target: ReceiverTarget) -> None:
    deliveries = [target.delivery() for _ in range(3)]
    for delivery in deliveries:
        await target.accepts("IDM-013", target.signed(delivery), "a genuine delivery before a restart")
    await target.restart()
    for delivery in deliveries:
        await target.has_effects("IDM-013", delivery.id, 1, "an event acknowledged before a restart")


@check("IDM-014", needs=("effects", "signed-id"), polite=True)
async def a_second_id_beside_the_signed_one_has_no_effect(target: ReceiverTarget) -> None:
    header = target.kind.id_header

    async def replay(message: Message, ids: tuple[str, str]) -> Answer:
        return await target.deliver(replaced(message, header, *ids), note="its replay with a second id")

    replays = {}
    for first in (True, False):
        message = target.signed(target.delivery())
        await target.deliver(message, note="a genuine delivery")
        pair = (message.one(header), target.new_id())
        what = f"a replay with a second, unsigned id {'behind' if first else 'before'} the signed one"
        replays[what] = partial(replay, message, pair if first else pair[::-1])
    await target.no_effects("IDM-014", replays)


def _with_content_id(target: ReceiverTarget, content_id: str, event_id: str | None = None) -> Delivery:
    delivery = target.delivery(event_id=event_id)
    envelope = target.kind.envelope(delivery.id, delivery.event_type, {"id": content_id})
    if not isinstance(envelope, dict):
        return delivery
    return replace(delivery, body=write({**envelope, "id": content_id, "event_id": content_id}))


@check("IDM-016", needs=("effects", "header-id"), polite=True)
async def the_id_in_the_content_does_not_count(target: ReceiverTarget) -> None:
    shared = target.new_id()
    pair = [_with_content_id(target, shared), _with_content_id(target, shared)]
    for delivery in pair:
        await target.deliver(target.signed(delivery), note="one of two events with the same id in their content")
    event_id = target.new_id()
    for _ in range(2):
        again = _with_content_id(target, target.new_id(), event_id)
        await target.deliver(target.signed(again), note="the same event with another id in its content")
    for delivery in pair:
        await target.has_effects("IDM-016", delivery.id, 1, "each of two events with the same id in their content")
    await target.has_effects("IDM-016", event_id, 1, "an event delivered twice, with another id in its content each time")
