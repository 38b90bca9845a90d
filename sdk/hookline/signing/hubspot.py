"""HubSpot: HMAC-SHA256 in base64 over method, URI, body and time in ms, in `X-HubSpot-Signature-v3`.

https://developers.hubspot.com/docs/guides/apps/authentication/validating-requests. In the URI some
characters are decoded before it is signed.

The older versions v1 and v2 are SHA-256 of the secret followed by the body (v2: by method, URI and body).
They cover no time, and who has seen one can append to what it covers and compute the signature of that.
HubSpot sends them beside v3, so a verifier that takes them can be led to them by leaving v3 out: they are
verified only where somebody asks for them.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from hookline.errors import InvalidArgument, quoted
from hookline.signing.checks import (
    check_secrets,
    check_time,
    claimed_signatures,
    header_values,
    malformed,
    raw_body,
    require_match,
    single,
    whole_number,
    wire,
    with_headers,
)
from hookline.signing.scheme import InvalidSignature, SignableRequest, SignatureFault
from hookline.signing.shared_secret import any_equal, check_text_secret, generate_hex, mac

SIGNATURE: Final = "x-hubspot-signature-v3"
TIMESTAMP: Final = "x-hubspot-request-timestamp"
OLD_SIGNATURE: Final = "x-hubspot-signature"
OLD_VERSION: Final = "x-hubspot-signature-version"
OLD_VERSIONS: Final = frozenset({"v1", "v2"})

_ENCODED: Final = re.compile(r"%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)
"""What HubSpot decodes: `: / ? @ ! $ ' ( ) * , ;`."""

_Version = tuple[str, Callable[[str, bytes], bytes]]
"""The header of a signature, and how a secret signs a body for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSpot:
    """The scheme `hubspot`: signs v3; verifies v3, and those of `old_versions` in requests without a v3.

    The secret is the app's client secret, any text. See the module on what v1 and v2 are worth.
    """

    old_versions: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Raise InvalidArgument unless `old_versions` are v1 and v2, one of them, or none."""
        if not self.old_versions <= OLD_VERSIONS:
            raise InvalidArgument.of("old_versions", f"{quoted(sorted(self.old_versions))} is not right; right are 'v1' and 'v2'")

    @property
    def name(self) -> str:
        """`hubspot`."""
        return "hubspot"

    @property
    def header_names(self) -> frozenset[str]:
        """Those of v3, and those of the old versions, which nobody else may set either."""
        return frozenset({SIGNATURE, TIMESTAMP, OLD_SIGNATURE, OLD_VERSION})

    def generate_secret(self) -> str:
        """32 random bytes in hex."""
        return generate_hex()

    def check_secret(self, secret: str) -> None:
        """See `check_text_secret`."""
        check_text_secret(secret)

    def sign(self, request: SignableRequest, secrets: Sequence[str], now: int) -> SignableRequest:
        """`request` with the time and the v3 signature of the first secret."""
        check_secrets(secrets, "sign")
        timestamp = str(now * 1000)
        return with_headers(
            request, (TIMESTAMP, timestamp), (SIGNATURE, _v3(secrets[0], request, request.body, timestamp).decode("ascii"))
        )

    def verify(self, request: SignableRequest, secrets: Sequence[str], now: int, tolerance: int = 300) -> None:
        """Raise InvalidSignature unless the signature is that of one of `secrets`, in constant time."""
        check_secrets(secrets, "verify")
        body = raw_body(request)
        header, signature_of = self._old(request) or _new(request, now, tolerance)
        claimed = [wire(each) for each in claimed_signatures(single(request, header), header)]
        require_match(
            lambda form: any_equal(claimed, [signature_of(secret, form) for secret in secrets]),
            body,
            f"the signature in {header} is not right: another secret, another URL than the one that HubSpot called (a proxy in "
            "between?), or changed on the way",
        )

    def _old(self, request: SignableRequest) -> _Version | None:
        """The old version by which the request is to be verified, if it is."""
        if header_values(request, SIGNATURE) or not header_values(request, OLD_SIGNATURE):
            return None
        version = single(request, OLD_VERSION)
        if version not in OLD_VERSIONS:
            raise malformed(f"{OLD_VERSION} is {quoted(version)}; right is 'v1' or 'v2'")
        if version not in self.old_versions:
            raise InvalidSignature(
                SignatureFault.MISSING_HEADER,
                f"the request has no header {SIGNATURE}, but a signature of version {version}, which covers no time and can be "
                f"forged by extending the body; to take it all the same, verify with HubSpot(old_versions={{{version!r}}})",
            )
        if version == "v1":
            return OLD_SIGNATURE, _sha256
        return OLD_SIGNATURE, lambda secret, form: _sha256(secret, wire(request.method + request.url) + form)


def _new(request: SignableRequest, now: int, tolerance: int) -> _Version:
    timestamp = single(request, TIMESTAMP)
    check_time(whole_number(timestamp, TIMESTAMP, "milliseconds") // 1000, now, tolerance)
    return SIGNATURE, lambda secret, form: _v3(secret, request, form, timestamp)


def _v3(secret: str, request: SignableRequest, body: bytes, timestamp: str) -> bytes:
    uri = _ENCODED.sub(lambda match: chr(int(match[0][1:], 16)), request.url)
    return b64encode(mac(secret, "sha256", wire(request.method + uri) + body + wire(timestamp)))


def _sha256(secret: str, message: bytes) -> bytes:
    check_text_secret(secret)
    return sha256(secret.encode("utf-8") + message).hexdigest().encode("ascii")
