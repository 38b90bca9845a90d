"""Standard Webhooks: HMAC-SHA256 (v1) or ed25519 (v1a) over `id.timestamp.body`.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md, "Signature
scheme" and "Verifying webhook authenticity".
"""

import re
import secrets as entropy
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from functools import lru_cache
from hmac import HMAC
from typing import Final, NamedTuple

from hookline.errors import InvalidArgument, quoted
from hookline.signing import ed25519
from hookline.signing.checks import (
    check_secrets,
    check_time,
    header_values,
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
from hookline.signing.shared_secret import any_equal

SECRET_PREFIX: Final = "whsec_"
SHORTEST_KEY: Final = 24
LONGEST_KEY: Final = 64
_NEW_KEY: Final = 32

_WEBHOOK_ID: Final = re.compile(r"[!-\-/-~]{1,256}")
"""Visible ASCII but for the full stop, which ends the id in what is signed."""
_SYMMETRIC: Final = "v1,"
_ASYMMETRIC: Final = "v1a,"
_VERSIONED: Final = re.compile(r"v[0-9]+[a-z]?,[^,]")
"""How a signature of any version begins: those of other versions are passed over."""
_ASYMMETRIC_KEYS: Final = (ed25519.SECRET_PREFIX, ed25519.PUBLIC_PREFIX)


class HeaderNames(NamedTuple):
    """What the three headers are called."""

    id: str
    timestamp: str
    signature: str


WEBHOOK: Final = HeaderNames("webhook-id", "webhook-timestamp", "webhook-signature")


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
        f"the secret {fault}; right is {SECRET_PREFIX!r} followed by {SHORTEST_KEY} to {LONGEST_KEY} random bytes in base64, "
        f"or an ed25519 key ({ed25519.SECRET_PREFIX!r})",
    )


class Standard:
    """The scheme `standard`. The prefix of a secret says which version it signs and verifies.

    `whsec_` is v1. `whsk_` is v1a; `whpk_`, its public key, verifies only.
    """

    def __init__(self, *, name: str = "standard", names: HeaderNames = WEBHOOK, also: tuple[HeaderNames, ...] = ()) -> None:
        """Sign with the headers `names`; verify with these, or with those in `also` if none of them is there."""
        self.name: Final = name
        self.header_names: Final = frozenset(names)
        self._names: Final = names
        self._also: Final = also

    def generate_secret(self) -> str:
        """`whsec_` and 32 random bytes in base64."""
        return SECRET_PREFIX + b64encode(entropy.token_bytes(_NEW_KEY)).decode("ascii")

    def check_secret(self, secret: str) -> None:
        """See `parse_secret` and, for v1a, `ed25519.parse_private`."""
        if secret.startswith(_ASYMMETRIC_KEYS):
            ed25519.parse_private(secret)
        else:
            parse_secret(secret)

    def sign(self, request: SignableRequest, secrets: Sequence[str], now: int) -> SignableRequest:
        """`request` with the id, the timestamp, and one signature a secret."""
        if _WEBHOOK_ID.fullmatch(request.id) is None:
            raise InvalidArgument.of(
                "id", f"{quoted(request.id)} cannot be signed; right are 1 to 256 visible characters, no full stop"
            )
        check_secrets(secrets, "sign")
        message = _message(request.id, str(now), request.body)
        signatures = " ".join([_signature(secret, message) for secret in secrets])
        names = self._names
        return with_headers(request, (names.id, request.id), (names.timestamp, str(now)), (names.signature, signatures))

    def verify(self, request: SignableRequest, secrets: Sequence[str], now: int, tolerance: int = 300) -> None:
        """Raise InvalidSignature unless one signature is that of one of `secrets`, in constant time."""
        check_secrets(secrets, "verify")
        body = raw_body(request)
        names = self._names_in(request)
        webhook_id = single(request, names.id)
        timestamp = single(request, names.timestamp)
        # Signatures are separated by spaces; what joins a repeated header adds commas.
        parts = [part.strip(",") for part in single(request, names.signature).split()]
        if not any(_VERSIONED.match(part) for part in parts):
            raise malformed(f"{names.signature} holds no signature of the form {_SYMMETRIC + '…'!r} or {_ASYMMETRIC + '…'!r}")
        check_time(whole_number(timestamp, names.timestamp), now, tolerance)
        symmetric = limited([wire(part.removeprefix(_SYMMETRIC)) for part in parts if part.startswith(_SYMMETRIC)], names.signature)
        asymmetric = limited([part.removeprefix(_ASYMMETRIC) for part in parts if part.startswith(_ASYMMETRIC)], names.signature)
        shared = [secret for secret in secrets if not secret.startswith(_ASYMMETRIC_KEYS)]
        keys = [secret for secret in secrets if secret.startswith(_ASYMMETRIC_KEYS)]

        def matches(form: bytes) -> bool:
            message = _message(webhook_id, timestamp, form)
            genuine = [_mac(secret, message) for secret in shared]
            return any_equal(symmetric, genuine) | _any_signed(keys, asymmetric, message)

        require_match(
            matches,
            body,
            f"none of the {len(symmetric)} v1 and {len(asymmetric)} v1a signatures in {names.signature} is right: another "
            "secret, or changed on the way",
        )

    def _names_in(self, request: SignableRequest) -> HeaderNames:
        for names in (self._names, *self._also):
            if any(header_values(request, name) for name in names):
                return names
        return self._names


def _message(webhook_id: str, timestamp: str, body: bytes) -> bytes:
    return wire(f"{webhook_id}.{timestamp}.") + body


def _signature(secret: str, message: bytes) -> str:
    if secret.startswith(_ASYMMETRIC_KEYS):
        return _ASYMMETRIC + b64encode(ed25519.parse_private(secret).sign(message)).decode("ascii")
    return _SYMMETRIC + _mac(secret, message).decode("ascii")


def _mac(secret: str, message: bytes) -> bytes:
    # A copy of a keyed object: unlike hmac.digest it keeps the interpreter's lock for a short message, and
    # to give that up and win it back beside the store's thread costs more than the digest.
    mac = _keyed(secret).copy()
    mac.update(message)
    return b64encode(mac.digest())


@lru_cache(maxsize=4096)
def _keyed(secret: str) -> HMAC:
    return HMAC(parse_secret(secret), digestmod="sha256")


def _any_signed(keys: Sequence[str], claimed: Sequence[str], message: bytes) -> bool:
    signatures = [signature for text in claimed if (signature := _decode(text)) is not None]
    for key in keys:
        ed25519.parse_public(key)
    # A signature of a public key holds no secret whose bytes the time could tell.
    return any(ed25519.is_genuine(key, signature, message) for key in keys for signature in signatures)


def _decode(text: str) -> bytes | None:
    try:
        signature = b64decode(text.encode("ascii"), validate=True)
    except (Base64Error, UnicodeEncodeError):
        return None
    # One signature has one spelling: the bits of the last character that base64 does not use are zero.
    canonical = len(signature) == ed25519.SIGNATURE_SIZE and b64encode(signature).decode("ascii") == text
    return signature if canonical else None
