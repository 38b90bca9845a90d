"""A bridge in Python, over any adapter: the server side of the contract, as a stranger would write it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc

from hookline_conformance.sender.adapter import Change, Emission, Feature, Refused, SenderAdapter, TargetSpec
from hookline_proto.conformance.v1 import sender_bridge_pb2 as pb
from hookline_proto.conformance.v1 import sender_bridge_pb2_grpc as pb_grpc


class Bridge(pb_grpc.SenderBridgeServicer):
    """Serves a sender that an adapter drives in this process."""

    def __init__(self, adapter: SenderAdapter) -> None:
        self.adapter = adapter

    async def Describe(self, request: Any, context: Any) -> pb.DescribeResponse:
        said = await self.adapter.open()
        answer = pb.DescribeResponse(name=said.name, version=said.version, scheme=said.scheme, jitter=said.jitter)
        answer.features.extend(pb.Feature.Value(f"FEATURE_{feature.name}") for feature in Feature if feature in said.features)
        for delay in said.schedule:
            answer.schedule.add().FromMicroseconds(round(delay * 1e6))
        for name in ("timeout", "shortest_timeout", "shortest_delay", "retry_after_cap"):
            getattr(answer, name).FromMicroseconds(round(getattr(said, name) * 1e6))
        return answer

    async def Configure(self, request: Any, context: Any) -> pb.ConfigureResponse:
        asked = request.target
        spec = TargetSpec(
            url=asked.url,
            secret=asked.secret,
            event_types=tuple(asked.event_types),
            tenant=asked.tenant,
            schedule=tuple(one.ToMicroseconds() / 1e6 for one in asked.schedule.delays) if asked.HasField("schedule") else None,
            jitter=asked.schedule.jitter if asked.schedule.HasField("jitter") else None,
            timeout=asked.timeout.ToMicroseconds() / 1e6 if asked.HasField("timeout") else None,
            ordered=asked.ordered,
            headers=tuple((one.name, one.value) for one in asked.headers),
            guarded=asked.guarded,
            authority=asked.authority,
            raw=asked.raw,
        )
        return pb.ConfigureResponse(target_id=await _said(context, self.adapter.configure(spec)))

    async def Emit(self, request: Any, context: Any) -> pb.EmitResponse:
        wait = 0.0
        if request.HasField("not_before_time"):
            wait = request.not_before_time.ToMicroseconds() / 1e6 - await self.adapter.now()
        emission = Emission(
            type=request.type,
            data=request.data,
            content_type=request.content_type,
            tenant=request.tenant,
            key=request.idempotency_key,
            ordering_key=request.ordering_key,
            not_before=wait,
        )
        done = await _said(context, self.adapter.emit(emission))
        return pb.EmitResponse(event_id=done.event_id, duplicate=done.duplicate)

    async def Attempts(self, request: Any, context: Any) -> pb.AttemptsResponse:
        answer = pb.AttemptsResponse()
        for record in await self.adapter.attempts(request.target_id):
            made = answer.attempts.add(
                event_id=record.event_id,
                number=record.number,
                status=record.status,
                failed=record.failed,
                blocked=record.blocked,
                error=record.error,
                state=pb.DeliveryState.Value(f"DELIVERY_STATE_{record.state.name}"),
            )
            made.start_time.FromMicroseconds(round(record.start * 1e6))
        return answer

    async def AdvanceClock(self, request: Any, context: Any) -> pb.AdvanceClockResponse:
        await self.adapter.advance(request.by.ToMicroseconds() / 1e6)
        answer = pb.AdvanceClockResponse()
        answer.now.FromMicroseconds(round(await self.adapter.now() * 1e6))
        return answer

    async def Restart(self, request: Any, context: Any) -> pb.RestartResponse:
        await self.adapter.restart(kill=request.kill)
        return pb.RestartResponse()

    async def RotateSecret(self, request: Any, context: Any) -> pb.RotateSecretResponse:
        overlap = request.overlap.ToMicroseconds() / 1e6
        return pb.RotateSecretResponse(secret=await _said(context, self.adapter.rotate(request.target_id, request.secret, overlap)))

    async def PauseTarget(self, request: Any, context: Any) -> pb.PauseTargetResponse:
        await _said(context, self.adapter.pause(request.target_id))
        return pb.PauseTargetResponse()

    async def ResumeTarget(self, request: Any, context: Any) -> pb.ResumeTargetResponse:
        await _said(context, self.adapter.resume(request.target_id))
        return pb.ResumeTargetResponse()

    async def UpdateTarget(self, request: Any, context: Any) -> pb.UpdateTargetResponse:
        types = tuple(request.event_types.types) if request.HasField("event_types") else None
        change = Change(url=request.url or None, event_types=types)
        await _said(context, self.adapter.update(request.target_id, change))
        return pb.UpdateTargetResponse()

    async def DeleteTarget(self, request: Any, context: Any) -> pb.DeleteTargetResponse:
        await _said(context, self.adapter.delete(request.target_id))
        return pb.DeleteTargetResponse()


async def _said(context: Any, call: Awaitable[Any]) -> Any:
    try:
        return await call
    except Refused as refused:
        await context.abort(getattr(grpc.StatusCode, refused.code), str(refused))


@asynccontextmanager
async def serving(bridge: pb_grpc.SenderBridgeServicer) -> AsyncIterator[str]:
    """Serve a bridge on loopback; its address."""
    server = grpc.aio.server()
    add: Callable[..., None] = pb_grpc.add_SenderBridgeServicer_to_server
    add(bridge, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
