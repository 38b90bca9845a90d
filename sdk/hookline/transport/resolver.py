"""Names to addresses, by the system's resolver in threads of our own.

The threads of an event loop are few (libuv's default is four, of which lookups get two), and a lookup blocks its
thread for as long as a name server keeps silent: some ten seconds with the defaults of resolv.conf(5). In those few,
two names that nobody answers for would keep every other receiver's name from being looked up.
"""

import asyncio
import socket
import threading
from collections import Counter
from contextlib import suppress
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

MOST: Final = 64
"""Lookups at once, each in a thread; one name is looked up once for all who wait for it."""

_FLAGS: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class Resolver(AbstractResolver):
    """Resolves by getaddrinfo(3), so as the machine is set up to. It belongs to one event loop."""

    def __init__(self) -> None:
        """Make a resolver; no thread is started yet."""
        self._turns = asyncio.Semaphore(MOST)
        self._under_way: Counter[str] = Counter()

    def is_resolving(self, host: str) -> bool:
        """Whether the name is being looked up at this moment, or waits for that."""
        return self._under_way[host] > 0

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        """The addresses of `host`, in the system's order of preference. Raises socket.gaierror."""
        self._under_way[host] += 1
        try:
            async with self._turns:
                return await _in_a_thread(host, port, family)
        finally:
            self._under_way[host] -= 1
            if not self._under_way[host]:
                del self._under_way[host]

    async def close(self) -> None:
        """Lookups under way end by themselves: a thread that waits for a name server keeps no process from its end."""


async def _in_a_thread(host: str, port: int, family: int) -> list[ResolveResult]:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[ResolveResult]] = loop.create_future()

    def tell(found: list[ResolveResult] | Exception) -> None:
        if answer.done():  # nobody waits any more
            return
        if isinstance(found, Exception):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def run() -> None:
        found: list[ResolveResult] | Exception
        try:
            found = _look_up(host, port, family)
        except Exception as error:  # noqa: BLE001  # whoever asked gets it
            found = error
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(tell, found)

    # No pool: its threads would be waited for when the process ends.
    threading.Thread(target=run, name="hookline-resolver", daemon=True).start()
    return await answer


def _look_up(host: str, port: int, family: int) -> list[ResolveResult]:
    found: list[ResolveResult] = []
    for kind, _, protocol, _, address in socket.getaddrinfo(
        host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    ):
        if kind == socket.AF_INET6 and len(address) == 4 and address[3]:  # link-local: the zone belongs to the address
            numeric = socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]
        else:
            numeric = str(address[0])
        found.append(ResolveResult(hostname=host, host=numeric, port=port, family=kind, proto=protocol, flags=_FLAGS))
    return found
