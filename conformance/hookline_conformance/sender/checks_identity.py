"""Ids of messages, and idempotency keys."""

from hookline_conformance.check import check
from hookline_conformance.sender.adapter import Refused
from hookline_conformance.sender.reply import OK, in_turn, status
from hookline_conformance.sender.target import SenderTarget


@check("IDM-101", needs=("retries",))
async def ids_are_equal_over_retries(target: SenderTarget) -> None:
    """As many attempts as can be watched."""
    async with target.scene(in_turn(status(500), status(503), OK), retries=2) as scene:
        await scene.emit()
        first = await scene.first()
        for number in range(2, 2 + len(scene.delays)):
            if not await scene.retried(number):
                break
            retry = scene.requests[number - 1]
            scene.expect(
                retry.message_id == first.message_id != "",
                "IDM-101",
                f"the id {first.message_id!r} of the first attempt",
                repr(retry.message_id),
                first,
                retry,
            )


@check("IDM-102")
async def different_events_have_different_ids(target: SenderTarget) -> None:
    """Equal content must not make them equal."""
    async with target.scene() as scene:
        for _ in range(5):
            await scene.emit(b'{"same": true}')
        await scene.first(5)
        ids = [request.message_id for request in scene.requests]
        scene.expect(len(set(ids)) == len(ids), "IDM-102", "an id of its own for each event", f"{ids}")


@check("IDM-103")
async def ids_have_no_full_stop(target: SenderTarget) -> None:
    """The id that the sender makes."""
    async with target.scene() as scene:
        await scene.emit()
        request = await scene.first()
        scene.expect("." not in request.message_id, "IDM-103", "an id without a full stop", repr(request.message_id), request)


@check("IDM-104", needs=("retries", "restart"))
async def ids_outlive_a_restart(target: SenderTarget) -> None:
    """A failure, a restart, another attempt."""
    async with target.scene(in_turn(status(500), OK), retries=1) as scene:
        await scene.emit()
        first = await scene.answered()
        await target.adapter.restart(kill=False)
        if await scene.retried(2):
            retry = scene.requests[1]
            scene.expect(
                retry.message_id == first.message_id,
                "IDM-104",
                f"the id {first.message_id!r} of the attempt before the restart",
                repr(retry.message_id),
                first,
                retry,
            )


@check("IDM-105", needs=("idempotency",))
async def a_known_key_is_not_delivered_again(target: SenderTarget) -> None:
    """The same emission twice, after the first was delivered."""
    async with target.scene() as scene:
        first = await scene.emit(key=f"{scene.type}-k")
        await scene.answered()
        again = await scene.emit(key=f"{scene.type}-k")
        await scene.must_stay("IDM-105", 1, "the same emission with the same key")
        scene.expect(
            again.event_id == first.event_id, "IDM-105", f"the event {first.event_id!r} that is known", repr(again.event_id)
        )


@check("IDM-106", needs=("idempotency",))
async def a_known_key_with_other_content_is_refused(target: SenderTarget) -> None:
    """The answer must not be that of the first: the caller would believe that its content was sent."""
    async with target.scene() as scene:
        await scene.emit(b'{"n": 1}', key=f"{scene.type}-k")
        try:
            again = await scene.emit(b'{"n": 2}', key=f"{scene.type}-k")
        except Refused:
            return
        scene.fail("IDM-106", "a refusal", f"it was acknowledged as {again.event_id!r}")


@check("IDM-107", needs=("idempotency", "restart"))
async def keys_outlive_a_restart(target: SenderTarget) -> None:
    """The same emission before and after."""
    async with target.scene() as scene:
        await scene.emit(key=f"{scene.type}-k")
        await scene.answered()
        await target.adapter.restart(kill=False)
        await scene.emit(key=f"{scene.type}-k")
        await scene.must_stay("IDM-107", 1, "the same emission with the same key after a restart")
