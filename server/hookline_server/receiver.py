"""A small receiver of webhooks: verifies every request, answers, and fails on purpose if it is told to."""

import asyncio
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from aiohttp import web

from hookline.errors import HooklineError
from hookline.signing import SignableRequest, scheme

try:  # the extra `server` brings it
    from standardwebhooks import Webhook, WebhookVerificationError
except ImportError:
    Webhook = None  # type: ignore[assignment, misc]  # stands for "not installed"

LARGEST_BODY: Final = 20 * 1024 * 1024
RETRY_AFTER: Final = 1
"""Seconds that a receiver that fails on purpose asks for."""
VERIFIER: Final = "hookline" if Webhook is None else "standardwebhooks"
"""Whose code verifies: the package of the Standard Webhooks project where it is installed."""


class Answer(StrEnum):
    """How a request was answered."""

    TAKEN = "taken"
    REFUSED = "refused"
    """401: the signature is not right."""
    UNAVAILABLE = "unavailable"
    """503 with Retry-After, on purpose."""
    HANG = "hang"
    """No answer, on purpose."""
    RESET = "reset"
    """The connection was broken off, on purpose."""


FAULTS: Final = (Answer.UNAVAILABLE, Answer.HANG, Answer.RESET)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A request that came. `verified` is None if there was no secret to verify with; `fault` says why it is not."""

    time: datetime
    webhook_id: str
    event_type: str
    verified: bool | None
    fault: str
    answer: Answer
    body: bytes


class Receiver:
    """Takes webhooks at every path of one address; `async with` starts and stops it."""

    def __init__(
        self,
        told: Callable[[Received], None],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        secrets: Sequence[str] = (),
        fail: float = 0.0,
        hang: float = 30.0,
        delay: float = 0.0,
        seed: int | None = None,
    ) -> None:
        """Call `told` for every request, before it is answered.

        With `fail` (0 to 1) so large a part is answered 503, not at all for `hang` seconds, or by
        breaking off. Every answer takes `delay` seconds.
        """
        self._told = told
        self._host = host
        self._port = port
        self._secrets = tuple(secrets)
        self._fail = fail
        self._hang = hang
        self._delay = delay
        self._random = random.Random(seed)  # failures on purpose, no secret
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The port that it listens on, once it is started."""
        return self._port

    async def __aenter__(self) -> "Receiver":
        """Listen. Raises OSError."""
        app = web.Application(client_max_size=LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self._take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except BaseException:
            await runner.cleanup()
            raise
        self._runner = runner
        self._port = runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        verified, fault = self._verify(request, body)
        answer = self._answer(verified)
        self._told(
            Received(
                time=datetime.now(UTC),
                webhook_id=request.headers.get("webhook-id", ""),
                event_type=_event_type(request.headers, body),
                verified=verified,
                fault=fault,
                answer=answer,
                body=body,
            )
        )
        await asyncio.sleep(self._hang if answer is Answer.HANG else self._delay)
        match answer:
            case Answer.TAKEN:
                return web.Response(status=200, text="taken\n")
            case Answer.REFUSED:
                return web.Response(status=401, text=f"{fault}\n")
            case Answer.RESET:
                if request.transport is not None:
                    request.transport.abort()
                return web.Response(status=500)
            case Answer.UNAVAILABLE | Answer.HANG:
                return web.Response(status=503, headers={"retry-after": str(RETRY_AFTER)}, text="on purpose\n")

    def _answer(self, verified: bool | None) -> Answer:
        if verified is False:
            return Answer.REFUSED
        if self._fail and self._random.random() < self._fail:
            return self._random.choice(FAULTS)
        return Answer.TAKEN

    def _verify(self, request: web.Request, body: bytes) -> tuple[bool | None, str]:
        if not self._secrets:
            return None, ""
        fault = ""
        for secret in self._secrets:
            fault = _fault(request, body, secret)
            if not fault:
                return True, ""
        return False, fault


def _fault(request: web.Request, body: bytes, secret: str) -> str:
    """Why a request is not from who has the secret; empty if it is."""
    if Webhook is not None:
        try:
            Webhook(secret).verify(body, dict(request.headers))
        except WebhookVerificationError as error:
            return str(error) or "the signature is not right"
        except ValueError:
            return ""  # verified, and then not JSON, which a raw body need not be
        return ""
    signed = SignableRequest(method=request.method, url=str(request.url), headers=tuple(request.headers.items()), body=body)
    try:
        scheme("standard").verify(signed, (secret,), int(time.time()))
    except HooklineError as error:
        return error.message
    return ""


def _event_type(headers: Mapping[str, str], body: bytes) -> str:
    """The type that the request names, in any of the body formats; empty if it names none."""
    if "ce-type" in headers:
        return headers["ce-type"]
    try:
        document = json.loads(body)
    except ValueError:
        return ""
    named = document.get("type") if isinstance(document, dict) else None
    return named if isinstance(named, str) else ""
