"""What gRPC and protobuf ask of every server."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from hookline_conformance.api.target import ApiTarget, Failed
from hookline_conformance.check import check
from hookline_proto.v1 import delivery_service_pb2 as dlvs
from hookline_proto.v1 import event_pb2 as evt
from hookline_proto.v1 import event_service_pb2 as evts

UNKNOWN_FIELD = b"\xc2\x3e\x05hello"
"""Field 1000, five bytes: no message of the contract has it."""


@check("EMI-220")
async def unknown_fields_are_passed_over(target: ApiTarget) -> None:
    """In the request and in the event, as a newer client would send them."""
    tenant = target.unique()
    event = evt.EventSpec(type="conformance.event", data=b"1").SerializeToString() + UNKNOWN_FIELD
    request = b"\x0a" + bytes([len(tenant)]) + tenant.encode() + b"\x12" + bytes([len(event)]) + event + UNKNOWN_FIELD
    method: Callable[..., Awaitable[Any]] = target.channel.unary_unary(
        "/hookline.v1.EventService/EmitEvent", response_deserializer=evts.EmitEventResponse.FromString
    )
    try:
        answer = await target.call(method, request)
    except Failed as failed:
        target.fail("EMI-220", "the event to be accepted", str(failed))
    target.expect(bool(answer.result.event_id), "EMI-220", "an event id", answer)


async def _still_answers(target: ApiTarget, requirement: str) -> None:
    try:
        await target.emit(target.unique())
    except Failed as failed:
        target.fail(requirement, "the server to answer the next call", str(failed))


@check("EMI-221")
async def deadlines_end_calls(target: ApiTarget) -> None:
    """A watch, which has no end of its own, and a call with no time at all."""
    begun = time.monotonic()
    watch = target.stream(target.deliveries.WatchDeliveries, dlvs.WatchDeliveriesRequest(tenant=target.unique()), timeout=0.5)
    try:
        async for _ in watch:
            pass
    except grpc.aio.AioRpcError as error:
        target.expect(error.code() is grpc.StatusCode.DEADLINE_EXCEEDED, "EMI-221", "DEADLINE_EXCEEDED", error.code().name)
    else:
        target.fail("EMI-221", "a watch to go on to its deadline", "it ended with OK")
    took = time.monotonic() - begun
    target.expect(took < target.patience, "EMI-221", "an end soon after the deadline of 0.5 s", f"{took:.1f} s")
    try:
        await target.call(target.events.ListEvents, evts.ListEventsRequest(), timeout=0.0)
    except Failed as failed:
        target.expect(failed.code is grpc.StatusCode.DEADLINE_EXCEEDED, "EMI-221", "DEADLINE_EXCEEDED", failed)
    await _still_answers(target, "EMI-221")


@check("EMI-222")
async def cancelled_calls_do_no_harm(target: ApiTarget) -> None:
    """Watches and streams, some before their first message."""
    tenant = target.unique()

    async def cancelled(number: int) -> None:
        async def endless() -> object:
            while True:
                yield evts.StreamEmitEventsRequest(tenant=tenant, event=evt.EventSpec(type="a.b", data=b"1"))
                await asyncio.sleep(0.01)

        watch = target.stream(target.deliveries.WatchDeliveries, dlvs.WatchDeliveriesRequest(tenant=tenant))
        stream = target.stream(target.events.StreamEmitEvents, endless())
        if number % 4 < 3:
            await asyncio.sleep(0.02 * (number % 4))
        else:  # once the server has it in hand, where it says so
            with contextlib.suppress(TimeoutError, grpc.aio.AioRpcError):
                await asyncio.wait_for(watch.wait_for_connection(), min(2.0, target.patience))
        watch.cancel()
        stream.cancel()

    await asyncio.gather(*(cancelled(number) for number in range(12)))
    for _ in range(5):  # it may learn of them only after a moment
        await _still_answers(target, "EMI-222")
        await asyncio.sleep(0.1)


@check("EMI-227")
async def unknown_methods_are_unimplemented(target: ApiTarget) -> None:
    """A method of a service that is there, and of one that is not."""
    for path in ("/hookline.v1.EventService/NoSuchMethod", "/hookline.v1.NoSuchService/NoSuchMethod"):
        method: Callable[..., Awaitable[Any]] = target.channel.unary_unary(path)
        await target.refused("EMI-227", method, b"", grpc.StatusCode.UNIMPLEMENTED, path)
