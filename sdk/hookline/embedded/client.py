"""The embedded client: opens lazily, in the process and on the event loop that use it.

Nothing is opened until the first call, so that a client made before a fork (gunicorn with preload) is
made ready by each child for itself; one that was open at the fork begins anew in the child.
"""

import asyncio
import importlib.metadata
import os
import random
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from typing import Final

import httpx

from hookline.client import DEFAULT_TENANT, MAX_BATCH, Client, EmitOutcome
from hookline.clock import Clock, SystemClock
from hookline.embedded.deliveries import EmbeddedDeliveries
from hookline.embedded.event_types import EmbeddedEventTypes
from hookline.embedded.events import EmbeddedEvents
from hookline.embedded.subscriptions import EmbeddedSubscriptions, disable
from hookline.embedded.watch import watch
from hookline.engine import Engine, EngineConfig, Observer
from hookline.errors import Closed, FieldViolation, HooklineError, InvalidArgument
from hookline.ids import IdSource
from hookline.model import Change, Checkpoint, EmitResult, EventSpec
from hookline.outbox import Outbox
from hookline.store import Store
from hookline.transport import AiohttpTransport, GuardPolicy, Poster
from hookline.validation import check_tenant

VERSION: Final = importlib.metadata.version("hookline")
USER_AGENT: Final = f"hookline/{VERSION}"
STREAM_AHEAD: Final = 1_000
"""Events of a stream that wait for their outcome before no more are taken."""


class _Forks:
    """How often the ancestors of this process have forked; cheaper to ask than the process id."""

    def __init__(self) -> None:
        self.count = 0
        self.left_behind: list[Engine] = []
        """What the parent had open. It is never used here, nor finalised: its handles are the parent's."""
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forked)

    def _forked(self) -> None:
        self.count += 1


_forks: Final = _Forks()


class EmbeddedClient(Client):
    """See `hookline.open`."""

    def __init__(
        self,
        open_store: Callable[[], Store],
        *,
        config: EngineConfig,
        deliver: bool,
        tenant: str,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock | None = None,
        observer: Observer | None = None,
        random_source: random.Random | None = None,
        ids: IdSource | None = None,
        outboxes: Sequence[Outbox] = (),
    ) -> None:
        """`open_store` makes a store that is not open yet; it is called once a process."""
        self._open_store = open_store
        self._config = config
        self._deliver = deliver
        self._tenant = self.tenant(tenant or DEFAULT_TENANT)
        self._transport = transport
        self._clock = clock or SystemClock()
        self._observer = observer
        self._random = random_source
        self._ids = ids
        self._outboxes = outboxes
        self._engine: Engine | None = None
        self._generation = -1
        self._starting: asyncio.Lock | None = None
        self._own_transport: httpx.AsyncBaseTransport | None = None
        self._closed = False
        self.events = EmbeddedEvents(self)
        self.subscriptions = EmbeddedSubscriptions(self)
        self.deliveries = EmbeddedDeliveries(self)
        self.event_types = EmbeddedEventTypes(self)

    @property
    def config(self) -> EngineConfig:
        """What was set of the engine."""
        return self._config

    def tenant(self, tenant: str) -> str:
        """The tenant that a call is for. Raises InvalidArgument."""
        if not tenant:
            return self._tenant
        if tenant != getattr(self, "_tenant", None):
            check_tenant(tenant)
        return tenant

    async def engine(self) -> Engine:
        """The running engine of this process; starts it if need be. Raises Closed, StoreError, Unavailable."""
        if self._engine is not None and self._generation == _forks.count:
            return self._engine
        await self.start()
        assert self._engine is not None
        return self._engine

    async def start(self) -> None:
        """Open the store and begin to deliver. Raises Closed, StoreError, Unavailable."""
        if self._closed:
            raise Closed("the client was closed; open a new one")
        if self._generation != _forks.count:
            if self._engine is not None:
                _forks.left_behind.append(self._engine)
            self._engine, self._starting, self._generation = None, asyncio.Lock(), _forks.count
        assert self._starting is not None
        async with self._starting:
            if self._closed:
                raise Closed("the client was closed while it opened")
            if self._engine is None:
                self._engine = await self._started()

    async def _started(self) -> Engine:
        transport = self._transport
        if transport is None:
            loopback = self._config.allow_http_loopback
            transport = self._own_transport = AiohttpTransport(guard=GuardPolicy(allow_loopback=loopback))
        store = self._open_store()
        engine = Engine(
            store,
            Poster(transport, user_agent=USER_AGENT, clock=self._clock),
            config=self._config,
            deliver=self._deliver,
            disable=lambda *what: disable(engine, *what),
            observer=self._observer,
            clock=self._clock,
            random_source=self._random,
            ids=self._ids,
            outboxes=self._outboxes,
        )
        try:
            await engine.start()
        except BaseException:
            await store.close()
            raise
        return engine

    async def close(self) -> None:
        """Finish what is under way, give the lanes back, close the store."""
        self._closed = True
        if self._starting is not None and self._generation == _forks.count:
            async with self._starting:  # it may be opening just now
                engine, self._engine = self._engine, None
        else:
            engine = None
        if engine is not None:
            await engine.stop()
            if self._own_transport is not None:
                await self._own_transport.aclose()

    async def emit_event(self, event: EventSpec, *, tenant: str = "") -> EmitResult:
        """See `Client`."""
        engine = await self.engine()
        (outcome,) = await engine.ingest.emit(self.tenant(tenant), (event,))
        if isinstance(outcome, HooklineError):
            raise outcome
        return outcome

    async def emit_many(self, events: Sequence[EventSpec], *, tenant: str = "") -> Sequence[EmitOutcome]:
        """See `Client`."""
        if not 1 <= len(events) <= MAX_BATCH:
            raise InvalidArgument.of("events", f"{len(events)} events in one call; send 1 to {MAX_BATCH}")
        engine = await self.engine()
        outcomes = await engine.ingest.emit(self.tenant(tenant), events)
        return [
            _indexed(outcome, index) if isinstance(outcome, InvalidArgument) else outcome for index, outcome in enumerate(outcomes)
        ]

    async def emit_stream(self, events: AsyncIterable[EventSpec], *, tenant: str = "") -> AsyncIterator[tuple[int, EmitOutcome]]:
        """See `Client`."""
        engine = await self.engine()
        name = self.tenant(tenant)
        outcomes: asyncio.Queue[tuple[int, EmitOutcome] | None] = asyncio.Queue()
        room = asyncio.Semaphore(STREAM_AHEAD)

        async def one(index: int, event: EventSpec) -> None:
            try:
                (outcome,) = await engine.ingest.emit(name, (event,))
            except HooklineError as error:
                outcome = error
            outcomes.put_nowait((index, _indexed(outcome, index) if isinstance(outcome, InvalidArgument) else outcome))

        async def feed() -> None:
            index = 0
            try:
                async with asyncio.TaskGroup() as emits:
                    async for event in events:
                        await room.acquire()
                        emits.create_task(one(index, event))
                        index += 1
            finally:
                outcomes.put_nowait(None)

        feeding = asyncio.create_task(feed())
        try:
            while (item := await outcomes.get()) is not None:
                room.release()
                yield item
            try:
                await feeding
            except ExceptionGroup as group:  # only the caller's own iterator can fail
                raise group.exceptions[0] from None
        finally:
            feeding.cancel()
            await asyncio.wait([feeding])

    async def watch(self, *, subscription_id: str = "", cursor: str = "", tenant: str = "") -> AsyncIterator[Change | Checkpoint]:
        """See `Client`."""
        engine = await self.engine()
        async for item in watch(engine, self.tenant(tenant), subscription_id, cursor):
            yield item


def _indexed(error: InvalidArgument, index: int) -> InvalidArgument:
    """The error of one event of a batch, its fields named from the batch."""
    return InvalidArgument(
        *(
            FieldViolation(field=violation.field.replace("event", f"events[{index}]", 1), description=violation.description)
            for violation in error.violations
        )
    )
