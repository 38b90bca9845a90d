"""The engine: one store, one way in, one node that delivers (or none), made to work together."""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any, Final

from hookline.clock import Clock, SystemClock, now_micros
from hookline.engine.backlogs import watch_backlogs
from hookline.engine.bell import Bell
from hookline.engine.catalogue import CatalogueCache, View
from hookline.engine.config import EngineConfig
from hookline.engine.dispatch import Dispatcher
from hookline.engine.former import watch_former
from hookline.engine.hooks import Hooks
from hookline.engine.ingest import Ingest
from hookline.engine.keeper import Keeper
from hookline.engine.lane import Lane
from hookline.engine.lapse import lapse
from hookline.engine.node import Node
from hookline.engine.notices import Notices
from hookline.engine.outboxes import drain_outbox
from hookline.engine.retention import retain
from hookline.engine.router import Router
from hookline.engine.sender import Sender
from hookline.engine.siblings import others_are_well
from hookline.engine.strain import Strain
from hookline.errors import HooklineError
from hookline.ids import IdSource
from hookline.outbox import Outbox
from hookline.store.protocol import LaneKey, Routed, Settlement, Store, Wake, WakeKind, Work
from hookline.transport import Poster

LOGGER: Final = logging.getLogger(__name__)
LAPSE_POLLS: Final = 10
"""Floor polls between looks at what was held too long."""
RESTART: Final = 1.0
"""Seconds after which a task that failed begins again."""
Observer = Callable[[Settlement], None]
"""Told of every outcome before it is written; must return at once."""
Disabler = Callable[[str, str, str, str], Coroutine[Any, Any, None]]
"""Disables a subscription, if it still has this URL: tenant, subscription, URL, reason."""


class Engine:
    """Everything between a client and a store. Made, started and stopped once."""

    def __init__(
        self,
        store: Store,
        poster: Poster,
        *,
        config: EngineConfig,
        deliver: bool,
        disable: Disabler,
        observer: Observer | None = None,
        clock: Clock | None = None,
        random_source: random.Random | None = None,
        ids: IdSource | None = None,
        outboxes: Sequence[Outbox] = (),
    ) -> None:
        """Without `deliver` it takes events and leaves deliveries to other processes on the same store."""
        self.store = store
        self.config = config
        self.clock = clock or SystemClock()
        self.ids = ids or IdSource(self.clock)
        self.changed = Bell()
        """Rings when outcomes are on disk."""
        self.stopping = False
        self._deliver = deliver
        self._outboxes = outboxes
        self._disable = disable
        self._tasks: list[asyncio.Task[None]] = []
        self._passing: set[asyncio.Task[None]] = set()
        self.catalogue = CatalogueCache(store, self._catalogue_changed)
        jitter = random_source or random.Random()  # no secret
        self.sender = Sender(poster, self.clock, self.ids, jitter, store, clock_offset=lambda: store.clock_offset)
        hooks = Hooks(
            node=lambda: self.node.id,
            may_start=lambda: self.node.holds_lease and not self.stopping,
            disable=lambda *what: self._pass(self._disable(*what)),
            attempted=_ignore if observer is None else _guarded(observer),
            flushed=self.changed.ring,
            drained=self._go_on,
            keep=self._keep,
            failing=lambda lane, settlement: self._pass(self._failing(lane, settlement)),
            give_up=lambda lane, reason: self._pass(self._give_up(lane, reason)),
            ended=self._given_up,
        )
        strain = Strain.of(self.clock)
        self.dispatcher = Dispatcher(store, self.sender, config, self.clock, hooks, strain=strain)
        self.keeper = Keeper(store, lambda: self.node.id)
        self.node = Node(store, self.catalogue, self.dispatcher, self.keeper, config=config, clock=self.clock, heard=self._heard)
        self.router = Router(store, self.catalogue, config, self.clock, self.ids, admits=self.sender.preparation.admits)
        self.ingest = Ingest(
            store,
            self.catalogue,
            config,
            self.clock,
            self.ids,
            strain=strain,
            node=lambda: self.node.id,
            accepted=self._accepted,
            doubtful=self._doubtful,
        )
        self.notices = Notices(self.ingest, self.catalogue, self._pass, operator=config.operator_tenant)

    async def start(self) -> None:
        """Open the store and, if this process delivers, join. Raises StoreError, Unavailable."""
        await self.store.open()
        if not self._deliver:
            self._begin(("pressure", self._watch_pressure))
            return
        await self.node.join()
        found = enumerate((*await self.store.outboxes(), *self._outboxes), 1)
        self._begin(
            ("pressure", self._watch_pressure),
            ("node", self.node.run),
            ("reader", self.dispatcher.reader.run),
            ("router", self.router.run),
            ("keeper", self.keeper.run),
            *((f"outbox-{number}", partial(drain_outbox, outbox, self.ingest, self.config)) for number, outbox in found),
            ("lapse", lambda: lapse(self.store, self.dispatcher.lanes.values, self.clock, LAPSE_POLLS * self.config.floor_poll)),
            ("backlogs", lambda: watch_backlogs(self.store, self.dispatcher.governor, self.clock)),
            ("former-lanes", lambda: watch_former(self.store, self.dispatcher.lanes.values, LAPSE_POLLS * self.config.floor_poll)),
            ("retention", lambda: retain(self.store, self.config, self.clock)),
        )

    def _begin(self, *tasks: tuple[str, Callable[[], Coroutine[Any, Any, None]]]) -> None:
        """Run these, for ever."""
        for name, run in tasks:
            self._tasks.append(asyncio.create_task(_keep(name, run), name=f"hookline-{name}"))

    async def stop(self, grace: float | None = None) -> None:
        """Start nothing more, finish what is on the wire for up to `grace` seconds, give the lanes back, close."""
        self.stopping = True
        await self.ingest.drain()
        await self.dispatcher.drain(self.config.grace if grace is None else grace)
        for task in (*self._tasks, *self._passing):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._passing, return_exceptions=True)
        self.dispatcher.reader.close()
        await self.sender.preparation.close()
        try:
            if self.node.id:
                await self.keeper.keep(list(self.dispatcher.lanes.values()))
            await self.node.leave()
        except HooklineError as error:
            LOGGER.warning("could not give the lanes back; others take them when they find this process gone: %s", error)
        finally:
            await self.store.close()

    async def refresh(self, tenant: str) -> View:
        """Read a tenant's catalogue again after a change, so that the change holds from here on in this process."""
        return await self.catalogue.load(tenant)

    async def _watch_pressure(self) -> None:
        """Take nothing new while the store has no room for it, for ever."""
        while True:
            try:
                pressure = await self.store.pressure(self.config.disk_margin)
            except OSError as error:
                pressure = f"the disk of the store cannot be asked for its room ({error.strerror})"
            if pressure and not self.ingest.pressure:
                LOGGER.error("%s; no event is taken until then", pressure)
            elif self.ingest.pressure and not pressure:
                LOGGER.warning("the store has room again; events are taken")
            self.ingest.pressure = pressure
            await asyncio.sleep(self.config.floor_poll)

    def _accepted(self, commit: Iterable[tuple[Routed, Sequence[int]]]) -> None:
        """Hand new deliveries straight from the commit to the lanes that this node holds, and start what may start.

        At once, so that a request is on its way before whoever emitted the event goes on with what he does.
        """
        for routed, positions in commit:
            event = routed.event
            for delivery, pos in zip(routed.deliveries, positions, strict=True):
                key = LaneKey(event.tenant, delivery.lane)
                self.dispatcher.offer(
                    key, Work(event.tenant, delivery.lane, pos, None, delivery.delivery_id, event.id, event, 1, 0, 0, 0)
                )
        self.dispatcher.pump()

    def _doubtful(self, batch: Sequence[Routed]) -> None:
        """The answer to an append is lost: should it have been done, nobody will hear of it but by looking."""
        self.dispatcher.look(dict.fromkeys(LaneKey(one.event.tenant, new.lane) for one in batch for new in one.deliveries))
        self.router.nudge()

    def _go_on(self) -> None:
        self.node.go_on()

    def _keep(self, lane: Lane) -> None:
        self.keeper.want(lane)

    async def _failing(self, lane: Lane, settlement: Settlement) -> None:
        failing = self.notices.of_failing(lane, settlement)
        if failing is not None and not await others_are_well(self.store, lane, now_micros(self.clock)):
            self.notices.failing(failing)

    async def _give_up(self, lane: Lane, reason: str) -> None:
        subscription = lane.target.subscription
        if not await others_are_well(self.store, lane, now_micros(self.clock)):
            await self._disable(subscription.tenant, subscription.id, subscription.url, reason)

    def _given_up(self, settlement: Settlement) -> None:
        self.notices.exhausted(settlement)

    def _catalogue_changed(self, tenant: str, view: View) -> None:
        self.dispatcher.retarget(tenant, view)

    def _heard(self, wake: Wake) -> None:
        match wake.kind:
            case WakeKind.LANES:
                self.dispatcher.look(wake.lanes)
            case WakeKind.FORGET:
                self._forget(wake)
            case WakeKind.CATALOGUE:
                self._pass(self.catalogue.refresh([key.tenant for key in wake.lanes]))
            case WakeKind.NODES:
                self.node.nudge()
            case WakeKind.JOBS:
                self.router.nudge()
            case WakeKind.LOOK:
                self.dispatcher.look_at_all()
                self._pass(self.catalogue.refresh())
                self.node.nudge()
                self.router.nudge()
        self.changed.ring()

    def _forget(self, wake: Wake) -> None:
        for key in wake.lanes:
            self.dispatcher.ended(key, wake.ids)
        self.dispatcher.look(wake.lanes)

    def _pass(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something short run beside; a fault in it is logged."""
        task = asyncio.ensure_future(work)
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)
        task.add_done_callback(_report)


async def _keep(name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a task that has no end; should a fault end it, log that and begin again."""
    while True:
        try:
            await run()
        except Exception:
            LOGGER.exception("the %s task failed; it begins again", name)
            await asyncio.sleep(RESTART)


def _ignore(_: Settlement) -> None:
    """Observe nothing."""


def _guarded(observer: Observer) -> Observer:
    """An observer whose faults are logged: what it was told of goes on."""

    def observe(settlement: Settlement) -> None:
        try:
            observer(settlement)
        except Exception:
            LOGGER.exception("the observer failed")

    return observe


def _report(task: "asyncio.Task[None]") -> None:
    if task.cancelled() or (error := task.exception()) is None:
        return
    if isinstance(error, HooklineError):  # the store is away, or closing
        LOGGER.warning("%s could not be finished: %s", task.get_name(), error)
    else:
        LOGGER.error("task %s failed", task.get_name(), exc_info=error)
