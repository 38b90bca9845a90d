"""How a receiver is shown who calls: static headers, and tokens that are fetched once and renewed in time."""

import asyncio
import json
from base64 import b64decode
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
import trustme
from engine.virtual import Reply, Seen, now, virtual, world

from hookline.clock import SystemClock
from hookline.engine.authentication import TokenFailure, Tokens
from hookline.errors import InvalidArgument
from hookline.model import (
    ApiKey,
    BasicCredentials,
    BearerToken,
    ClientCertificate,
    DeliveryState,
    ErrorClass,
    EventSpec,
    OAuth2ClientCredentials,
    RetryPolicy,
    Steps,
    SubscriptionSpec,
)
from hookline.transport import AiohttpTransport, Poster
from hookline.validation import check_subscription

OAUTH2 = OAuth2ClientCredentials(
    token_url="http://127.0.0.1:1/token", client_id="me", client_secret="s3cr&t %", scope="a b", audience="https://api"
)
TWICE = RetryPolicy(schedule=Steps(delays=(5.0,)), max_attempts=2)


@dataclass
class TokenEndpoint:
    """In front of a world's receivers: answers requests for tokens, and hands on all others."""

    inner: httpx.AsyncBaseTransport
    life: float | None = 100.0
    after: float = 0.5
    """Seconds until a token comes."""
    status: int = 200
    in_body_only: bool = False
    body: bytes | None = None
    asked: list[tuple[float, httpx.Headers, dict[str, list[str]]]] = field(default_factory=list)
    under_way: int = 0
    most: int = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path != "/token":
            return await self.inner.handle_async_request(request)
        form = parse_qs((await request.aread()).decode())
        self.asked.append((now(), request.headers, form))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self.after)
        finally:
            self.under_way -= 1
        if self.in_body_only and "client_secret" not in form:
            return httpx.Response(401, json={"error": "invalid_client", "error_description": "leak s3cr&t"})
        if self.status != 200:
            return httpx.Response(self.status, json={"error": "invalid_scope", "error_description": "leak s3cr&t"})
        if self.body is not None:
            return httpx.Response(200, content=self.body)
        grant: dict[str, Any] = {"access_token": f"token-{len(self.asked)}", "token_type": "Bearer"}
        return httpx.Response(200, json=grant if self.life is None else {**grant, "expires_in": self.life})


class Endpoint(TokenEndpoint, httpx.AsyncBaseTransport):
    """The same, as a transport."""


def before(w: Any, **how: Any) -> Endpoint:
    """Put a token endpoint in front of the receivers of a world that was not started."""
    w.receiver, inner = Endpoint(w.receiver, **how), w.receiver
    w.inner = inner
    return w.receiver


def authorizations(seen: list[Seen]) -> list[str]:
    return [one.headers["authorization"] for one in seen]


@pytest.mark.parametrize(
    ("authentication", "name", "value"),
    [
        (BearerToken(token="abc.def"), "authorization", "Bearer abc.def"),
        (BasicCredentials(username="zoë", password="p:ß"), "authorization", "Basic em/DqzpwOsOf"),
        (ApiKey(header="X-Api-Key", value="k3y"), "x-api-key", "k3y"),
    ],
)
def test_every_attempt_carries_the_header_and_nothing_shows_its_secret(authentication: Any, name: str, value: str) -> None:
    @virtual
    async def run() -> None:
        async with world(lambda seen: Reply(status=500 if seen.nth == 1 else 200)) as w:
            made = await w.subscribe("/", authentication=authentication, retry=TWICE)
            await w.emit(1)
            await w.until_done(within=60.0)
            assert [seen.headers[name] for seen in w.receiver.seen] == [value, value]
            assert w.receiver.seen[0].headers["user-agent"].startswith("hookline/")
            secret = value.rpartition(" ")[2]
            shown = await w.client.subscriptions.test(made.id, dry_run=True)
            assert dict(shown.headers)[name if name in dict(shown.headers) else "X-Api-Key"].endswith("***")
            listed = await w.client.subscriptions.list()
            for what in (repr(made), repr(shown), repr(listed), repr(await w.attempts()), repr(authentication)):
                assert secret not in what
            stored = await w.store.subscription("acme", made.id)
            assert stored is not None
            assert secret not in repr(stored)

    run()


@virtual
async def test_a_token_is_fetched_once_however_many_deliveries_wait() -> None:
    async with world(start=False) as w:
        endpoint = before(w)
        await w.node("a")
        await w.subscribe("/", authentication=OAUTH2)
        await w.emit(64)
        await w.until_done(within=30.0)
        assert len(endpoint.asked) == 1
        assert set(authorizations(w.inner.seen)) == {"Bearer token-1"}
        (_, headers, form) = endpoint.asked[0]
        assert form == {"grant_type": ["client_credentials"], "scope": ["a b"], "audience": ["https://api"]}
        assert b64decode(headers["authorization"].removeprefix("Basic ")) == b"me:s3cr%26t+%25"
        assert headers["user-agent"].startswith("hookline/")
        assert "webhook-signature" not in headers


@virtual
async def test_a_token_is_renewed_before_it_expires_and_the_old_one_serves_meanwhile() -> None:
    async with world(start=False) as w:
        endpoint = before(w, life=100.0)
        await w.node("a")
        await w.subscribe("/", authentication=OAUTH2)
        for at in (0.0, 79.0, 81.0, 90.0):
            await w.live(max(0.0, at - now()))
            await w.emit(1)
        await w.until_done(within=30.0)
        assert authorizations(w.inner.seen) == ["Bearer token-1", "Bearer token-1", "Bearer token-1", "Bearer token-2"]
        assert [round(asked[0]) for asked in endpoint.asked] == [0, 81]
        assert w.inner.seen[2].at - 81.0 < 0.4, "nobody waited for the new one"


@virtual
async def test_a_node_that_stops_while_it_fetches_another_token_leaves_the_delivery_to_the_next() -> None:
    async with world(
        lambda seen: Reply(status=401 if seen.headers["authorization"] == "Bearer token-1" else 200), start=False
    ) as w:
        before(w, after=0.5)
        nodes = [await w.node("a"), await w.node("b")]
        once = RetryPolicy(schedule=Steps(delays=(5.0,)), max_attempts=1)
        await w.subscribe(authentication=OAUTH2, retry=once)
        await w.emit(1)
        await w.live(0.7)  # the first token was refused, and another one is on its way
        owner, other = sorted(nodes, key=lambda node: not node.client._engine.dispatcher.lanes)
        await owner.run(owner.client.close())
        await w.live(30.0)
        (delivery,) = (await other.run(other.client.deliveries.list())).items
        assert (delivery.state, delivery.attempts) == (DeliveryState.DELIVERED, 1)


@virtual
async def test_a_401_fetches_one_more_token_and_sends_once_more_and_no_more() -> None:
    def script(seen: Seen) -> Reply:
        return Reply(status=401 if seen.path == "/never" or seen.headers["authorization"] == "Bearer token-1" else 200)

    async with world(script, start=False) as w:
        endpoint = before(w)
        await w.node("a")
        await w.subscribe("/once", authentication=OAUTH2)
        await w.emit(5)
        await w.until_done(within=30.0)
        assert await w.states() == {DeliveryState.DELIVERED: 5}
        assert len(endpoint.asked) == 2
        assert len(await w.attempts()) == 5

    async with world(script, start=False) as w:
        endpoint = before(w)
        await w.node("a")
        await w.subscribe("/never", authentication=OAUTH2, retry=RetryPolicy(schedule=Steps(delays=(1.0,)), max_attempts=1))
        await w.emit(1)
        await w.until_done(within=30.0)
        assert len(w.inner.seen) == 2
        (attempt,) = await w.attempts()
        assert (attempt.status, attempt.error) == (401, ErrorClass.STATUS)


@pytest.mark.parametrize(
    ("how", "word"),
    [
        ({"status": 400}, "answered 400 (invalid_scope)"),
        ({"status": 503}, "answered 503"),
        ({"body": b"<html>s3cr&t</html>"}, "not with a token"),
        ({"body": b'{"access_token": "a b\\nc", "token_type": "bearer"}'}, "cannot be sent"),
        ({"body": b'{"access_token": "s3cr", "token_type": "mac"}'}, "not a bearer token"),
        ({"after": 3_600.0}, "no answer within 10 s"),
    ],
)
def test_without_a_token_the_attempt_fails_as_authentication_and_shows_no_secret(how: dict[str, Any], word: str) -> None:
    @virtual
    async def run() -> None:
        async with world(start=False) as w:
            endpoint = before(w, **how)
            await w.node("a")
            await w.subscribe("/", authentication=OAUTH2, retry=TWICE)
            await w.emit(20)
            await w.until_done(within=120.0)
            attempts = await w.attempts()
            assert {attempt.error for attempt in attempts} == {ErrorClass.AUTHENTICATION}
            assert all(word in attempt.detail and "127.0.0.1:1" in attempt.detail for attempt in attempts)
            assert "s3cr" not in repr(attempts)
            assert w.inner.seen == []
            assert endpoint.most == 1
            assert len(endpoint.asked) <= 4

    run()


@virtual
async def test_an_endpoint_that_takes_credentials_in_the_body_alone_is_asked_so() -> None:
    async with world(start=False) as w:
        endpoint = before(w, in_body_only=True, life=10.0)
        await w.node("a")
        await w.subscribe("/", authentication=OAUTH2)
        await w.emit(1)
        await w.live(60.0)
        await w.emit(1)
        await w.until_done(within=60.0)
        assert await w.states() == {DeliveryState.DELIVERED: 2}
        assert ["client_secret" in form for _, _, form in endpoint.asked] == [False, True, True]


@virtual
async def test_a_token_endpoint_that_comes_back_is_found_by_the_next_attempt() -> None:
    async with world(start=False) as w:
        endpoint = before(w, status=503)
        await w.node("a")
        await w.subscribe("/", authentication=OAUTH2, retry=TWICE)
        await w.emit(1)
        await w.live(3.0)
        endpoint.status = 200
        await w.until_done(within=60.0)
        assert [attempt.error for attempt in await w.attempts()] == [ErrorClass.AUTHENTICATION, None]


@virtual
async def test_an_update_that_repeats_what_was_shown_keeps_the_secret() -> None:
    async with world() as w:
        made = await w.subscribe("/", authentication=BearerToken(token="abc"))
        assert made.authentication == BearerToken(token="")
        spec = SubscriptionSpec(url=made.url, authentication=made.authentication)
        await w.client.subscriptions.update(made.id, spec)
        await w.emit(1)
        await w.until_done(within=10.0)
        assert authorizations(w.receiver.seen) == ["Bearer abc"]
        with pytest.raises(InvalidArgument):
            await w.client.subscriptions.update(
                made.id, SubscriptionSpec(url=made.url, authentication=ApiKey(header="x", value=""))
            )


def pem(authority: trustme.CA, **how: Any) -> ClientCertificate:
    issued = authority.issue_cert("me@example.com", **how)
    chain = "".join(part.bytes().decode() for part in issued.cert_chain_pems)
    return ClientCertificate(certificate=chain, private_key=issued.private_key_pem.bytes().decode())


def expired() -> ClientCertificate:
    from datetime import UTC, datetime

    return pem(trustme.CA(), not_before=datetime(2020, 1, 1, tzinfo=UTC), not_after=datetime(2021, 1, 1, tzinfo=UTC))


GOOD = pem(trustme.CA())


@pytest.mark.parametrize(
    ("fields", "field", "word"),
    [
        ({"authentication": BearerToken(token="a b")}, "authentication.bearer.token", "RFC 6750"),
        ({"authentication": BearerToken(token="")}, "authentication.bearer.token", "RFC 6750"),
        ({"authentication": BasicCredentials(username="a:b")}, "authentication.basic.username", "colon"),
        ({"authentication": BasicCredentials(username="a", password="b\r\nc: d")}, "authentication.basic.password", "control"),
        ({"authentication": ApiKey(header="Content-Length", value="1")}, "authentication.api_key.header", "set by hookline"),
        ({"authentication": ApiKey(header="Host", value="1")}, "authentication.api_key.header", "set by hookline"),
        ({"authentication": ApiKey(header="Webhook-Signature", value="1")}, "authentication.api_key.header", "set by hookline"),
        ({"authentication": ApiKey(header="x y", value="1")}, "authentication.api_key.header", "no header name"),
        ({"authentication": ApiKey(header="x", value="a\nb")}, "authentication.api_key.value", "visible"),
        ({"authentication": ApiKey(header="x", value="1"), "headers": {"X": "2"}}, "headers.X", "one of the two"),
        ({"authentication": BearerToken(token="t"), "headers": {"Authorization": "x"}}, "headers.Authorization", "one of the two"),
        ({"authentication": OAUTH2}, "authentication.oauth2.token_url", "http"),
        ({"authentication": "Bearer x"}, "authentication", "right is"),
        ({"client_certificate": ClientCertificate(certificate="x", private_key="y")}, "client_certificate.certificate", "PEM"),
        ({"client_certificate": expired()}, "client_certificate.certificate", "expired"),
        (
            {"client_certificate": ClientCertificate(certificate=GOOD.certificate, private_key=pem(trustme.CA()).private_key)},
            "client_certificate.private_key",
            "not the key",
        ),
        (
            {"client_certificate": ClientCertificate(certificate=GOOD.certificate, private_key="x")},
            "client_certificate.private_key",
            "PEM",
        ),
    ],
)
def test_what_could_not_be_used_is_refused_when_it_is_saved(fields: dict[str, Any], field: str, word: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        check_subscription(SubscriptionSpec(url="https://example.com/", **fields), allow_http_loopback=False)
    found = {violation.field.removeprefix("subscription."): violation.description for violation in refusal.value.violations}
    assert word in found[field]


def test_a_certificate_with_its_key_is_taken() -> None:
    check_subscription(SubscriptionSpec(url="https://example.com/", client_certificate=GOOD), allow_http_loopback=False)


@virtual
async def test_a_body_that_is_shaped_is_signed_and_sent_with_the_token() -> None:
    async with world(start=False) as w:
        before(w)
        await w.node("a")
        await w.subscribe("/", authentication=OAUTH2, fields=("a",))
        await w.client.emit_event(EventSpec(type="a", data=b'{"a": 1, "b": 2}'))
        await w.until_done(within=30.0)
        (seen,) = w.inner.seen
        assert json.loads(seen.body)["data"] == {"a": 1}
        assert seen.headers["authorization"] == "Bearer token-1"
        assert seen.headers["webhook-signature"].startswith("v1,")


async def test_the_address_guard_judges_token_endpoints_as_it_does_receivers() -> None:
    transport = AiohttpTransport()
    tokens = Tokens(Poster(transport, user_agent="hookline-test"), SystemClock())
    try:
        with pytest.raises(TokenFailure, match="loopback addresses are not allowed"):
            await tokens.token(("t", "s"), OAUTH2)
    finally:
        await tokens.close()
        await transport.aclose()
