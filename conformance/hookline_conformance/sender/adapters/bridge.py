"""Drives a sender through a bridge: `hookline.conformance.v1.SenderBridge`, which a stranger implements."""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from hookline_conformance.sender.adapter import (
    AdapterError,
    AttemptRecord,
    Capabilities,
    Change,
    DeliveryState,
    Emission,
    Emitted,
    Feature,
    Refused,
    SenderAdapter,
    TargetSpec,
)
from hookline_proto.conformance.v1 import sender_bridge_pb2 as pb
from hookline_proto.conformance.v1 import sender_bridge_pb2_grpc as pb_grpc

Answer = TypeVar("Answer")

FEATURES: Final = {pb.Feature.Value(f"FEATURE_{feature.name}"): feature for feature in Feature}
STATES: Final = {
    pb.DELIVERY_STATE_PENDING: DeliveryState.PENDING,
    pb.DELIVERY_STATE_DELIVERED: DeliveryState.DELIVERED,
    pb.DELIVERY_STATE_EXHAUSTED: DeliveryState.EXHAUSTED,
    pb.DELIVERY_STATE_CANCELLED: DeliveryState.CANCELLED,
}
FAULTS: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    }
)
"""Statuses that are the bridge's fault, not the sender's refusal."""
_ANY_RPC: Final = 120.0


class BridgeAdapter(SenderAdapter):
    """A bridge at `address` (`host:port`), over plain text."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._secrets: dict[str, str] = {}
        self._deletes = False
        self._channel: grpc.aio.Channel | None = None

    async def open(self) -> Capabilities:
        """Connect, and ask what the sender can do."""
        channel = self._channel = grpc.aio.insecure_channel(self._address)
        self._stub = pb_grpc.SenderBridgeStub(channel)
        said = await self._call(self._stub.Describe, pb.DescribeRequest())
        unknown = [value for value in said.features if value not in FEATURES]
        if unknown:
            raise AdapterError(f"the bridge at {self._address} names the feature {unknown[0]}, which this suite does not know")
        self._deletes = pb.FEATURE_DELETE in said.features
        usual = Capabilities(name=said.name)
        return Capabilities(
            name=said.name,
            version=said.version,
            scheme=said.scheme or "standard",
            features=frozenset(FEATURES[value] for value in said.features),
            schedule=tuple(delay.ToMicroseconds() / 1_000_000 for delay in said.schedule),
            jitter=said.jitter,
            timeout=_seconds(said, "timeout", usual.timeout),
            shortest_timeout=_seconds(said, "shortest_timeout", usual.shortest_timeout),
            shortest_delay=_seconds(said, "shortest_delay", usual.shortest_delay),
            retry_after_cap=_seconds(said, "retry_after_cap", usual.retry_after_cap),
        )

    async def close(self) -> None:
        """Remove what was configured, and close the channel."""
        for target in list(self._secrets):
            with contextlib.suppress(Refused, AdapterError):
                await self.delete(target)
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    async def configure(self, spec: TargetSpec) -> str:
        """Make a target."""
        target = pb.Target(
            url=spec.url,
            secret=spec.secret,
            event_types=spec.event_types,
            tenant=spec.tenant,
            ordered=spec.ordered,
            headers=[pb.Header(name=name, value=value) for name, value in spec.headers],
            guarded=spec.guarded,
            authority=spec.authority,
            raw=spec.raw,
        )
        if spec.timeout is not None:
            target.timeout.CopyFrom(_duration(spec.timeout))
        if spec.schedule is not None:
            target.schedule.CopyFrom(pb.Schedule(delays=[_duration(delay) for delay in spec.schedule], jitter=spec.jitter))
        answer = await self._call(self._stub.Configure, pb.ConfigureRequest(target=target))
        if not answer.target_id:
            raise AdapterError(f"the bridge at {self._address} answered Configure without a target_id")
        self._secrets[answer.target_id] = answer.secret or spec.secret
        return answer.target_id

    async def secret(self, target: str) -> str:
        """The secret that the bridge said signs."""
        return self._secrets[target]

    async def emit(self, emission: Emission) -> Emitted:
        """Emit an event."""
        request = pb.EmitRequest(
            type=emission.type,
            data=emission.data,
            content_type=emission.content_type,
            tenant=emission.tenant,
            idempotency_key=emission.key,
            ordering_key=emission.ordering_key,
        )
        if emission.not_before:
            now = await self.now()
            request.not_before_time.FromMicroseconds(round((now + emission.not_before) * 1_000_000))
        answer = await self._call(self._stub.Emit, request)
        if not answer.event_id:
            raise AdapterError(f"the bridge at {self._address} answered Emit without an event_id")
        return Emitted(event_id=answer.event_id, duplicate=answer.duplicate)

    async def delete(self, target: str) -> None:
        """Remove a target; a bridge that does not name FEATURE_DELETE is asked too, and need not know the method."""
        self._secrets.pop(target, None)
        try:
            await self._call(self._stub.DeleteTarget, pb.DeleteTargetRequest(target_id=target))
        except AdapterError as error:
            cause = error.__cause__
            unknown = isinstance(cause, grpc.aio.AioRpcError) and cause.code() is grpc.StatusCode.UNIMPLEMENTED
            if self._deletes or not unknown:
                raise

    async def attempts(self, target: str) -> list[AttemptRecord]:
        """What the sender recorded."""
        answer = await self._call(self._stub.Attempts, pb.AttemptsRequest(target_id=target))
        return [
            AttemptRecord(
                event_id=attempt.event_id,
                number=attempt.number,
                start=_moment(attempt.start_time),
                status=attempt.status,
                failed=attempt.failed,
                blocked=attempt.blocked,
                error=attempt.error,
                state=STATES.get(attempt.state, DeliveryState.UNKNOWN),
            )
            for attempt in answer.attempts
        ]

    async def advance(self, seconds: float) -> None:
        """Move the sender's clock."""
        await self._call(self._stub.AdvanceClock, pb.AdvanceClockRequest(by=_duration(seconds)))

    async def now(self) -> float:
        """The sender's clock, asked for by moving it by nothing."""
        answer = await self._call(self._stub.AdvanceClock, pb.AdvanceClockRequest(by=_duration(0.0)))
        if not answer.HasField("now"):
            raise AdapterError(f"the bridge at {self._address} answered AdvanceClock without the time")
        return _moment(answer.now)

    async def restart(self, *, kill: bool) -> None:
        """Restart the sender."""
        await self._call(self._stub.Restart, pb.RestartRequest(kill=kill))

    async def rotate(self, target: str, secret: str, overlap: float) -> str:
        """Rotate the secret."""
        request = pb.RotateSecretRequest(target_id=target, secret=secret, overlap=_duration(overlap))
        answer = await self._call(self._stub.RotateSecret, request)
        self._secrets[target] = answer.secret or secret
        return self._secrets[target]

    async def pause(self, target: str) -> None:
        """Pause a target."""
        await self._call(self._stub.PauseTarget, pb.PauseTargetRequest(target_id=target))

    async def resume(self, target: str) -> None:
        """Resume a target."""
        await self._call(self._stub.ResumeTarget, pb.ResumeTargetRequest(target_id=target))

    async def update(self, target: str, change: Change) -> None:
        """Change a target."""
        request = pb.UpdateTargetRequest(target_id=target, url=change.url or "")
        if change.event_types is not None:
            request.event_types.CopyFrom(pb.EventTypes(types=change.event_types))
        await self._call(self._stub.UpdateTarget, request)

    async def _call(self, method: Callable[..., Awaitable[Answer]], request: object) -> Answer:
        try:
            return await method(request, timeout=_ANY_RPC)
        except grpc.aio.AioRpcError as error:
            if error.code() in FAULTS:
                what = f"the bridge at {self._address} answered {type(request).__name__} with {error.code().name}"
                raise AdapterError(f"{what}: {error.details()}") from error
            raise Refused(error.code().name, error.details() or "") from error


def _seconds(said: pb.DescribeResponse, field: str, usual: float) -> float:
    if not said.HasField(field):  # type: ignore[arg-type]  # the names of its fields
        return usual
    found: Duration = getattr(said, field)
    return found.ToMicroseconds() / 1_000_000


def _duration(seconds: float) -> Duration:
    found = Duration()
    found.FromMicroseconds(round(seconds * 1_000_000))
    return found


def _moment(time: Timestamp) -> float:
    return time.ToMicroseconds() / 1_000_000
