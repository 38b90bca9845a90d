"""What is on another machine is not flooded; in virtual time."""

import asyncio
import itertools

import looptime
from hypothesis import given
from hypothesis import strategies as st

from hookline_conformance.cli.paced import paced


class Called:
    def __init__(self) -> None:
        self.times: list[float] = []

    async def call(self, word: str) -> str:
        self.times.append(asyncio.get_running_loop().time())
        return word


def times(interval: float, count: int) -> list[float]:
    called = paced(Called(), ["call"], interval)

    async def many() -> None:
        assert await asyncio.gather(*(called.call(str(number)) for number in range(count))) == [str(n) for n in range(count)]

    with asyncio.Runner(loop_factory=lambda: looptime.new_event_loop(noop_cycles=0)) as runner:
        runner.run(many())
    return called.times


@given(st.integers(1, 40), st.integers(1, 20))
def test_calls_start_at_least_an_interval_apart_however_many_come_at_once(tenths, count):
    found = times(tenths / 10, count)
    assert all(later - earlier >= tenths / 10 - 1e-6 for earlier, later in itertools.pairwise(found))


def test_without_an_interval_nothing_is_held_up():
    assert times(0.0, 5) == [times(0.0, 1)[0]] * 5
