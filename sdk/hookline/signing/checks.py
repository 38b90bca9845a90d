"""What every scheme checks alike: headers, time, the body's form, and signatures in constant time."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from hookline.errors import InvalidArgument, quoted
from hookline.signing.scheme import InvalidSignature, SignableRequest, SignatureFault

MOST_SIGNATURES: Final = 16
"""Signatures tried in one request: each costs the receiver work that the sender has not paid for."""
LONGEST_REWRITTEN: Final = 65_536
"""Bytes of a body for which re-serialised forms are tried, and of such a form: a wrong signature must not cost much."""
LONGEST_INDENTED: Final = 4096
"""The same for the indented form."""
MOST_INDENTED: Final = 64
"""Lists and objects in such a body: indented, one within another takes time that is out of proportion."""

_Claimed = TypeVar("_Claimed", str, bytes)

_FOLD: Final = re.compile(r"\r?\n[ \t]+")
_DIGITS: Final = re.compile(r"0|[1-9][0-9]{0,14}")
_SENDABLE: Final = re.compile(r"[!-~](?:[ -~]{0,254}[!-~])?")


def raw_body(request: SignableRequest) -> bytes:
    """The body's bytes. Raises InvalidSignature if something has decoded or parsed it."""
    if not isinstance(request.body, bytes | bytearray | memoryview):
        raise InvalidSignature(
            SignatureFault.BODY_NOT_BYTES,
            f"the body is {type(request.body).__name__}, but the signature covers the bytes as they came over the wire: "
            "verify these before anything decodes or parses them",
        )
    return bytes(request.body)


def header_values(request: SignableRequest, name: str) -> list[str]:
    """Every value of the header `name` (lower case), unfolded and trimmed; empty if it is not there."""
    return [_FOLD.sub(" ", value).strip(" \t") for header, value in request.headers if header.lower() == name]


def required_values(request: SignableRequest, name: str) -> list[str]:
    """As `header_values`. Raises InvalidSignature if there is none, or if it is empty."""
    values = header_values(request, name)
    if not any(values):
        raise InvalidSignature(SignatureFault.MISSING_HEADER, f"the request has no header {name}")
    return values


def single(request: SignableRequest, name: str) -> str:
    """The one value of the header `name`. Raises InvalidSignature if it is missing or repeated."""
    values = required_values(request, name)
    if len(values) > 1:
        raise malformed(f"the request has the header {name} {len(values)} times; right is once")
    return values[0]


def malformed(message: str) -> InvalidSignature:
    """A header that is not of the right form."""
    return InvalidSignature(SignatureFault.MALFORMED_HEADER, message)


def claimed_signatures(value: str, name: str, prefix: str = "") -> list[str]:
    """The signatures in the value of a header, one or several with commas between, each with `prefix` before it.

    What hands on a repeated header as one joins its values so.

    Raises InvalidSignature if none has the prefix, or if there are too many.
    """
    parts = [part.strip(" \t") for part in value.split(",")]
    claimed = [part.removeprefix(prefix) for part in parts if part.startswith(prefix) and part != prefix]
    if not claimed:
        raise malformed(f"{name} holds no signature of the form {prefix + '…'!r}")
    return limited(claimed, name)


def limited(claimed: list[_Claimed], name: str) -> list[_Claimed]:
    """`claimed`. Raises InvalidSignature if it is longer than anybody needs."""
    if len(claimed) > MOST_SIGNATURES:
        raise malformed(f"{name} holds {len(claimed)} signatures; right are at most {MOST_SIGNATURES}")
    return claimed


def whole_number(text: str, name: str, unit: str = "seconds") -> int:
    """The number of `unit` since 1970 in a header. Raises InvalidSignature unless it is plain digits, as many as needed."""
    if _DIGITS.fullmatch(text) is None:
        raise malformed(f"{name} is {quoted(text)}; right are whole {unit} since 1970, in plain digits without leading zeros")
    return int(text)


def check_time(signed: int, now: int, tolerance: int) -> None:
    """Raise InvalidSignature if `signed` and `now` (seconds) are more than `tolerance` apart."""
    age = now - signed
    if age > tolerance:
        raise InvalidSignature(SignatureFault.TIMESTAMP_TOO_OLD, f"the request was signed {age} s ago; {tolerance} s are tolerated")
    if -age > tolerance:
        raise InvalidSignature(
            SignatureFault.TIMESTAMP_IN_FUTURE, f"the request was signed {-age} s in the future; {tolerance} s are tolerated"
        )


def check_secrets(secrets: Sequence[str], purpose: str) -> None:
    """Raise InvalidArgument if there is no secret to sign or verify with (`purpose`)."""
    if not secrets:
        raise InvalidArgument.of("secrets", f"there is no secret to {purpose} with")


def wire(text: str) -> bytes:
    """`text` in UTF-8. Lone surrogates, which a header may hold after a lenient decoding, are kept apart."""
    return text.encode("utf-8", "surrogatepass")


def require_match(
    matches: Callable[[bytes], bool],
    body: bytes,
    refusal: str,
    fault: SignatureFault = SignatureFault.NO_MATCHING_SIGNATURE,
) -> None:
    """Raise InvalidSignature (`fault`), that says `refusal`, unless the signature `matches` the body.

    A body that does not match is tried in the forms that frameworks write JSON in, to tell somebody who
    verifies a re-serialised body apart from somebody who has another secret. It is refused all the same.
    """
    if matches(body):
        return
    if any(form != body and len(form) <= LONGEST_REWRITTEN and matches(form) for form in _rewritten(body)):
        raise InvalidSignature(
            SignatureFault.BODY_RESERIALISED,
            "the signature is right for the same JSON with other spacing or escapes: something parsed the body and wrote it "
            "again; verify the bytes as they came over the wire",
        )
    raise InvalidSignature(fault, refusal)


def _rewritten(body: bytes) -> list[bytes]:
    if len(body) > LONGEST_REWRITTEN:
        return []
    try:
        value = json.loads(body)
        forms: list[tuple[tuple[str, str], int | None]] = [((",", ":"), None), ((", ", ": "), None)]
        if len(body) <= LONGEST_INDENTED and body.count(b"[") + body.count(b"{") <= MOST_INDENTED:
            forms.append(((",", ": "), 2))
        return [
            json.dumps(value, ensure_ascii=ascii_only, separators=separators, indent=indent).encode("utf-8")
            for separators, indent in forms
            for ascii_only in (False, True)
        ]
    except (ValueError, RecursionError):
        # Not JSON, or none that can be written again: nothing to tell.
        return []


def sendable(field: str, value: str) -> str:
    """`value`, if a header can hold it. Raises InvalidArgument for `field` if not."""
    if _SENDABLE.fullmatch(value) is None:
        raise InvalidArgument.of(field, f"{quoted(value)} cannot be sent in a header; right are 1 to 256 visible ASCII characters")
    return value


def with_headers(request: SignableRequest, *headers: tuple[str, str]) -> SignableRequest:
    """`request` with `headers` after its own."""
    # Not `replace`, which takes as long as the signature itself.
    return SignableRequest(
        method=request.method,
        url=request.url,
        headers=(*request.headers, *headers),
        body=request.body,
        id=request.id,
        event_type=request.event_type,
    )
