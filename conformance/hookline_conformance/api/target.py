"""An implementation of `hookline.v1` under test, and what its checks share."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Final, NoReturn, TypeVar

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from hookline_conformance.check import Lack, NoVerdict, Target, Violation
from hookline_conformance.exchange import Exchange
from hookline_conformance.requirement import Binds
from hookline_conformance.sender.endpoint import Endpoint
from hookline_conformance.sender.reply import Script
from hookline_proto.v1 import delivery_pb2 as dlv
from hookline_proto.v1 import delivery_service_pb2 as dlvs
from hookline_proto.v1 import delivery_service_pb2_grpc as dlvg
from hookline_proto.v1 import event_pb2 as evt
from hookline_proto.v1 import event_service_pb2 as evts
from hookline_proto.v1 import event_service_pb2_grpc as evtg
from hookline_proto.v1 import event_type_service_pb2_grpc as typg
from hookline_proto.v1 import retry_policy_pb2 as rtp
from hookline_proto.v1 import subscription_pb2 as sub
from hookline_proto.v1 import subscription_service_pb2 as subs
from hookline_proto.v1 import subscription_service_pb2_grpc as subg

Answer = TypeVar("Answer")
PATIENCE: Final = 15.0
"""Seconds for what goes on behind an answer: a delivery, a replay, a message of a watch."""
_ANY_RPC: Final = 30.0
NOWHERE: Final = "http://127.0.0.1:9/hook"
"""A receiver for subscriptions that nothing is to be sent to."""


class Failed(Exception):
    """A call answered an error: its status, and the details that it carried."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        super().__init__(f"{error.code().name}: {error.details()}")
        self.code: grpc.StatusCode = error.code()
        status = rpc_status.from_call(error)  # type: ignore[arg-type]  # the synchronous Call in its stub; an AioRpcError has what it reads
        self.status: status_pb2.Status | None = status

    def detail(self, kind: type[Answer]) -> Answer | None:
        """The detail of this kind, if the error carries one."""
        for packed in self.status.details if self.status is not None else ():
            found: Any = kind()
            if packed.Unpack(found):
                return found  # type: ignore[no-any-return]  # a message of `kind`
        return None

    @property
    def fields(self) -> list[str]:
        """The paths of the fields that the error names."""
        found = self.detail(error_details_pb2.BadRequest)
        return [violation.field for violation in found.field_violations] if found is not None else []


class ApiTarget(Target):
    """A server at `address` (`host:port`), called by plain generated stubs."""

    binds: ClassVar[Binds] = Binds.API

    def __init__(
        self, address: str, *, token: str = "", roots: bytes | None = None, command: str = "", patience: float = PATIENCE
    ) -> None:
        self.patience = patience
        self._address = address
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._roots = roots
        self._command = command or f"hookline-conformance api {address}"
        self._number = itertools.count(1)
        self._run = f"{time.time_ns():x}"[-9:]
        self._channel: grpc.aio.Channel | None = None
        self._exchanges: list[Exchange] = []

    @property
    def name(self) -> str:
        """The address."""
        return self._address

    @property
    def scheme(self) -> str | None:
        """None: the contract of the API is apart from signing."""
        return None

    def lacks(self, need: str) -> Lack | None:
        """Whatever speaks `hookline.v1` has all of it."""
        raise ValueError(f"checks of the API need nothing, and one says {need!r}")

    def command(self) -> str:
        """The command that runs the suite against this server."""
        return self._command

    async def open(self) -> None:
        """Connect; `NoVerdict` if the server does not answer, or not as this contract says."""
        if self._roots is None:
            channel = grpc.aio.insecure_channel(self._address)
        else:
            channel = grpc.aio.secure_channel(self._address, grpc.ssl_channel_credentials(self._roots or None))
        self.channel = self._channel = channel
        self.events = evtg.EventServiceStub(channel)
        self.subscriptions = subg.SubscriptionServiceStub(channel)
        self.deliveries = dlvg.DeliveryServiceStub(channel)
        self.event_types = typg.EventTypeServiceStub(channel)
        try:
            await self.call(self.events.ListEvents, evts.ListEventsRequest(page_size=1), timeout=30.0)
        except Failed as error:
            await channel.close()
            raise NoVerdict(f"{self._address} does not answer hookline.v1.EventService.ListEvents: {error}") from error

    async def close(self) -> None:
        """Close the channel."""
        if self._channel is not None:
            await self._channel.close()

    def exchanges(self) -> tuple[Exchange, ...]:
        """The last calls."""
        return tuple(self._exchanges[-4:])

    def unique(self, prefix: str = "c") -> str:
        """A name that nothing has had before: tenants, keys, ids."""
        return f"{prefix}-{self._run}-{next(self._number)}"

    async def call(self, method: Callable[..., Awaitable[Answer]], request: Any, *, timeout: float = _ANY_RPC) -> Answer:
        """Call a method; raises `Failed` for an error."""
        title = f"{type(request).__name__}"
        try:
            answer = await method(request, timeout=timeout, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            failed = Failed(error)
            self._exchanges.append(Exchange(sent=str(request).encode(), received=str(failed).encode(), note=title))
            raise failed from error
        self._exchanges.append(Exchange(sent=str(request).encode(), received=str(answer).encode(), note=title))
        return answer

    def stream(self, method: Callable[..., Any], request: Any, *, timeout: float | None = None) -> Any:
        """Start a method that streams."""
        return method(request, timeout=timeout, metadata=self._metadata)

    async def refused(
        self, requirement: str, method: Callable[..., Awaitable[Any]], request: Any, code: grpc.StatusCode, what: str
    ) -> Failed:
        """The error that a call must answer; a violation if it answers otherwise."""
        try:
            answer = await self.call(method, request)
        except Failed as failed:
            self.expect(failed.code is code, requirement, f"{code.name} for {what}", failed)
            return failed
        raise self.violation(requirement, f"{code.name} for {what}", f"an answer: {str(answer)[:200]!r}")

    def expect(self, holds: bool, requirement: str, expected: str, got: object) -> None:
        """A violation unless it holds."""
        if not holds:
            self.fail(requirement, expected, str(got) or "nothing")

    def fail(self, requirement: str, expected: str, got: str) -> NoReturn:
        """Raise a violation with the last calls."""
        raise self.violation(requirement, expected, got)

    def violation(self, requirement: str, expected: str, got: str) -> Violation:
        """A violation with the last calls."""
        return Violation(requirement, expected=expected, got=got, exchanges=self.exchanges())

    # What many checks do

    async def emit(self, tenant: str, **fields: Any) -> evt.EmitResult:
        """Emit an event of a small kind."""
        spec = evt.EventSpec(**{"type": "conformance.event", "data": b'{"n": 1}', **fields})
        return (await self.call(self.events.EmitEvent, evts.EmitEventRequest(tenant=tenant, event=spec))).result

    async def subscribe(self, tenant: str, url: str = NOWHERE, **fields: Any) -> sub.Subscription:
        """Create a subscription, one attempt a delivery unless said otherwise."""
        retry = rtp.RetryPolicy(preset="none")
        spec = sub.SubscriptionSpec(**{"url": url, "retry": retry, **fields})
        request = subs.CreateSubscriptionRequest(tenant=tenant, subscription=spec)
        return (await self.call(self.subscriptions.CreateSubscription, request)).subscription

    async def listed(self, tenant: str, **filters: Any) -> list[dlv.Delivery]:
        """The deliveries of a tenant, newest first."""
        request = dlvs.ListDeliveriesRequest(tenant=tenant, page_size=1000, **filters)
        return list((await self.call(self.deliveries.ListDeliveries, request)).deliveries)

    async def finished(self, tenant: str, count: int, states: frozenset[int]) -> list[dlv.Delivery]:
        """The deliveries of a tenant, as soon as `count` of them are in one of the states, or the patience is over."""
        end = time.monotonic() + self.patience
        while True:
            found = await self.listed(tenant)
            if sum(delivery.state in states for delivery in found) >= count or time.monotonic() > end:
                return found
            await asyncio.sleep(0.05)

    @asynccontextmanager
    async def receiver(self, script: Script | None = None) -> AsyncIterator[Endpoint]:
        """A scripted receiver on loopback."""
        async with Endpoint(script) as endpoint:
            yield endpoint
