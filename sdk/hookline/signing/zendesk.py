"""Zendesk: HMAC-SHA256 in base64 over the timestamp and the body, with nothing between them.

https://developer.zendesk.com/documentation/webhooks/verifying/. The timestamp is a date and time in UTC
(RFC 3339), which ends in `Z`: where it ends and the body begins is plain.
"""

import re
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from hookline.errors import quoted
from hookline.signing.checks import (
    check_secrets,
    check_time,
    claimed_signatures,
    malformed,
    raw_body,
    require_match,
    sendable,
    single,
    wire,
    with_headers,
)
from hookline.signing.scheme import SignableRequest
from hookline.signing.shared_secret import any_equal, check_text_secret, generate_base64, mac

SIGNATURE: Final = "x-zendesk-webhook-signature"
TIMESTAMP: Final = "x-zendesk-webhook-signature-timestamp"
INVOCATION: Final = "x-zendesk-webhook-invocation-id"

_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z")


class Zendesk:
    """The scheme `zendesk`. The secret is base64, and the key is its text: it is not decoded."""

    name: Final = "zendesk"
    header_names: Final = frozenset({SIGNATURE, TIMESTAMP, INVOCATION})

    def generate_secret(self) -> str:
        """32 random bytes in base64."""
        return generate_base64()

    def check_secret(self, secret: str) -> None:
        """See `check_text_secret`."""
        check_text_secret(secret)

    def sign(self, request: SignableRequest, secrets: Sequence[str], now: int) -> SignableRequest:
        """`request` with the time, the signature of the first secret, and its id where it has one."""
        check_secrets(secrets, "sign")
        timestamp = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return with_headers(
            request,
            *(((INVOCATION, sendable("id", request.id)),) if request.id else ()),
            (TIMESTAMP, timestamp),
            (SIGNATURE, _mac(secrets[0], timestamp, request.body).decode("ascii")),
        )

    def verify(self, request: SignableRequest, secrets: Sequence[str], now: int, tolerance: int = 300) -> None:
        """Raise InvalidSignature unless the signature is that of one of `secrets`, in constant time."""
        check_secrets(secrets, "verify")
        body = raw_body(request)
        timestamp = single(request, TIMESTAMP)
        claimed = [wire(each) for each in claimed_signatures(single(request, SIGNATURE), SIGNATURE)]
        check_time(_seconds(timestamp), now, tolerance)
        require_match(
            lambda form: any_equal(claimed, [_mac(secret, timestamp, form) for secret in secrets]),
            body,
            f"the signature in {SIGNATURE} is not right: another secret, or changed on the way",
        )


def _mac(secret: str, timestamp: str, body: bytes) -> bytes:
    return b64encode(mac(secret, "sha256", wire(timestamp) + body))


def _seconds(timestamp: str) -> int:
    right = "right is a date and time in UTC, like '2021-07-25T10:00:00Z'"
    if _TIME.fullmatch(timestamp) is None:
        raise malformed(f"{TIMESTAMP} is {quoted(timestamp)}; {right}")
    try:
        # Whole seconds: fractions of up to nine digits are more than a datetime holds.
        return int(datetime.fromisoformat(timestamp[:19] + "+00:00").timestamp())
    except ValueError:
        raise malformed(f"{TIMESTAMP} is {quoted(timestamp)}, which is no date; {right}") from None
