"""The reference signers and verifiers, judged by other people's libraries, in both directions."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

import http_message_signatures as hms
import pytest
import standardwebhooks
import stripe
import svix.webhooks
from hubspot.utils.signature import Signature
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.signature import SignatureVerifier
from twilio.request_validator import RequestValidator

from hookline_conformance.schemes import Delivery, HttpMessage, Message, Mismatch, Scheme, scheme_named
from hookline_conformance.schemes.scheme import without
from hookline_conformance.schemes.twilio import FORM

URL = "http://127.0.0.1:8000/hooks?a=b"
bodies = st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace"))


def signed(scheme: Scheme, secret: str, body: bytes, content_type: str = "application/json") -> Message:
    now = scheme.stamp(time.time())
    delivery = Delivery(id="evt_1", timestamp=now, event_type="a", body=body, url=URL, content_type=content_type)
    return scheme.sign(delivery, [secret])


def by_standardwebhooks(message: Message, secret: str) -> bool:
    try:
        standardwebhooks.Webhook(secret).verify(message.body, dict(message.headers), json_parse=False)
    except standardwebhooks.WebhookVerificationError:
        return False
    return True


def by_svix(message: Message, secret: str) -> bool:
    try:
        svix.webhooks.Webhook(secret).verify(message.body, dict(message.headers))
    except svix.webhooks.WebhookVerificationError:
        return False
    return True


def by_stripe(message: Message, secret: str) -> bool:
    try:
        return stripe.WebhookSignature.verify_header(message.body, message.one("Stripe-Signature"), secret, 300)
    except stripe.SignatureVerificationError:
        return False


def by_slack(message: Message, secret: str) -> bool:
    return SignatureVerifier(secret).is_valid_request(message.body, dict(message.headers))


def by_twilio(message: Message, secret: str) -> bool:
    return RequestValidator(secret).validate(message.url, message.body.decode(), message.one("X-Twilio-Signature"))


def by_hubspot(message: Message, secret: str) -> bool:
    return Signature.is_valid(
        signature=message.one("X-HubSpot-Signature-v3"),
        client_secret=secret,
        request_body=message.body.decode(),
        http_uri=message.url,
        signature_version="v3",
        timestamp=message.one("X-HubSpot-Request-Timestamp"),
    )


JUDGES: dict[str, Callable[[Message, str], bool]] = {
    "standard": by_standardwebhooks,
    "svix": by_svix,
    "stripe": by_stripe,
    "slack": by_slack,
    "twilio": by_twilio,
    "hubspot": by_hubspot,
}


@pytest.mark.parametrize("name", JUDGES)
@given(body=bodies)
def test_the_official_library_accepts_what_the_reference_signs_and_refuses_another_key(name: str, body: bytes) -> None:
    scheme = scheme_named(name)
    secret, other = scheme.generate_secret(), scheme.generate_secret()
    message = signed(scheme, secret, body)
    assert JUDGES[name](message, secret)
    assert not JUDGES[name](message, other)


@given(
    values=st.dictionaries(
        st.text("abAB_1é ", min_size=1), st.text(max_size=10).filter(lambda text: text.isprintable()), max_size=5
    )
)
def test_twilio_accepts_the_forms_that_the_reference_signs(values: dict[str, str]) -> None:
    scheme = scheme_named("twilio")
    secret = scheme.generate_secret()
    message = signed(scheme, secret, urlencode(values).encode(), FORM)
    parameters = dict(parse_qsl(message.body.decode(), keep_blank_values=True))
    assert RequestValidator(secret).validate(URL, parameters, message.one("X-Twilio-Signature"))


@given(body=bodies)
def test_the_reference_accepts_what_standardwebhooks_signs(body: bytes) -> None:
    scheme = scheme_named("standard")
    secret = scheme.generate_secret()
    now = datetime.now(UTC)
    signature = standardwebhooks.Webhook(secret).sign("evt_1", now, body.decode())
    stamp = str(int(now.timestamp()))
    headers = (("Webhook-Id", "evt_1"), ("Webhook-Timestamp", stamp), ("Webhook-Signature", signature))
    message = Message(method="POST", url=URL, headers=headers, body=body)
    assert scheme.verify(message, [secret], time.time()).id == "evt_1"


@given(body=bodies)
def test_the_reference_accepts_what_stripe_and_slack_sign(body: bytes) -> None:
    now = int(time.time())
    header = stripe.WebhookSignature.generate_signature_header(body.decode(), "whsec_a", now)
    message = Message(method="POST", url=URL, headers=(("Stripe-Signature", header),), body=body)
    assert scheme_named("stripe").verify(message, ["whsec_a"], now).signed_at == now
    signature = SignatureVerifier("a").generate_signature(timestamp=str(now), body=body)
    headers = (("X-Slack-Request-Timestamp", str(now)), ("X-Slack-Signature", signature))
    message = Message(method="POST", url=URL, headers=headers, body=body)
    assert scheme_named("slack").verify(message, ["a"], now).signed_at == now


class Request:
    """What http-message-signatures wants a request to look like."""

    def __init__(self, message: Message) -> None:
        self.method, self.url, self.headers, self.body = message.method, message.url, dict(message.headers), message.body


class Keys(hms.HTTPSignatureKeyResolver):
    def __init__(self, key: bytes) -> None:
        self.key = key

    def resolve_public_key(self, key_id: str) -> Any:
        return self.key

    def resolve_private_key(self, key_id: str) -> Any:
        return self.key


def test_http_message_signatures_accepts_what_the_reference_signs_and_the_other_way() -> None:
    scheme = HttpMessage(key_id="k1")
    secret = scheme.generate_secret()
    message = signed(scheme, secret, b'{"a": "\xc3\xa9"}')
    keys = Keys(scheme.key(secret))
    verifier = hms.HTTPMessageVerifier(signature_algorithm=hms.algorithms.HMAC_SHA256, key_resolver=keys)
    (result,) = verifier.verify(Request(message))
    assert '"content-digest"' in result.covered_components

    bare = Request(without(without(message, "Signature"), "Signature-Input"))
    signer = hms.HTTPMessageSigner(signature_algorithm=hms.algorithms.HMAC_SHA256, key_resolver=keys)
    signer.sign(
        bare,
        key_id="k1",
        created=datetime.now(UTC),
        label="sig1",
        include_alg=False,
        body=message.body,
        use_existing_digest=True,
        covered_component_ids=("@method", "@target-uri", "content-type", "content-digest"),
    )
    theirs = Message(method="POST", url=URL, headers=tuple(bare.headers.items()), body=message.body)
    scheme.verify(theirs, [secret], time.time())
    with pytest.raises(Mismatch):
        scheme.verify(theirs, [scheme.generate_secret()], time.time())
