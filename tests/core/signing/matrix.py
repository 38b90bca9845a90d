"""What is tried between hookline and each judge: both directions, a rotation, and each part tampered with."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from core.signing.cases import JSON, Case, named, received, refusal, value, with_value, without
from core.signing.judges import IN_PYTHON, Judge
from interop.foreign import FOREIGN, why_not

from hookline.signing import InvalidSignature, SignableRequest

AWAY = 600
"""Seconds by which a time is wrong: twice what every library tolerates."""

MATRIX = {
    (scheme, judge.language, judge.package): judge
    for scheme, judge in sorted((*IN_PYTHON, *FOREIGN), key=lambda row: [each[0] for each in IN_PYTHON].index(row[0]))
}

LAXER = {
    ("PyPI", "stripe"): ({"in the future"}, "checks only that the time is not too long ago"),
    ("npm", "stripe"): ({"in the future"}, "checks only that the time is not too long ago"),
    ("Go", "stripe-go"): ({"in the future"}, "checks only that the time is not too long ago"),
    ("Java", "stripe-java"): ({"in the future"}, "checks only that the time is not too long ago"),
    ("npm", "@slack/bolt"): ({"in the future"}, "checks only that the time is not too long ago"),
    ("Java", "slack-app-backend"): ({"in the future"}, "checks only that the time is not too long ago"),
    ("npm", "@hubspot/api-client"): ({"in the future"}, "checks only that the time is not too long ago"),
    ("PyPI", "hubspot-api-client"): ({"in the future"}, "checks only that the time is not too long ago"),
    ("recipe", "Zendesk's documents"): ({"too old", "in the future"}, "leave it to the receiver whether the time is checked"),
}
"""The changes that a library lets pass and hookline does not, and why."""

ROTATES_OTHERWISE = {
    ("npm", "http-message-signatures"): (
        "old",
        (
            "of two signatures with one `keyid`, as a rotation has them, only the verdict on the last counts, so that the "
            "new secret is refused until the old one has gone (`Content-Digest` is left to who calls the library; the "
            "judge here compares it)"
        ),
    ),
}
"""Which secrets a library accepts in a rotation, where it is not each that has signed, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What came of it. `refused` says of each change, by its name, whether the judge and whether hookline refuses it."""

    scheme: str
    language: str
    package: str
    accepts_ours: bool
    ours_accepts: bool | None
    """None: it does not sign."""
    rotation: str
    """Which secrets the judge accepts of a request that the new and the old one sign: `both`, `new`, `old`."""
    refused: dict[str, dict[str, bool]]
    remarks: list[str]
    """Where the judge is laxer or stricter than hookline: each is tried, by the change that it is about."""

    @property
    def plain(self) -> dict[str, Any]:
        return asdict(self)


def available(key: tuple[str, str, str]) -> str:
    """Why the judge is not here; nothing if it is."""
    return why_not(key[1], key[2])


@cache
def examine(key: tuple[str, str, str]) -> Row:
    """Try everything with the judge."""
    judge, case = MATRIX[key], named(key[0])
    secret, other = case.secret(), case.secret()
    now = int(time.time())
    signed = case.scheme.sign(case.request(), [secret], now)
    rotating = case.scheme.sign(case.request(), [secret, other], now)
    taken = {name for name, each in (("new", secret), ("old", other)) if judge.accepts(rotating, each)}
    refused = {}
    for part, request, known in changes(case, secret, now):
        before = refused.get(part, {"theirs": True, "ours": True})
        refused[part] = {
            "theirs": before["theirs"] and not judge.accepts(request, known),
            "ours": before["ours"] and not _ours(case, request, [known]),
        }
    return Row(
        scheme=key[0],
        language=judge.language,
        package=judge.package,
        accepts_ours=judge.accepts(signed, secret),
        ours_accepts=None if judge.sign is None else _understood(case, judge, secret, other),
        rotation="both" if len(taken) == 2 else "".join(taken) or "none",
        refused=refused,
        remarks=[*_remarks(key)],
    )


def _remarks(key: tuple[str, str, str]) -> Iterator[str]:
    if key[1:] in LAXER:
        yield f"laxer: {LAXER[key[1:]][1]}"
    yield from (f"stricter: {each.what}" for each in STRICTER if each.key == key)
    if key[1:] in ROTATES_OTHERWISE:
        yield ROTATES_OTHERWISE[key[1:]][1]


def changes(case: Case, secret: str, now: int) -> Iterator[tuple[str, SignableRequest, str]]:
    """Each thing that may be changed: what it is called, the request, and the secret that it is verified with."""
    signed = case.scheme.sign(case.request(), [secret], now)
    yield "body", replace(signed, body=signed.body.replace(b"100", b"900")), secret
    yield "secret", signed, case.secret()
    for header in case.signed:
        old = value(signed, header)
        yield "header missing", without(signed, header), secret
        if header.endswith("-id"):
            yield "id", with_value(signed, header, "evt_2"), secret
        elif header == "content-type":
            yield "other header", with_value(signed, header, "text/plain"), secret
        elif header in {"signature-input", "content-digest", "x-api-key"}:
            yield "other header", with_value(signed, header, _other(old)), secret
        elif ("signature" in header and not header.endswith("-timestamp")) or "hmac" in header:
            yield "signature", with_value(signed, header, _other(old)), secret
        if (later := old.replace(*_times(old, now))) != old:
            yield "timestamp", with_value(signed, header, later), secret
    if case.url:
        yield "url", replace(signed, url=signed.url.replace("tenant=7", "tenant=8")), secret
    if case.method:
        yield "method", replace(signed, method="PUT"), secret
    if case.timed:
        yield "too old", case.scheme.sign(case.request(), [secret], now - AWAY), secret
        yield "in the future", case.scheme.sign(case.request(), [secret], now + AWAY), secret


def _times(text: str, now: int) -> tuple[str, str]:
    """A time as it may stand in `text`, and the next second."""
    if "T" in text and text.endswith("Z"):
        first, second = (datetime.fromtimestamp(each, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for each in (now, now + 1))
        return first, second
    return str(now), str(now + 1)


def _other(text: str) -> str:
    """`text` with one digit or letter changed near its end, so that it keeps its form."""
    at = max(index for index, character in enumerate(text) if character.isalnum()) - 2
    return text[:at] + ("1" if text[at] != "1" else "2") + text[at + 1 :]


def _ours(case: Case, request: SignableRequest, secrets: list[str]) -> bool:
    """Whether hookline accepts; anything but its own refusal is a fault."""
    error = refusal(case.scheme, received(request), secrets, int(time.time()))
    assert error is None or isinstance(error, InvalidSignature), error
    return error is None


def _understood(case: Case, judge: Judge, secret: str, other: str) -> bool:
    """Whether hookline accepts what the judge signs, beside another secret too, and not with the other alone."""
    assert judge.sign is not None
    theirs = judge.sign(case.request(), secret, int(time.time()))
    return _ours(case, theirs, [secret]) and _ours(case, theirs, [other, secret]) and not _ours(case, theirs, [other])


@dataclass(frozen=True, slots=True, kw_only=True)
class Stricter:
    """A request that hookline takes for genuine and a library does not."""

    key: tuple[str, str, str]
    what: str
    change: Any
    """Of the request before it is signed."""


def no_platform_headers(request: SignableRequest) -> SignableRequest:
    return replace(request, headers=request.headers[:1])


def binary(request: SignableRequest) -> SignableRequest:
    return replace(request, body=JSON.replace(b"paid", b"\xff\xfe"))


def empty(request: SignableRequest) -> SignableRequest:
    return replace(request, body=b"")


def encoded(request: SignableRequest) -> SignableRequest:
    return replace(request, url="https://example.com/hooks/in?tenant=7&to=a%3Ab")


_BODY_IS_TEXT = "refuses a body that is not UTF-8, which it takes for text"
STRICTER = (
    Stricter(
        key=("shopify", "npm", "@shopify/shopify-api"),
        what="wants `X-Shopify-Topic`, `X-Shopify-Webhook-Id`, `X-Shopify-Shop-Domain` and `X-Shopify-API-Version`, none of them "
        "signed: the latter two are to be set as headers of the subscription",
        change=no_platform_headers,
    ),
    Stricter(key=("shopify", "npm", "@shopify/shopify-api"), what="refuses an empty body", change=empty),
    Stricter(key=("github", "npm", "@octokit/webhooks"), what="refuses an empty body", change=empty),
    Stricter(
        key=("hubspot", "npm", "@hubspot/api-client"),
        what="does not decode the URL, which HubSpot's documents ask for: who calls it does",
        change=encoded,
    ),
    Stricter(
        key=("hubspot", "PyPI", "hubspot-api-client"),
        what="does not decode the URL, which HubSpot's documents ask for: who calls it does",
        change=encoded,
    ),
    *(
        Stricter(key=key, what=_BODY_IS_TEXT, change=binary)
        for key in (
            ("standard", "npm", "standardwebhooks"),
            ("standard", "Rust", "standardwebhooks"),
            ("standard", "Java", "standardwebhooks"),
            ("svix", "npm", "svix"),
            ("svix", "Java", "svix"),
            ("stripe", "npm", "stripe"),
            ("stripe", "Java", "stripe-java"),
            ("slack", "Java", "slack-app-backend"),
            ("github", "npm", "@octokit/webhooks"),
        )
    ),
)


def taken_by_hookline_alone(stricter: Stricter) -> bool:
    """Whether hookline accepts the request and the judge refuses it."""
    case, judge = named(stricter.key[0]), MATRIX[stricter.key]
    secret = case.secret()
    signed = case.scheme.sign(stricter.change(case.request()), [secret], int(time.time()))
    return _ours(case, signed, [secret]) and not judge.accepts(signed, secret)
