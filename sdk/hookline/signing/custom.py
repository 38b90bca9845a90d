"""A scheme of one's own, for the platforms that no other scheme speaks: HMAC over a template.

Custom(
    template="{timestamp}.{body}",
    signature_header="x-acme-signature",
    prefix="sha256=",
    timestamp_header="x-acme-timestamp",
)
"""

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from hmac import compare_digest
from typing import Final

from hookline.errors import FieldViolation, InvalidArgument, quoted
from hookline.signing.checks import (
    check_secrets,
    check_time,
    limited,
    malformed,
    raw_body,
    require_match,
    sendable,
    single,
    whole_number,
    wire,
    with_headers,
)
from hookline.signing.scheme import InvalidSignature, SignableRequest, SignatureFault
from hookline.signing.shared_secret import any_equal, check_text_secret, generate_hex, mac

_PLACEHOLDER: Final = re.compile(r"\{(id|timestamp|body|method|url)\}")
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")
_PREFIX: Final = re.compile(r"(?:[!-+\-.-:<-~][!-~]{0,63})?")
"""No comma or semicolon at its start, where one may separate two signatures."""
_SEPARATOR: Final = re.compile(r"[ ,;]{0,2}")
_API_KEY: Final = re.compile(r"[!-~]{1,4096}")


class Algorithm(StrEnum):
    """The hash under the HMAC."""

    SHA1 = "sha1"
    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"


class Encoding(StrEnum):
    """How the signature is written."""

    HEX = "hex"
    BASE64 = "base64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Custom:
    """The scheme `custom`.

    `template` is what is signed; it holds `{body}` once, and at will `{id}`, `{timestamp}`, `{method}` and
    `{url}`. `prefix` stands before each signature in `signature_header`. With a `separator` (spaces,
    commas, semicolons) every secret signs, without one the first alone. The id and the timestamp have
    headers exactly if the template holds them: what is not signed is not sent as if it were. Something
    stands between two placeholders, and the characters beside `{id}` are in no id: otherwise a signature
    would be right for another id with another body. Beside `{timestamp}`, and in `{method}{url}`, nothing
    need stand. The timestamp is in seconds since 1970, or with `milliseconds` in these. With an
    `api_key_header` the request carries `api_key` too, and is refused without.
    """

    signature_header: str
    template: str = "{id}.{timestamp}.{body}"
    algorithm: Algorithm = Algorithm.SHA256
    encoding: Encoding = Encoding.HEX
    prefix: str = ""
    separator: str = ""
    id_header: str = ""
    timestamp_header: str = ""
    milliseconds: bool = False
    api_key_header: str = ""
    api_key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        """Raise InvalidArgument, with every violation, unless it can sign and verify."""
        violations = [FieldViolation(field=name, description=text) for name, text in self._faults()]
        if violations:
            raise InvalidArgument(*violations)

    def _faults(self) -> list[tuple[str, str]]:
        faults = []
        headers = {
            "signature_header": self.signature_header,
            "id_header": self.id_header,
            "timestamp_header": self.timestamp_header,
            "api_key_header": self.api_key_header,
        }
        used = [header.lower() for header in headers.values() if header]
        for name, header in headers.items():
            if (header or name == "signature_header") and _TOKEN.fullmatch(header) is None:
                faults.append((name, f"{quoted(header)} is no header name; right is a token (RFC 9110)"))
            if header and used.count(header.lower()) > 1:
                faults.append((name, f"{quoted(header)} has two uses; right is a header of its own"))
        names = _PLACEHOLDER.findall(self.template)
        if names.count("body") != 1:
            faults.append(("template", f"{quoted(self.template)} is not right; right is a text that holds '{{body}}' once"))
        elif run_on := _run_on(self.template):
            faults.append(("template", f"has {run_on!r}, and nothing tells where the first of them ends; right is a text between"))
        for part, header in (("id", self.id_header), ("timestamp", self.timestamp_header)):
            if (part in names) != bool(header):
                faults.append(
                    (f"{part}_header", f"is there without '{{{part}}}' in the template, or the other way; right is both or none")
                )
        if _PREFIX.fullmatch(self.prefix) is None:
            faults.append(
                (
                    "prefix",
                    f"{quoted(self.prefix)} is not right; right are at most 64 visible ASCII characters, no comma in front",
                )
            )
        if _SEPARATOR.fullmatch(self.separator) is None:
            faults.append(("separator", f"{quoted(self.separator)} is not right; right are at most two of space, comma, semicolon"))
        elif self.separator and self.separator.strip() in self.prefix and self.separator.strip():
            faults.append(("separator", f"{quoted(self.separator)} stands in the prefix too; right is one that does not"))
        if bool(self.api_key) != bool(self.api_key_header) or (self.api_key and _API_KEY.fullmatch(self.api_key) is None):
            faults.append(
                ("api_key", "is not right; right are 1 to 4096 visible ASCII characters, exactly if there is a header for it")
            )
        return faults

    @property
    def name(self) -> str:
        """`custom`."""
        return "custom"

    @property
    def header_names(self) -> frozenset[str]:
        """Every header that it is configured with."""
        headers = (self.signature_header, self.id_header, self.timestamp_header, self.api_key_header)
        return frozenset(header.lower() for header in headers if header)

    def generate_secret(self) -> str:
        """32 random bytes in hex."""
        return generate_hex()

    def check_secret(self, secret: str) -> None:
        """See `check_text_secret`."""
        check_text_secret(secret)

    def sign(self, request: SignableRequest, secrets: Sequence[str], now: int) -> SignableRequest:
        """`request` with the configured headers."""
        check_secrets(secrets, "sign")
        if self.id_header and (border := self._border_in(request.id)):
            raise InvalidArgument.of(
                "id", f"{quoted(request.id)} cannot be signed: {border!r} stands beside the id in the template"
            )
        timestamp = str(now * 1000 if self.milliseconds else now)
        signing = secrets if self.separator else secrets[:1]
        content = self._content(request, request.id if self.id_header else "", timestamp, request.body)
        signatures = [self.prefix + self._mac(secret, content).decode("ascii") for secret in signing]
        headers = [(self.signature_header, self.separator.join(signatures))]
        if self.id_header:
            headers.append((self.id_header, sendable("id", request.id)))
        if self.timestamp_header:
            headers.append((self.timestamp_header, timestamp))
        if self.api_key_header:
            headers.append((self.api_key_header, self.api_key))
        return with_headers(request, *headers)

    def verify(self, request: SignableRequest, secrets: Sequence[str], now: int, tolerance: int = 300) -> None:
        """Raise InvalidSignature unless the API key is right and one signature is that of one of `secrets`."""
        check_secrets(secrets, "verify")
        body = raw_body(request)
        if self.api_key_header:
            key = single(request, self.api_key_header.lower())
            if not compare_digest(wire(key), wire(self.api_key)):
                raise InvalidSignature(SignatureFault.WRONG_API_KEY, f"the API key in {self.api_key_header} is another one")
        webhook_id = single(request, self.id_header.lower()) if self.id_header else ""
        if border := self._border_in(webhook_id):
            raise malformed(f"{self.id_header} holds {border!r}, which stands beside the id in the template")
        timestamp = ""
        if self.timestamp_header:
            timestamp = single(request, self.timestamp_header.lower())
            number = whole_number(timestamp, self.timestamp_header, "milliseconds" if self.milliseconds else "seconds")
            check_time(number // 1000 if self.milliseconds else number, now, tolerance)
        claimed = self._claimed(request)

        def matches(form: bytes) -> bool:
            content = self._content(request, webhook_id, timestamp, form)
            return any_equal(claimed, [self._mac(secret, content) for secret in secrets])

        require_match(matches, body, f"no signature in {self.signature_header} is right: another secret, or changed on the way")

    def _border_in(self, webhook_id: str) -> str:
        """The first character in an id that tells in the template where the id ends; nothing if there is none."""
        return next((border for border in _borders(self.template) if border in webhook_id), "")

    def _claimed(self, request: SignableRequest) -> list[bytes]:
        value = single(request, self.signature_header.lower())
        values = value.split(self.separator.strip() or None) if self.separator else [value]
        parts = [value.strip(" \t,;" if self.separator else " \t") for value in values]
        claimed = [wire(part.removeprefix(self.prefix)) for part in parts if part.startswith(self.prefix)]
        if not claimed:
            raise malformed(f"{self.signature_header} holds no signature of the form {self.prefix + '…'!r}")
        return limited(claimed, self.signature_header)

    def _content(self, request: SignableRequest, webhook_id: str, timestamp: str, body: bytes) -> bytes:
        values = {
            "id": wire(webhook_id),
            "timestamp": wire(timestamp),
            "body": body,
            "method": wire(request.method),
            "url": wire(request.url),
        }
        # Split once, so that nothing that is put in is taken for a placeholder.
        parts = _PLACEHOLDER.split(self.template)
        return b"".join(values[part] if index % 2 else wire(part) for index, part in enumerate(parts))

    def _mac(self, secret: str, content: bytes) -> bytes:
        digest = mac(secret, self.algorithm.value, content)
        return digest.hex().encode("ascii") if self.encoding is Encoding.HEX else b64encode(digest)


def _run_on(template: str) -> str:
    """Two placeholders side by side, of which nothing tells where the first ends; nothing if there are none."""
    parts = _PLACEHOLDER.split(template)
    for first, between, second in zip(parts[1::2], parts[2::2], parts[3::2], strict=False):
        # A time has as many digits as any other within the tolerance, and a URL begins with its scheme.
        if not between and "timestamp" not in {first, second} and (first, second) != ("method", "url"):
            return f"{{{first}}}{{{second}}}"
    return ""


@lru_cache(maxsize=1024)
def _borders(template: str) -> str:
    """The characters that stand between the id and another placeholder, beside the id."""
    parts = _PLACEHOLDER.split(template)
    ids = [index for index in range(1, len(parts), 2) if parts[index] == "id"]
    before = [parts[index - 1][-1:] for index in ids if index > 1]
    after = [parts[index + 1][:1] for index in ids if index + 2 < len(parts)]
    return "".join(sorted({*before, *after}))
