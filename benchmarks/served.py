"""The figures of a real server: throughput, idle latency, a backlog, a receiver that hangs."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from google.protobuf.duration_pb2 import Duration

from benchmarks.receiver import ReceiverProcess
from benchmarks.server import SERVER, Load, ServerProcess, control, free_port, running
from hookline_proto.v1.retry_policy_pb2 import RetryPolicy, StepSchedule

BACKLOG: Final = 200_000
RETRY_AFTER: Final = 5
"""Seconds between the attempts while the receiver is down."""


async def served(
    work: Callable[[Load, ServerProcess], Awaitable[float]], store: str = "", *, program: Sequence[str] = SERVER
) -> float:
    """Run `work` against a new server, or another `program`, on an empty store: an SQLite file, or the one that `store` names."""
    with (
        tempfile.TemporaryDirectory(prefix="hookline-bench-") as folder,
        running(Path(folder), store, program=program) as server,
    ):
        load = Load(server.target)
        try:
            await load.ready()
            return await work(load, server)
        finally:
            await load.channel.close()


async def throughput(
    url: str, count: int, *, in_flight: int, batch: int, store: str = "", program: Sequence[str] = SERVER
) -> float:
    """Delivered and settled a second."""

    async def work(load: Load, _: ServerProcess) -> float:
        await load.subscribe(f"{url}/served", "bench.served")
        await load.many("bench.served", count // 10, in_flight=in_flight, batch=batch)
        await load.settled()
        started = time.perf_counter()
        await load.many("bench.served", count, in_flight=in_flight, batch=batch)
        await load.settled()
        return count / (time.perf_counter() - started)

    return await served(work, store, program=program)


async def idle(url: str, *, rate: int, seconds: float, store: str = "", program: Sequence[str] = SERVER) -> tuple[float, float]:
    """From emit to request, in milliseconds: p50 and p99 at `rate` events a second."""

    async def work(load: Load, _: ServerProcess) -> float:
        await load.subscribe(f"{url}/idle", "bench.idle")
        await steady(load, ["bench.idle"], rate, 2.0)
        await load.settled()
        control(url, "reset")
        await steady(load, ["bench.idle"], rate, seconds)
        await load.settled()
        return 0.0

    await served(work, store, program=program)
    latency = control(url, "stats?prefix=/idle")["latency"]
    return latency["p50"] * 1000, latency["p99"] * 1000


async def steady(load: Load, types: list[str], rate: int, seconds: float) -> None:
    """Emit evenly, the types in turn, without waiting for answers."""
    started = time.perf_counter()
    async with asyncio.TaskGroup() as calls:
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))
            calls.create_task(load.emit(types[number % len(types)]))


async def backlog(steady_rate: float) -> tuple[float, float]:
    """A receiver that was down: deliveries a second while the backlog drains, and the server's largest memory in MB."""
    port = free_port()
    peak = 0.0

    async def work(load: Load, server: ServerProcess) -> float:
        nonlocal peak
        steps = StepSchedule(delays=[Duration(seconds=RETRY_AFTER)])
        await load.subscribe(f"http://127.0.0.1:{port}/backlog", "bench.backlog", retry=RetryPolicy(steps=steps, max_attempts=100))
        watching = asyncio.create_task(watch_memory(server))
        try:
            await load.many("bench.backlog", BACKLOG, in_flight=8, batch=500)
            with ReceiverProcess(port=port) as receiver:
                started = time.perf_counter()
                await load.settled(seconds=2 * BACKLOG / steady_rate + 60)
                taken = time.perf_counter() - started
                if (got := control(receiver.url, "stats?prefix=/backlog")["distinct"]) != BACKLOG:
                    raise RuntimeError(f"{BACKLOG - got} of the backlog were lost")
        finally:
            watching.cancel()
        return BACKLOG / taken

    async def watch_memory(server: ServerProcess) -> None:
        nonlocal peak
        while True:
            peak = max(peak, server.rss())
            await asyncio.sleep(0.25)

    return await served(work), peak


async def neighbours(url: str, *, hanging: bool, rate: int, seconds: float) -> float:
    """The p99 in milliseconds of 99 healthy receivers, beside one that hangs or one that does not."""

    async def work(load: Load, _: ServerProcess) -> float:
        await load.subscribe(f"{url}/hang/one" if hanging else f"{url}/one", "bench.one")
        for number in range(99):
            await load.subscribe(f"{url}/healthy/{number}", f"bench.healthy-{number}")
        types = ["bench.one", *(f"bench.healthy-{number}" for number in range(99))]
        await steady(load, types, rate, 3.0)
        control(url, "reset")
        await steady(load, types, rate, seconds)
        await asyncio.sleep(0.5)
        return 0.0

    await served(work)
    return float(control(url, "stats?prefix=/healthy")["latency"]["p99"]) * 1000


def median(values: list[float]) -> float:
    """The middle one."""
    return statistics.median(values)
