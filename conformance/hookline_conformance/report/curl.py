"""A request as a line for the shell, so that a finding can be shown without the suite."""

import base64
import re
import shlex
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PATH: Final = re.compile(rb"/[!-~]*")
# More than this does not belong on a command line: Linux refuses a single argument of 128 KiB.
_LINE_BYTES: Final = 64 * 1024
# curl sets these itself; with a body given, the length is that of the body.
_SET_BY_CURL: Final = frozenset({b"content-length", b"connection"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    method: bytes
    path: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes


def curl_line(sent: bytes, url: str) -> str | None:
    """One line that sends the bytes `sent` to the server of `url` again; None where no line can.

    A request that curl would make itself becomes curl's options; anything else (a malformed header, a length
    that lies) goes out byte for byte. The signature stays the one of the run: schemes that sign the time refuse
    it a few minutes later, and the command that repeats the requirement signs anew.
    """
    if not sent or len(sent) > _LINE_BYTES:
        return None
    request = _parsed(sent)
    parts = urlsplit(url)
    if request is None:
        return _raw_line(sent, parts.scheme, parts.hostname or "", parts.port)
    words = ["curl", "-sS", "-i", "--max-time", "30", "-g", "--path-as-is", "-X", request.method.decode()]
    given = {name.lower() for name, _ in request.headers}
    for name, value in request.headers:
        if name.lower() in _SET_BY_CURL or (name.lower() == b"host" and value == parts.netloc.rpartition("@")[2].encode()):
            continue
        words += ["-H", f"{name.decode()}: {value.decode()}" if value else f"{name.decode()};"]
    # What curl would add of its own accord.
    for added in ("Accept", "User-Agent", *(("Content-Type", "Expect") if request.body else ())):
        if added.lower().encode() not in given:
            words += ["-H", f"{added}:"]
    words.append(f"{parts.scheme}://{parts.netloc}{request.path.decode()}")
    line = " ".join(_quoted(word.encode()) for word in words)
    return f"{line} --data-binary {_quoted(request.body)}" if _fits(request.body) else _piped(line, request.body)


def _fits(body: bytes) -> bool:
    # A NUL ends an argument, and a body that starts with @ names a file.
    return b"\0" not in body and not body.startswith(b"@")


def _piped(line: str, body: bytes) -> str:
    return f"printf %s {base64.b64encode(body).decode()} | base64 -d | {line} --data-binary @-"


def _raw_line(sent: bytes, scheme: str, host: str, port: int | None) -> str:
    address = f"[{host}]" if ":" in host else host
    source = f"printf %s {base64.b64encode(sent).decode()} | base64 -d"
    if scheme == "https":
        return f"{source} | openssl s_client -quiet -connect {shlex.quote(f'{address}:{port or 443}')}"
    if b"\xff" in sent:  # to telnet this byte is a command, and curl doubles it; bash opens the connection itself
        dial = f"exec 3<>/dev/tcp/{host}/{port or 80}; {source} >&3; timeout 30 cat <&3"
        return f"bash -c {shlex.quote(dial)}"
    return f"{source} | curl -sS --max-time 30 {shlex.quote(f'telnet://{address}:{port or 80}')}"


def _parsed(sent: bytes) -> _Request | None:
    """The request, where curl would send the same one; None where it would mend or refuse something."""
    head, found, body = sent.partition(b"\r\n\r\n")
    start, *lines = head.split(b"\r\n")
    words = start.split(b" ")
    if not found or len(words) != 3 or words[2] != b"HTTP/1.1":
        return None
    if _TOKEN.fullmatch(words[0]) is None or _PATH.fullmatch(words[1]) is None:
        return None
    headers = [_header(line) for line in lines]
    known = [header for header in headers if header is not None]
    names = [name.lower() for name, _ in known]
    if len(known) != len(headers) or names.count(b"host") != 1 or b"expect" in names:
        return None
    whole = _whole_body(body, {name.lower(): value for name, value in known}, names)
    return None if whole is None else _Request(method=words[0], path=words[1], headers=known, body=whole)


def _header(line: bytes) -> tuple[bytes, bytes] | None:
    name, colon, value = line.partition(b":")
    value = value.removeprefix(b" ")
    plain = _TOKEN.fullmatch(name) is not None and all(0x20 <= byte < 0x7F for byte in value)
    return (name, value) if colon and plain and value == value.strip() else None


def _whole_body(body: bytes, values: dict[bytes, bytes], names: list[bytes]) -> bytes | None:
    """The body that the lengths in the request frame, if they frame exactly what was sent."""
    if b"transfer-encoding" in names:
        one = names.count(b"transfer-encoding") == 1 and b"content-length" not in names
        return _dechunked(body) if one and values[b"transfer-encoding"].lower() == b"chunked" else None
    if names.count(b"content-length") > 1:
        return None
    return body if values.get(b"content-length", b"0") == str(len(body)).encode() else None


def _dechunked(body: bytes) -> bytes | None:
    """What the chunks hold; None if one is malformed, or something other than the last one ends them."""
    parts: list[bytes] = []
    while True:
        size, found, body = body.partition(b"\r\n")
        if not found or re.fullmatch(rb"[0-9A-Fa-f]{1,8}", size) is None:
            return None
        length = int(size, 16)
        part, ended, body = body[:length], body[length : length + 2], body[length + 2 :]
        if len(part) != length or ended != b"\r\n":
            return None
        if length == 0:
            return b"".join(parts) if not body else None
        parts.append(part)


def _quoted(word: bytes) -> str:
    r"""`word` for bash: in plain quotes where it is printable ASCII, as `$'…'` with escapes where it is not."""
    if all(0x20 <= byte < 0x7F for byte in word):
        return shlex.quote(word.decode())
    escaped = "".join(
        {0x27: "\\'", 0x5C: "\\\\"}.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}") for byte in word
    )
    return f"$'{escaped}'"
