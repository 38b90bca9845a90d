"""What a signature scheme is to the suite: how a delivery is signed, and how a signed one is judged.

These are references, written from the specifications. They are strict where a receiver or a sender under
test may be lax, and they give access to the parts of a signature, so that each can be forged alone.
"""

import binascii
import hmac
import json
import secrets as random
from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

Headers = tuple[tuple[str, str], ...]
Json = Mapping[str, Any]

JSON: Final = "application/json"
DEFAULT_TOLERANCE: Final = 300
"""Seconds."""


class SecretError(ValueError):
    """A secret is not of the form that the scheme needs; the message says the form, and not the secret."""


class Mismatch(ValueError):
    """A message is not signed as the scheme says; the message says what is wrong."""


class Encoding(StrEnum):
    """How the bytes of a signature are written."""

    HEX = "hex"
    BASE64 = "base64"

    def text(self, data: bytes) -> str:
        """The bytes as text."""
        return data.hex() if self is Encoding.HEX else b64encode(data).decode("ascii")

    def data(self, text: str) -> bytes:
        """The text's bytes; raises `Mismatch` for anything but the one right spelling."""
        try:
            data = bytes.fromhex(text) if self is Encoding.HEX else b64decode(text, validate=True)
        except (ValueError, binascii.Error) as error:
            raise Mismatch(f"the signature {text!r} is not {self}") from error
        if self.text(data) != text:
            raise Mismatch(f"the signature {text!r} is not canonical {self}")
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What is to be signed. `timestamp` is text as the scheme sends it, so that it may be malformed."""

    id: str
    timestamp: str
    event_type: str
    body: bytes
    url: str
    method: str = "POST"
    content_type: str = JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A request with everything that a signature may cover."""

    method: str
    url: str
    headers: Headers
    body: bytes

    def values(self, name: str) -> list[str]:
        """The values of a header, in the order of its lines."""
        return [value.strip(" \t") for key, value in self.headers if key.lower() == name.lower()]

    def one(self, name: str) -> str:
        """The value of a header that must stand there once; raises `Mismatch`."""
        values = self.values(name)
        if len(values) != 1:
            raise Mismatch(f"the header {name} is missing" if not values else f"the header {name} stands there {len(values)} times")
        return values[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a message says of itself; empty or None where the scheme has no such part."""

    id: str
    timestamp: str
    signatures: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A message whose signature is right. `signed_at` is in seconds since 1970, None without a timestamp."""

    id: str
    signed_at: float | None


class Scheme(ABC):
    """A signature scheme. The attributes say what it signs, for the checks to know what can be forged."""

    name: str
    signature_header: str
    id_header: str = ""
    """The header that carries the event's id; empty where `id_field` of the body does."""
    id_field: str = ""
    timestamp_header: str = ""
    """The header of the timestamp; empty where it has none of its own."""
    timestamped: bool = False
    """Whether the signature covers a time."""
    tolerance: int | None = None
    """Seconds that the scheme's document lets a timestamp differ; None where it is silent."""
    signs_id: bool = False
    signs_url: bool = False
    several: bool = False
    """Whether a delivery may carry several signatures of which one must be right."""
    algorithm: str = "sha256"
    encoding: Encoding = Encoding.HEX
    prefix: str = ""
    """What stands before a signature: its version."""
    deadline: float = 15.0
    """Seconds in which the platform wants an answer."""

    @property
    def event_type_header(self) -> str:
        """The header that names the event's type; empty where the body does."""
        return ""

    def key(self, secret: str) -> bytes:
        """The key's bytes; raises `SecretError`."""
        if not secret or not secret.isprintable():
            raise SecretError(f"a secret of the scheme {self.name} is printable text, at least one character of it")
        return secret.encode()

    def check_secret(self, secret: str) -> None:
        """Raise `SecretError` unless the secret can sign."""
        self.key(secret)

    def generate_secret(self) -> str:
        """A new random secret."""
        return random.token_hex(20)

    def stamp(self, seconds: float) -> str:
        """A time in seconds since 1970 as the scheme writes it."""
        return str(int(seconds))

    def time(self, text: str) -> float:
        """The seconds since 1970 of a timestamp; raises `Mismatch` for anything but the one right spelling."""
        if not text.isascii() or not text.isdecimal() or text.startswith("0") or len(text) > 12:
            raise Mismatch(f"the timestamp {text!r} is not a whole number of seconds")
        return float(text)

    def event_id(self, unique: str) -> str:
        """An id in the platform's form, from a unique text of hexadecimal digits."""
        return f"evt_{unique}"

    def envelope(self, event_id: str, event_type: str, data: Json) -> object:
        """An event in the platform's form: what its body holds, as JSON."""
        return {**({self.id_field: event_id} if self.id_field else {}), "type": event_type, "data": data}

    def address(self, delivery: Delivery) -> str:
        """The URL that is requested: the target's own, but where the scheme signs by changing it."""
        return delivery.url

    @abstractmethod
    def content(self, delivery: Delivery) -> bytes:
        """The bytes that are signed."""

    def mac(self, secret: str, content: bytes, *, algorithm: str = "") -> bytes:
        """The signature's bytes; another `algorithm` is a forgery."""
        return hmac.digest(self.key(secret), content, algorithm or self.algorithm)

    def matches(self, secret: str, content: bytes, signature: bytes) -> bool:
        """Whether the signature is the secret's over the content."""
        return hmac.compare_digest(self.mac(secret, content), signature)

    def token(self, signature: bytes) -> str:
        """One signature as it stands in the header."""
        return self.prefix + self.encoding.text(signature)

    @abstractmethod
    def headers(self, delivery: Delivery, tokens: Sequence[str]) -> Headers:
        """The headers that carry the signatures and what goes with them, the content type not among them."""

    def message(self, delivery: Delivery, tokens: Sequence[str]) -> Message:
        """The delivery with these signatures, right or forged."""
        headers = (("Content-Type", delivery.content_type), *self.headers(delivery, tokens))
        return Message(method=delivery.method, url=self.address(delivery), headers=headers, body=delivery.body)

    def tokens(self, delivery: Delivery, secrets: Sequence[str], *, algorithm: str = "") -> list[str]:
        """The secrets' signatures, as they stand in the header."""
        content = self.content(delivery)
        return [self.token(self.mac(secret, content, algorithm=algorithm)) for secret in secrets]

    def sign(self, delivery: Delivery, secrets: Sequence[str]) -> Message:
        """The delivery signed with each secret, or with the first one where the scheme carries one signature."""
        return self.message(delivery, self.tokens(delivery, secrets if self.several else secrets[:1]))

    @abstractmethod
    def read(self, message: Message) -> Claim:
        """The id, the timestamp and the signatures of a message; raises `Mismatch`."""

    def verify(self, message: Message, secrets: Sequence[str], now: float, tolerance: int | None = None) -> Verified:
        """What a rightly signed message says; raises `Mismatch`.

        `now` is in seconds since 1970; `tolerance` in seconds, the scheme's own (or 300) by default.
        """
        claim = self.read(message)
        signed_at = self.time(claim.timestamp) if self.timestamped else None
        limit = tolerance if tolerance is not None else self.tolerance or DEFAULT_TOLERANCE
        if signed_at is not None and abs(now - signed_at) > limit:
            raise Mismatch(f"the timestamp {claim.timestamp} is {abs(now - signed_at):.0f} s off, and {limit} s are allowed")
        content = self.received_content(message, claim)
        if not any(self.matches(secret, content, signature) for secret in secrets for signature in claim.signatures):
            raise Mismatch("no signature is right")
        return Verified(id=claim.id, signed_at=signed_at)

    def received_content(self, message: Message, claim: Claim) -> bytes:
        """The bytes that a received message's signature must cover."""
        return self.content(
            Delivery(
                id=claim.id,
                timestamp=claim.timestamp,
                event_type="",
                body=message.body,
                url=message.url,
                method=message.method,
                content_type=next(iter(message.values("content-type")), ""),
            )
        )

    def restamped(self, message: Message, timestamp: str) -> Message:
        """The message with another timestamp, and the signature it had."""
        return replaced(message, self.timestamp_header, timestamp)

    def unstamped(self, message: Message) -> Message:
        """The message without its timestamp."""
        return without(message, self.timestamp_header)


def replaced(message: Message, name: str, *values: str) -> Message:
    """The message with a header's lines replaced by one for each value, where the first of them stood."""
    headers: list[tuple[str, str]] = []
    placed = False
    for key, value in message.headers:
        if key.lower() != name.lower():
            headers.append((key, value))
        elif not placed:
            headers += [(key, new) for new in values]
            placed = True
    return Message(method=message.method, url=message.url, headers=tuple(headers), body=message.body)


def without(message: Message, name: str) -> Message:
    """The message without a header."""
    return replaced(message, name)


def body_id(body: bytes, field: str) -> str:
    """The text under a key of a JSON object, the first of an array's; empty where there is none."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if isinstance(value, list) and value:
        value = value[0]
    found = value.get(field, "") if isinstance(value, dict) else ""
    return found if isinstance(found, str) else str(found)
