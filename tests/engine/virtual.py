"""A whole world in virtual time: the real engine and a real store, a receiver that a test scripts, and clocks that it owns.

Nothing waits for real: when every task of the loop sleeps, its time jumps to the next timer. A `Node` is a
process as the store sees it: it can be killed, stalled and cut off from the store.
"""

import asyncio
import functools
import math
import random
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field, replace
from dataclasses import fields as fields_of
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

import httpx
import looptime

from hookline.clock import moment
from hookline.embedded import EmbeddedClient
from hookline.engine import Engine, EngineConfig
from hookline.errors import Unavailable
from hookline.ids import IdSource
from hookline.model import (
    Attempt,
    CircuitBreaker,
    Delivery,
    DeliveryState,
    EventSpec,
    Subscription,
    SubscriptionSpec,
    SubscriptionState,
)
from hookline.store import MemoryStore
from hookline.store.protocol import Wake

P = ParamSpec("P")
T = TypeVar("T")

EPOCH = 1_700_000_000.0
"""The wall clock's time when a world begins."""
LOOPBACK = "http://127.0.0.1:1"
CONFIG = EngineConfig(allow_http_loopback=True)
SLOW_HEART = replace(CONFIG, floor_poll=3_600.0, lease_ttl=4 * 3_600.0)
"""For tests that live through days: polls that nothing depends on cost real time."""

_node: ContextVar[str] = ContextVar("node", default="")


def virtual(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test on a loop of its own whose time begins at 0 and passes only by timers."""

    def loop() -> asyncio.AbstractEventLoop:
        return looptime.new_event_loop(noop_cycles=0)  # no I/O here, so when nothing is ready nothing will be

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(test(*args, **kwargs))

    return run


def now() -> float:
    """Seconds since the world began."""
    return asyncio.get_running_loop().time()


def at(seconds: float) -> datetime:
    """The wall clock's time `seconds` after the world began."""
    return moment(int((EPOCH + seconds) * 1_000_000))


class VirtualClock:
    """The loop's time as wall and monotonic clock, unless its process is stalled."""

    def __init__(self) -> None:
        self.stopped_at: float | None = None

    def time(self) -> float:
        return EPOCH + self.monotonic()

    def monotonic(self) -> float:
        return now() if self.stopped_at is None else self.stopped_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request as the receiver saw it; `nth` counts the requests of this webhook id at this path from 1."""

    at: float
    path: str
    webhook_id: str
    body: bytes
    headers: httpx.Headers
    nth: int
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the receiver says, `after` seconds; infinitely many: never."""

    status: int = 200
    after: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    error: type[httpx.TransportError] | None = None


Script = Callable[[Seen], Reply]
OK = Reply()
NO_BREAKER = CircuitBreaker(off=True)


def well(_: Seen) -> Reply:
    return OK


class Receiver(httpx.AsyncBaseTransport):
    """All receivers of a world; `script` decides what each request is told."""

    def __init__(self, script: Script = well) -> None:
        self.script = script
        self.seen: list[Seen] = []
        self.answered: list[tuple[Seen, float]] = []
        self.in_flight: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        """Most requests at a time, by path; under the empty path, in all."""
        self._count: Counter[tuple[str, str]] = Counter()
        self.held: dict[str, asyncio.Event] = {}
        """Nodes whose answers stay in their sockets for now."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        path, webhook_id = request.url.path, request.headers["webhook-id"]
        self._count[path, webhook_id] += 1
        seen = Seen(
            at=now(),
            path=path,
            webhook_id=webhook_id,
            body=body,
            headers=request.headers,
            nth=self._count[path, webhook_id],
            node=_node.get(),
        )
        self.seen.append(seen)
        for name in (path, ""):
            self.in_flight[name] += 1
            self.most[name] = max(self.most[name], self.in_flight[name])
        try:
            reply = self.script(seen)
            if reply.after == math.inf:
                await asyncio.get_running_loop().create_future()
            await asyncio.sleep(reply.after)
            if (gate := self.held.get(seen.node)) is not None:
                await gate.wait()
            self.answered.append((seen, now()))
        finally:
            for name in (path, ""):
                self.in_flight[name] -= 1
        if reply.error is not None:
            raise reply.error("as the script says")
        return httpx.Response(reply.status, headers=reply.headers)

    def at(self, path: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.path == path]


class FaultyStore:
    """A store that answers late or not at all, as a test says; what is behind it may be shared by several nodes.

    `before` and `after` are seconds that a verb takes until it is done, and until its answer is heard.
    """

    clock_offset = 0.0

    def __init__(self, inner: MemoryStore) -> None:
        self.inner = inner
        self.before: Callable[[], float] = lambda: 0.0
        self.after: Callable[[], float] = lambda: 0.0
        self.slow: dict[str, tuple[float, float]] = {}
        """Verbs that take longer: seconds before and after it is done."""
        self.deaf = False
        """Wakes are lost."""
        self.refuses: Callable[[str], bool] = lambda _: False
        """Verbs that raise Unavailable now."""
        self.loses: Callable[[str], bool] = lambda _: False
        """Verbs that are done, and whose answer is lost."""
        self.gate: asyncio.Event | None = None
        """While this is not set, nothing goes in or comes out."""
        self.gone = False

    async def open(self) -> None:
        await self.inner.open()

    async def close(self) -> None:
        """The world closes what is behind."""

    def listen(self, node: int, heard: Callable[[Wake], None]) -> None:
        context = copy_context()  # a wake comes from another process, and is heard in this one

        def hear(wake: Wake) -> None:
            if not (self.gone or self.deaf or self.gate is not None):
                context.copy().run(heard, wake)

        self.inner.listen(node, hear)

    def __getattr__(self, verb: str) -> Any:
        return functools.partial(self._call, verb, getattr(self.inner, verb))

    async def _call(self, verb: str, act: Callable[Concatenate[P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        before, after = self.slow.get(verb, (0.0, 0.0))
        await self._pass(self.before() + before)
        if self.refuses(verb):
            raise Unavailable(f"{verb}: the store is away, as the test says", retry_after=1.0)
        answer = await act(*args, **kwargs)
        await self._pass(self.after() + after)
        if self.loses(verb):
            raise Unavailable(f"{verb}: the answer is lost, as the test says", retry_after=1.0)
        return answer

    async def _pass(self, seconds: float) -> None:
        if seconds:
            await asyncio.sleep(seconds)
        if self.gone:
            await asyncio.get_running_loop().create_future()
        if self.gate is not None:
            await self.gate.wait()


class Node:
    """A process: a client with its own clock and its own way to the store."""

    def __init__(self, world: "World", name: str, config: EngineConfig, *, deliver: bool) -> None:
        self.name = name
        self.clock = VirtualClock()
        self.store = FaultyStore(world.store)
        self._world = world
        self._context = copy_context()
        self._context.run(_node.set, name)
        seed = random.Random(f"{world.seed}/{name}")
        self.client = EmbeddedClient(
            lambda: self.store,  # type: ignore[arg-type,return-value]  # every verb goes through __getattr__
            config=config,
            deliver=deliver,
            tenant="acme",
            transport=world.receiver,
            clock=self.clock,
            random_source=seed,
            ids=IdSource(self.clock, seed.randbytes),
        )

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something as this process."""
        return await asyncio.create_task(work, context=self._context)

    async def kill(self) -> None:
        """kill -9: not one more step of any of its tasks reaches the store or a receiver."""
        self.store.gone = True
        await self._world.end(self.name)

    def stall(self) -> None:
        """SIGSTOP: its clock stands, nothing reaches it."""
        self.clock.stopped_at = now()
        self.store.gate = self._world.receiver.held[self.name] = asyncio.Event()

    def wake(self) -> None:
        """SIGCONT: its clock jumps, and everything that had come meanwhile comes at once."""
        self.clock.stopped_at = None
        gate, self.store.gate = self.store.gate, None
        assert gate is not None
        gate.set()
        del self._world.receiver.held[self.name]


class Windows:
    """The most that an engine had in memory: works of one lane, and bytes of event data in all."""

    def __init__(self, engine: Engine) -> None:
        self.most = 0
        self.most_bytes = 0
        self._engine = engine
        self._look()

    def _look(self) -> None:
        lanes = self._engine.dispatcher.lanes.values()
        self.most = max((self.most, *(len(lane.known) for lane in lanes)))
        self.most_bytes = max(self.most_bytes, sum(len(work.event.data) for lane in lanes for work in lane.known.values()))
        asyncio.get_running_loop().call_later(0.02, self._look)


class World:
    """A store, its receivers and its nodes."""

    def __init__(self, script: Script, config: EngineConfig, seed: int) -> None:
        self.seed = seed
        self.config = config
        self.receiver = Receiver(script)
        self.store = MemoryStore(VirtualClock())
        self.nodes: dict[str, Node] = {}
        self._owners: weakref.WeakKeyDictionary[asyncio.Task[Any], str] = weakref.WeakKeyDictionary()
        asyncio.get_running_loop().set_task_factory(self._task)

    async def node(self, name: str, *, deliver: bool = True, config: EngineConfig | None = None) -> Node:
        """Start one more node."""
        node = self.nodes[name] = Node(self, name, config or self.config, deliver=deliver)
        await node.run(node.client.start())
        return node

    @property
    def client(self) -> EmbeddedClient:
        """The client of the first node."""
        return self.nodes["a"].client

    async def subscribe(self, path: str = "/", **fields: Any) -> Subscription:
        """A subscription for the receiver at `path`; what stops it by itself is off unless a test is about that."""
        fields = {"breaker": NO_BREAKER, "disable_after": 0.0} | fields
        return await self.client.subscriptions.create(SubscriptionSpec(url=LOOPBACK + path, **fields))

    async def emit(self, count: int, type: str = "thing.happened", **fields: Any) -> list[str]:
        """Emit events in one call; their ids."""
        specs = [EventSpec(type=type, data=b"%d" % number, **fields) for number in range(count)]
        outcomes = [one for start in range(0, count, 1_000) for one in await self.client.emit_many(specs[start : start + 1_000])]
        return [outcome.event_id for outcome in outcomes]  # type: ignore[union-attr]  # a refusal fails the test here

    async def until(self, what: Callable[[], bool] | Callable[[], Awaitable[bool]], *, within: float, step: float = 0.05) -> None:
        """Wait until something is so; fail if it is not `within` seconds."""
        end = now() + within
        while True:
            found = what()
            if found if isinstance(found, bool) else await found:
                return
            assert now() < end, f"not so within {within} s of virtual time"
            await asyncio.sleep(step)

    def random_delay(self, most: float) -> Callable[[], float]:
        """Delays for a store, from nothing to `most` seconds."""
        source = random.Random(f"{self.seed}/delays")
        return lambda: source.choice((0.0, 0.0, source.uniform(0.0, most)))

    async def watch_windows(self) -> "Windows":
        """Look at what the first node holds in memory whenever it takes something."""
        return Windows(await self.client.engine())

    async def live(self, seconds: float) -> None:
        """Let `seconds` pass."""
        await asyncio.sleep(seconds)

    async def until_done(self, *, within: float, step: float = 0.05) -> None:
        """Wait until nothing is pending and no job is unfinished."""

        async def done() -> bool:
            return (await self.client.deliveries.stats()).pending == 0 and not await self.store.jobs()

        await self.until(done, within=within, step=step)

    async def deliveries(self, **which: Any) -> list[Delivery]:
        """All deliveries, the oldest first."""
        found: list[Delivery] = []
        token = ""
        while True:
            page = await self.client.deliveries.list(page_size=1_000, page_token=token, **which)
            found += page.items
            token = page.next_page_token
            if not token:
                return found[::-1]

    async def attempts(self) -> list[Attempt]:
        """All attempts of all deliveries."""
        return [attempt for one in await self.deliveries() for attempt in await self.client.deliveries.attempts(one.id)]

    async def states(self) -> Counter[DeliveryState]:
        """How many deliveries stand where."""
        return Counter(delivery.state for delivery in await self.deliveries())

    async def end(self, name: str) -> None:
        """Cancel every task of a node, and those that these leave behind."""
        for _ in range(20):
            tasks = [task for task in asyncio.all_tasks() if self._owners.get(task) == name and task is not asyncio.current_task()]
            if not tasks:
                break
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=1.0)

    def _task(self, loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], context: Context | None = None) -> Any:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, context=context)
        self._owners[task] = _node.get() if context is None else context.get(_node, "")
        return task


@asynccontextmanager
async def world(script: Script = well, *, config: EngineConfig = CONFIG, seed: int = 7, start: bool = True) -> AsyncIterator[World]:
    """A world with one node, `a`."""
    _node.set("a")  # whoever calls `client` is the first node
    made = World(script, config, seed)
    try:
        if start:
            await made.node("a")
        yield made
    finally:
        for node in made.nodes.values():
            if not node.store.gone:
                node.store.gone = True
                await made.end(node.name)
        await made.store.close()


def standing(**fields: Any) -> Subscription:
    """A subscription as it stands, for what is tested without a world."""
    spec = SubscriptionSpec(url=LOOPBACK, **fields)
    said = {one.name: getattr(spec, one.name) for one in fields_of(SubscriptionSpec) if one.name != "secret"}
    return Subscription(
        tenant="acme",
        id="sub_1",
        **said,
        state=SubscriptionState.ACTIVE,
        state_reason="",
        etag="1",
        create_time=at(0),
        update_time=at(0),
    )


def webhook_ids(seen: Sequence[Seen]) -> Counter[str]:
    """How often each webhook id came."""
    return Counter(one.webhook_id for one in seen)
