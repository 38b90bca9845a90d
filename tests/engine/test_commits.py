"""How long a commit waits for company: not at all for one caller, a little under load, longer when the thread is short of time."""

import asyncio
import gc
import math
from collections.abc import Sequence
from pathlib import Path
from time import thread_time

import psutil
import pytest
from engine.virtual import now, virtual, world
from hypothesis import given
from hypothesis import strategies as st

from hookline.clock import SystemClock
from hookline.engine import strain
from hookline.engine.batcher import LONGEST_WAIT, SHORTEST_WAIT, STRAINED_WAIT, Batcher
from hookline.engine.strain import SHARE, SPAN, Strain, Wanted
from hookline.model import EventSpec

COMMIT = 0.001
"""Seconds that a commit takes here, if nothing else is said."""


class Thread:
    """A thread that computes for a part of the time: `share` of it."""

    def __init__(self, share: float) -> None:
        self.share = share
        self._since = self._used = 0.0

    def turn(self, share: float) -> None:
        self._used, self._since, self.share = self.processor(), now(), share

    def processor(self) -> float:
        return self._used + self.share * (now() - self._since)

    def strain(self) -> Strain:
        return Strain(now, self.processor)


class Commits:
    """Flushes that take a while, and when each began and was over."""

    def __init__(self, looking: Strain, seconds: float = COMMIT) -> None:
        self._seconds = seconds
        self.batcher: Batcher[int, int] = Batcher(self._flush, strain=looking, limit=1_000)
        self.times: list[tuple[float, float]] = []
        self.sizes: list[int] = []

    async def _flush(self, batch: Sequence[int]) -> Sequence[int]:
        began = now()
        await asyncio.sleep(self._seconds)
        self.times.append((began, now()))
        self.sizes.append(len(batch))
        return batch

    async def steadily(self, seconds: float) -> None:
        """One item a millisecond, whose callers do not wait for each other."""
        for number in range(int(seconds * 1000)):
            self.batcher.submit([number])
            await asyncio.sleep(0.001)
        await self.batcher.drain()

    def waits(self) -> list[float]:
        """Seconds between one flush and the next."""
        return [begun - over for (_, over), (begun, _) in zip(self.times, self.times[1:], strict=False)]


@given(st.lists(st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)), max_size=20))
def test_a_thread_is_short_of_time_if_it_computed_for_most_of_the_last_span(steps: list[tuple[float, float]]) -> None:
    passed = used = since = before = 0.0
    looking = Strain(lambda: passed, lambda: used)
    expected = False
    for seconds, share in steps:
        passed += seconds
        used += seconds * share
        if passed - since >= SPAN:
            expected = used - before >= SHARE * (passed - since)
            since, before = passed, used
        assert looking.high is expected


def test_a_clock_of_a_tests_own_knows_no_strain_and_the_systems_does() -> None:
    class Still:
        def time(self) -> float:
            return 0.0

        def monotonic(self) -> float:
            return math.inf

    assert not Strain.of(Still()).high
    looking = Strain.of(SystemClock())
    looking.high  # noqa: B018  # the first look is where it begins to measure
    while not looking.high:
        sum(range(10_000))


def test_what_a_thread_wanted_is_at_least_what_it_got_with_or_without_the_systems_word(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wanted = Wanted()
    before, used = wanted(), thread_time()
    sum(range(1_000_000))
    got = thread_time() - used
    assert wanted() - before >= got
    for text in (None, b"", b"nothing known\n", b"1\n"):
        if text is not None:
            (tmp_path / "schedstat").write_bytes(text)
        monkeypatch.setattr(strain, "SCHEDULER", tmp_path / "schedstat")
        used = thread_time()
        assert used <= Wanted()() <= thread_time()
    (tmp_path / "schedstat").write_bytes(b"7 3000000000 1\n")
    used = thread_time()
    assert used + 3.0 <= Wanted()() <= thread_time() + 3.0


def test_what_the_system_tells_is_let_go_of_with_who_asked() -> None:
    gc.collect()
    before = psutil.Process().num_fds()
    many = [Wanted() for _ in range(50)]
    for wanted in many:
        wanted()
    if strain.SCHEDULER.exists():
        assert psutil.Process().num_fds() >= before + 50
    del many, wanted
    gc.collect()
    assert psutil.Process().num_fds() <= before


@virtual
async def test_under_load_a_commit_waits_a_little_and_longer_only_while_the_thread_is_short_of_time() -> None:
    thread = Thread(share=0.5)
    commits = Commits(thread.strain())
    await commits.steadily(1.0)
    assert math.isclose(max(commits.waits()), LONGEST_WAIT)

    commits.times.clear()
    thread.turn(0.9)
    await commits.steadily(1.0)
    assert math.isclose(max(commits.waits()), STRAINED_WAIT)
    assert commits.waits()[-1] == max(commits.waits())

    commits.times.clear()
    thread.turn(0.1)
    await commits.steadily(SPAN + STRAINED_WAIT)
    commits.times.clear()
    await commits.steadily(1.0)
    assert max(commits.waits()) <= LONGEST_WAIT + 1e-9


@virtual
async def test_a_commit_waits_no_longer_once_the_thread_has_nothing_else_to_do() -> None:
    thread = Thread(share=1.0)
    commits = Commits(thread.strain())
    await commits.steadily(1.0)
    assert math.isclose(commits.waits()[-1], STRAINED_WAIT)

    waited = now()
    commits.batcher.submit([0])
    thread.turn(0.0)  # for what was measured last, it is short of time still
    await commits.batcher.submit([1])
    assert math.isclose(commits.times[-1][0] - waited, SHORTEST_WAIT)


@virtual
async def test_while_the_thread_is_short_of_time_any_company_is_worth_the_wait() -> None:
    thread = Thread(share=0.5)
    commits = Commits(thread.strain(), seconds=20 * COMMIT)
    await commits.steadily(1.0)
    assert max(commits.waits()) < LONGEST_WAIT  # far more come during a commit than a wait could gain

    commits.times.clear()
    thread.turn(1.0)
    await commits.steadily(2.0)
    assert math.isclose(max(commits.waits()), STRAINED_WAIT)


@virtual
async def test_whoever_emits_one_after_the_other_never_waits_however_short_of_time_the_thread_is() -> None:
    commits = Commits(Thread(share=1.0).strain())
    for number in range(100):
        asked = now()
        assert await commits.batcher.submit([number]) == [number]
        assert commits.times[-1][0] == asked
    assert commits.sizes == [1] * 100


@virtual
async def test_every_caller_gets_its_own_results_whatever_waits() -> None:
    commits = Commits(Thread(share=1.0).strain())

    async def caller(number: int) -> None:
        for turn in range(20):
            items = [number * 100 + turn] * (1 + number % 3)
            assert await commits.batcher.submit(items) == items

    async with asyncio.TaskGroup() as callers:
        for number in range(16):
            callers.create_task(caller(number))
    await commits.batcher.drain()
    assert commits.batcher.load == 0


@virtual
async def test_a_request_is_on_its_way_before_whoever_emitted_the_event_goes_on() -> None:
    async with world() as w:
        await w.subscribe("/a")
        await w.client.emit_event(EventSpec(type="a", data=b"{}"))
        assert [seen.path for seen in w.receiver.seen] == ["/a"]


@virtual
async def test_what_was_submitted_when_a_commit_was_cancelled_before_it_began_goes_into_the_next_one() -> None:
    commits = Commits(Thread(0.0).strain())
    first = commits.batcher.submit([1])
    assert commits.batcher._task is not None
    commits.batcher._task.cancel()
    await commits.batcher.drain()
    assert not first.done()
    assert await commits.batcher.submit([2]) == [2]
    assert await first == [1]
    await commits.batcher.drain()
