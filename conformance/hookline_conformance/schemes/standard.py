"""Standard Webhooks: `v1` (HMAC-SHA256, secrets `whsec_…`) and `v1a` (Ed25519, keys `whsk_…` and `whpk_…`).

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: the signed content
is the id, the timestamp and the body, joined by full stops.
"""

import binascii
import hmac
import secrets as random
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from typing_extensions import override

from hookline_conformance.schemes.scheme import Claim, Delivery, Encoding, Headers, Json, Message, Mismatch, Scheme, SecretError

SYMMETRIC: Final = "whsec_"
PRIVATE: Final = "whsk_"
PUBLIC: Final = "whpk_"


class Standard(Scheme):
    """The scheme `standard`; which of the two versions, the secret's prefix says."""

    name = "standard"
    signature_header = "webhook-signature"
    id_header = "webhook-id"
    timestamp_header = "webhook-timestamp"
    timestamped = True
    tolerance = 300
    signs_id = True
    several = True
    encoding = Encoding.BASE64
    prefix = "v1,"

    @override
    def key(self, secret: str) -> bytes:
        for prefix, sizes in ((SYMMETRIC, range(24, 65)), (PRIVATE, (32, 64)), (PUBLIC, (32,))):
            if secret.startswith(prefix):
                return _decoded(secret.removeprefix(prefix), prefix, sizes)
        raise SecretError("a secret of Standard Webhooks starts with whsec_ (or whsk_, whpk_ for Ed25519)")

    @override
    def check_secret(self, secret: str) -> None:
        self.key(secret)
        if secret.startswith(PUBLIC):
            raise SecretError("a public key (whpk_) cannot sign; the suite needs the private one (whsk_)")

    @override
    def generate_secret(self) -> str:
        return SYMMETRIC + b64encode(random.token_bytes(32)).decode("ascii")

    @override
    def envelope(self, event_id: str, event_type: str, data: Json) -> object:
        return {"type": event_type, "timestamp": "2026-01-01T00:00:00Z", "data": data}

    @override
    def content(self, delivery: Delivery) -> bytes:
        return f"{delivery.id}.{delivery.timestamp}.".encode() + delivery.body

    @override
    def mac(self, secret: str, content: bytes, *, algorithm: str = "") -> bytes:
        if secret.startswith(PRIVATE) and not algorithm:
            return Ed25519PrivateKey.from_private_bytes(self.key(secret)[:32]).sign(content)
        return super().mac(secret, content, algorithm=algorithm)

    @override
    def matches(self, secret: str, content: bytes, signature: bytes) -> bool:
        if secret.startswith(SYMMETRIC):
            return hmac.compare_digest(self.mac(secret, content), signature)
        try:
            self._public(secret).verify(signature, content)
        except InvalidSignature:
            return False
        return True

    def _public(self, secret: str) -> Ed25519PublicKey:
        key = self.key(secret)
        if secret.startswith(PUBLIC):
            return Ed25519PublicKey.from_public_bytes(key)
        return Ed25519PrivateKey.from_private_bytes(key[:32]).public_key()

    @override
    def token(self, signature: bytes) -> str:
        # An Ed25519 signature has 64 bytes, one of HMAC-SHA256 has 32.
        return ("v1a," if len(signature) == 64 else "v1,") + self.encoding.text(signature)

    @override
    def headers(self, delivery: Delivery, tokens: Sequence[str]) -> Headers:
        return (
            (self.id_header, delivery.id),
            (self.timestamp_header, delivery.timestamp),
            (self.signature_header, " ".join(tokens)),
        )

    @override
    def read(self, message: Message) -> Claim:
        signatures = []
        for token in message.one(self.signature_header).split(" "):
            version, comma, text = token.partition(",")
            if not comma:
                raise Mismatch(f"{token!r} is not a version, a comma and a signature")
            if version in {"v1", "v1a"}:
                signature = self.encoding.data(text)
                if len(signature) == (32 if version == "v1" else 64):
                    signatures.append(signature)
        return Claim(id=message.one(self.id_header), timestamp=message.one(self.timestamp_header), signatures=tuple(signatures))

    def generate_private_key(self) -> str:
        """A new random key for `v1a`: the seed and the public key behind it."""
        private = Ed25519PrivateKey.generate()
        return PRIVATE + b64encode(private.private_bytes_raw() + private.public_key().public_bytes_raw()).decode("ascii")

    def public_key(self, private: str) -> str:
        """The `whpk_…` of a `whsk_…`."""
        return PUBLIC + b64encode(self._public(private).public_bytes_raw()).decode("ascii")


def _decoded(text: str, prefix: str, sizes: Sequence[int]) -> bytes:
    try:
        key = b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise SecretError(f"behind {prefix} stands base64 with its padding, and this is none") from None
    if len(key) not in sizes:
        allowed = " or ".join(map(str, sizes)) if len(sizes) < 3 else f"{sizes[0]} to {sizes[-1]}"
        raise SecretError(f"a key behind {prefix} has {allowed} bytes, and this has {len(key)}")
    return key
