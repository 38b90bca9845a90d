"""Other people's verifiers and signers, one a scheme, behind one small interface.

Two platforms have no package: for these the recipe in their documents is written out here, sharing
nothing with the library but the standard library.
"""

import base64
import datetime
import hashlib
import hmac
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from urllib.parse import parse_qsl

import http_message_signatures as hms
import standardwebhooks
import stripe
import svix.webhooks
from core.signing.cases import URL
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hubspot.utils.signature import Signature as HubSpotSignature
from slack_sdk.signature import SignatureVerifier
from twilio.request_validator import RequestValidator

from hookline.signing import SignableRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """`accepts(request, secret)`, and `headers(body, secret, now)` for a request to `URL`, where it can sign."""

    package: str
    accepts: Callable[[SignableRequest, str], bool]
    headers: Callable[[str, str, int], dict[str, str]]
    """Of a signed request with this body (JSON) and the secret, at a time in seconds."""


def _accepted(refused: type[Exception], call: Callable[[], object]) -> bool:
    try:
        return call() is not False
    except refused:
        return False


def _headers(request: SignableRequest) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers}


def _moment(now: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(now, datetime.UTC)


def _webhook(package: str, webhook: type, error: type[Exception], prefix: str) -> Judge:
    return Judge(
        package=package,
        accepts=lambda request, secret: _accepted(error, lambda: webhook(secret).verify(request.body, _headers(request)) or True),
        headers=lambda body, secret, now: {
            f"{prefix}-id": "evt_1",
            f"{prefix}-timestamp": str(now),
            f"{prefix}-signature": webhook(secret).sign("evt_1", _moment(now), body),
        },
    )


def _v1a_headers(body: str, secret: str, now: int) -> dict[str, str]:
    """Written from the specification: the Python package knows no v1a."""
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret.removeprefix("whsk_"))[:32])
    signature = base64.b64encode(key.sign(f"evt_1.{now}.{body}".encode())).decode()
    return {"webhook-id": "evt_1", "webhook-timestamp": str(now), "webhook-signature": f"v1a,{signature}"}


def _v1a_accepts(request: SignableRequest, secret: str) -> bool:
    headers = _headers(request)
    expected = _v1a_headers(request.body.decode(), secret, int(headers["webhook-timestamp"]))["webhook-signature"]
    fresh = abs(time.time() - int(headers["webhook-timestamp"])) <= 300
    # Ed25519 is deterministic: the right signature is the one that the key makes.
    return fresh and headers["webhook-id"] == "evt_1" and expected in headers["webhook-signature"].split(" ")


def _twilio_accepts(request: SignableRequest, secret: str) -> bool:
    headers = _headers(request)
    form = headers["content-type"].startswith("application/x-www-form-urlencoded")
    body = request.body.decode()
    parameters = dict(parse_qsl(body, keep_blank_values=True)) if form else body
    return RequestValidator(secret).validate(request.url, parameters, headers["x-twilio-signature"])


def _hubspot_accepts(request: SignableRequest, secret: str) -> bool:
    headers = _headers(request)
    return HubSpotSignature.is_valid(
        headers["x-hubspot-signature-v3"],
        secret,
        request.body.decode(),
        request.url,
        request.method,
        "v3",
        headers["x-hubspot-request-timestamp"],
    )


def _hubspot_headers(body: str, secret: str, now: int) -> dict[str, str]:
    timestamp = str(now * 1000 + 7)
    signature = HubSpotSignature.get_signature(secret, body, "v3", URL, "POST", timestamp)
    return {"x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": timestamp}


def _shopify_signature(body: str, secret: str) -> str:
    """shopify.dev, "Verify webhook deliveries": the digest of the body, in base64."""
    return base64.b64encode(hmac.digest(secret.encode(), body.encode(), hashlib.sha256)).decode()


def _github_signature(body: str, secret: str) -> str:
    """docs.github.com, "Validating webhook deliveries", the example in Python."""
    return "sha256=" + hmac.new(secret.encode("utf-8"), msg=body.encode(), digestmod=hashlib.sha256).hexdigest()


def _segment_signature(body: str, secret: str) -> str:
    """segment.com, "Webhooks (Actions) destination", "Authentication": SHA-1, in hex."""
    return hmac.new(secret.encode(), body.encode(), hashlib.sha1).hexdigest()


def _recipe(recipe: Callable[[str, str], str], header: str) -> Judge:
    return Judge(
        package="the documented recipe",
        accepts=lambda request, secret: _headers(request)[header] == recipe(request.body.decode(), secret),
        headers=lambda body, secret, now: {header: recipe(body, secret)},
    )


def _zendesk_signature(timestamp: str, body: str, secret: str) -> str:
    """developer.zendesk.com, "Verifying webhook authenticity": base64(HMACSHA256(TIMESTAMP + BODY))."""
    return base64.b64encode(hmac.new(secret.encode(), (timestamp + body).encode(), "sha256").digest()).decode()


def _zendesk_accepts(request: SignableRequest, secret: str) -> bool:
    headers = _headers(request)
    timestamp = headers["x-zendesk-webhook-signature-timestamp"]
    return headers["x-zendesk-webhook-signature"] == _zendesk_signature(timestamp, request.body.decode(), secret)


def _zendesk_headers(body: str, secret: str, now: int) -> dict[str, str]:
    timestamp = _moment(now).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "x-zendesk-webhook-signature": _zendesk_signature(timestamp, body, secret),
        "x-zendesk-webhook-signature-timestamp": timestamp,
    }


class _AnyLabel(hms.HTTPMessageVerifier):
    allow_label_only_selection = True


def _message_keys(algorithm: type, secret: str) -> hms.MappingKeyResolver:
    if algorithm is hms.algorithms.HMAC_SHA256:
        key = base64.b64decode(secret)
        return hms.MappingKeyResolver(public_keys={"k1": key}, private_keys={"k1": key})
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret.removeprefix("whsk_"))[:32])
    return hms.MappingKeyResolver(public_keys={"k1": key.public_key()}, private_keys={"k1": key})


def _message(algorithm: type) -> Judge:
    def accepts(request: SignableRequest, secret: str) -> bool:
        message = SimpleNamespace(method=request.method, url=request.url, headers=_headers(request))
        # Every label is tried, as both secrets of a rotation sign.
        warnings.simplefilter("ignore", hms.signatures.SignatureVerifyWarning)
        verifier = _AnyLabel(signature_algorithm=algorithm, key_resolver=_message_keys(algorithm, secret))
        labels = [part.strip().partition("=")[0] for part in message.headers["signature"].split(", ")]
        return any(
            _accepted(
                hms.HTTPMessageSignaturesException,
                lambda: verifier.verify(message, expect_label=label, body=request.body, max_age=datetime.timedelta(seconds=300)),  # noqa: B023 - called at once
            )
            for label in labels
        )

    def headers(body: str, secret: str, now: int) -> dict[str, str]:
        message = SimpleNamespace(method="POST", url=URL, headers={"Content-Type": "application/json"})
        hms.HTTPMessageSigner(signature_algorithm=algorithm, key_resolver=_message_keys(algorithm, secret)).sign(
            message,
            key_id="k1",
            created=_moment(now),
            covered_component_ids=("@method", "@target-uri", "content-type"),
            body=body.encode(),
        )
        del message.headers["Content-Type"]
        return message.headers

    return Judge(package="http-message-signatures", accepts=accepts, headers=headers)


JUDGES = {
    "standard": Judge(
        package="standardwebhooks",
        accepts=lambda request, secret: _accepted(
            standardwebhooks.webhooks.WebhookVerificationError,
            lambda: standardwebhooks.Webhook(secret).verify(request.body, _headers(request), json_parse=False) or True,
        ),
        headers=_webhook("", standardwebhooks.Webhook, Exception, "webhook").headers,
    ),
    "standard-v1a": Judge(package="the specification, with cryptography", accepts=_v1a_accepts, headers=_v1a_headers),
    "svix": _webhook("svix", svix.webhooks.Webhook, svix.webhooks.WebhookVerificationError, "svix"),
    "stripe": Judge(
        package="stripe",
        accepts=lambda request, secret: _accepted(
            stripe.SignatureVerificationError,
            lambda: stripe.WebhookSignature.verify_header(request.body, _headers(request)["stripe-signature"], secret, 300),
        ),
        headers=lambda body, secret, now: {
            "Stripe-Signature": stripe.WebhookSignature.generate_signature_header(body, secret, timestamp=now)
        },
    ),
    "github": _recipe(_github_signature, "x-hub-signature-256"),
    "slack": Judge(
        package="slack-sdk",
        accepts=lambda request, secret: SignatureVerifier(secret).is_valid_request(request.body, _headers(request)),
        headers=lambda body, secret, now: {
            "X-Slack-Request-Timestamp": str(now),
            "X-Slack-Signature": SignatureVerifier(secret).generate_signature(timestamp=str(now), body=body) or "",
        },
    ),
    "twilio": Judge(
        package="twilio",
        accepts=_twilio_accepts,
        headers=lambda body, secret, now: {
            "X-Twilio-Signature": RequestValidator(secret).compute_signature(
                f"{URL}&bodySHA256={RequestValidator(secret).compute_hash(body)}", {}
            )
        },
    ),
    "hubspot": Judge(package="hubspot-api-client", accepts=_hubspot_accepts, headers=_hubspot_headers),
    "shopify": _recipe(_shopify_signature, "x-shopify-hmac-sha256"),
    "segment": _recipe(_segment_signature, "x-signature"),
    "zendesk": Judge(package="the documented recipe", accepts=_zendesk_accepts, headers=_zendesk_headers),
    "http-message": _message(hms.algorithms.HMAC_SHA256),
    "http-message-ed25519": _message(hms.algorithms.ED25519),
}
"""By case. `custom` is judged by its own laws alone, as nobody else knows it."""
