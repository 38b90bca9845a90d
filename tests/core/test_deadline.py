"""Many deadlines on one timer: each ends its own task, with TimeoutError, and hides nobody else's cancellation."""

import asyncio

import pytest

from hookline.deadline import Deadline, Deadlines

LONG = 3_600.0


async def stuck(deadline: Deadline, entered: asyncio.Event) -> None:
    with deadline:
        entered.set()
        await asyncio.Event().wait()


async def test_each_ends_its_own_task_and_the_others_go_on():
    deadlines = Deadlines()
    going, entered = deadlines.within(LONG), asyncio.Event()
    other = asyncio.create_task(stuck(going, entered))
    await entered.wait()
    short = deadlines.within(0.01)
    with pytest.raises(TimeoutError):
        await stuck(short, asyncio.Event())
    assert short.expired
    assert not going.expired
    other.cancel()
    with pytest.raises(asyncio.CancelledError):
        await other


async def test_what_is_done_in_time_is_not_cut_off():
    deadlines = Deadlines()
    for _ in range(3):
        with deadlines.within(LONG) as deadline:
            await asyncio.sleep(0)
        assert not deadline.expired


@pytest.mark.parametrize("first", ["deadline", "other"])
async def test_who_is_cancelled_by_somebody_else_as_well_is_cancelled(first: str):
    deadline, entered = Deadlines().within(LONG), asyncio.Event()
    task = asyncio.create_task(stuck(deadline, entered))
    await entered.wait()
    for cancel in (deadline.expire, task.cancel) if first == "deadline" else (task.cancel, deadline.expire):
        cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_inner_one_does_not_end_what_is_around_it():
    deadlines = Deadlines()
    with deadlines.within(LONG) as outer:
        with pytest.raises(TimeoutError):
            await stuck(deadlines.within(0.01), asyncio.Event())
        await asyncio.sleep(0)
    assert not outer.expired


async def test_outside_of_a_task_there_is_none():
    said: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

    def enter() -> None:
        try:
            with Deadlines().within(LONG):
                said.set_result(None)
        except RuntimeError as error:
            said.set_result(error)

    asyncio.get_running_loop().call_soon(enter)
    assert isinstance(await said, RuntimeError)
