"""A small good sender with a clock that is moved by hand; each mutant of mutants.toml is this file with one line changed.

It needs nothing but the adapter's interface. Its store (`Disk`) outlives a kill; its tasks and connections do not.
"""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import json
import random
import re
import socket
import ssl
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from hookline_conformance.sender.adapter import (
    AttemptRecord,
    Capabilities,
    Change,
    DeliveryState,
    Emission,
    Emitted,
    Feature,
    Refused,
    SenderAdapter,
    TargetSpec,
)

PENDING, DELIVERED, EXHAUSTED, CANCELLED = (
    DeliveryState.PENDING,
    DeliveryState.DELIVERED,
    DeliveryState.EXHAUSTED,
    DeliveryState.CANCELLED,
)
TIMEOUT = 15.0
LONGEST_WISH = 86_400.0
LONGEST_ANSWER = 16 * 1024
LONGEST_HEAD = 64 * 1024
MOST_INTERIM = 16
PATTERN = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
FIELD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
OWN_HEADERS = {"host", "content-length", "content-type", "transfer-encoding", "connection"}


@dataclass
class Event:
    id: str
    emission: Emission
    accepted: float


@dataclass
class Delivery:
    event: Event
    target: str
    due: float
    message_id: str
    body: bytes = b""
    attempts: int = 0
    state: DeliveryState = PENDING
    records: list[AttemptRecord] = field(default_factory=list)


@dataclass
class Receiver:
    name: str
    spec: TargetSpec
    url: str
    event_types: tuple[str, ...]
    secrets: list[tuple[str, float | None]]
    made: float
    state: str = "active"
    cookie: str = ""


@dataclass
class Disk:
    receivers: dict[str, Receiver] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)
    keys: dict[tuple[str, str], tuple[bytes, str]] = field(default_factory=dict)
    history: list[Event] = field(default_factory=list)


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    error: str = ""
    blocked: bool = False


class ReferenceSender(SenderAdapter):
    def __init__(self, seed: int = 1) -> None:
        self.disk = Disk()
        self.random = random.Random(seed)
        self.clock = 0.0
        self.flights: dict[asyncio.Task[None], Delivery] = {}
        self.pool: dict[tuple[str, str], list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]] = {}
        self.starts = 0
        self.crashed = False

    async def open(self) -> Capabilities:
        self.clock = float(int(time.time()))
        return Capabilities(
            name="reference",
            features=frozenset(Feature),
            schedule=(5.0, 300.0),
            jitter=0.1,
            timeout=TIMEOUT,
            shortest_timeout=0.15,
        )

    async def close(self) -> None:
        await self.stop()

    async def stop(self) -> None:
        for task in list(self.flights):
            task.cancel()
        await asyncio.gather(*self.flights, return_exceptions=True)
        self.flights.clear()
        for connections in self.pool.values():
            for _, writer in connections:
                writer.close()
        self.pool.clear()

    # The clock

    async def now(self) -> float:
        return self.clock

    async def advance(self, seconds: float) -> None:
        end = self.clock + seconds
        while not self.crashed:
            await self.settle()
            due = [one.due for one in self.disk.deliveries if one.state is PENDING and self.is_free(one) and one.due <= end]
            if not due:
                break
            self.clock = max(self.clock, min(due))
        self.clock = end

    async def settle(self) -> None:
        self.pump()
        while self.flights:
            await asyncio.wait(self.flights)
            await asyncio.sleep(0)  # let each landing be noticed

    # What it is told

    async def configure(self, spec: TargetSpec) -> str:
        parts = urlsplit(spec.url)
        if parts.scheme not in ("http", "https"):
            raise Refused("INVALID_ARGUMENT", f"url: {parts.scheme} is neither http nor https")
        if spec.guarded and parts.scheme != "https":
            raise Refused("INVALID_ARGUMENT", "url: is not https")
        for name, value in spec.headers:
            if name.lower() in OWN_HEADERS or name.lower().startswith("webhook-"):
                raise Refused("INVALID_ARGUMENT", f"headers: {name} is set by the sender")
            if not FIELD.fullmatch(name) or not value.isprintable():
                raise Refused("INVALID_ARGUMENT", f"headers: {name} cannot be sent")
        name = f"rcv_{len(self.disk.receivers) + 1}"
        self.disk.receivers[name] = Receiver(
            name=name,
            spec=spec,
            url=spec.url,
            event_types=spec.event_types,
            secrets=[(spec.secret, None)],
            made=self.clock,
        )
        return name

    async def secret(self, target: str) -> str:
        return self.disk.receivers[target].secrets[0][0]

    async def rotate(self, target: str, secret: str, overlap: float) -> str:
        receiver = self.receiver(target)
        former = [(value, self.clock + overlap) for value, until in receiver.secrets if until is None]
        receiver.secrets = [(secret, None), *former]
        return secret

    async def pause(self, target: str) -> None:
        self.receiver(target).state = "paused"

    async def resume(self, target: str) -> None:
        self.receiver(target).state = "active"
        self.pump()

    async def update(self, target: str, change: Change) -> None:
        receiver = self.receiver(target)
        receiver.url = change.url or receiver.url
        receiver.event_types = receiver.event_types if change.event_types is None else change.event_types

    async def delete(self, target: str) -> None:
        self.receiver(target).state = "deleted"
        for delivery in self.disk.deliveries:
            if delivery.target == target and delivery.state is PENDING:
                delivery.state = CANCELLED

    def receiver(self, target: str) -> Receiver:
        receiver = self.disk.receivers.get(target)
        if receiver is None or receiver.state == "deleted":
            raise Refused("NOT_FOUND", f"there is no receiver {target}")
        return receiver

    async def emit(self, emission: Emission) -> Emitted:
        if not PATTERN.fullmatch(emission.type):
            raise Refused("INVALID_ARGUMENT", f"type: {emission.type!r} is no type")
        if emission.content_type == "application/json":
            try:
                json.loads(emission.data)
            except ValueError as error:
                raise Refused("INVALID_ARGUMENT", f"data: is not JSON: {error}") from error
        return self.take(emission)

    def take(self, emission: Emission) -> Emitted:
        digest = hashlib.sha256(repr((emission.type, emission.data, emission.ordering_key)).encode()).digest()
        if emission.key:
            known = self.disk.keys.get((emission.tenant, emission.key))
            if known is not None:
                if known[0] != digest:
                    raise Refused("ALREADY_EXISTS", f"key: {emission.key} was used with other content")
                return Emitted(event_id=known[1], duplicate=True)
        event = Event(f"evt_{len(self.disk.history) + 1}", emission, self.clock)
        self.disk.history.append(event)
        if emission.key:
            self.disk.keys[emission.tenant, emission.key] = (digest, event.id)
        for receiver in list(self.disk.receivers.values()):
            self.queue(event, receiver)
        self.pump()
        return Emitted(event_id=event.id)

    def queue(self, event: Event, receiver: Receiver) -> None:
        if self.wants(receiver, event.emission):
            due = self.clock + event.emission.not_before
            self.disk.deliveries.append(Delivery(event=event, target=receiver.name, due=due, message_id=event.id))

    def wants(self, receiver: Receiver, emission: Emission) -> bool:
        if receiver.state == "deleted":
            return False
        if receiver.spec.tenant != emission.tenant:
            return False
        if receiver.event_types and emission.type not in receiver.event_types:  # noqa: SIM103  # a line for each reason
            return False
        return True

    async def attempts(self, target: str) -> list[AttemptRecord]:
        return [
            AttemptRecord(**{**{name: getattr(one, name) for name in one.__slots__}, "state": delivery.state})
            for delivery in self.disk.deliveries
            if delivery.target == target
            for one in delivery.records
        ]

    async def restart(self, *, kill: bool) -> None:
        if not kill:
            await self.settle()
        await self.stop()
        self.starts += 1
        self.crashed = False
        self.disk.deliveries = [one for one in self.disk.deliveries if self.is_stored(one)]
        self.pump()

    def is_stored(self, delivery: Delivery) -> bool:
        return True  # the whole queue is on the disk

    # What it does

    def is_free(self, delivery: Delivery) -> bool:
        receiver = self.disk.receivers[delivery.target]
        if receiver.state != "active":
            return False
        if any(one is delivery for one in self.flights.values()):
            return False
        key = delivery.event.emission.ordering_key
        if receiver.spec.ordered and key:
            for earlier in self.disk.deliveries:
                if earlier is delivery:
                    break
                if earlier.target == delivery.target and earlier.event.emission.ordering_key == key:  # noqa: SIM102  # likewise
                    if earlier.state is PENDING:
                        return False
        return True

    def pump(self) -> None:
        if self.crashed:
            return
        for delivery in self.disk.deliveries:
            if delivery.state is PENDING and delivery.due <= self.clock and self.is_free(delivery):
                task = asyncio.ensure_future(self.attempt(delivery))
                self.flights[task] = delivery
                task.add_done_callback(self.landed)

    def landed(self, task: asyncio.Task[None]) -> None:
        self.flights.pop(task, None)
        if not task.cancelled():
            self.crashed = task.exception() is not None  # a fault of the sender's own ends it, as it would a process
            self.pump()

    async def attempt(self, delivery: Delivery) -> None:
        receiver = self.disk.receivers[delivery.target]
        start = self.clock
        answer = Answer()
        try:
            async with asyncio.timeout(receiver.spec.timeout or TIMEOUT) as deadline:
                answer = await self.post(receiver, self.request(receiver, delivery, start), deadline)
        except TimeoutError:
            answer = Answer(error="timeout")
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            answer = Answer(error=f"{type(error).__name__}: {error}", blocked=isinstance(error, PermissionError))
        if delivery.state is CANCELLED:
            return
        delivery.attempts += 1
        failed = bool(answer.error) or not 200 <= answer.status < 300
        delivery.records.append(
            AttemptRecord(
                event_id=delivery.event.id,
                number=delivery.attempts,
                start=start,
                status=answer.status,
                failed=failed,
                blocked=answer.blocked,
                error=answer.error,
            )
        )
        if not failed:
            delivery.state = DELIVERED
            return
        if answer.status == 410:
            receiver.state = "disabled"
        delay = self.delay(receiver, delivery.attempts, answer)
        if delay is None:
            delivery.state = EXHAUSTED
            return
        delivery.due = self.clock + delay

    def delay(self, receiver: Receiver, attempts: int, answer: Answer) -> float | None:
        schedule = (5.0, 300.0) if receiver.spec.schedule is None else receiver.spec.schedule
        if attempts > len(schedule):
            return None
        jitter = 0.1 if receiver.spec.jitter is None else receiver.spec.jitter
        delay = schedule[min(attempts, len(schedule)) - 1] * self.random.uniform(1 - jitter, 1 + jitter)
        return max(delay, min(self.wish(answer), LONGEST_WISH))

    def wish(self, answer: Answer) -> float:
        text = answer.headers.get("retry-after", "")
        if re.fullmatch(r"[0-9]{1,10}", text):
            return float(text)
        try:
            return parsedate_to_datetime(text).timestamp() - self.clock
        except (ValueError, TypeError):
            return 0.0

    # What it sends

    def body(self, receiver: Receiver, delivery: Delivery) -> bytes:
        emission = delivery.event.emission
        if receiver.spec.raw:
            return emission.data
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(delivery.event.accepted))
        head = b'{"type":"%s","timestamp":"%s","data":' % (emission.type.encode(), stamp.encode())
        return head + emission.data + b"}"

    def sign(self, receiver: Receiver, message_id: str, timestamp: str, body: bytes) -> str:
        content = message_id.encode() + b"." + timestamp.encode() + b"." + body
        tokens = []
        for secret, until in receiver.secrets:
            if until is None or until > self.clock:
                key = base64.b64decode(secret.removeprefix("whsec_"))
                tokens.append("v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode())
        return " ".join(tokens)

    def request(self, receiver: Receiver, delivery: Delivery, start: float) -> tuple[str, bytes]:
        body = self.body(receiver, delivery)
        message_id = delivery.message_id
        timestamp = str(int(start))
        signature = self.sign(receiver, message_id, timestamp, body)
        parts = urlsplit(receiver.url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        content_type = delivery.event.emission.content_type if receiver.spec.raw else "application/json"
        lines = [
            f"POST {path} HTTP/1.1",
            f"Host: {parts.netloc}",
            f"Content-Type: {content_type}",
            f"Content-Length: {len(body)}",
            "User-Agent: reference-sender/1.0",
            f"webhook-id: {message_id}",
            f"webhook-timestamp: {timestamp}",
            f"webhook-signature: {signature}",
        ]
        lines += [f"{name}: {value}" for name, value in receiver.spec.headers]
        return receiver.url, "\r\n".join([*lines, "", ""]).encode() + body

    async def post(self, receiver: Receiver, request: tuple[str, bytes], deadline: asyncio.Timeout) -> Answer:
        url, data = request
        reader, writer, reused = await self.connect(receiver, url)
        keep = False
        try:
            writer.write(data)
            await writer.drain()
            for _ in range(MOST_INTERIM + 1):
                head = await self.head(reader)
                first, *lines = head[:-4].decode("latin-1").split("\r\n")
                answer = Answer(status=self.status(first))
                for line in lines:
                    name, _, value = line.partition(":")
                    answer.headers[name.lower()] = value.strip()
                if answer.status >= 200:
                    break
            else:
                return Answer(error="too many interim answers")
            keep = await self.read_body(reader, answer, deadline)
            receiver.cookie = answer.headers.get("set-cookie", receiver.cookie)
            return answer
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            return Answer(error=f"the {'kept' if reused else 'new'} connection was closed: {error}")
        finally:
            if keep and answer.headers.get("connection", "").lower() != "close":
                self.pool.setdefault(self.lane(receiver, url), []).append((reader, writer))
            else:
                writer.close()

    async def head(self, reader: asyncio.StreamReader) -> bytes:
        return await reader.readuntil(b"\r\n\r\n")

    def status(self, line: str) -> int:
        found = re.fullmatch(r"HTTP/1\.[01] ([1-5][0-9]{2})( .*)?", line)
        if found is None:
            raise ValueError(f"not HTTP: {line[:40]!r}")
        return int(found[1])

    async def read_body(self, reader: asyncio.StreamReader, answer: Answer, deadline: asyncio.Timeout) -> bool:
        if answer.status in (204, 304):
            return True
        length = answer.headers.get("content-length")
        if length is None:
            rest = LONGEST_ANSWER
            while rest > 0:
                piece = await reader.read(rest)
                if not piece:
                    break
                rest -= len(piece)
            return False
        size = int(length)
        await reader.readexactly(min(size, LONGEST_ANSWER))
        return size <= LONGEST_ANSWER

    def lane(self, receiver: Receiver, url: str) -> tuple[str, str]:
        return receiver.name, urlsplit(url).netloc

    async def connect(self, receiver: Receiver, url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bool]:
        idle = self.pool.get(self.lane(receiver, url), [])
        while idle:
            reader, writer = idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer, True
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        host = parts.hostname or ""
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        address = found[0][4][0]
        if receiver.spec.guarded and not self.is_public(address):
            raise PermissionError(f"{address} is not an address of the Internet")
        tls = self.tls(receiver) if parts.scheme == "https" else None
        reader, writer = await asyncio.open_connection(
            address, port, ssl=tls, server_hostname=host if tls else None, limit=LONGEST_HEAD
        )
        return reader, writer, False

    def is_public(self, address: str) -> bool:
        ip = ipaddress.ip_address(address)
        if isinstance(ip, ipaddress.IPv6Address):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in NAT64 else ip.ipv4_mapped or ip.sixtofour
            ip = inner or ip
        return ip.is_global and not ip.is_multicast

    def tls(self, receiver: Receiver) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.check_hostname = True
        if receiver.spec.authority:
            context.load_verify_locations(cadata=receiver.spec.authority.decode())
        return context
