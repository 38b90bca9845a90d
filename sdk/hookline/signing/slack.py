"""Slack: HMAC-SHA256 in hex over `v0:timestamp:body`, in the header `X-Slack-Signature: v0=…`.

https://docs.slack.dev/authentication/verifying-requests-from-slack.
"""

import re
from collections.abc import Sequence
from typing import Final

from hookline.errors import InvalidArgument
from hookline.signing.checks import (
    check_secrets,
    check_time,
    claimed_signatures,
    raw_body,
    require_match,
    single,
    whole_number,
    wire,
    with_headers,
)
from hookline.signing.scheme import SignableRequest
from hookline.signing.shared_secret import any_equal, generate_hex, mac

SIGNATURE: Final = "x-slack-signature"
TIMESTAMP: Final = "x-slack-request-timestamp"

_PREFIX: Final = "v0="
# Slack hands out hex; the example in its documents has other letters too.
_SECRET: Final = re.compile(r"[0-9a-z]{32}")


class Slack:
    """The scheme `slack`. The secret is the app's signing secret; the key is its text, not decoded."""

    name: Final = "slack"
    header_names: Final = frozenset({SIGNATURE, TIMESTAMP})

    def generate_secret(self) -> str:
        """16 random bytes in hex."""
        return generate_hex(16)

    def check_secret(self, secret: str) -> None:
        """Raise InvalidArgument unless it is 32 digits and small letters."""
        if _SECRET.fullmatch(secret) is None:
            raise InvalidArgument.of("secret", "the secret is not one of Slack's; right are 32 digits and small letters, like hex")

    def sign(self, request: SignableRequest, secrets: Sequence[str], now: int) -> SignableRequest:
        """`request` with the time and the signature of the first secret."""
        check_secrets(secrets, "sign")
        signature = self._mac(secrets[0], _message(str(now), request.body))
        return with_headers(request, (TIMESTAMP, str(now)), (SIGNATURE, _PREFIX + signature))

    def verify(self, request: SignableRequest, secrets: Sequence[str], now: int, tolerance: int = 300) -> None:
        """Raise InvalidSignature unless the signature is that of one of `secrets`, in constant time."""
        check_secrets(secrets, "verify")
        body = raw_body(request)
        timestamp = single(request, TIMESTAMP)
        claimed = [wire(each) for each in claimed_signatures(single(request, SIGNATURE), SIGNATURE, _PREFIX)]
        check_time(whole_number(timestamp, TIMESTAMP), now, tolerance)

        def matches(form: bytes) -> bool:
            message = _message(timestamp, form)
            return any_equal(claimed, [wire(self._mac(secret, message)) for secret in secrets])

        require_match(matches, body, f"the signature in {SIGNATURE} is not right: another secret, or changed on the way")

    def _mac(self, secret: str, message: bytes) -> str:
        self.check_secret(secret)
        return mac(secret, "sha256", message).hex()


def _message(timestamp: str, body: bytes) -> bytes:
    return wire(f"v0:{timestamp}:") + body
