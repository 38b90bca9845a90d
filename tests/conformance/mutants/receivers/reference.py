"""Good receivers, one for each way to sign; own code, apart from the suite's schemes and from the library's.

Each decision is a method of one or a few lines, so that a mutant replaces exactly one.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from collections import OrderedDict
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit

from conformance.mutants.receivers.http_server import HttpServer, Refused, Request
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SECRETS = (
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=",
    "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhrs=",
)
RETIRED = "whsec_oldoldoldoldoldoldoldoldoldoldoldoldoldold0="


class Disk:
    """What survives a restart."""

    def __init__(self) -> None:
        self.effects: dict[str, int] = {}
        self.seen: OrderedDict[str, None] = OrderedDict()


class Receiver(HttpServer):
    """What all have in common: verify, then take effect once."""

    scheme = ""
    secrets: tuple[str, ...] = SECRETS
    retired: tuple[str, ...] = (RETIRED,)
    tolerance = 300

    def __init__(self) -> None:
        super().__init__()
        self.disk = Disk()
        self.memory()

    def memory(self) -> None:
        """What a restart loses."""
        self.locks: dict[str, asyncio.Lock] = {}

    async def restart(self) -> None:
        await self.stop()
        self.memory()
        await self.start()

    def report(self) -> dict[str, object]:
        return {"effects": self.disk.effects, "total": sum(self.disk.effects.values())}

    async def receive(self, request: Request) -> int:
        if not self.allows(request.method):
            raise Refused(405, "POST only")
        event_id = self.verify(request)
        return await self.take(event_id, request)

    def allows(self, method: str) -> bool:
        return method == "POST"

    async def take(self, event_id: str, request: Request) -> int:
        async with self.lock(event_id):
            if self.seen(event_id, request):
                return self.answer_to_seen()
            await self.work(request)
            self.effect(event_id)
            self.remember(event_id, request)
        return self.success(request)

    def lock(self, event_id: str) -> asyncio.Lock:
        return self.locks.setdefault(event_id, asyncio.Lock())

    def seen(self, event_id: str, request: Request) -> bool:
        return event_id in self.disk.seen

    def answer_to_seen(self) -> int:
        return 200

    async def work(self, request: Request) -> None:
        await asyncio.sleep(0)

    def effect(self, event_id: str) -> None:
        self.disk.effects[event_id] = self.disk.effects.get(event_id, 0) + 1

    def remember(self, event_id: str, request: Request) -> None:
        self.disk.seen[event_id] = None

    def success(self, request: Request) -> int:
        return 200

    def header(self, request: Request, name: str) -> str:
        values = [value for key, value in request.headers if self.is_named(key, name)]
        if len(values) != 1:
            raise Refused(400, f"{name} must stand there once")
        return values[0]

    def is_named(self, key: str, name: str) -> bool:
        return key.lower() == name

    def verify(self, request: Request) -> str:
        raise NotImplementedError

    def equal(self, right: bytes, given: bytes) -> bool:
        return hmac.compare_digest(right, given)

    def key(self, secret: str) -> bytes:
        return base64.b64decode(secret.removeprefix("whsec_"))

    def keys(self) -> list[bytes]:
        return [self.key(secret) for secret in self.secrets]

    def mac(self, key: bytes, content: bytes) -> bytes:
        return hmac.digest(key, content, "sha256")

    def unbase64(self, text: str) -> bytes | None:
        try:
            data = base64.b64decode(text, validate=True)
        except (ValueError, binascii.Error):
            return None
        return data if base64.b64encode(data).decode() == text else None

    def matches(self, content: bytes, signatures: list[bytes]) -> bool:
        return any(self.equal(self.mac(key, content), given) for key in self.keys() for given in signatures)

    def refuse(self, content: bytes) -> Refused:
        return Refused(401, "the signature is wrong")

    def seconds(self, text: str) -> float:
        if not re.fullmatch(r"[1-9][0-9]{8,11}", text, re.ASCII):
            raise Refused(400, "malformed timestamp")
        return float(text)

    def check_time(self, seconds: float) -> None:
        if self.too_old(seconds) or self.too_new(seconds):
            raise Refused(401, "the timestamp is out of tolerance")

    def too_old(self, seconds: float) -> bool:
        return seconds < time.time() - self.tolerance

    def too_new(self, seconds: float) -> bool:
        return seconds > time.time() + self.tolerance


class Standard(Receiver):
    """Standard Webhooks."""

    scheme = "standard"

    def verify(self, request: Request) -> str:
        event_id = self.event_id(request)
        stamp = self.stamp(request)
        content = self.content(event_id, stamp, self.signed_body(request.body))
        signatures = self.signatures(self.signature_header(request))
        if not self.matches(content, signatures):
            raise self.refuse(content)
        self.check_time(self.seconds(self.checked_stamp(stamp, request)))
        return self.identity(event_id, request)

    def checked_stamp(self, stamp: str, request: Request) -> str:
        return stamp

    def event_id(self, request: Request) -> str:
        event_id = self.header(request, "webhook-id")
        if not event_id:
            raise Refused(400, "no id")
        return event_id

    def stamp(self, request: Request) -> str:
        return self.header(request, "webhook-timestamp")

    def signature_header(self, request: Request) -> str:
        return self.header(request, "webhook-signature")

    def signed_body(self, body: bytes) -> bytes:
        return body

    def content(self, event_id: str, stamp: str, body: bytes) -> bytes:
        return f"{event_id}.{stamp}.".encode("latin-1") + body

    def signatures(self, header: str) -> list[bytes]:
        tokens = [token.partition(",") for token in self.tokens(header)]
        found = [self.unbase64(text) for version, _, text in tokens if self.is_version(version)]
        return [signature for signature in found if signature is not None]

    def tokens(self, header: str) -> list[str]:
        return header.split(" ")

    def is_version(self, version: str) -> bool:
        return version == "v1"

    def identity(self, event_id: str, request: Request) -> str:
        return event_id


class FirstHeader(Standard):
    """Standard Webhooks with what many frameworks do: of a header that stands twice, the first one counts."""

    def header(self, request: Request, name: str) -> str:
        for key, value in request.headers:
            if self.is_named(key, name):
                return value
        raise Refused(400, f"{name} is missing")


class Ed25519(Standard):
    """Standard Webhooks with signatures of version v1a; it has the public keys alone."""

    secrets = (
        "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==",
        "whsk_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyB5tVYuj+ZU+UB4sRLoqYunkB+FOuaVvtfg45ELrQSWZA==",
    )

    def keys(self) -> list[bytes]:
        return [base64.b64decode(secret.removeprefix("whsk_"))[32:] for secret in self.secrets]

    def is_version(self, version: str) -> bool:
        return version == "v1a"

    def matches(self, content: bytes, signatures: list[bytes]) -> bool:
        return any(self.is_right(key, content, given) for key in self.keys() for given in signatures)

    def is_right(self, key: bytes, content: bytes, given: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(given, content)
        except InvalidSignature:
            return False
        return True


class Stripe(Receiver):
    """Stripe: the timestamp stands in the signature's header, the id in the body."""

    scheme = "stripe"

    def key(self, secret: str) -> bytes:
        return secret.encode()

    def verify(self, request: Request) -> str:
        parts = [part.partition("=") for part in self.header(request, "stripe-signature").split(",")]
        stamps = [value for name, _, value in parts if name == "t"]
        if len(stamps) != 1:
            raise Refused(400, "no timestamp")
        content = f"{stamps[0]}.".encode("latin-1") + request.body
        signatures = [value for name, _, value in parts if self.is_version(name)]
        if not any(self.equal(self.mac(key, content).hex().encode(), text.encode()) for key in self.keys() for text in signatures):
            raise self.refuse(content)
        self.check_time(self.seconds(stamps[0]))
        return self.identity(request)

    def is_version(self, name: str) -> bool:
        return name == "v1"

    def identity(self, request: Request) -> str:
        try:
            event = json.loads(request.body)
        except (ValueError, RecursionError):
            raise Refused(400, "no JSON") from None
        if not isinstance(event, dict) or not isinstance(event.get("id"), str):
            raise Refused(400, "no event")
        return event["id"]


class GitHub(Receiver):
    """GitHub: the body alone is signed."""

    scheme = "github"

    def key(self, secret: str) -> bytes:
        return secret.encode()

    def verify(self, request: Request) -> str:
        prefix, _, text = self.header(request, "x-hub-signature-256").partition("=")
        if not self.is_version(prefix) or not any(
            self.equal(self.mac(key, request.body).hex().encode(), text.encode()) for key in self.keys()
        ):
            raise self.refuse(request.body)
        return self.identity(request)

    def is_version(self, prefix: str) -> bool:
        return prefix == "sha256"

    def identity(self, request: Request) -> str:
        return self.header(request, "x-github-delivery")


class Zendesk(Receiver):
    """Zendesk: the timestamp is an ISO 8601 time."""

    scheme = "zendesk"

    def key(self, secret: str) -> bytes:
        return secret.encode()

    def verify(self, request: Request) -> str:
        stamp = self.header(request, "x-zendesk-webhook-signature-timestamp")
        content = stamp.encode("latin-1") + request.body
        given = self.unbase64(self.header(request, "x-zendesk-webhook-signature"))
        if given is None or not self.matches(content, [given]):
            raise self.refuse(content)
        self.check_time(self.seconds(stamp))
        return self.header(request, "x-zendesk-webhook-invocation-id")

    def seconds(self, text: str) -> float:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", text, re.ASCII):
            raise Refused(400, "malformed timestamp")
        try:
            return datetime.fromisoformat(text).timestamp()
        except ValueError:
            raise Refused(400, "malformed timestamp") from None


class Twilio(Receiver):
    """Twilio: the URL is signed, and the body by its digest in the URL or by its form's parameters."""

    scheme = "twilio"

    def key(self, secret: str) -> bytes:
        return secret.encode()

    def mac(self, key: bytes, content: bytes) -> bytes:
        return hmac.digest(key, content, "sha1")

    def verify(self, request: Request) -> str:
        content = self.signed_url(request)
        if self.header(request, "content-type").startswith("application/x-www-form-urlencoded"):
            content += "".join(self.parameters(request.body))
        elif dict(parse_qsl(urlsplit(request.path).query)).get("bodySHA256") != hashlib.sha256(request.body).hexdigest():
            raise Refused(401, "the digest is wrong")
        given = self.unbase64(self.header(request, "x-twilio-signature"))
        if given is None or not self.matches(content.encode(), [given]):
            raise self.refuse(content.encode())
        return self.header(request, "i-twilio-idempotency-token")

    def signed_url(self, request: Request) -> str:
        return request.url

    def parameters(self, body: bytes) -> list[str]:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
        return [name + value for name, value in sorted(pairs)]


class HttpMessage(Receiver):
    """HTTP Message Signatures with one signature, label sig1, hmac-sha256."""

    scheme = "http-message"
    secrets = ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",)
    retired = ("oldoldoldoldoldoldoldoldoldoldol",)
    required = ("@method", "@target-uri", "content-type", "content-digest")

    def verify(self, request: Request) -> str:
        declared = self.header(request, "signature-input")
        found = re.fullmatch(r'sig1=(\(((?:"[a-z@-]+" ?)*)\)((?:;[a-z]+=(?:"[^"]*"|[0-9]+))*))', declared)
        given = re.fullmatch(r"sig1=:([A-Za-z0-9+/=]*):", self.header(request, "signature"))
        if found is None or given is None:
            raise Refused(400, "malformed signature")
        covered = re.findall(r'"([^"]+)"', found[2])
        parameters = dict(re.findall(r';([a-z]+)=("[^"]*"|[0-9]+)', found[3]))
        if not self.covers(covered):
            raise Refused(401, "covers too little")
        self.check_digest(request)
        base = "\n".join([*(f'"{name}": {self.component(request, name)}' for name in covered), f'"@signature-params": {found[1]}'])
        signature = self.unbase64(given[1])
        if signature is None or not self.matches(base.encode("latin-1"), [signature]):
            raise self.refuse(base.encode("latin-1"))
        self.check_time(self.seconds(parameters.get("created", "")))
        self.check_expiry(parameters)
        return self.identity(request)

    def covers(self, covered: list[str]) -> bool:
        return set(self.required) <= set(covered)

    def check_digest(self, request: Request) -> None:
        right = base64.b64encode(hashlib.sha256(request.body).digest()).decode()
        if self.header(request, "content-digest") != f"sha-256=:{right}:":
            raise Refused(401, "the digest is wrong")

    def check_expiry(self, parameters: dict[str, str]) -> None:
        if "expires" in parameters and time.time() > int(parameters["expires"]):
            raise Refused(401, "expired")

    def component(self, request: Request, name: str) -> str:
        if name == "@method":
            return request.method
        if name == "@target-uri":
            return request.url
        return self.header(request, name)

    def identity(self, request: Request) -> str:
        try:
            event = json.loads(request.body)
        except (ValueError, RecursionError):
            raise Refused(400, "no JSON") from None
        if not isinstance(event, dict) or not isinstance(event.get("id"), str):
            raise Refused(400, "no event")
        return event["id"]


GOOD = (Standard, FirstHeader, Ed25519, Stripe, GitHub, Zendesk, Twilio, HttpMessage)
