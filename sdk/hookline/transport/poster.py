"""One POST, one answer, within one deadline; never an exception."""

import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

import httpx

from hookline.clock import Clock, SystemClock
from hookline.deadline import Deadlines
from hookline.model import ClientCertificate, ErrorClass
from hookline.transport.aiohttp_transport import AiohttpTransport
from hookline.transport.answer import Answer, Phase, Progress, read_into
from hookline.transport.failure import ConnectFailure, TransportFailure, foreign_failure, timed_out
from hookline.transport.request import encode, fields, split

LOGGER: Final = logging.getLogger(__name__)


@lru_cache(maxsize=4096)
def read(url: str) -> tuple[httpx.URL, bytes]:
    """A URL as httpx wants it, and the request target as it is to be sent; RequestFailure, InvalidURL."""
    _, target = split(url)
    return httpx.URL(url), target.encode("ascii")


class Poster:
    """Posts over a transport, and answers with what became of it.

    Redirects are not followed, cookies are not kept, bodies are not decompressed. Any httpx transport will
    do; over an `AiohttpTransport` it goes a shorter way, to the same end.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport, *, user_agent: str, clock: Clock | None = None) -> None:
        """Post over `transport`, which stays the caller's to close; `clock` measures durations."""
        self._transport = transport
        self._short = transport if isinstance(transport, AiohttpTransport) else None
        self._user_agent = user_agent
        self._monotonic = (clock or SystemClock()).monotonic
        self._deadlines = Deadlines()

    async def post(
        self,
        url: str,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        *,
        timeout: float,
        certificate: ClientCertificate | None = None,
    ) -> Answer:
        """POST `body` to `url`, headers in the order and case given.

        `timeout` is in seconds and covers all of it: resolving, connecting, TLS, the request, the answer and
        the 16 KiB of its body that are read. `certificate` is shown in the TLS handshake; over a transport
        other than `AiohttpTransport`, which could not be told, nothing is sent then. Raises nothing but
        CancelledError.
        """
        started = self._monotonic()
        progress = Progress()
        error: ErrorClass | None = None
        detail = ""
        try:
            with self._deadlines.within(timeout):
                if self._short is not None:
                    await self._short.post(progress, url, headers, body, self._user_agent, certificate=certificate)
                elif certificate is not None:
                    raise ConnectFailure(ErrorClass.TLS, "this transport cannot show a client certificate; nothing was sent")
                else:
                    await self._post_by_httpx(progress, url, headers, body, timeout)
        except TimeoutError:
            error, detail = timed_out(timeout, urlsplit(url).netloc, progress)
        except TransportFailure as failure:
            error, detail = failure.error, failure.detail
        except (httpx.TransportError, httpx.InvalidURL) as problem:
            error, detail = foreign_failure(problem)
        except Exception as problem:
            LOGGER.exception("the transport %s failed in a way that is not its own", type(self._transport).__name__)
            error, detail = foreign_failure(problem)
        return Answer(
            status=progress.status,
            headers=progress.headers,
            body=progress.body,
            error=error,
            detail=detail,
            address=progress.address,
            duration=self._monotonic() - started,
            unmade=bool(progress.shortage),
        )

    async def _post_by_httpx(
        self, progress: Progress, url: str, headers: Sequence[tuple[str, str]], body: bytes, timeout: float
    ) -> None:
        """The way through the interface that every httpx transport has."""
        parsed, target = read(url)
        lines = encode(fields(headers, self._user_agent)).split(b"\r\n")[:-1]
        request = httpx.Request(
            "POST",
            parsed,
            headers=[(name, value) for name, _, value in (line.partition(b": ") for line in lines)],
            content=body,
            extensions={
                "target": target,
                "timeout": dict.fromkeys(("connect", "read", "write", "pool"), timeout),
                "progress": progress,
            },
        )
        response = await self._transport.handle_async_request(request)
        progress.phase = Phase.READING
        progress.status = response.status_code
        progress.headers = response.headers
        progress.address = response.extensions.get("address", "")
        if not isinstance(response.stream, httpx.AsyncByteStream):
            raise TypeError("the transport's answer has no asynchronous body")
        await read_into(progress, response.stream)
