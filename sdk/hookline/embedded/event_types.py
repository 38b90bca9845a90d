"""The catalogue of event types of the embedded client."""

from hookline.client import EventTypes
from hookline.clock import moment, now_micros
from hookline.embedded.door import Door, page_after, token_after
from hookline.errors import Conflict, NotFound, quoted
from hookline.model import EventType, EventTypeSpec, Page
from hookline.validation import check_event_type, check_type


class EmbeddedEventTypes(EventTypes):
    """See `EventTypes`."""

    def __init__(self, door: Door) -> None:
        """Part of `door`."""
        self._door = door

    async def put(self, name: str, spec: EventTypeSpec, *, etag: str = "", tenant: str = "") -> EventType:
        """See `EventTypes`."""
        check_event_type(name, spec)
        engine = await self._door.engine()
        owner = self._door.tenant(tenant)
        while True:
            now = moment(now_micros(engine.clock))
            old = await engine.store.event_type(owner, name)
            if etag and (old is None or etag != old.etag):
                raise _conflict(name, old, etag)
            new = EventType(
                tenant=owner,
                name=name,
                description=spec.description,
                schema=spec.schema,
                examples=spec.examples,
                enforce=spec.enforce,
                deprecated=spec.deprecated,
                etag="1" if old is None else str(int(old.etag) + 1),
                create_time=now if old is None else old.create_time,
                update_time=now,
            )
            if await engine.store.put_event_type(new, etag="" if old is None else old.etag):
                await engine.refresh(owner)
                return new

    async def get(self, name: str, *, tenant: str = "") -> EventType:
        """See `EventTypes`."""
        check_type(name, "name")
        engine = await self._door.engine()
        found = await engine.store.event_type(self._door.tenant(tenant), name)
        if found is None:
            raise NotFound("event type", name)
        return found

    async def list(self, *, page_size: int = 100, page_token: str = "", tenant: str = "") -> Page[EventType]:
        """See `EventTypes`."""
        limit, after = page_after(page_size, page_token)
        engine = await self._door.engine()
        found = await engine.store.event_types(self._door.tenant(tenant), after=after, limit=limit)
        return Page(items=tuple(found), next_page_token=token_after(found[-1].name) if len(found) == limit else "")

    async def delete(self, name: str, *, etag: str = "", tenant: str = "") -> None:
        """See `EventTypes`."""
        engine = await self._door.engine()
        owner = self._door.tenant(tenant)
        while True:
            old = await self.get(name, tenant=owner)
            if etag and etag != old.etag:
                raise _conflict(name, old, etag)
            if await engine.store.remove_event_type(owner, name, etag=old.etag):
                await engine.refresh(owner)
                return


def _conflict(name: str, old: EventType | None, etag: str) -> Conflict:
    stands = "none stands" if old is None else f"its etag is {old.etag!r}"
    return Conflict(f"event type {name} was changed: {stands}, not {quoted(etag)}; read it again")
