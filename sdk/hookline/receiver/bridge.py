"""From the threads of a WSGI server to the event loop that receivers live on."""

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from hookline.receiver.answer import Answer
from hookline.receiver.headers import Headers
from hookline.receiver.intake import whole
from hookline.receiver.receiver import Receiver

T = TypeVar("T")


class Bridge:
    """An event loop in one daemon thread of this process, made when it is first used; a forked process has its own."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run `coroutine` on the loop, and wait for it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._here()).result()

    def answer(self, receiver: Receiver, *, method: str, url: str, headers: Headers, body: bytes) -> Answer:
        """What `receiver` answers to a request that has been read."""
        return self.call(receiver.receive(method=method, url=url, headers=headers, chunks=whole(body)))

    def _here(self) -> asyncio.AbstractEventLoop:
        if self._pid != os.getpid():
            # A lock that another thread of the parent held at the fork would never open here.
            self._guard, self._loop, self._pid = threading.Lock(), None, os.getpid()
        with self._guard:
            if self._loop is None or self._thread is None or not self._thread.is_alive():
                if self._loop is not None:
                    self._loop.close()
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="hookline-receiver", daemon=True)
                self._thread.start()
            return self._loop


bridge: Final = Bridge()
"""One for all views of a process: receivers that share an inbox share its loop."""
