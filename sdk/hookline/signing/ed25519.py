"""Ed25519 keys (RFC 8032) as Standard Webhooks writes them: `whsk_` signs and verifies, `whpk_` verifies.

The secret key is base64 of the 32-byte seed followed by the 32-byte public key, the form in which Svix
hands them out (https://github.com/svix/svix-webhooks, README.md); the seed alone is taken too.
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidSignature as WrongSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hookline.errors import InvalidArgument

SECRET_PREFIX: Final = "whsk_"
PUBLIC_PREFIX: Final = "whpk_"
SIZE: Final = 32
"""Bytes of a seed and of a public key."""
SIGNATURE_SIZE: Final = 64


def generate_key() -> str:
    """A new random secret key: `whsk_` and base64."""
    key = Ed25519PrivateKey.generate()
    pair = key.private_bytes_raw() + key.public_key().public_bytes_raw()
    return SECRET_PREFIX + b64encode(pair).decode("ascii")


def public_key(secret: str) -> str:
    """The public key that belongs to a secret key: `whpk_` and base64, what receivers are given."""
    return PUBLIC_PREFIX + b64encode(parse_private(secret).public_key().public_bytes_raw()).decode("ascii")


@lru_cache(maxsize=4096)
def parse_private(secret: str) -> Ed25519PrivateKey:
    """The key in `whsk_…`. Raises InvalidArgument that says what is wrong and does not show it."""
    if secret.startswith(PUBLIC_PREFIX):
        raise _bad_key(f"is a public key ({PUBLIC_PREFIX!r}), which verifies but cannot sign")
    if not secret.startswith(SECRET_PREFIX):
        raise _bad_key(f"does not begin with {SECRET_PREFIX!r}")
    pair = _decode(secret, SECRET_PREFIX)
    if len(pair) not in {SIZE, 2 * SIZE}:
        raise _bad_key(f"holds {len(pair)} bytes")
    key = Ed25519PrivateKey.from_private_bytes(pair[:SIZE])
    if pair[SIZE:] and pair[SIZE:] != key.public_key().public_bytes_raw():
        raise _bad_key("holds a public key that does not belong to its seed")
    return key


@lru_cache(maxsize=4096)
def parse_public(secret: str) -> Ed25519PublicKey:
    """The key that verifies, from `whpk_…` or `whsk_…`. Raises InvalidArgument that does not show it."""
    if not secret.startswith(PUBLIC_PREFIX):
        return parse_private(secret).public_key()
    raw = _decode(secret, PUBLIC_PREFIX)
    if len(raw) != SIZE:
        raise _bad_key(f"holds {len(raw)} bytes")
    try:
        return Ed25519PublicKey.from_public_bytes(raw)
    except ValueError:
        raise _bad_key("is no point of the curve") from None


def is_genuine(secret: str, signature: bytes, message: bytes) -> bool:
    """Whether `signature` of `message` is that of the key in `secret`."""
    try:
        parse_public(secret).verify(signature, message)
    except WrongSignature:
        return False
    return True


def _decode(secret: str, prefix: str) -> bytes:
    try:
        return b64decode(secret.removeprefix(prefix).encode("ascii"), validate=True)
    except (Base64Error, UnicodeEncodeError):
        # Without the cause, whose message may quote the secret.
        raise _bad_key(f"is not base64 (RFC 4648, section 4, with padding) after {prefix!r}") from None


def _bad_key(fault: str) -> InvalidArgument:
    return InvalidArgument.of(
        "secret",
        f"the key {fault}; right is {SECRET_PREFIX!r} followed by {SIZE} or {2 * SIZE} bytes in base64 to sign, "
        f"{PUBLIC_PREFIX!r} followed by {SIZE} to verify",
    )
