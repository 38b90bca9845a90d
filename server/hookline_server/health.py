"""What the health service says: whether the store can be reached and takes what this process writes."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog
from grpc_health.v1 import health, health_pb2

from hookline.client import Client
from hookline.embedded import EmbeddedClient
from hookline.errors import HooklineError, Unavailable
from hookline.store.protocol import NOBODY

INTERVAL: Final = 1.0
"""Seconds between two looks."""
PATIENCE: Final = 5.0
"""Seconds within which the store must answer."""

_log: Final[structlog.stdlib.BoundLogger] = structlog.stdlib.get_logger("hookline.health")
_SERVING: Final = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING


class Watch:
    """Looks at the store for as long as the server serves, and tells the health service."""

    def __init__(self, client: Client, servicer: health.aio.HealthServicer, names: Sequence[str]) -> None:
        """`names` are the services that cannot be served without the store; the server as a whole is `""`."""
        self._client = client
        self._servicer = servicer
        self._names = names
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look now and then; the services are taken to be SERVING at first."""
        self._task = asyncio.create_task(self._run(), name="hookline-health")

    async def stop(self) -> None:
        """Look no more. Safe to repeat."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        fault = ""
        while True:
            await asyncio.sleep(INTERVAL)
            former, fault = fault, await self._fault()
            if bool(fault) is bool(former):
                continue
            if fault:
                _log.warning("not serving", why=fault)
            else:
                _log.info("serving again")
            for name in self._names:
                await self._servicer.set(name, _NOT_SERVING if fault else _SERVING)

    async def _fault(self) -> str:
        """Why calls cannot be served now; empty if they can."""
        try:
            async with asyncio.timeout(PATIENCE):
                await _look(self._client)
        except TimeoutError:
            return f"the store has not answered for {PATIENCE:g} s"
        except HooklineError as error:
            return error.message
        except Exception as error:  # noqa: BLE001  # whatever it is, the next look may find all well
            return f"{type(error).__name__}: {error}"
        return ""


async def _look(client: Client) -> None:
    """Raise what a caller would be told. In a process that delivers, the beat of its node shows that the store takes writes."""
    if not isinstance(client, EmbeddedClient):
        await client.event_types.list(page_size=1)
        return
    engine = await client.engine()
    await engine.store.revisions()
    if engine.node.id != NOBODY and not engine.node.holds_lease:
        raise Unavailable("the store has not taken a heartbeat of this process within its lease")
