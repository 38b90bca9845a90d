"""Headers that a subscription sets: those of every request, and those of a retry."""

import re
from collections.abc import Mapping
from typing import Final

from hookline.errors import InvalidArgument, quoted
from hookline.model.subscription import SubscriptionSpec
from hookline.signing import scheme
from hookline.validation.text import wrong_type
from hookline.validation.url import Problems

MOST_HEADERS: Final = 50
LONGEST_HEADER_NAME: Final = 128
LONGEST_HEADER_VALUE: Final = 4096
OWN_HEADERS: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    }
)
"""Set by hookline or by HTTP itself. `authorization` and `cookie` are free: receivers behind a gateway ask for them."""
OWN_PREFIXES: Final = ("webhook-", "svix-", "ce-", "hookline-")
"""Whatever the scheme: libraries of Standard Webhooks and of Svix look for the names of either."""
RETRY_PLACEHOLDERS: Final = ("{retry_number}", "{retry_reason}")

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")
_HEADER_VALUE: Final = re.compile(r"(?:[!-~](?:[ \t!-~]*[!-~])?)?")
_PLACEHOLDER: Final = re.compile(r"\{[^{}]*\}")


def header_name_problem(name: object, own: frozenset[str]) -> tuple[str, str] | None:
    """What is wrong with a header's name, and under what path; `own` are those of the signature scheme."""
    if not isinstance(name, str) or _HEADER_NAME.fullmatch(name) is None:
        return "", f"{quoted(name)} is no header name; right is a token (RFC 9110) of at most {LONGEST_HEADER_NAME} characters"
    lower = name.lower()
    if lower in OWN_HEADERS or lower in own or lower.startswith(OWN_PREFIXES):
        reserved = ", ".join((*sorted(OWN_HEADERS | own), *(f"{start}…" for start in OWN_PREFIXES)))
        return f".{name}", f"is set by hookline; right is any header but {reserved}"
    return None


def header_problems(spec: SubscriptionSpec) -> Problems:
    """What is wrong with the headers of every request, and with those of a retry."""
    own = scheme_headers(spec)
    yield from _headers("headers", spec.headers, own, frozenset())
    yield from _headers("retry_headers", spec.retry_headers, own, frozenset(name.lower() for name in _texts(spec.headers)))
    for name, value in _texts(spec.retry_headers).items():
        unknown = [part for part in _PLACEHOLDER.findall(value) if part not in RETRY_PLACEHOLDERS]
        if unknown:
            right = " and ".join(RETRY_PLACEHOLDERS)
            yield f"retry_headers.{name}", f"has {quoted(unknown[0])}, which is no placeholder; right are {right}"


def _texts(headers: object) -> dict[str, str]:
    if not isinstance(headers, Mapping):
        return {}
    return {name: value for name, value in headers.items() if isinstance(name, str) and isinstance(value, str)}


def scheme_headers(spec: SubscriptionSpec) -> frozenset[str]:
    """The headers of the signature scheme, in lower case; none if it is no scheme."""
    try:
        return scheme(spec.signature_scheme, spec.signature_parameters).header_names
    except (InvalidArgument, TypeError, AttributeError):
        # Not a scheme, or not its parameters: the check of these says so.
        return frozenset()


def _headers(field: str, headers: object, own: frozenset[str], taken: frozenset[str]) -> Problems:
    if not isinstance(headers, Mapping):
        yield field, wrong_type(field, headers, "a mapping of names to values").description
        return
    if len(headers) > MOST_HEADERS:
        yield field, f"has {len(headers)} headers; right are at most {MOST_HEADERS}"
    seen: set[str] = set()
    for name, value in headers.items():
        problem = header_name_problem(name, own)
        if problem is not None:
            yield field + problem[0], problem[1]
        if not isinstance(name, str) or (problem is not None and not problem[0]):
            continue
        lower = name.lower()
        if lower in seen and problem is None:
            yield f"{field}.{name}", "is there twice; the names of headers do not differ by case"
        elif lower in taken:
            yield f"{field}.{name}", "is among headers too, which go with every request; right is one of them"
        seen.add(lower)
        # The value may be a credential, so it is not shown.
        if not isinstance(value, str) or len(value) > LONGEST_HEADER_VALUE or _HEADER_VALUE.fullmatch(value) is None:
            visible = f"at most {LONGEST_HEADER_VALUE} visible ASCII characters, with spaces and tabs between them"
            yield f"{field}.{name}", f"has a value that cannot be sent; right are {visible}"
