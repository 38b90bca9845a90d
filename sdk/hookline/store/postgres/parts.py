"""What an open PostgreSQL store consists of."""

import asyncio
import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from hookline.clock import Clock, now_micros
from hookline.store.postgres import events, hand
from hookline.store.postgres.address import Address
from hookline.store.postgres.group import Group
from hookline.store.postgres.nodes import Nodes
from hookline.store.postgres.pool import Pool
from hookline.store.postgres.queue import Reader
from hookline.store.postgres.retention import Retention
from hookline.store.postgres.settle import settle
from hookline.store.postgres.wake import Wakes
from hookline.store.protocol import Accepted, Appended, LaneKey, Routed, Settled, Settlement

LOGGER: Final = logging.getLogger(__name__)
FLIGHTS: Final = 2
"""Commits of a kind that are under way at a time."""


class Parts:
    """What an open store consists of."""

    def __init__(self, address: Address, clock: Clock, floor: float | None) -> None:
        self.process = os.getpid()
        self._clock = clock
        self._passing: set[asyncio.Task[bool]] = set()
        self.pool = Pool(address)
        self.vital = Pool(replace(address, connections=1))
        """For the heartbeat and who lives, which must not wait for anybody."""
        self.wakes = Wakes(self.pool, address, floor)
        self.nodes = Nodes(self.vital, self.pool, self.wakes, clock)
        self.reader = Reader(self.pool, self._bereaved)
        self.retention = Retention(self.pool)
        self.appends: Group[Routed, Sequence[Appended]] = Group(self._append, _part, flights=FLIGHTS)
        self.settles: Group[Settlement, Settled] = Group(self._settle, _part_of_settled, flights=FLIGHTS)

    def _bereaved(self, tenant: str, delivery_id: str) -> None:
        """Retention took an event in the moment in which something was made of it: the delivery cannot go on."""
        task = asyncio.ensure_future(
            hand.cancel(
                self.pool, self.wakes, tenant, delivery_id, reason="its event was removed by retention", at=now_micros(self._clock)
            )
        )
        self._passing.add(task)
        task.add_done_callback(self._passed)

    def _passed(self, task: "asyncio.Task[bool]") -> None:
        self._passing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            LOGGER.warning("a delivery without its event could not be cancelled: %s", error)

    async def _append(self, node: int, batch: Sequence[Routed]) -> Sequence[Appended]:
        answers = await events.append(self.pool, self.wakes, node, batch)
        for answer in answers:
            if isinstance(answer, Accepted) and answer.positions:
                self.reader.committed(max(answer.positions))
        return answers

    async def _settle(self, node: int, batch: Sequence[Settlement]) -> Settled:
        return await settle(self.pool, node, batch)


def _part(answers: Sequence[Appended], items: Sequence[Routed], start: int) -> Sequence[Appended]:
    return answers[start : start + len(items)]


def _part_of_settled(answer: Settled, items: Sequence[Settlement], _start: int) -> Settled:
    if not answer.lost and not answer.gone:
        return answer
    keys = {LaneKey(one.work.tenant, one.work.lane) for one in items}
    return Settled(answer.lost & keys, answer.gone & {one.work.pos for one in items})
