"""HubSpot, version 3: HMAC-SHA256 in base64 over method, URL, body and timestamp in milliseconds.

https://developers.hubspot.com/docs/api/webhooks/validating-requests: some percent-encoded characters of the
URL are decoded before it is signed, and a timestamp older than five minutes is to be refused. A request is
answered within five seconds (https://developers.hubspot.com/docs/api/webhooks).
"""

import re
from collections.abc import Sequence
from typing import Final

from typing_extensions import override

from hookline_conformance.schemes.scheme import Claim, Delivery, Encoding, Headers, Json, Message, Mismatch, Scheme, body_id

_DECODED: Final = re.compile(r"%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)


class HubSpot(Scheme):
    """The scheme `hubspot`; events come as an array of objects with an `eventId`."""

    name = "hubspot"
    signature_header = "X-HubSpot-Signature-v3"
    id_field = "eventId"
    timestamp_header = "X-HubSpot-Request-Timestamp"
    timestamped = True
    tolerance = 300
    signs_url = True
    encoding = Encoding.BASE64
    deadline = 5.0

    @override
    def stamp(self, seconds: float) -> str:
        return str(int(seconds * 1000))

    @override
    def time(self, text: str) -> float:
        if not text.isascii() or not text.isdecimal() or text.startswith("0") or len(text) > 15:
            raise Mismatch(f"the timestamp {text!r} is not a whole number of milliseconds")
        return int(text) / 1000

    @override
    def event_id(self, unique: str) -> str:
        return str(int(unique[:13], 16))

    @override
    def envelope(self, event_id: str, event_type: str, data: Json) -> object:
        event = {"eventId": int(event_id), "subscriptionType": event_type, "portalId": 1, "occurredAt": 1767225600000, "data": data}
        return [event]

    @override
    def content(self, delivery: Delivery) -> bytes:
        url = _DECODED.sub(lambda found: chr(int(found[1], 16)), delivery.url)
        return f"{delivery.method}{url}".encode() + delivery.body + delivery.timestamp.encode()

    @override
    def headers(self, delivery: Delivery, tokens: Sequence[str]) -> Headers:
        return ((self.timestamp_header, delivery.timestamp), (self.signature_header, tokens[0] if tokens else ""))

    @override
    def read(self, message: Message) -> Claim:
        return Claim(
            id=body_id(message.body, self.id_field),
            timestamp=message.one(self.timestamp_header),
            signatures=(self.encoding.data(message.one(self.signature_header)),),
        )
