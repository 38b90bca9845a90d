"""Appending: durable, idempotent, consistent with the catalogue."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store.making import NOON, SECOND, TENANT, Yard, make_event, make_subscription, route

from hookline.clock import moment
from hookline.store import Store
from hookline.store.protocol import (
    NOBODY,
    Accepted,
    Clash,
    Duplicate,
    EventFilter,
    JobKind,
    Routed,
    Stale,
    Wake,
    WakeKind,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9)


async def test_an_accepted_event_reads_back_as_it_was(store: Store) -> None:
    event = make_event(data=b"\x00\xff not json", not_before=moment(NOON + SECOND), key="k", ordering_key="o")
    (answer,) = await store.append(NOBODY, [route(event, revision=0)])
    assert answer == Accepted([])
    assert await store.event(TENANT, event.id) == event
    assert await store.event("other", event.id) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(labels=st.dictionaries(TEXT, TEXT, max_size=3), data=st.binary(max_size=64))
async def test_labels_and_bytes_survive_whatever_they_are(store: Store, labels: dict[str, str], data: bytes) -> None:
    event = replace(make_event(), labels=labels, data=data, data_content_type="application/octet-stream")
    await store.append(NOBODY, [route(event, revision=0)])
    assert await store.event(TENANT, event.id) == event


async def test_positions_are_those_of_the_deliveries_and_rise(store: Store) -> None:
    yard = await Yard.make(store, lanes=2)
    first, second = await yard.append(make_event(), make_event())
    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    positions = [*first.positions, *second.positions]
    assert positions == sorted(set(positions))
    assert [work.pos for work in await yard.claim()] == [first.positions[0], second.positions[0]]


async def test_the_same_id_with_the_same_content_is_a_duplicate(store: Store) -> None:
    yard = await Yard.make(store)
    event = make_event("e1")
    await yard.append(event)
    (again,) = await yard.append(make_event("e1", accepted=NOON + SECOND))
    assert again == Duplicate("e1", moment(NOON))
    assert len(await yard.claim()) == 1


async def test_the_same_id_with_other_content_clashes(store: Store) -> None:
    await store.append(NOBODY, [route(make_event("e1"), revision=0)])
    (again,) = await store.append(NOBODY, [route(make_event("e1"), revision=0, digest=b"other")])
    assert again == Clash("id", "e1")


async def test_the_same_key_is_a_duplicate_or_clashes_and_is_the_tenants_own(store: Store) -> None:
    def keyed(name: str, digest: bytes = b"same", tenant: str = TENANT) -> Routed:
        return route(make_event(name, key="k", tenant=tenant), revision=0, digest=digest)

    batch = [keyed("e1"), keyed("e2"), keyed("e3", b"other"), keyed("e4", tenant="globex")]
    answers = await store.append(NOBODY, batch)
    assert answers == [Accepted([]), Duplicate("e1", moment(NOON)), Clash("idempotency_key", "e1"), Accepted([])]
    assert await store.event(TENANT, "e2") is None


async def test_repeats_within_one_batch_are_resolved_in_order(store: Store) -> None:
    batch = [route(make_event("e1"), revision=0, digest=digest) for digest in (b"a", b"b", b"a")]
    assert await store.append(NOBODY, batch) == [Accepted([]), Clash("id", "e1"), Duplicate("e1", moment(NOON))]


async def test_a_stale_revision_stores_nothing_and_says_the_current_one(store: Store) -> None:
    yard = await Yard.make(store)
    event = make_event(key="k")
    (answer,) = await store.append(yard.node, [route(event, yard.lanes, revision=0)])
    assert answer == Stale(1)
    assert await store.event(TENANT, event.id) is None
    (again,) = await yard.append(event)
    assert isinstance(again, Accepted)


async def test_a_repeat_is_a_duplicate_even_if_it_was_routed_long_ago(store: Store) -> None:
    await store.append(NOBODY, [route(make_event("e1"), revision=0)])
    await Yard.make(store)
    (again,) = await store.append(NOBODY, [route(make_event("e1"), revision=0)])
    assert again == Duplicate("e1", moment(NOON))


async def test_a_malformed_event_harms_no_other_caller(store: Store) -> None:
    good = [store.append(NOBODY, [route(make_event(f"g{i}"), revision=0)]) for i in range(20)]
    bad = store.append(NOBODY, [route(make_event("bad", type="\ud800"), revision=0)])
    answers = await asyncio.gather(*good[:10], bad, *good[10:], return_exceptions=True)
    assert isinstance(answers.pop(10), UnicodeEncodeError)
    assert answers == [[Accepted([])]] * 20


async def test_a_fan_out_is_left_to_a_job(store: Store) -> None:
    event = make_event()
    await store.append(NOBODY, [route(event, revision=0, fanout=True)])
    (job,) = await store.jobs()
    assert (job.kind, job.subject, job.cursor, job.finish_time) == (JobKind.FANOUT, event.id, "", None)


async def test_the_owner_of_a_lane_is_woken_by_what_others_append(store: Store) -> None:
    yard = await Yard.make(store)
    heard: asyncio.Queue[Wake] = asyncio.Queue()
    store.listen(yard.node, heard.put_nowait)
    await yard.append(make_event())  # by the owner itself: nothing to say
    await store.append(NOBODY, [route(make_event(), yard.lanes, revision=await yard.revision())])
    wake = await asyncio.wait_for(heard.get(), 60)
    while wake.kind is not WakeKind.LANES:
        wake = await asyncio.wait_for(heard.get(), 60)
    assert wake == Wake(WakeKind.LANES, (yard.key,))
    assert heard.empty()


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (EventFilter(), [0, 1, 2, 3]),
        (EventFilter(types=("a",)), [0, 2]),
        (EventFilter(types=("a", "b")), [0, 1, 2]),
        (EventFilter(from_time=NOON + 1, to_time=NOON + 3), [1, 2]),
        (EventFilter(types=("c",), to_time=NOON + 3), []),
    ],
)
async def test_events_are_found_by_type_and_time(store: Store, which: EventFilter, expected: list[int]) -> None:
    events = [make_event(type=kind, accepted=NOON + number) for number, kind in enumerate("abac")]
    await store.append(NOBODY, [route(event, revision=0) for event in events])
    await store.append(NOBODY, [route(make_event(type="a", tenant="globex"), revision=0)])
    rising = await store.scan(TENANT, which, after=0, limit=10)
    assert [found.event for found in rising] == [events[number] for number in expected]
    falling = await store.events(TENANT, which, before=None, limit=10)
    assert list(falling) == list(rising)[::-1]
    if expected:
        assert await store.scan(TENANT, which, after=rising[0].pos, limit=10) == list(rising)[1:]
        assert await store.events(TENANT, which, before=rising[-1].pos, limit=1) == list(rising)[-2:-1]


async def test_a_subscription_that_came_in_between_makes_the_routing_stale(store: Store) -> None:
    yard = await Yard.make(store)
    await store.add_subscription(make_subscription(), owner=yard.node)
    (answer,) = await store.append(yard.node, [route(make_event(), yard.lanes, revision=1)])
    assert answer == Stale(2)
