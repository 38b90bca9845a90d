"""The doors to hookline, each with what a test may have to do behind its back."""

import time
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from client.awaited import AwaitedClient
from postgres.server import server

import hookline
import hookline.sync
from hookline import Client, EngineConfig
from hookline.embedded import EmbeddedClient
from hookline.portal import portal
from hookline_server.app import Server
from hookline_server.settings import Settings

CONFIG = EngineConfig(allow_http_loopback=True, grace=0.2)


class Door(ABC):
    """A way to a client. `client` is the client itself, or a synchronous one made awaitable."""

    client: Client
    core: EmbeddedClient
    """The embedded client behind it all."""
    retained = 60.0
    """Seconds from now at which everything that is finished now is certainly too old."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def store(self) -> Path | str:
        return self.folder / "hookline.db"

    @abstractmethod
    async def open(self) -> None: ...

    @abstractmethod
    async def close(self) -> None: ...

    async def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run something on the event loop of the core."""
        return await work

    async def forget_the_past(self) -> None:
        """What retention would do with everything that is finished now, whatever its age."""

        async def purge() -> None:
            store = (await self.core.engine()).store
            later = int((time.time() + self.retained) * 1_000_000)
            while any(await store.purge(finished_before=later, keys_before=0, limit=500)):
                pass

        await self.run(purge())


class EmbeddedDoor(Door):
    """An SQLite file in this process."""

    async def open(self) -> None:
        self.client = self.core = hookline.open(self.store, config=CONFIG)
        await self.client.start()

    async def close(self) -> None:
        await self.client.close()


class MemoryDoor(EmbeddedDoor):
    """Nothing but memory."""

    @property
    def store(self) -> Path | str:
        return "memory:"


class PostgresDoor(EmbeddedDoor):
    """A PostgreSQL database, in which retention takes whole days."""

    retained = 2 * 86_400.0

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._database = server().url(server().database())

    @property
    def store(self) -> Path | str:
        return self._database


class RemoteDoor(Door):
    """A server on loopback."""

    async def open(self) -> None:
        self.core = hookline.open(self.store, config=CONFIG)
        await self.core.start()
        self.server = Server(Settings.load(port=0, data_dir=self.folder), self.core)
        await self.server.start()
        self.client = await self.connected()

    async def connected(self) -> Client:
        client = hookline.connect(self.server.address, timeout=60.0)
        await client.start()
        return client

    async def close(self) -> None:
        await self.client.close()
        await self.server.stop(0.2)
        await self.core.close()


class SyncDoor(Door):
    """An SQLite file in this process, without an event loop of one's own."""

    async def open(self) -> None:
        client = hookline.sync.open(self.store, config=CONFIG)
        core = client._client
        assert isinstance(core, EmbeddedClient)
        self.core = core
        self.client = AwaitedClient(client)  # type: ignore[assignment]  # it has the methods
        await self.client.start()

    async def close(self) -> None:
        await self.client.close()

    async def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return portal().call(work)


class SyncRemoteDoor(RemoteDoor):
    """A server on loopback, without an event loop of one's own."""

    async def connected(self) -> Client:
        client: Client = AwaitedClient(hookline.sync.connect(self.server.address, timeout=60.0))  # type: ignore[assignment]
        await client.start()
        return client


DOORS: dict[str, type[Door]] = {
    "sqlite": EmbeddedDoor,
    "memory": MemoryDoor,
    "postgres": PostgresDoor,
    "remote": RemoteDoor,
    "sync": SyncDoor,
    "sync-remote": SyncRemoteDoor,
}
