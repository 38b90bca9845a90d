"""The embedded SDK on a store of its own, in real time: what virtual.py cannot show."""

import asyncio
import os
import ssl
from dataclasses import replace

from conformance.sender.virtual import SHORTEST_TIMEOUT, EmbeddedAdapter

import hookline
from hookline.engine import EngineConfig
from hookline.model.policy import STANDARD
from hookline.transport import AiohttpTransport, GuardPolicy
from hookline_conformance import Binds, Mode, Options, load_catalogue
from hookline_conformance.sender.adapter import Capabilities, Feature
from hookline_conformance.sender.certificates import trusted

EVERYTHING = os.environ.get("CONFORMANCE_STORES", "") == "everything"
"""CONFORMANCE_STORES=everything asks for the requirements, too, that no store has a part in, and for the full run of all."""
MODE = Mode.FULL if EVERYTHING else Mode.QUICK
KEEPING = frozenset({"EMI", "IDM", "ORD", "ROT", "SUB"})
KEPT = frozenset({"RTY-114", "RTY-115", "RTY-116"})
"""What a sender has to remember: the areas, and of retries those that outlive its process."""


def options(seed: int) -> Options:
    """A quick run of what a store has a part in, or a full one of everything."""
    kept = {item.id for item in load_catalogue().binding(Binds.SENDER) if item.area in KEEPING} | KEPT
    return Options(seed=seed, mode=MODE, only=frozenset() if EVERYTHING else frozenset(kept))


class StoredAdapter(EmbeddedAdapter):
    """`hookline.open(store)`, which is closed and opened again for a restart."""

    def __init__(self, store: str) -> None:
        super().__init__()
        self._location = store

    async def open(self) -> Capabilities:
        self._thread.start()
        await self._start()
        lacks = {Feature.VIRTUAL_CLOCK, Feature.GUARD, Feature.KILL}
        return Capabilities(
            name="hookline, embedded",
            features=frozenset(set(Feature) - lacks),
            schedule=STANDARD.schedule.delays,
            shortest_timeout=SHORTEST_TIMEOUT,
        )

    async def _start(self) -> None:
        tls = ssl.create_default_context(cadata=trusted().pem.decode())

        async def make() -> None:
            self._transport = AiohttpTransport(guard=GuardPolicy(allow_loopback=True), tls=tls)
            config = replace(EngineConfig(), allow_http_loopback=True)
            self._client = hookline.open(self._location, tenant="", config=config, transport=self._transport)
            await self._client.start()

        await self._run(make())

    async def close(self) -> None:
        if not self._thread.is_alive():
            return
        await self._stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join)
        self._loop.close()
