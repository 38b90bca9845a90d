"""Why a signature is refused, in one line that says what to do; for the developer, never for the remote side.

The schemes say what they saw. Here that is carried on: what is tried is what people commonly do to a
request between receiving and verifying it, and the first change after which the signature is right is named.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, unquote

from hookline.signing import SCHEME_NAMES, InvalidSignature, Scheme, SignableRequest, SignatureFault, scheme

_EVER: Final = 10**12
"""Seconds: any time is tolerated."""
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_CREATED: Final = re.compile(r";created=([0-9]{1,12})(?![0-9])")
_CONTENT_TYPES: Final = ("application/x-www-form-urlencoded", "application/json")
_KEEP: Final = "keep the bytes as they came"
_UNTIMELY: Final = frozenset({SignatureFault.TIMESTAMP_TOO_OLD, SignatureFault.TIMESTAMP_IN_FUTURE})
_CHANGED: Final = frozenset({SignatureFault.NO_MATCHING_SIGNATURE, SignatureFault.BODY_CHANGED, SignatureFault.BODY_RESERIALISED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A request, and what it is verified with; `now` in seconds since 1970, `tolerance` in seconds."""

    scheme: Scheme
    request: SignableRequest
    secrets: Sequence[str]
    now: int
    tolerance: int

    def refusal(self) -> InvalidSignature | None:
        """How the scheme refuses the request; None if it does not. Raises InvalidArgument if a secret is malformed."""
        try:
            self.scheme.verify(self.request, self.secrets, self.now, self.tolerance)
        except InvalidSignature as error:
            return error
        return None

    def explained(self, error: InvalidSignature) -> str:
        """The refusal in one line, with what is wrong or what to do."""
        if error.fault in _UNTIMELY:
            return self._untimely(error)
        if error.fault is SignatureFault.MISSING_HEADER:
            return f"{error.message}; {self._headers()}"
        if error.fault in _CHANGED:
            for remedy, changed in _changes(self.request):
                if replace(self, request=changed).refusal() is None:
                    return f"the signature is right {remedy}"
        return error.message

    def _untimely(self, error: InvalidSignature) -> str:
        """What is wrong with the time, and whether that is all."""
        whenever = replace(self, tolerance=_EVER)
        deeper = whenever.refusal()
        if deeper is None:
            said = f"{error.message}, and all else is right"
        elif deeper.fault in _UNTIMELY:
            # It says itself until when it is right: judged as of when it was made.
            said = error.message
            if any(replace(whenever, now=made).refusal() is None for made in _made(self.request)):
                said += ", and all else was right when it was signed"
        else:
            return f"{error.message}; nor is it right otherwise: {whenever.explained(deeper)}"
        clock = datetime.fromtimestamp(self.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if error.fault is SignatureFault.TIMESTAMP_IN_FUTURE:
            return f"{said}: is the clock right, by which it is {clock} here?"
        return (
            f"{said}: verify a recorded request with --at and the time at which it came; if it has just come, the clock is "
            f"wrong, by which it is {clock} here, or somebody sent it again"
        )

    def _headers(self) -> str:
        """Which headers there are, and what they look like."""
        given = {name.lower() for name, _ in self.request.headers}
        if not given:
            return "none was given; right is --header 'Name: value', as often as there are headers"
        ours = self.scheme.header_names
        alike = [name for name in SCHEME_NAMES if name != self.scheme.name and given & (scheme(name).header_names - ours)]
        listed = f"there are {', '.join(sorted(given))}"
        return f"{listed}, which look like --scheme {' or '.join(alike)}" if alike else listed


def _changes(request: SignableRequest) -> Iterator[tuple[str, SignableRequest]]:
    """What may have become of the request: how to undo it, as the end of a sentence, and the request with it undone."""
    for remedy, body in _bodies(request.body):
        yield remedy, replace(request, body=body)
    for url in _urls(request.url):
        yield f"for the URL {url}: that is what the sender called; give it as --url", replace(request, url=url)
    others = tuple(pair for pair in request.headers if pair[0].lower() != "content-type")
    for kind in _CONTENT_TYPES:
        remedy = f"for a body of the type {kind}: that is how it came; give it as --header 'Content-Type: {kind}'"
        yield remedy, replace(request, headers=(*others, ("Content-Type", kind)))
    for method in ("POST", "GET", "PUT", "PATCH", "DELETE"):
        if method != request.method:
            yield f"for the method {method}: give it as --method", replace(request, method=method)


def _bodies(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Other forms of the body, as editors, shells and other systems make them."""
    stripped = body.rstrip(b"\r\n")
    if stripped != body:
        yield f"without the line break at the end of the body, which an editor or echo adds: {_KEEP}", stripped
    for ending in (b"\n", b"\r\n"):
        if stripped + ending != body:
            yield f"with {ending!r} at the end of the body, which something took away: {_KEEP}", stripped + ending
    plain = body.replace(b"\r\n", b"\n")
    for form in (plain, plain.replace(b"\n", b"\r\n")):
        if form != body:
            yield f"with other line breaks in the body, which something has converted: {_KEEP}", form
    if body.startswith(_BYTE_ORDER_MARK):
        yield f"without the byte order mark at the start of the body: {_KEEP}", body.removeprefix(_BYTE_ORDER_MARK)


def _made(request: SignableRequest) -> Iterator[int]:
    """When the request says that it was signed, if it says until when that is right too (RFC 9421)."""
    for name, value in request.headers:
        if name.lower() == "signature-input":
            yield from map(int, _CREATED.findall(value))


def _encoded(url: str) -> str:
    return quote(url.encode("utf-8", "surrogateescape"), safe="%/:?&=+,;@!$'()*#[]~") if url.isprintable() else url


def _urls(url: str) -> Iterator[str]:
    """Other spellings of the URL, as a proxy or a framework may have made it of the one that was called."""
    if not url:
        return
    secure = url.replace("http://", "https://", 1) if url.startswith("http://") else url.replace("https://", "http://", 1)
    for spelling in (url, secure):
        path, mark, query = spelling.partition("?")
        slashed = path.removesuffix("/") if path.endswith("/") else path + "/"
        forms = [spelling, slashed + mark + query, path, unquote(spelling), _encoded(spelling)]
        yield from (form for form in dict.fromkeys(forms) if form != url)
