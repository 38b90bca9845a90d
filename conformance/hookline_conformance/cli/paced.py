"""Calls that take their time, so that another machine is not flooded."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Final, ParamSpec, TypeVar

_Parameters = ParamSpec("_Parameters")
_Answer = TypeVar("_Answer")
_Called = TypeVar("_Called")

ADAPTER_CALLS: Final = ("configure", "secret", "emit", "delete", "attempts", "rotate", "pause", "resume", "update")
"""Of a sender's adapter: each makes a request or a few. `close` must not be held up."""
API_CALLS: Final = ("call",)
"""Of the API's target."""


def paced(called: _Called, names: Collection[str], interval: float) -> _Called:
    """`called` itself, whose methods `names` from now on start at least `interval` seconds apart; 0 changes nothing."""
    if interval:
        turns = _Turns(interval)
        for name in names:
            setattr(called, name, turns.held(getattr(called, name)))
    return called


class _Turns:
    """Gives turns that are `interval` seconds apart."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._next = 0.0

    def held(self, call: Callable[_Parameters, Awaitable[_Answer]]) -> Callable[_Parameters, Awaitable[_Answer]]:
        """`call`, which first waits for its turn."""

        async def wait_and_call(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Answer:
            now = asyncio.get_running_loop().time()
            turn = max(now, self._next)
            self._next = turn + self._interval
            await asyncio.sleep(turn - now)
            return await call(*args, **kwargs)

        return wait_and_call
