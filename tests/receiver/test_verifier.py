"""Verifying: whatever a framework calls its headers, and nothing but the bytes."""

import json
from collections.abc import Callable
from http.client import HTTPMessage
from typing import Any

import httpx
import pydantic
import pytest
from django.http.request import HttpHeaders
from multidict import CIMultiDict
from receiver.sending import STANDARD, URL, sender, standard
from starlette.datastructures import Headers as StarletteHeaders
from werkzeug.datastructures import Headers as FlaskHeaders

from hookline.errors import InvalidArgument
from hookline.receiver import InvalidSignature, MalformedEvent, SignatureFault, Verifier
from hookline.signing import Custom, HttpMessage, SignableRequest, ed25519, scheme

NOW = 1_750_000_000


def http_message(pairs: list[tuple[str, str]]) -> HTTPMessage:
    message = HTTPMessage()
    for name, value in pairs:
        message[name] = value
    return message


def environment(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    named = {name.upper().replace("-", "_"): value for name, value in pairs}
    cgi = {name if name == "CONTENT_TYPE" else f"HTTP_{name}": value for name, value in named.items()}
    return {"REQUEST_METHOD": "POST", "wsgi.version": (1, 0), **cgi}


CONTAINERS: dict[str, Callable[[list[tuple[str, str]]], Any]] = {
    "a dictionary": dict,
    "a dictionary in lower case": lambda pairs: {name.lower(): value for name, value in pairs},
    "a dictionary of lists": lambda pairs: {name: [value] for name, value in pairs},
    "a dictionary of bytes": lambda pairs: {name.encode(): value.encode() for name, value in pairs},
    "pairs": list,
    "pairs of bytes, as ASGI has them": lambda pairs: [(name.lower().encode(), value.encode()) for name, value in pairs],
    "a generator": iter,
    "Starlette's": lambda pairs: StarletteHeaders(raw=[(name.lower().encode(), value.encode()) for name, value in pairs]),
    "Flask's": FlaskHeaders,
    "Django's": lambda pairs: HttpHeaders(environment(pairs)),
    "a WSGI environment": environment,
    "httpx's": httpx.Headers,
    "aiohttp's": CIMultiDict,
    "http.server's": http_message,
}


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS.keys())
def test_headers_of_every_framework_are_read(container: Callable[[list[tuple[str, str]]], Any]) -> None:
    request = standard(id="msg_framework")
    (event,) = STANDARD.verifier().parse(container(list(request.headers)), request.body)
    assert (event.id, event.type, event.json()) == ("msg_framework", "invoice.paid", {"amount": 100})


@pytest.mark.parametrize("headers", [None, 7, "webhook-id: 1", [("one",)], [1], {"webhook-id": 7}, {7: "x"}])
def test_what_is_no_headers_is_refused_by_name(headers: object) -> None:
    with pytest.raises(InvalidArgument, match="headers"):
        STANDARD.verifier().verify(headers, b"{}")


@pytest.mark.parametrize("body", ["{}", {"type": "x"}, None, ["x"]])
def test_a_body_that_something_has_parsed_is_refused_with_the_remedy(body: Any) -> None:
    with pytest.raises(InvalidSignature, match=r"request\.get_data") as refused:
        STANDARD.verifier().verify(dict(standard().headers), body)
    assert refused.value.fault is SignatureFault.BODY_NOT_BYTES


def test_a_reserialised_body_is_told_apart_from_another_secret() -> None:
    request = standard()
    with pytest.raises(InvalidSignature) as reserialised:
        STANDARD.verifier().verify(request.headers, json.dumps(json.loads(request.body)).encode())
    with pytest.raises(InvalidSignature) as other_secret:
        sender("standard").verifier().verify(request.headers, request.body)
    assert reserialised.value.fault is SignatureFault.BODY_RESERIALISED
    assert other_secret.value.fault is SignatureFault.NO_MATCHING_SIGNATURE


def test_any_of_several_secrets_verifies() -> None:
    request = standard()
    Verifier("standard", [scheme("standard").generate_secret(), STANDARD.secret]).verify(request.headers, request.body)


class Fixed:
    def __init__(self, now: float) -> None:
        self._now = now

    def time(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now


@pytest.mark.parametrize(
    ("late", "fault"), [(61, SignatureFault.TIMESTAMP_TOO_OLD), (-61, SignatureFault.TIMESTAMP_IN_FUTURE), (60, None), (-60, None)]
)
def test_the_tolerance_holds_in_both_directions_by_the_clock_that_is_given(late: int, fault: SignatureFault | None) -> None:
    request = standard(now=NOW)
    verifier = STANDARD.verifier(tolerance=60, clock=Fixed(NOW + late))
    if fault is None:
        verifier.verify(request.headers, request.body)
    else:
        with pytest.raises(InvalidSignature) as refused:
            verifier.verify(request.headers, request.body)
        assert refused.value.fault is fault


def test_the_url_and_the_method_are_verified_where_they_are_signed() -> None:
    hubspot = sender("hubspot")
    request = hubspot.signed(b"[]")
    hubspot.verifier().verify(request.headers, request.body, url=URL)
    for url, method in ((URL + "/other", "POST"), (URL, "PUT")):
        with pytest.raises(InvalidSignature):
            hubspot.verifier().verify(request.headers, request.body, url=url, method=method)


def test_a_scheme_of_ones_own_is_verified_and_its_signed_id_taken() -> None:
    custom = Custom(signature_header="X-Sig", id_header="X-Id", timestamp_header="X-Time")
    sent = custom.sign(SignableRequest(url=URL, body=b'{"event":"lead.created","data":{"n":1}}', id="lead-7"), ["secret"], NOW)
    (event,) = Verifier(custom, "secret", clock=Fixed(NOW)).parse(sent.headers, sent.body)
    assert (event.key, event.type, event.json(), event.platform) == ("lead-7", "lead.created", {"n": 1}, "custom")


def test_a_public_key_is_enough_to_verify() -> None:
    key = ed25519.generate_key()
    sent = scheme("standard").sign(SignableRequest(url=URL, body=b'{"type":"a"}', id="msg_1"), [key], NOW)
    Verifier("standard", ed25519.public_key(key), clock=Fixed(NOW)).verify(sent.headers, sent.body)


def test_http_message_signatures_are_verified() -> None:
    message = HttpMessage(key_id="k", components=("@method", "@target-uri", "content-digest"))
    secret = message.generate_secret()
    sent = message.sign(SignableRequest(url=URL, body=b'{"id":"7","type":"a"}'), [secret], NOW)
    (event,) = Verifier(message, secret, clock=Fixed(NOW)).parse(sent.headers, sent.body, url=URL)
    assert (event.id, event.type) == ("7", "a")


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("nobody", "x"), "signature_scheme"),
        (("custom", "x"), "signature_parameters.signature_header"),
        (("standard", []), "secrets"),
        (("standard", ""), "secrets"),
        (("standard", "short"), "secret"),
        (("stripe", "no prefix"), "secret"),
    ],
)
def test_a_verifier_that_cannot_verify_is_not_made(arguments: tuple[Any, ...], field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        Verifier(*arguments)
    assert refused.value.violations[0].field == field


def test_an_unknown_envelope_and_a_tolerance_below_zero_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="right is one of 'standard'"):
        STANDARD.verifier(envelope="paper")
    with pytest.raises(InvalidArgument, match="tolerance"):
        STANDARD.verifier(tolerance=-1)


def test_an_error_never_shows_a_secret() -> None:
    for secret in ("whsec_???", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"):
        with pytest.raises(InvalidArgument) as refused:
            Verifier("standard", secret)
        assert secret not in str(refused.value)


class Invoice(pydantic.BaseModel):
    amount: int


def test_events_are_held_to_the_model_or_schema_of_their_type() -> None:
    schemas = {"order.placed": '{"required":["order"]}', "invoice.sent": '{"required":["to"]}'}
    verifier = STANDARD.verifier(models={"invoice.*": Invoice}, schemas=schemas)
    for request in (standard("invoice.paid", {"amount": 1}), standard("order.placed", {"order": 1}), standard("other", 7)):
        verifier.parse(request.headers, request.body)
    for type, data, fault in (
        ("invoice.paid", {"amount": "x"}, "amount"),
        ("order.placed", {}, "order"),
        ("invoice.sent", {"amount": 1}, "to"),
    ):
        request = standard(type, data)
        with pytest.raises(MalformedEvent, match=fault):
            verifier.parse(request.headers, request.body)
    with pytest.raises(InvalidArgument, match="schema"):
        STANDARD.verifier(schemas={"a": "{"})
    with pytest.raises(InvalidArgument, match="pattern"):
        STANDARD.verifier(models={"a..b": Invoice})


def test_what_is_signed_but_not_of_the_platform_is_malformed() -> None:
    request = STANDARD.signed(b'{"no":"type"}', id="msg_1")
    with pytest.raises(MalformedEvent):
        STANDARD.verifier().parse(request.headers, request.body)
