"""Slack: `X-Slack-Signature: v0=…`, HMAC-SHA256 in hexadecimal over `v0:timestamp:body`.

https://docs.slack.dev/authentication/verifying-requests-from-slack; an answer is due in 3 seconds
(https://docs.slack.dev/apis/events-api).
"""

from collections.abc import Sequence

from typing_extensions import override

from hookline_conformance.schemes.scheme import Claim, Delivery, Headers, Json, Message, Mismatch, Scheme, body_id


class Slack(Scheme):
    """The scheme `slack`."""

    name = "slack"
    signature_header = "X-Slack-Signature"
    id_field = "event_id"
    timestamp_header = "X-Slack-Request-Timestamp"
    timestamped = True
    tolerance = 300
    prefix = "v0="
    deadline = 3.0

    @override
    def envelope(self, event_id: str, event_type: str, data: Json) -> object:
        return {
            "type": "event_callback",
            "team_id": "T0001",
            "api_app_id": "A0001",
            "event_id": event_id,
            "event_time": 1767225600,
            "event": {"type": event_type, "data": data},
        }

    @override
    def content(self, delivery: Delivery) -> bytes:
        return f"v0:{delivery.timestamp}:".encode() + delivery.body

    @override
    def headers(self, delivery: Delivery, tokens: Sequence[str]) -> Headers:
        return ((self.timestamp_header, delivery.timestamp), (self.signature_header, tokens[0] if tokens else ""))

    @override
    def read(self, message: Message) -> Claim:
        text = message.one(self.signature_header)
        if not text.startswith(self.prefix):
            raise Mismatch(f"{self.signature_header} does not start with {self.prefix!r}")
        return Claim(
            id=body_id(message.body, self.id_field),
            timestamp=message.one(self.timestamp_header),
            signatures=(self.encoding.data(text.removeprefix(self.prefix)),),
        )
