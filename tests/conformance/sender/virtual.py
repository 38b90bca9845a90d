"""The embedded SDK under the suite: a client in a thread of its own, on a loop whose time can be moved.

Real sockets, a store in memory, and a clock that jumps from timer to timer when it is told to.
"""

import asyncio
import random
import ssl
import threading
import time
from collections.abc import Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx

from hookline.embedded import EmbeddedClient
from hookline.engine import EngineConfig
from hookline.errors import HooklineError
from hookline.ids import IdSource
from hookline.model import BodyFormat, EventSpec, Ordering, RetryPolicy, Steps, SubscriptionSpec
from hookline.model.policy import STANDARD
from hookline.store import MemoryStore
from hookline.transport import AiohttpTransport, GuardPolicy
from hookline_conformance.sender.adapter import (
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
from hookline_conformance.sender.certificates import trusted

T = TypeVar("T")
CONFIG = EngineConfig(allow_http_loopback=True, floor_poll=7_200.0, lease_ttl=8 * 3_600.0)
"""Polls that nothing depends on are rare: each costs real time when days pass."""
SHORTEST_TIMEOUT = 1.0


class MovableLoop(asyncio.SelectorEventLoop):
    """A loop whose time is that of the machine and an offset."""

    offset = 0.0

    def time(self) -> float:
        return super().time() + self.offset

    def next_timer(self) -> float | None:
        """When the next timer that was not cancelled is due."""
        due = [handle.when() for handle in self._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]  # a heap of TimerHandle
        return min(due, default=None)


class MovableClock:
    """The wall clock and the monotonic one of such a loop."""

    def __init__(self, loop: MovableLoop) -> None:
        self._loop = loop
        self._start = time.time() - loop.time()

    def time(self) -> float:
        return self._start + self._loop.time()

    def monotonic(self) -> float:
        return self._loop.time()


class Kept:
    """A store that outlives the client that has it."""

    def __init__(self, inner: MemoryStore) -> None:
        self._inner = inner

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def __getattr__(self, verb: str) -> Any:
        return getattr(self._inner, verb)


class CountingTransport(httpx.AsyncBaseTransport):
    """Knows how many requests are under way."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self.inner = inner
        self.under_way = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.under_way += 1
        try:
            response = await self.inner.handle_async_request(request)
            content = b""
            # The engine reads no more than it keeps; so does this.
            try:
                async for chunk in response.stream:
                    content += chunk
                    if len(content) > 64 * 1024:
                        break
            finally:
                await response.aclose()
            return httpx.Response(response.status_code, headers=response.headers.raw, stream=httpx.ByteStream(content))
        finally:
            self.under_way -= 1

    async def aclose(self) -> None:
        await self.inner.aclose()


class EmbeddedAdapter(SenderAdapter):
    """`EmbeddedClient` over a store in memory, which outlives a kill of the client."""

    def __init__(self, *, guarded: bool = False) -> None:
        self._guarded = guarded
        self._loop = MovableLoop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sender", daemon=True)
        self._clock = MovableClock(self._loop)
        self._tenants: dict[str, str] = {}
        self._number = 0

    async def _run(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))
        except HooklineError as error:
            raise Refused(error.code, str(error)) from error

    async def open(self) -> Capabilities:
        self._thread.start()
        self._store = MemoryStore(self._clock)
        await self._run(self._store.open())
        await self._start()
        features = set(Feature) - {Feature.GUARD, Feature.KILL}  # kill -9 is of processes: see test_hookline_server.py
        return Capabilities(
            name="hookline, embedded",
            features=frozenset(features | ({Feature.GUARD} if self._guarded else set())),
            schedule=STANDARD.schedule.delays,
            shortest_timeout=SHORTEST_TIMEOUT,
        )

    async def _start(self) -> None:
        self._number += 1
        source = random.Random(self._number)
        tls = ssl.create_default_context(cadata=trusted().pem.decode())
        guard = GuardPolicy(allow_loopback=not self._guarded)

        async def make() -> None:
            self._transport = CountingTransport(AiohttpTransport(guard=guard, tls=tls))
            self._client = EmbeddedClient(
                lambda: Kept(self._store),  # type: ignore[arg-type,return-value]  # every verb goes through __getattr__
                config=replace(CONFIG, allow_http_loopback=not self._guarded),
                deliver=True,
                tenant="",
                transport=self._transport,
                clock=self._clock,
                random_source=source,
                ids=IdSource(self._clock, source.randbytes),
            )
            await self._client.start()

        await self._run(make())

    async def close(self) -> None:
        if not self._thread.is_alive():
            return
        await self._stop()
        await self._run(self._store.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join)
        self._loop.close()

    # The clock

    async def now(self) -> float:
        return self._clock.time()

    async def advance(self, seconds: float) -> None:
        await self._run(self._advance(seconds))

    async def _advance(self, seconds: float) -> None:
        loop = self._loop
        end = loop.time() + seconds
        await self._settle()
        while (left := end - loop.time()) > 0:
            due = loop.next_timer()
            jump = left if due is None else min(left, max(0.0, due - loop.time()))
            loop.offset += jump + 1e-6
            await self._settle()

    async def _settle(self) -> None:
        """Let everything happen that can happen now: no request under way, and nobody with work to do."""
        quiet = 0
        while quiet < 12:
            await asyncio.sleep(0)
            quiet = 0 if self._transport.under_way else quiet + 1
            if self._transport.under_way:
                await asyncio.to_thread(time.sleep, 0.001)  # asyncio's own sleep would be a timer of this loop

    # The rest

    async def configure(self, spec: TargetSpec) -> str:
        retry = None
        if spec.schedule is not None:
            delays = spec.schedule or (1.0,)
            jitter = 0.1 if spec.jitter is None else spec.jitter
            retry = RetryPolicy(schedule=Steps(delays=delays), max_attempts=len(spec.schedule) + 1, jitter=jitter)
        fields: dict[str, Any] = {
            "url": spec.url,
            "secret": spec.secret,
            "event_types": spec.event_types or ("*",),
            "headers": dict(spec.headers),
            "body_format": BodyFormat.RAW if spec.raw else BodyFormat.STANDARD,
            "ordering": Ordering.BY_KEY if spec.ordered else Ordering.NONE,
            **({"retry": retry} if retry else {}),
            **({"timeout": spec.timeout} if spec.timeout else {}),
        }

        async def create() -> str:
            made = await self._client.subscriptions.create(SubscriptionSpec(**fields), tenant=spec.tenant)
            return made.id

        target = await self._run(create())
        self._tenants[target] = spec.tenant
        return target

    def _where(self, target: str) -> dict[str, Any]:
        return {"tenant": self._tenants[target]}

    async def secret(self, target: str) -> str:
        return (await self._run(self._client.subscriptions.get_secret(target, **self._where(target))))[0].value

    async def emit(self, emission: Emission) -> Emitted:
        later = datetime.fromtimestamp(self._clock.time(), UTC) + timedelta(seconds=emission.not_before)
        spec = EventSpec(
            type=emission.type,
            data=emission.data,
            data_content_type=emission.content_type,
            idempotency_key=emission.key,
            ordering_key=emission.ordering_key,
            not_before_time=later if emission.not_before else None,
        )
        done = await self._run(self._client.emit_event(spec, tenant=emission.tenant))
        return Emitted(event_id=done.event_id, duplicate=done.duplicate)

    async def delete(self, target: str) -> None:
        await self._run(self._client.subscriptions.delete(target, **self._where(target)))

    async def attempts(self, target: str) -> list[AttemptRecord]:
        async def read() -> list[AttemptRecord]:
            where = self._where(target)
            page = await self._client.deliveries.list(subscription_id=target, page_size=1_000, **where)
            return [
                AttemptRecord(
                    event_id=one.event_id,
                    number=one.number,
                    start=one.start_time.timestamp(),
                    status=one.status,
                    failed=one.error is not None,
                    blocked=one.error == "blocked",
                    error=one.detail,
                    state=DeliveryState(delivery.state.value),
                )
                for delivery in page.items
                for one in await self._client.deliveries.attempts(delivery.id, **where)
            ]

        return await self._run(read())

    async def restart(self, *, kill: bool) -> None:
        del kill
        await self._stop()
        await self._start()

    async def _stop(self) -> None:
        await self._run(self._client.close())
        await self._run(self._transport.aclose())

    async def rotate(self, target: str, secret: str, overlap: float) -> str:
        made = await self._run(
            self._client.subscriptions.rotate_secret(target, secret=secret, overlap=overlap, **self._where(target))
        )
        return made.value

    async def pause(self, target: str) -> None:
        await self._run(self._client.subscriptions.pause(target, **self._where(target)))

    async def resume(self, target: str) -> None:
        await self._run(self._client.subscriptions.resume(target, **self._where(target)))

    async def update(self, target: str, change: Change) -> None:
        fields = {name: value for name, value in (("url", change.url), ("event_types", change.event_types)) if value is not None}
        spec = SubscriptionSpec(**{"url": "https://example.com/", **fields})
        await self._run(self._client.subscriptions.update(target, spec, fields=tuple(fields), **self._where(target)))
