"""Receivers that read payloads and headers wrongly."""

import asyncio
import json
import re

from conformance.mutants.receivers.http_server import Refused, Request
from conformance.mutants.receivers.mutant import broken, mutant
from conformance.mutants.receivers.reference import GitHub, Receiver, Standard, Stripe


def refusing(pattern: bytes, status: int = 400):
    """A signed_body that refuses bodies in which the pattern is found."""

    def line(self: Receiver, body: bytes) -> bytes:
        if re.search(pattern, body):
            raise Refused(status)
        return body

    return line


mutant("PAY-001", "reads bodies as ASCII", "signed_body", lambda self, body: body.decode("ascii").encode())
mutant(
    "PAY-001",
    "reads bodies as Latin-1 and writes them as UTF-8",
    "mac",
    lambda self, key, content: Receiver.mac(self, key, content.decode("latin-1").encode()),
    base=GitHub,
)
mutant(
    "PAY-002",
    "verifies text whose escapes are resolved",
    "signed_body",
    lambda self, body: re.sub(rb"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)).encode("utf-8", "replace"), body),
)
mutant("PAY-002", "does not read escaped slashes", "signed_body", lambda self, body: body.replace(b"\\/", b"/"))
mutant("PAY-003", "verifies a body without its whitespace", "signed_body", lambda self, body: re.sub(rb"\s", b"", body))
mutant("PAY-003", "strips the line end behind a body", "signed_body", lambda self, body: body.rstrip())
mutant(
    "PAY-004",
    "verifies a body with its names sorted",
    "signed_body",
    lambda self, body: json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode(),
)
mutant(
    "PAY-005",
    "parses numbers as doubles and verifies what it wrote",
    "signed_body",
    lambda self, body: json.dumps(json.loads(body), separators=(",", ":")).encode(),
)
mutant(
    "PAY-006",
    "parses integers as doubles and verifies what it wrote",
    "signed_body",
    lambda self, body: json.dumps(json.loads(body, parse_int=small), separators=(",", ":")).encode(),
)
mutant("PAY-006", "refuses integers beyond 32 bits", "signed_body", refusing(rb'"number":-?[0-9]{11,}'))


def small(text: str) -> int:
    """The integer that a double keeps of it."""
    return int(float(text))


@broken("PAY-007", "refuses a name that stands twice", "take")
async def _(self: Receiver, event_id: str, request: Request) -> int:
    if request.body.count(b'"a":') > 1 and b"twice" in request.body:
        raise Refused(400)
    return await Receiver.take(self, event_id, request)


@broken("PAY-008", "takes at most 64 KiB", "limited")
def _(self: Receiver, length: int) -> int:
    if length > 65_536:
        raise Refused(413)
    return length


@broken("PAY-009", "takes at most half a MiB", "limited")
def _(self: Receiver, length: int) -> int:
    if length > 524_288:
        raise Refused(413)
    return length


@broken("PAY-010", "parses an empty body", "take")
async def _(self: Receiver, event_id: str, request: Request) -> int:
    request.body[0]
    return await Receiver.take(self, event_id, request)


@broken("PAY-011", "parses without catching what that raises", "take")
async def _(self: Receiver, event_id: str, request: Request) -> int:
    json.loads(request.body)["type"]
    return await Receiver.take(self, event_id, request)


mutant(
    "PAY-012",
    "verifies what its parser writes",
    "signed_body",
    lambda self, body: json.dumps(json.loads(body), separators=(",", ":")).encode(),
)
mutant("PAY-012", "chokes on null", "signed_body", refusing(rb"null"))

mutant("HDR-001", "reads header names as they were first written", "is_named", lambda self, key, name: key == name)
mutant("HDR-001", "reads header names in capitals only", "is_named", lambda self, key, name: key == name.title())


@broken("HDR-002", "wants the signature behind the timestamp", "verify")
def _(self: Receiver, request: Request) -> str:
    names = [name.lower() for name, _ in request.headers]
    if names.index("webhook-signature") < names.index("webhook-timestamp"):
        raise Refused(400)
    return Standard.verify(self, request)


@broken("HDR-003", "refuses headers that it does not know", "receive")
async def _(self: Receiver, request: Request) -> int:
    known = {"host", "content-type", "content-length", "connection", "transfer-encoding", "expect"}
    if any(name.lower() not in known and not name.lower().startswith("webhook-") for name, _ in request.headers):
        raise Refused(400)
    return await Standard.receive(self, request)


mutant("HDR-003", "refuses empty headers", "value", lambda self, text: text.strip() or None_())


def None_() -> str:
    """Refuses."""
    raise Refused(400)


mutant("HDR-004", "keeps whitespace around values", "value", lambda self, text: text.removeprefix(" "))
mutant("HDR-004", "wants a space behind the colon", "value", lambda self, text: text.strip() if text.startswith(" ") else None_())


@broken("HDR-005", "believes a delivery with two signature headers", "header", base=GitHub)
def _(self: Receiver, request: Request, name: str) -> str:
    values = [value for key, value in request.headers if key.lower() == name]
    if name == "x-hub-signature-256" and len(values) > 1:
        return "sha256=" + self.mac(self.keys()[0], request.body).hex()
    return Receiver.header(self, request, name)


@broken("HDR-005", "crashes where two signature headers stand", "header")
def _(self: Receiver, request: Request, name: str) -> str:
    (value,) = [value for key, value in request.headers if key.lower() == name]
    return value


@broken("HDR-006", "joins signature headers", "header")
def _(self: Receiver, request: Request, name: str) -> str:
    values = [value for key, value in request.headers if key.lower() == name]
    return " ".join(values) if values and name == "webhook-signature" else Receiver.header(self, request, name)


@broken("HDR-007", "takes a body in chunks for none", "body")
async def _(self: Receiver, reader: asyncio.StreamReader, fields: dict[str, list[str]]) -> bytes:
    return await self.whole(reader, self.length(fields))


@broken("HDR-007", "reads the first chunk only", "dechunked")
async def _(self: Receiver, reader: asyncio.StreamReader) -> bytes:
    return await self.whole(reader, int(await self.line(reader), 16))


@broken("HDR-008", "leaves the body of what it refuses on the connection", "one")
async def _(self: Receiver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    again = await Receiver.one(self, reader, writer)
    if again:
        reader.feed_data(b"{}")
    return again


@broken("HDR-008", "remembers that a connection is good", "verify")
def _(self: Receiver, request: Request) -> str:
    close = not self.keeps(request)
    try:
        event_id = Standard.verify(self, request)
    except Refused:
        if close or not self.__dict__.get("good"):
            raise
        return self.event_id(request)
    self.__dict__["good"] = not close
    return event_id


@broken("HDR-009", "waits for the body without saying so", "go_on", deadline=1.0)
async def _(self: Receiver, writer: asyncio.StreamWriter) -> None:
    return None


@broken("HDR-010", "wants exactly application/json", "verify", base=Stripe)
def _(self: Receiver, request: Request) -> str:
    if self.header(request, "content-type") != "application/json":
        raise Refused(415)
    return Stripe.verify(self, request)


mutant("HDR-011", "takes any method", "allows", lambda self, method: True)
mutant("HDR-011", "takes PUT for POST", "allows", lambda self, method: method in {"POST", "PUT"}, base=GitHub)
mutant(
    "HDR-012",
    "makes an id up where there is none",
    "event_id",
    lambda self, request: next((value for key, value in request.headers if key.lower() == "webhook-id"), ""),
)


mutant("HDR-014", "takes an empty id for one", "event_id", lambda self, request: self.header(request, "webhook-id"))


@broken("HDR-013", "does not know chunk extensions", "line")
async def _(self: Receiver, reader: asyncio.StreamReader) -> str:
    line = await Receiver.line(self, reader)
    if line.endswith(";a=b"):
        raise Refused(400)
    return line


mutant("PAY-013", "keeps events in a database that holds no U+0000", "signed_body", refusing(rb"\\u0000"))
