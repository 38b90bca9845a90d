"""What is on another machine is not flooded; in virtual time."""

import asyncio
import itertools

import looptime
from hypothesis import given
from hypothesis import strategies as st

from hookline_conformance.cli import receiver
from hookline_conformance.cli.paced import paced
from hookline_conformance.receiver.effects import UrlProbe


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


def test_a_probe_on_another_machine_is_asked_no_more_often_than_the_rate_says(monkeypatch):
    given = []
    monkeypatch.setattr(receiver, "UrlProbe", lambda url, interval: given.append((url, interval)))
    receiver._probe("http://192.0.2.1/effects", None, allow_remote=True, rate=4.0)
    receiver._probe("http://127.0.0.1:8000/effects", None, allow_remote=False, rate=4.0)
    assert given == [("http://192.0.2.1/effects", 0.25), ("http://127.0.0.1:8000/effects", 0.0)]


def test_a_probe_reads_at_least_an_interval_apart(monkeypatch):
    times = []

    async def get(probe):
        times.append(asyncio.get_running_loop().time())
        return b'{"effects": {}, "total": 0}'

    monkeypatch.setattr(UrlProbe, "_get", get)
    monkeypatch.setattr("hookline_conformance.receiver.effects.time.monotonic", lambda: asyncio.get_running_loop().time())

    async def many() -> None:
        probe = UrlProbe("http://192.0.2.1/effects", interval=0.25)
        await asyncio.gather(*(probe.read() for _ in range(4)))

    with asyncio.Runner(loop_factory=lambda: looptime.new_event_loop(noop_cycles=0)) as runner:
        runner.run(many())
    assert [round(later - earlier, 6) for earlier, later in itertools.pairwise(times)] == [0.25] * 3
