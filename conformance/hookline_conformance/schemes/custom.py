"""A scheme given by its parameters: HMAC over a template such as `{id}.{timestamp}.{body}`."""

import re
from collections.abc import Sequence
from typing import Final

from typing_extensions import override

from hookline_conformance.schemes.scheme import Claim, Delivery, Encoding, Headers, Message, Mismatch, Scheme, body_id

_PART: Final = re.compile(r"\{(id|timestamp|body|method|url)\}")
_ALGORITHMS: Final = ("sha1", "sha256", "sha384", "sha512")


class ParameterError(ValueError):
    """A parameter of a scheme cannot be used; the message names it, its value and what is right."""


class Custom(Scheme):
    """The scheme `custom`.

    `template` is what is signed and holds `{body}` once. The signature is written in `encoding` behind
    `prefix` in `signature_header`; with a `separator` several may stand there. `api_key`, where it is given,
    is sent in `api_key_header`.
    """

    name = "custom"

    def __init__(
        self,
        *,
        signature_header: str,
        template: str = "{id}.{timestamp}.{body}",
        algorithm: str = "sha256",
        encoding: str = "hex",
        prefix: str = "",
        separator: str = "",
        id_header: str = "",
        id_field: str = "id",
        timestamp_header: str = "",
        milliseconds: bool = False,
        tolerance: int = 300,
        api_key_header: str = "",
        api_key: str = "",
    ) -> None:
        parts = _PART.findall(template)
        if parts.count("body") != 1:
            raise ParameterError(f"template: {template!r} must hold '{{body}}' once")
        if algorithm not in _ALGORITHMS:
            raise ParameterError(f"algorithm: {algorithm!r} is none of {', '.join(_ALGORITHMS)}")
        if encoding not in set(Encoding):
            raise ParameterError(f"encoding: {encoding!r} is none of {', '.join(Encoding)}")
        if not signature_header:
            raise ParameterError("signature_header: must be named")
        for part, header in (("id", id_header), ("timestamp", timestamp_header)):
            if part in parts and not header:
                raise ParameterError(f"{part}_header: must be named, since the template holds '{{{part}}}'")
        if bool(api_key) != bool(api_key_header):
            raise ParameterError("api_key and api_key_header: both must be given, or none")
        self.template = template
        self.signature_header = signature_header
        self.algorithm = algorithm
        self.encoding = Encoding(encoding)
        self.prefix = prefix
        self.separator = separator
        self.several = bool(separator)
        self.id_header = id_header
        self.id_field = "" if id_header else id_field
        self.timestamp_header = timestamp_header
        self.timestamped = "timestamp" in parts
        self.tolerance = tolerance
        self.signs_id = "id" in parts
        self.signs_url = "url" in parts
        self.milliseconds = milliseconds
        self.api_key_header = api_key_header
        self.api_key = api_key

    @override
    def stamp(self, seconds: float) -> str:
        return str(int(seconds * 1000)) if self.milliseconds else super().stamp(seconds)

    @override
    def time(self, text: str) -> float:
        if not text.isascii() or not text.isdecimal() or text.startswith("0") or len(text) > 15:
            raise Mismatch(f"the timestamp {text!r} is not a whole number")
        return int(text) / (1000 if self.milliseconds else 1)

    @override
    def content(self, delivery: Delivery) -> bytes:
        values = {
            "id": delivery.id.encode(),
            "timestamp": delivery.timestamp.encode(),
            "body": delivery.body,
            "method": delivery.method.encode(),
            "url": delivery.url.encode(),
        }
        return b"".join(values[text] if index % 2 else text.encode() for index, text in enumerate(_PART.split(self.template)))

    @override
    def headers(self, delivery: Delivery, tokens: Sequence[str]) -> Headers:
        return (
            *(((self.id_header, delivery.id),) if self.id_header else ()),
            *(((self.timestamp_header, delivery.timestamp),) if self.timestamp_header else ()),
            *(((self.api_key_header, self.api_key),) if self.api_key_header else ()),
            (self.signature_header, self.separator.join(tokens)),
        )

    @override
    def read(self, message: Message) -> Claim:
        if self.api_key_header and message.one(self.api_key_header) != self.api_key:
            raise Mismatch(f"the header {self.api_key_header} is not the API key")
        header = message.one(self.signature_header)
        texts = header.split(self.separator) if self.separator else [header]
        if not all(text.startswith(self.prefix) for text in texts):
            raise Mismatch(f"{self.signature_header} does not start with {self.prefix!r}")
        return Claim(
            id=message.one(self.id_header) if self.id_header else body_id(message.body, self.id_field),
            timestamp=message.one(self.timestamp_header) if self.timestamp_header else "",
            signatures=tuple(self.encoding.data(text.removeprefix(self.prefix)) for text in texts),
        )
