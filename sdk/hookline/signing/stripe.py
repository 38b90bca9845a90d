"""Stripe: HMAC-SHA256 in hex over `timestamp.body`, in the header `Stripe-Signature: t=…,v1=…`.

https://docs.stripe.com/webhooks/signature, "Verify webhook signatures manually".
"""

import re
from collections.abc import Sequence
from typing import Final

from hookline.errors import InvalidArgument
from hookline.signing.checks import (
    check_secrets,
    check_time,
    limited,
    malformed,
    raw_body,
    require_match,
    single,
    whole_number,
    wire,
    with_headers,
)
from hookline.signing.scheme import SignableRequest
from hookline.signing.shared_secret import any_equal, generate_hex, mac

SIGNATURE: Final = "stripe-signature"

_SECRET: Final = re.compile(r"whsec_[!-~]{16,250}")


class Stripe:
    """The scheme `stripe`. The key is the whole secret, `whsec_` included: it is not decoded."""

    name: Final = "stripe"
    header_names: Final = frozenset({SIGNATURE})

    def generate_secret(self) -> str:
        """`whsec_` and 32 random bytes in hex."""
        return "whsec_" + generate_hex()

    def check_secret(self, secret: str) -> None:
        """Raise InvalidArgument unless it is `whsec_` and 16 to 250 visible characters."""
        if _SECRET.fullmatch(secret) is None:
            raise InvalidArgument.of(
                "secret", "the secret is not one of Stripe's; right is 'whsec_' followed by 16 to 250 visible characters"
            )

    def sign(self, request: SignableRequest, secrets: Sequence[str], now: int) -> SignableRequest:
        """`request` with the time and one `v1` signature a secret in `Stripe-Signature`."""
        check_secrets(secrets, "sign")
        message = _message(str(now), request.body)
        signatures = [f"v1={self._mac(secret, message)}" for secret in secrets]
        return with_headers(request, (SIGNATURE, ",".join([f"t={now}", *signatures])))

    def verify(self, request: SignableRequest, secrets: Sequence[str], now: int, tolerance: int = 300) -> None:
        """Raise InvalidSignature unless one `v1` signature is that of one of `secrets`, in constant time."""
        check_secrets(secrets, "verify")
        body = raw_body(request)
        parts = [part.strip(" \t").partition("=") for part in single(request, SIGNATURE).split(",")]
        times = [value for key, _, value in parts if key == "t"]
        if len(times) != 1:
            raise malformed(f"{SIGNATURE} holds {len(times)} times ('t='); right is one")
        claimed = limited([wire(value) for key, _, value in parts if key == "v1"], SIGNATURE)
        if not claimed:
            raise malformed(f"{SIGNATURE} holds no signature of the form 'v1=…'")
        check_time(whole_number(times[0], SIGNATURE), now, tolerance)

        def matches(form: bytes) -> bool:
            message = _message(times[0], form)
            return any_equal(claimed, [wire(self._mac(secret, message)) for secret in secrets])

        require_match(
            matches,
            body,
            f"none of the {len(claimed)} v1 signatures in {SIGNATURE} is right: another secret, or changed on the way",
        )

    def _mac(self, secret: str, message: bytes) -> str:
        self.check_secret(secret)
        return mac(secret, "sha256", message).hex()


def _message(timestamp: str, body: bytes) -> bytes:
    return wire(f"{timestamp}.") + body
