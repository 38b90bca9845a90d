import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline_conformance.schemes import (
    SCHEME_NAMES,
    Custom,
    Delivery,
    HttpMessage,
    Message,
    Mismatch,
    Scheme,
    SecretError,
    scheme_named,
)
from hookline_conformance.schemes.scheme import replaced, without

NOW = 1_800_000_000
CUSTOM = {"signature_header": "X-Acme-Signature", "id_header": "X-Acme-Id", "timestamp_header": "X-Acme-Time", "separator": ","}


def scheme_of(name: str) -> Scheme:
    return scheme_named(name, **(CUSTOM if name == "custom" else {}))


def delivery_for(scheme: Scheme, body: bytes = b'{"a": 1}', seconds: int = NOW) -> Delivery:
    return Delivery(
        id="evt_1", timestamp=scheme.stamp(seconds), event_type="a.b", body=body, url="http://127.0.0.1:8000/hooks?a=%3A"
    )


@pytest.mark.parametrize("name", SCHEME_NAMES)
@given(body=st.binary(max_size=200))
def test_what_a_scheme_signs_it_verifies(name: str, body: bytes) -> None:
    scheme = scheme_of(name)
    secret = scheme.generate_secret()
    scheme.check_secret(secret)
    scheme.verify(scheme.sign(delivery_for(scheme, body), [secret]), [secret], NOW)


@pytest.mark.parametrize("name", SCHEME_NAMES)
def test_another_secret_is_refused(name: str) -> None:
    scheme = scheme_of(name)
    message = scheme.sign(delivery_for(scheme), [scheme.generate_secret()])
    with pytest.raises(Mismatch):
        scheme.verify(message, [scheme.generate_secret()], NOW)


@pytest.mark.parametrize("name", SCHEME_NAMES)
@given(place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_any_bit_of_the_body_counts(name: str, place: int, bit: int) -> None:
    scheme = scheme_of(name)
    secret = scheme.generate_secret()
    message = scheme.sign(delivery_for(scheme), [secret])
    body = bytearray(message.body)
    body[place % len(body)] ^= 1 << bit
    with pytest.raises(Mismatch):
        scheme.verify(replace(message, body=bytes(body)), [secret], NOW)


@pytest.mark.parametrize("name", [name for name in SCHEME_NAMES if scheme_of(name).timestamped])
def test_a_stale_or_future_timestamp_is_refused_and_a_changed_one_too(name: str) -> None:
    scheme = scheme_of(name)
    secret = scheme.generate_secret()
    message = scheme.sign(delivery_for(scheme), [secret])
    for now in (NOW - 301, NOW + 301):
        with pytest.raises(Mismatch):
            scheme.verify(message, [secret], now)
    with pytest.raises(Mismatch):
        scheme.verify(scheme.restamped(message, scheme.stamp(NOW + 1)), [secret], NOW)
    with pytest.raises(Mismatch):
        scheme.verify(scheme.unstamped(message), [secret], NOW)


@pytest.mark.parametrize("name", SCHEME_NAMES)
def test_a_missing_or_doubled_signature_is_refused(name: str) -> None:
    scheme = scheme_of(name)
    secret = scheme.generate_secret()
    message = scheme.sign(delivery_for(scheme), [secret])
    with pytest.raises(Mismatch):
        scheme.verify(without(message, scheme.signature_header), [secret], NOW)
    with pytest.raises(Mismatch):
        scheme.verify(replaced(message, scheme.signature_header, ""), [secret], NOW)


@pytest.mark.parametrize("name", [name for name in SCHEME_NAMES if scheme_of(name).several])
def test_one_right_signature_among_several_is_enough(name: str) -> None:
    scheme = scheme_of(name)
    old, new = scheme.generate_secret(), scheme.generate_secret()
    message = scheme.sign(delivery_for(scheme), [old, new])
    for secret in (old, new):
        scheme.verify(message, [secret], NOW)


@pytest.mark.parametrize("name", ["standard", "svix"])
def test_a_public_key_verifies_v1a_and_cannot_sign(name: str) -> None:
    scheme = scheme_named(name)
    private = scheme.generate_private_key()
    public = scheme.public_key(private)
    message = scheme.sign(delivery_for(scheme), [private])
    assert re.match("v1a,", message.one(scheme.signature_header))
    scheme.verify(message, [public], NOW)
    with pytest.raises(SecretError):
        scheme.check_secret(public)


@pytest.mark.parametrize(
    ("name", "secret"),
    [("standard", "hunter2"), ("standard", "whsec_!!"), ("standard", "whsec_AAAA"), ("stripe", ""), ("http-message", "AAAA")],
)
def test_a_secret_in_the_wrong_form_is_refused_without_showing_it(name: str, secret: str) -> None:
    with pytest.raises(SecretError) as caught:
        scheme_named(name).check_secret(secret)
    assert not secret or secret not in str(caught.value)


def test_http_message_refuses_a_signature_that_covers_too_little() -> None:
    scheme = HttpMessage()
    secret = scheme.generate_secret()
    delivery = delivery_for(scheme)
    token = scheme.token(scheme.mac(secret, scheme.covering(delivery, ["@method"])))
    message = Message(
        method="POST",
        url=delivery.url,
        headers=(("Content-Type", "application/json"), *scheme.labelled(delivery, [token], ["@method"])),
        body=delivery.body,
    )
    with pytest.raises(Mismatch, match="is not covered"):
        scheme.verify(message, [secret], NOW)


def test_http_message_signs_with_ed25519_and_expires() -> None:
    scheme = HttpMessage(algorithm="ed25519", expires_after=60)
    secret = scheme.generate_secret()
    message = scheme.sign(delivery_for(scheme), [secret])
    scheme.verify(message, [secret], NOW + 60)
    with pytest.raises(Mismatch, match="expired"):
        scheme.verify(message, [secret], NOW + 61)


def test_a_custom_scheme_sends_its_api_key() -> None:
    scheme = Custom(
        signature_header="X-S", template="{method}{url}{body}", api_key_header="X-Key", api_key="k1", algorithm="sha512"
    )
    message = scheme.sign(delivery_for(scheme), ["s"])
    scheme.verify(message, ["s"], NOW)
    with pytest.raises(Mismatch, match="API key"):
        scheme.verify(replaced(message, "X-Key", "k2"), ["s"], NOW)
