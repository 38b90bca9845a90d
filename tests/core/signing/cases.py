"""The table of the signature schemes: one row each, with what it signs and how its secrets look."""

from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace

from hookline.errors import HooklineError
from hookline.signing import Custom, HttpMessage, HubSpot, Scheme, SignableRequest, ed25519, scheme
from hookline.signing.custom import Encoding
from hookline.signing.http_message import Algorithm

NOW = 1_750_000_000
URL = "https://example.com/hooks/in?tenant=7&b=2"
JSON = b'{"type":"invoice.paid","data":{"amount":100}}'
CONTENT_TYPE = (("Content-Type", "application/json"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A scheme. `signed` are the headers that it covers or sends signatures in."""

    name: str
    scheme: Scheme
    signed: tuple[str, ...]
    secret: Callable[[], str]
    timed: bool = True
    several: bool = False
    """Every secret signs, not the first alone."""
    url: bool = False
    method: bool = False
    key_prefix: str | None = None
    """Of a secret that is base64; None for one whose text is the key."""
    lists: bool = True
    """A body that is a list in JSON is signed."""
    own: tuple[str, ...] = ()
    """Headers that it sends beside those that are signed."""
    headers: tuple[tuple[str, str], ...] = CONTENT_TYPE
    """What the request has before it is signed."""
    body: bytes = JSON

    def request(self, body: bytes | None = None, webhook_id: str = "evt_1", event_type: str = "invoice.paid") -> SignableRequest:
        sent = self.body if body is None else body
        return SignableRequest(url=URL, headers=self.headers, body=sent, id=webhook_id, event_type=event_type)

    def signs(self, body: bytes) -> bool:
        return self.lists or not body.lstrip(b" \t\r\n").startswith(b"[")

    def flipped_secret(self, secret: str, bit: int) -> str:
        if self.key_prefix is None:
            return flipped(secret.encode("latin-1"), bit).decode("latin-1")
        key = b64decode(secret.removeprefix(self.key_prefix))
        return self.key_prefix + b64encode(flipped(key, bit)).decode("ascii")


def case(name: str, signed: tuple[str, ...], made: Scheme | None = None, **more: object) -> Case:
    made = made or scheme(name)
    secret = more.pop("secret", made.generate_secret)
    return Case(name=name, scheme=made, signed=signed, secret=secret, **more)


def trio(prefix: str) -> tuple[str, ...]:
    return (f"{prefix}-id", f"{prefix}-timestamp", f"{prefix}-signature")


MESSAGE = ("signature", "signature-input", "content-digest", "content-type")
CASES = (
    case("standard", trio("webhook"), several=True, key_prefix="whsec_"),
    case("standard-v1a", trio("webhook"), scheme("standard"), several=True, key_prefix="whsk_", secret=ed25519.generate_key),
    case("svix", trio("svix"), several=True, key_prefix="whsec_"),
    case("stripe", ("stripe-signature",), several=True),
    case("github", ("x-hub-signature-256",), timed=False, own=("x-github-event", "x-github-delivery")),
    case("slack", ("x-slack-signature", "x-slack-request-timestamp")),
    case("twilio", ("x-twilio-signature",), timed=False, url=True, own=("i-twilio-idempotency-token",)),
    case("hubspot", ("x-hubspot-signature-v3", "x-hubspot-request-timestamp"), url=True, method=True),
    case(
        "shopify",
        ("x-shopify-hmac-sha256",),
        timed=False,
        own=("x-shopify-topic", "x-shopify-webhook-id"),
        # Shopify's own library wants these, which say nothing of the event: they are the subscription's.
        headers=(*CONTENT_TYPE, ("X-Shopify-Shop-Domain", "acme.myshopify.com"), ("X-Shopify-API-Version", "2026-10")),
    ),
    case("segment", ("x-signature",), timed=False, lists=False),
    case(
        "zendesk",
        ("x-zendesk-webhook-signature", "x-zendesk-webhook-signature-timestamp"),
        own=("x-zendesk-webhook-invocation-id",),
    ),
    case("http-message", MESSAGE, HttpMessage(key_id="k1"), several=True, url=True, method=True, key_prefix=""),
    case(
        "http-message-ed25519",
        MESSAGE,
        HttpMessage(key_id="k1", algorithm=Algorithm.ED25519, expires_after=600),
        several=True,
        url=True,
        method=True,
        key_prefix="whsk_",
    ),
    case(
        "custom",
        ("x-acme-signature", "x-acme-id", "x-acme-time"),
        Custom(
            signature_header="X-Acme-Signature", prefix="v1=", separator=",", id_header="X-Acme-Id", timestamp_header="X-Acme-Time"
        ),
        several=True,
    ),
    case(
        "custom-api-key",
        ("x-saber-signature", "x-api-key"),
        Custom(
            signature_header="X-Saber-Signature",
            template="{method}\n{url}\n{body}",
            encoding=Encoding.BASE64,
            api_key_header="X-Api-Key",
            api_key="key-1",
        ),
        timed=False,
        url=True,
        method=True,
    ),
)
TWILIO_FORM = case(
    "twilio-form",
    ("x-twilio-signature",),
    scheme("twilio"),
    timed=False,
    url=True,
    own=("i-twilio-idempotency-token",),
    headers=(("Content-Type", "application/x-www-form-urlencoded"),),
    body=b"Digits=100&To=%2B18005551212&Note=a+b",
)
"""Not among the others: the order and the encoding of a form are not signed."""
HUBSPOT_OLD = HubSpot(old_versions=frozenset({"v1", "v2"}))


def named(name: str) -> Case:
    return next(each for each in (*CASES, TWILIO_FORM) if each.name == name)


def flipped(raw: bytes, bit: int) -> bytes:
    """`raw` with one bit turned, counted from its start and around its end."""
    position = bit % (len(raw) * 8)
    return (int.from_bytes(raw) ^ 1 << position).to_bytes(len(raw))


def received(request: SignableRequest) -> SignableRequest:
    """What a receiver knows of a request that was sent."""
    return replace(request, id="", event_type="")


def value(request: SignableRequest, name: str) -> str:
    return next(value for header, value in request.headers if header.lower() == name)


def with_value(request: SignableRequest, name: str, new: str) -> SignableRequest:
    return replace(request, headers=tuple((header, new if header.lower() == name else old) for header, old in request.headers))


def without(request: SignableRequest, name: str) -> SignableRequest:
    return replace(request, headers=tuple(pair for pair in request.headers if pair[0].lower() != name))


def refusal(made: Scheme, request: SignableRequest, secrets: list[str], now: int = NOW) -> HooklineError | None:
    try:
        made.verify(request, secrets, now)
    except HooklineError as error:
        return error
    return None
