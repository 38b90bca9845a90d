"""HTTP Message Signatures (RFC 9421) over a Content-Digest (RFC 9530): hmac-sha256 and ed25519.

Of the structured fields (RFC 9651) only what signatures need is read: dictionaries of inner lists of strings
with parameters, and of byte sequences.
"""

import binascii
import hashlib
import re
import secrets as random
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from typing_extensions import override

from hookline_conformance.schemes.custom import ParameterError
from hookline_conformance.schemes.scheme import (
    Claim,
    Delivery,
    Encoding,
    Headers,
    Message,
    Mismatch,
    Scheme,
    SecretError,
    Verified,
    body_id,
    replaced,
)
from hookline_conformance.schemes.standard import PRIVATE, PUBLIC, Standard

DIGEST: Final = "content-digest"
INPUT: Final = "Signature-Input"
_DERIVED: Final = ("@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query")
_KEY: Final = r"[a-z*][a-z0-9_\-.*]*"
_VALUE: Final = r'"(?:[^"\\]|\\["\\])*"|[^;,"]+'
_MEMBER: Final = re.compile(rf'({_KEY})=(\((?: *"[^"\\]*")* *\)(?:;{_KEY}(?:=(?:{_VALUE}))?)*)')
_BYTES: Final = re.compile(rf"({_KEY})=:([A-Za-z0-9+/=]*):")
_STRING: Final = re.compile(r'"([^"\\]*)"')
_PARAMETER: Final = re.compile(rf";({_KEY})(?:=({_VALUE}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Input:
    components: tuple[str, ...]
    parameters: dict[str, str]
    text: str


class HttpMessage(Scheme):
    """The scheme `http-message`.

    `components` are covered when signing, and are the least that is accepted when verifying. `key_id` is sent,
    and the only one accepted. The secret is a key in base64 of 16 to 512 bytes for hmac-sha256, and
    `whsk_…` or `whpk_…` for ed25519. The id is the header webhook-id where that is covered, else the body's `id`.
    """

    name = "http-message"
    signature_header = "Signature"
    timestamped = True
    signs_url = True
    encoding = Encoding.BASE64
    several = True

    def __init__(
        self,
        *,
        key_id: str = "conformance",
        algorithm: str = "hmac-sha256",
        components: Sequence[str] = ("@method", "@target-uri", "content-type", DIGEST),
        expires_after: int | None = None,
    ) -> None:
        if algorithm not in {"hmac-sha256", "ed25519"}:
            raise ParameterError(f"algorithm: {algorithm!r} is neither hmac-sha256 nor ed25519")
        for component in components:
            if component != component.lower() or (component.startswith("@") and component not in _DERIVED):
                raise ParameterError(
                    f"components: {component!r} is neither a header in small letters nor one of {', '.join(_DERIVED)}"
                )
        self.key_id = key_id
        self.asymmetric = algorithm == "ed25519"
        self.components = tuple(components)
        self.expires_after = expires_after
        self.signs_url = bool({"@target-uri", "@request-target", "@path", "@query"} & set(components))
        self.id_header = "webhook-id" if "webhook-id" in components else ""
        self.signs_id = bool(self.id_header)
        self.id_field = "" if self.id_header else "id"

    @override
    def key(self, secret: str) -> bytes:
        if self.asymmetric:
            if not secret.startswith((PRIVATE, PUBLIC)):
                raise SecretError("a key for ed25519 starts with whsk_ (private) or whpk_ (public)")
            return Standard().key(secret)
        try:
            key = b64decode(secret, validate=True)
        except (ValueError, binascii.Error):
            raise SecretError("a secret for hmac-sha256 is base64, with its padding") from None
        if not 16 <= len(key) <= 512:
            raise SecretError(f"a secret for hmac-sha256 has 16 to 512 bytes, and this has {len(key)}")
        return key

    @override
    def generate_secret(self) -> str:
        return Standard().generate_private_key() if self.asymmetric else b64encode(random.token_bytes(32)).decode("ascii")

    @override
    def mac(self, secret: str, content: bytes, *, algorithm: str = "") -> bytes:
        if self.asymmetric and not algorithm:
            return Standard().mac(secret, content)
        return super().mac(secret, content, algorithm=algorithm)

    @override
    def matches(self, secret: str, content: bytes, signature: bytes) -> bool:
        if self.asymmetric:
            return len(signature) == 64 and Standard().matches(secret, content, signature)
        return super().matches(secret, content, signature)

    def parameters(self, delivery: Delivery, components: Sequence[str]) -> str:
        """The signature's input: what is covered, when it was made and with which key."""
        expires = f";expires={int(delivery.timestamp) + self.expires_after}" if self.expires_after is not None else ""
        covered = " ".join(f'"{component}"' for component in components)
        return f'({covered});created={delivery.timestamp}{expires};keyid="{self.key_id}"'

    @override
    def content(self, delivery: Delivery) -> bytes:
        return self.covering(delivery, self.components)

    def covering(self, delivery: Delivery, components: Sequence[str]) -> bytes:
        """The signature base over other components than the scheme's own, for a signature that covers too little."""
        unsigned = Message(method=delivery.method, url=delivery.url, headers=self._fields(delivery), body=delivery.body)
        return _base(unsigned, components, self.parameters(delivery, components))

    def _fields(self, delivery: Delivery) -> Headers:
        return (
            ("Content-Type", delivery.content_type),
            *((("webhook-id", delivery.id),) if self.id_header else ()),
            ("Content-Digest", digest(delivery.body)),
        )

    @override
    def token(self, signature: bytes) -> str:
        return f":{self.encoding.text(signature)}:"

    @override
    def headers(self, delivery: Delivery, tokens: Sequence[str]) -> Headers:
        return self.labelled(delivery, tokens, self.components)

    def labelled(self, delivery: Delivery, tokens: Sequence[str], components: Sequence[str]) -> Headers:
        """The headers with the signatures under sig1, sig2 and so on, all over the same components."""
        text = self.parameters(delivery, components)
        labels = [f"sig{number}" for number in range(1, len(tokens) + 1)]
        return (
            *self._fields(delivery)[1:],
            (INPUT, ", ".join(f"{label}={text}" for label in labels)),
            (self.signature_header, ", ".join(f"{label}={token}" for label, token in zip(labels, tokens, strict=True))),
        )

    @override
    def read(self, message: Message) -> Claim:
        inputs = _inputs(", ".join(message.values(INPUT)))
        signatures = _BYTES.findall(", ".join(message.values(self.signature_header)))
        if not inputs or not signatures:
            raise Mismatch("Signature-Input or Signature is missing or malformed")
        return Claim(
            id=message.one(self.id_header) if self.id_header else body_id(message.body, self.id_field),
            timestamp=next(iter(inputs.values())).parameters.get("created", ""),
            signatures=tuple(self.encoding.data(text) for _, text in signatures),
        )

    @override
    def verify(self, message: Message, secrets: Sequence[str], now: float, tolerance: int | None = None) -> Verified:
        claim = self.read(message)
        inputs = _inputs(", ".join(message.values(INPUT)))
        signatures = dict(_BYTES.findall(", ".join(message.values(self.signature_header))))
        if DIGEST in self.components and digest(message.body) not in message.one(DIGEST).replace(" ", "").split(","):
            raise Mismatch("Content-Digest is not that of the body")
        faults = []
        for label, declared in inputs.items():
            try:
                created = self._check(declared, now, DEFAULT_LIMIT if tolerance is None else tolerance)
                signature = self.encoding.data(signatures.get(label, ""))
                base = _base(message, declared.components, declared.text)
            except Mismatch as fault:
                faults.append(f"{label}: {fault}")
                continue
            if any(self.matches(secret, base, signature) for secret in secrets):
                return Verified(id=claim.id, signed_at=created)
            faults.append(f"{label}: the signature is not right")
        raise Mismatch("; ".join(faults))

    def _check(self, declared: _Input, now: float, tolerance: int) -> float:
        missing = [component for component in self.components if component not in declared.components]
        if missing:
            raise Mismatch(f"{missing[0]} is not covered")
        if declared.parameters.get("keyid") != f'"{self.key_id}"':
            raise Mismatch(f"keyid is not {self.key_id!r}")
        algorithm = declared.parameters.get("alg", '""').strip('"')
        if algorithm and algorithm != ("ed25519" if self.asymmetric else "hmac-sha256"):
            raise Mismatch(f"alg {algorithm!r} is not the key's")
        created = self.time(declared.parameters.get("created", ""))
        if abs(now - created) > tolerance:
            raise Mismatch(f"created is {abs(now - created):.0f} s off, and {tolerance} s are allowed")
        expires = declared.parameters.get("expires")
        if expires is not None and now > self.time(expires):
            raise Mismatch("the signature is expired")
        return created

    @override
    def restamped(self, message: Message, timestamp: str) -> Message:
        return replaced(message, INPUT, re.sub(r";created=[^;,]*", f";created={timestamp}", message.one(INPUT)))

    @override
    def unstamped(self, message: Message) -> Message:
        return replaced(message, INPUT, re.sub(r";created=[^;,]*", "", message.one(INPUT)))


DEFAULT_LIMIT: Final = 300
"""Seconds: the RFC leaves the tolerance to the application."""


def digest(body: bytes) -> str:
    """The Content-Digest of a body (RFC 9530, section 2)."""
    return f"sha-256=:{b64encode(hashlib.sha256(body).digest()).decode('ascii')}:"


def _inputs(text: str) -> dict[str, _Input]:
    found: dict[str, _Input] = {}
    for match in _MEMBER.finditer(text):
        label, value = match[1], match[2]
        inner, _, rest = value.partition(")")
        found[label] = _Input(components=tuple(_STRING.findall(inner)), parameters=dict(_PARAMETER.findall(rest)), text=value)
    return found


def _base(message: Message, components: Sequence[str], parameters: str) -> bytes:
    """The signature base of RFC 9421, section 2.5."""
    lines = [f'"{component}": {_component(message, component)}' for component in components]
    return "\n".join([*lines, f'"@signature-params": {parameters}']).encode()


def _component(message: Message, name: str) -> str:
    parts = urlsplit(message.url)
    path = parts.path or "/"
    query = f"?{parts.query}"
    default = {"http": 80, "https": 443}.get(parts.scheme)
    authority = (parts.hostname or "").lower() + ("" if parts.port in {None, default} else f":{parts.port}")
    derived = {
        "@method": message.method,
        "@target-uri": message.url,
        "@authority": authority,
        "@scheme": parts.scheme.lower(),
        "@request-target": path + (query if parts.query else ""),
        "@path": path,
        "@query": query,
    }
    if name in derived:
        return derived[name]
    values = message.values(name)
    if name.startswith("@") or not values:
        raise Mismatch(f"the covered component {name} is not there")
    return ", ".join(values)
