"""The laws of the standard scheme; the official `standardwebhooks` package is the judge."""

import time
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from core.strategies import ids, secrets
from hypothesis import assume, given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from hookline.errors import InvalidArgument
from hookline.signing import InvalidSignature, SignableRequest, SignatureFault, generate_secret, scheme

STANDARD = scheme("standard")
NOW = 1_750_000_000
bodies = st.binary(max_size=200)
requests = st.builds(SignableRequest, url=st.just("https://example.com"), body=bodies, id=ids)


def fault(request, keys, now=NOW):
    with pytest.raises(InvalidSignature) as refusal:
        STANDARD.verify(request, keys, now)
    assert refusal.value.code == refusal.value.fault.value
    return refusal.value.fault


def with_header(request, name, value):
    return replace(request, headers=tuple((key, value if key == name else old) for key, old in request.headers))


@given(requests, st.lists(secrets, min_size=1, max_size=3), st.integers(-300, 300))
def test_what_is_signed_is_verified_within_the_tolerance_and_not_beyond(request, keys, drift):
    signed = STANDARD.sign(request, keys, NOW)
    STANDARD.verify(signed, keys, NOW + drift)
    assert fault(signed, keys, NOW + 301) is SignatureFault.TIMESTAMP_TOO_OLD
    assert fault(signed, keys, NOW - 301) is SignatureFault.TIMESTAMP_IN_FUTURE


@given(st.text().map(str.encode), ids, st.lists(secrets, min_size=1, max_size=3))
def test_the_official_package_accepts_what_is_signed_with_any_of_the_secrets(body, webhook_id, keys):
    signed = STANDARD.sign(SignableRequest(url="", body=body, id=webhook_id), keys, int(time.time()))
    for key in keys:
        Webhook(key).verify(body, dict(signed.headers), json_parse=False)


@given(st.text(), ids, secrets)
def test_what_the_official_package_signs_is_verified(body, webhook_id, key):
    signature = Webhook(key).sign(webhook_id, datetime.fromtimestamp(NOW, UTC), body)
    headers = (("Webhook-Id", webhook_id), ("WEBHOOK-TIMESTAMP", str(NOW)), ("webhook-signature", signature))
    STANDARD.verify(SignableRequest(url="", body=body.encode(), headers=headers), [key], NOW)


@given(requests, secrets, st.data())
def test_any_flipped_bit_is_refused(request, key, data):
    signed = STANDARD.sign(request, [key], NOW)
    headers = dict(signed.headers)
    part = data.draw(st.sampled_from(["webhook-id", "webhook-timestamp", "signature", "secret"] + ["body"] * bool(request.body)))
    raw = {
        "body": request.body,
        "signature": b64decode(headers["webhook-signature"].removeprefix("v1,")),
        "secret": b64decode(key.removeprefix("whsec_")),
    }.get(part) or headers[part].encode()
    position = data.draw(st.integers(0, len(raw) * 8 - 1))
    changed = (int.from_bytes(raw) ^ 1 << position).to_bytes(len(raw))
    match part:
        case "secret":
            refused = fault(signed, ["whsec_" + b64encode(changed).decode()])
        case "body":
            refused = fault(replace(signed, body=changed), [key])
        case "signature":
            refused = fault(with_header(signed, "webhook-signature", "v1," + b64encode(changed).decode()), [key])
        case _:
            refused = fault(with_header(signed, part, changed.decode("latin-1")), [key])
    assert refused in SignatureFault


@given(requests, secrets, secrets)
def test_during_a_rotation_both_secrets_verify_and_afterwards_only_the_new_one(request, old, new):
    assume(old != new)
    both = STANDARD.sign(request, [new, old], NOW)
    STANDARD.verify(both, [old], NOW)
    STANDARD.verify(both, [new], NOW)
    assert fault(STANDARD.sign(request, [new], NOW), [old]) is SignatureFault.NO_MATCHING_SIGNATURE


@given(requests, secrets)
def test_signatures_of_other_versions_are_passed_over(request, key):
    signed = STANDARD.sign(request, [key], NOW)
    genuine = dict(signed.headers)["webhook-signature"]
    STANDARD.verify(with_header(signed, "webhook-signature", f"v1a,abc nonsense v1,{'A' * 44} {genuine}"), [key], NOW)
    other = genuine.replace("v1,", "v2,")
    assert fault(with_header(signed, "webhook-signature", other), [key]) is SignatureFault.NO_MATCHING_SIGNATURE


@given(requests, secrets)
def test_a_repeated_header_is_refused_and_every_signature_in_the_one_header_is_tried(request, key):
    """None of the three is a list with commas (RFC 9110, section 5.3): which line counts, each library tells otherwise."""
    signed = STANDARD.sign(request, [key], NOW)
    for name, value in signed.headers:
        assert fault(replace(signed, headers=(*signed.headers, (name.upper(), value))), [key]) is SignatureFault.MALFORMED_HEADER
    genuine = dict(signed.headers)["webhook-signature"]
    for before in ("v1,AAAA ", "v1,AAAA, "):
        STANDARD.verify(with_header(signed, "webhook-signature", before + genuine), [key], NOW)


@given(requests, secrets, st.sampled_from(["garbage", "v1", "v1,", ",v1,", "v1=abc", "sha256=abc", "v1;abc", "w1,abc"]))
def test_a_header_that_holds_no_signature_of_any_version_is_malformed(request, key, text):
    signed = STANDARD.sign(request, [key], NOW)
    assert fault(with_header(signed, "webhook-signature", text), [key]) is SignatureFault.MALFORMED_HEADER


@given(requests, secrets, st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]))
def test_a_missing_header_is_named(request, key, name):
    signed = STANDARD.sign(request, [key], NOW)
    without = replace(signed, headers=tuple(pair for pair in signed.headers if pair[0] != name))
    with pytest.raises(InvalidSignature, match=name) as refusal:
        STANDARD.verify(without, [key], NOW)
    assert refusal.value.fault is SignatureFault.MISSING_HEADER


@pytest.mark.parametrize(
    "timestamp", ["-1", "+1750000000", "1750000000.0", "1_750_000_000", "\u0661\u0667", "1e9", "0x10", "9" * 40]
)
def test_a_timestamp_is_plain_digits(timestamp):
    key = generate_secret()
    signed = STANDARD.sign(SignableRequest(url="", body=b"", id="evt_1"), [key], NOW)
    assert fault(with_header(signed, "webhook-timestamp", timestamp), [key]) is SignatureFault.MALFORMED_HEADER


@given(st.text(), st.text(), st.text(), bodies, secrets)
def test_whatever_the_headers_say_nothing_but_invalid_signature_is_raised(webhook_id, timestamp, signature, body, key):
    headers = (("webhook-id", webhook_id), ("webhook-timestamp", timestamp), ("webhook-signature", signature))
    fault(SignableRequest(url="", body=body, headers=headers), [key])


@pytest.mark.parametrize("body", ['{"a":1}', {"a": 1}, None])
def test_a_body_that_is_not_bytes_is_refused_with_the_reason(body):
    with pytest.raises(InvalidSignature, match="bytes as they came") as refusal:
        STANDARD.verify(SignableRequest(url="", body=body), [generate_secret()], NOW)
    assert refusal.value.fault is SignatureFault.BODY_NOT_BYTES


@given(st.text(max_size=120) | st.binary(max_size=100).map(lambda key: "whsec_" + b64encode(key).decode()))
def test_a_secret_is_taken_or_refused_without_being_shown(secret):
    try:
        STANDARD.check_secret(secret)
    except InvalidArgument as error:
        refusal = error
    else:
        refusal = None
    if refusal is None:
        assert 24 <= len(b64decode(secret.removeprefix("whsec_"))) <= 64
    else:
        assert len(secret) < 8 or secret.removeprefix("whsec_") not in str(refusal)
        assert refusal.__cause__ is None


def test_new_secrets_are_right_and_never_the_same():
    made = {generate_secret() for _ in range(100)}
    assert len(made) == 100
    for secret in made:
        STANDARD.check_secret(secret)


@pytest.mark.parametrize("webhook_id", ["", "a.b", "a\r\nb", "a b", "\u00e9", "a" * 257])
def test_an_id_that_would_make_the_signature_ambiguous_is_not_signed(webhook_id):
    with pytest.raises(InvalidArgument):
        STANDARD.sign(SignableRequest(url="", body=b"", id=webhook_id), [generate_secret()], NOW)


def test_an_unknown_scheme_is_refused_with_the_known_ones():
    with pytest.raises(InvalidArgument, match="'standard'"):
        scheme("rot13")
