"""Does what the scenario says, and afterwards leaves the world alone until all is well."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from simulation.books import Told
from simulation.scenario import EVEN, LOOPBACK, TENANTS, Act, Doing, Mood
from simulation.world import Faults, Node, World

from hookline.errors import (
    AlreadyExists,
    Closed,
    Conflict,
    FailedPrecondition,
    HooklineError,
    InvalidArgument,
    NotFound,
    Unavailable,
)
from hookline.model import Delivery, DeliveryState, EmitResult, EventSpec, SubscriptionSpec, SubscriptionState

KINDS = ("a.b", "a.c", "c")
LONGEST = 240.0
"""Seconds until everything must be over, once the enemy has gone."""
OPEN = "SELECT (SELECT count(*) FROM fresh) + (SELECT count(*) FROM later) + (SELECT count(*) FROM job WHERE finished IS NULL)"
TRIES = 8
COMMITS = frozenset({"append", "settle"})


class Stuck(Exception):
    """Something never ends."""


class Enemy:
    """Everybody who does something to the nodes: callers, operators, and the enemy proper."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._scenario = world.scenario
        self._dice = world.dice
        self._named: list[tuple[Told, EventSpec]] = []
        """Events with idempotency keys."""
        self._tags = 0
        self._changes = 0
        self._acts: list[asyncio.Task[Any]] = []

    async def run(self) -> None:
        """All of it, until nothing is pending. Raises Stuck."""
        world, scenario = self._world, self._scenario
        first = [world.join(deliver=deliver) for deliver in scenario.delivers]
        for node in first:
            await node.started.wait()
        for number, (spec, mood) in enumerate(zip(scenario.specs, scenario.moods, strict=True)):
            world.receivers.moods[f"s{number}"] = mood
            node, tenant = first[number % len(first)], scenario.tenants[number]
            await node.process.spawn(node.client.subscriptions.create(spec, tenant=tenant))
        if any(spec.disable_after for spec in scenario.specs):
            spec = SubscriptionSpec(url=f"{LOOPBACK}/operator/0", secret=f"whsec_{'O' * 32}", event_types=("hookline.*",))
            await first[0].process.spawn(first[0].client.subscriptions.create(spec, tenant=TENANTS[0]))
        for doing in scenario.doings:
            await asyncio.sleep(max(0.0, doing.at - world.loop.now))
            world.books.note("do", doing.act, doing.who, doing.what, doing.much)
            self._do(doing)
        await asyncio.sleep(max(0.0, scenario.span - world.loop.now))
        await self._mend()
        await self._wait()

    def _do(self, doing: Doing) -> None:  # noqa: PLR0912  # one case an act
        node = self._world.node(doing.who)
        match doing.act:
            case Act.MOOD:
                self._world.receivers.moods[f"s{doing.what % len(self._scenario.specs)}"] = doing.mood
            case Act.JOIN:
                self._world.join(deliver=True)
            case _ if node is None:
                return
            case Act.KILL:
                self._strike(node, doing.much, lambda: self._kill(node))
            case Act.STOP:
                self._strike(node, doing.much, lambda: self._stop(node, doing.long))
            case Act.LEAVE:
                if len([one for one in self._world.living if one.deliver]) > 1:
                    self._leave(node)
            case Act.CLOCK:
                node.clock.offset += doing.share
                self._world.books.jumps.append((node.name, self._world.loop.now))
            case Act.FAULTS:
                self._faults(node, doing)
            case Act.CUT:
                node.way.faults = Faults(until=self._world.loop.now + doing.long, share=1.0, refused=True)
            case Act.LOSE:
                node.way.faults = Faults(until=self._world.loop.now + doing.long, share=doing.share, lost=True, of=COMMITS)
            case Act.DEAF:
                node.way.faults = Faults(until=self._world.loop.now + doing.long, share=1.0, deaf=True)
            case _:
                self._call(node, doing)

    # The enemy proper.

    def _strike(self, node: Node, steps: int, strike: Any) -> None:
        """Before the step that is so many from now."""
        node.process.strike_at, node.process.strike = node.process.steps + steps, strike

    def _kill(self, node: Node) -> None:
        self._world.books.note("killed", node.name)
        node.process.kill()

    def _stop(self, node: Node, long: float) -> None:
        world = self._world
        world.books.note("stopped", node.name)
        node.process.stop()

        def thaw() -> None:
            world.books.note("thawed", node.name)
            if node.process.stopped:
                node.process.thaw()

        world.loop.call_later(long, thaw, context=world.context.copy())

    def _leave(self, node: Node) -> None:
        self._world.books.note("leaves", node.name)
        node.left = True
        node.process.spawn(node.client.close())

    def _faults(self, node: Node, doing: Doing) -> None:
        kinds = ({"refused": True}, {"lost": True}, {"slow": True}, {"deaf": True},
                 {"refused": True, "lost": True, "slow": True, "deaf": True})  # fmt: skip
        faults = Faults(until=self._world.loop.now + doing.long, share=doing.share, **kinds[doing.what])
        for one in self._world.living if doing.who == 0 else [node]:
            one.way.faults = faults

    # Callers and operators.

    def _call(self, node: Node, doing: Doing) -> None:
        match doing.act:
            case Act.EMIT:
                self._spawn(node, self._emit(node, self._events(doing)))
            case Act.REPEAT:
                if self._named:
                    self._spawn(node, self._repeat(node, [self._named[-1 - doing.what % len(self._named)]]))
            case Act.CREATE:
                number = self._dice.randrange(100, 10_000)
                spec = SubscriptionSpec(url=f"{LOOPBACK}/s{number}/0", secret=f"whsec_{'C' * 32}", disable_after=0.0,
                                        retry=self._scenario.specs[0].retry)  # fmt: skip
                self._spawn(node, self._quietly(lambda: node.client.subscriptions.create(spec)))
            case _:
                self._spawn(node, self._quietly(lambda: self._operate(node, doing)))

    def _spawn(self, node: Node, work: Coroutine[Any, Any, Any]) -> None:
        self._acts.append(node.process.spawn(work))

    async def _quietly(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Refusals are in order."""
        try:
            await work()
        except (Unavailable, Conflict, NotFound, FailedPrecondition, Closed, InvalidArgument) as error:
            self._world.books.note("refused", type(error).__name__)

    def _events(self, doing: Doing) -> list[tuple[Told, EventSpec]]:
        made: list[tuple[Told, EventSpec]] = []
        for _ in range(doing.much):
            self._tags += 1
            kind = KINDS[(doing.what + self._tags) % len(KINDS)]
            told = self._world.books.told[self._tags] = Told(tag=self._tags, kind=kind, tenant=doing.tenant)
            spec = EventSpec(
                type=kind,
                data=b'{"n":%d}' % self._tags,
                idempotency_key=f"key-{self._tags}" if doing.named else "",
                ordering_key=doing.key,
                not_before_time=self._world.at(self._world.loop.now + doing.later) if doing.later else None,
            )
            made.append((told, spec))
        if doing.named:
            self._named += made
        return made

    async def _emit(self, node: Node, events: list[tuple[Told, EventSpec]]) -> bool:
        """Say it once; whether all was answered."""
        for told, _ in events:
            told.asked += 1
        try:
            outcomes = await node.client.emit_many([spec for _, spec in events], tenant=events[0][0].tenant)
        except Unavailable:
            outcomes = []
            for told, _ in events:
                told.unknown += 1
            self._world.books.note("unknown", *(told.tag for told, _ in events))
            return False
        except HooklineError as error:
            outcomes = [error] * len(events)
        for (told, _), outcome in zip(events, outcomes, strict=True):
            if isinstance(outcome, EmitResult):
                told.acknowledged.append(outcome.event_id)
                self._world.books.note("acknowledged", told.tag, outcome.event_id, outcome.duplicate)
            elif isinstance(outcome, AlreadyExists):
                self._world.books.blame("a repeat with the same content is a duplicate", f"{told.tag}: {outcome}")
            else:
                told.refused += 1
                self._world.books.note("not taken", told.tag, type(outcome).__name__)
        return True

    async def _repeat(self, node: Node, events: list[tuple[Told, EventSpec]]) -> None:
        for _ in range(TRIES):
            if await self._emit(node, events):
                return
            await asyncio.sleep(0.3)

    async def _operate(self, node: Node, doing: Doing) -> None:
        client, books = node.client, self._world.books
        names = sorted(books.subscriptions)
        if not names:
            return
        name = names[doing.what % len(names)]
        stands = books.subscriptions[name]
        tenant = stands.tenant
        self._changes += 1
        match doing.act:
            case Act.PAUSE:
                await client.subscriptions.pause(name, tenant=tenant)
            case Act.RESUME:
                await client.subscriptions.resume(name, discard_held=doing.much == 1, tenant=tenant)
            case Act.MOVE:
                spec = SubscriptionSpec(url=f"{stands.url.rpartition('/')[0]}/{self._changes}")
                await client.subscriptions.update(name, spec, fields=("url",), tenant=tenant)
            case Act.FILTER:
                spec = SubscriptionSpec(url=stands.url, filter="" if stands.filter else EVEN)
                await client.subscriptions.update(name, spec, fields=("filter",), tenant=tenant)
            case Act.ROTATE:
                secret = f"whsec_{'B' * 28}{self._changes:04d}"
                await client.subscriptions.rotate_secret(name, secret=secret, overlap=5.0, tenant=tenant)
            case Act.DELETE:
                if len(names) > 1:
                    await client.subscriptions.delete(name, tenant=tenant)
            case Act.REPLAY:
                await client.events.replay(name, new_webhook_ids=doing.much == 1, max_per_second=1_000, tenant=tenant)
            case Act.CANCEL | Act.RETRY:
                page = await client.deliveries.list(page_size=5, tenant=tenant)
                await self._by_hand(node, page.items[: doing.much], tenant, cancel=doing.act is Act.CANCEL)
            case Act.CALL_OFF | Act.HURRY:
                page = await client.deliveries.list(state=DeliveryState.PENDING, subscription_id=name, page_size=50, tenant=tenant)
                await self._by_hand(node, page.items[-doing.much :], tenant, cancel=doing.act is Act.CALL_OFF)

    async def _by_hand(self, node: Node, deliveries: Sequence[Delivery], tenant: str, *, cancel: bool) -> None:
        """Cancel each of them, or retry it."""
        act = node.client.deliveries.cancel if cancel else node.client.deliveries.retry
        for one in deliveries:
            await act(one.id, tenant=tenant)

    # Afterwards.

    async def _mend(self) -> None:
        """The enemy goes, and everything recovers."""
        world = self._world
        world.books.note("mended")
        for node in world.nodes:
            node.way.faults = None
            node.process.strike_at = 0
            if node.process.stopped and not node.process.dead:
                node.process.thaw()
            if node.clock.offset:
                node.clock.offset = 0.0
                world.books.jumps.append((node.name, world.loop.now))
        for name in world.receivers.moods:
            world.receivers.moods[name] = Mood.WELL
        if not any(node.deliver for node in world.living):
            world.join(deliver=True)
        helper = next(node for node in world.living if node.deliver)
        await helper.started.wait()
        longest = max(spec.timeout for spec in self._scenario.specs)
        await asyncio.sleep(1.0 + max(2.0, longest))  # a receiver that hung is given up, and who asked to be disabled is
        for name, stands in sorted(world.books.subscriptions.items()):
            if stands.state is not SubscriptionState.ACTIVE:
                await helper.process.spawn(helper.client.subscriptions.resume(name, tenant=stands.tenant))

    async def _wait(self) -> None:
        world = self._world
        end = world.loop.now + LONGEST
        while True:
            (open_,) = world.store.rows.execute(OPEN).fetchone()
            busy = [task for task in self._acts if not task.done() and self._alive(task)]
            if not open_ and not busy:
                return
            if world.loop.now >= end:
                raise Stuck(f"{open_} deliveries and jobs are open, and {len(busy)} calls, {LONGEST:g} s after all was mended")
            await asyncio.sleep(0.5)

    def _alive(self, task: "asyncio.Task[Any]") -> bool:
        return any(task in node.process.tasks for node in self._world.nodes if not node.process.dead)
