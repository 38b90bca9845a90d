"""A TCP proxy between one process and the database, that can break, delay, hold up and refuse connections."""

import asyncio
import contextlib
from typing import Self


class Wire:
    """Forwards everything, until it is told otherwise."""

    def __init__(self, port: int) -> None:
        """Forward to `port` on loopback."""
        self._to = port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._refuses = False
        self.lag = 0.0
        """Seconds by which everything arrives late."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self._open.set()
        self.cut()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def cut(self) -> None:
        """Break every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    def hold(self) -> None:
        """Let nothing through, and keep it."""
        self._open.clear()

    def refuse(self) -> None:
        """Break every connection, and every new one."""
        self._refuses = True
        self.cut()

    def mend(self) -> None:
        """Forward again, what was kept first."""
        self._open.set()
        self._refuses = False
        self.lag = 0.0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        try:
            there, up = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, up}
        ways = [asyncio.create_task(self._forward(reader, up)), asyncio.create_task(self._forward(there, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for each in (writer, up):
                self._writers.discard(each)
                each.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 18):
                if self.lag:
                    await asyncio.sleep(self.lag)
                await self._open.wait()
                writer.write(data)
                await writer.drain()
