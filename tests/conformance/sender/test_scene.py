"""A machine that stands still is not taken for a sender that errs."""

from types import SimpleNamespace
from typing import Any

import pytest

from hookline_conformance.check import NotChecked, Violation
from hookline_conformance.sender import machine, scene
from hookline_conformance.sender.machine import GRACE, Story
from hookline_conformance.sender.scene import SLACK, Scene, TooLate, every_time, in_time
from hookline_conformance.sender.target import SenderTarget

TARGET: Any = None


def play(*outcomes: Exception | None) -> tuple[Any, list[int]]:
    """A check whose scenes end so, one after the other; and which of them were played."""
    played: list[int] = []

    async def check(target: SenderTarget) -> None:
        played.append(len(played))
        if (outcome := outcomes[played[-1]]) is not None:
            raise outcome

    return check, played


VIOLATION = Violation("X-1", expected="a", got="b")


async def test_a_scene_that_came_too_late_is_played_again() -> None:
    check, played = play(TooLate("slow"), TooLate("slow"), None)
    await in_time(check)(TARGET)
    assert played == [0, 1, 2]


async def test_a_violation_in_a_scene_that_was_in_time_is_one() -> None:
    check, played = play(TooLate("slow"), VIOLATION)
    with pytest.raises(Violation):
        await in_time(check)(TARGET)
    assert played == [0, 1]


async def test_what_always_comes_too_late_is_not_checked_and_says_why() -> None:
    check, played = play(*(TooLate(f"slow {number}") for number in range(5)))
    with pytest.raises(NotChecked, match="slow 4"):
        await in_time(check)(TARGET)
    assert len(played) == 5


@pytest.mark.parametrize(("outcomes", "scenes"), [((None,), 1), ((VIOLATION, None), 2), ((VIOLATION, VIOLATION, None), 3)])
async def test_one_scene_of_three_that_holds_is_enough(outcomes: tuple[Exception | None, ...], scenes: int) -> None:
    check, played = play(*outcomes)
    await every_time(check)(TARGET)
    assert len(played) == scenes


async def test_what_every_scene_shows_is_a_violation() -> None:
    check, played = play(VIOLATION, VIOLATION, VIOLATION)
    with pytest.raises(Violation):
        await every_time(check)(TARGET)
    assert len(played) == 3


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A clock that stands until it is set."""
    now = SimpleNamespace(at=100.0, monotonic=lambda: now.at)
    for module in (scene, machine):
        monkeypatch.setattr(module, "time", now)
    return now


def test_a_retry_may_be_out_once_its_shortest_delay_has_passed(clock: Any) -> None:
    def made(*, virtual: bool) -> Scene:
        target: Any = SimpleNamespace(is_virtual=virtual)
        return Scene(target, TARGET, type="a.b", secret="", delays=(1.0,), jitter=0.1)

    clock.at = 100.0 + 0.9 - SLACK - 0.01
    made(virtual=False).before_retry(100.0)
    clock.at += 0.02
    with pytest.raises(TooLate):
        made(virtual=False).before_retry(100.0)
    made(virtual=True).before_retry(0.0)


def test_a_request_may_be_on_its_way_for_as_much_longer_as_this_machine_stood_still(clock: Any) -> None:
    story = Story(TARGET)
    story.model = SimpleNamespace(grace=GRACE)  # type: ignore[assignment]  # what is looked at of it
    story._beat = clock.at
    for seconds, grace in ((machine.BEAT, GRACE), (3.0 + machine.BEAT, GRACE + 3.0), (machine.BEAT, GRACE + 3.0)):
        clock.at += seconds
        story._look_at_the_clock()
        assert story.model.grace == pytest.approx(grace)
