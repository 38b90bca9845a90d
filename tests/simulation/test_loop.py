"""The loop and the processes on it."""

import asyncio

import pytest
from simulation.loop import Deadlock, Loop, Process, live


def loop() -> Loop:
    found = asyncio.get_running_loop()
    assert isinstance(found, Loop)
    return found


def test_time_passes_only_when_nothing_is_left_to_do() -> None:
    async def sleeper() -> float:
        await asyncio.gather(asyncio.sleep(3_600.0), asyncio.sleep(7_200.0))
        return loop().now

    assert live(sleeper) == pytest.approx(7_200.0)


def test_who_waits_for_what_never_comes_is_told_so() -> None:
    async def waiter() -> None:
        await loop().create_future()

    with pytest.raises(Deadlock):
        live(waiter)


@pytest.mark.parametrize("steps", range(1, 8))
def test_a_process_is_killed_between_any_two_of_its_steps(steps: int) -> None:
    done: list[int] = []

    async def work() -> None:
        for number in range(10):
            done.append(number)
            await asyncio.sleep(0.0)

    async def world() -> None:
        process = Process("a", loop())
        process.strike_at, process.strike = steps, process.kill
        process.spawn(work())
        await asyncio.sleep(1.0)

    live(world)
    assert done == list(range(steps - 1))


def test_a_process_that_was_stopped_goes_on_where_it_stood_and_its_timers_are_late() -> None:
    seen: list[float] = []

    async def work() -> None:
        while True:
            await asyncio.sleep(1.0)
            seen.append(loop().now)

    async def world() -> None:
        process = Process("a", loop())
        process.spawn(work())
        await asyncio.sleep(2.5)
        process.stop()
        await asyncio.sleep(5.0)
        process.thaw()
        await asyncio.sleep(1.2)

    live(world)
    assert seen == pytest.approx([1.0, 2.0, 7.5, 8.5])


def test_what_a_dead_process_leaves_behind_has_no_effect() -> None:
    done: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(1.0)
        finally:
            asyncio.get_running_loop().call_soon(done.append, "after its end")

    async def world() -> None:
        process = Process("a", loop())
        process.spawn(work())
        await asyncio.sleep(0.5)
        process.kill()
        await asyncio.sleep(2.0)

    live(world)
    assert done == []
