"""Four replicas, a steady flow, and the enemy; at the end the account."""

import asyncio
import contextlib
import itertools
import json
import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg
from chaos.account import Account, Seen, Tried, Written, judge
from chaos.clerk import Clerk
from chaos.receiver import Receiver
from chaos.replica import CONFIG, LEASE, Orders, acknowledged, run
from chaos.script import Blow, Stroke, script
from chaos.shop import TENANT, Shop
from chaos.watching import SCHEMA
from chaos.wire import Wire
from postgres.server import Server, new_server

import hookline
from hookline.errors import HooklineError
from hookline.lanes import subscription_of
from hookline.model import Ordering, RetryPolicy, Steps, SubscriptionSpec

REPLICAS: Final = 4
CLIENTS: Final = 2
"""Processes' worth of clients that only emit, in this process."""
TILLS: Final = 4
ORDERED: Final = ("one", "two", "six")
PLAIN: Final = ("three", "four", "five", "seven")
LANES: Final = {"six": 3, "seven": 2}
"""Subscriptions with more than one."""
NARROW: Final = "four"
"""It takes few requests at a time, so that works wait in memory."""
OFF: Final = (-150.0, 0.0, 0.0, 150.0)
"""Seconds by which the replicas' clocks are ahead: they are minutes apart."""
QUICK: Final = RetryPolicy(schedule=Steps(delays=(0.1, 0.2, 0.5)), max_attempts=100, jitter=0.1)
CALM: Final = 3.0
"""Seconds from the last blow to the end of the flow: what is passed over then is not found by a takeover."""
PATIENCE: Final = 180.0
"""Seconds without any progress after which what is pending is stuck."""
_spawn: Final = multiprocessing.get_context("forkserver")


@dataclass(slots=True)
class _Slot:
    """Where one replica after the other lives."""

    number: int
    wire: Wire
    process: Any = None
    name: str = ""
    born: int = 0
    stopped: int = 0
    """When it was stopped (microseconds), 0 if it runs."""


@dataclass(slots=True)
class _Field:
    server: Server
    database: str
    folder: Path
    slots: list[_Slot]
    wires: list[Wire]
    stops: list[tuple[str, int, int]] = field(default_factory=list)
    busy: set[Wire] = field(default_factory=set)
    later: set["asyncio.Task[None]"] = field(default_factory=set)
    crashed: list[str] = field(default_factory=list)
    """Replicas that ended by themselves."""
    restarting: asyncio.Lock = field(default_factory=asyncio.Lock)
    lanes: dict[str, str] = field(default_factory=dict)
    """What each subscription is called, by id."""
    sabotage: str = ""
    patience: float = PATIENCE

    def url(self, port: int = 0) -> str:
        return self.server.url(self.database, port=port)


async def chaos(
    *, seed: int, kills: int, folder: Path, say: Callable[[str], None], sabotage: str = "", patience: float = PATIENCE
) -> Account:
    """Let the enemy of `seed` kill `kills` times, then let everything be delivered, and give the account.

    Replicas with a `sabotage` break a rule, for the account to show it. `patience`: seconds without progress until it is stuck.
    """
    _spawn.set_forkserver_preload(["hookline", "hookline.store.postgres"])
    server = await asyncio.to_thread(new_server)
    try:
        async with contextlib.AsyncExitStack() as stack:
            wires = [await stack.enter_async_context(Wire(server.port)) for _ in range(REPLICAS + CLIENTS)]
            slots = [_Slot(number, wire) for number, wire in enumerate(wires[:REPLICAS])]
            database = await asyncio.to_thread(server.empty_database)
            place = _Field(server, database, folder, slots, wires, sabotage=sabotage, patience=patience)
            receiver = await stack.enter_async_context(Receiver(seed))
            return await _fight(place, receiver, seed=seed, kills=kills, say=say)
    finally:
        await asyncio.to_thread(server.remove)


async def _fight(place: _Field, receiver: Receiver, *, seed: int, kills: int, say: Callable[[str], None]) -> Account:
    lanes = place.lanes = await _subscribe(place, receiver)
    shop = Shop([place.url(), *(place.url(wire.port) for wire in place.wires[REPLICAS:])])
    await shop.open()
    clerk = Clerk(place.url(), CONFIG)
    quiet = asyncio.Event()
    emitted: set[str] = set()
    watched: set[str] = set()
    watching = asyncio.Event()
    watch = asyncio.create_task(_watch(place, watched, watching))
    await watching.wait()
    began = time.monotonic()
    blows: Counter[Blow] = Counter()
    try:
        for slot in place.slots:
            _start(place, slot)
        flow = [asyncio.create_task(shop.trade(f"t{till}", f"{seed}/{till}", quiet)) for till in range(TILLS)]
        flow.append(asyncio.create_task(_alternate(place, emitted, quiet)))
        flow.append(asyncio.create_task(clerk.work(f"{seed}/clerk", sorted(lanes), quiet)))
        await _all_open(place)
        for stroke in script(seed, kills):
            await asyncio.sleep(stroke.pause)
            await _strike(place, stroke)
            blows[stroke.blow] += 1
            if stroke.blow is Blow.KILL and blows[Blow.KILL] % 50 == 0:
                say(f"{blows[Blow.KILL]} kills, {receiver.requests:,} requests, {time.monotonic() - began:.0f} s")
        if place.later:
            await asyncio.wait(place.later)
        await asyncio.sleep(CALM)
        quiet.set()
        (place.folder / "quiet").touch()
        await asyncio.gather(*flow)
        left = await _drained(place, receiver, clerk)
    finally:
        for slot in place.slots:
            await _end(place, slot)
    seen = await _seen(place, receiver, shop, clerk, (emitted, watched))
    watch.cancel()
    account = judge(seen)
    account.numbers["requests"] = receiver.requests
    account.numbers["transactions held for a second or more"] = shop.held
    account.numbers["pauses of a subscription"] = clerk.pauses
    account.blame("signed with a wrong time", receiver.untimely)
    account.numbers |= {f"enemy: {blow.value}": blows[blow] for blow in Blow}
    account.numbers["seconds"] = int(time.monotonic() - began)
    account.blame("ended by themselves", place.crashed)
    if left:
        account.faults.append(f"stuck: {left}")
    return account


async def _subscribe(place: _Field, receiver: Receiver) -> dict[str, str]:
    """The subscriptions: what each is called, by id."""
    async with hookline.open(place.url(), tenant=TENANT, deliver=False, config=CONFIG) as client:
        connection = await asyncpg.connect(place.url())
        await connection.execute(SCHEMA)
        await connection.close()
        return {
            (
                await client.subscriptions.create(
                    SubscriptionSpec(
                        url=receiver.url(name),
                        event_types=("keyed.*",) if name in ORDERED else ("plain.*",),
                        ordering=Ordering.BY_KEY if name in ORDERED else Ordering.NONE,
                        retry=QUICK,
                        lanes=LANES.get(name, 1),
                        max_in_flight=3 if name == NARROW else 16,
                    )
                )
            ).id: name
            for name in (*ORDERED, *PLAIN)
        }


# The processes.


def _start(place: _Field, slot: _Slot) -> None:
    slot.born += 1
    slot.name = f"r{slot.number}x{slot.born}"
    orders = Orders(
        name=slot.name,
        url=place.url(slot.wire.port),
        log=place.folder / f"{slot.name}.jsonl",
        quiet=place.folder / "quiet",
        off=OFF[slot.number],
        sabotage=place.sabotage,
    )
    slot.process = _spawn.Process(target=run, args=(orders,), daemon=True)
    slot.process.start()


async def _end(place: _Field, slot: _Slot) -> None:
    if slot.process is not None:
        if slot.process.exitcode is not None:
            place.crashed.append(f"{slot.name} with {slot.process.exitcode}")
        slot.process.kill()
        await asyncio.to_thread(slot.process.join)


async def _all_open(place: _Field) -> None:
    async with asyncio.timeout(60):
        for slot in place.slots:
            log = place.folder / f"{slot.name}.jsonl"
            while not (log.exists() and log.stat().st_size):  # noqa: ASYNC110  # another process writes it
                await asyncio.sleep(0.05)


async def _alternate(place: _Field, emitted: set[str], quiet: asyncio.Event) -> None:
    """One key through two clients by turns: what one has acknowledged comes before what the other is then told."""

    def said(**what: Any) -> None:
        emitted.update(what.get("ids", ()))

    async with contextlib.AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(hookline.open(place.url(wire.port), tenant=TENANT, deliver=False, config=CONFIG))
            for wire in place.wires[REPLICAS:]
        ]
        for number in itertools.count():
            if quiet.is_set():
                return
            await acknowledged(clients[number % CLIENTS], f"a-{number}", "a", said)
            await asyncio.sleep(0.05)


async def _watch(place: _Field, watched: set[str], watching: asyncio.Event) -> None:
    """What a watch shows from the beginning on, over every fault of the database: the attempts' ids."""
    cursor = ""
    while True:
        with contextlib.suppress(HooklineError):
            async with hookline.open(place.url(), tenant=TENANT, deliver=False, config=CONFIG) as client:
                async for item in client.watch(cursor=cursor):
                    cursor = item.cursor
                    watching.set()
                    if isinstance(item, hookline.Change) and item.attempt is not None:
                        watched.add(item.attempt.id)
        await asyncio.sleep(0.1)


# The enemy.


async def _strike(place: _Field, stroke: Stroke) -> None:
    slot, wire = place.slots[stroke.at % REPLICAS], place.wires[stroke.at % len(place.wires)]
    match stroke.blow:
        case Blow.KILL:
            slot = _victim(place, stroke.at)
            await _end(place, slot)
            if slot.stopped:
                place.stops.append((slot.name, slot.stopped, _now()))
                slot.stopped = 0
            _start(place, slot)
        case Blow.STOP:
            _later(place, _stop(place, slot, stroke.lasts * LEASE))
        case Blow.CUT:
            wire.cut()
        case Blow.LAG | Blow.HOLD | Blow.REFUSE:
            _later(place, _trouble(place, wire, stroke))
        case Blow.FAST | Blow.IMMEDIATE:
            async with place.restarting:
                await asyncio.to_thread(place.server.stop, signal.SIGINT if stroke.blow is Blow.FAST else signal.SIGQUIT)
                await asyncio.to_thread(place.server.start)


def _victim(place: _Field, at: int) -> _Slot:
    """Mostly one that is in no other trouble, so that troubles have their full course."""
    order = [place.slots[(at + turn) % REPLICAS] for turn in range(REPLICAS)]
    spare = at // REPLICAS % 8 != 0
    return next((slot for slot in order if spare and not slot.stopped and slot.wire not in place.busy), order[0])


def _later(place: _Field, work: Any) -> None:
    task = asyncio.create_task(work)
    place.later.add(task)
    task.add_done_callback(place.later.discard)


async def _stop(place: _Field, slot: _Slot, seconds: float) -> None:
    process, name = slot.process, slot.name
    if slot.stopped or not process.is_alive():
        return
    slot.stopped = since = _now()
    _signal(process, signal.SIGSTOP)
    await asyncio.sleep(seconds)
    if slot.process is process and slot.stopped == since:
        slot.stopped = 0
        place.stops.append((name, since, _now()))
        _signal(process, signal.SIGCONT)


def _signal(process: Any, number: signal.Signals) -> None:
    if process.is_alive():
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


async def _trouble(place: _Field, wire: Wire, stroke: Stroke) -> None:
    if wire in place.busy:
        return
    place.busy.add(wire)
    match stroke.blow:
        case Blow.LAG:
            wire.lag = 0.03
        case Blow.HOLD:
            wire.hold()
        case _:
            wire.refuse()
    await asyncio.sleep(stroke.lasts * LEASE)
    wire.mend()
    place.busy.discard(wire)


def _now() -> int:
    return time.time_ns() // 1_000


# The end.


async def _drained(place: _Field, receiver: Receiver, clerk: Clerk) -> str:
    """Wait until nothing is left to deliver; what is left if nothing moves any more."""
    connection = await asyncpg.connect(place.url())
    seen, since = -1, time.monotonic()
    try:
        while True:
            left = await connection.fetchrow(
                "SELECT (SELECT count(*) FROM hookline.fresh) AS fresh, (SELECT count(*) FROM hookline.later) AS later, "
                "(SELECT count(*) FROM hookline.outbox) AS outbox, (SELECT count(*) FROM hookline.outbox_refused) AS refused"
            )
            if not any(left):
                return ""
            if seen != receiver.requests:
                seen, since = receiver.requests, time.monotonic()
            if time.monotonic() > since + place.patience or left["refused"]:
                return ", ".join(f"{number} in {table}" for table, number in left.items())
            waiting = await connection.fetch("SELECT id FROM hookline.later")
            await clerk.hurry({row["id"] for row in waiting}, min(OFF))
            await asyncio.sleep(1.0 if waiting else 0.2)
    finally:
        await connection.close()


async def _seen(place: _Field, receiver: Receiver, shop: Shop, clerk: Clerk, told: tuple[set[str], set[str]]) -> Seen:
    emitted, watched = told
    lanes = place.lanes
    tried: list[Tried] = []
    for log in place.folder.glob("*.jsonl"):
        for line in log.read_text().splitlines():
            said = json.loads(line)
            match said.pop("said"):
                case "acknowledged":
                    emitted.update(said["ids"])
                case "attempt":
                    tried.append(Tried(replica=log.stem, **{**said, "lane": _called(lanes, said["lane"])}))
    connection = await asyncpg.connect(place.url())
    try:
        written = await connection.fetch(
            "SELECT pos, lane, attempt, delivery, event, state, run, s.epoch AS holds FROM hookline.change "
            "LEFT JOIN public.settled s USING (attempt) WHERE attempt IS NOT NULL"
        )
        cancelled = await connection.fetch("SELECT id, event, lane FROM hookline.done WHERE state = 3")
    finally:
        await connection.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(place.patience):
            while not {row["attempt"] for row in written} <= watched:  # noqa: ASYNC110  # it may be behind
                await asyncio.sleep(0.1)
    return Seen(
        lanes={name: name in ORDERED for name in lanes.values()},
        acknowledged=emitted,
        committed=await shop.sold(),
        promised=shop.committed,
        rolled_back=shop.rolled_back,
        taken=receiver.taken,
        tried=tried,
        written=[Written(**{**row, "lane": _called(lanes, row["lane"])}) for row in written],
        stops=place.stops,
        watched=watched,
        cancelled={row["id"]: (row["event"], lanes[subscription_of(row["lane"])]) for row in cancelled},
        asked=frozenset(clerk.asked),
        answered=frozenset(clerk.answered),
    )


def _called(lanes: dict[str, str], lane: str) -> str:
    """A lane by the name of its subscription: `six`, `six/1`, `six/2`."""
    subscription = subscription_of(lane)
    return lanes[subscription] + lane.removeprefix(subscription)
