"""What is refused before memory or disk run out, and that it is taken again afterwards."""

import asyncio
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
from engine.virtual import CONFIG, virtual, world

from hookline.clock import SystemClock
from hookline.errors import ResourceExhausted
from hookline.model import EmitResult, EventSpec
from hookline.store import SqliteStore

MIB = 1024 * 1024
Usage = namedtuple("Usage", "total used free")


@virtual
async def test_bytes_that_wait_for_a_store_that_lags_are_bounded() -> None:
    async with world(config=replace(CONFIG, max_unacknowledged_bytes=1_000_000)) as w:
        await w.subscribe()
        w.nodes["a"].store.slow["append"] = (5.0, 0.0)
        big = EventSpec(type="a.b", data=b'"' + b"x" * 250_000 + b'"')
        outcomes = await asyncio.gather(*(w.client.emit_event(big) for _ in range(50)), return_exceptions=True)
        refused = [outcome for outcome in outcomes if isinstance(outcome, ResourceExhausted)]
        taken = [outcome for outcome in outcomes if isinstance(outcome, EmitResult)]
        assert len(taken) == 3
        assert len(refused) == 47
        assert all(error.retry_after for error in refused)
        w.nodes["a"].store.slow.clear()
        await w.client.emit_event(big)
        await w.until_done(within=60.0)
        assert len(w.receiver.seen) == 4


@virtual
async def test_while_the_store_has_no_room_events_are_refused_and_deliveries_go_on() -> None:
    async with world() as w:
        await w.subscribe()
        room = [""]

        async def pressure(_: int) -> str:
            return room[0]

        w.store.pressure = pressure  # type: ignore[method-assign]
        await w.emit(5)
        room[0] = "the disk is full, as the test says"
        await w.live(2.0)
        with pytest.raises(ResourceExhausted, match="the disk is full, as the test says") as refusal:
            await w.client.emit("a.b", 1)
        assert refusal.value.retry_after
        await w.until_done(within=5.0)
        room[0] = ""
        await w.live(2.0)
        await w.client.emit("a.b", 2)
        await w.until_done(within=5.0)
        assert len(w.receiver.seen) == 6


async def test_a_file_on_a_disk_with_less_than_the_margin_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(tmp_path / "x.db", SystemClock())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 * MIB, 90 * MIB, 10 * MIB))
    said = await store.pressure(64 * MIB)
    assert "has 10 MiB left, less than the margin of 64 MiB" in said
    assert str(tmp_path / "x.db") in said
    assert await store.pressure(10 * MIB) == ""
    assert await store.pressure(0) == ""
