"""A receiver that says exactly what a test wants."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

Script = Callable[["Peer"], Awaitable[None]]


class Peer:
    """The receiver's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def request(self) -> tuple[bytes, bytes]:
        """The next request: its head without the blank line, and its body."""
        head = (await self._reader.readuntil(b"\r\n\r\n"))[:-4]
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        return head, await self._reader.readexactly(length)

    def certificate(self) -> dict[str, Any] | None:
        """What the sender showed in the TLS handshake."""
        return self._writer.get_extra_info("peercert")

    async def say(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def gone(self) -> None:
        """Wait until the sender has closed the connection."""
        try:
            while await self._reader.read(65_536):
                pass
        except ConnectionError:
            pass

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        """Close with RST, so that the sender sees an error and not an end."""
        connection = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self._writer.close()


class Receiver:
    """A server on loopback that runs a script for each connection."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.port = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._script(Peer(reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None) -> AsyncIterator["Receiver"]:
        server = await asyncio.start_server(self._begin, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)


def receiver(script: Script, tls: ssl.SSLContext | None = None):
    """A running receiver, as an asynchronous context manager."""
    return Receiver(script).running(tls)
