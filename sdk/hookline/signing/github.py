"""GitHub: HMAC-SHA256 in hex over the body, in the header `X-Hub-Signature-256: sha256=…`.

https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries. Neither the id nor the
event's type is signed, and there is no timestamp: a recorded delivery can be sent again, so receivers
remember the ids.
"""

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

SIGNATURE: Final = "x-hub-signature-256"
EVENT: Final = "x-github-event"
DELIVERY: Final = "x-github-delivery"

_PREFIX: Final = "sha256="


class GitHub:
    """The scheme `github`. The secret is any text."""

    name: Final = "github"
    header_names: Final = frozenset({SIGNATURE, EVENT, DELIVERY})

    def generate_secret(self) -> str:
        """32 random bytes in hex."""
        return generate_hex()

    def check_secret(self, secret: str) -> None:
        """See `check_text_secret`."""
        check_text_secret(secret)

    def sign(self, request: SignableRequest, secrets: Sequence[str], now: int) -> SignableRequest:
        """`request` with the signature of the first secret, and its type and id where it has them."""
        check_secrets(secrets, "sign")
        names = ((EVENT, "event_type", request.event_type), (DELIVERY, "id", request.id))
        return with_headers(
            request,
            *((header, sendable(field, value)) for header, field, value in names if value),
            (SIGNATURE, _PREFIX + mac(secrets[0], "sha256", request.body).hex()),
        )

    def verify(self, request: SignableRequest, secrets: Sequence[str], now: int, tolerance: int = 300) -> None:
        """Raise InvalidSignature unless the signature is that of one of `secrets`; of the time it tells nothing."""
        check_secrets(secrets, "verify")
        body = raw_body(request)
        claimed = [wire(each) for each in claimed_signatures(single(request, SIGNATURE), SIGNATURE, _PREFIX)]
        require_match(
            lambda form: any_equal(claimed, [wire(mac(secret, "sha256", form).hex()) for secret in secrets]),
            body,
            f"the signature in {SIGNATURE} is not right: another secret, or the body was changed on the way",
        )
