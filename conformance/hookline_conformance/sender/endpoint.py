"""A scripted receiver on loopback, over HTTP or HTTPS, that records every request to the byte."""

import asyncio
import contextlib
import itertools
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from hookline_conformance.exchange import Exchange
from hookline_conformance.sender.reply import FOREVER, OK, Ending, Reply, Script, always

_LONGEST_HEAD: Final = 256 * 1024
_PIECE: Final = 64 * 1024
_HANDSHAKE_SECONDS: Final = 30.0
_FLOOD: Final = b"HTTP/1.1 103 Early Hints\r\nLink: </>; rel=preload\r\n\r\n" * 8
_ID_HEADERS: Final = ("webhook-id", "svix-id")


@dataclass(slots=True, kw_only=True, eq=False)
class Request:
    """One request as it came. `arrived` and `answered` are monotonic seconds, `wall` seconds since 1970.

    `order` counts the requests of the endpoint from 1, `connection` its connections. `answer` is what was
    written back so far; `written` counts the bytes of endless ones too. `closed` is when the sender closed
    the connection while the answer was still under way.
    """

    order: int
    connection: int
    raw: bytes
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    arrived: float
    wall: float
    clock: float
    answered: float | None = None
    closed: float | None = None
    written: int = 0
    answer: bytearray = field(default_factory=bytearray)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def values(self, name: str) -> list[str]:
        """All values of a header, in the order in which they came."""
        return [value for other, value in self.headers if other.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        """The header's value; None unless it stands exactly once."""
        values = self.values(name)
        return values[0] if len(values) == 1 else None

    @property
    def message_id(self) -> str:
        """What names the message over all retries; empty where no header of a known name does."""
        return next((value for name in _ID_HEADERS if (value := self.header(name)) is not None), "")

    def exchange(self, note: str = "", secrets: tuple[str, ...] = ()) -> Exchange:
        """The request and its answer; `sent` is what the sender sent."""
        return Exchange(sent=self.raw, received=bytes(self.answer), note=note or f"request {self.order}", secrets=secrets)


class Endpoint:
    """A receiver whose answers are scripted; use as an asynchronous context manager.

    `clock` is the sender's clock, read at each request: with a virtual one, seconds advanced so far.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.script = script or always(OK)
        self.requests: list[Request] = []
        self.malformed: list[bytes] = []
        """What came that was no HTTP request."""
        self.connections = 0
        """How many connections were made, those without a TLS handshake or a request included."""
        self.ended = 0
        """How many of them are over."""
        self._tls = tls
        self._host = host
        self._clock = clock
        self._news = asyncio.Condition()
        self._order = itertools.count(1)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._port = 0

    async def __aenter__(self) -> "Endpoint":
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def port(self) -> int:
        """The port, chosen by the system, equal over `stop` and `listen`."""
        return self._port

    @property
    def url(self) -> str:
        """The address that a sender is given."""
        return self.at("/hook")

    def at(self, path: str, host: str | None = None) -> str:
        """The address of another path, or by another name of the host."""
        return f"{'https' if self._tls else 'http'}://{host or self._host}:{self._port}{path}"

    async def listen(self) -> None:
        """Take connections, again after `stop`."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, self._host, self._port, limit=_LONGEST_HEAD, backlog=256)
            self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections from now on, and reset those that are open."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for writer in list(self._writers):
            _reset(writer)

    async def close(self) -> None:
        """Stop, and wait for what is under way."""
        await self.stop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def wait(self, count: int, within: float) -> bool:
        """Wait until `count` requests have come; False if they did not `within` seconds."""
        return await self.until(lambda: len(self.requests) >= count, within)

    async def until(self, what: Callable[[], bool], within: float) -> bool:
        """Wait until something about the requests is so; False if it is not `within` seconds."""
        try:
            async with asyncio.timeout(within), self._news:
                await self._news.wait_for(what)
        except TimeoutError:
            return False
        return True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self.connections += 1
        number = self.connections
        await self._notify()
        try:
            if self._tls is not None:
                await writer.start_tls(self._tls, ssl_handshake_timeout=_HANDSHAKE_SECONDS)
            await self._converse(reader, writer, number)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the sender went away; what it had said so far is recorded
        except asyncio.CancelledError:
            pass  # the endpoint closes
        finally:
            self.ended += 1
            self._writers.discard(writer)
            self._tasks.discard(task)
            writer.close()
            await self._notify()

    async def _notify(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        doomed = False
        while True:
            if doomed:
                await reader.readexactly(1)
                _reset(writer)
                return
            request = await self._read(reader, number)
            if request is None:
                return
            reply = self.script(request)
            self.requests.append(request)
            await self._notify()
            try:
                await self._answer(reply, request, reader, writer)
            finally:
                request.done.set()
                await self._notify()
            if reply.ending in {Ending.CLOSE, Ending.CLOSE_UNANNOUNCED}:
                return
            if reply.cut is not None or reply.ending is Ending.RESET:
                _reset(writer)
                return
            doomed = reply.ending is Ending.CLOSE_ON_NEXT

    async def _read(self, reader: asyncio.StreamReader, number: int) -> Request | None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                self.malformed.append(error.partial)
            return None
        except asyncio.LimitOverrunError:
            self.malformed.append(b"a head of more than 256 KiB")
            return None
        start, *lines = head[:-4].decode("latin-1").split("\r\n")
        method, _, rest = start.partition(" ")
        path, _, version = rest.rpartition(" ")
        if not version.startswith("HTTP/1."):
            self.malformed.append(head)
            return None
        headers = tuple((name, value.strip(" \t")) for name, _, value in (line.partition(":") for line in lines))
        lower = {name.lower(): value for name, value in headers}
        framed, body = await _body(reader, lower)
        return Request(
            order=next(self._order),
            connection=number,
            raw=head + framed,
            method=method,
            path=path,
            headers=headers,
            body=body,
            arrived=time.monotonic(),
            wall=time.time(),
            clock=self._clock(),
        )

    async def _answer(self, reply: Reply, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def write(data: bytes) -> None:
            writer.write(data)
            request.written += len(data)
            if len(request.answer) < _PIECE:
                request.answer += data[: _PIECE - len(request.answer)]
            await writer.drain()

        gone = asyncio.ensure_future(_gone(reader, writer)) if _is_slow(reply) else None
        try:
            for code in reply.interim:
                await write(f"HTTP/1.1 {code} Interim\r\n\r\n".encode())
            while reply.interim_flood:
                await write(_FLOOD)
                await asyncio.sleep(0.001)
            await _pause(reply.delay, gone)
            head, body = reply.encode()
            if reply.cut is not None:
                await write((head + body)[: reply.cut])
                return
            await _dripped(write, head, reply.drip, gone)
            await _dripped(write, body, reply.drip or reply.drip_body, gone)
            while reply.endless:
                await write(bytes(_PIECE))
                await asyncio.sleep(0)
            request.answered = time.monotonic()
        except ConnectionError:
            request.closed = time.monotonic()
            raise
        finally:
            if gone is not None:
                gone.cancel()


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> tuple[bytes, bytes]:
    """The body as it was framed, and as it is."""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        framed, body = b"", b""
        while True:
            line = await reader.readuntil(b"\r\n")
            size = int(line.split(b";")[0], 16)
            chunk = await reader.readexactly(size + 2)
            framed += line + chunk
            body += chunk[:-2]
            if not size:
                return framed, body
    length = headers.get("content-length", "0")
    body = await reader.readexactly(int(length)) if length.isdigit() else b""
    return body, body


def _is_slow(reply: Reply) -> bool:
    return bool(reply.delay or reply.drip or reply.drip_body)


async def _gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Wait until the sender closes its side, or resets the connection."""
    while not reader.at_eof() and not writer.is_closing() and reader.exception() is None:  # noqa: ASYNC110  # no event tells of it
        await asyncio.sleep(0.005)


async def _pause(seconds: float, gone: "asyncio.Future[None] | None") -> None:
    if seconds <= 0:
        return
    if gone is None:
        await asyncio.sleep(seconds)
        return
    done, _ = await asyncio.wait({gone}, timeout=min(seconds, FOREVER))
    if done:
        raise ConnectionResetError("the sender closed the connection before the answer")


async def _dripped(
    write: Callable[[bytes], Awaitable[None]], data: bytes, pause: float, gone: "asyncio.Future[None] | None"
) -> None:
    if not pause:
        if data:
            await write(data)
        return
    for number in range(len(data)):
        await write(data[number : number + 1])
        await _pause(pause, gone)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST, so that the sender's kernel throws away what it has not read."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):  # closed already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()
