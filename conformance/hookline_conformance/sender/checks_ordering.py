"""Order, where it is promised."""

import json

from hookline_conformance.check import NotChecked, check
from hookline_conformance.sender.adapter import TargetSpec
from hookline_conformance.sender.endpoint import Request
from hookline_conformance.sender.reply import OK, Reply, always, status
from hookline_conformance.sender.scene import Scene
from hookline_conformance.sender.target import SenderTarget

ORDERED = TargetSpec(url="", ordered=True)


def _number(request: Request) -> int:
    found = json.loads(request.body)
    data = found.get("data", found) if isinstance(found, dict) else found
    return int(data["n"])


def _fails_first(request: Request) -> Reply:
    return status(500) if _number(request) == 1 and request.order == 1 else OK


async def _emit(scene: Scene, *numbers: int, key: str = "k") -> None:
    for number in numbers:
        await scene.emit(b'{"n": %d}' % number, ordering_key=key)


def _delivered(scene: Scene) -> list[int]:
    return [_number(request) for request in scene.requests if not request.answer.startswith(b"HTTP/1.1 5")]


@check("ORD-101", needs=("ordering", "retries"))
async def an_event_waits_for_the_one_before(target: SenderTarget) -> None:
    """The first fails once; the others must not overtake it."""
    async with target.scene(_fails_first, retries=1, spec=ORDERED) as scene:
        await _emit(scene, 1, 2, 3)
        await scene.answered()
        if not await scene.retried(2, retry=1):
            raise NotChecked("nothing came after the first failure")
        if target.is_virtual:
            await target.advance(0.0)
        await scene.endpoint.wait(4, target.patience)
        got = [_number(request) for request in scene.requests]
        scene.expect(got == [1, 1, 2, 3][: len(got)], "ORD-101", "events in the order 1, 1, 2, 3", f"{got}")


@check("ORD-102", needs=("ordering", "retries"))
async def other_keys_are_not_held_up(target: SenderTarget) -> None:
    """Key a fails, key b must come meanwhile."""

    def script(request: Request) -> Reply:
        return status(500) if _number(request) == 1 else OK

    async with target.scene(script, retries=1, spec=ORDERED) as scene:
        await _emit(scene, 1, key="a")
        await scene.answered()
        await _emit(scene, 2, key="b")
        came = await scene.endpoint.until(lambda: 2 in map(_number, scene.requests), target.patience)
        scene.expect(came, "ORD-102", "the event of another key", "it waits behind the failing one")


@check("ORD-103", needs=("ordering", "retries", "restart"))
async def order_outlives_a_restart(target: SenderTarget) -> None:
    """The first fails, the sender is restarted, and the order is the same."""
    async with target.scene(_fails_first, retries=1, spec=ORDERED) as scene:
        await _emit(scene, 1, 2, 3)
        await scene.answered()
        await target.adapter.restart(kill=False)
        if not await scene.retried(2, retry=1):
            raise NotChecked("nothing came after the restart")
        if target.is_virtual:
            await target.advance(0.0)
        await scene.endpoint.wait(4, target.patience)
        got = _delivered(scene)
        scene.expect(got == [1, 2, 3][: len(got)], "ORD-103", "events in the order 1, 2, 3", f"{got}")


@check("ORD-104", needs=("ordering", "retries", "schedule"))
async def exhaustion_lets_the_next_one_go(target: SenderTarget) -> None:
    """The first uses up its attempts."""
    async with target.scene(always(OK), retries=1, spec=ORDERED) as scene:
        scene.endpoint.script = lambda request: status(500) if _number(request) == 1 else OK
        await _emit(scene, 1, 2)
        await scene.answered()
        if not await scene.retried(2, retry=1):
            raise NotChecked("the retry never came")
        if target.is_virtual:
            await target.advance(1.0)
        came = await scene.endpoint.wait(3, target.patience)
        scene.expect(came, "ORD-104", "the next event, once the first is given up", "it never came")
