"""The receiver of every subscription: it keeps an account of what it took, and turns away a part."""

import asyncio
import random
import time
from collections import Counter, defaultdict
from typing import Final, Self
from zlib import crc32

FAILS: Final = 0.02
"""Of the requests."""
TIMELY: Final = 60.0
"""Seconds; clocks are off by more than that, and nothing is held up for as long between its signature and its arrival."""
SLOWEST: Final = 0.05
"""Seconds until an answer."""
DAWDLES: Final = 50
"""One event of so many is answered late, whoever sends it: it is on the wire when its lane changes hands, and after that."""
DAWDLING: Final = (1.0, 3.0)
"""Seconds until an answer to one of those."""


class Receiver:
    """Takes what is sent to `/<name>` for the subscription of that name."""

    def __init__(self, seed: int) -> None:
        """Turn away what the seed says."""
        self._dice = random.Random(seed)
        self._server: asyncio.Server | None = None
        self.taken: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.requests = 0
        self.untimely: list[str] = []
        """Requests whose signature's time is off by more than `TIMELY`."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1_024)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    def url(self, name: str) -> str:
        """Where the subscription `name` sends."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/{name}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
                await reader.readexactly(int(headers["content-length"]))
                self.requests += 1
                if abs(float(headers["webhook-timestamp"]) - time.time()) > TIMELY:
                    self.untimely.append(headers["webhook-id"])
                fails = self._dice.random() < FAILS
                slow = crc32(headers["webhook-id"].encode()) % DAWDLES == 0
                await asyncio.sleep(self._dice.uniform(*(DAWDLING if slow else (0.0, SLOWEST))))
                if not fails:
                    self.taken[first.split()[1].strip("/")][headers["webhook-id"]] += 1
                writer.write(b"HTTP/1.1 %d x\r\ncontent-length: 0\r\n\r\n" % (500 if fails else 204))
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()
