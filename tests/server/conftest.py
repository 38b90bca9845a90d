"""A real server on loopback, over a real embedded client that delivers to nobody."""

from collections.abc import AsyncIterator

import pytest

import hookline
from hookline.client import Client
from hookline.remote import RemoteClient
from hookline_server.app import Server
from hookline_server.settings import Settings


@pytest.fixture
async def embedded() -> AsyncIterator[Client]:
    async with hookline.open("memory:", deliver=False) as client:
        yield client


@pytest.fixture
async def server(embedded: Client) -> AsyncIterator[Server]:
    server = Server(Settings(port=0), embedded)
    await server.start()
    yield server
    await server.stop(1.0)


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    async with RemoteClient(server.address, timeout=60.0) as client:
        yield client
