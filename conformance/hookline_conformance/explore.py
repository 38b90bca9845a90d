"""Generated examples: Hypothesis drives coroutines that run on the suite's event loop.

Hypothesis is synchronous. It runs in a thread of its own, and each example is handed to the loop and
waited for; so the target's connections and scripted peers all live on one loop.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from enum import StrEnum
from threading import Event
from typing import Any, Final, TypeVar, cast

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from hypothesis.strategies import SearchStrategy

_T = TypeVar("_T")
_Value = TypeVar("_Value")
_SHRINK_SECONDS: Final = 20.0


class Mode(StrEnum):
    """How much is tried."""

    QUICK = "quick"
    FULL = "full"
    THOROUGH = "thorough"


_EXAMPLES: Final = {Mode.QUICK: 12, Mode.FULL: 60, Mode.THOROUGH: 600}
_STEPS: Final = {Mode.QUICK: 8, Mode.FULL: 20, Mode.THOROUGH: 50}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Seed and amount of one check's examples: the same plan gives the same examples."""

    seed: int = 0
    mode: Mode = Mode.FULL
    safe: bool = False

    def for_check(self, name: str) -> "Plan":
        """The plan of one check, whose examples do not depend on which other checks run."""
        digest = hashlib.sha256(f"{self.seed}:{name}".encode()).digest()
        return replace(self, seed=int.from_bytes(digest[:8], "big"))

    def examples(self, share: float = 1.0) -> int:
        """How many examples, at least two; `share` scales for a check whose examples cost more or less."""
        return max(2, round(_EXAMPLES[self.mode] * share * (0.25 if self.safe else 1.0)))

    def settings(self, share: float = 1.0) -> settings:
        """Hypothesis' settings: no database, no deadline, no health checks, since a target may be slow."""
        return settings(
            max_examples=self.examples(share),
            stateful_step_count=_STEPS[self.mode],
            database=None,
            deadline=None,
            derandomize=False,
            verbosity=Verbosity.quiet,
            report_multiple_bugs=False,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        )


class _Stopped(BaseException):
    """Ends a Hypothesis run at once, since it is no `Exception`; its cause is what stopped it."""


class Portal:
    """Runs coroutines on the suite's loop from Hypothesis' thread, and keeps the smallest failure.

    Hypothesis tries only smaller inputs once one failed, so the last failure is the smallest. Those of
    `fails` are failures to shrink; any other exception ends the run at once.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, fails: tuple[type[Exception], ...]) -> None:
        self._loop = loop
        self._fails = fails
        self._stopping = Event()
        self._first_failure: float | None = None
        self.smallest: Exception | None = None

    def __call__(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Wait for the coroutine's result; what it raises is raised here."""
        if self._stopping.is_set():
            coroutine.close()
            raise _Stopped
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()
        except self._fails as failure:
            self.smallest = failure
            if self._first_failure is None:
                self._first_failure = time.monotonic()
            raise
        except Exception as error:
            raise _Stopped from error

    @property
    def spent(self) -> bool:
        """Whether the time to shrink is over: further examples are passed over, and the smallest so far stands."""
        return self._first_failure is not None and time.monotonic() - self._first_failure > _SHRINK_SECONDS

    def stop(self) -> None:
        """Let no further coroutine start."""
        self._stopping.set()


async def _explore(portal: Portal, run: Callable[[], object]) -> None:
    try:
        await asyncio.to_thread(run)
    except _Stopped as stopped:
        if stopped.__cause__ is not None:
            raise stopped.__cause__ from None
        raise
    except Exception:
        # A failure that does not come again (Hypothesis calls it flaky) is one all the same.
        if portal.smallest is None:
            raise
        raise portal.smallest from None
    finally:
        portal.stop()


async def for_all(
    plan: Plan,
    strategy: SearchStrategy[_Value],
    law: Callable[[_Value], Awaitable[None]],
    *,
    fails: tuple[type[Exception], ...],
    share: float = 1.0,
    describe: Callable[[_Value], str] = repr,
) -> None:
    """Hold a law against generated values; raises the smallest failure found, its `example` set.

    `law` runs on the caller's loop, one value at a time. `fails` is what counts as a failure of the law;
    any other exception ends the search and is raised as it is.
    """
    portal = Portal(asyncio.get_running_loop(), fails)

    async def attempt(value: _Value) -> None:
        try:
            await law(value)
        except fails as failure:
            if not getattr(failure, "example", None):
                failure.example = describe(value)  # type: ignore[attr-defined]  # Violation has it; others gain it
            raise

    def body(value: _Value) -> None:
        if not portal.spent:
            portal(attempt(value))

    test = seed(plan.seed)(plan.settings(share)(given(strategy)(body)))
    await _explore(portal, test)


async def run_machine(
    plan: Plan,
    machine: Callable[[Portal], RuleBasedStateMachine],
    *,
    fails: tuple[type[Exception], ...],
    share: float = 1.0,
) -> None:
    """Run a rule-based state machine whose rules call `portal(coroutine)`; raises the smallest failure found.

    `machine` makes a new one for each sequence.
    """
    portal = Portal(asyncio.get_running_loop(), fails)

    def factory() -> RuleBasedStateMachine:
        return machine(portal)

    seed(plan.seed)(factory)
    await _explore(
        portal, lambda: run_state_machine_as_test(cast("type[RuleBasedStateMachine]", factory), settings=plan.settings(share))
    )
