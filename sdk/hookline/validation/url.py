"""Whether a URL can be POSTed to: a subscription's own, and that of a token endpoint."""

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit

from hookline.errors import quoted
from hookline.validation.text import LONGEST_URI, URI, VISIBLE, uri_problem, wrong_type

Problems = Iterator[tuple[str, str]]
"""Pairs of a field's path and what is wrong with it."""

_HOST_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NUMERIC_LABEL: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_LONGEST_HOST: Final = 253


def url_problems(field: str, url: object, *, allow_http_loopback: bool) -> Problems:
    """What keeps `url` from being one to POST to."""
    if not isinstance(url, str):
        yield field, wrong_type(field, url, "a string").description
        return
    if len(url) > LONGEST_URI:
        yield field, f"has {len(url)} characters; right are at most {LONGEST_URI}"
        return
    if "@" in url.partition("://")[2].partition("/")[0].partition("?")[0]:
        yield field, "carries a user name or password before the host; right is to send them in a header of the subscription"
        return
    problem = _problem(url, allow_http_loopback=allow_http_loopback)
    if problem is not None:
        yield field, f"{quoted(url)} {problem}"


def _problem(url: str, *, allow_http_loopback: bool) -> str | None:
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
