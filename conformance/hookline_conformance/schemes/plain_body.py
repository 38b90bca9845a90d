"""The shape that several platforms share: one HMAC over the body alone, in a header of its own."""

from collections.abc import Sequence

from typing_extensions import override

from hookline_conformance.schemes.scheme import Claim, Delivery, Headers, Message, Mismatch, Scheme, body_id


class PlainBody(Scheme):
    """A scheme that signs the body and nothing else."""

    @override
    def content(self, delivery: Delivery) -> bytes:
        return delivery.body

    @override
    def headers(self, delivery: Delivery, tokens: Sequence[str]) -> Headers:
        return ((self.signature_header, tokens[0] if tokens else ""),)

    @override
    def read(self, message: Message) -> Claim:
        text = message.one(self.signature_header)
        if not text.startswith(self.prefix):
            raise Mismatch(f"{self.signature_header} does not start with {self.prefix!r}")
        return Claim(
            id=message.one(self.id_header) if self.id_header else body_id(message.body, self.id_field),
            timestamp="",
            signatures=(self.encoding.data(text.removeprefix(self.prefix)),),
        )
