"""One timer for the deadlines of very many at once: of all requests under way, or of all calls.

A timer a request costs more than signing it does. Here it only notes its deadline, and while any is noted
one timer looks at them all, every `TICK` seconds; so a request is cut off at most that late, and never
early.
"""

import asyncio
from types import TracebackType
from typing import Final, Self

TICK: Final = 0.02
"""Seconds."""


class Deadlines:
    """The deadlines of one event loop; `asyncio.timeout` for very many at once."""

    def __init__(self) -> None:
        """None is noted."""
        self._noted: dict[Deadline, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def within(self, seconds: float) -> "Deadline":
        """A context that ends with TimeoutError if it takes longer than `seconds`."""
        return Deadline(self, seconds)

    def note(self, deadline: "Deadline", seconds: float, loop: asyncio.AbstractEventLoop) -> None:
        """Look after a deadline from now on."""
        self._noted[deadline] = loop.time() + seconds
        if self._timer is None:
            self._timer = loop.call_later(min(TICK, seconds), self._look)

    def drop(self, deadline: "Deadline") -> None:
        """It is over."""
        del self._noted[deadline]

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._timer = loop.call_later(TICK, self._look) if self._noted else None
        for deadline in [deadline for deadline, end in self._noted.items() if end <= now]:
            deadline.expire()


class Deadline:
    """One of them; not reusable."""

    __slots__ = ("_all", "_cancelling", "_seconds", "_task", "expired")

    def __init__(self, deadlines: Deadlines, seconds: float) -> None:
        """Begin at `with`."""
        self._all = deadlines
        self._seconds = seconds
        self.expired = False
        """Whether the task was cut off."""
        self._cancelling = 0
        self._task: asyncio.Task[object] | None = None

    def expire(self) -> None:
        """Cut the task off, once."""
        if not self.expired and self._task is not None:
            self.expired = True
            self._task.cancel()

    def __enter__(self) -> Self:
        """Begin; RuntimeError outside of a task."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)  # which asks for the loop again if it is not told
        if task is None:
            raise RuntimeError("only a task can be cut off at a deadline")
        self._task = task
        self._cancelling = task.cancelling()
        self._all.note(self, self._seconds, loop)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End; a cancellation that was ours, and nobody else's, becomes a TimeoutError."""
        self._all.drop(self)
        if self.expired and self._task is not None and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error
