"""Segment: HMAC-SHA1 in hex over the body, in the header `X-Signature`.

https://segment.com/docs/connections/destinations/catalog/actions-webhook, "Authentication". No time is
signed. Of a batch Segment signs the first event alone
(https://support.twilio.com/hc/en-us/articles/51193799782171); such a request is refused here, as the
rest of it could be anybody's. No list is signed here: a receiver of Segment's would look for the signature
of its first element. One that is signed as a whole is verified.
"""

from collections.abc import Sequence
from typing import Final

from hookline.errors import InvalidArgument
from hookline.signing.checks import (
    check_secrets,
    claimed_signatures,
    raw_body,
    require_match,
    single,
    wire,
    with_headers,
)
from hookline.signing.scheme import SignableRequest
from hookline.signing.shared_secret import any_equal, check_text_secret, generate_hex, mac

SIGNATURE: Final = "x-signature"

_BLANK: Final = b" \t\r\n"
"""What may stand before JSON (RFC 8259, section 2)."""


class Segment:
    """The scheme `segment`. The secret is any text."""

    name: Final = "segment"
    header_names: Final = frozenset({SIGNATURE})

    def generate_secret(self) -> str:
        """32 random bytes in hex."""
        return generate_hex()

    def check_secret(self, secret: str) -> None:
        """See `check_text_secret`."""
        check_text_secret(secret)

    def sign(self, request: SignableRequest, secrets: Sequence[str], now: int) -> SignableRequest:
        """`request` with the signature of the first secret. Raises InvalidArgument if the body is a list in JSON."""
        check_secrets(secrets, "sign")
        if request.body.lstrip(_BLANK).startswith(b"["):
            raise InvalidArgument.of(
                "body", "is a list, of which Segment signs the first element alone; right is one event, or another scheme"
            )
        return with_headers(request, (SIGNATURE, mac(secrets[0], "sha1", request.body).hex()))

    def verify(self, request: SignableRequest, secrets: Sequence[str], now: int, tolerance: int = 300) -> None:
        """Raise InvalidSignature unless the signature is that of one of `secrets`; of the time it tells nothing."""
        check_secrets(secrets, "verify")
        body = raw_body(request)
        claimed = [wire(each) for each in claimed_signatures(single(request, SIGNATURE), SIGNATURE)]
        require_match(
            lambda form: any_equal(claimed, [wire(mac(secret, "sha1", form).hex()) for secret in secrets]),
            body,
            f"the signature in {SIGNATURE} is not right: another secret, or the body was changed on the way",
        )
