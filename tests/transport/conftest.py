"""A poster by each of its two ways."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
import pytest_asyncio
import trustme

from hookline.transport import AiohttpTransport, GuardPolicy, Poster

try:
    import uvloop
except ImportError:
    uvloop = None


class Plain(httpx.AsyncBaseTransport):
    """Hides what the transport is, so that `Poster` goes through the httpx interface."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._inner.handle_async_request(request)


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Both loops, for they differ in what they raise; virtual time runs on asyncio's alone."""
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if uvloop is not None and item.path.name in {"test_at_hand.py", "test_failures.py", "test_requests.py"}:
        factories["uvloop"] = uvloop.new_event_loop
    return factories


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(params=["short", "httpx"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """Trusts the tests' own authority as well."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest_asyncio.fixture
async def transport(tls: ssl.SSLContext) -> AsyncIterator[AiohttpTransport]:
    made = AiohttpTransport(guard=GuardPolicy(allow_loopback=True), tls=tls)
    yield made
    await made.aclose()


@pytest.fixture
def poster(transport: AiohttpTransport, way: str) -> Poster:
    return Poster(transport if way == "short" else Plain(transport), user_agent="hookline-test")
