"""What goes on behind the acknowledgement: huge fan-outs, replays, and the remains of deleted subscriptions.

Each is a job in the store that moves in steps. A step names the cursor that it starts from and is
refused if another node has moved it, so any node may take any step, and a restart goes on where the
last step ended.
"""

import asyncio
import json
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hookline.clock import Clock, micros, moment, now_micros
from hookline.engine.bell import Bell
from hookline.engine.catalogue import CatalogueCache
from hookline.engine.config import EngineConfig
from hookline.errors import HooklineError
from hookline.ids import DELIVERY, MESSAGE, IdSource
from hookline.model import Replay, ReplayState
from hookline.routing import matches
from hookline.store.protocol import EventFilter, Job, JobDelivery, JobKind, Store

LOGGER: Final = logging.getLogger(__name__)
STEP: Final = 500
"""Deliveries, events or works in one step."""
IDLE_POLLS: Final = 5
"""Floor polls between looks when nobody calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySpec:
    """What a replay was asked to do, as its job keeps it."""

    event_types: tuple[str, ...]
    from_time: datetime | None
    to_time: datetime | None
    new_webhook_ids: bool

    def to_json(self) -> str:
        """The spec of a job."""
        return json.dumps(
            {
                "event_types": self.event_types,
                "from": None if self.from_time is None else micros(self.from_time),
                "to": None if self.to_time is None else micros(self.to_time),
                "new_webhook_ids": self.new_webhook_ids,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "ReplaySpec":
        """Undo `to_json`."""
        spec = json.loads(text)
        return cls(
            event_types=tuple(spec["event_types"]),
            from_time=None if spec["from"] is None else moment(spec["from"]),
            to_time=None if spec["to"] is None else moment(spec["to"]),
            new_webhook_ids=spec["new_webhook_ids"],
        )


def replay_of(job: Job) -> Replay:
    """A replay job as its caller sees it."""
    spec = ReplaySpec.from_json(job.spec)
    ended = ReplayState.CANCELLED if job.cancelled else ReplayState.DONE
    return Replay(
        tenant=job.tenant,
        id=job.id,
        subscription_id=job.subject,
        event_types=spec.event_types,
        from_time=spec.from_time,
        to_time=spec.to_time,
        new_webhook_ids=spec.new_webhook_ids,
        state=ReplayState.RUNNING if job.finish_time is None else ended,
        scanned=job.scanned,
        replayed=job.added,
        create_time=job.create_time,
        finish_time=job.finish_time,
    )


class Router:
    """Takes the steps of all jobs; runs as one task."""

    def __init__(self, store: Store, catalogue: CatalogueCache, config: EngineConfig, clock: Clock, ids: IdSource) -> None:
        """Nothing is read yet."""
        self._store = store
        self._catalogue = catalogue
        self._config = config
        self._clock = clock
        self._ids = ids
        self._bell = Bell()
        self._called = True

    def nudge(self) -> None:
        """There is a new job."""
        self._called = True
        self._bell.ring()

    async def run(self) -> None:
        """Take steps while there are jobs, for ever."""
        while True:
            if not self._called:
                await self._bell.wait(IDLE_POLLS * self._config.floor_poll)
            self._called = False
            try:
                jobs = await self._store.jobs()
                for job in jobs:
                    await self._step(job)
                    await asyncio.sleep(0)
                self._called = self._called or bool(jobs)
            except HooklineError as error:
                LOGGER.warning("a job could not be moved; trying again: %s", error)
                self._called = False
                await self._bell.wait(self._config.floor_poll)

    async def _step(self, job: Job) -> None:
        match job.kind:
            case JobKind.FANOUT:
                await self._fan_out(job)
            case JobKind.REPLAY:
                await self._replay(job)
            case JobKind.DRAIN:
                await self._store.drain(job, limit=STEP, reason="its subscription was deleted", at=now_micros(self._clock))

    async def _fan_out(self, job: Job) -> None:
        await self._catalogue.refresh([job.tenant])
        view = await self._catalogue.get(job.tenant)
        event = await self._store.event(job.tenant, job.subject)
        lanes = [] if event is None else sorted(lane for lane in view.routes.match(event.type) if lane > job.cursor)
        chunk = lanes[:STEP]
        deliveries = [JobDelivery(lane, self._ids.new(DELIVERY), job.subject, job.subject) for lane in chunk]
        await self._store.step(
            job,
            cursor=chunk[-1] if chunk else job.cursor,
            scanned=len(chunk),
            deliveries=deliveries,
            finished=len(lanes) <= STEP,
            at=now_micros(self._clock),
        )

    async def _replay(self, job: Job) -> None:
        spec = ReplaySpec.from_json(job.spec)
        which = EventFilter(
            from_time=None if spec.from_time is None else micros(spec.from_time),
            to_time=None if spec.to_time is None else micros(spec.to_time),
        )
        found = await self._store.scan(job.tenant, which, after=int(job.cursor or 0), limit=STEP)
        deliveries = [
            JobDelivery(
                job.subject,
                self._ids.new(DELIVERY),
                event.id,
                self._ids.new(MESSAGE) if spec.new_webhook_ids else event.id,
            )
            for _, event in found
            if any(matches(pattern, event.type) for pattern in spec.event_types)
        ]
        await self._store.step(
            job,
            cursor=str(found[-1].pos) if found else job.cursor,
            scanned=len(found),
            deliveries=deliveries,
            finished=len(found) < STEP,
            at=now_micros(self._clock),
        )
