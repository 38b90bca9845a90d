"""Why no whole answer came, as exceptions and as words.

    httpx.TransportError
    └── TransportFailure       one of ours: carries the error class
        ├── ConnectFailure     DNS, REFUSED, TLS, BLOCKED, CONNECTION before anything was sent; an httpx.ConnectError
        ├── ReadFailure        CONNECTION, TLS: it broke after the request was sent; an httpx.ReadError
        ├── AnswerFailure      PROTOCOL: the answer was not HTTP; an httpx.RemoteProtocolError
        └── RequestFailure     PROTOCOL: the request cannot be written; an httpx.LocalProtocolError

Messages are shown to operators. They name addresses and causes; never a header's value, never a body.
"""

import errno
import socket
import ssl
from collections.abc import Iterator
from itertools import islice
from typing import Final

import aiohttp
import httpx
from aiohttp.http_exceptions import HttpProcessingError

from hookline.errors import quoted
from hookline.model import ErrorClass
from hookline.transport.answer import Phase, Progress

MOST_CAUSES: Final = 10
"""Links of a chain of exceptions that are looked at."""


class TransportFailure(httpx.TransportError):
    """No whole answer came."""

    def __init__(self, error: ErrorClass, detail: str) -> None:
        """`detail` is one sentence that names the cause."""
        super().__init__(detail)
        self.error = error
        self.detail = detail


class ConnectFailure(TransportFailure, httpx.ConnectError):
    """There was no connection; nothing was sent."""


class ReadFailure(TransportFailure, httpx.ReadError):
    """The connection broke; the receiver may have taken the request."""


class AnswerFailure(TransportFailure, httpx.RemoteProtocolError):
    """What came back was not HTTP."""


class RequestFailure(TransportFailure, httpx.LocalProtocolError):
    """The request cannot be written as HTTP; nothing was sent."""

    def __init__(self, detail: str) -> None:
        """`detail` is one sentence that names the cause."""
        super().__init__(ErrorClass.PROTOCOL, f"{detail}; nothing was sent")


class AddressBlocked(OSError):
    """The guard refused an address."""

    def __init__(self, address: str, reason: str) -> None:
        """`address` is `ip:port`."""
        super().__init__(errno.EACCES, f"{address} is not dialled: {reason}")


def words(problem: BaseException) -> str:
    """What an operating system or TLS error says, without its number."""
    if isinstance(problem, ssl.SSLError):
        # Only those that OpenSSL itself made have these.
        said = getattr(problem, "verify_message", "") or getattr(problem, "reason", "") or "the handshake failed"
        return str(said) if hasattr(problem, "verify_message") else str(said).lower().replace("_", " ")
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    return str(problem) or type(problem).__name__


def connect_failure(problem: Exception, host: str, address: str) -> ConnectFailure:
    """Why there is no connection to `host`; `address` is what was dialled last, or empty."""
    place = f"{address} ({host})" if address and not address.startswith(host) else address or host
    cause = problem.os_error if isinstance(problem, aiohttp.ClientConnectorError) else problem
    if isinstance(problem, aiohttp.ClientConnectorDNSError):
        cause = socket.gaierror(None, words(cause))
    match cause:
        case AddressBlocked():
            error, detail = ErrorClass.BLOCKED, f"{words(cause)} ({host})"
        case aiohttp.InvalidURL():
            error, detail = ErrorClass.BLOCKED, f"the host {quoted(host)} is a number, but not an IPv4 address in four parts"
        case socket.gaierror() | UnicodeError():
            error, detail = ErrorClass.DNS, f"the name {quoted(host)} was not resolved: {words(cause)}"
        case ssl.SSLError():
            error, detail = ErrorClass.TLS, f"TLS with {place} failed: {words(cause)}"
        case ConnectionRefusedError():
            error, detail = ErrorClass.REFUSED, f"{place} refused the connection"
        case TimeoutError():
            error, detail = ErrorClass.TIMEOUT, f"{place} did not answer the connection"
        case _:
            error, detail = ErrorClass.CONNECTION, f"no connection to {place}: {words(cause)}"
    return ConnectFailure(error, detail)


def exchange_failure(problem: Exception, progress: Progress) -> TransportFailure:
    """Why the answer to a request that was sent did not come, or not wholly."""
    missing = "answering" if progress.phase is Phase.WAITING else "the answer was complete"
    broke = f"{progress.address} closed the connection before {missing}"
    if isinstance(problem, HttpProcessingError):
        first = (problem.message or "").partition("\n")[0].rstrip(":")
        return AnswerFailure(ErrorClass.PROTOCOL, f"{progress.address} did not answer in HTTP: {quoted(first)}")
    for cause in islice(causes(problem), MOST_CAUSES):
        if isinstance(cause, ssl.SSLError):  # with TLS 1.3 a refused client certificate shows only now
            return ReadFailure(ErrorClass.TLS, f"{broke}: TLS failed: {words(cause)}")
    if isinstance(problem, OSError) and problem.strerror:
        return ReadFailure(ErrorClass.CONNECTION, f"{broke}: {words(problem)}")
    return ReadFailure(ErrorClass.CONNECTION, broke)


def foreign_failure(problem: Exception) -> tuple[ErrorClass, str]:
    """The class and the words for an error of somebody else's transport.

    Only its type is named: what its message holds is not known.
    """
    name = type(problem).__name__
    for cause in islice(causes(problem), MOST_CAUSES):
        found = known_cause(cause, name)
        if found is not None:
            return found
    return ErrorClass.CONNECTION, f"the connection failed ({name})"


def known_cause(cause: BaseException, name: str) -> tuple[ErrorClass, str] | None:
    """The class and the words for one exception, None if it says nothing; `name` is what is shown of it."""
    match cause:
        case httpx.TimeoutException():
            found = ErrorClass.TIMEOUT, f"the transport gave up waiting ({name})"
        case httpx.ProtocolError() | httpx.DecodingError():
            found = ErrorClass.PROTOCOL, f"the answer was not HTTP, or the request cannot be sent ({name})"
        case httpx.InvalidURL() | httpx.UnsupportedProtocol():
            found = ErrorClass.PROTOCOL, f"the URL cannot be used ({name}); nothing was sent"
        case ssl.SSLError():
            found = ErrorClass.TLS, f"TLS failed: {words(cause)}"
        case socket.gaierror():
            found = ErrorClass.DNS, f"the receiver's name was not resolved: {words(cause)}"
        case ConnectionRefusedError():
            found = ErrorClass.REFUSED, "the receiver refused the connection"
        case _:
            return None
    return found


def causes(problem: BaseException) -> Iterator[BaseException]:
    """`problem`, and what led to it, in turn."""
    cause: BaseException | None = problem
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def timed_out(timeout: float, url_host: str, progress: Progress) -> tuple[ErrorClass, str]:
    """The class, and what was under way when `timeout` seconds were over."""
    error = ErrorClass.TIMEOUT
    if progress.shortage:
        error, detail = ErrorClass.CONNECTION, f"no connection within {timeout:g} s, for {progress.shortage}; nothing was sent"
    elif progress.phase is Phase.RESOLVING:
        error = ErrorClass.DNS
        detail = (
            f"the name of {quoted(url_host)} was not resolved within {timeout:g} s: no name server answers; see whether those of "
            "this machine (/etc/resolv.conf) are up; nothing was sent"
        )
    elif progress.phase is Phase.CONNECTING:
        doing = f"connecting to {progress.address}" if progress.address else f"waiting for a connection to {url_host}"
        detail = f"no answer within {timeout:g} s ({doing})"
    elif progress.phase is Phase.WAITING:
        detail = f"no answer within {timeout:g} s (waiting for {progress.address or url_host} to answer)"
    else:
        detail = (
            f"no complete answer within {timeout:g} s (status {progress.status} and {len(progress.body)} bytes of the body came)"
        )
    return error, detail
