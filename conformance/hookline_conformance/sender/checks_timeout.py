"""How long an attempt may take, whatever the receiver does."""

import time

from hookline_conformance.check import NotChecked, check
from hookline_conformance.sender.adapter import Feature, TargetSpec
from hookline_conformance.sender.reply import FOREVER, OK, Reply, in_turn
from hookline_conformance.sender.scene import Scene, TooLate, every_time, in_time
from hookline_conformance.sender.target import SenderTarget

LONGEST_TIMEOUT = 20.0
"""Real seconds that a check waits for one attempt to end."""
MOST_READ = 16 * 1024 * 1024


def _spec(target: SenderTarget, least: float = 0.3) -> tuple[TargetSpec, float]:
    timeout = target.timeout(least)
    if timeout > LONGEST_TIMEOUT:
        raise NotChecked(f"its timeout of {timeout:g} s cannot be set, and is longer than a check waits")
    return TargetSpec(url="", timeout=timeout if target.has(Feature.TIMEOUT) else None), timeout


async def _ends(scene: Scene, requirement: str, what: str, timeout: float) -> None:
    """The sender must close the first request's connection in time; a loaded machine is given half of the patience more."""
    begun = time.monotonic()
    if not await scene.endpoint.wait(1, scene.target.patience):
        raise NotChecked("the first request never came")
    request = scene.requests[0]
    ended = await scene.endpoint.until(request.done.is_set, timeout + scene.target.patience / 2)
    took = time.monotonic() - begun
    scene.expect(ended, requirement, f"the attempt at {what} ended after {timeout:g} s", f"it still went on after {took:.1f} s")


@check("TMO-101", needs=("retries",))
async def silence_ends_with_the_timeout(target: SenderTarget) -> None:
    """No answer at all; then the retry."""
    spec, timeout = _spec(target)
    async with target.scene(in_turn(Reply(delay=FOREVER), OK), retries=1, spec=spec) as scene:
        await scene.emit()
        await _ends(scene, "TMO-101", "a receiver that is silent", timeout)
        await scene.must_retry("TMO-101", 2, "a timeout", extra=0.0 if target.is_virtual else timeout)


@check("TMO-102")
async def a_dripping_head_prolongs_nothing(target: SenderTarget) -> None:
    """A byte now and then, often enough for a timeout that is counted from the last byte."""
    spec, timeout = _spec(target)
    reply = Reply(status=200, headers=(("X-Slow", "y" * 4096),), drip=timeout / 5)
    async with target.scene(in_turn(reply, OK), retries=1, spec=spec) as scene:
        await scene.emit()
        await _ends(scene, "TMO-102", "a dripping head", timeout)


@check("TMO-103")
async def a_dripping_body_prolongs_nothing(target: SenderTarget) -> None:
    """A whole head, and a body that never ends by a byte at a time."""
    spec, timeout = _spec(target)
    reply = Reply(status=200, body=b"z" * 4096, drip_body=timeout / 5)
    async with target.scene(in_turn(reply, OK), retries=1, spec=spec) as scene:
        await scene.emit()
        await _ends(scene, "TMO-103", "a dripping body", timeout)


@check("TMO-104")
@every_time
async def a_slow_answer_is_taken(target: SenderTarget) -> None:
    """At half of the timeout."""
    spec, timeout = _spec(target, 2.0)
    async with target.scene(in_turn(Reply(status=200, delay=timeout / 2), OK), retries=1, spec=spec) as scene:
        await scene.emit()
        await scene.endpoint.wait(1, target.patience)
        request = await scene.answered()
        scene.expect(
            request.answered is not None, "TMO-104", f"an answer after {timeout / 2:g} s to be taken", "the sender had gone"
        )
        await scene.must_stay("TMO-104", 1, f"a success after {timeout / 2:g} s")


@check("TMO-105")
async def an_endless_body_is_cut_off(target: SenderTarget) -> None:
    """A body without a length, written as fast as it is taken."""
    spec, timeout = _spec(target)
    reply = Reply(status=200, endless=True)
    async with target.scene(in_turn(reply, OK), retries=1, spec=spec) as scene:
        await scene.emit()
        await _ends(scene, "TMO-105", "an endless body", timeout)
        taken = scene.requests[0].written
        scene.expect(taken <= MOST_READ, "TMO-105", f"at most {MOST_READ} bytes taken", f"{taken}")


@check("TMO-106")
async def a_flood_of_interim_answers_prolongs_nothing(target: SenderTarget) -> None:
    """As many as the sender takes."""
    spec, timeout = _spec(target)
    async with target.scene(in_turn(Reply(interim_flood=True), OK), retries=1, spec=spec) as scene:
        await scene.emit()
        await _ends(scene, "TMO-106", "a flood of interim answers", timeout)


@check("TMO-107")
@in_time
async def a_success_with_a_slow_body_is_a_success(target: SenderTarget) -> None:
    """A whole head at once, and a body byte by byte over a quarter of the timeout."""
    spec, timeout = _spec(target, 2.0)
    body = b"good"
    reply = Reply(status=200, body=body, drip_body=timeout / 4 / len(body))
    async with target.scene(in_turn(reply, OK), retries=1, spec=spec) as scene:
        await scene.emit()
        request = await scene.answered()
        ended = request.answered or request.closed
        if ended is not None and ended - request.arrived > timeout * 3 / 4:
            raise TooLate("this machine was too slow to write an answer within the timeout")
        await scene.must_stay("TMO-107", 1, f"a success whose body took {timeout / 4:g} s")
