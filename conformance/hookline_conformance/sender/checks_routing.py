"""Which events reach which targets, and when."""

import time

from hookline_conformance.check import NotChecked, check
from hookline_conformance.sender.adapter import Change, Refused, TargetSpec
from hookline_conformance.sender.endpoint import Endpoint
from hookline_conformance.sender.reply import OK, in_turn, status
from hookline_conformance.sender.scene import SLACK, in_time
from hookline_conformance.sender.target import SenderTarget


@check("EMI-101")
async def every_target_is_reached(target: SenderTarget) -> None:
    """Three targets for the same events, one of which fails."""
    async with target.scene(in_turn(status(500)), own_type=False, retries=0) as bad:
        del bad
        async with target.scene(own_type=False) as one, target.scene(own_type=False) as two:
            for number in range(3):
                await one.emit(b'{"n": %d}' % number)
            for scene in (one, two):
                if not await scene.arrived(3):
                    scene.fail("EMI-101", "three events at each of two targets", f"{len(scene.requests)}")


@check("EMI-102")
async def refused_events_reach_nobody(target: SenderTarget) -> None:
    """Data that is not JSON, although it says so."""
    async with target.scene() as scene:
        tried = (b'{"cut": ', b"\xff", b"")
        accepted = 0
        for data in tried:
            try:
                await scene.emit(data)
            except Refused:
                continue
            accepted += 1
        if accepted == len(tried):
            raise NotChecked("the sender refused none of the events that were tried")
        await scene.must_stay("EMI-102", accepted, "an event that was refused", 0.3)


@check("EMI-103", needs=("scheduled",))
async def scheduled_events_wait(target: SenderTarget) -> None:
    """Nothing before the time, and the event after it."""
    wait = 600.0 if target.is_virtual else 1.5
    async with target.scene() as scene:
        begun = time.monotonic()
        await scene.emit(not_before=wait)
        await scene.quiet(wait - 1.0)
        early = [request for request in scene.requests if target.is_virtual or request.arrived < begun + wait - SLACK]
        scene.expect(not early, "EMI-103", "no attempt after an emission for later", f"{len(early)} before its time", *early[:1])
        if target.is_virtual:
            await target.advance(2.0)
        if not await scene.endpoint.wait(1, wait + target.patience):
            raise NotChecked("the event never came")


@check("SUB-101", needs=("event-types",))
async def only_chosen_types_come(target: SenderTarget) -> None:
    """A neighbouring type, a longer one, a shorter one, then the right one."""
    async with target.scene() as scene:
        for other in (f"{scene.type}x", f"{scene.type}.more", "conformance", "other.type"):
            await scene.emit(b'{"wrong": true}', type=other)
        await scene.emit(b'{"right": true}')
        await scene.first()
        await scene.quiet(0.3)
        wrong = [request for request in scene.requests if b"wrong" in request.body]
        scene.expect(not wrong, "SUB-101", f"events of the type {scene.type!r} alone", f"{len(wrong)} others", *wrong[:2])


@check("SUB-102", needs=("tenants",))
async def tenants_are_apart(target: SenderTarget) -> None:
    """Two tenants with targets for the same type."""
    async with (
        target.scene(spec=TargetSpec(url="", tenant="conformance-a"), own_type=False) as ours,
        target.scene(spec=TargetSpec(url="", tenant="conformance-b"), own_type=False) as theirs,
    ):
        await ours.emit(b'{"of": "a"}', tenant="conformance-a")
        await theirs.emit(b'{"of": "b"}', tenant="conformance-b")
        await ours.first()
        await theirs.first()
        await ours.quiet(0.3)
        for scene, own in ((ours, b'"a"'), (theirs, b'"b"')):
            strange = [request for request in scene.requests if own not in request.body]
            scene.expect(not strange, "SUB-102", "events of the target's own tenant alone", "another's", *strange[:1])


@check("SUB-103", needs=("delete",))
@in_time
async def a_deleted_target_gets_nothing(target: SenderTarget) -> None:
    """A pending retry, and a fresh event."""
    async with target.scene(in_turn(status(500), OK), retries=1, unhurried=True) as scene:
        await scene.emit(b'{"n": 1}')
        request = await scene.answered()
        await target.adapter.delete(scene.name)
        scene.before_retry(request.arrived)
        await scene.emit(b'{"n": 2}')
        await scene.must_stay("SUB-103", 1, "the target was deleted")


@check("SUB-104", needs=("pause",))
@in_time
async def a_paused_target_gets_nothing(target: SenderTarget) -> None:
    """A pending retry, and a fresh event."""
    async with target.scene(in_turn(status(500), OK), retries=1, unhurried=True) as scene:
        await scene.emit(b'{"n": 1}')
        request = await scene.answered()
        await target.adapter.pause(scene.name)
        scene.before_retry(request.arrived)
        await scene.emit(b'{"n": 2}')
        await scene.must_stay("SUB-104", 1, "the target was paused")


@check("SUB-105", needs=("pause",))
async def what_was_held_is_delivered(target: SenderTarget) -> None:
    """Two events during the pause."""
    async with target.scene() as scene:
        await target.adapter.pause(scene.name)
        await scene.emit(b'{"n": 1}')
        await scene.emit(b'{"n": 2}')
        await scene.quiet(0.2)
        await target.adapter.resume(scene.name)
        if not await scene.arrived(2):
            scene.fail("SUB-105", "the two events of the pause", f"{len(scene.requests)}")


@check("SUB-106", needs=("update",))
@in_time
async def a_changed_url_takes_effect(target: SenderTarget) -> None:
    """A fresh event, and the retry of one that failed at the old URL."""
    async with Endpoint() as new, target.scene(in_turn(status(500), OK), retries=1, unhurried=True) as scene:
        await scene.emit(b'{"n": 1}')
        request = await scene.answered()
        await target.adapter.update(scene.name, Change(url=new.url))
        scene.before_retry(request.arrived)
        await scene.emit(b'{"n": 2}')
        if not await new.wait(1, target.patience):
            scene.fail("SUB-106", "an event at the new URL", "none")
        await scene.must_stay("SUB-106", 1, "the URL was changed")


@check("SUB-107")
async def a_new_target_gets_no_old_events(target: SenderTarget) -> None:
    """An event, then the target, then another event."""
    async with target.scene() as scene:
        await scene.remove()
        await scene.emit(b'{"old": true}')
        await scene.configure(TargetSpec(url=""), retries=0)
        await scene.emit(b'{"new": true}')
        await scene.first()
        await scene.quiet(0.3)
        old = [request for request in scene.requests if b'"old"' in request.body]
        scene.expect(not old, "SUB-107", "no event from before the target was made", "one", *old[:1])


@check("SUB-108", needs=("event-types", "update"))
async def changed_types_take_effect(target: SenderTarget) -> None:
    """From one type to another."""
    async with target.scene() as scene:
        await target.adapter.update(scene.name, Change(event_types=(f"{scene.type}.other",)))
        await scene.emit(b'{"wrong": true}')
        await scene.emit(b'{"right": true}', type=f"{scene.type}.other")
        await scene.first()
        await scene.quiet(0.3)
        got = [request for request in scene.requests if b"wrong" in request.body]
        right = len(scene.requests) == 1 and not got
        scene.expect(right, "SUB-108", "one event, of the new type", f"{len(scene.requests)}, {len(got)} of the old type", *got[:1])
