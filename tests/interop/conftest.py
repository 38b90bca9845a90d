"""A server on loopback with a receiver beside it, and node where it is installed."""

import shutil
from collections.abc import AsyncIterator

import pytest
from interop.receiving import HERE, Receiver

import hookline
from hookline.client import Client
from hookline.engine import EngineConfig
from hookline_server.app import Server
from hookline_server.settings import Settings


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with hookline.open("memory:", config=EngineConfig(allow_http_loopback=True)) as client:
        server = Server(Settings(port=0), client)
        await server.start()
        yield server
        await server.stop(1.0)


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    async with hookline.connect(server.address) as client:
        yield client


@pytest.fixture(scope="session")
def node() -> str:
    """The node program, with the packages of `package.json` beside it."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed")
    missing = [
        name
        for name in ("@grpc/grpc-js", "@grpc/proto-loader", "@octokit/webhooks-examples", "standardwebhooks")
        if not (HERE / "node_modules" / name).is_dir()
    ]
    if missing:
        # Only a machine without node has an excuse.
        pytest.fail(f"node is installed and npm's {', '.join(missing)} not; `make interop` installs them, and says what it lacks")
    return found
