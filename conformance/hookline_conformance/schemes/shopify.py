"""Shopify: `X-Shopify-Hmac-Sha256`, HMAC-SHA256 in base64 over the body.

https://shopify.dev/docs/apps/build/webhooks/subscribe/https; an answer is due in five seconds. The id and the
topic are headers that are not signed.
"""

from collections.abc import Sequence
from uuid import UUID

from typing_extensions import override

from hookline_conformance.schemes.plain_body import PlainBody
from hookline_conformance.schemes.scheme import Delivery, Encoding, Headers, Json


class Shopify(PlainBody):
    """The scheme `shopify`."""

    name = "shopify"
    signature_header = "X-Shopify-Hmac-Sha256"
    id_header = "X-Shopify-Webhook-Id"
    encoding = Encoding.BASE64
    deadline = 5.0

    @property
    @override
    def event_type_header(self) -> str:
        return "X-Shopify-Topic"

    @override
    def event_id(self, unique: str) -> str:
        return str(UUID(hex=unique.zfill(32)))

    @override
    def envelope(self, event_id: str, event_type: str, data: Json) -> object:
        return {"id": 1, "data": data}

    @override
    def headers(self, delivery: Delivery, tokens: Sequence[str]) -> Headers:
        return (
            (self.event_type_header, delivery.event_type),
            ("X-Shopify-Shop-Domain", "conformance.myshopify.com"),
            (self.id_header, delivery.id),
            *super().headers(delivery, tokens),
        )
