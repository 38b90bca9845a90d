"""Threads for handlers and databases that block; a forked process has its own."""

import asyncio
import contextvars
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """A pool of `most` threads, made when it is first used in a process."""

    def __init__(self, name: str, most: int) -> None:
        self._name: Final = name
        self._most: Final = most
        self._pool: ThreadPoolExecutor | None = None
        self._pid = 0

    async def run(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Call it in a thread, with the context of the caller."""
        if self._pool is None or self._pid != os.getpid():
            self._pool, self._pid = ThreadPoolExecutor(self._most, thread_name_prefix=self._name), os.getpid()
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: context.run(function, *arguments, **named))

    def close(self) -> None:
        """Let the threads end when they have done what they are doing."""
        pool, self._pool = self._pool, None
        if pool is not None and self._pid == os.getpid():
            pool.shutdown(wait=False)
