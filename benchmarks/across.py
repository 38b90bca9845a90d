"""Two processes on one SQLite file: this one delivers, another one emits. `python -m benchmarks.across FILE`.

It says `ready` when it delivers, and ends when its standard input does.
"""

import asyncio
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import hookline
from benchmarks.receiver import fastest_loop
from benchmarks.server import control, payload
from hookline import EngineConfig, SubscriptionSpec

ROOT: Final = Path(__file__).parent.parent
CONFIG: Final = EngineConfig(allow_http_loopback=True)


async def deliver(path: str) -> None:
    """Deliver what is in the file until standard input ends."""
    async with hookline.open(path, config=CONFIG) as client:
        await client.deliveries.stats()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


@contextlib.contextmanager
def delivering(path: str) -> Iterator[None]:
    """Another process that delivers what is in the file, while the block runs."""
    owner = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.across", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        if owner.stdout is None or owner.stdout.readline() != "ready\n":
            raise RuntimeError("the process that delivers did not start")
        yield
    finally:
        owner.communicate()


async def latency(url: str, *, rate: int, seconds: float) -> tuple[float, float]:
    """From an emit in one process to the request made by another, in milliseconds: p50 and p99."""
    with tempfile.TemporaryDirectory(prefix="hookline-bench-") as folder:
        path = str(Path(folder) / "shared.sqlite3")
        async with hookline.open(path, config=CONFIG, deliver=False) as client:
            await client.subscriptions.create(SubscriptionSpec(url=f"{url}/across"))
            with delivering(path):
                control(url, "reset")
                started = time.perf_counter()
                for number in range(int(rate * seconds)):
                    await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))
                    await client.emit("bench.across", payload())
                while (await client.deliveries.stats()).pending:  # noqa: ASYNC110  # asks the store, as a user would
                    await asyncio.sleep(0.01)
    found = control(url, "stats?prefix=/across")["latency"]
    return found["p50"] * 1000, found["p99"] * 1000


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=fastest_loop) as runner:
        runner.run(deliver(sys.argv[1]))
