"""The way in: validate, route, append with everybody else's, and hand on what this node delivers itself."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC
from hashlib import blake2b
from typing import Final, NamedTuple

from hookline.clock import Clock, moment, now_micros
from hookline.engine.batcher import Batcher
from hookline.engine.catalogue import Allowance, CatalogueCache, View, admitted
from hookline.engine.config import EngineConfig
from hookline.engine.strain import Strain
from hookline.errors import AlreadyExists, Closed, HooklineError, InvalidArgument, ResourceExhausted, quoted
from hookline.ids import DELIVERY, EVENT, IdSource
from hookline.model import EmitResult, Event, EventSpec
from hookline.routing import OPERATIONAL
from hookline.store.protocol import Accepted, Appended, Clash, Duplicate, NewDelivery, Routed, Store
from hookline.validation import check_against_schema, check_event

APPEND_LIMIT: Final = 2_000
"""Events in one commit."""
UNREPEATABLE: Final = b""
"""The digest of an event that came without id and key; equal to no other."""
PRESSED: Final = 5.0
"""Seconds after which a caller may come back when the store has no room."""
ROUTE_TRIES: Final = 20
"""How often an event is routed again while the catalogue keeps changing."""

EmitOutcome = EmitResult | HooklineError


class _Admitted(NamedTuple):
    """An event that is valid, before it is routed; `place` is its index in the call."""

    place: int
    event: Event
    digest: bytes


class Ingest:
    """Takes events; answers when they are on disk."""

    def __init__(
        self,
        store: Store,
        catalogue: CatalogueCache,
        config: EngineConfig,
        clock: Clock,
        ids: IdSource,
        *,
        strain: Strain,
        node: Callable[[], int],
        accepted: Callable[[Iterable[tuple[Routed, Sequence[int]]]], None],
        doubtful: Callable[[Sequence[Routed]], None],
    ) -> None:
        """`node` is who delivers here (0: nobody).

        `accepted` is told of the new events of a commit and their positions, before anybody who waits for it goes on;
        `doubtful` of events that may be on disk or not.
        """
        self._store = store
        self._catalogue = catalogue
        self._config = config
        self._clock = clock
        self._ids = ids
        self._node = node
        self._accepted = accepted
        self._doubtful = doubtful
        self._closed = False
        self.pressure = ""
        """Why nothing is taken for now, in words; empty if something is."""
        self._bytes = 0
        """Of the data of events that are not answered."""
        self._batcher: Batcher[Routed, Appended] = Batcher(self._append, strain=strain, limit=APPEND_LIMIT)

    async def emit(
        self, tenant: str, specs: Sequence[EventSpec], *, own: bool = False, in_turn: bool = False
    ) -> Sequence[EmitOutcome]:
        """Take events; outcome i belongs to spec i. Only the engine's `own` may be of operational types.

        `in_turn`: others may be taking the same events, and those behind them, at the same time (see `Routed`). Such a
        caller brings a little, and then waits for it: it has room whatever others bring, or it would starve beside them.
        Raises Unavailable (nothing is known of any), ResourceExhausted, Closed.
        """
        if self._closed:
            raise Closed("the engine stops; it takes no more events")
        size = sum(map(_size, specs))
        self._make_sure(0 if in_turn else len(specs), 0 if in_turn else size)
        self._bytes += size
        try:
            return await self._take(tenant, specs, own=own, in_turn=in_turn)
        finally:
            self._bytes -= size

    def _make_sure(self, count: int, size: int) -> None:
        """Raise ResourceExhausted if more would wait for the store than may."""
        if self.pressure:
            raise ResourceExhausted(f"{self.pressure}; no event is taken until then", retry_after=PRESSED)
        load = self._batcher.load
        if load + count > self._config.max_unacknowledged:
            raise ResourceExhausted(f"{load} events wait for the disk already; come back later", retry_after=0.1)
        if self._bytes and self._bytes + size > self._config.max_unacknowledged_bytes:
            raise ResourceExhausted(f"{self._bytes} bytes of events wait for the disk already; come back later", retry_after=0.1)

    async def _take(self, tenant: str, specs: Sequence[EventSpec], *, own: bool, in_turn: bool) -> Sequence[EmitOutcome]:
        view = self._catalogue.known(tenant) or await self._catalogue.get(tenant)
        outcomes: list[EmitOutcome | None] = [None] * len(specs)
        valid: list[_Admitted] = []
        now = now_micros(self._clock)
        for index, spec in enumerate(specs):
            try:
                valid.append(self._admit(tenant, index, spec, now, own=own))
            except InvalidArgument as error:
                outcomes[index] = error
        for _ in range(ROUTE_TRIES):
            routed = self._routed(view, valid, outcomes)
            if not routed:
                break
            if in_turn:
                routed = [one._replace(in_turn=True) for one in routed]
            answers = await self._batcher.submit(routed)
            valid = [
                one
                for one, answer in zip((one for one in valid if outcomes[one.place] is None), answers, strict=True)
                if not self._answered(one, answer, outcomes)
            ]
            if not valid:
                break
            view = await self._catalogue.load(tenant)
        for one in valid:
            if outcomes[one.place] is None:
                outcomes[one.place] = ResourceExhausted("the subscriptions keep changing; come back later", retry_after=0.1)
        return outcomes  # type: ignore[return-value]  # every None was replaced above

    async def drain(self) -> None:
        """Take nothing more, and wait for everything that was submitted."""
        self._closed = True
        await self._batcher.drain()

    def _admit(self, tenant: str, index: int, spec: EventSpec, now: int, *, own: bool) -> _Admitted:
        accept_time = moment(now)
        check_event(spec, max_data=self._config.max_data, now=accept_time)
        if not own and spec.type.startswith(OPERATIONAL):
            raise InvalidArgument.of("event.type", f"{quoted(spec.type)} is of hookline's own types; right is another beginning")
        event = Event(
            tenant=tenant,
            id=spec.id or self._ids.new(EVENT),
            type=spec.type,
            source=spec.source or f"urn:hookline:{tenant}",
            subject=spec.subject,
            time=accept_time if spec.time is None else spec.time.astimezone(UTC),
            data=spec.data,
            data_content_type=spec.data_content_type or "application/json",
            data_schema=spec.data_schema,
            labels=spec.labels,
            idempotency_key=spec.idempotency_key,
            ordering_key=spec.ordering_key,
            not_before_time=None if spec.not_before_time is None else spec.not_before_time.astimezone(UTC),
            traceparent=spec.traceparent,
            accept_time=accept_time,
        )
        # An id that was made here is not known to anybody who could repeat it.
        repeatable = spec.id or spec.idempotency_key
        return _Admitted(index, event, digest(spec) if repeatable else UNREPEATABLE)

    def _routed(self, view: View, events: Sequence[_Admitted], outcomes: list[EmitOutcome | None]) -> list[Routed]:
        routed: list[Routed] = []
        new, limit, enforced, filters = self._ids.new, self._config.fanout_limit, view.enforced, view.filters
        allowance = Allowance()
        for place, event, content in events:
            if enforced and (kind := enforced.get(event.type)) is not None:
                violation = check_against_schema(kind.schema, event.data)
                if violation is not None:
                    outcomes[place] = InvalidArgument(violation)
                    continue
            lanes: Sequence[str] = view.routes.match(event.type)
            if filters and len(lanes) <= limit:
                lanes = admitted(view, lanes, event, allowance)
            if len(lanes) > limit:
                routed.append(Routed(event, content, view.revision, (), fanout=True))
            else:
                if view.split:
                    lanes = [view.lane(subscription, event) for subscription in lanes]
                routed.append(Routed(event, content, view.revision, [NewDelivery(lane, new(DELIVERY)) for lane in lanes]))
        return routed

    async def _append(self, batch: Sequence[Routed]) -> Sequence[Appended]:
        try:
            answers = await self._store.append(self._node(), batch)
        except BaseException:
            self._doubtful(batch)
            raise
        pairs = zip(batch, answers, strict=True)
        self._accepted((routed, answer.positions) for routed, answer in pairs if isinstance(answer, Accepted))
        return answers

    def _answered(self, one: _Admitted, answer: Appended, outcomes: list[EmitOutcome | None]) -> bool:
        match answer:
            case Accepted():
                outcomes[one.place] = EmitResult(event_id=one.event.id, duplicate=False, accept_time=one.event.accept_time)
            case Duplicate(event_id, accept_time):
                outcomes[one.place] = EmitResult(event_id=event_id, duplicate=True, accept_time=accept_time)
            case Clash("id", event_id):
                outcomes[one.place] = AlreadyExists("event", event_id)
            case Clash(_, event_id):
                outcomes[one.place] = AlreadyExists(
                    "event", event_id, f"the idempotency key was used for event {event_id}, with other content"
                )
            case _:
                return False
        return True


def _size(spec: EventSpec) -> int:
    data: object = spec.data  # it was not looked at yet
    return len(data) if isinstance(data, bytes) else 0


def digest(spec: EventSpec) -> bytes:
    """A hash over what the event says: every field but its id, idempotency key and trace, each with its length.

    The id and the key are what a repetition is found by, and a repeated call has a trace of its own.
    """
    not_before, time = spec.not_before_time, spec.time
    fields = (
        spec.type,
        spec.source,
        spec.subject,
        "" if time is None else time.astimezone(UTC).isoformat(),
        spec.data_content_type,
        spec.data_schema,
        spec.ordering_key,
        "" if not_before is None else not_before.astimezone(UTC).isoformat(),
        *(part for label in sorted(spec.labels.items()) for part in label),
    )
    head = "".join([f"{len(field)}:{field}" for field in fields]).encode()
    return blake2b(b"%d:%b%b" % (len(head), head, spec.data), digest_size=16).digest()
