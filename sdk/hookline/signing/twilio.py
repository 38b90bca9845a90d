"""Twilio: HMAC-SHA1 in base64 over the URL and the form, in the header `X-Twilio-Signature`.

https://www.twilio.com/docs/usage/webhooks/webhooks-security. The parameters of a form are sorted by name
and appended to the URL, each name followed by its value. Any other body is signed through the URL, whose
query carries its SHA-256 in hex as `bodySHA256`. A form's order, encoding and repeated values are not
signed, and no time is.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from hmac import compare_digest
from typing import Final
from urllib.parse import SplitResult, parse_qs, parse_qsl, urlsplit

from hookline.errors import InvalidArgument, quoted
from hookline.signing.checks import (
    check_secrets,
    claimed_signatures,
    header_values,
    raw_body,
    require_match,
    sendable,
    single,
    wire,
    with_headers,
)
from hookline.signing.scheme import InvalidSignature, SignableRequest, SignatureFault
from hookline.signing.shared_secret import any_equal, check_text_secret, generate_hex, mac

SIGNATURE: Final = "x-twilio-signature"
IDEMPOTENCY: Final = "i-twilio-idempotency-token"
BODY_DIGEST: Final = "bodySHA256"

_FORM: Final = "application/x-www-form-urlencoded"
_MOST_FIELDS: Final = 1000
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Twilio:
    """The scheme `twilio`. The secret is the account's auth token, any text.

    `public_origin` (`https://example.com`) is for receivers behind a proxy: the scheme and host that
    Twilio called, in place of those that the request came with.
    """

    public_origin: str = ""

    def __post_init__(self) -> None:
        """Raise InvalidArgument unless `public_origin` is empty or a scheme and a host."""
        if self.public_origin:
            parts = _split(self.public_origin)
            if parts is None or not parts.netloc or parts.scheme not in _DEFAULT_PORTS or parts[2:] != ("", "", ""):
                raise InvalidArgument.of(
                    "public_origin", f"{quoted(self.public_origin)} is no origin; right is like 'https://example.com'"
                )

    @property
    def name(self) -> str:
        """`twilio`."""
        return "twilio"

    @property
    def header_names(self) -> frozenset[str]:
        """The signature and the idempotency token."""
        return frozenset({SIGNATURE, IDEMPOTENCY})

    def generate_secret(self) -> str:
        """16 random bytes in hex, as auth tokens are."""
        return generate_hex(16)

    def check_secret(self, secret: str) -> None:
        """See `check_text_secret`."""
        check_text_secret(secret)

    def sign(self, request: SignableRequest, secrets: Sequence[str], now: int) -> SignableRequest:
        """`request` with the signature of the first secret, and, unless it is a form, `bodySHA256` in its URL.

        Raises InvalidArgument if the URL is none, has a fragment or carries a `bodySHA256` already.
        """
        check_secrets(secrets, "sign")
        parts = _split(request.url)
        if parts is None or parts.fragment or _digests(parts):
            raise InvalidArgument.of(
                "url", f"{quoted(request.url)} cannot be signed; right is an absolute URL with no fragment and no {BODY_DIGEST}"
            )
        url, parameters = request.url, b""
        if _is_form(request):
            try:
                parameters = _parameters(request.body)
            except InvalidSignature as fault:
                raise InvalidArgument.of("body", fault.message) from fault
        else:
            url += f"{'&' if parts.query else '?'}{BODY_DIGEST}={sha256(request.body).hexdigest()}"
        return with_headers(
            replace(request, url=url),
            *(((IDEMPOTENCY, sendable("id", request.id)),) if request.id else ()),
            (SIGNATURE, _mac(secrets[0], wire(url) + parameters).decode("ascii")),
        )

    def verify(self, request: SignableRequest, secrets: Sequence[str], now: int, tolerance: int = 300) -> None:
        """Raise InvalidSignature unless the signature is that of one of `secrets`; of the time it tells nothing.

        The URL is tried with its port and without, as Twilio signs either.
        """
        check_secrets(secrets, "verify")
        body = raw_body(request)
        claimed = [wire(each) for each in claimed_signatures(single(request, SIGNATURE), SIGNATURE)]
        parts = _split(request.url)
        if parts is None:
            raise InvalidSignature(SignatureFault.MALFORMED_URL, f"{quoted(request.url)} is no absolute URL")
        form = _is_form(request)
        parameters = _parameters(body) if form else b""
        urls = self._spellings(request.url, parts)
        if not any_equal(claimed, [_mac(secret, wire(url) + parameters) for secret in secrets for url in urls]):
            raise InvalidSignature(
                SignatureFault.NO_MATCHING_SIGNATURE,
                f"the signature in {SIGNATURE} is not right for {quoted(urls[0])}: another secret, another URL than the one that "
                "Twilio called (a proxy in between?), or changed on the way",
            )
        digests = _digests(parts)
        if not digests and body and not form:
            raise InvalidSignature(
                SignatureFault.BODY_NOT_SIGNED,
                f"the body is no form and the URL has no {BODY_DIGEST}, so nothing is known about the body",
            )
        named = [wire(each.lower()) for each in digests]
        require_match(
            lambda written: all(compare_digest(each, sha256(written).hexdigest().encode("ascii")) for each in named),
            body,
            f"the signature is right, and the body is not the one whose digest stands in the URL ({BODY_DIGEST})",
            SignatureFault.BODY_CHANGED,
        )

    def _spellings(self, url: str, parts: SplitResult) -> list[str]:
        """The URL as it is, and with and without its port."""
        if self.public_origin:
            url = self.public_origin + url.partition("://")[2].removeprefix(parts.netloc)
            parts = urlsplit(url)
        head, tail = url.partition("://")[0] + "://", url.partition("://")[2].removeprefix(parts.netloc)
        user, at, host = parts.netloc.rpartition("@")
        bare = host if parts.port is None else host.rpartition(":")[0]
        ported = f"{bare}:{parts.port or _DEFAULT_PORTS[parts.scheme]}"
        return list(dict.fromkeys([url, f"{head}{user}{at}{bare}{tail}", f"{head}{user}{at}{ported}{tail}"]))


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        valid = bool(parts.hostname) and parts.scheme in _DEFAULT_PORTS and (parts.port is None or parts.port > 0)
    except ValueError:
        return None
    return parts if valid else None


def _digests(parts: SplitResult) -> list[str]:
    return parse_qs(parts.query, keep_blank_values=True, errors="surrogateescape").get(BODY_DIGEST, [])


def _is_form(request: SignableRequest) -> bool:
    types = header_values(request, "content-type")
    return bool(types) and types[0].partition(";")[0].strip().lower() == _FORM


def _parameters(body: bytes) -> bytes:
    """Each name and value of a form, sorted, a repeated pair once. Bytes that are no UTF-8 stay as they are."""
    try:
        pairs = parse_qsl(
            body.decode("utf-8", "surrogateescape"), keep_blank_values=True, errors="surrogateescape", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise InvalidSignature(
            SignatureFault.MALFORMED_HEADER, f"the form has more than {_MOST_FIELDS} fields, or is none for all its content-type"
        ) from None
    return b"".join((name + value).encode("utf-8", "surrogateescape") for name, value in sorted(set(pairs)))


def _mac(secret: str, message: bytes) -> bytes:
    return b64encode(mac(secret, "sha1", message))
