"""Secrets that change."""

import asyncio

from hookline_conformance.check import NotChecked, check
from hookline_conformance.sender.adapter import Refused
from hookline_conformance.sender.reply import OK, in_turn, status
from hookline_conformance.sender.scene import Scene, in_time
from hookline_conformance.sender.signature import new_secret
from hookline_conformance.sender.target import SenderTarget

OVERLAP = 3600.0


async def _rotate(target: SenderTarget, scene: Scene, overlap: float) -> tuple[str, str]:
    """The former secret and the new one."""
    former = scene.secret
    try:
        scene.secret = await target.adapter.rotate(scene.name, new_secret(f"{scene.type}/next".encode()), overlap)
    except Refused as refused:
        raise NotChecked(f"the sender refused to rotate: {refused}") from refused
    return former, scene.secret


def _words(which: set[str], former: str, new: str) -> str:
    names = [name for name, secret in (("the former", former), ("the new", new)) if secret in which]
    return f"signed by {' and '.join(names) or 'neither secret'}"


@check("ROT-101", needs=("rotate",))
async def the_new_secret_signs(target: SenderTarget) -> None:
    """An event after the rotation."""
    async with target.scene() as scene:
        former, new = await _rotate(target, scene, OVERLAP)
        await scene.emit()
        request = await scene.first()
        which = scene.signed_by(request, former, new)
        scene.expect(new in which, "ROT-101", "a signature with the new secret", _words(which, former, new), request)


@check("ROT-102", needs=("rotate",))
async def the_former_secret_signs_for_a_while(target: SenderTarget) -> None:
    """An event within the overlap."""
    async with target.scene() as scene:
        former, new = await _rotate(target, scene, OVERLAP)
        await scene.emit()
        request = await scene.first()
        which = scene.signed_by(request, former, new)
        scene.expect(former in which, "ROT-102", "a signature with the former secret too", _words(which, former, new), request)


@check("ROT-103", needs=("rotate",))
async def the_former_secret_ends(target: SenderTarget) -> None:
    """An event after the overlap."""
    overlap = OVERLAP if target.is_virtual else 1.0
    async with target.scene() as scene:
        former, new = await _rotate(target, scene, overlap)
        if target.is_virtual:
            await target.advance(overlap + 1.0)
        else:
            await asyncio.sleep(overlap + 0.3)
        await scene.emit()
        request = await scene.first()
        which = scene.signed_by(request, former, new)
        scene.expect(former not in which, "ROT-103", "no signature with the former secret", _words(which, former, new), request)


@check("ROT-104", needs=("rotate", "retries"))
@in_time
async def retries_are_signed_with_a_secret_that_is_valid_then(target: SenderTarget) -> None:
    """A failure, a rotation without overlap, a retry."""
    async with target.scene(in_turn(status(500), OK), retries=1, unhurried=True) as scene:
        await scene.emit()
        request = await scene.answered()
        former, new = await _rotate(target, scene, 0.0)
        scene.before_retry(request.arrived)
        if not await scene.retried(2):
            raise NotChecked("the retry never came")
        request = scene.requests[1]
        which = scene.signed_by(request, former, new)
        scene.expect(new in which, "ROT-104", "a retry signed with the new secret", _words(which, former, new), request)


@check("ROT-105", needs=("rotate",))
async def a_rotation_without_overlap_is_at_once(target: SenderTarget) -> None:
    """The former secret has leaked."""
    async with target.scene() as scene:
        former, new = await _rotate(target, scene, 0.0)
        await scene.emit()
        request = await scene.first()
        which = scene.signed_by(request, former, new)
        scene.expect(which == {new}, "ROT-105", "a signature with the new secret alone", _words(which, former, new), request)
