"""HTTP Message Signatures (RFC 9421) with Content-Digest (RFC 9530): hmac-sha256 and ed25519.

Of the RFC this takes what a webhook needs: requests, header fields as a whole, and the derived components
of section 2.2 but `@query-param`. The body is signed by way of its digest.
"""

import hashlib
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from hmac import HMAC, compare_digest
from typing import Final
from urllib.parse import SplitResult, urlsplit

from hookline.errors import FieldViolation, InvalidArgument, quoted
from hookline.signing import ed25519
from hookline.signing.checks import (
    check_secrets,
    check_time,
    header_values,
    limited,
    malformed,
    raw_body,
    require_match,
    required_values,
    wire,
    with_headers,
)
from hookline.signing.scheme import InvalidSignature, SignableRequest, SignatureFault
from hookline.signing.shared_secret import generate_base64
from hookline.signing.structured_field import InnerList, byte_sequences, inner_lists, serialise_bytes, serialise_string

SIGNATURE: Final = "signature"
INPUT: Final = "signature-input"
DIGEST: Final = "content-digest"
DERIVED: Final = frozenset({"@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query"})
SHORTEST_KEY: Final = 16
LONGEST_KEY: Final = 512

_DIGESTS: Final = {"sha-256": "sha256", "sha-512": "sha512"}
_FIELD: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]{1,128}")
_LABEL: Final = re.compile(r"[a-z*][a-z0-9_\-.*]{0,63}")
_KEY_ID: Final = re.compile(r"[ -~]{1,256}")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Algorithm(StrEnum):
    """How it is signed (RFC 9421, section 3.3)."""

    HMAC_SHA256 = "hmac-sha256"
    ED25519 = "ed25519"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpMessage:
    """The scheme `http-message`.

    `components` are signed, and are the least that a signature must cover to be verified; without
    `content-digest` among them the body is not signed. `key_id` is the `keyid` that is sent, and the only
    one that is verified. A signature expires `expires_after` seconds after it was made, if that is given.
    A further secret signs under the `label` with `-2` behind it, and so on.

    The secret is 16 to 512 bytes in base64 for hmac-sha256, and a key of the module `ed25519` for ed25519.
    """

    key_id: str
    algorithm: Algorithm = Algorithm.HMAC_SHA256
    components: tuple[str, ...] = ("@method", "@target-uri", "content-type", DIGEST)
    label: str = "sig1"
    expires_after: int | None = None

    def __post_init__(self) -> None:
        """Raise InvalidArgument, with every violation, unless it can sign and verify."""
        faults = []
        if _KEY_ID.fullmatch(self.key_id) is None:
            faults.append(("key_id", f"{quoted(self.key_id)} is not right; right are 1 to 256 printable ASCII characters"))
        if _LABEL.fullmatch(self.label) is None:
            faults.append(("label", f"{quoted(self.label)} is not right; right is a key of RFC 8941 in small letters"))
        for component in self.components:
            if component not in DERIVED and _FIELD.fullmatch(component) is None:
                right = f"right is a header in small letters, or one of {', '.join(sorted(DERIVED))}"
                faults.append(("components", f"{quoted(component)} cannot be signed; {right}"))
        if not self.components or len(set(self.components)) < len(self.components):
            faults.append(("components", "are none, or one of them twice; right are different ones"))
        if self.expires_after is not None and self.expires_after < 1:
            faults.append(("expires_after", f"{quoted(self.expires_after)} is not right; right are 1 second or more"))
        if faults:
            raise InvalidArgument(*(FieldViolation(field=name, description=text) for name, text in faults))

    @property
    def name(self) -> str:
        """`http-message`."""
        return "http-message"

    @property
    def header_names(self) -> frozenset[str]:
        """The signature, its input and the digest."""
        return frozenset({SIGNATURE, INPUT, DIGEST})

    def generate_secret(self) -> str:
        """A new key for the algorithm."""
        return ed25519.generate_key() if self.algorithm is Algorithm.ED25519 else generate_base64()

    def check_secret(self, secret: str) -> None:
        """Raise InvalidArgument unless it is a key for the algorithm that can sign."""
        if self.algorithm is Algorithm.ED25519:
            ed25519.parse_private(secret)
        else:
            _parse_shared(secret)

    def sign(self, request: SignableRequest, secrets: Sequence[str], now: int) -> SignableRequest:
        """`request` with `Content-Digest`, if that is covered, and one signature a secret.

        Raises InvalidArgument if a component is missing or a signature is there already.
        """
        check_secrets(secrets, "sign")
        for name in self.header_names:
            if header_values(request, name):
                raise InvalidArgument.of("headers", f"{name} is set already; right is to leave it to the signature")
        if DIGEST in self.components:
            digest = hashlib.sha256(request.body).digest()
            request = with_headers(request, (DIGEST, f"sha-256={serialise_bytes(digest)}"))
        parameters = f"({' '.join(map(serialise_string, self.components))});created={now}"
        if self.expires_after is not None:
            parameters += f";expires={now + self.expires_after}"
        parameters += f";keyid={serialise_string(self.key_id)}"
        try:
            base = _base(request, self.components, parameters)
        except InvalidSignature as fault:
            raise InvalidArgument.of("request", f"cannot be signed: {fault.message}") from fault
        labels = [self.label if index == 0 else f"{self.label}-{index + 1}" for index in range(len(secrets))]
        signatures = [f"{label}={serialise_bytes(self._sign(secret, base))}" for label, secret in zip(labels, secrets, strict=True)]
        return with_headers(
            request,
            (INPUT, ", ".join(f"{label}={parameters}" for label in labels)),
            (SIGNATURE, ", ".join(signatures)),
        )

    def verify(self, request: SignableRequest, secrets: Sequence[str], now: int, tolerance: int = 300) -> None:
        """Raise InvalidSignature unless one signature with the key id is that of one of `secrets`, and the digest right."""
        check_secrets(secrets, "verify")
        body = raw_body(request)
        inputs = inner_lists(", ".join(required_values(request, INPUT)), INPUT)
        signatures = byte_sequences(", ".join(required_values(request, SIGNATURE)), SIGNATURE)
        labels = limited([label for label in inputs if inputs[label].parameters.get("keyid") == self.key_id], INPUT)
        if not labels:
            raise InvalidSignature(
                SignatureFault.NO_MATCHING_SIGNATURE,
                f"none of the {len(inputs)} signatures in {INPUT} is of the key {self.key_id!r}",
            )
        first: InvalidSignature | None = None
        for label in labels:
            try:
                self._verify_one(request, inputs[label], signatures.get(label), secrets, (now, tolerance))
            except InvalidSignature as fault:
                first = first or fault
            else:
                if DIGEST in inputs[label].items:
                    _check_digest(request, body)
                return
        if first is not None:
            raise first

    def _verify_one(
        self,
        request: SignableRequest,
        covered: InnerList,
        signature: bytes | None,
        secrets: Sequence[str],
        time: tuple[int, int],
    ) -> None:
        now, tolerance = time
        if signature is None:
            raise malformed(f"{SIGNATURE} has no signature for one of the labels in {INPUT}")
        if not covered.plain:
            raise malformed(f"{INPUT} names a component with parameters, which are not supported")
        algorithm = covered.parameters.get("alg", self.algorithm.value)
        if algorithm != self.algorithm.value:
            raise malformed(f"{INPUT} names the algorithm {quoted(algorithm)}; right is {self.algorithm.value!r}")
        missing = [name for name in self.components if name not in covered.items]
        if missing:
            raise InvalidSignature(SignatureFault.BODY_NOT_SIGNED, f"the signature does not cover {', '.join(missing)}")
        created, expires = covered.parameters.get("created"), covered.parameters.get("expires", now)
        if not isinstance(created, int) or not isinstance(expires, int):
            raise malformed(f"{INPUT} has no time, or one that is no number, in 'created' or 'expires'")
        check_time(created, now, tolerance)
        if now > expires:
            raise InvalidSignature(SignatureFault.TIMESTAMP_TOO_OLD, f"the signature expired {now - expires} s ago")
        base = _base(request, covered.items, covered.text)
        if not sum([self._is_genuine(secret, signature, base) for secret in secrets]):
            raise InvalidSignature(
                SignatureFault.NO_MATCHING_SIGNATURE,
                f"the signature is not right for {', '.join(covered.items)}: another secret, another URL than the one that was "
                "called (a proxy in between?), or changed on the way",
            )

    def _sign(self, secret: str, base: bytes) -> bytes:
        if self.algorithm is Algorithm.ED25519:
            return ed25519.parse_private(secret).sign(base)
        return HMAC(_parse_shared(secret), base, digestmod="sha256").digest()

    def _is_genuine(self, secret: str, signature: bytes, base: bytes) -> bool:
        if self.algorithm is Algorithm.ED25519:
            return ed25519.is_genuine(secret, signature, base)
        return compare_digest(self._sign(secret, base), signature)


@lru_cache(maxsize=4096)
def _parse_shared(secret: str) -> bytes:
    try:
        key = b64decode(secret.encode("ascii"), validate=True)
    except (Base64Error, UnicodeEncodeError):
        key = b""
    if not SHORTEST_KEY <= len(key) <= LONGEST_KEY:
        raise InvalidArgument.of(
            "secret", f"the secret is not right; right are {SHORTEST_KEY} to {LONGEST_KEY} bytes in base64 (RFC 4648, section 4)"
        )
    return key


def _base(request: SignableRequest, components: Sequence[str], parameters: str) -> bytes:
    """The signature base (RFC 9421, section 2.5)."""
    if len(set(components)) < len(components):
        raise malformed(f"{INPUT} names a component twice")
    lines = [f"{serialise_string(name)}: {_component(request, name)}" for name in components]
    return wire("\n".join([*lines, f'"@signature-params": {parameters}']))


def _component(request: SignableRequest, name: str) -> str:
    if name in DERIVED:
        value = _derived(request, name)
    elif name.startswith("@") or _FIELD.fullmatch(name) is None:
        raise malformed(f"{INPUT} names {quoted(name)}, which is no component that is supported")
    else:
        values = header_values(request, name)
        if not values:
            raise InvalidSignature(SignatureFault.MISSING_HEADER, f"the request has no header {name}, which is to be signed")
        value = ", ".join(values)
    if "\n" in value or "\r" in value:
        raise malformed(f"{name} holds a line break")
    return value


def _derived(request: SignableRequest, name: str) -> str:
    if name == "@method":
        return request.method
    parts = _split(request.url)
    path = parts.path or "/"
    values = {
        "@target-uri": request.url.partition("#")[0] if parts.path else _with_path(request.url),
        "@authority": _authority(parts),
        "@scheme": parts.scheme,
        "@request-target": path + (f"?{parts.query}" if parts.query else ""),
        "@path": path,
        "@query": f"?{parts.query}",
    }
    return values[name]


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        valid = bool(parts.scheme and parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid, parts = False, SplitResult("", "", "", "", "")
    if not valid:
        raise InvalidSignature(SignatureFault.MALFORMED_URL, f"{quoted(url)} is no absolute URL")
    return parts


def _authority(parts: SplitResult) -> str:
    host = parts.netloc.rpartition("@")[2].lower()
    default = parts.port is not None and _DEFAULT_PORTS.get(parts.scheme) == parts.port
    return host.rpartition(":")[0] if default else host


def _with_path(url: str) -> str:
    before, query, after = url.partition("#")[0].partition("?")
    return f"{before}/{query}{after}"


def _check_digest(request: SignableRequest, body: bytes) -> None:
    digests = byte_sequences(", ".join(required_values(request, DIGEST)), DIGEST)
    known = {name: value for name, value in digests.items() if name in _DIGESTS}
    if not known:
        raise malformed(f"{DIGEST} holds no digest that is known; right is one of {', '.join(_DIGESTS)}")
    require_match(
        lambda form: all(compare_digest(hashlib.new(_DIGESTS[name], form).digest(), value) for name, value in known.items()),
        body,
        f"the signature is right, and the body is not the one whose digest stands in {DIGEST}",
        SignatureFault.BODY_CHANGED,
    )
