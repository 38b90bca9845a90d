"""An httpx transport over aiohttp's connector: its pool, DNS cache, happy eyeballs, TLS and C parser.

aiohttp's session is not used. What a session adds (cookies, redirects, proxies, credentials from files,
decompression, retries) is what a sender of webhooks must not do, and it costs half of the time; here there
is nothing to switch off. The request is written in one piece, and no task is started for it.

A connection that was kept alive may be closed by the receiver at the very moment at which it is used again.
A close that is known before the request is written costs nothing: another connection is taken. One that
becomes known later fails the attempt with CONNECTION, for the receiver may have taken the request; whether
to send it again is the engine's decision, not the transport's.
"""

import asyncio
import socket
import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextvars import ContextVar
from typing import Final

import aiohttp
import httpx
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import AddrInfoType, Connection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawResponseMessage

from hookline.descriptors import are_short, is_shortage, shortage
from hookline.model import ClientCertificate, ErrorClass
from hookline.transport.answer import LONGEST_BODY, Phase, Progress, read_into
from hookline.transport.certificate import Certificates, system_context
from hookline.transport.failure import (
    AddressBlocked,
    AnswerFailure,
    ConnectFailure,
    connect_failure,
    exchange_failure,
)
from hookline.transport.guard import GuardPolicy
from hookline.transport.presented import tell_what_was_presented
from hookline.transport.request import encode, fields, split
from hookline.transport.resolver import Resolver
from hookline.transport.room import Room

KEEP_ALIVE: Final = 20.0
"""Seconds for which an idle connection is kept, after it was at hand."""

AT_HAND: Final = 1.0
"""Seconds after which a connection is at hand no more, but with all others that are idle."""

DNS_LIFETIME: Final = 30
"""Seconds for which a resolved name is remembered."""

MOST_INFORMATIONAL: Final = 16
"""1xx answers that are skipped; more is not a conversation."""

LONGEST_LINE: Final = 8190
MOST_HEADERS: Final = 128
MOST_TARGETS: Final = 4096
"""URLs that are kept in parsed form."""

UNBOUNDED: Final = aiohttp.ClientTimeout(total=None, sock_connect=None)
"""The deadline is the caller's; aiohttp keeps none."""

BROKEN: Final = (aiohttp.ClientError, HttpProcessingError, OSError)
"""What aiohttp raises when an answer does not come, or not wholly."""

_progress: ContextVar[Progress] = ContextVar("progress")
"""Whose connection is being made; happy eyeballs dials in tasks of its own."""


class Target:
    """A URL in the forms in which it is needed for every request to it."""

    __slots__ = ("host", "kept", "name", "request", "start")

    def __init__(self, url: str, loop: asyncio.AbstractEventLoop, tls: ssl.SSLContext) -> None:
        """Parse `url`; RequestFailure if it cannot be dialled."""
        origin, path = split(url)
        self.host = origin.host_port_subcomponent or ""
        self.name = origin.raw_host or ""
        """The host alone, as it is looked up."""
        self.start = f"POST {path} HTTP/1.1\r\nHost: {self.host}\r\n"
        self.request = aiohttp.ClientRequest("POST", origin, loop=loop, ssl=tls)
        """What the connector wants to know of the origin; nothing is sent from it."""
        self.kept: list[Connection] = []
        """Connections that were just used, for the next requests."""


class AnswerStream(httpx.AsyncByteStream):
    """An answer's body as it comes from the wire; it owns the connection until closed."""

    def __init__(self, connection: Connection, payload: aiohttp.StreamReader, progress: Progress) -> None:
        """Read `payload` from `connection`."""
        self._connection = connection
        self._payload = payload
        self._progress = progress
        self._closed = connection.protocol.closed if connection.protocol is not None else None
        if self._closed is not None and not payload.is_eof():
            self._closed.add_done_callback(self._lost)

    def _lost(self, closed: asyncio.Future[None]) -> None:
        """Wake the reader: aiohttp leaves it waiting when a body turns out to be malformed."""
        if not closed.cancelled():
            closed.exception()
        if not self._payload.is_eof() and self._payload.exception() is None:
            self._payload.set_exception(HttpProcessingError(message="the body is malformed"))

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Raw chunks, until the end of the body."""
        return self

    async def __anext__(self) -> bytes:
        """The bytes that are there, or the next ones; TransportFailure if the answer breaks off."""
        try:
            chunk = await self._payload.readany()
        except BROKEN as problem:
            raise exchange_failure(problem, self._progress) from problem
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Keep the connection if all of the body was read, else close it."""
        if self._closed is not None:
            self._closed.remove_done_callback(self._lost)
        part_with(self._connection, self._payload)


def part_with(connection: Connection, payload: aiohttp.StreamReader) -> None:
    """Give a connection back to the pool, or close it if there is more on it, either way."""
    transport = connection.transport
    if payload.at_eof() and transport is not None and not transport.get_write_buffer_size():
        connection.release()
    else:
        connection.close()


class AiohttpTransport(httpx.AsyncBaseTransport):
    """HTTP/1.1 with keep-alive over aiohttp's connector, behind the address guard.

    It belongs to the event loop in which it is first used. `limit` bounds its connections (0: no bound);
    requests beyond it wait, so let it be no less than the requests in flight. TLS is always verified: `tls`
    may be another context (a private authority, say), but not one that trusts anybody. A request with a
    client certificate goes over connections of that certificate alone. Where there is no file descriptor for a
    new connection, a request waits for one.
    Answers carry the dialled `ip:port` in `extensions["address"]`.
    """

    def __init__(self, *, guard: GuardPolicy | None = None, tls: ssl.SSLContext | None = None, limit: int = 4096) -> None:
        """Make a transport; ValueError for a context that does not verify."""
        self._guard = guard or GuardPolicy()
        self._certificates = Certificates(tls)
        if tls is None:
            tls = system_context()
        if tls.verify_mode is not ssl.CERT_REQUIRED or not tls.check_hostname:
            raise ValueError("tls: the context must verify certificates and host names")
        self._tls = tell_what_was_presented(tls)
        self._limit = limit
        self._closed = False
        self._connector: aiohttp.TCPConnector | None = None
        self._resolver: Resolver | None = None
        self._room = Room()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._keeping: set[Target] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._under_way = 0
        """Requests on the short way."""
        self._streaming = False
        """Somebody sends on the other way, where nobody counts: nothing is kept at hand."""
        self._targets: OrderedDict[str, Target] = OrderedDict()
        self._certified: OrderedDict[tuple[str, ClientCertificate], Target] = OrderedDict()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; TransportFailure (an httpx.TransportError) if no answer comes.

        The body is sent with Content-Length, whatever it is. The extension `target` (bytes) overrides the
        request target, as in httpcore.
        """
        self._streaming = True
        progress: Progress = request.extensions.get("progress") or Progress()
        body = await request.aread()
        raw_target: bytes = request.extensions.get("target", request.url.raw_path)
        lines = [b"%s %s HTTP/1.1" % (request.method.encode("ascii"), raw_target)]
        framing = {b"content-length", b"transfer-encoding"}
        lines += [b"%s: %s" % (name, value) for name, value in request.headers.raw if name.lower() not in framing]
        head = b"\r\n".join(lines) + b"\r\nContent-Length: %d\r\n\r\n" % len(body)
        target = self._target(str(request.url))
        connection, message, payload = await self._exchange(progress, target, head + body, skip_body=request.method == "HEAD")
        return httpx.Response(
            message.code,
            headers=list(message.raw_headers),
            stream=AnswerStream(connection, payload, progress),
            extensions={"http_version": b"HTTP/1.1", "address": progress.address},
        )

    async def post(
        self,
        progress: Progress,
        url: str,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        user_agent: str,
        *,
        certificate: ClientCertificate | None = None,
    ) -> None:
        """The short way for `Poster`: no httpx objects; what comes is put into `progress`."""
        self._under_way += 1
        try:
            if certificate is None:
                target = self._targets.get(url) or self._target(url)
            else:
                target = self._certified.get((url, certificate)) or await self._certified_target(progress, url, certificate)
            head = f"{target.start}{fields(headers, user_agent)}Content-Length: {len(body)}\r\n\r\n"
            connection, message, payload = await self._exchange(progress, target, encode(head) + body, skip_body=False)
            progress.status = message.code
            progress.headers = message.headers
            if payload.is_eof() and payload.exception() is None:
                progress.body = payload.read_nowait(-1)[:LONGEST_BODY]
                self._keep(target, connection, payload)
            else:
                await read_into(progress, AnswerStream(connection, payload, progress))
        finally:
            self._under_way -= 1

    async def _exchange(
        self, progress: Progress, target: Target, request: bytes, *, skip_body: bool
    ) -> tuple[Connection, RawResponseMessage, aiohttp.StreamReader]:
        """Write a whole request and read the head of its final answer."""
        connection, protocol, transport = await self._connect(progress, target)
        try:
            protocol.set_response_params(
                skip_payload=skip_body,
                read_until_eof=True,
                auto_decompress=False,
                read_bufsize=LONGEST_BODY,
                max_line_size=LONGEST_LINE,
                max_field_size=LONGEST_LINE,
                max_headers=MOST_HEADERS,
            )
            transport.write(request)
            for _ in range(MOST_INFORMATIONAL + 1):
                message, payload = await protocol.read()
                if message.code >= 200 or message.code == 101:
                    progress.phase = Phase.READING
                    return connection, message, payload
            raise AnswerFailure(ErrorClass.PROTOCOL, f"{progress.address} sent more than {MOST_INFORMATIONAL} interim answers")
        except BROKEN as problem:
            connection.close()
            raise exchange_failure(problem, progress) from problem
        except BaseException:
            connection.close()
            raise

    async def _connect(self, progress: Progress, target: Target) -> tuple[Connection, ResponseHandler, asyncio.Transport]:
        """Take a connection from the pool, or make one."""
        connector = self._connector
        if connector is None:
            raise ConnectFailure(ErrorClass.CONNECTION, "the transport is closed")
        while True:
            progress.address = progress.shortage = ""
            try:
                if target.kept:
                    connection = target.kept.pop()
                else:
                    self._let_go()  # what others have at hand may be the last that may be open
                    _progress.set(progress)
                    connection = await connector.connect(target.request, [], UNBOUNDED)
            except asyncio.CancelledError:
                if self._resolver is not None and self._resolver.is_resolving(target.name):
                    progress.phase = Phase.RESOLVING
                raise
            except (aiohttp.ClientError, OSError, UnicodeError) as problem:
                # The C library does not say why a name could not be looked up.
                if not progress.shortage and isinstance(problem, aiohttp.ClientConnectorDNSError) and are_short():
                    progress.shortage = shortage()
                if not progress.shortage:
                    raise connect_failure(problem, target.host, progress.address) from problem
                progress.address = ""
                await self._room.wait(progress.shortage)
                continue
            protocol, transport = connection.protocol, connection.transport
            # Bytes that came while it was idle are no answer to what is sent now. On a new connection (then
            # an address was dialled) they are all that this receiver will ever say.
            if (
                protocol is not None
                and transport is not None
                and (progress.address or not (protocol.should_close or transport.is_closing()))
            ):
                progress.address = printed(transport.get_extra_info("peername"))
                progress.phase = Phase.WAITING
                return connection, protocol, transport
            connection.close()

    def _keep(self, target: Target, connection: Connection, payload: aiohttp.StreamReader) -> None:
        """Have a connection at hand for the next request to the same URL: to give it back and ask for it costs much more."""
        protocol, transport = connection.protocol, connection.transport
        if (
            self._closed
            or self._streaming
            or (self._limit and self._under_way > self._limit)  # somebody waits for just this one
            or protocol is None
            or transport is None
            or protocol.should_close
            or not payload.at_eof()
            or transport.get_write_buffer_size()
        ):
            part_with(connection, payload)
            return
        target.kept.append(connection)
        self._keeping.add(target)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(AT_HAND, self._let_go)

    def _let_go(self) -> None:
        """Give all connections that are at hand back to the connector."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        while self._keeping:
            target = self._keeping.pop()
            kept, target.kept = target.kept, []
            for connection in kept:
                connection.release()

    def _target(self, url: str) -> Target:
        """The parsed form of `url`; the oldest of too many is forgotten."""
        if (target := self._targets.get(url)) is not None:
            return target
        target = self._targets[url] = Target(url, self._open(), self._tls)
        if len(self._targets) > MOST_TARGETS:
            self._targets.popitem(last=False)
        return target

    async def _certified_target(self, progress: Progress, url: str, certificate: ClientCertificate) -> Target:
        """The parsed form of `url` for requests that show `certificate`."""
        loop = self._open()
        while are_short():  # the authorities are in files, and those that cannot be opened are left out without a word
            progress.shortage = shortage()
            await self._room.wait(progress.shortage)
        progress.shortage = ""
        # To read all authorities takes some 10 ms, once for a certificate: not in the way of other requests.
        context = await loop.run_in_executor(None, self._certificates.context, certificate)
        target = self._certified[url, certificate] = Target(url, loop, context)
        if len(self._certified) > MOST_TARGETS:
            self._certified.popitem(last=False)
        return target

    def _open(self) -> asyncio.AbstractEventLoop:
        """The loop that the transport belongs to; makes the connector if there is none."""
        if self._closed:
            raise ConnectFailure(ErrorClass.CONNECTION, "the transport is closed")
        if self._connector is None:
            self._loop = asyncio.get_running_loop()
            self._resolver = Resolver()
            self._connector = aiohttp.TCPConnector(
                resolver=self._resolver,
                limit=self._limit,
                limit_per_host=0,
                keepalive_timeout=KEEP_ALIVE,
                ttl_dns_cache=DNS_LIFETIME,
                socket_factory=self._socket,
            )
        return self._loop or asyncio.get_running_loop()

    def _socket(self, dialled: AddrInfoType) -> socket.socket:
        """A socket for an address that is about to be dialled; AddressBlocked if the guard refuses it."""
        family, kind, protocol, _, where = dialled
        address = printed(where)
        progress = _progress.get()
        progress.address = address
        if reason := self._guard.refusal(str(where[0])):
            raise AddressBlocked(address, reason)
        try:
            return socket.socket(family, kind, protocol)
        except OSError as problem:
            if is_shortage(problem):
                progress.shortage = shortage(problem)
            raise

    async def aclose(self) -> None:
        """Close all connections; requests under way fail. It cannot be opened again."""
        self._closed = True
        self._targets.clear()
        self._certified.clear()
        self._room.close()
        connector, self._connector = self._connector, None
        try:
            if connector is not None:
                await connector.close()
        finally:
            self._let_go()


def printed(address: tuple[object, ...] | None) -> str:
    """A socket address as `ip:port`, with brackets around IPv6."""
    if not address:
        return ""
    return f"[{address[0]}]:{address[1]}" if ":" in str(address[0]) else f"{address[0]}:{address[1]}"
