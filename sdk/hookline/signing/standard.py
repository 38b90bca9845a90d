"""Standard Webhooks, version v1: HMAC-SHA256 over `id.timestamp.body`.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md, "Signature
scheme" and "Verifying webhook authenticity".
"""

import re
import secrets as entropy
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from functools import lru_cache
from hmac import HMAC, compare_digest
from typing import Final

from hookline.errors import InvalidArgument, quoted
from hookline.signing.scheme import InvalidSignature, SignableRequest, SignatureFault

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"

SECRET_PREFIX: Final = "whsec_"
SHORTEST_KEY: Final = 24
LONGEST_KEY: Final = 64
_NEW_KEY: Final = 32

_WEBHOOK_ID: Final = re.compile(r"[!-\-/-~]{1,256}")
"""Visible ASCII but for the full stop, which ends the id in what is signed."""
_DIGITS: Final = re.compile(r"[0-9]{1,15}")
_VERSION: Final = "v1,"


@lru_cache(maxsize=4096)
def parse_secret(secret: str) -> bytes:
    """The key in `secret`: `whsec_` and 24 to 64 bytes in base64.

    Raises InvalidArgument that says what is wrong and does not show the secret.
    """
    if not secret.startswith(SECRET_PREFIX):
        raise _bad_secret(f"does not begin with {SECRET_PREFIX!r}")
    try:
        key = b64decode(secret.removeprefix(SECRET_PREFIX).encode("ascii"), validate=True)
    except (Base64Error, UnicodeEncodeError):
        # Without the cause, whose message may quote the secret.
        raise _bad_secret(f"is not base64 (RFC 4648, section 4, with padding) after {SECRET_PREFIX!r}") from None
    if not SHORTEST_KEY <= len(key) <= LONGEST_KEY:
        raise _bad_secret(f"holds {len(key)} bytes")
    return key


def _bad_secret(fault: str) -> InvalidArgument:
    return InvalidArgument.of(
        "secret",
        f"the secret {fault}; right is {SECRET_PREFIX!r} followed by {SHORTEST_KEY} to {LONGEST_KEY} random bytes in base64",
    )


class Standard:
    """The scheme `standard`."""

    name: Final = "standard"
    header_names: Final = frozenset({ID, TIMESTAMP, SIGNATURE})

    def generate_secret(self) -> str:
        """`whsec_` and 32 random bytes in base64."""
        return SECRET_PREFIX + b64encode(entropy.token_bytes(_NEW_KEY)).decode("ascii")

    def check_secret(self, secret: str) -> None:
        """See `parse_secret`."""
        parse_secret(secret)

    def sign(self, request: SignableRequest, secrets: Sequence[str], now: int) -> SignableRequest:
        """`request` with `webhook-id`, `webhook-timestamp` and one signature a secret in `webhook-signature`."""
        if _WEBHOOK_ID.fullmatch(request.id) is None:
            raise InvalidArgument.of(
                "id", f"{quoted(request.id)} cannot be signed; right are 1 to 256 visible characters, no full stop"
            )
        if not secrets:
            raise InvalidArgument.of("secrets", "there is no secret to sign with")
        message = _message(request.id, str(now), request.body)
        signatures = " ".join([_VERSION + _mac(secret, message) for secret in secrets])
        signed = ((ID, request.id), (TIMESTAMP, str(now)), (SIGNATURE, signatures))
        return SignableRequest(
            method=request.method, url=request.url, headers=(*request.headers, *signed), body=request.body, id=request.id
        )

    def verify(self, request: SignableRequest, secrets: Sequence[str], now: int, tolerance: int = 300) -> None:
        """Raise InvalidSignature unless one `v1` signature is that of one of `secrets`, in constant time."""
        if not isinstance(request.body, bytes | bytearray | memoryview):
            raise InvalidSignature(
                SignatureFault.BODY_NOT_BYTES,
                f"the body is {type(request.body).__name__}, but the signature covers the bytes as they came over the wire: "
                "verify these before anything decodes or parses them",
            )
        webhook_id = _single(request, ID)
        timestamp = _single(request, TIMESTAMP)
        _check_timestamp(timestamp, now, tolerance)
        claimed = [
            signature.removeprefix(_VERSION).encode("utf-8", "surrogatepass")
            for value in _values(request, SIGNATURE)
            for signature in value.split(" ")
            if signature.startswith(_VERSION)
        ]
        message = _message(webhook_id, timestamp, bytes(request.body))
        genuine = [_mac(secret, message).encode("ascii") for secret in secrets]
        # Every pair is compared, so that the time tells nothing about which one matched.
        if not sum([compare_digest(ours, theirs) for ours in genuine for theirs in claimed]):
            raise InvalidSignature(
                SignatureFault.NO_MATCHING_SIGNATURE,
                f"none of the {len(claimed)} v1 signatures in {SIGNATURE} is right: another secret, or changed on the way",
            )


def _message(webhook_id: str, timestamp: str, body: bytes) -> bytes:
    return f"{webhook_id}.{timestamp}.".encode("utf-8", "surrogatepass") + body


def _mac(secret: str, message: bytes) -> str:
    # A copy of a keyed object: unlike hmac.digest it keeps the interpreter's lock for a short message, and
    # to give that up and win it back beside the store's thread costs more than the digest.
    mac = _keyed(secret).copy()
    mac.update(message)
    return b64encode(mac.digest()).decode("ascii")


@lru_cache(maxsize=4096)
def _keyed(secret: str) -> HMAC:
    return HMAC(parse_secret(secret), digestmod="sha256")


def _values(request: SignableRequest, name: str) -> list[str]:
    values = [value.strip(" \t") for header, value in request.headers if header.lower() == name]
    if not any(values):
        raise InvalidSignature(SignatureFault.MISSING_HEADER, f"the request has no header {name}")
    return values


def _single(request: SignableRequest, name: str) -> str:
    values = _values(request, name)
    if len(values) > 1:
        raise InvalidSignature(
            SignatureFault.MALFORMED_HEADER, f"the request has the header {name} {len(values)} times; right is once"
        )
    return values[0]


def _check_timestamp(timestamp: str, now: int, tolerance: int) -> None:
    if _DIGITS.fullmatch(timestamp) is None:
        raise InvalidSignature(
            SignatureFault.MALFORMED_HEADER,
            f"{TIMESTAMP} is {quoted(timestamp)}; right are whole seconds since 1970, in plain digits",
        )
    age = now - int(timestamp)
    if age > tolerance:
        raise InvalidSignature(SignatureFault.TIMESTAMP_TOO_OLD, f"the request was signed {age} s ago; {tolerance} s are tolerated")
    if -age > tolerance:
        raise InvalidSignature(
            SignatureFault.TIMESTAMP_IN_FUTURE, f"the request was signed {-age} s in the future; {tolerance} s are tolerated"
        )
