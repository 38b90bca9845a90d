"""`make soak MINUTES=30`: a server under a steady mixed load, and whether what it holds stays flat.

Ends with 1 if something rises by more than its bound (benchmarks/soak/verdict.py), or if the account is not right.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from benchmarks.database import running as database_running
from benchmarks.figure import RESULTS, machine
from benchmarks.receiver import ReceiverProcess, fastest_loop
from benchmarks.server import Load, ServerProcess, control, free_port
from benchmarks.soak.account import Ledger, Line, settle
from benchmarks.soak.load import Mixed
from benchmarks.soak.sampling import Size, database_size, file_size, sample
from benchmarks.soak.streams import PLAIN
from benchmarks.soak.verdict import Sample, Trend, trends

RETENTION: Final = 60.0
"""Seconds for which what is finished is kept."""
DAY: Final = 86_400.0


class Store(NamedTuple):
    """Where the server keeps events; empty: in its data directory."""

    url: str
    size: Callable[[], Awaitable[Size]]


@dataclass(slots=True)
class Run:
    """What a run has brought."""

    ledger: Ledger = field(default_factory=Ledger)
    samples: list[Sample] = field(default_factory=list)
    account: list[Line] = field(default_factory=list)
    latency: dict[str, float] = field(default_factory=dict)


@contextlib.asynccontextmanager
async def store_of(kind: str, folder: Path) -> AsyncIterator[Store]:
    """An empty store of that kind."""
    if kind == "sqlite":
        yield Store("", file_size(folder))
        return
    with database_running() as database:
        url = await database.new()
        yield Store(url, database_size(url))


async def soak(seconds: float, rate: float, kind: str) -> Run:
    """One run. What it has found so far is printed every minute."""
    run = Run()
    with tempfile.TemporaryDirectory(prefix="hookline-soak-") as name, ReceiverProcess() as receiver:
        async with store_of(kind, Path(name)) as store:
            port = free_port()
            server = ServerProcess(
                Path(name),
                store.url,
                program=("benchmarks.soak.watched", str(port)),
                options=("--retention-days", str(RETENTION / DAY)),
            )
            load = Load(server.target)
            try:
                await load.ready()
                mixed = Mixed(server.target, receiver.url, rate, run.ledger)
                await mixed.subscribe(load)
                process = psutil.Process(server.process.pid)
                watching = [
                    asyncio.create_task(sample(process, port, store.size, lambda: run.ledger.events, run.samples)),
                    asyncio.create_task(tell(run)),
                ]
                try:
                    await until_done(mixed.run(seconds), *watching)
                finally:
                    for task in watching:
                        task.cancel()
                run.account = await settle(load, receiver.url, run.ledger)
                found = control(receiver.url, f"stats?prefix=/{PLAIN.path}")["latency"]
                run.latency = {name: value * 1000 for name, value in found.items() if name != "count"}
            finally:
                await load.channel.close()
                server.stop()
    return run


async def until_done(work: Awaitable[None], *beside: asyncio.Task[None]) -> None:
    """Wait for `work`; one beside it that ends has failed, and its error is raised."""
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task, *beside}, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            each.result()
    finally:
        task.cancel()


async def tell(run: Run) -> None:
    """A line a minute, for ever."""
    while True:
        await asyncio.sleep(60)
        last, first = run.samples[-1], run.samples[max(0, len(run.samples) - 30)]
        core = (last.processor - first.processor) / (last.at - first.at) if last.at > first.at else 0.0
        held = f"{last.descriptors:4.0f} descriptors  {last.threads:3.0f} threads  {last.tasks:4.0f} tasks"
        memory = f"rss {last.rss / 1e6:6.1f} MB  {last.blocks / 1e3:6.1f} k blocks"
        disk = f"database {last.database / 1e6:6.1f} MB  log {last.log / 1e6:5.1f} MB"
        print(
            f"{last.at / 60:5.1f} min  {run.ledger.events:>9,} events  {memory}  {held}  {disk}  {core:4.0%} of a core", flush=True
        )


def report(found: Sequence[Trend], run: Run) -> str:
    """The verdict and the account, for people."""
    rows: list[Sequence[str]] = [("", "mean", "largest", "rise over the second half", "allowed", "flat")]
    for trend in found:
        scale, unit = trend.bound.scale, f" {trend.bound.unit}".rstrip()
        values = [f"{value / scale:,.1f}{unit}" for value in (trend.mean, trend.largest)]
        rise = [f"{value / scale:+,.2f}{unit}" for value in (trend.rise, trend.allowed)]
        rows.append((trend.bound.measure, *values, *rise, "yes" if trend.flat else "NO"))
    lines: list[Sequence[str]] = [("stream", "expected", "delivered", "exhausted", "pending", "received", "right")]
    for line in run.account:
        numbers = (line.expected, line.delivered, line.exhausted, line.pending, line.received)
        lines.append((line.stream, *(f"{number:,}" for number in numbers), "yes" if line.right else "NO"))
    beside = [f"{count:,} {what}" for what, count in sorted(run.ledger.done.items())]
    failed = [f"{count:,} × {what}" for what, count in sorted(run.ledger.errors.items())]
    said = [aligned(rows), "", aligned(lines), "", "Besides: " + ", ".join(beside)]
    return "\n".join([*said, *(["Calls that failed: " + "; ".join(failed)] if failed else [])])


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def keep(path: Path, what: dict[str, object], found: Sequence[Trend], run: Run) -> None:
    """Write everything as JSON, the samples thinned out to about 400."""
    thin = max(1, len(run.samples) // 400)
    names = Sample.__dataclass_fields__
    kept = {
        "machine": machine(),
        **what,
        "trends": [{**asdict(trend), "flat": trend.flat} for trend in found],
        "account": [{**asdict(line), "right": line.right} for line in run.account],
        "latency_ms": run.latency,
        "done": run.ledger.done,
        "errors": run.ledger.errors,
        "samples": {name: [round(getattr(each, name), 2) for each in run.samples[::thin]] for name in names},
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(kept, indent=1) + "\n")


def main() -> int:
    """Run, say, keep; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description="a server under a steady mixed load")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=100.0, help="events a second (100)")
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--result", type=Path, help="the file to keep it in (benchmarks/results/soak-MINUTES.json)")
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=fastest_loop) as runner:
        run = runner.run(soak(arguments.minutes * 60, arguments.rate, arguments.store))
    found = trends(run.samples)
    right = all(line.right for line in run.account)
    flat = all(trend.flat for trend in found)
    print(report(found, run))
    print(f"\n{'flat' if flat else 'NOT FLAT'}; the account is {'right' if right else 'NOT RIGHT'}")
    suffix = "" if arguments.store == "sqlite" else f"-{arguments.store}"
    path = arguments.result or RESULTS / f"soak-{arguments.minutes:g}{suffix}.json"
    what = {"minutes": arguments.minutes, "rate": arguments.rate, "store": arguments.store, "flat": flat, "right": right}
    keep(path, {**what, "events": run.ledger.events}, found, run)
    print(f"kept in {path}")
    return 0 if flat and right else 1


if __name__ == "__main__":
    sys.exit(main())
