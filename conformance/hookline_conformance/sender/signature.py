"""Reads and verifies the signature of a request by the Standard Webhooks specification, whatever names its headers have.

Written from the specification ("Signature scheme", "Webhook headers (sending metadata to consumers)"); Svix
signs alike, with header names of its own.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from hookline_conformance.sender.endpoint import Request

PREFIX: Final = "whsec_"
_HEADERS: Final = {
    "standard": ("webhook-id", "webhook-timestamp", "webhook-signature"),
    "svix": ("svix-id", "svix-timestamp", "svix-signature"),
}
_TOKEN: Final = re.compile(r"v[0-9]+[a-z]?,([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_HMAC: Final = 44
"""Characters of base64 for 32 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What a request says about its signature, as it stands in the headers; "" for one that is not there exactly once."""

    id: str
    timestamp: str
    signatures: str

    @property
    def tokens(self) -> list[str]:
        """The signatures of the list, each `version,signature`."""
        return self.signatures.split(" ") if self.signatures else []

    @property
    def malformed(self) -> str:
        """What is wrong with the form of the list; empty if nothing is."""
        wrong = [token for token in self.tokens if not _is_well_formed(token)]
        return f"{wrong[0]!r} in the list" if wrong else "" if self.tokens else "no signature"


def _is_well_formed(token: str) -> bool:
    version, _, text = token.partition(",")
    return bool(_TOKEN.fullmatch(token)) and bool(text) and (version != "v1" or len(text) == _HMAC)


def header_names(scheme: str) -> tuple[str, str, str]:
    """The names of the headers for id, timestamp and signatures."""
    return _HEADERS[scheme]


def signed(request: Request, scheme: str) -> Signed:
    """The three headers of a request."""
    name, timestamp, signatures = (request.header(header) or "" for header in _HEADERS[scheme])
    return Signed(id=name, timestamp=timestamp, signatures=signatures)


def sign(secret: str, name: str, timestamp: str, body: bytes) -> str:
    """The signature that the specification asks for: HMAC-SHA256 over `id.timestamp.body`, in base64, with its version."""
    content = name.encode("latin-1") + b"." + timestamp.encode("latin-1") + b"." + body
    return "v1," + base64.b64encode(hmac.digest(_key(secret), content, hashlib.sha256)).decode()


def signers(request: Request, scheme: str, secrets: Iterable[str]) -> set[str]:
    """Which of the secrets signed a request, as it came."""
    said = signed(request, scheme)
    return {secret for secret in secrets if sign(secret, said.id, said.timestamp, request.body) in said.tokens}


def new_secret(seed: bytes) -> str:
    """A secret of 24 bytes, determined by a seed."""
    return PREFIX + base64.b64encode(hashlib.sha256(seed).digest()[:24]).decode()


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(f"a secret is {PREFIX!r} and base64, and this one is not: {error}") from error
