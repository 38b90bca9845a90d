"""Several server processes on one port: each takes a share of the connections, all deliver from one store.

The kernel spreads new connections over them (SO_REUSEPORT). Each is a node like any other: lanes spread
over them, and those of one that dies are taken over by the rest while it is started anew.
"""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Sequence
from typing import Final

import structlog

from hookline_server.listening import CannotListen, addresses, bind_alone, cannot

_log: Final[structlog.stdlib.BoundLogger] = structlog.stdlib.get_logger("hookline.workers")
AGAIN: Final = 1.0
"""Seconds until a worker that ended by itself is started anew."""
LOOK: Final = 0.05
"""Seconds between two looks at whether the first worker takes connections."""
LAST_WORDS: Final = 5.0
"""Seconds beyond the grace for workers to end by themselves."""


def reserve(host: str, port: int) -> socket.socket:
    """A socket that holds the port for the workers and takes no connection itself. Raises CannotListen.

    Another program on the port is noticed here: with SO_REUSEPORT it might share the calls by chance.
    """
    if not hasattr(socket, "SO_REUSEPORT"):
        raise CannotListen("several workers need SO_REUSEPORT, which this system lacks: leave --workers at 1")
    family, address = addresses(host, port)[0]
    try:
        if port:
            bind_alone(family, address)
        held = socket.socket(family, socket.SOCK_STREAM)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(address)
    except OSError as error:
        raise cannot(host, port, error) from error
    return held


class Workers:
    """Starts the processes, starts anew what ends by itself, and ends them all."""

    def __init__(self, command: Sequence[str], number: int, address: tuple[str, int], *, grace: float) -> None:
        """`number` processes that run `command` and listen on `address`; `grace` is how many seconds each may drain."""
        self._command = command
        self._address = address
        self._number = number
        self._grace = grace
        self._stopping = asyncio.Event()
        self._running: set[asyncio.subprocess.Process] = set()

    async def run(self, stop: asyncio.Event) -> int:
        """Until `stop` is set; the exit code: 0, or that of the first worker if it could not start.

        The others start when the first one takes connections: what keeps it from that keeps all from it.
        """
        first = await self._start()
        keeping: list[asyncio.Task[None]] = []
        stopped = asyncio.create_task(stop.wait())
        try:
            if not await self._takes_connections(first, stop):
                return 0 if stop.is_set() else await first.wait()
            keeping.append(asyncio.create_task(self._keep(1, first)))
            keeping += [asyncio.create_task(self._keep(index, await self._start())) for index in range(2, self._number + 1)]
            await asyncio.wait([stopped, *keeping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stopping.set()
            stopped.cancel()
            await self._end()
            await asyncio.gather(*keeping)
        return 0

    async def _takes_connections(self, process: asyncio.subprocess.Process, stop: asyncio.Event) -> bool:
        while process.returncode is None and not stop.is_set():
            try:
                _, writer = await asyncio.open_connection(*self._address)
            except OSError:
                await asyncio.sleep(LOOK)
            else:
                writer.close()
                return True
        return False

    async def _start(self) -> asyncio.subprocess.Process:
        # In a session of its own, so that Ctrl-C reaches it once, from here; its input ends when this process does.
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hookline_server.cli", *self._command, stdin=asyncio.subprocess.PIPE, start_new_session=True
        )
        self._running.add(process)
        if self._stopping.is_set():  # it came too late to be ended with the others
            process.terminate()
        return process

    async def _keep(self, index: int, process: asyncio.subprocess.Process) -> None:
        """One worker, again and again, until all are to end."""
        while True:
            code = await process.wait()
            self._running.discard(process)
            if self._stopping.is_set():
                return
            _log.warning("a worker ended by itself and is started anew", worker=index, pid=process.pid, code=code)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), AGAIN)
                return
            process = await self._start()

    async def _end(self) -> None:
        ending = [asyncio.create_task(process.wait()) for process in self._running]
        for process in list(self._running):
            process.terminate()
        if ending:
            _, late = await asyncio.wait(ending, timeout=self._grace + LAST_WORDS)
            if late:
                for process in list(self._running):
                    _log.warning("a worker does not end and is killed", pid=process.pid)
                    process.kill()
                await asyncio.wait(late)
