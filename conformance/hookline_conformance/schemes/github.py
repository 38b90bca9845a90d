"""GitHub: `X-Hub-Signature-256: sha256=…`, HMAC-SHA256 in hexadecimal over the body.

https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries; the delivery's id and the
event's name are headers that are not signed.
"""

from collections.abc import Sequence
from uuid import UUID

from typing_extensions import override

from hookline_conformance.schemes.plain_body import PlainBody
from hookline_conformance.schemes.scheme import Delivery, Headers, Json


class GitHub(PlainBody):
    """The scheme `github`."""

    name = "github"
    signature_header = "X-Hub-Signature-256"
    id_header = "X-GitHub-Delivery"
    prefix = "sha256="
    deadline = 10.0

    @property
    @override
    def event_type_header(self) -> str:
        return "X-GitHub-Event"

    @override
    def event_id(self, unique: str) -> str:
        return str(UUID(hex=unique.zfill(32)))

    @override
    def envelope(self, event_id: str, event_type: str, data: Json) -> object:
        return {"zen": "Design for failure.", "hook_id": 1, "sender": {"login": "conformance", "id": 1}, "data": data}

    @override
    def headers(self, delivery: Delivery, tokens: Sequence[str]) -> Headers:
        return (
            (self.event_type_header, delivery.event_type),
            (self.id_header, delivery.id),
            ("X-GitHub-Hook-ID", "1"),
            *super().headers(delivery, tokens),
        )
