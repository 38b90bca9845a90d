"""Signing and timestamps."""

import asyncio
import base64

from hookline_conformance.check import check
from hookline_conformance.sender.adapter import Feature, TargetSpec
from hookline_conformance.sender.reply import OK, in_turn, status
from hookline_conformance.sender.signature import PREFIX, signed
from hookline_conformance.sender.target import SenderTarget

TOLERANCE = 300.0
"""Seconds, as verifying libraries have it by default."""


@check("SIG-101")
async def requests_are_signed(target: SenderTarget) -> None:
    """One plain event."""
    async with target.scene() as scene:
        await scene.emit(b'{"amount": 1099}')
        request = await scene.first()
        said = signed(request, target.capabilities.scheme)
        scene.expect(
            bool(scene.signed_by(request)), "SIG-101", "a signature that verifies with the target's secret", f"{said}", request
        )


@check("SIG-102", needs=("retries",))
async def retries_are_signed_for_themselves(target: SenderTarget) -> None:
    """Two failures, so that the timestamps differ by more than a second where the schedule allows."""
    async with target.scene(in_turn(status(500), status(500), OK), retries=2) as scene:
        await scene.emit()
        await scene.first()
        for number in range(2, 2 + len(scene.delays)):
            if not target.is_virtual:  # a second must pass, or the timestamps are equal and nothing is shown
                await asyncio.sleep(0)
            if not await scene.retried(number):
                break
        for request in scene.requests:
            said = signed(request, target.capabilities.scheme)
            scene.expect(
                bool(scene.signed_by(request)),
                "SIG-102",
                f"a signature over the timestamp {said.timestamp!r} of attempt {request.order}",
                said.signatures,
                request,
            )


@check("SIG-103")
async def the_list_of_signatures_is_well_formed(target: SenderTarget) -> None:
    """Several events, since base64 shows its alphabet only now and then."""
    async with target.scene() as scene:
        for number in range(12):
            await scene.emit(b'{"n": %d}' % number)
        await scene.first(12)
        for request in scene.requests:
            wrong = signed(request, target.capabilities.scheme).malformed
            scene.expect(not wrong, "SIG-103", "`v1,` and standard base64, delimited by single spaces", wrong, request)


@check("SIG-104")
async def every_target_has_its_own_secret(target: SenderTarget) -> None:
    """Two targets, one event each."""
    async with target.scene() as one, target.scene() as other:
        for scene, stranger in ((one, other), (other, one)):
            await scene.emit()
            request = await scene.first()
            scene.expect(
                scene.signed_by(request, scene.secret, stranger.secret) == {scene.secret},
                "SIG-104",
                "a signature with the target's own secret and no other",
                signed(request, target.capabilities.scheme).signatures,
                request,
            )


@check("SIG-105")
async def secrets_do_not_travel(target: SenderTarget) -> None:
    """The secret in any of its forms."""
    async with target.scene() as scene:
        await scene.emit()
        request = await scene.first()
        bare = scene.secret.removeprefix(PREFIX)
        forms = (scene.secret.encode(), bare.encode(), base64.b64decode(bare))
        scene.expect(
            not any(form in request.raw for form in forms), "SIG-105", "a request without the secret", "the secret in it", request
        )


@check("SIG-106")
async def bytes_are_signed_as_they_are_sent(target: SenderTarget) -> None:
    """Characters of two, three and four bytes, raw and escaped."""
    async with target.scene() as scene:
        await scene.emit('{"name": "Zoë 漢字 🎉", "escaped": "\\u00e9\\ud83c\\udf89"}'.encode())
        request = await scene.first()
        scene.expect(
            bool(scene.signed_by(request)),
            "SIG-106",
            "a signature over the bytes of the body",
            signed(request, target.capabilities.scheme).signatures,
            request,
        )


@check("TIM-101")
async def timestamps_are_whole_seconds(target: SenderTarget) -> None:
    """Digits, and as many as seconds have."""
    async with target.scene() as scene:
        await scene.emit()
        request = await scene.first()
        text = signed(request, target.capabilities.scheme).timestamp
        plain = text.isascii() and text.isdigit() and not text.startswith("0") and 9 <= len(text) <= 11
        scene.expect(plain, "TIM-101", "seconds since 1970 in decimal digits", repr(text), request)


@check("TIM-102")
async def timestamps_are_of_the_attempt(target: SenderTarget) -> None:
    """Compared with the sender's clock, if that can be read, else with this machine's."""
    async with target.scene() as scene:
        before = await target.now()
        await scene.emit()
        request = await scene.first()
        text = signed(request, target.capabilities.scheme).timestamp
        stamp = float(text) if text.isascii() and text.isdigit() else 0.0
        scene.expect(
            before - TOLERANCE <= stamp <= await target.now() + TOLERANCE,
            "TIM-102",
            f"the time of the attempt, about {before:.0f}",
            repr(text),
            request,
        )


@check("TIM-103", needs=("retries",))
async def a_retry_has_its_own_timestamp(target: SenderTarget) -> None:
    """The gap between timestamps is that between attempts, to two seconds."""
    delays = target.delays(4)
    if Feature.SCHEDULE in target.capabilities.features and not target.is_virtual:
        delays = (2.5,)
    spec = TargetSpec(url="", schedule=delays) if target.has(Feature.SCHEDULE) else None
    async with target.scene(in_turn(status(500), OK), retries=len(delays), spec=spec) as scene:
        scene.delays = delays
        started = await target.now()
        await scene.emit()
        first = await scene.first()
        if not await scene.retried(2):
            return
        second = scene.requests[1]
        stamps = [signed(request, target.capabilities.scheme).timestamp for request in (first, second)]
        passed = await target.now() - started
        got = [float(text) if text.isascii() and text.isdigit() else 0.0 for text in stamps]
        least = scene.least(1) - 1.1
        scene.expect(
            least <= got[1] - got[0] <= passed + 2.0,
            "TIM-103",
            f"a timestamp about {passed:.0f} s after the first attempt's",
            f"{stamps[0]!r}, then {stamps[1]!r}",
            first,
            second,
        )
