"""An HTTP/1.1 client that sends exactly the bytes it is given, and reads the answer strictly.

A library would mend what the checks need broken: the case and order of headers, lengths that lie, pauses.
"""

import asyncio
import errno
import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from hookline_conformance.schemes.scheme import Message

_LINE_LIMIT: Final = 64 * 1024
_BODY_LIMIT: Final = 1024 * 1024
_CONNECT_SECONDS: Final = 10.0


class Silence(StrEnum):
    """Why there is no answer."""

    REFUSED = "the connection was refused"
    UNREACHABLE = "there is no way to it"
    CLOSED = "the connection was closed without an answer"
    HUNG = "no answer came in time"
    MALFORMED = "the answer was no well-formed HTTP/1.1 response"
    CUT = "the answer ended before it was whole"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response, or the reason why there is none; `raw` is what came. `seconds` from the last byte sent."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    raw: bytes = b""
    seconds: float = 0.0
    silence: Silence | None = None
    fault: str = ""

    @property
    def accepted(self) -> bool:
        """2xx."""
        return 200 <= self.status < 300

    @property
    def refused(self) -> bool:
        """4xx."""
        return 400 <= self.status < 500

    def header(self, name: str) -> str:
        """A header's first value; empty where it is missing."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def __str__(self) -> str:
        if self.silence is not None:
            return f"no answer: {self.silence}{f' ({self.fault})' if self.fault else ''}"
        return f"status {self.status}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a message is written down, where HTTP leaves a choice.

    `chunks`: the sizes of the chunks, the last one repeated; None for Content-Length. `case` is applied to
    header names; `extra` header lines are put before (`extra_first`) or behind; `value_space` stands before
    each value and `value_end` behind it, those of the framing excepted.
    """

    case: str = "as-is"
    order: tuple[int, ...] = ()
    extra: tuple[tuple[str, str], ...] = ()
    extra_first: bool = False
    chunks: tuple[int, ...] | None = None
    chunk_extension: str = ""
    trailer: str = ""
    value_space: str = " "
    value_end: str = ""
    length: str | None = None
    expect: bool = False
    close: bool = True


PLAIN: Final = Shape()


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the target listens."""

    host: str
    port: int
    path: str
    tls: bool

    @classmethod
    def of(cls, url: str) -> "Address":
        """The address of an http or https URL; raises ValueError for anything else."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"the URL {url!r} is not one of http or https with a host, such as http://127.0.0.1:8000/hooks")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        tls = parts.scheme == "https"
        return cls(host=parts.hostname, port=parts.port or (443 if tls else 80), path=path, tls=tls)

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def encode(message: Message, shape: Shape = PLAIN) -> tuple[bytes, bytes]:
    """A message's head, its empty line included, and its body, as bytes."""
    address = Address.of(message.url)
    fields = list(message.headers)
    if shape.order:
        fields = [fields[index % len(fields)] for index in dict.fromkeys(index % len(fields) for index in shape.order)] + [
            field for index, field in enumerate(fields) if index not in {item % len(fields) for item in shape.order}
        ]
    fields = [*shape.extra, *fields] if shape.extra_first else [*fields, *shape.extra]
    if shape.chunks is None:
        framing = ("Content-Length", str(len(message.body)) if shape.length is None else shape.length)
        body = message.body
    else:
        framing = ("Transfer-Encoding", "chunked")
        body = _chunked(message.body, shape)
    framing_fields = [framing]
    if shape.expect:
        framing_fields.append(("Expect", "100-continue"))
    if shape.close:
        framing_fields.append(("Connection", "close"))
    lines = [f"{message.method} {address.path} HTTP/1.1", f"{_cased('Host', shape.case)}: {address.authority}"]
    lines += [f"{_cased(name, shape.case)}:{shape.value_space}{value}{shape.value_end}" for name, value in fields]
    # How the request is framed is the server's to read; its whitespace stays the usual one.
    lines += [f"{_cased(name, shape.case)}: {value}" for name, value in framing_fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape"), body


def _cased(name: str, case: str) -> str:
    if case == "lower":
        return name.lower()
    if case == "upper":
        return name.upper()
    if case == "mixed":
        return "".join(char.upper() if index % 2 else char.lower() for index, char in enumerate(name))
    return name


def _chunked(body: bytes, shape: Shape) -> bytes:
    sizes = shape.chunks or (len(body),)
    parts: list[bytes] = []
    place = index = 0
    while place < len(body):
        piece = body[place : place + max(1, sizes[min(index, len(sizes) - 1)])]
        parts.append(f"{len(piece):x}{shape.chunk_extension}\r\n".encode() + piece + b"\r\n")
        place += len(piece)
        index += 1
    return b"".join(parts) + b"0\r\n" + (f"{shape.trailer}\r\n" if shape.trailer else "").encode() + b"\r\n"


def decode(sent: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """The header fields and the body of a request as a lenient server would read them, broken ones too."""
    head, _, body = sent.partition(b"\r\n\r\n")
    fields = [line.partition(":") for line in head.decode("utf-8", "surrogateescape").split("\r\n")[1:]]
    headers = [(name, value.strip(" \t")) for name, _, value in fields]
    if any(name.lower() == "transfer-encoding" for name, _ in headers):
        body = _joined(body)
    return headers, body


def _joined(chunks: bytes) -> bytes:
    body = b""
    while chunks:
        size, _, rest = chunks.partition(b"\r\n")
        try:
            length = int(size.partition(b";")[0], 16)
        except ValueError:
            return body + chunks
        if length <= 0:
            return body
        body += rest[:length]
        chunks = rest[length + 2 :]
    return body


class _Malformed(ValueError):
    """What came is not HTTP/1.1."""


class Connection:
    """One connection to the target; `sent` and `received` keep every byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.sent = bytearray()
        self.received = bytearray()
        self.reusable = True

    @classmethod
    async def open(cls, address: Address, tls: ssl.SSLContext | None = None) -> "Connection":
        """Connect; raises OSError, TimeoutError among them."""
        context = (tls or ssl.create_default_context()) if address.tls else None
        async with asyncio.timeout(_CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(address.host, address.port, ssl=context, limit=_BODY_LIMIT)
        return cls(reader, writer)

    async def write(self, data: bytes, seconds: float = 30.0) -> bool:
        """Send; False where the other side closed, or took nothing for `seconds`."""
        self.sent += data
        try:
            self._writer.write(data)
            async with asyncio.timeout(seconds):
                await self._writer.drain()
        except (OSError, TimeoutError):
            return False
        return True

    async def end(self) -> None:
        """Say that nothing more will be sent; the answer can still be read."""
        with suppress(OSError):
            if self._writer.can_write_eof():
                self._writer.write_eof()

    async def read(self, seconds: float, *, method: str = "POST", informational: bool = False) -> Answer:
        """The next answer, the informational ones (1xx) passed over unless asked for."""
        begun = time.monotonic()
        start = len(self.received)
        try:
            async with asyncio.timeout(seconds):
                while True:
                    answer = await self._one(method)
                    if answer.status >= 200 or informational:
                        break
        except TimeoutError:
            return self._silent(Silence.HUNG, start, begun, f"{seconds:.0f} s")
        except asyncio.IncompleteReadError:
            return self._silent(Silence.CLOSED if len(self.received) == start else Silence.CUT, start, begun)
        except OSError as error:
            cut = len(self.received) > start
            return self._silent(Silence.CUT if cut else Silence.CLOSED, start, begun, type(error).__name__)
        except (_Malformed, ValueError) as error:
            return self._silent(Silence.MALFORMED, start, begun, str(error))
        return Answer(
            status=answer.status,
            headers=answer.headers,
            body=answer.body,
            raw=bytes(self.received[start:]),
            seconds=time.monotonic() - begun,
        )

    def _silent(self, silence: Silence, start: int, begun: float, fault: str = "") -> Answer:
        self.reusable = False
        seconds = time.monotonic() - begun
        return Answer(status=0, raw=bytes(self.received[start:]), seconds=seconds, silence=silence, fault=fault)

    async def _line(self) -> str:
        line = await self._reader.readuntil(b"\n")
        self.received += line
        if len(line) > _LINE_LIMIT or not line.endswith(b"\r\n"):
            raise _Malformed("a line of the head does not end in CR LF, or is too long")
        return line[:-2].decode("latin-1")

    async def _exactly(self, count: int) -> bytes:
        if count > _BODY_LIMIT:
            raise _Malformed(f"the body of the answer has {count} bytes")
        data = b""
        while len(data) < count:
            piece = await self._reader.read(count - len(data))
            if not piece:
                raise asyncio.IncompleteReadError(data, count)
            self.received += piece
            data += piece
        return data

    async def _one(self, method: str) -> Answer:
        version, _, rest = (await self._line()).partition(" ")
        code = rest[:3]
        if version not in {"HTTP/1.1", "HTTP/1.0"} or not code.isdecimal() or not 100 <= int(code) <= 599:
            raise _Malformed("the first line is no status line")
        status = int(code)
        headers: list[tuple[str, str]] = []
        while line := await self._line():
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise _Malformed(f"{line[:80]!r} is no header line")
            headers.append((name, value.strip(" \t")))
        fields = {name.lower(): value for name, value in headers}
        body = b""
        if status >= 200 and status not in {204, 304} and method != "HEAD":
            body = await self._body(fields)
        persistent = version == "HTTP/1.1" and fields.get("connection", "").lower() != "close"
        self.reusable = self.reusable and persistent
        return Answer(status=status, headers=tuple(headers), body=body)

    async def _body(self, fields: dict[str, str]) -> bytes:
        if fields.get("transfer-encoding", "").lower() == "chunked":
            return await self._dechunked()
        if "content-length" in fields:
            if not fields["content-length"].isdecimal():
                raise _Malformed(f"the Content-Length is {fields['content-length']!r}")
            return await self._exactly(int(fields["content-length"]))
        self.reusable = False
        data = await self._reader.read(_BODY_LIMIT)
        body = data
        while data:
            self.received += data
            if len(body) > _BODY_LIMIT:
                raise _Malformed("the body of the answer does not end")
            data = await self._reader.read(_BODY_LIMIT)
            body += data
        return body

    async def _dechunked(self) -> bytes:
        body = b""
        while True:
            size = int((await self._line()).partition(";")[0], 16)
            if size == 0:
                while await self._line():
                    pass
                return body
            body += await self._exactly(size)
            if await self._line():
                raise _Malformed("a chunk is longer than it says")
            if len(body) > _BODY_LIMIT:
                raise _Malformed("the body of the answer does not end")

    async def rest(self, seconds: float) -> bytes:
        """What comes behind the last answer until the other side closes, or nothing more comes for `seconds`."""
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(seconds):
                data = await self._reader.read(_LINE_LIMIT)
                self.received += data
                return data
        return b""

    async def close(self) -> None:
        """Close, whatever state it is in."""
        self._writer.close()
        with suppress(OSError, TimeoutError, ssl.SSLError):
            async with asyncio.timeout(2.0):
                await self._writer.wait_closed()


def refusal(error: OSError) -> Silence:
    """Whether the other side takes no connections, or the way to it is at fault: names, routes, this machine's own limits."""
    ours = {errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTUNREACH, errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL}
    elsewhere = isinstance(error, socket.gaierror | ssl.SSLError) or error.errno in ours
    return Silence.UNREACHABLE if elsewhere else Silence.REFUSED


async def send(
    address: Address,
    pieces: Sequence[bytes],
    *,
    seconds: float,
    tls: ssl.SSLContext | None = None,
    pause: float = 0.0,
    end: bool = False,
    method: str = "POST",
) -> tuple[Answer, bytes]:
    """Send pieces, `pause` seconds apart, over a new connection; the answer and what was sent.

    `end` half-closes the connection behind the last piece. An answer that comes while pieces are still to be
    sent ends the sending.
    """
    try:
        connection = await Connection.open(address, tls)
    except (OSError, TimeoutError) as error:
        return Answer(status=0, silence=refusal(error), fault=str(error)), b""
    try:
        for index, piece in enumerate(pieces):
            if index and pause:
                await asyncio.sleep(pause)
            if not await connection.write(piece, seconds):
                break
        if end:
            await connection.end()
        return await connection.read(seconds, method=method), bytes(connection.sent)
    finally:
        await connection.close()
