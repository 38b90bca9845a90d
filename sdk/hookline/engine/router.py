"""What goes on behind the acknowledgement: huge fan-outs, replays, and the remains of deleted subscriptions.

Each is a job in the store that moves in steps. A step names the cursor that it starts from and is
refused if another node has moved it, so any node may take any step, and a restart goes on where the
last step ended.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hookline.body.cel import SPAN_ON_THE_SPOT
from hookline.clock import Clock, micros, moment, now_micros
from hookline.engine.bell import Bell
from hookline.engine.catalogue import FILTERS_OF_AN_EVENT, Allowance, CatalogueCache, admitted
from hookline.engine.config import EngineConfig
from hookline.engine.target import Target
from hookline.errors import HooklineError
from hookline.ids import DELIVERY, MESSAGE, IdSource
from hookline.lanes import lane_names
from hookline.model import DeliveryState, Event, Replay, ReplayState
from hookline.routing import matches
from hookline.store.protocol import ClaimRequest, EventFilter, Job, JobDelivery, JobKind, LaneKey, Store

LOGGER: Final = logging.getLogger(__name__)
STEP: Final = 500
"""Deliveries, events or works in one step."""
FILTERED_AT_ONCE: Final = 100
"""Subscriptions whose filters are asked before others have their turn."""
STEP_BYTES: Final = 4 * 1024 * 1024
"""Bytes of data that a step of a replay reads, roughly."""
OVERHEAD: Final = 1_024
"""Bytes of an event, beside its data."""
SECOND: Final = 1_000_000
LONGEST_STEP: Final = 0.5
"""Seconds after which a replay's step ends with what it has; a filter may take as long as that for a few events."""
LONGEST_PAUSE: Final = 1.0
"""Seconds."""
STEPS_A_SECOND: Final = 4
"""Of a replay that could go faster than it may."""
USUAL_RATE: Final = 100
"""Deliveries a second of a replay that says nothing of it."""
FEW: Final = 50
"""Deliveries that may stand in the queue of a replay that goes on, if those of one step are not more."""
FEW_OF_LANE: Final = 8
"""Of one of several lanes, at least."""
CROWDED: Final = 0.25
"""Seconds until a replay looks again that waits for its receiver."""
HELD_UP: Final = SECOND // 10
"""Microseconds until a replay looks again that waits for a commit."""
LOOKED_UP: Final = 50
"""Events of which a replay asks at once how they stand."""
LAST: Final = 2**63 - 1
"""Above every position."""
IDLE_POLLS: Final = 5
"""Floor polls between looks when nobody calls."""

Admits = Callable[[tuple[str, str], str, Event], Awaitable[bool]]
"""Whether a filter (its source) is true of an event, for this tenant and subscription."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySpec:
    """What a replay was asked to do, as its job keeps it."""

    event_types: tuple[str, ...]
    from_time: datetime | None
    to_time: datetime | None
    new_webhook_ids: bool
    max_per_second: int
    states: tuple[DeliveryState, ...] = ()
    without_delivery: bool = False
    filter: str = ""

    @property
    def by_standing(self) -> bool:
        """What became of an event at the subscription so far decides."""
        return bool(self.states) or self.without_delivery

    def to_json(self) -> str:
        """The spec of a job."""
        return json.dumps(
            {
                "event_types": self.event_types,
                "from": None if self.from_time is None else micros(self.from_time),
                "to": None if self.to_time is None else micros(self.to_time),
                "new_webhook_ids": self.new_webhook_ids,
                "max_per_second": self.max_per_second,
                "states": self.states,
                "without_delivery": self.without_delivery,
                "filter": self.filter,
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
            max_per_second=spec.get("max_per_second", USUAL_RATE),
            states=tuple(map(DeliveryState, spec.get("states", ()))),
            without_delivery=spec.get("without_delivery", False),
            filter=spec.get("filter", ""),
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
        max_per_second=spec.max_per_second,
        states=spec.states,
        without_delivery=spec.without_delivery,
        filter=spec.filter,
    )


class Router:
    """Takes the steps of all jobs; runs as one task."""

    def __init__(
        self, store: Store, catalogue: CatalogueCache, config: EngineConfig, clock: Clock, ids: IdSource, *, admits: Admits
    ) -> None:
        """Nothing is read yet. `admits` asks the filter of a replay."""
        self._admits = admits
        self._store = store
        self._catalogue = catalogue
        self._config = config
        self._clock = clock
        self._ids = ids
        self._bell = Bell()
        self._called = True
        self._typical = 64 * 1024
        """Bytes of an event's data, by the last ones; high at first, so that the first read is a small one."""
        self._crowded: dict[str, float] = {}
        """Replays whose receiver has enough to do, and until when they wait (seconds by the monotonic clock)."""

    def nudge(self) -> None:
        """There is a new job."""
        self._called = True
        self._bell.ring()

    async def run(self) -> None:
        """Take steps while there are jobs, for ever."""
        idle = IDLE_POLLS * self._config.floor_poll
        wait = idle
        while True:
            if not self._called:
                await self._bell.wait(wait)
            self._called, wait = False, idle
            try:
                # Tenants with a fan-out that goes on: their next ones wait for it, so that none overtakes another.
                unfinished: set[str] = set()
                jobs = await self._store.jobs()
                self._crowded = {job.id: until for job in jobs if (until := self._crowded.get(job.id))}
                # Fan-outs first: their events are acknowledged, and were not queued yet.
                for job in sorted(jobs, key=lambda one: one.kind is JobKind.REPLAY):
                    if job.kind is JobKind.FANOUT and job.tenant in unfinished:
                        continue
                    pause = self._pause(job)
                    if not pause:
                        ended, pause = await self._try_step(job)
                        if not ended and job.kind is JobKind.FANOUT:
                            unfinished.add(job.tenant)
                        await asyncio.sleep(0)
                    wait = min(wait, pause)
                self._called = self._called or wait <= 0
            except HooklineError as error:
                LOGGER.warning("jobs cannot be read; trying again: %s", error)
                self._called = True
                await self._bell.wait(self._config.floor_poll)

    def _pause(self, job: Job) -> float:
        """Seconds until the job may take its next step; no more than a step's pause, should the clock have been set back."""
        if job.kind is not JobKind.REPLAY:
            return 0.0
        waits = self._crowded.get(job.id, 0.0) - self._clock.monotonic()
        return min(max(0.0, waits, (_place(job.cursor)[1] - now_micros(self._clock)) / SECOND), LONGEST_PAUSE)

    async def _try_step(self, job: Job) -> tuple[bool, float]:
        """Take a step of a job; whether it was the last one, and seconds to the next: a fault of one holds up no other."""
        try:
            return await self._step(job), 0.0
        except HooklineError as error:
            LOGGER.warning("job %s of tenant %s could not be moved; trying again: %s", job.id, job.tenant, error)
            return False, self._config.floor_poll

    async def _step(self, job: Job) -> bool:
        """Take a step of a job; whether it was the last one, as far as fan-outs go."""
        match job.kind:
            case JobKind.FANOUT:
                return await self._fan_out(job)
            case JobKind.REPLAY:
                await self._replay(job)
            case JobKind.DRAIN:
                await self._store.drain(job, limit=STEP, reason="its subscription was deleted", at=now_micros(self._clock))
        return False

    async def _fan_out(self, job: Job) -> bool:
        await self._catalogue.refresh([job.tenant])
        view = await self._catalogue.get(job.tenant)
        event = await self._store.event(job.tenant, job.subject)
        left = [] if event is None else sorted(one for one in view.routes.match(event.type) if one > job.cursor)
        chunk = left[:STEP]
        deliveries: list[JobDelivery] = []
        if event is not None:
            wanted: list[str] = []
            for start in range(0, len(chunk), FILTERED_AT_ONCE):
                wanted += admitted(view, chunk[start : start + FILTERED_AT_ONCE], event, Allowance())
                await asyncio.sleep(0)
            deliveries = [JobDelivery(view.lane(one, event), self._ids.new(DELIVERY), event.id, event.id) for one in wanted]
        finished = len(left) <= STEP
        moved = await self._store.step(
            job,
            cursor=chunk[-1] if chunk else job.cursor,
            scanned=len(chunk),
            deliveries=deliveries,
            finished=finished,
            at=now_micros(self._clock),
        )
        return moved and finished

    async def _replay(self, job: Job) -> None:
        spec = ReplaySpec.from_json(job.spec)
        await self._catalogue.refresh([job.tenant])
        view = await self._catalogue.get(job.tenant)
        most = min(STEP, max(1, spec.max_per_second // STEPS_A_SECOND))
        if await self._is_crowded(view.target(job.subject), max(FEW, most)):
            self._crowded[job.id] = self._clock.monotonic() + CROWDED
            return
        which = EventFilter(
            from_time=None if spec.from_time is None else micros(spec.from_time),
            to_time=None if spec.to_time is None else micros(spec.to_time),
        )
        limit = min(STEP, max(1, STEP_BYTES // self._typical))
        found = await self._store.scan(job.tenant, which, after=_place(job.cursor)[0], limit=limit)
        shape = view.filters.get(job.subject)
        deliveries: list[JobDelivery] = []
        standings: Mapping[str, DeliveryState] = {}
        scanned, left = 0, FILTERS_OF_AN_EVENT
        until = self._clock.monotonic() + LONGEST_STEP
        for _, event in found:
            if len(deliveries) == most or (scanned and self._clock.monotonic() > until):
                break
            if spec.by_standing and scanned % LOOKED_UP == 0:
                some = [event.id for _, event in found[scanned : scanned + LOOKED_UP]]
                standings = await self._store.standings(job.tenant, job.subject, some)
            if left < SPAN_ON_THE_SPOT:
                await asyncio.sleep(0)
                left = FILTERS_OF_AN_EVENT
            scanned += 1
            self._typical += (len(event.data) + OVERHEAD - self._typical) // 8
            if not any(matches(pattern, event.type) for pattern in spec.event_types):
                continue
            if shape is not None:
                refused, left = shape.refuses(event, left)
                if refused:
                    continue
            if await self._asked_for(job, spec, event, standings.get(event.id)):
                webhook_id = self._ids.new(MESSAGE) if spec.new_webhook_ids else event.id
                deliveries.append(JobDelivery(view.lane(job.subject, event), self._ids.new(DELIVERY), event.id, webhook_id))
        now = now_micros(self._clock)
        after = found[scanned - 1].pos if scanned else _place(job.cursor)[0]
        # A scan goes no further than a commit that is under way; what is newer is seen here, and waits for that.
        seen_all = scanned == len(found) < limit
        newest = await self._store.events(job.tenant, which, before=LAST, limit=1) if seen_all else ()
        held_up = bool(newest) and newest[0].pos > after
        pause = HELD_UP if held_up else len(deliveries) * SECOND // spec.max_per_second
        await self._store.step(
            job,
            cursor=f"{after} {now + pause}",
            scanned=scanned,
            deliveries=deliveries,
            finished=seen_all and not held_up,
            at=now,
        )

    async def _is_crowded(self, target: Target | None, few: int) -> bool:
        """Whether more stands in the lanes of a subscription than a few: live events would have to wait for all of it.

        What a paused subscription holds is not in the way of anything; nor are those of a key whose head waits.
        """
        if target is None or not target.active:
            return False
        subscription = target.subscription
        room = max(FEW_OF_LANE, few // subscription.lanes)
        names = lane_names(subscription.id, subscription.lanes)
        answers = await self._store.claim([ClaimRequest(LaneKey(subscription.tenant, name), None, room) for name in names])
        return any(answer.more for answer in answers)

    async def _asked_for(self, job: Job, spec: ReplaySpec, event: Event, standing: DeliveryState | None) -> bool:
        """Whether a replay wants an event of its types whose last delivery to its subscription stands so."""
        if spec.by_standing and not (spec.without_delivery if standing is None else standing in spec.states):
            return False
        return not spec.filter or await self._admits((job.tenant, job.subject), spec.filter, event)


def _place(cursor: str) -> tuple[int, int]:
    """The position up to which a replay has seen everything, and before when it goes no further (microseconds)."""
    position, _, due = cursor.partition(" ")
    return int(position or 0), int(due or 0)
