"""The channel to a server: made when it is needed, in the process that uses it, and the calls over it.

A call that meets UNAVAILABLE is made again, as long as its deadline allows, where it is safe to repeat:
because it changes nothing, or carries an id, or because the server said itself (by a RetryInfo) that it
has done nothing.
"""

import asyncio
import os
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import grpc
import tenacity
from google.protobuf.message import Message
from grpc import aio

from hookline import wire
from hookline.errors import Closed, FailedPrecondition, HooklineError, InvalidArgument, Unavailable, quoted
from hookline_proto.v1.delivery_service_pb2_grpc import DeliveryServiceStub
from hookline_proto.v1.event_service_pb2_grpc import EventServiceStub
from hookline_proto.v1.event_type_service_pb2_grpc import EventTypeServiceStub
from hookline_proto.v1.subscription_service_pb2_grpc import SubscriptionServiceStub

DEFAULT_TIMEOUT: Final = 30.0
"""Seconds for a call, all its tries together."""
FIRST_WAIT: Final = 0.05
"""Seconds before the second try; doubled for each one after, and spread."""
LONGEST_WAIT: Final = 2.0
"""Seconds between two tries at most, unless the server asks for more."""
KEEPALIVE_TIME: Final = 30.0
"""Seconds of silence after which the server is asked whether it is still there."""
KEEPALIVE_TIMEOUT: Final = 10.0
"""Seconds within which it must answer."""
LONGEST_RECONNECT: Final = 2.0
"""Seconds between two attempts to connect at most."""
NOT_SENT: Final = "Internal error from Core"
"""What grpc.aio says, as INTERNAL and in place of the call's own status, of a message for a stream that has just broken."""

if TYPE_CHECKING:
    from hookline_proto.v1.delivery_service_pb2_grpc import DeliveryServiceAsyncStub
    from hookline_proto.v1.event_service_pb2_grpc import EventServiceAsyncStub
    from hookline_proto.v1.event_type_service_pb2_grpc import EventTypeServiceAsyncStub
    from hookline_proto.v1.subscription_service_pb2_grpc import SubscriptionServiceAsyncStub

Req = TypeVar("Req", bound=Message)
Res = TypeVar("Res", bound=Message)
R = TypeVar("R")

_OPTIONS: Final = (
    # A page of large events is larger than the 4 MiB that gRPC takes by default.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_time_ms", int(KEEPALIVE_TIME * 1000)),
    ("grpc.keepalive_timeout_ms", int(KEEPALIVE_TIMEOUT * 1000)),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", int(FIRST_WAIT * 1000)),
    ("grpc.min_reconnect_backoff_ms", int(FIRST_WAIT * 1000)),
    ("grpc.max_reconnect_backoff_ms", int(LONGEST_RECONNECT * 1000)),
    # Retries are ours: they know the deadline of the call and what the server said.
    ("grpc.enable_retries", 0),
    # Clients with the same target share connections otherwise, and close them together.
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True, slots=True)
class Stubs:
    """The methods of the four services over one channel."""

    channel: aio.Channel
    process: int
    loop: asyncio.AbstractEventLoop
    events: "EventServiceAsyncStub"
    subscriptions: "SubscriptionServiceAsyncStub"
    deliveries: "DeliveryServiceAsyncStub"
    event_types: "EventTypeServiceAsyncStub"


class Connection:
    """Opens the channel lazily, and again after a fork or on another event loop."""

    def __init__(self, target: str, *, token: str, tenant: str, tls: bool | bytes, timeout: float) -> None:
        """See `RemoteClient`. Raises InvalidArgument."""
        if not target or not target.isprintable():
            raise InvalidArgument.of("target", f"is {quoted(target)}, must be host:port")
        if not token.isascii() or not token.isprintable():
            raise InvalidArgument.of("token", "must be visible ASCII characters")
        if not timeout > 0:
            raise InvalidArgument.of("timeout", f"is {quoted(timeout)}, must be seconds greater than 0")
        self.tenant = tenant
        self.timeout = timeout
        self.metadata: tuple[tuple[str, str | bytes], ...] | None = (("authorization", f"Bearer {token}"),) if token else None
        self._target = target
        self._tls = tls
        self._stubs: Stubs | None = None
        self._closed = False
        _connections.add(self)

    def stubs(self) -> Stubs:
        """The stubs of this process and this event loop. Raises Closed."""
        stubs = self._stubs
        if stubs is not None and stubs.process == os.getpid() and stubs.loop is asyncio.get_running_loop():
            return stubs
        if self._closed:
            raise Closed("the client was closed; make a new one")
        if _forked_in_use:
            raise FailedPrecondition(
                "this process was forked while a client of its parent was connected, and gRPC does not survive that: "
                "close the client before the fork, or first use it after the fork",
                reason="FORKED_IN_USE",
            )
        # What a parent process left behind is its own to close.
        channel = self._channel()
        self._stubs = Stubs(
            channel,
            os.getpid(),
            asyncio.get_running_loop(),
            EventServiceStub(channel),
            SubscriptionServiceStub(channel),
            DeliveryServiceStub(channel),
            EventTypeServiceStub(channel),
        )
        return self._stubs

    @property
    def is_open(self) -> bool:
        """Whether there is a channel."""
        return self._stubs is not None

    def _channel(self) -> aio.Channel:
        if self._tls is False:
            return aio.insecure_channel(self._target, options=_OPTIONS)
        roots = self._tls if isinstance(self._tls, bytes) else None
        return aio.secure_channel(self._target, grpc.ssl_channel_credentials(roots), options=_OPTIONS)

    async def close(self) -> None:
        """Close the channel; calls under way end with Closed. Safe to repeat."""
        self._closed = True
        stubs, self._stubs = self._stubs, None
        if stubs is not None and stubs.process == os.getpid() and stubs.loop is asyncio.get_running_loop():
            await stubs.channel.close()

    async def call(
        self, method: Callable[[Stubs], "aio.UnaryUnaryMultiCallable[Req, Res]"], request: Req, *, repeat: bool = True
    ) -> Res:
        """Make a call, and again after UNAVAILABLE where that is safe; `repeat` says that it always is."""
        began = time.monotonic()
        try:
            return await self._once(method, request, self.timeout)
        except Unavailable as error:
            if not may_repeat(error, repeat):
                raise
            last = error
        async for attempt in tenacity.AsyncRetrying(
            sleep=asyncio.sleep,
            retry=tenacity.retry_if_exception(lambda error: isinstance(error, Unavailable) and may_repeat(error, repeat)),
            wait=_wait,
            stop=lambda state: time.monotonic() - began + state.upcoming_sleep >= self.timeout,
            reraise=True,
        ):
            with attempt:
                # The first round waits for what the first try met.
                left = self.timeout - (time.monotonic() - began)
                if attempt.retry_state.attempt_number == 1 or left <= 0:  # the wait may have taken longer than it should
                    raise last
                try:
                    return await self._once(method, request, left)
                except Unavailable as error:
                    last = error
                    raise
        raise last

    async def _once(self, method: Callable[[Stubs], "aio.UnaryUnaryMultiCallable[Req, Res]"], request: Req, timeout: float) -> Res:
        try:
            return await method(self.stubs())(request, timeout=timeout, metadata=self.metadata)
        except aio.AioRpcError as error:
            raise self.error(error) from error
        except (aio.UsageError, asyncio.CancelledError) as error:
            if self.was_closed_under():
                raise Closed("the client was closed") from error
            raise

    def was_closed_under(self) -> bool:
        """Whether a call that was cancelled was so because its channel was closed: it is not the caller who wants it to end."""
        task = asyncio.current_task()
        return self._closed and (task is None or not task.cancelling())

    def error(self, error: aio.AioRpcError) -> HooklineError:
        """The error of ours for a call that failed."""
        if self._closed:
            return Closed("the client was closed")
        if error.code() is grpc.StatusCode.INTERNAL and error.details() == NOT_SENT:
            return Unavailable("the connection broke while a message was sent")
        return wire.from_rpc(error)


_connections: Final[weakref.WeakSet[Connection]] = weakref.WeakSet()
_forked_in_use = False


def _after_fork() -> None:
    """Remember that the thread on which gRPC waits for answers was left behind: calls would hang."""
    global _forked_in_use  # noqa: PLW0603  # one fact about the process
    _forked_in_use = _forked_in_use or any(connection.is_open for connection in _connections)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def may_repeat(error: Unavailable, repeat: bool) -> bool:
    """Whether a call that ended so may be made again: it is safe anyway, or the server says that it did nothing."""
    return repeat or error.retry_after is not None


def pause(tries: int, error: HooklineError | None) -> float:
    """Seconds to wait after the n-th failure in a row: exponential, spread, and no less than the server asks for."""
    state = tenacity.RetryCallState(retry_object=_NO_RETRYING, fn=None, args=(), kwargs={})
    state.attempt_number = tries
    asked = 0.0 if error is None or error.retry_after is None else error.retry_after
    return max(_BACKOFF(state), asked)


_NO_RETRYING: Final = tenacity.Retrying()
_BACKOFF: Final = tenacity.wait_random_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT, min=FIRST_WAIT)


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome is not None else None
    asked = error.retry_after if isinstance(error, HooklineError) and error.retry_after is not None else 0.0
    return max(_BACKOFF(state), asked)


def answer(read: Callable[[Res], R], message: Res) -> R:
    """What the server answered. Raises HooklineError for what this version cannot read."""
    try:
        return read(message)
    except InvalidArgument as error:
        raise HooklineError(
            f"the server's answer cannot be read ({error.message}); it may be newer than this client: update hookline",
            reason="UNREADABLE_ANSWER",
        ) from error
