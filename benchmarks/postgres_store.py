"""The PostgreSQL store alone: what it appends and settles, and its claim while somebody holds an old snapshot."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from typing import Any, Final

import asyncpg

from benchmarks.bare_store import CLOCK, LANE, TENANT, routed, settlement, subscription, works
from benchmarks.database import Database
from benchmarks.figure import Figure
from benchmarks.served import median
from hookline.clock import now_micros
from hookline.store.postgres import Address, PostgresStore
from hookline.store.postgres.pool import Pool
from hookline.store.postgres.wake import Wakes
from hookline.store.protocol import FIRST, ClaimRequest, Cursor, DueRequest, LaneKey, Result, Work

KEY: Final = LaneKey(TENANT, LANE)
ROOM: Final = 20
"""Works that a measured claim brings."""
LOOKS: Final = 200
"""Claims of which the median is taken."""
BATCH: Final = 500
_numbers = itertools.count(1)


class Bench:
    """A store with one lane, and the node that owns it."""

    def __init__(self, store: PostgresStore, node: int) -> None:
        self.store = store
        self.node = node

    @classmethod
    async def begin(cls, url: str) -> "Bench":
        """On an empty database."""
        store = PostgresStore(Address.parse(url), CLOCK)
        await store.open()
        node = await store.join()
        await store.add_subscription(subscription(), owner=node)
        return cls(store, node)

    async def append(self, size: int) -> list[Work]:
        """Events without an id of the caller's, as most are."""
        batch = [routed(next(_numbers))._replace(digest=b"") for _ in range(size)]
        return works(batch, await self.store.append(self.node, batch))

    async def settle(self, batch: Sequence[Work]) -> None:
        settled = await self.store.settle(self.node, [settlement(item) for item in batch])
        if settled.lost or settled.gone:
            raise RuntimeError(f"not settled: {settled}")

    async def deliver(self, count: int, size: int) -> float:
        """Append and settle `count` events in batches of `size`, four at a time; how many a second."""
        numbers = itertools.count()

        async def caller() -> None:
            while next(numbers) * size < count:
                await self.settle(await self.append(size))

        started = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(4)))
        return count / (time.perf_counter() - started)

    async def claim(self, cursor: Cursor | None, room: int = ROOM) -> tuple[float, Sequence[Work], Cursor]:
        """Milliseconds of a claim, what it brought, and where the next begins."""
        started = time.perf_counter()
        (answer,) = await self.store.claim([ClaimRequest(KEY, cursor, room)])
        return (time.perf_counter() - started) * 1000, answer.works, answer.cursor

    async def forward(self) -> float:
        """The median of a claim that goes on where the one before it ended, and finds `ROOM` new works; in milliseconds."""
        _, left, cursor = await self.claim(None, 10_000)
        if left:
            await self.settle(left)
        found = []
        for _ in range(LOOKS):
            await self.append(ROOM)
            taken, new, cursor = await self.claim(cursor)
            if len(new) != ROOM:
                raise RuntimeError(f"a claim brought {len(new)} works, not {ROOM}")
            found.append(taken)
            await self.settle(new)
        return median(found)


async def bare(database: Database, scale: float) -> list[Figure]:
    """What PostgreSQL appends and settles with no POST between, and what it writes for it."""
    url = await database.new()
    bench = await Bench.begin(url)
    connection = await asyncpg.connect(url)
    try:
        await bench.deliver(2_000, 100)
        count = int(40_000 * scale)
        before = await written(connection)
        rate = await bench.deliver(count, 100)
        wal, size = (after - old for after, old in zip(await written(connection), before, strict=True))
        single = await bench.deliver(int(4_000 * scale), 1)
    finally:
        await connection.close()
        await bench.store.close()
    return [
        Figure(name="PostgreSQL, bare store: append and settle of 100, 4 callers", value=rate, unit="events/s"),
        Figure(name="  its write-ahead log", value=wal / count / 1024, unit="KiB/event"),
        Figure(name="  its tables and indexes", value=size / count / 1024, unit="KiB/event"),
        Figure(name="PostgreSQL, bare store: append and settle of 1, 4 callers", value=single, unit="events/s"),
    ]


async def written(connection: Any) -> tuple[int, int]:
    """Bytes of the write-ahead log so far, and of this database."""
    row = await connection.fetchrow(
        "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint, pg_database_size(current_database())"
    )
    return int(row[0]), int(row[1])


async def snapshot(database: Database, scale: float) -> list[Figure]:
    """A claim before and after deliveries that were made while another session holds a REPEATABLE READ snapshot."""
    count = int(300_000 * scale)
    url = await database.new()
    bench = await Bench.begin(url)
    holder = await asyncpg.connect(url)
    try:
        await bench.deliver(2_000, 100)
        without = await bench.forward()
        await holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await holder.fetchval("SELECT count(*) FROM hookline.fresh")
        await bench.deliver(count, BATCH)
        after = await bench.forward()
        takeover = median([(await bench.claim(None))[0] for _ in range(10)])
        await holder.execute("ROLLBACK")
    finally:
        await holder.close()
        await bench.store.close()
    ratio = after / without
    return [
        Figure(name="PostgreSQL: a claim of 20", value=without, unit="ms"),
        Figure(
            name=f"PostgreSQL: a claim of 20 after {count:,} deliveries under an old snapshot",
            value=after,
            unit="ms",
            bare="without it",
            ratio_to_bare=ratio,
            target="<= 3 of without it",
            met=ratio <= 3,
        ),
        Figure(name="  a takeover there, which reads from the start", value=takeover, unit="ms"),
    ]


class Waiting:
    """An owner that goes on with what waits, as a lane does: each read begins behind the last one."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._after = FIRST

    async def look(self) -> tuple[float, Sequence[Work]]:
        """Milliseconds of a read of what is due, and what it brought."""
        started = time.perf_counter()
        (answer,) = await self._bench.store.due([DueRequest(KEY, now_micros(CLOCK), BATCH, self._after)])
        if answer.works:
            last = answer.works[-1]
            self._after = (last.due or 0, last.pos)
        return (time.perf_counter() - started) * 1000, answer.works

    async def retry(self, count: int) -> None:
        """Deliveries that fail once, wait, are read as due, and are delivered."""
        for _ in range(count // BATCH):
            works = await self._bench.append(BATCH)
            due = now_micros(CLOCK) - 1
            waits = [settlement(work)._replace(result=Result.WAIT, due=due) for work in works]
            await self._bench.store.settle(self._bench.node, waits)
            _, read = await self.look()
            await self._bench.settle(read)


async def writer(database: Database, scale: float) -> list[Figure]:
    """The poll, and a read of what is due, beside a stranger who has written something and does not commit."""
    count = max(int(60_000 * scale), 2 * BATCH)
    url = await database.new()
    bench = await Bench.begin(url)
    waiting = Waiting(bench)
    pool = Pool(bench.store.address)
    poll = Wakes(pool, bench.store.address, None)
    poll.listen(bench.node, lambda _: None)
    holder = await asyncpg.connect(url)

    async def polled() -> float:
        started = time.perf_counter()
        await poll.look()
        return (time.perf_counter() - started) * 1000

    async def both() -> tuple[float, float]:
        return (
            median([await polled() for _ in range(LOOKS)]),
            median([(await waiting.look())[0] for _ in range(LOOKS)]),
        )

    try:
        await bench.deliver(2_000, 100)
        await waiting.retry(2 * BATCH)
        before = await both()
        await holder.execute("CREATE TABLE stranger (number int)")
        await holder.execute("BEGIN")
        await holder.execute("INSERT INTO stranger VALUES (1)")
        await bench.deliver(count, BATCH)
        await waiting.retry(count)
        after = await both()
        await holder.execute("ROLLBACK")
    finally:
        await holder.close()
        await poll.close()
        await pool.close()
        await bench.store.close()
    return [
        Figure(
            name=f"PostgreSQL: {what} after {count:,} deliveries beside a stranger's open write",
            value=now,
            unit="ms",
            bare="without it",
            ratio_to_bare=now / former,
        )
        for what, now, former in zip(("a poll", "a read of what is due"), after, before, strict=True)
    ]


async def measure(database: Database, scale: float) -> list[Figure]:
    """Every figure of the store alone."""
    return [*await bare(database, scale), *await snapshot(database, scale), *await writer(database, scale)]
