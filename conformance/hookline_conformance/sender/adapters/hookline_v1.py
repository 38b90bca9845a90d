"""Drives any implementation of `hookline.v1` over gRPC, by its contracts alone."""

import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
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
from hookline_proto.v1 import delivery_pb2 as dlv
from hookline_proto.v1 import delivery_service_pb2 as dlvs
from hookline_proto.v1 import delivery_service_pb2_grpc as dlvg
from hookline_proto.v1 import event_pb2 as evt
from hookline_proto.v1 import event_service_pb2 as evts
from hookline_proto.v1 import event_service_pb2_grpc as evtg
from hookline_proto.v1 import retry_policy_pb2 as rtp
from hookline_proto.v1 import subscription_pb2 as sub
from hookline_proto.v1 import subscription_service_pb2 as subs
from hookline_proto.v1 import subscription_service_pb2_grpc as subg

Answer = TypeVar("Answer")
Restart = Callable[[bool], Awaitable[None]]

SCHEDULE: Final = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""The preset "standard", in seconds."""
FEATURES: Final = frozenset(
    {
        Feature.SCHEDULE,
        Feature.TIMEOUT,
        Feature.ATTEMPTS,
        Feature.STATES,
        Feature.ROTATE,
        Feature.PAUSE,
        Feature.UPDATE,
        Feature.DELETE,
        Feature.EVENT_TYPES,
        Feature.TENANTS,
        Feature.IDEMPOTENCY,
        Feature.ORDERING,
        Feature.EXACT,
        Feature.RAW,
        Feature.HEADERS,
        Feature.DISABLES_ON_GONE,
        Feature.RETRY_AFTER,
        Feature.SCHEDULED,
    }
)
STATES: Final = {
    dlv.DELIVERY_STATE_PENDING: DeliveryState.PENDING,
    dlv.DELIVERY_STATE_DELIVERED: DeliveryState.DELIVERED,
    dlv.DELIVERY_STATE_EXHAUSTED: DeliveryState.EXHAUSTED,
    dlv.DELIVERY_STATE_CANCELLED: DeliveryState.CANCELLED,
}
_ANY_RPC: Final = 30.0
_AWAY: Final = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNIMPLEMENTED})


class HooklineAdapter(SenderAdapter):
    """A server at `address` (`host:port`).

    `restart`, where it is given, ends the server (True: by kill -9) and starts it again on the same store and
    address. `trusts_authority`: the server was started so that it trusts the suite's authority. `token` is sent
    as a bearer token; `roots` are PEM bytes for TLS (b"": the system's), None for plain text.
    """

    def __init__(
        self,
        address: str,
        *,
        token: str = "",
        roots: bytes | None = None,
        restart: Restart | None = None,
        trusts_authority: bool = False,
    ) -> None:
        self._address = address
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._roots = roots
        self._restart = restart
        self._trusts_authority = trusts_authority
        self._tenants: dict[str, str] = {}
        self._channel: grpc.aio.Channel | None = None

    async def open(self) -> Capabilities:
        """Connect, and look whether the server answers."""
        self._connect()
        await self._call(self._subscriptions.ListSubscriptions, subs.ListSubscriptionsRequest(page_size=1))
        features = set(FEATURES)
        if self._restart is not None:
            features |= {Feature.RESTART, Feature.KILL}
        if self._trusts_authority:
            features.add(Feature.HTTPS)
        return Capabilities(
            name="hookline.v1",
            features=frozenset(features),
            schedule=SCHEDULE,
            jitter=0.1,
            timeout=15.0,
            shortest_timeout=1.0,
            shortest_delay=0.001,
        )

    def _connect(self) -> None:
        if self._roots is None:
            channel = grpc.aio.insecure_channel(self._address)
        else:
            channel = grpc.aio.secure_channel(self._address, grpc.ssl_channel_credentials(self._roots or None))
        self._channel = channel
        self._events = evtg.EventServiceStub(channel)
        self._subscriptions = subg.SubscriptionServiceStub(channel)
        self._deliveries = dlvg.DeliveryServiceStub(channel)

    async def close(self) -> None:
        """Remove what was configured, and close the channel."""
        for target in list(self._tenants):
            with contextlib.suppress(Refused, AdapterError):
                await self.delete(target)
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    async def configure(self, spec: TargetSpec) -> str:
        """Create a subscription."""
        wanted = sub.SubscriptionSpec(
            url=spec.url,
            secret=spec.secret,
            event_types=spec.event_types,
            headers=dict(spec.headers),
            body_format=sub.BODY_FORMAT_RAW if spec.raw else sub.BODY_FORMAT_STANDARD,
            ordering=sub.ORDERING_BY_KEY if spec.ordered else sub.ORDERING_NONE,
        )
        if spec.timeout is not None:
            wanted.timeout.CopyFrom(_duration(spec.timeout))
        if spec.schedule is not None:
            delays = spec.schedule or (1.0,)  # a list of delays must not be empty; one attempt uses none
            steps = rtp.StepSchedule(delays=[_duration(delay) for delay in delays])
            wanted.retry.CopyFrom(rtp.RetryPolicy(steps=steps, max_attempts=len(spec.schedule) + 1))
            if spec.jitter is not None:
                wanted.retry.jitter = spec.jitter
        request = subs.CreateSubscriptionRequest(tenant=spec.tenant, subscription=wanted)
        answer = await self._call(self._subscriptions.CreateSubscription, request)
        target = answer.subscription.id
        self._tenants[target] = spec.tenant
        return target

    async def secret(self, target: str) -> str:
        """The newest secret."""
        request = subs.GetSubscriptionSecretRequest(tenant=self._tenants[target], subscription_id=target)
        answer = await self._call(self._subscriptions.GetSubscriptionSecret, request)
        return answer.secrets[0].value

    async def emit(self, emission: Emission) -> Emitted:
        """Emit one event."""
        event = evt.EventSpec(
            type=emission.type,
            data=emission.data,
            data_content_type=emission.content_type,
            idempotency_key=emission.key,
            ordering_key=emission.ordering_key,
        )
        if emission.not_before:
            event.not_before_time.CopyFrom(_moment(datetime.now(UTC) + timedelta(seconds=emission.not_before)))
        answer = await self._call(self._events.EmitEvent, evts.EmitEventRequest(tenant=emission.tenant, event=event))
        return Emitted(event_id=answer.result.event_id, duplicate=answer.result.duplicate)

    async def delete(self, target: str) -> None:
        """Delete the subscription."""
        request = subs.DeleteSubscriptionRequest(tenant=self._tenants[target], subscription_id=target)
        await self._call(self._subscriptions.DeleteSubscription, request)

    async def attempts(self, target: str) -> list[AttemptRecord]:
        """All attempts of all deliveries, by their start."""
        tenant = self._tenants[target]
        records: list[AttemptRecord] = []
        token = ""
        while True:
            request = dlvs.ListDeliveriesRequest(tenant=tenant, subscription_id=target, page_size=1000, page_token=token)
            page = await self._call(self._deliveries.ListDeliveries, request)
            for delivery in page.deliveries:
                listed = await self._call(
                    self._deliveries.ListAttempts, dlvs.ListAttemptsRequest(tenant=tenant, delivery_id=delivery.id)
                )
                records += [_record(attempt, delivery.state) for attempt in listed.attempts]
            token = page.next_page_token
            if not token:
                return sorted(records, key=lambda record: record.start)

    async def restart(self, *, kill: bool) -> None:
        """End the server and start it again."""
        if self._restart is None:
            raise AdapterError("no way to restart the server was given")
        if self._channel is not None:
            await self._channel.close()
        await self._restart(kill)
        self._connect()

    async def rotate(self, target: str, secret: str, overlap: float) -> str:
        """Rotate the secret."""
        request = subs.RotateSubscriptionSecretRequest(
            tenant=self._tenants[target], subscription_id=target, secret=secret, overlap=_duration(overlap)
        )
        return (await self._call(self._subscriptions.RotateSubscriptionSecret, request)).secret.value

    async def pause(self, target: str) -> None:
        """Pause the subscription."""
        request = subs.PauseSubscriptionRequest(tenant=self._tenants[target], subscription_id=target)
        await self._call(self._subscriptions.PauseSubscription, request)

    async def resume(self, target: str) -> None:
        """Resume the subscription."""
        request = subs.ResumeSubscriptionRequest(tenant=self._tenants[target], subscription_id=target)
        await self._call(self._subscriptions.ResumeSubscription, request)

    async def update(self, target: str, change: Change) -> None:
        """Update what changes."""
        request = subs.UpdateSubscriptionRequest(tenant=self._tenants[target], subscription_id=target)
        if change.url is not None:
            request.subscription.url = change.url
            request.update_mask.paths.append("url")
        if change.event_types is not None:
            request.subscription.event_types.extend(change.event_types)
            request.update_mask.paths.append("event_types")
        await self._call(self._subscriptions.UpdateSubscription, request)

    async def _call(self, method: Callable[..., Awaitable[Answer]], request: object) -> Answer:
        try:
            return await method(request, timeout=_ANY_RPC, metadata=self._metadata, wait_for_ready=True)
        except grpc.aio.AioRpcError as error:
            if error.code() in _AWAY:
                raise AdapterError(f"the server at {self._address} answered {error.code().name}: {error.details()}") from error
            raise Refused(error.code().name, error.details() or "") from error


def _record(attempt: dlv.Attempt, state: dlv.DeliveryState.ValueType) -> AttemptRecord:
    return AttemptRecord(
        event_id=attempt.event_id,
        number=attempt.number,
        start=attempt.start_time.ToMicroseconds() / 1_000_000,
        status=attempt.status,
        failed=attempt.error != dlv.ERROR_CLASS_UNSPECIFIED,
        blocked=attempt.error == dlv.ERROR_CLASS_BLOCKED,
        error=attempt.detail,
        state=STATES.get(state, DeliveryState.UNKNOWN),
    )


def _duration(seconds: float) -> Duration:
    found = Duration()
    found.FromMicroseconds(round(seconds * 1_000_000))
    return found


def _moment(time: datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(time)
    return found
