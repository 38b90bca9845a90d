"""Group commit: nobody who submits is left waiting, and a fault harms its own caller only."""

import asyncio
from collections.abc import Sequence

import pytest

from hookline.errors import Unavailable
from hookline.store.postgres.group import Group


def part(answer: Sequence[int], items: Sequence[int], start: int) -> Sequence[int]:
    return answer[start : start + len(items)]


async def test_who_was_answered_and_submits_again_at_once_is_answered() -> None:
    async def flush(node: int, items: Sequence[int]) -> Sequence[int]:
        return [10 * item for item in items]

    group = Group(flush, part, flights=1)
    async with asyncio.timeout(60):
        assert [await group.submit(1, [number]) for number in range(5)] == [[0], [10], [20], [30], [40]]
        await group.drain()


async def test_what_is_submitted_during_a_flush_goes_into_the_next_one_and_a_fault_is_of_its_own_caller() -> None:
    flushed: list[Sequence[int]] = []
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def flush(node: int, items: Sequence[int]) -> Sequence[int]:
        flushed.append(list(items))
        begun.set()
        await go_on.wait()
        if 13 in items:
            raise ValueError("13")
        return [10 * item for item in items]

    group = Group(flush, part, flights=1)
    first = asyncio.create_task(group.submit(1, [1]))
    await begun.wait()
    rest = [asyncio.create_task(group.submit(1, items)) for items in ([2, 3], [13], [4])]
    await asyncio.sleep(0)
    go_on.set()
    async with asyncio.timeout(60):
        assert await first == [10]
        assert await rest[0] == [20, 30]
        assert await rest[2] == [40]
        with pytest.raises(ValueError, match="13"):
            await rest[1]
    assert flushed == [[1], [2, 3, 13, 4], [2, 3], [13], [4]]


async def test_a_commit_that_is_cancelled_before_it_begins_leaves_room_for_another() -> None:
    async def flush(node: int, items: Sequence[int]) -> Sequence[int]:
        return [10 * item for item in items]

    group = Group(flush, part, flights=1)
    waiting = asyncio.create_task(group.submit(1, [1]))
    await asyncio.sleep(0)  # it is submitted, and its commit about to begin
    (commit,) = group._tasks
    commit.cancel()
    await asyncio.wait([commit])
    async with asyncio.timeout(60):
        assert await group.submit(1, [2]) == [20]
        assert await waiting == [10]
        await group.drain()


async def test_a_store_that_is_away_is_away_for_all_of_a_flush() -> None:
    flushes = 0

    async def flush(node: int, items: Sequence[int]) -> Sequence[int]:
        nonlocal flushes
        flushes += 1
        raise Unavailable("away")

    group = Group(flush, part, flights=2)
    async with asyncio.timeout(60):
        found = await asyncio.gather(*(group.submit(1, [number]) for number in range(3)), return_exceptions=True)
    assert {type(one) for one in found} == {Unavailable}
    assert flushes < 3
