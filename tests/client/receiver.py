"""A receiver on loopback that records what it gets and answers as it was told."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from aiohttp import web
from standardwebhooks.webhooks import Webhook

PATIENCE = 60.0
"""Seconds after which a request that was waited for will not come any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How to answer one request. `hang`: not before the receiver is released; `close`: by closing the connection."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    body: bytes = b""
    hang: bool = False
    close: bool = False


HANG = Answer(hang=True)
CLOSE = Answer(close=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A request as it came; header names are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def webhook_id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> Any:
        """The payload, if the reference verifier of Standard Webhooks accepts the request; raises otherwise."""
        return Webhook(secret).verify(self.body, dict(self.headers))


class Receiver:
    """Answers 200 unless a script for the path says otherwise."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self._answers: defaultdict[str, deque[Answer]] = defaultdict(deque)
        self._always: dict[str, Answer] = {}
        self._news = asyncio.Condition()
        self._released = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._port = 0

    async def start(self) -> None:
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        self.release()
        assert self._runner is not None
        await self._runner.cleanup()

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self._port}{path}"

    def script(self, *answers: Answer | int, path: str = "/") -> None:
        """Answer the next requests to `path` like this, one each."""
        self._answers[path].extend(_answer(each) for each in answers)

    def always(self, answer: Answer | int, path: str = "/") -> None:
        """Answer so when the script for `path` is over."""
        self._always[path] = _answer(answer)

    def release(self) -> None:
        """Answer what hangs."""
        self._released.set()

    def at(self, path: str = "/") -> list[Received]:
        return [each for each in self.received if each.path == path]

    async def wait(self, count: int = 1, path: str = "/") -> list[Received]:
        """The requests to `path`, as soon as there are `count`."""
        async with self._news:
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._news.wait_for(lambda: len(self.at(path)) >= count)
            except TimeoutError:
                raise AssertionError(f"{len(self.at(path))} requests to {path} after {PATIENCE:g} s, not {count}") from None
        return self.at(path)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        path = request.path
        async with self._news:
            self.received.append(Received(path=path, headers=headers, body=body, at=asyncio.get_running_loop().time()))
            self._news.notify_all()
        script = self._answers[path]
        answer = script.popleft() if script else self._always.get(path, Answer())
        if answer.hang:
            await self._released.wait()
        if answer.close:
            assert request.transport is not None
            request.transport.close()
        return web.Response(status=answer.status, headers=dict(answer.headers), body=answer.body)


def _answer(answer: Answer | int) -> Answer:
    return Answer(status=answer) if isinstance(answer, int) else answer
