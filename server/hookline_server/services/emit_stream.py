"""StreamEmitEvents: events in as they come, answers out in the order of commits."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from hookline import wire
from hookline.client import Client, EmitOutcome
from hookline.errors import InvalidArgument
from hookline.model import EventSpec
from hookline_proto.v1.event_service_pb2 import StreamEmitEventsRequest, StreamEmitEventsResponse
from hookline_server.services.fields import required
from hookline_server.services.guard import Drain, Malformed, closing

WINDOW: Final = 1_000
"""Events of one stream that are read and not answered yet."""

Request = StreamEmitEventsRequest | Malformed


class EmitStream:
    """One such stream.

    A reader puts requests into a queue; an emitter hands them to the client and puts the answers into
    another one. An event has room in the window until its answer is written, so a caller that does not
    read its answers is not read any more either. At a drain what was handed to the client is answered,
    and then the stream ends with UNAVAILABLE; the caller sends again what was not answered.
    """

    def __init__(self, client: Client, drain: Drain) -> None:
        """Emit through `client`; end when `drain` begins."""
        self._client = client
        self._drain = drain
        self._requests: asyncio.Queue[Request | None] = asyncio.Queue(maxsize=WINDOW)
        self._answers: asyncio.Queue[StreamEmitEventsResponse | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(WINDOW)
        self._sequences: dict[int, int] = {}
        self._refusal: InvalidArgument | None = None

    async def answers(self, requests: AsyncIterator[Request]) -> AsyncIterator[StreamEmitEventsResponse]:
        """Yield an answer for each request."""
        reading = asyncio.create_task(self._read(requests))
        draining = asyncio.create_task(self._end_at_drain())
        emitting = asyncio.create_task(self._emit())
        emitting.add_done_callback(lambda _: self._answers.put_nowait(None))
        try:
            while (answer := await self._answers.get()) is not None:
                yield answer
                self._room.release()
            await emitting
            if self._refusal is not None:
                raise self._refusal
            if self._drain.begun:
                raise Drain.refusal()
            await reading
        finally:
            for task in (reading, draining, emitting):
                task.cancel()
            await asyncio.gather(reading, draining, emitting, return_exceptions=True)

    async def _read(self, requests: AsyncIterator[Request]) -> None:
        try:
            async for request in requests:
                await self._requests.put(request)
        except Exception:
            await self._requests.put(None)
            raise
        await self._requests.put(None)

    async def _end_at_drain(self) -> None:
        """Wake the emitter where it waits for a request."""
        await self._drain.wait()
        if self._requests.empty():
            self._requests.put_nowait(None)

    async def _next(self) -> Request | None:
        return None if self._drain.begun else await self._requests.get()

    async def _emit(self) -> None:
        first = await self._next()
        if first is None:
            return
        tenant = "" if isinstance(first, Malformed) else first.tenant
        async with closing(self._client.emit_stream(self._events(first), tenant=tenant)) as outcomes:
            async for index, outcome in outcomes:
                self._answer(self._sequences.pop(index), wire.renamed(outcome, f"events[{index}]", "event"))

    async def _events(self, first: Request) -> AsyncIterator[EventSpec]:
        request: Request | None = first
        index = 0
        while request is not None:
            if isinstance(request, Malformed):
                # Nobody can say which sequence it was, so this one takes the stream with it.
                self._refusal = request.refusal()
                return
            await self._room.acquire()
            spec = _read_spec(request)
            if isinstance(spec, InvalidArgument):
                self._answer(request.sequence, spec)
            else:
                self._sequences[index] = request.sequence
                index += 1
                yield spec
            request = await self._next()

    def _answer(self, sequence: int, outcome: EmitOutcome) -> None:
        self._answers.put_nowait(StreamEmitEventsResponse(sequence=sequence, outcome=wire.write_emit_outcome(outcome)))


def _read_spec(request: StreamEmitEventsRequest) -> EventSpec | InvalidArgument:
    if not request.HasField("event"):
        return required("event")
    try:
        return wire.read_event_spec(request.event)
    except InvalidArgument as error:
        return error
