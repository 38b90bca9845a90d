"""Retention keeps up: what expires beside deliveries and events goes as fast as it comes."""

from store.making import NOON, TENANT, make_event, route

from hookline.store import Store
from hookline.store.protocol import NOBODY, Accepted


async def test_steps_go_on_until_all_expired_keys_are_gone_however_many_came_with_each_event(store: Store) -> None:
    events = [make_event(f"e{number}", key=f"k{number}") for number in range(30)]
    await store.append(NOBODY, [route(event, revision=0) for event in events])
    for _ in range(4):  # the events go, and their ids are carried forward: two records are left of each
        await store.purge(finished_before=NOON + 1, keys_before=NOON, limit=10)
    assert await store.event(TENANT, "e29") is None
    while any(await store.purge(finished_before=NOON + 1, keys_before=NOON + 1, limit=10)):
        pass
    again = await store.append(NOBODY, [route(event, revision=0, digest=b"other") for event in events])
    assert all(isinstance(answer, Accepted) for answer in again)
