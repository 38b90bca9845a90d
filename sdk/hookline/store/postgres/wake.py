"""Wakes between processes by NOTIFY; a hint: what gets lost costs latency only, and a poll bounds it.

Each node has a channel, and all share one. Notifications go out after the commit and beside it, in
transactions of their own: inside, each would hold a lock on the whole server's queue over the commit.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import asyncpg

from hookline.errors import HooklineError
from hookline.store.postgres import faults
from hookline.store.postgres.address import Address
from hookline.store.postgres.pool import Connection, Pool, connect
from hookline.store.postgres.queue import Snapshot
from hookline.store.postgres.statements import load
from hookline.store.protocol import LaneKey, Wake, WakeKind
from hookline.store.sqlite.wake import decode, encode

LOGGER: Final = logging.getLogger(__name__)
EVERYBODY: Final = -1
"""A wake for every living node."""
CHANNEL: Final = "hookline"
LONGEST: Final = 7_900
"""Bytes of a payload; PostgreSQL takes less than 8,000."""
AGAIN: Final = 1.0
"""Seconds between two tries to listen."""
CHECK: Final = 15.0
"""Seconds of silence after which the listening connection is asked whether it is there: a dead one may not tell."""
ANSWER: Final = 5.0
"""Seconds that it may take over that."""
LOOK: Final = 60.0
"""Seconds between two looks at everything, in case a wake got lost of something that the poll does not see."""
POOLED_LOOK: Final = 10.0
"""The same where a pooler lets no wakes through."""
MARK: Final = 8
"""Characters of a store's own mark, by which it passes over what it said itself."""

_SQL: Final = load("core")
_NODES: Final = load("nodes")


class Seen(NamedTuple):
    """How far the last poll saw: all below `pos` but the transactions that were under way, in one life of the server."""

    born: str
    pos: int
    under_way: tuple[int, ...]


def channel(node: int) -> str:
    """The channel of a node, or of all."""
    return CHANNEL if node == EVERYBODY else f"{CHANNEL}_{node}"


class Wakes:
    """Tells the listeners of this process, and those of others."""

    def __init__(self, pool: Pool, address: Address, floor: float | None) -> None:
        """Nobody listens yet. `floor`: seconds between polls, None for no polls."""
        self._pool = pool
        self._address = address
        self._floor = floor
        self._mark = uuid.uuid4().hex[:MARK]
        self._listeners: dict[int, Callable[[Wake], None]] = {}
        self._channels: dict[str, None] = {}
        self._ear: Connection | None = None
        self._ear_is_used = asyncio.Lock()
        self._outgoing: dict[tuple[str, str], None] = {}
        self._sender: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._seen = Seen("", 0, ())

    # To others and to ourselves.

    def post(self, node: int, wake: Wake) -> None:
        """Wake `node` (or EVERYBODY), here or elsewhere."""
        loop = asyncio.get_running_loop()
        if node == EVERYBODY:
            for heard in self._listeners.values():
                loop.call_soon(heard, wake)
        elif node in self._listeners:
            loop.call_soon(self._listeners[node], wake)
            return
        payload = encode(wake).decode()
        if len(payload.encode()) + MARK > LONGEST:
            payload = encode(Wake(WakeKind.LOOK)).decode()
        self._outgoing[channel(node), self._mark + payload] = None
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send(), name="hookline-notify")

    def owner(self, owner: int | None, living: bool, wake: Wake) -> None:
        """Wake the owner of a lane; if nobody owns it, whoever lives may sweep."""
        if living and owner is not None:
            self.post(owner, wake)
        else:
            self.post(EVERYBODY, Wake(WakeKind.NODES))

    async def _send(self) -> None:
        await asyncio.sleep(0)
        while self._outgoing:
            outgoing, self._outgoing = list(self._outgoing), {}
            try:
                names, texts = [name for name, _ in outgoing], [text for _, text in outgoing]
                await self._pool.read(_SQL["notify"], names, texts)  # said twice does no harm
            except HooklineError as error:
                LOGGER.debug("wakes were not sent: %s", error)

    # From others.

    async def tune(self, node: int) -> None:
        """Hear what is said to `node`, before anybody can say it."""
        for name in (CHANNEL, channel(node)):
            if name not in self._channels:
                self._channels[name] = None
                ear = self._ear
                if ear is not None and not ear.is_closed():
                    try:
                        async with self._ear_is_used, asyncio.timeout(ANSWER):
                            await ear.add_listener(name, self._noted)
                    except (*faults.AWAY, asyncpg.PostgresError) as error:
                        LOGGER.debug("the ear was lost: %s", error)
                        ear.terminate()  # the next one hears this channel, too
        if not self._tasks:
            if not self._address.pooler:
                await self._attach()
                self._tasks.append(asyncio.create_task(self._keep_listening(), name="hookline-listen"))
            if self._floor is not None:
                await self.look()
                self._tasks.append(asyncio.create_task(self._poll(self._floor), name="hookline-poll"))

    def listen(self, node: int, heard: Callable[[Wake], None]) -> None:
        """Call `heard` on the event loop for every wake sent to `node`."""
        self._listeners[node] = heard

    def part(self, node: int) -> None:
        """The node is gone."""
        self._listeners.pop(node, None)

    async def close(self) -> None:
        """Send what is left, and hear no more. Safe to repeat."""
        if self._sender is not None and not self._sender.done():
            await asyncio.wait([self._sender], timeout=1.0)
            self._sender.cancel()
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._ear is not None:
            self._ear.terminate()
            self._ear = None
        self._listeners.clear()

    async def _attach(self) -> bool:
        """Connect and listen; False if that failed."""
        try:
            ear = await connect(self._address)
        except (*faults.AWAY, asyncpg.PostgresError) as error:
            LOGGER.warning("cannot listen for wakes: %s", faults.at_work(error, self._address))
            return False
        try:
            heard: set[str] = set()
            # Until none is missing: a node may tune in meanwhile.
            while missing := [name for name in self._channels if name not in heard]:
                for name in missing:
                    await ear.add_listener(name, self._noted)
                    heard.add(name)
        except (*faults.AWAY, asyncpg.PostgresError) as error:
            LOGGER.warning("cannot listen for wakes: %s", faults.at_work(error, self._address))
            ear.terminate()
            return False
        self._ear = ear
        return True

    async def _keep_listening(self) -> None:
        while True:
            ear = self._ear
            if ear is not None and not ear.is_closed():
                await self._until_gone(ear)
            if await self._attach():
                self._tell_all(Wake(WakeKind.LOOK))  # what was said meanwhile was not heard
            else:
                await asyncio.sleep(AGAIN)

    async def _until_gone(self, ear: Connection) -> None:
        """Until a listening connection has ended, or does not answer: a network may drop it without a word."""
        ended = asyncio.Event()
        ear.add_termination_listener(lambda _: ended.set())
        while not ear.is_closed():
            try:
                async with asyncio.timeout(CHECK):
                    await ended.wait()
            except TimeoutError:
                try:
                    async with self._ear_is_used:
                        await ear.fetchval("SELECT 1", timeout=ANSWER)
                except (*faults.AWAY, asyncpg.PostgresError) as error:
                    LOGGER.debug("the ear is deaf: %s", error)
                    ear.terminate()

    def _noted(self, _connection: Any, _pid: int, name: str, payload: str) -> None:
        if payload.startswith(self._mark):
            return
        wake = decode(payload[MARK:].encode())
        for node, heard in list(self._listeners.items()):
            if name in {CHANNEL, channel(node)}:
                heard(wake)

    def _tell_all(self, wake: Wake) -> None:
        for heard in list(self._listeners.values()):
            heard(wake)

    # The floor.

    async def look(self) -> list[tuple[int, LaneKey]] | None:
        """Lanes of ours into which others have put something since the last look; None: that cannot be said."""
        seen = self._seen
        rows = await self._pool.read(_NODES["freshened"], list(self._listeners), seen.pos, seen.under_way)
        snapshot, born = Snapshot.parse(rows[0][0]), rows[0][1]
        self._seen = Seen(born, snapshot.end << 20, snapshot.under_way)
        if born != seen.born or snapshot.end << 20 < seen.pos:  # in another life of the server ids may be given again
            return None
        return [(owner, LaneKey(tenant, lane)) for _, _, owner, tenant, lane in rows if owner is not None]

    async def _poll(self, floor: float) -> None:
        loop = asyncio.get_running_loop()
        looked = loop.time()
        while True:
            await asyncio.sleep(floor)
            if not self._listeners:
                continue
            if loop.time() - looked >= (POOLED_LOOK if self._address.pooler else LOOK):
                looked = loop.time()
                self._tell_all(Wake(WakeKind.LOOK))
            try:
                lanes = await self.look()
            except HooklineError as error:
                LOGGER.debug("the poll failed: %s", error)
                continue
            except Exception:  # it is what finds what no wake told of, and goes on whatever happens
                LOGGER.exception("the poll failed")
                continue
            if lanes is None:
                self._tell_all(Wake(WakeKind.LOOK))
                continue
            found: dict[int, list[LaneKey]] = {}
            for owner, lane in lanes:
                found.setdefault(owner, []).append(lane)
            for owner, keys in found.items():
                heard = self._listeners.get(owner)
                if heard is not None:
                    heard(Wake(WakeKind.LANES, tuple(keys)))
