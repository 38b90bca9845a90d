"""Nodes, their way to the store, and the receivers. What a node has sent is on its way, whatever becomes of the node."""

import asyncio
import random
from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass, replace
from typing import Any

import httpx
from simulation.books import Books
from simulation.loop import Loop, Process
from simulation.scenario import TENANTS, Mood, Scenario
from simulation.store import WatchedStore
from simulation.watch import Watch, record_of

from hookline.clock import moment
from hookline.embedded import EmbeddedClient
from hookline.engine import Engine, EngineConfig
from hookline.errors import Unavailable
from hookline.ids import IdSource
from hookline.store.protocol import Wake, WakeKind

EPOCH = 1_700_000_000.0
"""The wall clock's time when a world begins."""
TTL = 3.0
FLOOR = 1.0
LATENCY = 0.001
"""Seconds that a request or an answer is on its way."""
LONGEST_SLOWNESS = 1.5


_LOCAL = frozenset({"pressure", "outboxes"})
"""Verbs that ask nobody else."""


class NodeClock:
    """The world's time, set wrong by `offset` on the wall; the monotonic one begins anywhere."""

    def __init__(self, loop: Loop, start: float) -> None:
        self._loop = loop
        self._start = start
        self.offset = 0.0
        self.latest = EPOCH
        """The latest time that it ever showed."""

    def time(self) -> float:
        now = EPOCH + self._loop.now + self.offset
        self.latest = max(self.latest, now)
        return now

    def monotonic(self) -> float:
        return self._start + self._loop.now


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong with a part (`share`) of the verbs, until a time."""

    until: float
    share: float
    refused: bool = False
    lost: bool = False
    slow: bool = False
    deaf: bool = False
    of: frozenset[str] = frozenset()
    """The verbs; empty for all."""


class Way:
    """How a node reaches the store: its verbs are messages to it, and its answers messages back."""

    clock_offset = 0.0

    def __init__(self, world: "World", process: Process) -> None:
        self._world = world
        self._process = process
        self.faults: Faults | None = None
        self._missed = False

    async def open(self) -> None:
        """The world has opened it."""

    async def close(self) -> None:
        """The world closes it."""

    def listen(self, node: int, heard: Callable[[Wake], None]) -> None:
        """A wake that is lost is made up for by the store's own poll, within the floor, as every store has it."""
        world, process = self._world, self._process

        def hear(wake: Wake) -> None:
            faults = self._now()
            if faults is not None and faults.deaf and world.dice.random() < faults.share:
                if not self._missed:
                    self._missed = True
                    world.loop.call_later(FLOOR, poll, context=process.context.copy())
            else:
                world.loop.call_later(world.lag(), heard, wake, context=process.context.copy())

        def poll() -> None:
            self._missed = False
            heard(Wake(WakeKind.LOOK))

        world.store.listen(node, hear)

    def _now(self) -> Faults | None:
        if self.faults is not None and self.faults.until <= self._world.loop.now:
            self.faults = None
        return self.faults

    def __getattr__(self, verb: str) -> Any:
        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._call(verb, args, kwargs)

        setattr(self, verb, call)
        return call

    async def _call(self, verb: str, args: Any, kwargs: Any) -> Any:
        world = self._world
        before, after, lost = world.lag(), world.lag(), False
        faults = self._now()
        if verb in _LOCAL:
            return await getattr(world.store, verb)(*args, **kwargs)
        if faults is not None and (not faults.of or verb in faults.of) and world.dice.random() < faults.share:
            if faults.slow:
                before, after = world.dice.uniform(0.0, LONGEST_SLOWNESS), world.dice.uniform(0.0, LONGEST_SLOWNESS)
            if faults.refused and not (faults.lost and world.dice.random() < 0.5):
                if verb == "keep":
                    world.books.unkept.add(args[0])
                await asyncio.sleep(before)
                raise Unavailable(f"{verb}: the store is away", retry_after=1.0)
            lost = faults.lost
        answer: asyncio.Future[Any] = world.loop.create_future()
        work = self._do(verb, args, kwargs, answer, before=before, after=after, lost=lost)
        world.loop.create_task(work, context=world.context.copy())
        return await answer

    async def _do(
        self, verb: str, args: Any, kwargs: Any, answer: "asyncio.Future[Any]", *, before: float, after: float, lost: bool
    ) -> None:
        await asyncio.sleep(before)
        fault: Exception | None = None
        done: Any = None
        try:
            done = await getattr(self._world.store, verb)(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  # handed to whoever asked
            fault = error
        await asyncio.sleep(after)
        if lost and fault is None:
            fault = Unavailable(f"{verb}: the answer is lost", retry_after=1.0)
        if self._process.dead or answer.done():
            return
        if fault is not None:
            answer.set_exception(fault)
        else:
            answer.set_result(done)


class Wire(httpx.AsyncBaseTransport):
    """A node's way to the receivers."""

    def __init__(self, world: "World", process: Process) -> None:
        self._world = world
        self._process = process

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        world = self._world
        body = await request.aread()
        answer: asyncio.Future[Any] = world.loop.create_future()
        record = record_of()
        world.loop.call_later(LATENCY, world.receivers.take, request, body, record, answer, context=world.context.copy())
        status, headers = await answer
        return httpx.Response(status, headers=headers)


class Receivers:
    """All of them; the first part of a path names the subscription, whose mood decides what is answered."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.moods: dict[str, Mood] = {}

    def take(self, request: httpx.Request, body: bytes, record: Any, answer: "asyncio.Future[Any]") -> None:
        """A request arrives."""
        world, dice = self._world, self._world.dice
        name = request.url.path.split("/")[1]
        mood = self.moods.get(name, Mood.WELL)
        if mood is Mood.FLAKY:
            mood = dice.choice((Mood.WELL, Mood.FAIL, Mood.RESET, Mood.LOST, Mood.SLOW, Mood.BUSY))
        status, after, headers = 200, dice.uniform(0.005, 0.05), {}
        error: httpx.TransportError | None = None
        match mood:
            case Mood.SLOW:
                after = dice.uniform(0.3, 0.9)
            case Mood.HANG:
                after = 3_600.0
            case Mood.FAIL:
                status = 500
            case Mood.BUSY:
                status = dice.choice((429, 503))
                if dice.random() < 0.7:
                    headers["retry-after"] = str(dice.randint(1, 3))
            case Mood.GONE:
                status = 410
            case Mood.RESET:
                error = httpx.ReadError("the connection was reset")
            case Mood.LOST:
                error = httpx.ReadError("the connection broke")
        taken = status == 200 and mood is not Mood.RESET
        world.watch.arrived(request, body, record, mood, status, headers.get("retry-after"), taken=taken)

        def tell() -> None:
            if (record is not None and record.process.dead) or answer.done():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result((status, headers))

        world.loop.call_later(after + LATENCY, tell)


class Node:
    """A process that emits, and delivers or not."""

    def __init__(self, world: "World", name: str, *, deliver: bool) -> None:
        dice = random.Random(f"{world.scenario.seed}/{name}")
        self.name = name
        self.deliver = deliver
        self.process = Process(name, world.loop)
        self.way = Way(world, self.process)
        self.clock = NodeClock(world.loop, dice.uniform(0.0, 1_000.0))
        self.left = False
        self.client = EmbeddedClient(
            lambda: self.way,  # type: ignore[arg-type,return-value]  # every verb goes through __getattr__
            config=world.config,
            deliver=deliver,
            tenant=TENANTS[0],
            transport=Wire(world, self.process),
            clock=self.clock,
            random_source=dice,
            ids=IdSource(self.clock, dice.randbytes),
        )
        self.engine: Engine | None = None
        self.started = asyncio.Event()
        self._world = world

    @property
    def lives(self) -> bool:
        return not (self.process.dead or self.left)

    async def start(self) -> None:
        """To be run as its process; tries until the store answers."""
        while True:
            try:
                engine = await self.client.engine()
                break
            except Unavailable:
                await asyncio.sleep(0.2)
        self.engine = engine
        self._world.watch.attach(self.process, engine, self.clock)
        self.started.set()


class World:
    """Everything, and what became of it."""

    def __init__(self, scenario: Scenario, loop: Loop) -> None:
        self.scenario = scenario
        self.loop = loop
        self.dice = random.Random(f"world/{scenario.seed}")
        self.context: Context = copy_context()
        self.books = Books(loop)
        self.store = WatchedStore(NodeClock(loop, 0.0), self.books)
        self.watch = Watch(self)
        self.receivers = Receivers(self)
        self.nodes: list[Node] = []
        self.config = replace(
            EngineConfig(allow_http_loopback=True),
            lease_ttl=TTL,
            floor_poll=FLOOR,
            lane_window=scenario.window,
            node_concurrency=scenario.slots,
            fanout_limit=scenario.fanout,
            memory_budget=scenario.memory,
            tenant_weights=scenario.weights,
            grace=2.0,
            retention=1e9,
        )

    def lag(self) -> float:
        """How long a message to the store or back is on its way."""
        return self.dice.uniform(0.0, self.scenario.lag) if self.scenario.lag else 0.0

    @property
    def living(self) -> list[Node]:
        return [node for node in self.nodes if node.lives]

    def node(self, who: int) -> Node | None:
        """One of those who live."""
        living = [node for node in self.living if node.engine is not None]
        return living[who % len(living)] if living else None

    def join(self, *, deliver: bool) -> Node:
        """One node more."""
        node = Node(self, f"n{len(self.nodes)}", deliver=deliver)
        self.nodes.append(node)
        node.process.spawn(node.start())
        self.books.note("join", node.name, deliver)
        return node

    def at(self, seconds: float) -> Any:
        """The wall clock's time then."""
        return moment(int((EPOCH + seconds) * 1_000_000))
