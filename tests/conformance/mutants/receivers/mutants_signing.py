"""Receivers that verify signatures wrongly."""

import base64
import hashlib
import hmac
import json

from conformance.mutants.receivers.http_server import Refused, Request
from conformance.mutants.receivers.mutant import broken, mutant
from conformance.mutants.receivers.reference import GitHub, HttpMessage, Receiver, Standard, Stripe, Twilio

mutant("SIG-001", "answers a redirect to a genuine delivery", "success", lambda self, request: 302)
mutant("SIG-001", "takes the timestamp for milliseconds", "seconds", lambda self, text: float(text) / 1000)
mutant("SIG-001", "uses the secret's text as the key", "key", lambda self, secret: secret.encode())
mutant("SIG-001", "crashes on a genuine delivery", "remember", lambda self, event_id, request: {}["handlers"])

mutant("SIG-002", "does not compare", "equal", lambda self, right, given: True, base=GitHub)
mutant(
    "SIG-002",
    "verifies the body without the whitespace around it",
    "mac",
    lambda self, key, content: hmac.digest(key, content.strip(), "sha256"),
    base=GitHub,
)
mutant(
    "SIG-002",
    "passes over what stands behind the signed body",
    "matches",
    lambda self, content, signatures: any(Standard.matches(self, content[: len(content) - more], signatures) for more in range(3)),
)

mutant("SIG-003", "compares only the lengths", "equal", lambda self, right, given: len(right) == len(given))
mutant("SIG-003", "does not verify at all", "verify", lambda self, request: self.identity(request), base=GitHub)
mutant("SIG-003", "only logs that the signature is wrong", "refuse", lambda self, content: Unraised(), base=Standard)


class Unraised(Refused):
    """Answers 200 in place of a refusal."""

    def __init__(self) -> None:
        super().__init__(200, "ok")


@broken("SIG-004", "verifies only what is signed", "receive")
async def _(self: Receiver, request: Request) -> int:
    if not any(name.lower() == "webhook-signature" for name, _ in request.headers):
        return await self.take("unsigned", request)
    return await Standard.receive(self, request)


@broken("SIG-004", "wants a signature only where the platform is named", "receive", base=GitHub)
async def _(self: Receiver, request: Request) -> int:
    if not any(name.lower().startswith("x-hub") for name, _ in request.headers):
        return await self.take("unsigned", request)
    return await GitHub.receive(self, request)


mutant(
    "SIG-005",
    "crashes on a signature without a comma",
    "tokens",
    lambda self, header: [token for token in header.split(" ") if token.index(",")],
)
mutant("SIG-005", "crashes on what is no base64", "unbase64", lambda self, text: base64.b64decode(text, validate=True))
mutant(
    "SIG-005",
    "believes an empty signature",
    "signature_header",
    lambda self, request: self.header(request, "webhook-signature") or right(self, request),
)


def right(self: Standard, request: Request) -> str:
    """The signature that would be right."""
    content = self.content(self.event_id(request), self.stamp(request), request.body)
    return "v1," + base64.b64encode(self.mac(self.keys()[0], content)).decode()


mutant("SIG-006", "compares with a prefix match", "equal", lambda self, right, given: right.startswith(given))
mutant(
    "SIG-006",
    "compares as many characters as were given",
    "equal",
    lambda self, right, given: right[: len(given)] == given,
    base=GitHub,
)
mutant(
    "SIG-006",
    "compares to the end of the shorter one",
    "equal",
    lambda self, right, given: all(a == b for a, b in zip(right, given, strict=False)),
    base=Stripe,
)

mutant("SIG-007", "compares the first four bytes", "equal", lambda self, right, given: right[:4] == given[:4])
mutant("SIG-007", "compares all bytes but the last", "equal", lambda self, right, given: right[:-1] == given[:-1])
mutant("SIG-007", "compares the bytes in any order", "equal", lambda self, right, given: sum(right) - sum(given) in {-1, 0, 1})

mutant(
    "SIG-008",
    "accepts a hash without a key",
    "matches",
    lambda self, content, signatures: Standard.matches(self, content, signatures) or hashlib.sha256(content).digest() in signatures,
)
mutant(
    "SIG-008",
    "lets the signature's length choose the algorithm",
    "equal",
    lambda self, right, given: right == given or len(given) == 20,
)

mutant("SIG-009", "takes a signature of any version", "is_version", lambda self, version: True)
mutant("SIG-009", "takes the version v0, which is for tests", "is_version", lambda self, name: name in {"v0", "v1"}, base=Stripe)
mutant("SIG-009", "takes any name of an algorithm", "is_version", lambda self, prefix: True, base=GitHub)

mutant("SIG-010", "looks only at the first signature", "tokens", lambda self, header: header.split(" ")[:1])
mutant("SIG-010", "looks only at the last signature", "tokens", lambda self, header: header.split(" ")[-1:])
mutant(
    "SIG-010",
    "wants all signatures to be right",
    "matches",
    lambda self, content, signatures: bool(signatures) and {self.mac(self.keys()[0], content)} == set(signatures),
)

mutant(
    "SIG-011",
    "accepts any of several signatures being present",
    "matches",
    lambda self, content, signatures: Standard.matches(self, content, signatures) or len(signatures) > 1,
)
mutant(
    "SIG-011",
    "believes what stands twice",
    "matches",
    lambda self, content, signatures: Standard.matches(self, content, signatures) or len(set(signatures)) < len(signatures),
)

mutant(
    "SIG-012",
    "writes the id in small letters before it verifies",
    "content",
    lambda self, event_id, stamp, body: f"{event_id.lower()}.{stamp}.".encode("latin-1") + body,
)


@broken("SIG-013", "verifies the body parsed and written anew", "signed_body")
def _(self: Receiver, body: bytes) -> bytes:
    return json.dumps(json.loads(body)).encode()


@broken("SIG-013", "falls back to the body written anew", "matches")
def _(self: Receiver, content: bytes, signatures: list[bytes]) -> bool:
    head, body = content[: content.index(b"{")], content[content.index(b"{") :]
    anew = head + json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode()
    return Standard.matches(self, content, signatures) or Standard.matches(self, anew, signatures)


@broken("SIG-014", "believes every signature that was right once", "equal", base=GitHub)
def _(self: Receiver, right: bytes, given: bytes) -> bool:
    known = self.__dict__.setdefault("known", set())
    known |= {right}
    return given in known


mutant("SIG-015", "decodes base64 leniently", "unbase64", lambda self, text: base64.b64decode(text + "=="))

mutant("SIG-016", "verifies with an empty key where none is configured", "keys", lambda self: [*Standard.keys(self), b""])
mutant("SIG-016", "takes the text None for a key", "keys", lambda self: [*GitHub.keys(self), str(None).encode()], base=GitHub)

mutant(
    "SIG-017", "verifies the URL that it was given", "signed_url", lambda self, request: request.url.partition("&")[0], base=Twilio
)


@broken("SIG-018", "takes effect before it verifies", "receive")
async def _(self: Receiver, request: Request) -> int:
    self.effect(f"early {len(self.disk.effects)}")
    return await Standard.receive(self, request)


@broken("SIG-018", "takes effect for what it refuses", "refuse", base=GitHub)
def _(self: Receiver, content: bytes) -> Refused:
    self.effect("refused")
    return Refused(401)


mutant("SIG-019", "believes what the signature says it covers", "covers", lambda self, covered: True, base=HttpMessage)
mutant("SIG-019", "wants the method to be covered, and no more", "required", ("@method",), base=HttpMessage)
mutant("SIG-020", "does not compare the digest with the body", "check_digest", lambda self, request: None, base=HttpMessage)
mutant("SIG-021", "does not look at expires", "check_expiry", lambda self, parameters: None, base=HttpMessage)
mutant(
    "SIG-022",
    "does not sort the parameters",
    "parameters",
    lambda self, body: [part.replace("=", "", 1) for part in body.decode().split("&")],
    base=Twilio,
)
mutant(
    "SIG-023",
    "refuses a version it does not know",
    "tokens",
    lambda self, header: header.split(" ") if all(token.startswith("v1,") for token in header.split(" ")) else [],
)

mutant("ROT-001", "knows only the first secret", "keys", lambda self: Standard.keys(self)[:1])
mutant("ROT-002", "still knows the secret that was retired", "keys", lambda self: [*Standard.keys(self), self.key(self.retired[0])])
mutant(
    "ROT-003",
    "wants the first signature to be of the first secret",
    "matches",
    lambda self, content, signatures: (
        Standard.matches(self, content, signatures[:1]) and self.mac(self.keys()[1], content) != signatures[0]
    ),
)
