"""A good server of hookline.v1 in this process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import hookline
from hookline.engine import EngineConfig
from hookline_server.app import Server
from hookline_server.settings import Settings


@asynccontextmanager
async def served() -> AsyncIterator[str]:
    """Its address."""
    async with hookline.open("memory:", config=EngineConfig(allow_http_loopback=True)) as client:
        server = Server(Settings(port=0), client)
        await server.start()
        try:
            yield server.address
        finally:
            await server.stop(1.0)
