"""What a claim brings into memory at once is bounded, however large the events are."""

from store.making import Yard, make_event

from hookline.store import Store
from hookline.store.protocol import ClaimRequest
from hookline.store.sqlite.queue import LARGEST_ANSWER

LARGE = bytes(256 * 1024)


async def test_a_claim_of_large_events_comes_in_parts_and_leaves_none_out(store: Store) -> None:
    yard = await Yard.make(store)
    for _ in range(4):
        await yard.append(*(make_event(tenant=yard.tenant, data=LARGE) for _ in range(25)))
    cursor: object | None = None
    found: list[int] = []
    more = True
    while more:
        (answer,) = await store.claim([ClaimRequest(yard.key, cursor, 500)])
        assert sum(len(work.event.data) for work in answer.works) <= LARGEST_ANSWER + len(LARGE)
        found += [work.pos for work in answer.works]
        cursor, more = answer.cursor, answer.more
    assert len(set(found)) == len(found) == 100
    assert found == sorted(found)


async def test_a_claim_for_many_lanes_gives_each_something(store: Store) -> None:
    yard = await Yard.make(store, lanes=20)
    await yard.append(*(make_event(tenant=yard.tenant, data=LARGE) for _ in range(5)))
    requests = [ClaimRequest(yard.key._replace(lane=lane), None, 500) for lane in yard.lanes]
    answers = await store.claim(requests)
    assert all(answer.works for answer in answers)
    size = sum(len(work.event.data) for answer in answers for work in answer.works)
    assert size <= LARGEST_ANSWER + len(requests) * len(LARGE)
