"""The store alone: group commits, no request. Prints one figure a line, or JSON with --json.

    python benchmarks/bare_store.py [--seconds 2] [--path DIR] [--json]

`append(n)` and `settle(n)` are calls of n events one after the other; `concurrent` has 64 callers that
append one event each, then settle it; `thread` is the writer thread's own processor time for the whole
of append and settle of one event with one delivery, in batches of 50.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from hookline.clock import SystemClock, moment, now_micros
from hookline.model import (
    JSON,
    NO_LABELS,
    STANDARD,
    Attempt,
    BodyFormat,
    Event,
    Ordering,
    Subscription,
    SubscriptionState,
)
from hookline.store import SqliteStore
from hookline.store.protocol import (
    Accepted,
    ClaimRequest,
    LaneKey,
    NewDelivery,
    Result,
    Routed,
    Settlement,
    Work,
)

TENANT = "default"
LANE = "sub_01jsubscriptionabcdefghijk"
DATA = json.dumps({"invoice": "in_123", "amount": "12.30", "customer": {"id": "cus_1", "name": "A customer"}}).encode() * 3
CLOCK = SystemClock()
NUMBERS = count(1)


def subscription() -> Subscription:
    now = datetime.now(UTC)
    return Subscription(
        tenant=TENANT,
        id=LANE,
        url="https://receiver.example/hooks",
        event_types=("*",),
        description="",
        body_format=BodyFormat.STANDARD,
        signature_scheme="standard",
        headers=NO_LABELS,
        retry=STANDARD,
        timeout=15.0,
        max_in_flight=64,
        ordering=Ordering.NONE,
        labels=NO_LABELS,
        state=SubscriptionState.ACTIVE,
        state_reason="",
        etag="1",
        create_time=now,
        update_time=now,
    )


def routed(number: int) -> Routed:
    now = datetime.now(UTC)
    event = Event(
        tenant=TENANT,
        id=f"evt_01jabcdefghi{number:014d}",
        type="invoice.paid",
        source="billing",
        subject="",
        time=now,
        data=DATA,
        data_content_type=JSON,
        data_schema="",
        labels=NO_LABELS,
        idempotency_key="",
        ordering_key="",
        not_before_time=None,
        traceparent="",
        accept_time=now,
    )
    return Routed(event, number.to_bytes(32, "big"), 1, (NewDelivery(LANE, f"dlv_01jabcdefghi{number:014d}"),))


def work(item: Routed, pos: int) -> Work:
    return Work(TENANT, LANE, pos, None, item.deliveries[0].delivery_id, item.event.id, item.event, 1, 0, 0, 0)


def settlement(item: Work) -> Settlement:
    at = now_micros(CLOCK)
    attempt = Attempt(
        tenant=TENANT,
        id="att_" + item.delivery_id[4:],
        delivery_id=item.delivery_id,
        event_id=item.event.id,
        subscription_id=LANE,
        run=1,
        number=1,
        start_time=moment(at),
        duration=0.012,
        url="https://receiver.example/hooks",
        address="203.0.113.7:443",
        status=204,
        answer=b"",
        error=None,
        detail="",
        next_attempt_time=None,
    )
    return Settlement(item, 1, Result.DELIVERED, attempt, "", at)


class Bench:
    def __init__(self, store: SqliteStore, node: int) -> None:
        self.store = store
        self.node = node

    async def append(self, size: int) -> list[Work]:
        batch = [routed(next(NUMBERS)) for _ in range(size)]
        return works(batch, await self.store.append(self.node, batch))

    async def settle(self, batch: Sequence[Work]) -> None:
        settled = await self.store.settle(self.node, [settlement(item) for item in batch])
        if settled.lost or settled.gone:
            raise SystemExit(f"settled {settled}")

    async def run(self, size: int, seconds: float) -> tuple[float, float]:
        """Rows a second of appends, then of settles, of `size`."""
        done: list[list[Work]] = []
        start = time.perf_counter()
        while time.perf_counter() - start < seconds:
            done.append(await self.append(size))
        middle = time.perf_counter()
        for batch in done:
            await self.settle(batch)
        end = time.perf_counter()
        return len(done) * size / (middle - start), len(done) * size / (end - middle)

    async def concurrent(self, callers: int, seconds: float) -> float:
        """Events a second, appended and settled one by one by so many callers."""
        stop = time.perf_counter() + seconds
        events = 0

        async def caller() -> None:
            nonlocal events
            while time.perf_counter() < stop:
                await self.settle(await self.append(1))
                events += 1

        start = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(callers)))
        return events / (time.perf_counter() - start)

    async def thread(self, rounds: int) -> float:
        """Microseconds of the writer thread for one event: append and settle, batches of 50."""
        before = await self.store._write(lambda _: time.thread_time())
        for _ in range(rounds):
            await self.settle(await self.append(50))
        after = await self.store._write(lambda _: time.thread_time())
        return (after - before) * 1e6 / (rounds * 50)

    async def claim(self, rounds: int) -> float:
        """Milliseconds for a claim of 20 out of a backlog of 20,000."""
        backlog = [await self.append(500) for _ in range(40)]
        start = time.perf_counter()
        for _ in range(rounds):
            await self.store.claim([ClaimRequest(LaneKey(TENANT, LANE), None, 20)])
        taken = (time.perf_counter() - start) / rounds * 1000
        for batch in backlog:
            await self.settle(batch)
        return taken


def works(batch: Sequence[Routed], answers: Sequence[object]) -> list[Work]:
    return [work(item, answer.positions[0]) for item, answer in zip(batch, answers, strict=True) if isinstance(answer, Accepted)]


async def measure(path: Path, seconds: float) -> list[dict[str, object]]:
    store = SqliteStore(path / "bench.db", CLOCK)
    await store.open()
    node = await store.join()
    await store.add_subscription(subscription(), owner=node)
    bench = Bench(store, node)
    found: list[tuple[str, float, str]] = []
    for size in (1, 100):
        appended, settled = await bench.run(size, seconds)
        found += [(f"append({size})", appended, "rows/s"), (f"settle({size})", settled, "rows/s")]
    found.append(("concurrent 64 × append(1) + settle(1)", await bench.concurrent(64, seconds), "events/s"))
    found.append(("writer thread, append + settle", await bench.thread(100), "µs/event"))
    found.append(("claim of 20 of 20,000", await bench.claim(200), "ms"))
    await store.close()
    return [{"name": name, "value": round(value, 3), "unit": unit} for name, value, unit in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--path", type=Path, help="where the database is made; the disk is half of the figure")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.path) as folder:
        found = asyncio.run(measure(Path(folder), options.seconds))
    if options.json:
        print(json.dumps(found, indent=1))
        return
    for row in found:
        print(f"{row['name']:<40} {row['value']:>12,.1f} {row['unit']}")


if __name__ == "__main__":
    main()
