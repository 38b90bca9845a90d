"""Requests as the platforms send them: signed, with bodies in their forms."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from time import time
from typing import Any

import httpx

from hookline.receiver import Verifier
from hookline.signing import SignableRequest, scheme

URL = "http://receiver.test/hooks"
JSON = (("Content-Type", "application/json"),)
FORM = (("Content-Type", "application/x-www-form-urlencoded"),)
NUMBERS = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A platform: its scheme and its secret."""

    name: str
    secret: str

    def verifier(self, **options: Any) -> Verifier:
        return Verifier(self.name, self.secret, **options)

    def signed(
        self,
        body: bytes,
        *,
        id: str = "",
        type: str = "",
        headers: tuple[tuple[str, str], ...] = JSON,
        url: str = URL,
        now: int | None = None,
    ) -> SignableRequest:
        request = SignableRequest(url=url, headers=headers, body=body, id=id, event_type=type)
        return scheme(self.name).sign(request, [self.secret], int(time()) if now is None else now)


def sender(name: str) -> Sender:
    return Sender(name=name, secret=scheme(name).generate_secret())


def text(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


STANDARD = sender("standard")


def standard(type: str = "invoice.paid", data: object = None, *, id: str = "", now: int | None = None) -> SignableRequest:
    """A request of Standard Webhooks, with an id of its own if none is given."""
    body = text({"type": type, "timestamp": "2026-11-24T10:00:00Z", "data": {"amount": 100} if data is None else data})
    return STANDARD.signed(body, id=id or f"msg_{next(NUMBERS)}", now=now)


def post(client: Any, request: SignableRequest, **more: Any) -> Any:
    """Send it by a client of httpx."""
    return client.post(request.url, headers=list(request.headers), content=request.body, **more)


def client_of(app: Callable[..., Any]) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://receiver.test")
