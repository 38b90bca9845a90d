"""How a request shows who sends it: headers that never change, and tokens that are fetched, kept and renewed.

Tokens are kept in memory, for each subscription its own. There is one fetch at a time however many
deliveries wait for it, over the same guarded transport as deliveries. What a token endpoint answers may
hold secrets, so only its status and its error code are ever shown.
"""

import asyncio
import logging
import re
from base64 import b64encode
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec

from hookline.clock import Clock
from hookline.errors import HooklineError
from hookline.model import ApiKey, Authentication, BasicCredentials, BearerToken, OAuth2ClientCredentials
from hookline.transport import Answer, Poster

LOGGER: Final = logging.getLogger(__name__)
FETCH_TIMEOUT: Final = 10.0
"""Seconds for one request to a token endpoint; beside the attempt's own timeout."""
RENEW_AT: Final = 0.8
"""The part of its life after which a token is renewed; it is used meanwhile."""
USUAL_LIFE: Final = 300.0
"""Seconds for which a token is used whose endpoint does not say how long it is good."""
LONGEST_LIFE: Final = 24 * 3600.0
REST: Final = 1.0
"""Seconds for which a failure stands, so that a backlog does not storm an endpoint that is down."""
MOST_TOKENS: Final = 10_000
"""Subscriptions whose tokens are kept; the one used longest ago is forgotten first."""
SHOWN: Final = "***"
"""Stands for a secret where a request is shown."""

_TOKEN: Final = re.compile(r"[!-~]{1,8192}")
_ERROR_CODE: Final = re.compile(r"[a-z_]{1,40}")
_WRONG_PLACE: Final = frozenset({"invalid_client", "invalid_request"})

Key = tuple[str, str]
"""Tenant and subscription."""


class TokenFailure(HooklineError):
    """No token could be had; the message says why, and never a secret."""

    reason = "TOKEN"


def static_headers(authentication: Authentication | None) -> tuple[tuple[str, str], ...]:
    """The header that shows who sends, where it is always the same."""
    match authentication:
        case BearerToken(token=token):
            return (bearer(token),)
        case BasicCredentials(username=username, password=password):
            return (basic(username, password),)
        case ApiKey(header=name, value=value):
            return ((name, value),)
        case _:
            return ()


def bearer(token: str) -> tuple[str, str]:
    """RFC 6750, section 2.1."""
    return "authorization", f"Bearer {token}"


def basic(username: str, password: str) -> tuple[str, str]:
    """RFC 7617, section 2, in UTF-8."""
    return "authorization", f"Basic {b64encode(f'{username}:{password}'.encode()).decode('ascii')}"


def masked(
    headers: tuple[tuple[str, str], ...], authentication: Authentication | None, *, key_header: str = ""
) -> tuple[tuple[str, str], ...]:
    """`headers` as they may be shown: without the authentication's secret, and without the key that a signature scheme sends."""
    own = {key_header.lower()} if key_header else set()
    if authentication is not None:
        own.add(authentication.header.lower() if isinstance(authentication, ApiKey) else "authorization")
    return tuple((name, _shown(value) if name.lower() in own else value) for name, value in headers)


def _shown(value: str) -> str:
    kind, space, _ = value.partition(" ")
    return f"{kind} {SHOWN}" if space and kind in {"Bearer", "Basic"} else SHOWN


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    renew: float
    """By the monotonic clock, as `end`."""
    end: float


@dataclass(slots=True)
class _Kept:
    """What is known for one subscription."""

    credentials: OAuth2ClientCredentials
    token: _Token | None = None
    failure: TokenFailure | None = None
    rests_until: float = 0.0
    fetching: "asyncio.Task[_Token] | None" = None
    in_body: bool = False
    """The endpoint wants the client's credentials in the body."""


class Tokens:
    """The tokens of all subscriptions that need one."""

    def __init__(self, poster: Poster, clock: Clock) -> None:
        """Nothing is fetched yet."""
        self._poster = poster
        self._monotonic = clock.monotonic
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()

    async def token(self, key: Key, credentials: OAuth2ClientCredentials) -> str:
        """A token that is good now. Raises TokenFailure."""
        kept = self._of(key, credentials)
        now = self._monotonic()
        if kept.token is not None and now < kept.token.end:
            if now >= kept.token.renew and kept.fetching is None and now >= kept.rests_until:
                self._fetch(kept)  # behind; meanwhile the old one is good
            return kept.token.value
        return await self._fetched(kept)

    async def another(self, key: Key, credentials: OAuth2ClientCredentials, refused: str) -> str:
        """A token other than `refused`, which the receiver answered with 401. Raises TokenFailure."""
        kept = self._of(key, credentials)
        if kept.token is not None:
            if kept.token.value != refused:  # somebody else was refused too, and has it already
                return kept.token.value
            if kept.fetching is None:
                kept.token = None
        return await self._fetched(kept)

    async def close(self) -> None:
        """Cut off what is being fetched."""
        under_way = [kept.fetching for kept in self._kept.values() if kept.fetching is not None]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        self._kept.clear()

    def _of(self, key: Key, credentials: OAuth2ClientCredentials) -> _Kept:
        kept = self._kept.get(key)
        if kept is None or kept.credentials != credentials:
            kept = self._kept[key] = _Kept(credentials)
            if len(self._kept) > MOST_TOKENS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return kept

    async def _fetched(self, kept: _Kept) -> str:
        if kept.fetching is None:
            if kept.failure is not None and self._monotonic() < kept.rests_until:
                raise TokenFailure(kept.failure.message)
            self._fetch(kept)
        assert kept.fetching is not None
        return (await asyncio.shield(kept.fetching)).value  # others wait for it as well

    def _fetch(self, kept: _Kept) -> None:
        kept.fetching = asyncio.create_task(self._ask(kept), name="hookline-token")
        kept.fetching.add_done_callback(partial(self._done, kept))

    def _done(self, kept: _Kept, task: "asyncio.Task[_Token]") -> None:
        kept.fetching = None
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            kept.token, kept.failure = task.result(), None
        else:
            said = error if isinstance(error, TokenFailure) else TokenFailure(f"{type(error).__name__} while a token was fetched")
            kept.failure, kept.rests_until = said, self._monotonic() + REST
            LOGGER.warning("no token could be fetched: %s", said)

    async def _ask(self, kept: _Kept) -> _Token:
        """Fetch a token (RFC 6749, section 4.4).

        The client authenticates by HTTP Basic, which every server must support (section 2.3.1). Some take its
        credentials in the body alone: one that refuses the client is asked once more so.
        """
        answer = await self._post(kept.credentials, in_body=kept.in_body)
        if not kept.in_body and _refuses_client(answer):
            again = await self._post(kept.credentials, in_body=True)
            if again.error is None and again.status == 200:
                answer, kept.in_body = again, True
        return self._read(kept.credentials, answer)

    async def _post(self, asked: OAuth2ClientCredentials, *, in_body: bool) -> Answer:
        form = {"grant_type": "client_credentials"}
        form |= {name: value for name, value in (("scope", asked.scope), ("audience", asked.audience)) if value}
        headers = [("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")]
        if in_body:
            form |= {"client_id": asked.client_id, "client_secret": asked.client_secret}
        else:
            headers.append(basic(quote_plus(asked.client_id), quote_plus(asked.client_secret)))
        return await self._poster.post(asked.token_url, headers, urlencode(form).encode("ascii"), timeout=FETCH_TIMEOUT)

    def _read(self, asked: OAuth2ClientCredentials, answer: Answer) -> _Token:
        place = f"the token endpoint {urlsplit(asked.token_url).netloc}"
        if answer.error is not None:
            raise TokenFailure(f"{place} gave no answer: {answer.detail}")
        if answer.status != 200:
            code = _error_code(answer.body)
            raise TokenFailure(f"{place} answered {answer.status}" + (f" ({code})" if code else ""))
        try:
            grant = msgspec.json.decode(answer.body, type=_Grant, strict=False)
        except msgspec.MsgspecError:
            raise TokenFailure(f"{place} answered 200, but not with a token (RFC 6749, section 5.1)") from None
        if _TOKEN.fullmatch(grant.access_token) is None:
            raise TokenFailure(f"{place} answered with a token that cannot be sent in a header")
        if grant.token_type.lower() != "bearer":
            raise TokenFailure(f"{place} answered with a token that is not a bearer token")
        life = USUAL_LIFE if grant.expires_in is None else min(max(grant.expires_in, 0.0), LONGEST_LIFE)
        now = self._monotonic()
        return _Token(grant.access_token, now + RENEW_AT * life, now + life)


class _Grant(msgspec.Struct):
    access_token: str
    token_type: str = "bearer"
    expires_in: float | None = None


class _Refusal(msgspec.Struct):
    error: str = ""


def _error_code(body: bytes) -> str:
    """The error code of RFC 6749, section 5.2, and nothing else of the answer."""
    try:
        code = msgspec.json.decode(body, type=_Refusal).error
    except msgspec.MsgspecError:
        return ""
    return code if _ERROR_CODE.fullmatch(code) is not None else ""


def _refuses_client(answer: Answer) -> bool:
    return answer.error is None and (answer.status == 401 or (answer.status == 400 and _error_code(answer.body) in _WRONG_PLACE))
