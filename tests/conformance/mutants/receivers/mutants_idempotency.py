"""Receivers that take effect too often or not often enough, and that answer at the wrong time or with the wrong status."""

import asyncio
import hashlib
import json

from conformance.mutants.receivers.http_server import Refused, Request
from conformance.mutants.receivers.mutant import broken, mutant
from conformance.mutants.receivers.reference import FirstHeader, GitHub, Receiver, Standard, Stripe

mutant("IDM-001", "does not remember ids", "remember", lambda self, event_id, request: None)
mutant("IDM-001", "does not look at ids", "seen", lambda self, event_id, request: False, base=Stripe)
mutant(
    "IDM-001",
    "remembers an id only the second time",
    "remember",
    lambda self, event_id, request: self.disk.effects[event_id] > 1 and Receiver.remember(self, event_id, request),
)


class NoLock(asyncio.Lock):
    """Locks nothing."""

    async def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


mutant("IDM-002", "looks for the id, works, and only then remembers it", "lock", lambda self, event_id: NoLock())
mutant("IDM-002", "has a lock for each delivery", "lock", lambda self, event_id: asyncio.Lock(), base=GitHub)


@broken("IDM-003", "remembers ids in memory only", "memory")
def _(self: Receiver) -> None:
    Receiver.memory(self)
    self.disk.seen.clear()


@broken("IDM-004", "remembers id and signature", "seen")
def _(self: Receiver, event_id: str, request: Request) -> bool:
    signed = f"{event_id} {self.signature_header(request)}"
    found = signed in self.disk.seen
    self.disk.seen[signed] = None
    return found


@broken("IDM-004", "remembers id and timestamp", "seen")
def _(self: Receiver, event_id: str, request: Request) -> bool:
    stamped = f"{event_id} {self.stamp(request)}"
    found = stamped in self.disk.seen
    self.disk.seen[stamped] = None
    return found


mutant("IDM-005", "answers 409 to a seen id", "answer_to_seen", lambda self: 409)
mutant("IDM-005", "answers 500 to a seen id", "answer_to_seen", lambda self: 500, base=Stripe)


@broken("IDM-006", "remembers the id before it verifies", "receive")
async def _(self: Receiver, request: Request) -> int:
    try:
        return await Standard.receive(self, request)
    except Refused:
        self.remember(self.event_id(request), request)
        raise


@broken("IDM-007", "remembers the content in place of the id", "seen")
def _(self: Receiver, event_id: str, request: Request) -> bool:
    digest = hashlib.sha256(request.body).hexdigest()
    found = digest in self.disk.seen
    self.disk.seen[digest] = None
    return found


@broken("IDM-008", "dedups by timestamp", "seen")
def _(self: Receiver, event_id: str, request: Request) -> bool:
    stamp = self.stamp(request)
    found = stamp in self.disk.seen
    self.disk.seen[stamp] = None
    return found or event_id in self.disk.seen


mutant(
    "IDM-009",
    "remembers ids in small letters",
    "seen",
    lambda self, event_id, request: any(event_id.lower() == known.lower() for known in self.disk.seen),
)
mutant(
    "IDM-009",
    "remembers the first 64 characters of an id",
    "seen",
    lambda self, event_id, request: any(event_id[:64] == known[:64] for known in self.disk.seen),
)


@broken("IDM-010", "acknowledges and loses every fifth event", "effect")
def _(self: Receiver, event_id: str) -> None:
    self.__dict__["count"] = self.__dict__.get("count", 0) + 1
    if self.__dict__["count"] % 5:
        Receiver.effect(self, event_id)


@broken("IDM-010", "acknowledges what it has no room for", "take")
async def _(self: Receiver, event_id: str, request: Request) -> int:
    self.__dict__["busy"] = self.__dict__.get("busy", 0) + 1
    try:
        await asyncio.sleep(0.002)
        return await Receiver.take(self, event_id, request) if self.__dict__["busy"] < 3 else 202
    finally:
        self.__dict__["busy"] -= 1


@broken("IDM-011", "refuses for good what is being handled", "take")
async def _(self: Receiver, event_id: str, request: Request) -> int:
    busy = self.__dict__.setdefault("busy", set())
    if event_id in busy:
        raise Refused(400)
    busy.add(event_id)
    await asyncio.sleep(0.01)
    busy.discard(event_id)
    return await Receiver.take(self, event_id, request)


@broken("IDM-012", "remembers the last fifty ids", "remember")
def _(self: Receiver, event_id: str, request: Request) -> None:
    Receiver.remember(self, event_id, request)
    while len(self.disk.seen) > 50:
        self.disk.seen.popitem(last=False)


@broken("IDM-013", "keeps effects in memory only", "memory")
def _(self: Receiver) -> None:
    Receiver.memory(self)
    self.disk.effects.clear()


mutant(
    "IDM-014",
    "verifies the first id and remembers the last",
    "identity",
    lambda self, event_id, request: [value for key, value in request.headers if key.lower() == "webhook-id"][-1],
    base=FirstHeader,
)


@broken("IDM-014", "takes effect for each id", "take", base=FirstHeader)
async def _(self: Receiver, event_id: str, request: Request) -> int:
    for found in {value for key, value in request.headers if key.lower() == "webhook-id"}:
        await Receiver.take(self, found, request)
    return 200


@broken("IDM-015", "forgets its ids when a forged delivery comes", "refuse")
def _(self: Receiver, content: bytes) -> Refused:
    self.disk.seen.clear()
    return Refused(401)


@broken("IDM-015", "counts again from the third time on", "seen", base=GitHub)
def _(self: Receiver, event_id: str, request: Request) -> bool:
    times = self.__dict__.setdefault("times", {})
    times[event_id] = times.get(event_id, 0) + 1
    return 1 < times[event_id] < 5


@broken("IDM-016", "trusts the body's id", "identity")
def _(self: Receiver, event_id: str, request: Request) -> str:
    try:
        return json.loads(request.body).get("id", event_id)
    except ValueError:
        return event_id


mutant("STA-001", "answers 410 to a wrong signature", "refuse", lambda self, content: Refused(410))
mutant("STA-001", "answers 429 to a wrong signature", "refuse", lambda self, content: Refused(429), base=Stripe)


@broken("STA-002", "says a length that is too small", "write")
async def _(self: Receiver, writer: asyncio.StreamWriter, status: int, text: bytes, *, keep: bool) -> None:
    await Receiver.write(self, writer, status, text if text != b"ok" else b"", keep=keep)
    if text == b"ok":
        writer.write(b"ok")


@broken("STA-002", "sends a body behind 204", "write")
async def _(self: Receiver, writer: asyncio.StreamWriter, status: int, text: bytes, *, keep: bool) -> None:
    await Receiver.write(self, writer, status, text, keep=keep)
    if text == b"ok":
        writer.write(b"more")


@broken("STA-003", "refuses event types that it does not know", "take")
async def _(self: Receiver, event_id: str, request: Request) -> int:
    if b'"conformance.check"' not in request.body:
        raise Refused(400)
    return await Receiver.take(self, event_id, request)


mutant("STA-004", "answers with the whole log", "acknowledgement", lambda self: b"x" * 100_000)


@broken("TMO-001", "works before it answers", "work", deadline=0.3)
async def _(self: Receiver, request: Request) -> None:
    await asyncio.sleep(0.6)


@broken("TMO-002", "handles one delivery after the other", "work", deadline=0.5)
async def _(self: Receiver, request: Request) -> None:
    async with self.locks.setdefault("all", asyncio.Lock()):
        await asyncio.sleep(0.05)


@broken("TMO-003", "answers 500 under load", "take")
async def _(self: Receiver, event_id: str, request: Request) -> int:
    self.__dict__["busy"] = self.__dict__.get("busy", 0) + 1
    try:
        await asyncio.sleep(0.01)
        return await Receiver.take(self, event_id, request) if self.__dict__["busy"] < 8 else 500
    finally:
        self.__dict__["busy"] -= 1
