"""A small strict HTTP/1.1 server for the reference receivers; every decision is a method that a mutant may replace."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass

LINE = 16 * 1024
HEAD = 48 * 1024
BODY = 4 * 1024 * 1024


class Refused(Exception):
    def __init__(self, status: int, text: str = "refused", *, close: bool = False) -> None:
        super().__init__(text)
        self.status = status
        self.close = close


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    authority: str = ""

    @property
    def url(self) -> str:
        return f"http://{self.authority}{self.path}"


class HttpServer:
    slow_seconds = 20.0

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port, limit=LINE, backlog=200)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in self._connections.values():
                writer.transport.abort()
            await asyncio.gather(*self._connections)
            await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._connections[task] = writer
        try:
            while await self.one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            pass  # the other side is gone, or too slow
        finally:
            self._connections.pop(task)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; whether another may follow on the connection."""
        try:
            async with asyncio.timeout(self.slow_seconds):
                request = await self.read(reader, writer)
        except Refused as refusal:
            await self.write(writer, refusal.status, str(refusal).encode(), keep=False)
            # Read on for a while: closing over unread bytes would reset the connection and lose the answer.
            with suppress(TimeoutError):
                async with asyncio.timeout(20.0):
                    while await reader.read(65536):
                        pass
            return False
        if request is None:
            return False
        keep = self.keeps(request)
        if request.path.partition("?")[0] == "/effects":
            await self.write(writer, 200, json.dumps(self.report()).encode(), keep=keep)
            return keep
        try:
            status = await self.receive(request)
            text = self.acknowledgement()
        except Refused as refusal:
            status, text = refusal.status, str(refusal).encode()
        except Exception as error:  # noqa: BLE001  # what a framework does: whatever a handler raises becomes a 500
            status, text = self.crashed(error)
        await self.write(writer, status, text, keep=keep)
        return keep

    def keeps(self, request: Request) -> bool:
        return not any(name.lower() == "connection" and value.lower() == "close" for name, value in request.headers)

    def acknowledgement(self) -> bytes:
        return b"ok"

    def crashed(self, error: Exception) -> tuple[int, bytes]:
        return 500, b"internal error"

    async def read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
        line = await self.line(reader)
        if not line:
            return None
        method, _, rest = line.partition(" ")
        path, _, version = rest.rpartition(" ")
        if version != "HTTP/1.1" or not path.startswith("/"):
            raise Refused(400, "no HTTP/1.1 request")
        headers: list[tuple[str, str]] = []
        size = 0
        while field := await self.line(reader):
            size += len(field)
            name, colon, value = field.partition(":")
            if not colon or name != name.strip() or not name:
                raise Refused(400, "malformed header")
            headers.append((name, self.value(value)))
            if size > HEAD or len(headers) > 200:
                raise Refused(431, "headers too large")
        fields = self.fields(headers)
        if "100-continue" in fields.get("expect", []):
            await self.go_on(writer)
        body = await self.body(reader, fields)
        return Request(method=method, path=path, headers=tuple(headers), body=body, authority=fields.get("host", [""])[0])

    def value(self, text: str) -> str:
        return text.strip(" \t")

    def fields(self, headers: list[tuple[str, str]]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, value in headers:
            found.setdefault(name.lower(), []).append(value)
        return found

    async def go_on(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def line(self, reader: asyncio.StreamReader) -> str:
        try:
            line = await reader.readuntil(b"\r\n")
        except asyncio.LimitOverrunError:
            raise Refused(431, "line too long") from None
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise Refused(400, "not whole") from None
            return ""
        return line[:-2].decode("latin-1")

    async def body(self, reader: asyncio.StreamReader, fields: dict[str, list[str]]) -> bytes:
        if "transfer-encoding" in fields:
            return await self.chunked(reader, fields)
        return await self.whole(reader, self.length(fields))

    async def whole(self, reader: asyncio.StreamReader, length: int) -> bytes:
        try:
            return await reader.readexactly(length)
        except asyncio.IncompleteReadError:
            raise Refused(400, "the body is not whole") from None

    def length(self, fields: dict[str, list[str]]) -> int:
        values = fields.get("content-length", ["0"])
        if len(values) != 1 or not values[0].isascii() or not values[0].isdecimal():
            raise Refused(400, "invalid Content-Length")
        return self.limited(int(values[0]))

    def limited(self, length: int) -> int:
        if length > BODY:
            raise Refused(413, "too large")
        return length

    async def chunked(self, reader: asyncio.StreamReader, fields: dict[str, list[str]]) -> bytes:
        if "content-length" in fields or fields["transfer-encoding"] != ["chunked"]:
            raise Refused(400, "ambiguous length")
        return await self.dechunked(reader)

    async def dechunked(self, reader: asyncio.StreamReader) -> bytes:
        body = b""
        while True:
            try:
                size = int((await self.line(reader)).partition(";")[0], 16)
            except ValueError:
                raise Refused(400, "malformed chunk") from None
            if size == 0:
                while await self.line(reader):
                    pass
                return body
            body += await self.whole(reader, self.limited(size + len(body)) - len(body))
            if await self.line(reader):
                raise Refused(400, "malformed chunk")

    async def write(self, writer: asyncio.StreamWriter, status: int, text: bytes, *, keep: bool) -> None:
        head = (
            f"HTTP/1.1 {status} -\r\nContent-Length: {len(text)}\r\n{'' if keep else 'Connection: close' + chr(13) + chr(10)}\r\n"
        )
        writer.write(head.encode() + text)
        await writer.drain()

    def report(self) -> dict[str, object]:
        raise NotImplementedError

    async def receive(self, request: Request) -> int:
        raise NotImplementedError
