"""Emitting as events come: one bidirectional stream, opened again where it breaks.

Events are kept until they are answered, at most `WINDOW` of them, and sent again after a reconnect.
Each has an id or an idempotency key, so what the server had accepted already it accepts once.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from typing import Any, Final

from grpc import aio

from hookline import wire
from hookline.client import EmitOutcome
from hookline.errors import Closed, DeadlineExceeded, HooklineError, InvalidArgument, Unavailable
from hookline.model import EventSpec
from hookline.remote.connection import Connection, answer, pause
from hookline.remote.identity import identified, own
from hookline_proto.v1.event_service_pb2 import StreamEmitEventsRequest, StreamEmitEventsResponse

WINDOW: Final = 1_000
"""Events that are sent and not answered yet."""

Item = tuple[int, EmitOutcome]


class EmitStream:
    """One run of `RemoteClient.emit_stream`."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        """Emit over `connection`, for `tenant`."""
        self._connection = connection
        self._tenant = tenant
        self._window = asyncio.Semaphore(WINDOW)
        self._pending: dict[int, StreamEmitEventsRequest] = {}
        """What is not answered yet, by its sequence, in the order of sending."""
        self._unsent: deque[int] = deque()
        """What of it the present call has not sent yet."""
        self._made: set[int] = set()
        """The sequences whose ids were made here."""
        self._outcomes: asyncio.Queue[Item | None] = asyncio.Queue()
        self._more = asyncio.Event()
        self._ended = False
        self._progress = time.monotonic()
        self._broken: Unavailable | None = None
        """Why the last call broke, if nothing was answered since."""

    async def run(self, events: AsyncIterable[EventSpec]) -> AsyncIterator[Item]:
        """Yield what becomes of each event."""
        taking = asyncio.create_task(self._take(events))
        calling = asyncio.create_task(self._keep_calling())
        watching = asyncio.create_task(self._watch_progress())
        tasks: tuple[asyncio.Task[None], ...] = (taking, calling, watching)
        for task in tasks:
            task.add_done_callback(self._finished)
        try:
            while (item := await self._outcomes.get()) is not None:
                self._window.release()
                yield item
            for task in tasks:
                if task.cancelled():
                    raise Closed("the client was closed")
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _finished(self, task: asyncio.Task[None]) -> None:
        """End the run when a task failed, or all is answered."""
        if task.cancelled() or task.exception() is not None or (self._ended and not self._pending):
            self._outcomes.put_nowait(None)

    async def _take(self, events: AsyncIterable[EventSpec]) -> None:
        index = 0
        async for spec in events:
            await self._window.acquire()
            try:
                event, made = identified(spec, f"events[{index}]")
            except InvalidArgument as error:
                self._outcomes.put_nowait((index, error))
            else:
                if made:
                    self._made.add(index)
                if not self._pending:
                    self._progress = time.monotonic()
                tenant = self._tenant
                self._pending[index] = wire.build(StreamEmitEventsRequest, tenant=tenant, sequence=index, event=event)
                self._unsent.append(index)
                self._more.set()
            index += 1
        self._ended = True
        self._more.set()

    async def _keep_calling(self) -> None:
        """Open the stream while there is something to send; again where it breaks."""
        failures, failing_since = 0, 0.0
        while True:
            while not self._pending:
                if self._ended:
                    return
                self._more.clear()
                await self._more.wait()
            before = self._progress
            error: HooklineError = Unavailable("the server ended the stream with events unanswered")
            try:
                await self._call()
            except aio.AioRpcError as broken:
                error = self._connection.error(broken)
                if not isinstance(error, Unavailable):
                    raise error from broken
                self._broken = error
            if self._ended and not self._pending:
                return
            failures = 1 if self._progress > before else failures + 1
            failing_since = time.monotonic() if failures == 1 else failing_since
            wait = pause(failures, error)
            if time.monotonic() - failing_since + wait > self._connection.timeout:
                raise error
            await asyncio.sleep(wait)

    async def _call(self) -> None:
        self._unsent = deque(self._pending)
        call = self._connection.stubs().events.StreamEmitEvents(self._requests(), metadata=self._connection.metadata)
        try:
            async for response in call:
                self._answered(response)
        finally:
            call.cancel()

    async def _requests(self) -> AsyncGenerator[StreamEmitEventsRequest, Any]:
        """All that is pending, then what comes, until there is no more."""
        unsent = self._unsent
        while True:
            while unsent:
                yield self._pending[unsent.popleft()]
            if self._ended:
                return
            self._more.clear()
            await self._more.wait()

    def _answered(self, response: StreamEmitEventsResponse) -> None:
        sequence = response.sequence
        request = self._pending.pop(sequence, None)
        if request is None:
            return  # Answered before the stream broke; the repeated one has been answered too.
        self._progress, self._broken = time.monotonic(), None
        outcome: EmitOutcome
        try:
            outcome = answer(wire.read_emit_outcome, response.outcome)
        except HooklineError as error:
            outcome = error
        if sequence in self._made:
            self._made.discard(sequence)
            outcome = own(outcome, request.event.id)
        self._outcomes.put_nowait((sequence, wire.renamed(outcome, "event", f"events[{sequence}]")))

    async def _watch_progress(self) -> None:
        """Raise Unavailable or DeadlineExceeded when something is unanswered for longer than a call may take."""
        timeout = self._connection.timeout
        while True:
            await asyncio.sleep(max(timeout / 10, self._progress + timeout - time.monotonic()))
            if self._pending and time.monotonic() - self._progress > timeout:
                if self._broken is not None:
                    raise self._broken
                raise DeadlineExceeded(f"no answer for {timeout:g} s, with {len(self._pending)} events unanswered")
