"""Zendesk: HMAC-SHA256 in base64 over the timestamp and the body; the timestamp is an ISO 8601 time.

https://developer.zendesk.com/documentation/webhooks/verifying/; a request is answered within twelve seconds
(https://developer.zendesk.com/api-reference/webhooks/introduction/). No tolerance is documented.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from typing_extensions import override

from hookline_conformance.schemes.scheme import Claim, Delivery, Encoding, Headers, Json, Message, Mismatch, Scheme

_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)


class Zendesk(Scheme):
    """The scheme `zendesk`; the id is a header that is not signed."""

    name = "zendesk"
    signature_header = "X-Zendesk-Webhook-Signature"
    id_header = "X-Zendesk-Webhook-Invocation-Id"
    timestamp_header = "X-Zendesk-Webhook-Signature-Timestamp"
    timestamped = True
    encoding = Encoding.BASE64
    deadline = 12.0

    @override
    def stamp(self, seconds: float) -> str:
        return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    @override
    def time(self, text: str) -> float:
        if not _TIME.fullmatch(text):
            raise Mismatch(f"the timestamp {text!r} is not a time such as 2026-01-01T00:00:00Z")
        try:
            return datetime.fromisoformat(text).timestamp()
        except ValueError as error:
            raise Mismatch(f"the timestamp {text!r} is no time: {error}") from error

    @override
    def event_id(self, unique: str) -> str:
        return str(UUID(hex=unique.zfill(32)))

    @override
    def envelope(self, event_id: str, event_type: str, data: Json) -> object:
        return {"type": event_type, "account_id": 1, "event": {}, "detail": data}

    @override
    def content(self, delivery: Delivery) -> bytes:
        return delivery.timestamp.encode() + delivery.body

    @override
    def headers(self, delivery: Delivery, tokens: Sequence[str]) -> Headers:
        return (
            (self.id_header, delivery.id),
            (self.timestamp_header, delivery.timestamp),
            (self.signature_header, tokens[0] if tokens else ""),
        )

    @override
    def read(self, message: Message) -> Claim:
        return Claim(
            id=message.one(self.id_header),
            timestamp=message.one(self.timestamp_header),
            signatures=(self.encoding.data(message.one(self.signature_header)),),
        )
