"""EventTypeService: translates, calls the client, translates back."""

from hookline import wire
from hookline.client import Client
from hookline_proto.v1 import event_type_service_pb2 as pb
from hookline_proto.v1 import event_type_service_pb2_grpc
from hookline_server.services.fields import page_size, required
from hookline_server.services.guard import Context


class EventTypeServicer(event_type_service_pb2_grpc.EventTypeServiceServicer):
    """The catalogue of event types."""

    def __init__(self, client: Client) -> None:
        """Serve `client`."""
        self._event_types = client.event_types

    async def PutEventType(self, request: pb.PutEventTypeRequest, context: Context) -> pb.PutEventTypeResponse:
        """Create or replace an event type."""
        if not request.HasField("event_type"):
            raise required("event_type")
        spec = wire.read_event_type_spec(request.event_type)
        put = await self._event_types.put(request.name, spec, etag=request.etag, tenant=request.tenant)
        return pb.PutEventTypeResponse(event_type=wire.write_event_type(put))

    async def GetEventType(self, request: pb.GetEventTypeRequest, context: Context) -> pb.GetEventTypeResponse:
        """Answer with one event type."""
        found = await self._event_types.get(request.name, tenant=request.tenant)
        return pb.GetEventTypeResponse(event_type=wire.write_event_type(found))

    async def ListEventTypes(self, request: pb.ListEventTypesRequest, context: Context) -> pb.ListEventTypesResponse:
        """Answer with a page of event types."""
        page = await self._event_types.list(
            page_size=page_size(request.page_size), page_token=request.page_token, tenant=request.tenant
        )
        return pb.ListEventTypesResponse(
            event_types=[wire.write_event_type(item) for item in page.items], next_page_token=page.next_page_token
        )

    async def DeleteEventType(self, request: pb.DeleteEventTypeRequest, context: Context) -> pb.DeleteEventTypeResponse:
        """Delete an event type."""
        await self._event_types.delete(request.name, etag=request.etag, tenant=request.tenant)
        return pb.DeleteEventTypeResponse()
