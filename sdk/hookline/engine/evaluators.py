"""Processes that evaluate what is not provably cheap, so that it takes no other delivery's time or memory.

They are started when they are first needed, killed when a task takes too long, and replaced when needed
again. One subscription has one at a time, one tenant at most half of them: what waits, waits for its own.
"""

import asyncio
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from typing import Final

import msgspec

from hookline.body.cel_process import LENGTH, Done, Kind, task
from hookline.body.cel_values import ShapingError
from hookline.model import Event

PROCESSES: Final = 4
DEADLINE: Final = 2.0
"""Seconds for one task, from when a process has it."""
START: Final = 30.0
"""Seconds until a process must be ready."""
LARGEST_ANSWER: Final = 1024 * 1024
INHERITED: Final = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "LANG", "TMPDIR")
"""Of the environment; the rest may hold secrets."""

Key = tuple[str, str]
"""Tenant and subscription."""


class _Gone(Exception):
    """The process has ended."""


class _Process:
    """One of them, and the way to it."""

    def __init__(self, child: "subprocess.Popen[bytes]", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._child = child
        self._reader = reader
        self._writer = writer

    async def answer(self) -> Done:
        """The next frame. Raises _Gone."""
        try:
            (length,) = LENGTH.unpack(await self._reader.readexactly(LENGTH.size))
            if length > LARGEST_ANSWER:
                raise _Gone
            return msgspec.msgpack.decode(await self._reader.readexactly(length), type=Done)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise _Gone from error

    async def perform(self, frame: bytes) -> Done:
        """Do a task. Raises _Gone."""
        self._writer.write(frame)
        return await self.answer()

    def kill(self) -> None:
        """End it, whatever it does."""
        self._writer.close()
        self._child.kill()
        self._child.wait()  # it is gone at once: nothing to hold it up


class Evaluators:
    """The pool of one engine."""

    def __init__(self, *, processes: int = PROCESSES, deadline: float = DEADLINE) -> None:
        """Nothing is started. `deadline` is in seconds."""
        self._most = processes
        self._deadline = deadline
        self._idle: list[_Process] = []
        self._all: set[_Process] = set()
        self._busy: set[Key] = set()
        self._busy_of: Counter[str] = Counter()
        self._running = 0
        self._changed = asyncio.Condition()
        self._closed = False
        self.started = 0
        """Processes so far."""

    async def perform(
        self,
        key: Key,
        kind: Kind,
        sources: tuple[str, ...],
        event: Event,
        *,
        patience: float,
    ) -> Done:
        """Do a task for the subscription `key`, when it is its turn. Raises ShapingError if it is not done.

        `patience` is in seconds, for the turn to come.
        """
        frame = task(kind, sources, self._deadline, event)
        async with self._changed:
            try:
                async with asyncio.timeout(patience):
                    await self._changed.wait_for(self._free(key))
            except TimeoutError:
                said = f"the {kind} was not evaluated within {patience:g} s: others of its subscription or tenant take too long"
                raise ShapingError(said) from None
            self._busy.add(key)
            self._busy_of[key[0]] += 1
            self._running += 1
        try:
            done = await self._on_some_process(kind, frame)
        finally:
            self._busy.discard(key)
            self._busy_of[key[0]] -= 1
            self._running -= 1
            if not self._busy_of[key[0]]:
                del self._busy_of[key[0]]
            await asyncio.shield(self._tell())
        if done.fault is not None:
            raise ShapingError(done.fault)
        return done

    async def close(self) -> None:
        """End all processes."""
        self._closed = True
        for process in list(self._all):
            process.kill()
        self._all.clear()
        self._idle.clear()

    def _free(self, key: Key) -> Callable[[], bool]:
        share = max(1, self._most // 2)
        return lambda: self._running < self._most and key not in self._busy and self._busy_of[key[0]] < share

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _on_some_process(self, kind: str, frame: bytes) -> Done:
        if self._closed:
            raise ShapingError(f"the {kind} was not evaluated: the engine stops")
        process = self._idle.pop() if self._idle else await self._start()
        try:
            async with asyncio.timeout(self._deadline):
                done = await process.perform(frame)
        except TimeoutError:
            self._drop(process)
            raise ShapingError(f"the {kind} took longer than {self._deadline:g} s and was stopped") from None
        except _Gone:
            self._drop(process)
            raise ShapingError(f"the {kind} ended the process that evaluated it; it needs too much memory") from None
        except BaseException:
            self._drop(process)
            raise
        self._idle.append(process)
        return done

    async def _start(self) -> _Process:
        ours, theirs = socket.socketpair()
        child: subprocess.Popen[bytes] | None = None
        try:
            with theirs:
                child = await asyncio.to_thread(_spawn, theirs)
            reader, writer = await _opened(ours)
        except BaseException as error:
            ours.close()
            if child is not None:
                child.kill()
                child.wait()
            if isinstance(error, OSError):
                raise ShapingError(f"no process to evaluate in could be started: {error}") from error
            raise
        process = _Process(child, reader, writer)
        self._all.add(process)
        self.started += 1
        try:
            async with asyncio.timeout(START):
                await process.answer()
        except (TimeoutError, _Gone):
            self._drop(process)
            raise ShapingError("a process to evaluate in was started, and does not answer") from None
        except BaseException:
            self._drop(process)
            raise
        return process

    def _drop(self, process: _Process) -> None:
        self._all.discard(process)
        process.kill()


def _spawn(theirs: socket.socket) -> "subprocess.Popen[bytes]":
    """A new interpreter: nothing of this process is in it, neither its memory nor its main module."""
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    return subprocess.Popen(
        [sys.executable, "-c", "from hookline.body.cel_process import main; main()"],
        stdin=theirs.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )


async def _opened(ours: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    ours.setblocking(False)
    if hasattr(socket, "AF_UNIX") and ours.family is socket.AF_UNIX:
        return await asyncio.open_unix_connection(sock=ours)
    return await asyncio.open_connection(sock=ours)
