"""Other people's verifiers and signers in Python, one a scheme, behind one small interface.

Some platforms have no package: for these the recipe in their documents is written out here, sharing
nothing with the library but the standard library.
"""

import base64
import datetime
import hashlib
import hmac
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from urllib.parse import parse_qsl

import http_message_signatures as hms
import standardwebhooks
import stripe
import svix.webhooks
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hubspot.exceptions import InvalidSignatureTimestampError
from hubspot.utils.signature import Signature as HubSpotSignature
from slack_sdk.signature import SignatureVerifier
from twilio.request_validator import RequestValidator

from hookline.signing import SignableRequest

PYTHON = "PyPI"
RECIPE = "recipe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """`accepts(request, secret)`, and `sign(request, secret, now)`, the request as it would be sent, where it can sign."""

    language: str
    package: str
    accepts: Callable[[SignableRequest, str], bool]
    sign: Callable[[SignableRequest, str, int], SignableRequest] | None


def _accepted(refused: type[Exception] | tuple[type[Exception], ...], call: Callable[[], object]) -> bool:
    try:
        return call() is not False
    except refused:
        return False


def _headers(request: SignableRequest) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers}


def _with(request: SignableRequest, headers: dict[str, str]) -> SignableRequest:
    return replace(request, headers=(*request.headers, *headers.items()))


def _moment(now: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(now, datetime.UTC)


def _webhook(package: str, webhook: type, error: type[Exception], prefix: str, **options: bool) -> Judge:
    return Judge(
        language=PYTHON,
        package=package,
        accepts=lambda request, secret: _accepted(
            error, lambda: webhook(secret).verify(request.body, _headers(request), **options) or True
        ),
        sign=lambda request, secret, now: _with(
            request,
            {
                f"{prefix}-id": request.id,
                f"{prefix}-timestamp": str(now),
                f"{prefix}-signature": webhook(secret).sign(request.id, _moment(now), request.body.decode()),
            },
        ),
    )


def _v1a(webhook_id: str, timestamp: str, body: bytes, secret: str) -> str:
    """Written from the specification: the Python package knows no v1a."""
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret.removeprefix("whsk_"))[:32])
    return "v1a," + base64.b64encode(key.sign(f"{webhook_id}.{timestamp}.".encode() + body)).decode()


def _v1a_sign(request: SignableRequest, secret: str, now: int) -> SignableRequest:
    signature = _v1a(request.id, str(now), request.body, secret)
    return _with(request, {"webhook-id": request.id, "webhook-timestamp": str(now), "webhook-signature": signature})


def _v1a_accepts(request: SignableRequest, secret: str) -> bool:
    headers = _headers(request)
    if not {"webhook-id", "webhook-timestamp", "webhook-signature"} <= headers.keys():
        return False
    timestamp = headers["webhook-timestamp"]
    # Ed25519 is deterministic: the right signature is the one that the key makes.
    expected = _v1a(headers["webhook-id"], timestamp, request.body, secret)
    return abs(time.time() - int(timestamp)) <= 300 and expected in headers["webhook-signature"].split(" ")


def _is_form(request: SignableRequest) -> bool:
    return _headers(request)["content-type"].startswith("application/x-www-form-urlencoded")


def _twilio_accepts(request: SignableRequest, secret: str) -> bool:
    body = request.body.decode()
    parameters = dict(parse_qsl(body, keep_blank_values=True)) if _is_form(request) else body
    return RequestValidator(secret).validate(request.url, parameters, _headers(request).get("x-twilio-signature", ""))


def _twilio_sign(request: SignableRequest, secret: str, now: int) -> SignableRequest:
    validator, body = RequestValidator(secret), request.body.decode()
    if _is_form(request):
        signature = validator.compute_signature(request.url, dict(parse_qsl(body, keep_blank_values=True)))
    else:
        request = replace(request, url=f"{request.url}&bodySHA256={validator.compute_hash(body)}")
        signature = validator.compute_signature(request.url, {})
    return _with(request, {"X-Twilio-Signature": signature})


def _hubspot_accepts(request: SignableRequest, secret: str) -> bool:
    headers = _headers(request)
    return _accepted(
        InvalidSignatureTimestampError,
        lambda: HubSpotSignature.is_valid(
            headers.get("x-hubspot-signature-v3", ""),
            secret,
            request.body.decode(),
            request.url,
            request.method,
            "v3",
            headers.get("x-hubspot-request-timestamp"),
        ),
    )


def _hubspot_sign(request: SignableRequest, secret: str, now: int) -> SignableRequest:
    timestamp = str(now * 1000 + 7)
    signature = HubSpotSignature.get_signature(secret, request.body.decode(), "v3", request.url, request.method, timestamp)
    return _with(request, {"x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": timestamp})


def _shopify_signature(body: bytes, secret: str) -> str:
    """shopify.dev, "Verify webhook deliveries": the digest of the body, in base64."""
    return base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()


def _github_signature(body: bytes, secret: str) -> str:
    """docs.github.com, "Validating webhook deliveries", the example in Python."""
    return "sha256=" + hmac.new(secret.encode("utf-8"), msg=body, digestmod=hashlib.sha256).hexdigest()


def _segment_signature(body: bytes, secret: str) -> str:
    """segment.com, "Webhooks (Actions) destination", "Authentication": SHA-1, in hex."""
    return hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()


def _recipe(platform: str, recipe: Callable[[bytes, str], str], header: str) -> Judge:
    return Judge(
        language=RECIPE,
        package=platform,
        accepts=lambda request, secret: _headers(request).get(header, "") == recipe(request.body, secret),
        sign=lambda request, secret, now: _with(request, {header: recipe(request.body, secret)}),
    )


def _zendesk_signature(timestamp: str, body: bytes, secret: str) -> str:
    """developer.zendesk.com, "Verifying webhook authenticity": base64(HMACSHA256(TIMESTAMP + BODY))."""
    return base64.b64encode(hmac.new(secret.encode(), timestamp.encode() + body, "sha256").digest()).decode()


def _zendesk_accepts(request: SignableRequest, secret: str) -> bool:
    headers = _headers(request)
    timestamp = headers.get("x-zendesk-webhook-signature-timestamp", "")
    return headers.get("x-zendesk-webhook-signature") == _zendesk_signature(timestamp, request.body, secret)


def _zendesk_sign(request: SignableRequest, secret: str, now: int) -> SignableRequest:
    timestamp = _moment(now).strftime("%Y-%m-%dT%H:%M:%SZ")
    signature = _zendesk_signature(timestamp, request.body, secret)
    return _with(request, {"x-zendesk-webhook-signature": signature, "x-zendesk-webhook-signature-timestamp": timestamp})


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
        labels = [part.strip().partition("=")[0] for part in message.headers.get("signature", "").split(", ")]
        return any(
            _accepted(
                hms.HTTPMessageSignaturesException,
                lambda: verifier.verify(message, expect_label=label, body=request.body, max_age=datetime.timedelta(seconds=300)),  # noqa: B023 - called at once
            )
            for label in labels
        )

    def sign(request: SignableRequest, secret: str, now: int) -> SignableRequest:
        message = SimpleNamespace(method=request.method, url=request.url, headers=dict(request.headers))
        hms.HTTPMessageSigner(signature_algorithm=algorithm, key_resolver=_message_keys(algorithm, secret)).sign(
            message,
            key_id="k1",
            created=_moment(now),
            covered_component_ids=("@method", "@target-uri", "content-type"),
            body=request.body,
        )
        return replace(request, headers=tuple(message.headers.items()))

    return Judge(language=PYTHON, package="http-message-signatures", accepts=accepts, sign=sign)


IN_PYTHON = (
    (
        "standard",
        _webhook(
            "standardwebhooks",
            standardwebhooks.Webhook,
            standardwebhooks.webhooks.WebhookVerificationError,
            "webhook",
            json_parse=False,
        ),
    ),
    ("standard-v1a", Judge(language=RECIPE, package="the specification", accepts=_v1a_accepts, sign=_v1a_sign)),
    ("svix", _webhook("svix", svix.webhooks.Webhook, svix.webhooks.WebhookVerificationError, "svix")),
    (
        "stripe",
        Judge(
            language=PYTHON,
            package="stripe",
            accepts=lambda request, secret: _accepted(
                stripe.SignatureVerificationError,
                lambda: stripe.WebhookSignature.verify_header(
                    request.body, _headers(request).get("stripe-signature", ""), secret, 300
                ),
            ),
            sign=lambda request, secret, now: _with(
                request,
                {
                    "Stripe-Signature": stripe.WebhookSignature.generate_signature_header(
                        request.body.decode(), secret, timestamp=now
                    )
                },
            ),
        ),
    ),
    ("github", _recipe("GitHub's documents", _github_signature, "x-hub-signature-256")),
    (
        "slack",
        Judge(
            language=PYTHON,
            package="slack-sdk",
            accepts=lambda request, secret: SignatureVerifier(secret).is_valid_request(request.body, _headers(request)),
            sign=lambda request, secret, now: _with(
                request,
                {
                    "X-Slack-Request-Timestamp": str(now),
                    "X-Slack-Signature": SignatureVerifier(secret).generate_signature(timestamp=str(now), body=request.body) or "",
                },
            ),
        ),
    ),
    ("twilio", Judge(language=PYTHON, package="twilio", accepts=_twilio_accepts, sign=_twilio_sign)),
    ("twilio-form", Judge(language=PYTHON, package="twilio", accepts=_twilio_accepts, sign=_twilio_sign)),
    ("hubspot", Judge(language=PYTHON, package="hubspot-api-client", accepts=_hubspot_accepts, sign=_hubspot_sign)),
    ("shopify", _recipe("Shopify's documents", _shopify_signature, "x-shopify-hmac-sha256")),
    ("segment", _recipe("Segment's documents", _segment_signature, "x-signature")),
    ("zendesk", Judge(language=RECIPE, package="Zendesk's documents", accepts=_zendesk_accepts, sign=_zendesk_sign)),
    ("http-message", _message(hms.algorithms.HMAC_SHA256)),
    ("http-message-ed25519", _message(hms.algorithms.ED25519)),
)
"""By case. `custom` is judged by its own laws alone, as nobody else knows it."""
