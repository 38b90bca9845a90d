"""EventTypeService: the catalogue of event types."""

import grpc

from hookline_conformance.api.target import ApiTarget, Failed
from hookline_conformance.check import check
from hookline_proto.v1 import event_pb2 as evt
from hookline_proto.v1 import event_service_pb2 as evts
from hookline_proto.v1 import event_type_pb2 as typ
from hookline_proto.v1 import event_type_service_pb2 as typs

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND
ABORTED = grpc.StatusCode.ABORTED


@check("SUB-219")
async def event_types_are_kept(target: ApiTarget) -> None:
    """Put, get, list, put again, delete."""
    tenant = target.unique()
    stubs = target.event_types
    name = "conformance.type"
    spec = typ.EventTypeSpec(description="one", examples=['{"n": 1}'])
    put = typs.PutEventTypeRequest(tenant=tenant, name=name, event_type=spec)
    one = (await target.call(stubs.PutEventType, put)).event_type
    got = (await target.call(stubs.GetEventType, typs.GetEventTypeRequest(tenant=tenant, name=name))).event_type
    target.expect(got == one and got.description == "one", "SUB-219", "what was put", got)
    page = await target.call(stubs.ListEventTypes, typs.ListEventTypesRequest(tenant=tenant))
    target.expect(list(page.event_types) == [one], "SUB-219", "the one type in the list", len(page.event_types))
    again = typs.PutEventTypeRequest(tenant=tenant, name=name, event_type=typ.EventTypeSpec(description="two"), etag=one.etag)
    two = (await target.call(stubs.PutEventType, again)).event_type
    target.expect(two.etag != one.etag and not two.examples, "SUB-219", "a new etag, and all replaced", two)
    await target.refused("SUB-219", stubs.PutEventType, again, ABORTED, "a put with a stale etag")
    stale = typs.DeleteEventTypeRequest(tenant=tenant, name=name, etag=one.etag)
    await target.refused("SUB-219", stubs.DeleteEventType, stale, ABORTED, "a delete with a stale etag")
    await target.call(stubs.DeleteEventType, typs.DeleteEventTypeRequest(tenant=tenant, name=name))
    gone = typs.GetEventTypeRequest(tenant=tenant, name=name)
    await target.refused("SUB-219", stubs.GetEventType, gone, NOT_FOUND, "a deleted type")


@check("SUB-220")
async def enforced_schemas_hold(target: ApiTarget) -> None:
    """Data that follows, and data that does not."""
    tenant = target.unique()
    schema = '{"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}'
    spec = typ.EventTypeSpec(schema=schema, enforce=True)
    await target.call(target.event_types.PutEventType, typs.PutEventTypeRequest(tenant=tenant, name="a.held", event_type=spec))
    try:
        await target.emit(tenant, type="a.held", data=b'{"n": 1}')
        await target.emit(tenant, type="a.free", data=b'{"n": "x"}')
    except Failed as failed:
        target.fail("SUB-220", "data that follows, and events of other types, to be accepted", str(failed))
    for data in (b'{"n": "x"}', b"{}", b"[]"):
        request = evts.EmitEventRequest(tenant=tenant, event=evt.EventSpec(type="a.held", data=data))
        await target.refused("SUB-220", target.events.EmitEvent, request, INVALID, f"the data {data!r}")
