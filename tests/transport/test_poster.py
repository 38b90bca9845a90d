"""`Poster` over other transports than ours, and its deadline in virtual time."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hookline.model import ErrorClass
from hookline.transport import LONGEST_BODY, Poster

URL = "https://receiver.example/hook"


class LoopClock:
    """The loop's own time, so that durations are virtual as well."""

    def time(self) -> float:
        return asyncio.get_running_loop().time()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class Slow(httpx.AsyncBaseTransport):
    """Takes `head` seconds to the head, and as long for each byte of an endless body."""

    def __init__(self, head: float, chunk: float = 0.0) -> None:
        self._head = head
        self._chunk = chunk
        self.closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(self._head)
        if not self._chunk:
            return httpx.Response(200, content=b"ok")
        return httpx.Response(200, stream=Drip(self._chunk, self))


class Drip(httpx.AsyncByteStream):
    def __init__(self, pause: float, owner: Slow) -> None:
        self._pause = pause
        self._owner = owner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(self._pause)
            yield b"x"

    async def aclose(self) -> None:
        self._owner.closed = True


@pytest.mark.looptime
async def test_an_answer_within_the_deadline_took_its_time():
    answer = await Poster(Slow(14.0), clock=LoopClock(), user_agent="x").post(URL, [], b"", timeout=15.0)
    assert (answer.status, answer.error) == (200, None)
    assert answer.duration == pytest.approx(14.0)


@pytest.mark.looptime
async def test_the_deadline_holds_before_the_head():
    answer = await Poster(Slow(3600.0), clock=LoopClock(), user_agent="x").post(URL, [], b"", timeout=15.0)
    assert (answer.status, answer.error) == (0, ErrorClass.TIMEOUT)
    assert answer.detail == "no answer within 15 s (waiting for a connection to receiver.example)"
    assert answer.duration == pytest.approx(15.0)


@pytest.mark.looptime
async def test_the_deadline_is_one_for_head_and_body():
    slow = Slow(10.0, 2.0)
    answer = await Poster(slow, clock=LoopClock(), user_agent="x").post(URL, [], b"", timeout=15.0)
    assert (answer.status, answer.error, answer.body) == (200, ErrorClass.TIMEOUT, b"xx")
    assert answer.duration == pytest.approx(15.0)
    assert slow.closed


@pytest.mark.looptime
async def test_a_cancellation_is_no_timeout():
    under_way = asyncio.ensure_future(Poster(Slow(10.0), user_agent="x").post(URL, [], b"", timeout=15.0))
    await asyncio.sleep(1.0)
    under_way.cancel()
    with pytest.raises(asyncio.CancelledError):
        await under_way


async def test_a_mock_transport_sees_the_request_and_its_answer_comes_back():
    def handle(request: httpx.Request) -> httpx.Response:
        assert request.method == "POST"
        assert str(request.url) == "https://receiver.example/a%41b?x=%2f"
        assert request.extensions["target"] == b"/a%41b?x=%2f"
        assert (b"Webhook-Id", b"msg_1") in request.headers.raw
        assert request.headers["user-agent"] == "x"
        return httpx.Response(503, headers={"Retry-After": "3"}, content=request.content * 2)

    poster = Poster(httpx.MockTransport(handle), user_agent="x")
    answer = await poster.post("https://receiver.example/a%41b?x=%2f", [("Webhook-Id", "msg_1")], b"ab", timeout=60)
    assert (answer.status, answer.error, answer.detail, answer.body, answer.address) == (503, None, "", b"abab", "")
    assert answer.headers["retry-after"] == "3"


async def test_an_asgi_application_can_be_the_receiver():
    async def hook(request: Request) -> Response:
        return Response(await request.body() + b"!", 201)

    app = Starlette(routes=[Route("/hook", hook, methods=["POST"])])
    answer = await Poster(httpx.ASGITransport(app), user_agent="x").post(URL, [], b"hi", timeout=60)
    assert (answer.status, answer.body, answer.error) == (201, b"hi!", None)


async def test_a_body_is_cut_and_not_decompressed_whatever_the_transport():
    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"x" * 100_000))

    answer = await Poster(httpx.MockTransport(handle), user_agent="x").post(URL, [], b"", timeout=60)
    assert (answer.error, answer.body) == (None, b"x" * LONGEST_BODY)


def with_cause(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (httpx.ConnectTimeout("secret"), ErrorClass.TIMEOUT),
        (httpx.PoolTimeout("secret"), ErrorClass.TIMEOUT),
        (TimeoutError("secret"), ErrorClass.TIMEOUT),
        (httpx.ConnectError("secret"), ErrorClass.CONNECTION),
        (httpx.ReadError("secret"), ErrorClass.CONNECTION),
        (httpx.RemoteProtocolError("secret"), ErrorClass.PROTOCOL),
        (httpx.LocalProtocolError("secret"), ErrorClass.PROTOCOL),
        (httpx.UnsupportedProtocol("secret"), ErrorClass.PROTOCOL),
        (httpx.InvalidURL("secret"), ErrorClass.PROTOCOL),
        (with_cause(httpx.ConnectError("secret"), ConnectionRefusedError()), ErrorClass.REFUSED),
        (with_cause(httpx.ConnectError("secret"), ssl.SSLError(1, "wrong version")), ErrorClass.TLS),
        (with_cause(httpx.ConnectError("secret"), OSError(113, "No route to host")), ErrorClass.CONNECTION),
        (RuntimeError("secret"), ErrorClass.CONNECTION),
        (ValueError("secret"), ErrorClass.CONNECTION),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
async def test_whatever_a_transport_raises_is_an_answer(error: Exception, expected: ErrorClass, caplog: pytest.LogCaptureFixture):
    def handle(request: httpx.Request) -> httpx.Response:
        raise error

    with caplog.at_level(logging.ERROR):
        answer = await Poster(httpx.MockTransport(handle), user_agent="x").post(URL, [], b"", timeout=60)
    assert (answer.status, answer.error) == (0, expected)
    assert answer.detail
    assert "secret" not in answer.detail
    assert bool(caplog.records) == isinstance(error, RuntimeError | ValueError)
