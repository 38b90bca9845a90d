"""`hookline.emit` inside the caller's transaction, beside a plain insert of the same row."""

import time
from typing import Any, Final

import asyncpg

from benchmarks.database import Database
from benchmarks.figure import Figure, rounds_ratio
from benchmarks.served import median
from benchmarks.server import payload
from hookline.store.postgres import Address
from hookline.store.postgres.migrations import migrate_at

ROUNDS: Final = 7
IN_ONE: Final = 100
"""Statements of one transaction, where the statement itself is measured."""
TABLES: Final = """
CREATE TABLE plain (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, type text NOT NULL, data bytea NOT NULL);
CREATE TABLE shop_order (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, data bytea NOT NULL);
"""
PLAIN: Final = "INSERT INTO plain (type, data) VALUES ('order.placed', $1)"
EMIT: Final = "SELECT hookline.emit_bytes('default', 'order.placed', $1)"
ORDER: Final = "INSERT INTO shop_order (data) VALUES ($1)"


async def repeated(connection: Any, statement: str, transactions: int) -> float:
    """Microseconds of `statement`, so many in a transaction that its commit does not matter."""
    data = payload()
    started = time.perf_counter()
    for _ in range(transactions):
        async with connection.transaction():
            for _ in range(IN_ONE):
                await connection.execute(statement, data)
    return (time.perf_counter() - started) / (transactions * IN_ONE) * 1e6


async def ordered(connection: Any, transactions: int, *statements: str) -> float:
    """Microseconds of a transaction with these statements, its commit included."""
    data = payload()
    started = time.perf_counter()
    for _ in range(transactions):
        async with connection.transaction():
            for statement in statements:
                await connection.execute(statement, data)
    return (time.perf_counter() - started) / transactions * 1e6


async def measure(database: Database, scale: float) -> list[Figure]:
    """The statement, and a whole transaction that has it beside an insert of its own."""
    url = await database.new()
    await migrate_at(Address.parse(url))
    connection = await asyncpg.connect(url)
    few, many = max(1, int(5 * scale)), max(20, int(100 * scale))
    plain, emit, alone, both = [], [], [], []
    try:
        await connection.execute(TABLES)
        for sql in (PLAIN, EMIT):  # warm
            await repeated(connection, sql, 1)
        for _ in range(ROUNDS):
            plain.append(await repeated(connection, PLAIN, few))
            emit.append(await repeated(connection, EMIT, few))
            alone.append(await ordered(connection, many, ORDER, PLAIN))
            both.append(await ordered(connection, many, ORDER, EMIT))
    finally:
        await connection.close()
    statement = rounds_ratio(emit, plain)
    whole = rounds_ratio(both, alone)
    return [
        Figure(name="PostgreSQL: an insert of one row", value=median(plain), unit="µs"),
        Figure(
            name="PostgreSQL: hookline.emit in its place",
            value=median(emit),
            unit="µs",
            bare="the insert",
            ratio_to_bare=statement,
        ),
        Figure(name="PostgreSQL: a transaction with two inserts", value=median(alone), unit="µs"),
        Figure(
            name="PostgreSQL: with hookline.emit for the second",
            value=median(both),
            unit="µs",
            bare="two inserts",
            ratio_to_bare=whole,
        ),
    ]
