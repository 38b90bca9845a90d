"""Shopify: HMAC-SHA256 in base64 over the body, in the header `X-Shopify-Hmac-Sha256`.

https://shopify.dev/docs/apps/build/webhooks/verify-deliveries, "HMAC verification". Neither
the id nor the topic is signed, and no time: receivers remember the ids.
"""

from base64 import b64encode
from collections.abc import Sequence
from typing import Final

from hookline.signing.checks import (
    check_secrets,
    claimed_signatures,
    raw_body,
    require_match,
    sendable,
    single,
    wire,
    with_headers,
)
from hookline.signing.scheme import SignableRequest
from hookline.signing.shared_secret import any_equal, check_text_secret, generate_hex, mac

SIGNATURE: Final = "x-shopify-hmac-sha256"
TOPIC: Final = "x-shopify-topic"
WEBHOOK_ID: Final = "x-shopify-webhook-id"


class Shopify:
    """The scheme `shopify`. The secret is the app's client secret, any text."""

    name: Final = "shopify"
    header_names: Final = frozenset({SIGNATURE, TOPIC, WEBHOOK_ID})

    def generate_secret(self) -> str:
        """32 random bytes in hex."""
        return generate_hex()

    def check_secret(self, secret: str) -> None:
        """See `check_text_secret`."""
        check_text_secret(secret)

    def sign(self, request: SignableRequest, secrets: Sequence[str], now: int) -> SignableRequest:
        """`request` with the signature of the first secret, and its topic and id where it has them."""
        check_secrets(secrets, "sign")
        names = ((TOPIC, "event_type", request.event_type), (WEBHOOK_ID, "id", request.id))
        return with_headers(
            request,
            *((header, sendable(field, value)) for header, field, value in names if value),
            (SIGNATURE, _mac(secrets[0], request.body).decode("ascii")),
        )

    def verify(self, request: SignableRequest, secrets: Sequence[str], now: int, tolerance: int = 300) -> None:
        """Raise InvalidSignature unless the signature is that of one of `secrets`; of the time it tells nothing."""
        check_secrets(secrets, "verify")
        body = raw_body(request)
        claimed = [wire(each) for each in claimed_signatures(single(request, SIGNATURE), SIGNATURE)]
        require_match(
            lambda form: any_equal(claimed, [_mac(secret, form) for secret in secrets]),
            body,
            f"the signature in {SIGNATURE} is not right: another secret, or the body was changed on the way",
        )


def _mac(secret: str, body: bytes) -> bytes:
    return b64encode(mac(secret, "sha256", body))
