"""Segment: `X-Signature`, HMAC-SHA1 in hexadecimal over the body; the id is the body's `messageId`.

https://segment.com/docs/connections/destinations/catalog/actions-webhook/
"""

from typing_extensions import override

from hookline_conformance.schemes.plain_body import PlainBody
from hookline_conformance.schemes.scheme import Json


class Segment(PlainBody):
    """The scheme `segment`."""

    name = "segment"
    signature_header = "X-Signature"
    id_field = "messageId"
    algorithm = "sha1"
    deadline = 5.0

    @override
    def envelope(self, event_id: str, event_type: str, data: Json) -> object:
        return {"messageId": event_id, "type": "track", "event": event_type, "userId": "conformance", "properties": data}
