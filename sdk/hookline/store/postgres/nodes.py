"""Membership and ownership: nodes come and go, lanes change hands. Each verb is one statement."""

from collections.abc import Sequence
from typing import Final

from hookline.clock import Clock
from hookline.store.postgres import faults
from hookline.store.postgres.faults import Lost
from hookline.store.postgres.pool import Pool, Row
from hookline.store.postgres.rows import columns
from hookline.store.postgres.statements import load
from hookline.store.postgres.wake import EVERYBODY, Wakes
from hookline.store.protocol import LaneKey, NodeRow, OwnedLane, Wake, WakeKind

_SQL: Final = load("nodes")
_NODES: Final = Wake(WakeKind.NODES)
PATIENCE: Final = "300ms"
"""For a row of a lane that somebody holds. Membership is one task: who waits in it does not beat."""
SAMPLES: Final = 16
"""Measurements of the clock of which the one with the shortest way counts."""


class Nodes:
    """What concerns nodes and their lanes, and how far the database's clock is off."""

    def __init__(self, vital: Pool, pool: Pool, wakes: Wakes, clock: Clock) -> None:
        """Nothing is measured yet. `vital` is for what says who lives; what may wait for a lane's row goes over `pool`."""
        self._vital = vital
        self._pool = pool
        self._wakes = wakes
        self._clock = clock
        self._samples: list[tuple[float, float]] = []

    @property
    def clock_offset(self) -> float:
        """Seconds by which the database's wall clock is ahead of ours; 0 before the node has joined.

        What is kept is by how much it is ahead of our monotonic clock: a wall clock may be set meanwhile.
        """
        if not self._samples:
            return 0.0
        return min(self._samples)[1] + self._clock.monotonic() - self._clock.time()

    async def _write(self, name: str, *args: object) -> Sequence[Row]:
        """A statement whose answer, if it is lost, its caller asks for in his own way."""
        try:
            return await self._vital.write(_SQL[name], *args)
        except Lost as error:
            raise faults.lost(self._vital.address) from error

    async def _write_lanes(self, name: str, *args: object) -> Sequence[Row]:
        """The same for what changes rows of lanes, which a process that stands still may hold: it gives way soon."""
        try:
            return await self._pool.write(_SQL[name], *args, patience=PATIENCE)
        except Lost as error:
            raise faults.lost(self._pool.address) from error

    async def join(self) -> int:
        """Begin as a new node; its id."""
        sent = self._clock.monotonic()
        ((node, now),) = await self._write("join")
        self._measured(sent, now)
        await self._wakes.tune(node)
        self._wakes.post(EVERYBODY, _NODES)
        return int(node)

    async def beat(self, node: int, load: int) -> list[NodeRow]:
        """One heartbeat, and who lives."""
        sent = self._clock.monotonic()
        living = await self._write("beat", node, load)
        if living:
            self._measured(sent, living[0][3])
        if all(row[0] != node for row in living):
            self._wakes.part(node)
        return [NodeRow(row[0], row[1], row[2]) for row in living]

    def _measured(self, sent: float, now: float) -> None:
        """The database's clock said `now` in an answer to what was sent then, by our monotonic clock."""
        took = self._clock.monotonic() - sent
        self._samples = [*self._samples[1 - SAMPLES :], (took, now - (sent + took / 2))]

    async def bury(self, node: int, beat: int) -> bool:
        """Remove a node whose beat stood still."""
        buried = bool(await self._write("bury", node, beat))
        if buried:
            self._wakes.post(EVERYBODY, _NODES)
        return buried

    async def leave(self, node: int) -> None:
        """Go, and tell the others."""
        self._wakes.part(node)
        if await self._write("leave", node):
            self._wakes.post(EVERYBODY, _NODES)

    async def sweep(self, node: int, limit: int) -> Sequence[OwnedLane]:
        """Take lanes whose owner is dead; a node that is dead itself takes nothing."""
        if not await self._pool.read(_SQL["orphans"]):
            return ()
        return [_owned(*row) for row in await self._write_lanes("sweep", node, limit)]

    async def mine(self, node: int) -> list[OwnedLane]:
        """Every lane of a node."""
        return [_owned(*row) for row in await self._pool.read(_SQL["mine"], node)]

    async def hand(self, node: int, lane: OwnedLane, to: int) -> bool:
        """Give a lane to a living node."""
        handed = bool(await self._write_lanes("hand", node, *lane.key, lane.epoch, to))
        if handed:
            self._wakes.post(to, _NODES)
        return handed

    async def retake(self, node: int, lane: OwnedLane) -> OwnedLane | None:
        """Raise the epoch of a lane that is still ours."""
        found = await self._write_lanes("retake", node, *lane.key, lane.epoch)
        return _owned(*lane.key, *found[0]) if found else None

    async def keep(self, node: int, states: Sequence[tuple[OwnedLane, str]]) -> None:
        """Keep a small text with each lane that is still ours."""
        latest = {lane.key: (*lane.key, lane.epoch, state) for lane, state in states}
        await self._write_lanes("keep", node, *columns(list(latest.values()), 4))

    async def states(self, tenant: str, lanes: Sequence[str]) -> dict[str, str]:
        """What is kept with these lanes."""
        return {row[0]: row[1] for row in await self._pool.read(_SQL["states"], tenant, list(lanes))}


def _owned(tenant: str, lane: str, epoch: int, ordered: bool, state: str) -> OwnedLane:
    return OwnedLane(LaneKey(tenant, lane), epoch, ordered, state)
