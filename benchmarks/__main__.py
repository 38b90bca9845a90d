"""`make bench`: every figure that hookline is held to, each beside the calibrations of the same run.

The receiver is a process of its own; so are the server and, for the embedded figure, the application.
The bare loop (sign and POST, no store) and the bare store (group commits, no POST) are measured in the
same run, in turn with the figures, because these machines are noisy: what is compared is ratios.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks import across, bare_grpc, bare_loop, bare_store, idle, idle_steps, noisy, postgres, served, verification
from benchmarks.figure import SPEED, Figure, beside_bare, keep, rounds_ratio, table
from benchmarks.receiver import ReceiverProcess, fastest_loop

ROUNDS: Final = 3
HUNDREDS: Final = "append and settle of 100"
SINGLES: Final = "64 callers, append and settle of 1"
ROOT: Final = Path(__file__).parent.parent


def embedded(url: str, count: int) -> float:
    """One embedded run, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.embedded", url, str(count)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, timeout=300).stdout)


async def bare_stores(scale: float) -> dict[str, float]:
    """Events appended and settled a second, with no POST between."""
    with tempfile.TemporaryDirectory(prefix="hookline-bench-") as folder:
        found = {str(row["name"]): float(str(row["value"])) for row in await bare_store.measure(Path(folder), 2.0 * scale)}
    both = 1 / (1 / found["append(100)"] + 1 / found["settle(100)"])
    return {HUNDREDS: both, SINGLES: found["concurrent 64 × append(1) + settle(1)"]}


async def throughputs(url: str, scale: float) -> tuple[list[Figure], float]:
    """The figures that are ratios to the bare loop, and the served rate in batches."""
    count = int(20_000 * scale)
    bare: list[float] = []
    inside: list[float] = []
    one: list[float] = []
    calls: list[float] = []
    hundred: list[float] = []
    for _ in range(ROUNDS):
        bare.append(await bare_loop.run(f"{url}/bare", count))
        inside.append(await asyncio.to_thread(embedded, url, count))
        one.append(await served.throughput(url, count // 2, in_flight=64, batch=1))
        calls.append(await bare_grpc.run(count // 2))
        hundred.append(await served.throughput(url, count, in_flight=8, batch=100))
    loop, store = served.median(bare), await bare_stores(scale)
    figures = [Figure(name="bare loop: sign and POST, 64 in flight", value=loop, unit="requests/s")]
    grpc = served.median(calls)
    figures.append(
        Figure(
            name="bare gRPC: the same call and nothing behind it",
            value=grpc,
            unit="calls/s",
            bare="bare loop",
            ratio_to_bare=grpc / loop,
        )
    )
    figures += [Figure(name=f"bare store: {name}", value=value, unit="events/s") for name, value in store.items()]
    for name, values, least, kind in (
        ("embedded, emit_many of 100, delivered and settled", inside, 0.5, HUNDREDS),
        ("gRPC, one event a call, 64 in flight", one, 0.25, SINGLES),
        ("gRPC, batches of 100", hundred, 0.5, HUNDREDS),
    ):
        value = served.median(values)
        figures += [
            beside_bare(name, value, "bare loop", value / loop, least),
            Figure(name="  beside the store", value=value, unit="deliveries/s", bare=kind, ratio_to_bare=value / store[kind]),
        ]
    single = served.median(one)
    figures.append(
        Figure(
            name="gRPC, one event a call, as it stands",
            value=single,
            unit="deliveries/s",
            target=f">= 2,500 where the bare loop does {SPEED:,}",
            met=single >= 2_500 if loop >= SPEED else None,
        )
    )
    figures.append(
        Figure(
            name="gRPC, one event a call, beside the bare call",
            value=single,
            unit="deliveries/s",
            bare="bare gRPC",
            ratio_to_bare=single / grpc,
        )
    )
    return figures, served.median(hundred)


async def idling(url: str, scale: float) -> list[Figure]:
    """The latency of an idle server, and which step takes how much of it."""
    steps = await idle_steps.measure(url, rate=50, seconds=20 * scale)
    return [
        *await idle.measure("idle, 50 events/s by gRPC", url, 10 * scale, p50=3, p99=8),
        *(Figure(name=f"  {name}, mean", value=mean, unit="ms") for name, mean in steps),
    ]


async def shared(url: str, scale: float) -> list[Figure]:
    """What it takes an emit in one process to reach the owner of the lane in another."""
    p50, p99 = await across.latency(url, rate=50, seconds=10 * scale)
    return [
        Figure(name="two processes on one file, emit in one to request of the other, p50", value=p50, unit="ms"),
        Figure(name="  the same, p99", value=p99, unit="ms", target="<= 50 ms", met=p99 <= 50),
    ]


async def backlog(steady: float) -> list[Figure]:
    """How a long backlog drains, and what it costs in memory."""
    rate, memory = await served.backlog(steady)
    return [
        Figure(
            name=f"a backlog of {served.BACKLOG:,} drains",
            value=rate,
            unit="deliveries/s",
            bare="the steady rate",
            ratio_to_bare=rate / steady,
            target=">= 0.9 of the steady rate",
            met=rate >= 0.9 * steady,
        ),
        Figure(name="  the server's largest memory", value=memory, unit="MB", target="< 200 MB", met=memory < 200),
    ]


async def neighbours(url: str, scale: float) -> list[Figure]:
    """What one hanging receiver costs 99 healthy ones."""
    without, beside = [], []
    for _ in range(ROUNDS):
        without.append(await served.neighbours(url, hanging=False, rate=300, seconds=10 * scale))
        beside.append(await served.neighbours(url, hanging=True, rate=300, seconds=10 * scale))
    plain, hung = served.median(without), served.median(beside)
    ratio = rounds_ratio(beside, without)
    return [
        Figure(name="99 healthy receivers, p99", value=plain, unit="ms"),
        Figure(
            name="99 healthy receivers beside one that hangs, p99",
            value=hung,
            unit="ms",
            bare="without it",
            ratio_to_bare=ratio,
            target="<= 1.5 of without it",
            met=ratio <= 1.5,
        ),
    ]


async def run(parts: list[str], scale: float, *, large: bool) -> dict[str, list[Figure]]:
    """The figures of each of the named parts."""
    found: dict[str, list[Figure]] = {}
    steady = 0.0
    with ReceiverProcess() as receiver:
        if "throughput" in parts or "backlog" in parts:
            found["throughput"], steady = await throughputs(receiver.url, scale)
        if "idle" in parts:
            found["idle"] = await idling(receiver.url, scale)
        if "across" in parts:
            found["across"] = await shared(receiver.url, scale)
        if "neighbours" in parts:
            found["neighbours"] = await neighbours(receiver.url, scale)
        if "noisy" in parts:
            found["noisy"] = await noisy.measure(receiver.url, scale, large=large)
        if "postgres" in parts:
            found["postgres"] = await postgres.measure(receiver.url, scale)
    if "backlog" in parts:
        found["backlog"] = await backlog(steady)
    if "postgres-store" in parts:
        found["postgres-store"] = await postgres.measure_store(scale, large=large)
    if "verification" in parts:
        found["verification"] = await asyncio.to_thread(verification.measure, 0.5 * scale)
    return found


def main() -> None:
    """Measure, print the table, keep the results."""
    every = ["throughput", "idle", "across", "neighbours", "noisy", "backlog", "verification", "postgres", "postgres-store"]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="hookline's benchmarks")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(every)}; all if none is named")
    parser.add_argument("--scale", type=float, default=1.0, help="shorter or longer runs (1.0)")
    parser.add_argument(
        "--large", action="store_true", help="postgres-store: claims among millions of rows; noisy: a million behind; minutes more"
    )
    parser.add_argument("--keep", action="store_true", help="keep the results of some parts, beside the others of former runs")
    arguments = parser.parse_args()
    parts = arguments.parts or every
    if unknown := set(parts) - set(every):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; name some of {', '.join(every)}")
    with asyncio.Runner(loop_factory=fastest_loop) as runner:
        found = runner.run(run(parts, arguments.scale, large=arguments.large))
    print(table([figure for figures in found.values() for figure in figures]))
    if arguments.keep or (set(parts) == set(every) and arguments.scale >= 1):
        print(f"kept in {keep(found, every).relative_to(ROOT)}")


if __name__ == "__main__":
    main()
