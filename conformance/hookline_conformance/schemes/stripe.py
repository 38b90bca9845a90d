"""Stripe: `Stripe-Signature: t=…,v1=…`, HMAC-SHA256 in hexadecimal over the timestamp, a full stop and the body.

https://docs.stripe.com/webhooks#verify-manually
"""

from collections.abc import Sequence

from typing_extensions import override

from hookline_conformance.schemes.scheme import Claim, Delivery, Headers, Json, Message, Mismatch, Scheme, body_id, replaced


class Stripe(Scheme):
    """The scheme `stripe`. The secret is used as it stands, its prefix `whsec_` included."""

    name = "stripe"
    signature_header = "Stripe-Signature"
    id_field = "id"
    timestamped = True
    tolerance = 300
    several = True
    prefix = "v1="

    @override
    def envelope(self, event_id: str, event_type: str, data: Json) -> object:
        return {
            "id": event_id,
            "object": "event",
            "api_version": "2026-01-28",
            "created": 1767225600,
            "type": event_type,
            "data": {"object": data},
        }

    @override
    def content(self, delivery: Delivery) -> bytes:
        return f"{delivery.timestamp}.".encode() + delivery.body

    @override
    def headers(self, delivery: Delivery, tokens: Sequence[str]) -> Headers:
        return ((self.signature_header, ",".join([f"t={delivery.timestamp}", *tokens])),)

    @override
    def read(self, message: Message) -> Claim:
        parts = [item.partition("=") for item in message.one(self.signature_header).split(",")]
        stamps = [value for name, _, value in parts if name == "t"]
        if len(stamps) != 1:
            raise Mismatch(f"{self.signature_header} has {len(stamps)} timestamps")
        signatures = tuple(self.encoding.data(value) for name, _, value in parts if name == "v1")
        return Claim(id=body_id(message.body, self.id_field), timestamp=stamps[0], signatures=signatures)

    @override
    def restamped(self, message: Message, timestamp: str) -> Message:
        parts = message.one(self.signature_header).split(",")
        return replaced(
            message,
            self.signature_header,
            ",".join(f"t={timestamp}" if part.startswith("t=") else part for part in parts),
        )

    @override
    def unstamped(self, message: Message) -> Message:
        parts = message.one(self.signature_header).split(",")
        return replaced(message, self.signature_header, ",".join(part for part in parts if not part.startswith("t=")))
