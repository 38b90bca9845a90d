"""Whether a subscription can be made. The limits are those of the contract (`proto/hookline/v1`)."""

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit

from hookline.errors import FieldViolation, InvalidArgument, quoted
from hookline.model.policy import Exponential, RetryPolicy, Steps
from hookline.model.subscription import BodyFormat, Ordering, SubscriptionSpec
from hookline.routing import is_pattern
from hookline.signing import SignableRequest, scheme
from hookline.validation.text import (
    LONGEST_URI,
    URI,
    VISIBLE,
    is_number,
    is_whole,
    label_violations,
    refuse,
    text_problem,
    uri_problem,
    wrong_type,
)

LONGEST_DESCRIPTION: Final = 1024
MOST_PATTERNS: Final = 100
MOST_HEADERS: Final = 50
LONGEST_HEADER_NAME: Final = 128
LONGEST_HEADER_VALUE: Final = 4096
LONGEST_TIMEOUT: Final = 60
MOST_IN_FLIGHT: Final = 1000
MOST_STEPS: Final = 50
MOST_ATTEMPTS: Final = 100
SHORTEST_DELAY: Final = 0.001
LONGEST_DELAY: Final = 7 * 24 * 3600
LARGEST_FACTOR: Final = 10
LARGEST_JITTER: Final = 0.9
LONGEST_ELAPSED: Final = 30 * 24 * 3600

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
OWN_PREFIXES: Final = ("webhook-", "ce-", "hookline-")

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")
_HEADER_VALUE: Final = re.compile(r"(?:[!-~](?:[ \t!-~]*[!-~])?)?")
_HOST_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NUMERIC_LABEL: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_LONGEST_HOST: Final = 253

Problems = Iterator[tuple[str, str]]
"""Pairs of a field's path and what is wrong with it."""


def check_subscription(spec: SubscriptionSpec, *, allow_http_loopback: bool, prefix: str = "subscription") -> None:
    """Raise InvalidArgument, with every violation, unless `spec` can be a subscription.

    With `allow_http_loopback` (development) the URL may be http, if its host is `localhost` or a
    loopback address. Whether an address may be dialled is not decided here but by the address guard,
    which sees what a name resolves to.
    """
    problems = [
        *_url(spec.url, allow_http_loopback=allow_http_loopback),
        *_event_types(spec.event_types),
        *_text("description", spec.description, LONGEST_DESCRIPTION),
        *_choices(spec),
        *_signing(spec),
        *_headers(spec.headers, spec.signature_scheme),
        *_retry(spec.retry),
        *_range("timeout", spec.timeout, 1, LONGEST_TIMEOUT, "seconds"),
        *_count("max_in_flight", spec.max_in_flight, MOST_IN_FLIGHT),
    ]
    violations = [FieldViolation(field=f"{prefix}.{field}", description=description) for field, description in problems]
    refuse(violations + label_violations(spec.labels, f"{prefix}.labels"))


def _url(url: object, *, allow_http_loopback: bool) -> Problems:
    if not isinstance(url, str):
        yield "url", wrong_type("url", url, "a string").description
        return
    if len(url) > LONGEST_URI:
        yield "url", f"has {len(url)} characters; right are at most {LONGEST_URI}"
        return
    if "@" in url.partition("://")[2].partition("/")[0].partition("?")[0]:
        yield "url", "carries a user name or password before the host; right is to send them in a header of the subscription"
        return
    problem = _url_problem(url, allow_http_loopback=allow_http_loopback)
    if problem is not None:
        yield "url", f"{quoted(url)} {problem}"


def _url_problem(url: str, *, allow_http_loopback: bool) -> str | None:
    right = "right is an absolute https URL, like 'https://example.com/webhooks'"
    if VISIBLE.fullmatch(url) is None or uri_problem(url, URI, "URL") is not None:
        return f"is no URL (RFC 3986); {right}; what is not ASCII is percent-encoded, in the host by punycode"
    if "#" in url:
        return f"has a fragment, which is not sent over HTTP; {right}"
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError as error:
        return f"is no URL ({error}); {right}"
    if port == 0 or parts.netloc.endswith(":"):
        return "has no port after the colon; right is a port from 1 to 65535, or none"
    address = _address(host)
    if address is None and not _is_host_name(host):
        problem = "has no valid host"
    elif parts.scheme == "https" or (parts.scheme == "http" and allow_http_loopback and _is_local(host, address)):
        return None
    elif parts.scheme == "http":
        problem = "is http, which anybody on the way can read and change"
    else:
        problem = "is not https"
    return f"{problem}; {right}" + (", or http to localhost or a loopback address" if allow_http_loopback else "")


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_local(host: str, address: IPv4Address | IPv6Address | None) -> bool:
    if address is None:
        return host == "localhost"
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def _is_host_name(host: str) -> bool:
    """A DNS name. One that ends in a number is none: some resolvers take it for an IPv4 address."""
    name = host.removesuffix(".")
    labels = name.split(".")
    return (
        len(name) <= _LONGEST_HOST
        and all(_HOST_LABEL.fullmatch(label) for label in labels)
        and _NUMERIC_LABEL.fullmatch(labels[-1]) is None
    )


def _event_types(patterns: object) -> Problems:
    if isinstance(patterns, str) or not isinstance(patterns, tuple | list):
        yield "event_types", wrong_type("event_types", patterns, "a tuple of patterns").description
        return
    if not 1 <= len(patterns) <= MOST_PATTERNS:
        yield "event_types", f"has {len(patterns)} patterns; right are 1 to {MOST_PATTERNS} ('*' is every type)"
    for index, pattern in enumerate(patterns):
        if not isinstance(pattern, str) or not is_pattern(pattern):
            yield (
                f"event_types[{index}]",
                f"{quoted(pattern)} is no pattern; right is a type ('invoice.paid'), a prefix ('invoice.*') or '*'",
            )


def _text(field: str, value: object, longest: int) -> Problems:
    if not isinstance(value, str):
        yield field, wrong_type(field, value, "a string").description
    elif (problem := text_problem(value, longest)) is not None:
        yield field, problem


def _choices(spec: SubscriptionSpec) -> Problems:
    for field, value, kind in (("body_format", spec.body_format, BodyFormat), ("ordering", spec.ordering, Ordering)):
        if not isinstance(value, kind):
            yield field, f"{quoted(value)} is not right; right is one of {', '.join(repr(str(member)) for member in kind)}"


def _signing(spec: SubscriptionSpec) -> Problems:
    if not isinstance(spec.signature_scheme, str):
        yield "signature_scheme", wrong_type("signature_scheme", spec.signature_scheme, "a string").description
        return
    if not isinstance(spec.secret, str):
        yield "secret", f"is {type(spec.secret).__name__}; right is a string"
        return
    try:
        known = scheme(spec.signature_scheme)
        if spec.secret:
            known.check_secret(spec.secret)
        if isinstance(spec.url, str):
            # Some schemes sign the URL, and not every URL can be.
            known.sign(SignableRequest(url=spec.url, body=b"", id="id"), [spec.secret or known.generate_secret()], 0)
    except InvalidArgument as refusal:
        for violation in refusal.violations:
            yield violation.field, violation.description


def _headers(headers: object, signature_scheme: str) -> Problems:
    if not isinstance(headers, Mapping):
        yield "headers", wrong_type("headers", headers, "a mapping of names to values").description
        return
    if len(headers) > MOST_HEADERS:
        yield "headers", f"has {len(headers)} headers; right are at most {MOST_HEADERS}"
    own = OWN_HEADERS | _scheme_headers(signature_scheme)
    seen: set[str] = set()
    for name, value in headers.items():
        if not isinstance(name, str) or _HEADER_NAME.fullmatch(name) is None:
            yield (
                "headers",
                f"{quoted(name)} is no header name; right is a token (RFC 9110) of at most {LONGEST_HEADER_NAME} characters",
            )
            continue
        lower = name.lower()
        if lower in own or lower.startswith(OWN_PREFIXES):
            reserved = ", ".join((*sorted(own), *(f"{start}…" for start in OWN_PREFIXES)))
            yield f"headers.{name}", f"is set by hookline; right is any header but {reserved}"
        elif lower in seen:
            yield f"headers.{name}", "is there twice; the names of headers do not differ by case"
        seen.add(lower)
        # The value may be a credential, so it is not shown.
        if not isinstance(value, str) or len(value) > LONGEST_HEADER_VALUE or _HEADER_VALUE.fullmatch(value) is None:
            visible = f"at most {LONGEST_HEADER_VALUE} visible ASCII characters, with spaces and tabs between them"
            yield f"headers.{name}", f"has a value that cannot be sent; right are {visible}"


def _scheme_headers(name: str) -> frozenset[str]:
    try:
        return scheme(name).header_names
    except (InvalidArgument, TypeError):
        # Not a scheme: `_signing` says so.
        return frozenset()


def _retry(policy: object) -> Problems:
    if not isinstance(policy, RetryPolicy):
        yield "retry", wrong_type("retry", policy, "a RetryPolicy").description
        return
    match policy.schedule:
        case Steps(delays=delays):
            yield from _steps(delays)
        case Exponential(initial=initial, factor=factor, cap=cap):
            yield from _range("retry.exponential.initial", initial, SHORTEST_DELAY, LONGEST_DELAY, "seconds")
            yield from _range("retry.exponential.factor", factor, 1, LARGEST_FACTOR)
            yield from _range("retry.exponential.cap", cap, SHORTEST_DELAY, LONGEST_DELAY, "seconds")
        case _:
            yield "retry.schedule", wrong_type("schedule", policy.schedule, "Steps or Exponential").description
    yield from _count("retry.max_attempts", policy.max_attempts, MOST_ATTEMPTS)
    yield from _range("retry.jitter", policy.jitter, 0, LARGEST_JITTER)
    if policy.max_elapsed is not None:
        yield from _range("retry.max_elapsed", policy.max_elapsed, SHORTEST_DELAY, LONGEST_ELAPSED, "seconds")


def _steps(delays: object) -> Problems:
    # A tuple and nothing else: policies are hashed.
    if not isinstance(delays, tuple) or not 1 <= len(delays) <= MOST_STEPS:
        yield "retry.steps.delays", f"{quoted(delays)} is not right; right is a tuple of 1 to {MOST_STEPS} delays"
        return
    for index, delay in enumerate(delays):
        yield from _range(f"retry.steps.delays[{index}]", delay, SHORTEST_DELAY, LONGEST_DELAY, "seconds")


def _range(field: str, value: object, lowest: float, highest: float, unit: str = "") -> Problems:
    # Not `value < lowest or value > highest`: NaN is neither.
    if not (is_number(value) and lowest <= value <= highest):
        yield field, f"{quoted(value)} is out of range; right is {lowest} to {highest} {unit}".rstrip()


def _count(field: str, value: object, highest: int) -> Problems:
    if not (is_whole(value) and 1 <= value <= highest):
        yield field, f"{quoted(value)} is out of range; right is a whole number from 1 to {highest}"
