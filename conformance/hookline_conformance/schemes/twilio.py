"""Twilio: `X-Twilio-Signature`, HMAC-SHA1 in base64 over the URL and what was posted.

https://www.twilio.com/docs/usage/webhooks/webhooks-security: of a form, the parameters sorted by name follow
the URL, name and value without separator; for any other body the URL has its SHA-256 as the parameter
`bodySHA256`, and the URL alone is signed.
"""

import hashlib
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from typing_extensions import override

from hookline_conformance.schemes.scheme import Claim, Delivery, Encoding, Headers, Json, Message, Mismatch, Scheme

FORM: Final = "application/x-www-form-urlencoded"


class Twilio(Scheme):
    """The scheme `twilio`. The secret is the account's auth token; the id is a header that is not signed."""

    name = "twilio"
    signature_header = "X-Twilio-Signature"
    id_header = "I-Twilio-Idempotency-Token"
    signs_url = True
    algorithm = "sha1"
    encoding = Encoding.BASE64

    @override
    def generate_secret(self) -> str:
        return super().generate_secret()[:32]

    @override
    def envelope(self, event_id: str, event_type: str, data: Json) -> object:
        return {"MessageSid": event_id, "EventType": event_type, "data": data}

    @override
    def address(self, delivery: Delivery) -> str:
        if _is_form(delivery.content_type):
            return delivery.url
        separator = "&" if urlsplit(delivery.url).query else "?"
        return delivery.url + separator + urlencode({"bodySHA256": hashlib.sha256(delivery.body).hexdigest()})

    @override
    def content(self, delivery: Delivery) -> bytes:
        if not _is_form(delivery.content_type):
            return self.address(delivery).encode()
        pairs = parse_qsl(delivery.body.decode("utf-8", "replace"), keep_blank_values=True)
        return (delivery.url + "".join(name + value for name, value in sorted(set(pairs)))).encode()

    @override
    def headers(self, delivery: Delivery, tokens: Sequence[str]) -> Headers:
        return ((self.id_header, delivery.id), (self.signature_header, tokens[0] if tokens else ""))

    @override
    def read(self, message: Message) -> Claim:
        # A form's parameters are signed by themselves; any other body by the digest in the URL, which the
        # content rebuilds: both must agree with what came.
        if not _is_form(next(iter(message.values("content-type")), "")):
            digests = [value for name, value in parse_qsl(urlsplit(message.url).query) if name == "bodySHA256"]
            if digests != [hashlib.sha256(message.body).hexdigest()]:
                raise Mismatch("bodySHA256 in the URL is not the SHA-256 of the body")
        signature = self.encoding.data(message.one(self.signature_header))
        return Claim(id=next(iter(message.values(self.id_header)), ""), timestamp="", signatures=(signature,))

    @override
    def received_content(self, message: Message, claim: Claim) -> bytes:
        if _is_form(next(iter(message.values("content-type")), "")):
            return super().received_content(message, claim)
        return message.url.encode()  # the digest is in it already


def _is_form(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == FORM
