"""The health service goes on looking, whatever it meets."""

import asyncio
from typing import Any

import pytest
from grpc_health.v1 import health_pb2

from hookline.errors import Unavailable
from hookline_server import health

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.mark.parametrize("fault", [Unavailable("away"), ValueError("as the test says")], ids=["known", "unforeseen"])
async def test_a_fault_is_told_and_so_is_its_end(monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    monkeypatch.setattr(health, "INTERVAL", 0.0)
    faults = [fault, fault]
    told: asyncio.Queue[tuple[str, int]] = asyncio.Queue()

    class Servicer:
        async def set(self, name: str, status: int) -> None:
            told.put_nowait((name, status))

    async def look(_: object) -> None:
        await asyncio.sleep(0)
        if faults:
            raise faults.pop()

    monkeypatch.setattr(health, "_look", look)
    client: Any = None
    watch = health.Watch(client, Servicer(), ["a"])  # type: ignore[arg-type]  # all that is asked of one
    watch.start()
    assert [await asyncio.wait_for(told.get(), 60) for _ in range(2)] == [("a", NOT_SERVING), ("a", SERVING)]
    await watch.stop()
