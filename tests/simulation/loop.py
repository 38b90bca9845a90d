"""An event loop without a world outside: time passes only when nothing is left to do, and every step belongs to a process.

A step is what a loop runs at once: what stands between two awaits of a task, or a timer. So a process can
be killed between any two awaits, or stopped there and made to go on later, exactly as the operating system
does it: none of its steps runs, and everybody else's do.
"""

import asyncio
import contextlib
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVar

T = TypeVar("T")

RESOLUTION = 1e-9
"""Seconds; timers that are so close together are one."""


class Deadlock(RuntimeError):
    """Everybody waits for somebody, and no timer is set."""


class Process:
    """Whatever runs under its name; it can be killed, and stopped for a while."""

    def __init__(self, name: str, loop: "Loop") -> None:
        self.name = name
        self.steps = 0
        self.dead = False
        self.stopped = False
        self.thawed_at = -1.0
        """When it last went on after a stop."""
        self.strike_at = 0
        """The step before which `strike` is called."""
        self.strike: Callable[[], None] = lambda: None
        self.died = asyncio.Event()
        self._loop = loop
        self._backlog: deque[asyncio.Handle] = deque()
        self.tasks: list[asyncio.Task[Any]] = []
        self.context = copy_context()
        self.context.run(_process.set, self)

    def spawn(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Run something as this process."""
        return asyncio.create_task(work, context=self.context.copy())

    def kill(self) -> None:
        """kill -9."""
        self.dead = True
        self._backlog.clear()
        self.died.set()

    def stop(self) -> None:
        """SIGSTOP."""
        self.stopped = True

    def thaw(self) -> None:
        """SIGCONT: what came due meanwhile runs at once."""
        self.stopped, self.thawed_at = False, self._loop.time()
        self._loop.ready.extend(self._backlog)
        self._backlog.clear()

    def runs(self, step: asyncio.Handle) -> bool:
        """Whether `step` runs now; if not, it is kept for later or dropped."""
        if not self.dead and not self.stopped:
            self.steps += 1
            if self.steps == self.strike_at:
                self.strike()
        if self.stopped and not self.dead:
            self._backlog.append(step)
        return not (self.dead or self.stopped)


_process: ContextVar[Process | None] = ContextVar("process", default=None)


def current() -> Process | None:
    """Whose step is running; None for the world's own."""
    return _process.get()


class _Step(asyncio.Handle):
    __slots__ = ("process",)
    process: Process | None

    def _run(self) -> None:
        if self.process is None or self.process.runs(self):
            super()._run()


class _Timer(asyncio.TimerHandle):
    __slots__ = ("process",)
    process: Process | None

    def _run(self) -> None:
        if self.process is None or self.process.runs(self):
            super()._run()


class _Task(asyncio.Task[Any]):
    """Hashed by the order in which they were made, so that sets of them have the same order in every run."""

    def __init__(self, coro: Any, *, number: int, **options: Any) -> None:
        self.number = number
        super().__init__(coro, **options)
        self._log_destroy_pending = False

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


class _Future(asyncio.Future[Any]):
    """As `_Task`."""

    def __init__(self, *, number: int, loop: "Loop") -> None:
        self.number = number
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


class _Nothing:
    """Stands where a selector would: no file is ever ready, and to wait is to let time pass."""

    def __init__(self, loop: "Loop") -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Deadlock("everybody waits, and nothing is due")
        self._loop.now += timeout
        return []


class Loop(asyncio.BaseEventLoop):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.over = False
        """Nothing is run any more; what is collected as garbage may still ask for it."""
        self.faults: list[str] = []
        """What nobody caught."""
        self.tasks: list[asyncio.Task[Any]] = []
        """Those of a dead process stay where they are, so that nothing of them is run by whoever collects garbage."""
        self._clock_resolution = RESOLUTION
        self._selector = _Nothing(self)
        self._numbers = itertools.count(1)
        self.set_task_factory(_make_task)
        self.set_exception_handler(self._uncaught)

    @property
    def ready(self) -> "deque[asyncio.Handle]":
        """Steps that run next."""
        return self._ready  # type: ignore[attr-defined,no-any-return]  # the base class's own queue

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:
        if context is None:
            context = copy_context()
        step = _Step(callback, args, self, context)
        step.process = context.get(_process)
        if not self.over:
            self.ready.append(step)
        return step

    call_soon_threadsafe = call_soon

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> asyncio.TimerHandle:
        if context is None:
            context = copy_context()
        timer = _Timer(when, callback, args, self, context)
        timer.process = context.get(_process)
        if not self.over:
            timer._scheduled = True
            heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]  # the base class's own heap
        return timer

    def call_later(self, delay: float, callback: Any, *args: Any, context: Context | None = None) -> asyncio.TimerHandle:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def create_future(self) -> "asyncio.Future[Any]":
        return _Future(number=next(self._numbers), loop=self)

    def number(self) -> int:
        """The next one."""
        return next(self._numbers)

    def _process_events(self, event_list: Any) -> None:
        del event_list

    def _write_to_self(self) -> None:
        """Nobody calls from another thread."""

    def _uncaught(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        del loop
        if not self.over:
            self.faults.append(f"{context.get('message')}: {context.get('exception')!r}")


def _make_task(
    loop: asyncio.AbstractEventLoop, coro: Generator[Any, None, T] | Coroutine[Any, Any, T], **options: Any
) -> "asyncio.Task[T]":
    assert isinstance(loop, Loop)
    if loop.over:
        coro.close()
        return loop.create_future()  # type: ignore[return-value]  # nobody waits for it any more
    task = _Task(coro, number=loop.number(), loop=loop, **options)
    process = (options.get("context") or copy_context()).get(_process)
    loop.tasks.append(task)
    if process is not None:
        process.tasks.append(task)
    return task


def _end(loop: Loop) -> None:
    """Close what is left, while nothing that it does can have an effect."""
    loop.over = True
    for task in loop.tasks:
        if not task.done():
            with contextlib.suppress(RuntimeError):  # it waits for something even as it ends
                task.get_coro().close()  # type: ignore[union-attr]  # a coroutine, as all of ours are


def live(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run something on a loop of its own, from time 0 on."""
    loop = Loop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(make())
    finally:
        _end(loop)
        asyncio.set_event_loop(None)
        loop.close()
