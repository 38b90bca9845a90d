"""The catalogue of event types, and holding events to it."""

import json

import pytest

from hookline import Client, EventSpec, EventTypeSpec
from hookline.errors import Conflict, InvalidArgument, NotFound

SCHEMA = json.dumps({"type": "object", "required": ["amount"], "properties": {"amount": {"type": "integer"}}})


async def test_an_event_type_is_put_read_replaced_and_deleted(client: Client) -> None:
    spec = EventTypeSpec(description="An invoice was paid.", schema=SCHEMA, examples=('{"amount": 1}',), deprecated=True)
    made = await client.event_types.put("invoice.paid", spec)
    assert made == await client.event_types.get("invoice.paid")
    assert (made.description, made.schema, made.examples) == ("An invoice was paid.", SCHEMA, ('{"amount": 1}',))
    assert made.deprecated
    replaced = await client.event_types.put("invoice.paid", EventTypeSpec(), etag=made.etag)
    assert (replaced.schema, replaced.create_time) == ("", made.create_time)
    with pytest.raises(Conflict):
        await client.event_types.put("invoice.paid", spec, etag=made.etag)
    with pytest.raises(Conflict):
        await client.event_types.delete("invoice.paid", etag=made.etag)
    await client.event_types.delete("invoice.paid", etag=replaced.etag)
    with pytest.raises(NotFound):
        await client.event_types.get("invoice.paid")


async def test_events_are_held_to_an_enforced_schema(client: Client) -> None:
    await client.event_types.put("invoice.paid", EventTypeSpec(schema=SCHEMA, enforce=True))
    await client.emit("invoice.paid", {"amount": 1})
    with pytest.raises(InvalidArgument) as caught:
        await client.emit("invoice.paid", {"amount": "1"})
    assert all(each.field.startswith("event.data") for each in caught.value.violations)
    outcomes = await client.emit_many([EventSpec(type="invoice.paid", data=b"{}"), EventSpec(type="other", data=b"{}")])
    assert isinstance(outcomes[0], InvalidArgument)
    assert outcomes[0].violations[0].field.startswith("events[0].data")
    assert not isinstance(outcomes[1], InvalidArgument)
    await client.event_types.delete("invoice.paid")
    await client.emit("invoice.paid", {"amount": "1"})


async def test_a_schema_that_is_none_is_refused(client: Client) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await client.event_types.put("a", EventTypeSpec(schema='{"type": "no such type"}'))
    assert [each.field for each in caught.value.violations] == ["event_type.schema"]


async def test_event_types_are_listed_page_by_page_by_name(client: Client) -> None:
    names = ["b", "a.b", "c", "a", "a.c"]
    for name in names:
        await client.event_types.put(name, EventTypeSpec())
    found: list[str] = []
    token = ""
    while True:
        page = await client.event_types.list(page_size=2, page_token=token)
        found += [kind.name for kind in page.items]
        token = page.next_page_token
        if not token:
            break
    assert found == sorted(names)
