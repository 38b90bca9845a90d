"""What an endpoint, or who configures one, may do to the sender."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from hookline_conformance.check import NotChecked, check
from hookline_conformance.sender.adapter import AttemptRecord, Feature, Refused, TargetSpec
from hookline_conformance.sender.certificates import trusted, unknown
from hookline_conformance.sender.endpoint import Endpoint
from hookline_conformance.sender.reply import Ending, Reply, always, gzip_bomb
from hookline_conformance.sender.scene import Scene
from hookline_conformance.sender.target import SenderTarget

LITERALS = ("127.0.0.1", "127.1", "0177.0.0.1", "2130706433", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "127.0.0.2")
NAMES = ("localhost", "LOCALHOST.", "ip6-localhost")
SPECIAL = (
    "169.254.169.254",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "[::ffff:169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "224.0.0.1",
)
SCHEMES = (
    "ftp://127.0.0.1/x",
    "file:///etc/passwd",
    "gopher://127.0.0.1:70/1",
    "javascript:alert(1)",
    "//127.0.0.1/x",
    "unix:///tmp/s",
)


@asynccontextmanager
async def _secure(target: SenderTarget, endpoint: Endpoint) -> AsyncIterator[Scene]:
    spec = TargetSpec(url="", authority=trusted().pem)
    async with target.scene(endpoint=endpoint, spec=spec, retries=1) as scene:
        yield scene


async def _refused(target: SenderTarget, requirement: str, endpoint: Endpoint, what: str) -> None:
    """The sender dials, and must not send a request."""
    async with _secure(target, endpoint) as scene:
        await scene.emit()
        dialled = await endpoint.until(lambda: endpoint.ended > 0 or bool(endpoint.requests), target.patience)
        if not dialled:
            raise NotChecked("no connection came, so that no certificate was shown")
        scene.expect(not endpoint.requests, requirement, f"no request to a receiver with {what}", "one", *endpoint.requests[:1])


@check("SAF-101", needs=("https",))
async def unknown_authorities_are_refused(target: SenderTarget) -> None:
    """A certificate that is right but for its authority."""
    await _refused(target, "SAF-101", Endpoint(tls=unknown().context()), "a certificate of an unknown authority")


@check("SAF-102", needs=("https",))
async def expired_certificates_are_refused(target: SenderTarget) -> None:
    """A certificate that ended a day ago."""
    endpoint = Endpoint(tls=trusted().context(until=-timedelta(days=1)))
    await _refused(target, "SAF-102", endpoint, "an expired certificate")


@check("SAF-103", needs=("https",))
async def certificates_of_others_are_refused(target: SenderTarget) -> None:
    """A certificate for another name."""
    endpoint = Endpoint(tls=trusted().context(("receiver.example",)))
    await _refused(target, "SAF-103", endpoint, "a certificate for receiver.example")


@check("SAF-104", needs=("https",))
async def right_certificates_are_accepted(target: SenderTarget) -> None:
    """Of the authority that the sender was told of."""
    endpoint = Endpoint(tls=trusted().context(), host="localhost")
    async with _secure(target, endpoint) as scene:
        await scene.emit()
        if not await scene.arrived(1):
            scene.fail("SAF-104", "a request over TLS", f"none, after {endpoint.connections} connections")


async def _guarded(target: SenderTarget, requirement: str, url: str, endpoint: Endpoint | None) -> str:
    """What became of a guarded target at `url`: refused, dialled, blocked or silent."""
    try:
        async with target.scene(spec=TargetSpec(url=url, guarded=True, authority=trusted().pem)) as scene:
            await scene.emit()
            if target.is_virtual:
                await target.advance(0.0)
            if endpoint is not None:
                await endpoint.until(lambda: endpoint.connections > 0, 0.02 if target.is_virtual else 0.3)
                dialled = endpoint.connections > 0
                scene.expect(
                    not dialled, requirement, f"no connection for {url}", f"{endpoint.connections}", *endpoint.requests[:1]
                )
                return "blocked"
            if not target.has(Feature.ATTEMPTS):
                return "silent"
            records: list[AttemptRecord] = []

            async def recorded() -> bool:
                records[:] = await target.adapter.attempts(scene.name)
                return bool(records)

            for _ in range(40):
                if await recorded():
                    break
                await asyncio.sleep(0.05)
            if not records:
                return "silent"
            blocked = all(record.blocked for record in records)
            scene.expect(
                blocked, requirement, f"{url} blocked before it is dialled", f"an attempt: {records[-1].error or 'no error'}"
            )
            return "blocked"
    except Refused:
        return "refused"


@check("SAF-105", needs=("guard",))
async def loopback_addresses_are_not_dialled(target: SenderTarget) -> None:
    """In every spelling that some resolver takes."""
    tls = trusted().context()
    async with Endpoint(tls=tls) as four:
        for literal in LITERALS:
            await _guarded(target, "SAF-105", f"https://{literal}:{four.port}/hook", four)
    try:
        async with Endpoint(tls=tls, host="::1") as six:
            await _guarded(target, "SAF-105", f"https://[::1]:{six.port}/hook", six)
    except OSError:
        return  # this machine has no IPv6


@check("SAF-106", needs=("guard",))
async def names_of_loopback_are_not_dialled(target: SenderTarget) -> None:
    """The check must be of the address that is dialled, not of the name."""
    async with Endpoint(tls=trusted().context()) as endpoint:
        for name in NAMES:
            await _guarded(target, "SAF-106", f"https://{name}:{endpoint.port}/hook", endpoint)


@check("SAF-107", needs=("guard",))
async def special_addresses_are_not_dialled(target: SenderTarget) -> None:
    """Private networks, link-local ones, and what maps to them."""
    outcomes = {address: await _guarded(target, "SAF-107", f"https://{address}/latest", None) for address in SPECIAL}
    silent = [address for address, outcome in outcomes.items() if outcome == "silent"]
    if silent:
        raise NotChecked(f"the sender records no attempts, so that it cannot be seen whether it dialled {', '.join(silent)}")


@check("SAF-108")
async def other_schemes_are_refused(target: SenderTarget) -> None:
    """What an HTTP library may follow to files and other services."""
    for url in SCHEMES:
        try:
            async with target.scene(spec=TargetSpec(url=url)) as scene:
                scene.fail("SAF-108", f"{url} refused", "it was taken")
        except Refused:
            continue


@check("SAF-109", needs=("guard",))
async def plain_http_is_refused(target: SenderTarget) -> None:
    """As it is set up in production."""
    try:
        async with target.scene(spec=TargetSpec(url="http://receiver.example/hook", guarded=True)) as scene:
            scene.fail("SAF-109", "a target over http refused", "it was taken")
    except Refused:
        return


@check("SAF-110")
async def hostile_answers_leave_the_sender_working(target: SenderTarget) -> None:
    """One after the other; a healthy target is delivered to after each."""
    hostile = {
        "a gzip bomb": gzip_bomb(),
        "a head of a megabyte": Reply(status=200, headers=tuple((f"X-{number}", "h" * 1000) for number in range(1000))),
        "a header line of a megabyte": Reply(status=200, headers=(("X-Long", "h" * 1_000_000),)),
        "a length that is a lie": Reply(
            status=200, headers=(("Content-Length", "5"),), body=b"more than five", ending=Ending.CLOSE
        ),
        "a length that is no number": Reply(status=200, headers=(("Content-Length", "-1"),), ending=Ending.CLOSE),
        "two lengths": Reply(
            status=200, headers=(("Content-Length", "3"), ("Content-Length", "4")), body=b"abc", ending=Ending.CLOSE
        ),
        "a chunk that is too large": Reply(
            status=200, headers=(("Transfer-Encoding", "chunked"),), body=b"FFFFFFFFFFFFFFFFF\r\nx", ending=Ending.CLOSE
        ),
        "bytes that are no text": Reply(raw=bytes(range(256)) * 40 + b"\r\n\r\n", ending=Ending.CLOSE_UNANNOUNCED),
        "an answer that switches protocols": Reply(
            status=101, headers=(("Upgrade", "websocket"),), ending=Ending.CLOSE_UNANNOUNCED
        ),
    }
    before = ""
    for what, reply in hostile.items():
        async with target.scene(always(reply)) as bad, target.scene() as good:
            await bad.emit()
            if not await bad.endpoint.wait(1, target.patience):
                if before:
                    bad.fail("SAF-110", f"an event to be delivered after {before}", "the sender sends nothing any more")
                raise NotChecked(f"no request came that could be answered with {what}")
            await bad.endpoint.until(bad.requests[0].done.is_set, bad.timeout + target.patience)
            await good.emit()
            if not await good.arrived(1):
                good.fail("SAF-110", f"the event at another target after {what}", "it never came", bad.requests[0])
            before = what
