"""The figures of servers on PostgreSQL: throughput, idle latency, and two replicas beside one."""

import asyncio
import contextlib
import itertools
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from benchmarks import bare_loop, idle, postgres_claims, postgres_emit, postgres_store, served
from benchmarks.database import Database, running, used
from benchmarks.figure import RELAY_BATCHES, RELAY_SINGLE, SPEED, Figure, beside_bare, rounds_ratio
from benchmarks.server import RELAY, Load, ServerProcess
from benchmarks.server import running as server_running

ROUNDS: Final = 5
LANES: Final = 8
"""Subscriptions that replicas share."""
IN_FLIGHT: Final = 64
BATCH_CALLERS: Final = 8
EVENTS: Final = 24_000
"""A run of five seconds and more: a database and a server that were just made are slower in the first ones."""
MICRO: Final = 1e6


class Way(NamedTuple):
    """How a replica is called, with what share of the events; the least rate wanted, where the bare relay does `relay`."""

    name: str
    batch: int
    in_flight: int
    share: float
    least: int
    relay: int


WAYS: Final = (
    Way("one event a call, 64 in flight", 1, IN_FLIGHT, 0.75, 2_000, RELAY_SINGLE),
    Way("batches of 100", 100, BATCH_CALLERS, 1.0, 4_000, RELAY_BATCHES),
)


class Shared(NamedTuple):
    """What replicas reached together: deliveries a second, the share of the machine in use, processor time a delivery (µs)."""

    rate: float
    busy: float
    replicas: float
    database: float


async def throughputs(url: str, database: Database, scale: float) -> list[Figure]:
    """One replica: an event a call, and batches; as they stand, and beside the calibrations of the same minutes."""
    count = int(EVENTS * scale)
    loop: list[float] = []
    relay: dict[Way, list[float]] = {way: [] for way in WAYS}
    found: dict[Way, list[float]] = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        loop.append(await bare_loop.run(f"{url}/bare", count))
        for way in WAYS:
            events = int(count * way.share)
            relay[way].append(await served.throughput(url, events, in_flight=way.in_flight, batch=way.batch, program=RELAY))
            store = await database.new()
            found[way].append(await served.throughput(url, events, in_flight=way.in_flight, batch=way.batch, store=store))
    figures = [Figure(name="PostgreSQL: the bare loop meanwhile", value=served.median(loop), unit="requests/s")]
    for way in WAYS:
        value, least = served.median(found[way]), way.least
        figures += [
            Figure(
                name=f"PostgreSQL: the bare relay meanwhile (on SQLite), {way.name}",
                value=served.median(relay[way]),
                unit="deliveries/s",
            ),
            Figure(
                name=f"PostgreSQL: gRPC, {way.name}", value=value, unit="deliveries/s", target=f">= {least:,}", met=value >= least
            ),
            *(
                beside_bare(
                    f"  beside the {bare}",
                    value,
                    bare,
                    rounds_ratio(found[way], others),
                    least / then,
                    note=f" ({least:,} where it does {then:,})",
                )
                for bare, others, then in (("bare loop", loop, SPEED), ("bare relay", relay[way], way.relay))
            ),
        ]
    return figures


async def shared(url: str, database: Database, count: int, *, number: int, batch: int = 1) -> Shared:
    """`number` replicas on one database, each called by its share of the callers: 64, or 8 with batches."""
    store = await database.new()
    with contextlib.ExitStack() as stack:
        servers: list[ServerProcess] = []
        loads: list[Load] = []
        for _ in range(number):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="hookline-bench-"))
            servers.append(stack.enter_context(server_running(Path(folder), store)))
            loads.append(Load(servers[-1].target))
            await loads[-1].ready()  # one after the other, so that one of them migrates
        try:
            types = [f"bench.lane-{lane}" for lane in range(LANES)]
            for lane, kind in enumerate(types):  # a lane belongs to the replica that made it
                await loads[lane % number].subscribe(f"{url}/shared/{lane}", kind)
            await emit(loads, types, count // 5, batch)
            processes = [psutil.Process(server.process.pid) for server in servers]
            psutil.cpu_percent(None)
            before = sum(map(used, processes)), database.processor()
            started = time.perf_counter()
            await emit(loads, types, count, batch)
            rate = count / (time.perf_counter() - started)
            busy = psutil.cpu_percent(None)
            own = sum(map(used, processes)) - before[0]
            other = sum(after - before[1].get(pid, 0.0) for pid, after in database.processor().items())
            return Shared(rate, busy, own / count * MICRO, other / count * MICRO)
        finally:
            for load in loads:
                await load.channel.close()


async def emit(loads: list[Load], types: list[str], count: int, batch: int) -> None:
    """`count` events of all types in turn, until the last is settled."""
    numbers = itertools.count()

    async def caller(load: Load) -> None:
        while (number := next(numbers)) * batch < count:
            kind = types[number % len(types)]
            await (load.emit(kind) if batch == 1 else load.emit_batch(kind, batch))

    async with asyncio.TaskGroup() as callers:
        for place in range(IN_FLIGHT if batch == 1 else BATCH_CALLERS):
            callers.create_task(caller(loads[place % len(loads)]))
    await loads[0].settled()


async def replicas(url: str, database: Database, scale: float) -> list[Figure]:
    """Two replicas beside one, in turn: an event a call, then batches of 100."""
    figures = []
    for batch, count, way in ((1, int(8_000 * scale), "one event a call"), (100, int(16_000 * scale), "batches of 100")):
        rounds = [[await shared(url, database, count, number=number, batch=batch) for number in (1, 2)] for _ in range(2)]
        for place, name in enumerate(("1 replica", "2 replicas")):
            found = [each[place] for each in rounds]
            value = served.median([each.rate for each in found])
            beside = served.median([each[1].rate / each[0].rate for each in rounds]) if place else None
            label = f"PostgreSQL: {name}, {LANES} subscriptions, {way}"
            figures += [
                Figure(name=label, value=value, unit="deliveries/s", bare="1 replica" if place else "", ratio_to_bare=beside),
                Figure(name="  the machine's cores in use", value=served.median([each.busy for each in found]), unit="%"),
                Figure(name="  replicas, a delivery", value=served.median([each.replicas for each in found]), unit="µs of a core"),
                Figure(
                    name="  PostgreSQL, a delivery", value=served.median([each.database for each in found]), unit="µs of a core"
                ),
            ]
    return figures


async def measure(url: str, scale: float) -> list[Figure]:
    """The figures of servers on PostgreSQL."""
    with running() as database:
        return [
            *await throughputs(url, database, scale),
            *await idle.measure("PostgreSQL: idle, 50 events/s", url, 10 * scale, database.new, p50=4, p99=12),
            *await replicas(url, database, scale),
        ]


async def measure_store(scale: float, *, large: bool) -> list[Figure]:
    """Those of the store alone; with `large` the tables are filled with millions of rows."""
    with running() as database:
        return [
            *await postgres_store.measure(database, scale),
            *await postgres_emit.measure(database, scale),
            *await postgres_claims.measure(database, scale, large=large),
        ]
