"""Every store passes the same suite: a further one joins by a line in `KINDS`."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from hookline.clock import SystemClock
from hookline.store import MemoryStore, SqliteStore, Store

KINDS: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(SystemClock()),
    "sqlite": lambda folder: SqliteStore(folder / "hookline.db", SystemClock()),
}


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened = KINDS[request.param](tmp_path)
    await opened.open()
    yield opened
    await opened.close()
