"""A receiver in virtual time that keeps whole requests, and other people's libraries to look at them afterwards."""

import asyncio
import hashlib
import hmac
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import time_machine
from core.signing.judges import IN_PYTHON, Judge
from engine.virtual import EPOCH, LOOPBACK, SLOW_HEART, Reply, World, now, world
from interop.foreign import FOREIGN, why_not

import hookline
from hookline.model import Attempt, Delivery, EventSpec, Subscription
from hookline.signing import SignableRequest

API_KEY = "sk_live_1"
DATA = b'{"cents": 1250, "note":  "\\u00e9 {id}"}'
JUDGES = dict(IN_PYTHON)
"""By scheme."""
TIMELESS = frozenset({"github", "shopify"})
"""Schemes of platforms that publish no library for Python, and that sign no time."""
GIVEN: dict[str, dict[str, Any]] = {
    "saber": {"signature_parameters": {"api_key": API_KEY}},
    # What Shopify's own library wants beside the signature.
    "shopify": {"headers": {"X-Shopify-Shop-Domain": "acme.myshopify.com", "X-Shopify-API-Version": "2026-10"}},
}
"""What a profile leaves to its caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """A request as it came."""

    at: float
    request: SignableRequest

    @property
    def headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.request.headers}


Script = Callable[[int], Reply]
"""What the request of that number, from 1, is told."""


class Keeper(httpx.AsyncBaseTransport):
    """Keeps every request whole."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.got: list[Got] = []
        self.held: dict[str, asyncio.Event] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        headers = tuple((name.decode(), value.decode()) for name, value in request.headers.raw)
        url = LOOPBACK + request.extensions["target"].decode()
        body = await request.aread()
        self.got.append(Got(at=now(), request=SignableRequest(method=request.method, url=url, headers=headers, body=body)))
        reply = self.script(len(self.got))
        if reply.after == math.inf:
            await asyncio.get_running_loop().create_future()
        if reply.error is not None:
            raise reply.error("as the script says")
        return httpx.Response(reply.status, headers=reply.headers)


@dataclass(slots=True, kw_only=True)
class Scene:
    """One subscription made from a profile."""

    world: World
    keeper: Keeper
    subscription: Subscription
    secret: str

    async def deliver(self, within: float, **event: Any) -> tuple[Delivery, list[Attempt]]:
        """Emit one event and wait until it is over."""
        values = {"type": "invoice.paid", "data": DATA, **event}
        await self.world.client.emit_event(EventSpec(**values))
        await self.world.until_done(within=within, step=within / 500)
        (delivery,) = await self.world.deliveries()
        return delivery, await self.world.attempts()


@asynccontextmanager
async def scene(name: str, script: Script, path: str = "/hook?shop=1", **overrides: Any) -> AsyncIterator[Scene]:
    """A world with a receiver after `script`, and one subscription from the profile."""
    async with world(config=SLOW_HEART, start=False) as w:
        keeper = Keeper(script)
        w.receiver = keeper  # type: ignore[assignment]  # another transport for the node that is started now
        await w.node("a")
        spec = hookline.profile(name).spec(url=LOOPBACK + path, **{**GIVEN.get(name, {}), **overrides})
        made = await w.client.subscriptions.create(spec)
        (secret, *_) = await w.client.subscriptions.get_secret(made.id)
        yield Scene(world=w, keeper=keeper, subscription=made, secret=secret.value)


def accepted(profile: str, got: Got, secret: str) -> bool:
    """Whether the platform's own library, or the recipe in its documents, takes the request when it came.

    Where no time is signed, libraries in other languages, which know no time of ours, are asked too.
    """
    scheme = hookline.profile(profile).usual.signature_scheme
    with time_machine.travel(EPOCH + got.at, tick=False):
        taken = _saber(got, secret) if scheme == "custom" else JUDGES[scheme].accepts(got.request, secret)
    return taken and all(judge.accepts(got.request, secret) for judge in _elsewhere(scheme))


def _elsewhere(scheme: str) -> list[Judge]:
    """The libraries whose verdict does not depend on the time, and that are installed."""
    return [judge for each, judge in FOREIGN if each == scheme in TIMELESS and not why_not(judge.language, judge.package)]


def _saber(got: Got, secret: str) -> bool:
    timestamp = got.headers["x-timestamp"]
    expected = hmac.new(secret.encode(), timestamp.encode() + b"." + got.request.body, hashlib.sha256).hexdigest()
    recent = abs(int(timestamp) - (EPOCH + got.at)) <= 1
    return recent and got.headers["x-api-key"] == API_KEY and hmac.compare_digest(got.headers["x-signature"], expected)
