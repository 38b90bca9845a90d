"""Receivers that hostile input brings down, or that tell too much."""

import asyncio
import base64
import json
import traceback
from contextlib import suppress

from conformance.mutants.receivers.http_server import HttpServer, Refused, Request
from conformance.mutants.receivers.mutant import broken, mutant
from conformance.mutants.receivers.reference import GitHub, Receiver, Standard


@broken("SAF-001", "parses before it verifies", "verify")
def _(self: Receiver, request: Request) -> str:
    with suppress(ValueError):
        json.loads(request.body)
    return Standard.verify(self, request)


@broken("SAF-002", "parses what is nested too deep", "take")
async def _(self: Receiver, event_id: str, request: Request) -> int:
    try:
        json.loads(request.body)
    except ValueError:
        raise Refused(400) from None
    return await Receiver.take(self, event_id, request)


@broken("SAF-003", "decodes before it verifies", "verify")
def _(self: Receiver, request: Request) -> str:
    request.body.decode()
    return Standard.verify(self, request)


@broken("SAF-004", "decodes without catching what that raises", "take")
async def _(self: Receiver, event_id: str, request: Request) -> int:
    request.body.decode()
    return await Receiver.take(self, event_id, request)


@broken("SAF-005", "answers 500 to a line that is too long", "line")
async def _(self: Receiver, reader: asyncio.StreamReader) -> str:
    try:
        return await HttpServer.line(self, reader)
    except Refused as refusal:
        raise Refused(500 if refusal.status == 431 else refusal.status) from None


@broken("SAF-005", "waits where a line is too long", "line", deadline=1.0)
async def _(self: Receiver, reader: asyncio.StreamReader) -> str:
    try:
        return await HttpServer.line(self, reader)
    except Refused as refusal:
        if refusal.status == 431:
            await asyncio.sleep(4)
        raise


@broken("SAF-006", "takes what it got for the body", "whole")
async def _(self: Receiver, reader: asyncio.StreamReader, length: int) -> bytes:
    try:
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        return error.partial


@broken("SAF-006", "waits for ever for the rest of a body", "whole", deadline=1.0)
async def _(self: Receiver, reader: asyncio.StreamReader, length: int) -> bytes:
    try:
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError:
        await asyncio.sleep(4)
        raise


@broken("SAF-007", "reads all that comes, whatever its length", "whole")
async def _(self: Receiver, reader: asyncio.StreamReader, length: int) -> bytes:
    body = await reader.readexactly(length)
    try:
        async with asyncio.timeout(0.05):
            return body + await reader.read(1000)
    except TimeoutError:
        return body


@broken("SAF-008", "takes the length that it can read", "length")
def _(self: Receiver, fields: dict[str, list[str]]) -> int:
    return self.limited(max([int(value) for value in fields.get("content-length", []) if value.isdecimal()], default=0))


@broken("SAF-008", "crashes on a length that is no number", "length")
def _(self: Receiver, fields: dict[str, list[str]]) -> int:
    try:
        return self.limited(int(fields.get("content-length", ["0"])[0]))
    except ValueError:
        raise Refused(500) from None


@broken("SAF-009", "lets Content-Length rule", "body")
async def _(self: Receiver, reader: asyncio.StreamReader, fields: dict[str, list[str]]) -> bytes:
    if "transfer-encoding" in fields and "content-length" not in fields:
        return await self.chunked(reader, fields)
    return await self.whole(reader, self.length(fields))


@broken("SAF-010", "reads one request at a time", "read", deadline=2.0)
async def _(self: Receiver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    async with self.locks.setdefault("reading", asyncio.Lock()):
        return await HttpServer.read(self, reader, writer)


@broken("SAF-011", "says which signature it expected", "refuse")
def _(self: Receiver, content: bytes) -> Refused:
    return Refused(401, f"expected {base64.b64encode(self.mac(self.keys()[0], content)).decode()}")


mutant(
    "SAF-011",
    "says which secret it has",
    "refuse",
    lambda self, content: Refused(401, f"not signed with {self.secrets[0]}"),
    base=GitHub,
)
mutant(
    "SAF-011",
    "says which signature it expected, in hexadecimal",
    "refuse",
    lambda self, content: Refused(401, self.mac(self.keys()[0], content).hex()),
    base=GitHub,
)


@broken("SAF-012", "answers with the stack trace", "refuse")
def _(self: Receiver, content: bytes) -> Refused:
    try:
        raise Refused(401)
    except Refused:
        return Refused(401, traceback.format_exc())


@broken("SAF-013", "crashes on a signature beyond ASCII", "signature_header")
def _(self: Receiver, request: Request) -> str:
    header = self.header(request, "webhook-signature")
    if not header.isascii():
        raise TypeError("comparing strings with non-ASCII characters is not supported")
    return header


@broken("SAF-014", "counts what it could not read", "read")
async def _(self: Receiver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    try:
        return await HttpServer.read(self, reader, writer)
    except Refused:
        self.effect("unreadable")
        raise


@broken("SAF-015", "answers 500 to a body that is too large", "limited")
def _(self: Receiver, length: int) -> int:
    if length > 4_194_304:
        raise Refused(500)
    return length


@broken("SAF-016", "stops when a request cannot be read", "read")
async def _(self: Receiver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    if self.__dict__.get("stopped"):
        raise Refused(503)
    try:
        return await HttpServer.read(self, reader, writer)
    except Refused as refusal:
        self.__dict__["stopped"] = refusal.status == 431
        raise


@broken("SAF-016", "closes its listener when a request cannot be read", "read")
async def _(self: Receiver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    try:
        return await HttpServer.read(self, reader, writer)
    except Refused as refusal:
        if refusal.status == 431:
            self._server.close()
        raise
