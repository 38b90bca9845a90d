"""A claim in tables with millions of rows, beside one in nearly empty tables; and its plan."""

from pathlib import Path
from typing import Any, Final

from benchmarks.bare_store import CLOCK, LANE, TENANT
from benchmarks.database import Database
from benchmarks.figure import RESULTS, Figure, rounds_ratio
from benchmarks.postgres_store import Bench
from benchmarks.served import median
from benchmarks.server import payload
from hookline.clock import now_micros
from hookline.store.postgres import Address, partitions, rows
from hookline.store.postgres.pool import Pool, connect
from hookline.store.postgres.queue import LARGEST_ANSWER
from hookline.store.postgres.statements import load

PLAN: Final = RESULTS / "claim-plan.txt"
DAYS: Final = 14
"""Over which what is finished is spread."""
FAN: Final = 5
"""Deliveries of an event; the first of a pending one is in the measured lane."""
OTHERS: Final = 99
"""Lanes beside the measured one."""
ROOM: Final = 100
CLAIMS: Final = 50
"""One after the other, each where the one before it ended."""
ROUNDS: Final = 5
SMALL: Final = (100_000, 40_000)
LARGE: Final = (5_000_000, 1_000_000)
"""Deliveries that are finished, and that are pending."""
PENDING_FROM: Final = 50_000_000
"""The first position of what is pending; below those of real transactions, which have their number times 2^20."""

FILL: Final = {
    part.partition("\n")[0].split()[0]: part.partition("\n")[2]
    for part in Path(__file__).with_name("fill.sql").read_text(encoding="utf-8").split("-- name: ")[1:]
}


async def fill(url: str, bench: Bench, finished: int, pending: int, fan: int) -> None:
    """Rows as deliveries would leave them, made in bulk."""
    address = Address.parse(url)
    now = now_micros(CLOCK)
    today = rows.day_of(now)
    pool = Pool(address)
    try:
        for day in range(today - DAYS + 2, today, partitions.AHEAD + 2):
            await partitions.provide(pool, day)
    finally:
        await pool.close()
    connection = await connect(address)
    try:
        await connection.execute(FILL["lanes"], TENANT, bench.node, OTHERS)
        step = finished // fan // DAYS
        for number in range(DAYS if step else 0):
            day, at = today - number, now - number * rows.DAY
            first, last = (DAYS - number) * step, (DAYS - number + 1) * step - 1
            await connection.execute(FILL["events"], TENANT, day, at, first, last, payload())
            for table in ("done", "changes"):
                await connection.execute(FILL[table], TENANT, day, at, first, last, fan, OTHERS)
        first = PENDING_FROM // 8
        last = first + pending // fan - 1
        await connection.execute(FILL["events"], TENANT, today, now, first, last, payload())
        await connection.execute(FILL["fresh"], TENANT, today, now, first, last, fan, OTHERS, LANE)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


async def walk(bench: Bench) -> float:
    """Milliseconds, the median of claims that read the lane's backlog forward."""
    cursor: Any = None
    found = []
    for _ in range(CLAIMS):
        taken, works, cursor = await bench.claim(cursor, ROOM)
        if len(works) != ROOM:
            raise RuntimeError(f"a claim brought {len(works)} works, not {ROOM}")
        found.append(taken)
    return median(found)


async def plan(url: str) -> str:
    """How the server runs the claim, as a session of the store asks for it."""
    connection = await connect(Address.parse(url))
    claim = load("queue")["claim"]
    asked = ([0], [TENANT], [LANE], [0], [rows.LAST], [ROOM + 1], LARGEST_ANSWER)
    try:
        await connection.fetch(claim, *asked)  # what it reads is in memory, as it is of an owner that goes on
        lines = await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS) {claim}", *asked)
        return "\n".join(str(line[0]) for line in lines)
    finally:
        await connection.close()


def keep_plan(text: str, finished: int, pending: int, path: Path = PLAN) -> None:
    """Write the plan where the results are."""
    path.write_text(f"A claim of {ROOM} with {finished:,} finished and {pending:,} pending deliveries in the tables.\n\n{text}\n")


async def measure(database: Database, scale: float, *, large: bool) -> list[Figure]:
    """The claim in both databases, in turn; with `large` the full numbers, and the plan is kept."""
    finished, pending = LARGE if large else (int(SMALL[0] * scale), max(int(SMALL[1] * scale), 2 * FAN * ROOM * CLAIMS))
    empty, full = await database.new(), await database.new()
    few, many = await Bench.begin(empty), await Bench.begin(full)
    try:
        await fill(empty, few, 0, 2 * ROOM * CLAIMS, 1)
        await fill(full, many, finished, pending, FAN)
        without, within = [], []
        for _ in range(ROUNDS):
            without.append(await walk(few))
            within.append(await walk(many))
        if large:
            keep_plan(await plan(full), finished, pending)
    finally:
        await few.store.close()
        await many.store.close()
        await database.sql(*(f"DROP DATABASE {url.partition('?')[0].rpartition('/')[2]}" for url in (empty, full)))
    ratio = rounds_ratio(within, without)
    return [
        Figure(name=f"PostgreSQL: a claim of {ROOM}, empty history", value=median(without), unit="ms"),
        Figure(
            name=f"PostgreSQL: a claim of {ROOM}, {finished:,} finished and {pending:,} pending",
            value=median(within),
            unit="ms",
            bare="empty history",
            ratio_to_bare=ratio,
            target="<= 1.5 of empty history",
            met=ratio <= 1.5,
        ),
    ]
