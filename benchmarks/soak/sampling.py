"""Looks at the server from outside, every few seconds."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, NamedTuple

import asyncpg
import psutil

from benchmarks.database import used
from benchmarks.soak.verdict import Sample

EVERY: Final = 2.0
"""Seconds between two samples."""


class Size(NamedTuple):
    """Of the store, in bytes."""

    database: float
    log: float


def file_size(folder: Path) -> Callable[[], Awaitable[Size]]:
    """The size of the SQLite file in a data directory, and of its write-ahead log."""

    def measured() -> Size:
        sizes = {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}
        log = sum(size for name, size in sizes.items() if name.endswith("-wal"))
        return Size(sum(sizes.values()) - log, log)

    async def size() -> Size:
        return await asyncio.to_thread(measured)

    return size


def database_size(url: str) -> Callable[[], Awaitable[Size]]:
    """The size of a PostgreSQL database; its log is the server's own affair, so 0."""

    async def size() -> Size:
        connection = await asyncpg.connect(url)
        try:
            return Size(float(await connection.fetchval("SELECT pg_database_size(current_database())")), 0.0)
        finally:
            await connection.close()

    return size


async def held(port: int) -> tuple[int, int]:
    """What the server's process says of itself: tasks, and blocks of memory."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        said = json.loads(await reader.readline())
    finally:
        writer.close()
        await writer.wait_closed()
    return int(said["tasks"]), int(said["blocks"])


async def sample(
    process: psutil.Process, port: int, size: Callable[[], Awaitable[Size]], events: Callable[[], int], samples: list[Sample]
) -> None:
    """Add a sample every few seconds, for ever."""
    started = time.monotonic()
    while True:
        tasks, blocks = await held(port)
        stored = await size()
        samples.append(
            Sample(
                at=time.monotonic() - started,
                rss=process.memory_info().rss,
                descriptors=process.num_fds(),
                threads=process.num_threads(),
                tasks=tasks,
                blocks=blocks,
                database=stored.database,
                log=stored.log,
                events=events(),
                processor=used(process),
            )
        )
        await asyncio.sleep(EVERY)
