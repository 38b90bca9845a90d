"""A small TCP proxy between the store and the server, that cuts a connection at the worst moment."""

import asyncio
import contextlib
from enum import Enum
from typing import Self

EXECUTE = b"E\x00\x00\x00\t\x00"
"""The head of an Execute message for the unnamed portal (PostgreSQL's protocol, Message Formats)."""
COMMIT = b"COMMIT\x00"


class Cut(Enum):
    """When to cut."""

    BEFORE = "before the server hears of it"
    AFTER = "after the server has done it, before it is said"


class Proxy:
    """Forwards everything, until it is told to cut."""

    def __init__(self, port: int) -> None:
        """Forward to `port` on loopback."""
        self._to = port
        self._server: asyncio.Server | None = None
        self._armed: list[tuple[bytes, Cut]] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self.cuts = 0
        self.closed = False

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.drop()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def arm(self, mark: bytes, when: Cut) -> None:
        """Cut at the next message with this mark in it."""
        self._armed.append((mark, when))

    def drop(self) -> None:
        """Cut every connection now."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.closed:
            writer.transport.abort()
            return
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        silent = asyncio.Event()
        self._writers |= {writer, up_writer}
        back = asyncio.create_task(self._answers(up_reader, writer, silent))
        try:
            await self._questions(reader, up_writer, silent)
            if silent.is_set():
                await back  # until the server has answered
        finally:
            back.cancel()
            for each in (writer, up_writer):
                self._writers.discard(each)
                each.transport.abort()

    async def _questions(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, silent: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 20):
                for mark, when in self._armed:
                    if mark in data:
                        self._armed.remove((mark, when))
                        self.cuts += 1
                        if when is Cut.BEFORE:
                            return
                        silent.set()
                        break
                writer.write(data)
                await writer.drain()
                if silent.is_set():
                    return

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, silent: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 20):
                if silent.is_set():
                    return
                writer.write(data)
                await writer.drain()
