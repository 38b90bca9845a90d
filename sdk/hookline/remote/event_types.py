"""The catalogue of event types over gRPC."""

from hookline import wire
from hookline.client import EventTypes
from hookline.model import EventType, EventTypeSpec, Page
from hookline.remote.connection import Connection, answer
from hookline_proto.v1 import event_type_service_pb2 as pb


class RemoteEventTypes(EventTypes):
    """See `hookline.client.EventTypes`."""

    def __init__(self, connection: Connection) -> None:
        """Call over `connection`."""
        self._connection = connection

    async def put(self, name: str, spec: EventTypeSpec, *, etag: str = "", tenant: str = "") -> EventType:
        """Create or replace it."""
        request = wire.build(
            pb.PutEventTypeRequest,
            tenant=tenant or self._connection.tenant,
            name=name,
            event_type=wire.write_event_type_spec(spec),
            etag=etag,
        )
        # With an etag a second try would meet the first one's, and say Conflict to what it did itself.
        response = await self._connection.call(lambda stubs: stubs.event_types.PutEventType, request, repeat=not etag)
        return answer(wire.read_event_type, response.event_type)

    async def get(self, name: str, *, tenant: str = "") -> EventType:
        """One event type."""
        request = wire.build(pb.GetEventTypeRequest, tenant=tenant or self._connection.tenant, name=name)
        response = await self._connection.call(lambda stubs: stubs.event_types.GetEventType, request)
        return answer(wire.read_event_type, response.event_type)

    async def list(self, *, page_size: int = 100, page_token: str = "", tenant: str = "") -> Page[EventType]:
        """Event types by name."""
        request = wire.build(
            pb.ListEventTypesRequest,
            tenant=tenant or self._connection.tenant,
            page_size=wire.write_page_size(page_size),
            page_token=page_token,
        )
        response = await self._connection.call(lambda stubs: stubs.event_types.ListEventTypes, request)
        items = tuple(answer(wire.read_event_type, item) for item in response.event_types)
        return Page(items=items, next_page_token=response.next_page_token)

    async def delete(self, name: str, *, etag: str = "", tenant: str = "") -> None:
        """Delete it."""
        request = wire.build(pb.DeleteEventTypeRequest, tenant=tenant or self._connection.tenant, name=name, etag=etag)
        # A second try would not find what the first one has deleted.
        await self._connection.call(lambda stubs: stubs.event_types.DeleteEventType, request, repeat=False)
