"""Secrets that are text whose UTF-8 bytes are the key of an HMAC, as most platforms have them."""

import secrets as entropy
from base64 import b64encode
from collections.abc import Sequence
from functools import lru_cache
from hmac import HMAC, compare_digest
from typing import Final

from hookline.errors import InvalidArgument

LONGEST_SECRET: Final = 1024
"""Characters."""


def check_text_secret(secret: str) -> None:
    """Raise InvalidArgument (field `secret`), that does not show it, unless `secret` can be a shared secret.

    Platforms hand out any text. What is refused can only be a slip: nothing at all, spaces or a line
    break around it, control characters.
    """
    fault = ""
    if not secret:
        fault = "is empty"
    elif len(secret) > LONGEST_SECRET:
        fault = f"has {len(secret)} characters"
    elif secret != secret.strip():
        fault = "begins or ends with white space"
    elif not all(character.isprintable() for character in secret):
        fault = "holds control characters, or characters that are no text"
    if fault:
        raise InvalidArgument.of("secret", f"the secret {fault}; right are 1 to {LONGEST_SECRET} printable characters")


def generate_hex(size: int = 32) -> str:
    """`size` random bytes in lower-case hex."""
    return entropy.token_hex(size)


def generate_base64(size: int = 32) -> str:
    """`size` random bytes in base64."""
    return b64encode(entropy.token_bytes(size)).decode("ascii")


def mac(secret: str, algorithm: str, message: bytes) -> bytes:
    """The HMAC of `message`. Raises InvalidArgument if `secret` is no shared secret."""
    keyed = _keyed(secret, algorithm).copy()
    keyed.update(message)
    return keyed.digest()


@lru_cache(maxsize=4096)
def _keyed(secret: str, algorithm: str) -> HMAC:
    check_text_secret(secret)
    return HMAC(secret.encode("utf-8"), digestmod=algorithm)


def any_equal(claimed: Sequence[bytes], genuine: Sequence[bytes]) -> bool:
    """Whether one of `claimed` is one of `genuine`.

    Every pair is compared, each in constant time, so that the time tells nothing about which matched or
    where the first wrong byte stands.
    """
    return sum([compare_digest(ours, theirs) for ours in genuine for theirs in claimed]) > 0
