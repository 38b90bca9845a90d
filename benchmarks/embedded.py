"""The embedded figure, in a process of its own: emit_many of 100, until the last is delivered and settled.

    python -m benchmarks.embedded URL COUNT

prints deliveries a second.
"""

import asyncio
import itertools
import sys
import tempfile
import time
from pathlib import Path

import hookline
from benchmarks.receiver import fastest_loop
from benchmarks.server import payload
from hookline import EngineConfig, EventSpec, SubscriptionSpec

BATCH = 100
CALLERS = 4
WARM_UP = 2_000


async def run(url: str, count: int) -> float:
    """Deliveries a second of `count` events in batches of 100, four batches at a time."""
    with tempfile.TemporaryDirectory(prefix="hookline-bench-") as folder:
        config = EngineConfig(allow_http_loopback=True)
        async with hookline.open(Path(folder) / "bench.sqlite3", config=config) as client:
            await client.subscriptions.create(SubscriptionSpec(url=f"{url}/embedded", event_types=("bench.embedded",)))

            async def measured(events: int) -> float:
                numbers = itertools.count()

                async def caller() -> None:
                    while next(numbers) * BATCH < events:
                        await client.emit_many([EventSpec(type="bench.embedded", data=payload()) for _ in range(BATCH)])

                started = time.perf_counter()
                async with asyncio.TaskGroup() as callers:
                    for _ in range(CALLERS):
                        callers.create_task(caller())
                while (await client.deliveries.stats()).pending:  # noqa: ASYNC110  # asks the store, as a user would
                    await asyncio.sleep(0.01)
                return events / (time.perf_counter() - started)

            await measured(WARM_UP)
            return await measured(count)


def main() -> None:
    """Measure once, and print the figure."""
    with asyncio.Runner(loop_factory=fastest_loop) as runner:
        print(runner.run(run(sys.argv[1], int(sys.argv[2]))))


if __name__ == "__main__":
    main()
