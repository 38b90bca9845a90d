"""The remote client: the same interface, calls over gRPC."""

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence

from grpc import aio

from hookline import wire
from hookline.client import MAX_BATCH, Client, EmitOutcome
from hookline.errors import Closed, HooklineError, InvalidArgument, Unavailable
from hookline.model import Change, Checkpoint, EmitResult, EventSpec
from hookline.remote.connection import DEFAULT_TIMEOUT, Connection, answer, pause
from hookline.remote.deliveries import RemoteDeliveries
from hookline.remote.emit_stream import EmitStream
from hookline.remote.event_types import RemoteEventTypes
from hookline.remote.events import RemoteEvents
from hookline.remote.identity import LARGEST, identified, own
from hookline.remote.subscriptions import RemoteSubscriptions
from hookline_proto.v1 import delivery_service_pb2, event_pb2, event_service_pb2


class RemoteClient(Client):
    """See `hookline.connect`.

    Nothing is opened until the first call, so that a client made before a fork is connected by each
    child for itself.
    """

    def __init__(
        self, target: str, *, token: str = "", tenant: str = "", tls: bool | bytes = False, timeout: float = DEFAULT_TIMEOUT
    ) -> None:
        """Call the server at `target` (`host:port`).

        `token` is sent with every call, over TLS or to loopback. `tls` is True for the system's roots,
        or PEM bytes of your own. `timeout` is in seconds and bounds each call, retries included; of a
        stream it bounds the time without an answer. Raises InvalidArgument.
        """
        self._connection = Connection(target, token=token, tenant=tenant, tls=tls, timeout=timeout)
        self.events = RemoteEvents(self._connection)
        self.subscriptions = RemoteSubscriptions(self._connection)
        self.deliveries = RemoteDeliveries(self._connection)
        self.event_types = RemoteEventTypes(self._connection)

    async def start(self) -> None:
        """Make the channel; it connects with the first call. Raises Closed."""
        self._connection.stubs()

    async def close(self) -> None:
        """Close the channel."""
        await self._connection.close()

    async def emit_event(self, event: EventSpec, *, tenant: str = "") -> EmitResult:
        """Emit one event."""
        message, made = identified(event)
        request = wire.build(event_service_pb2.EmitEventRequest, tenant=tenant or self._connection.tenant, event=message)
        response = await self._connection.call(lambda stubs: stubs.events.EmitEvent, request)
        result = answer(wire.read_emit_result, response.result)
        outcome = own(result, message.id) if made else result
        return outcome if isinstance(outcome, EmitResult) else result

    async def emit_many(self, events: Sequence[EventSpec], *, tenant: str = "") -> Sequence[EmitOutcome]:
        """Emit several events, in as many calls as their size asks for."""
        if not 1 <= len(events) <= MAX_BATCH:
            raise InvalidArgument.of("events", f"{len(events)} events in one call; send 1 to {MAX_BATCH}")
        outcomes: dict[int, EmitOutcome] = {}
        ready: dict[int, tuple[event_pb2.EventSpec, bool]] = {}
        for index, spec in enumerate(events):
            try:
                message, made = identified(spec, f"events[{index}]")
            except InvalidArgument as error:
                outcomes[index] = error
            else:
                ready[index] = message, made
        failures: list[HooklineError] = []
        for part in _parts(ready):
            try:
                answered = await self._emit_part([ready[index][0] for index in part], tenant)
            except HooklineError as error:
                failures.append(error)
                outcomes.update(dict.fromkeys(part, error))
                continue
            for sent, (index, outcome) in enumerate(zip(part, answered, strict=True)):
                message, made = ready[index]
                moved = wire.renamed(outcome, f"events[{sent}]", f"events[{index}]")
                outcomes[index] = own(moved, message.id) if made else moved
        if failures and all(outcomes[index] in failures for index in ready):
            raise failures[0]
        return [outcomes[index] for index in range(len(events))]

    async def _emit_part(self, messages: list[event_pb2.EventSpec], tenant: str) -> list[EmitOutcome]:
        request = wire.build(event_service_pb2.BatchEmitEventsRequest, tenant=tenant or self._connection.tenant, events=messages)
        response = await self._connection.call(lambda stubs: stubs.events.BatchEmitEvents, request)
        return [answer(wire.read_emit_outcome, outcome) for outcome in response.outcomes]

    def emit_stream(self, events: AsyncIterable[EventSpec], *, tenant: str = "") -> AsyncIterator[tuple[int, EmitOutcome]]:
        """Emit events as they come; what was not answered is sent again after the stream broke."""
        return EmitStream(self._connection, tenant or self._connection.tenant).run(events)

    async def watch(self, *, subscription_id: str = "", cursor: str = "", tenant: str = "") -> AsyncIterator[Change | Checkpoint]:
        """What happens to deliveries; goes on from the last cursor after the stream broke."""
        connection = self._connection
        failures, progress = 0, time.monotonic()
        while True:
            request = wire.build(
                delivery_service_pb2.WatchDeliveriesRequest,
                tenant=tenant or connection.tenant,
                subscription_id=subscription_id,
                cursor=cursor,
            )
            call = connection.stubs().deliveries.WatchDeliveries(request, metadata=connection.metadata)
            try:
                async for message in call:
                    failures, progress = 0, time.monotonic()
                    watched = answer(wire.read_watched, message)
                    cursor = watched.cursor
                    yield watched
                error: HooklineError = Unavailable("the server ended the watch")
            except aio.AioRpcError as broken:
                error = connection.error(broken)
                if not isinstance(error, Unavailable):
                    raise error from broken
            except asyncio.CancelledError as cancelled:
                if connection.was_closed_under():
                    raise Closed("the client was closed") from cancelled
                raise
            finally:
                call.cancel()
            failures += 1
            progress = time.monotonic() if failures == 1 else progress
            wait = pause(failures, error)
            if time.monotonic() - progress + wait > connection.timeout:
                raise error
            await asyncio.sleep(wait)


def _parts(ready: dict[int, tuple[event_pb2.EventSpec, bool]]) -> Iterator[list[int]]:
    """The indexes, in as many parts as it takes to keep each below the largest message."""
    part: list[int] = []
    size = 0
    for index, (message, _) in ready.items():
        # Tag and length of the field come on top of the event itself.
        room = message.ByteSize() + 8
        if part and size + room > LARGEST:
            yield part
            part, size = [], 0
        part.append(index)
        size += room
    if part:
        yield part
