"""A caller that has not even the .proto files: it asks the server what it can do, and then does it."""

import asyncio
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from interop.receiving import Receiver

from hookline_server.app import Server


class Stranger:
    """Calls methods by name, with messages as plain data."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel
        self.known = ProtoReflectionDescriptorDatabase(channel)
        self._pool = DescriptorPool(self.known)

    def call(self, service: str, method: str, request: dict[str, Any]) -> dict[str, Any]:
        found = self._pool.FindServiceByName(service).FindMethodByName(method)
        ask, answer = GetMessageClass(found.input_type), GetMessageClass(found.output_type)
        call = self._channel.unary_unary(
            f"/{service}/{method}", request_serializer=ask.SerializeToString, response_deserializer=answer.FromString
        )
        response = call(json_format.ParseDict(request, ask()), timeout=60.0)
        told: dict[str, Any] = json_format.MessageToDict(response, preserving_proto_field_name=True)
        return told


@pytest.fixture
def stranger(server: Server) -> Iterator[Stranger]:
    with grpc.insecure_channel(server.address) as channel:
        yield Stranger(channel)


async def test_reflection_names_every_service(stranger: Stranger) -> None:
    services = set(await asyncio.to_thread(stranger.known.get_services))
    ours = {f"hookline.v1.{name}Service" for name in ("Event", "Subscription", "Delivery", "EventType")}
    assert services == ours | {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}


async def test_through_reflection_alone_an_event_is_emitted_and_delivered(stranger: Stranger, receiver: Receiver) -> None:
    made = await asyncio.to_thread(
        stranger.call, "hookline.v1.SubscriptionService", "CreateSubscription", {"subscription": {"url": receiver.url}}
    )
    assert made["subscription"]["state"] == "SUBSCRIPTION_STATE_ACTIVE"
    told = await asyncio.to_thread(
        stranger.call, "hookline.v1.EventService", "EmitEvent", {"event": {"type": "invoice.paid", "data": "e30="}}
    )
    (request,) = await receiver.have(1)
    assert request.headers["webhook-id"] == told["result"]["event_id"]


async def test_a_bad_event_gets_an_error_that_names_the_field(stranger: Stranger) -> None:
    with pytest.raises(grpc.RpcError) as refusal:
        await asyncio.to_thread(
            stranger.call, "hookline.v1.EventService", "EmitEvent", {"event": {"type": "not a type", "data": "e30="}}
        )
    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    packed = dict(refusal.value.trailing_metadata())["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(packed)
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert any(detail.Unpack(info) for detail in status.details)
    assert any(detail.Unpack(bad) for detail in status.details)
    assert info.reason == "INVALID_ARGUMENT"
    (violation,) = bad.field_violations
    assert violation.field == "event.type"
    assert "not a type" in violation.description
