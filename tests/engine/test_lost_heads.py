"""The head of an ordering key that is cancelled unheard of: what is behind it goes on."""

import pytest
from engine.virtual import OK, Reply, Seen, at, now, virtual, webhook_ids, world

from hookline.clock import micros
from hookline.model import DeliveryState, Ordering, RetryPolicy, Steps

PATIENT = RetryPolicy(schedule=Steps(delays=(5.0,)), max_attempts=10, jitter=0.0)


@pytest.mark.parametrize("waits", [0.5, 4.0], ids=["cancelled while the outcome is repeated", "cancelled shortly before it is due"])
def test_a_cancelled_head_lets_its_key_go_on_though_its_outcome_is_repeated_and_no_wake_is_heard(waits: float) -> None:
    @virtual
    async def run() -> None:
        async with world(lambda seen: Reply(status=500) if b":0," in seen.body or seen.body.endswith(b":0}") else OK) as w:
            await w.subscribe(ordering=Ordering.BY_KEY, retry=PATIENT)
            store = w.nodes["a"].store
            store.loses = lambda verb: verb == "settle"
            await w.emit(4, ordering_key="k")
            await w.live(waits)
            assert len(w.receiver.seen) == 1
            head = (await w.deliveries())[0]
            store.deaf = True
            await w.client.deliveries.cancel(head.id)
            store.loses = lambda _: False
            cancelled = now()
            await w.until_done(within=10.0)
            assert now() - cancelled <= 6.0
            assert await w.states() == {DeliveryState.DELIVERED: 3, DeliveryState.CANCELLED: 1}
            assert set(webhook_ids(w.receiver.seen).values()) == {1}

    run()


@virtual
async def test_a_head_made_due_by_somebody_whose_clock_is_behind_stays_before_what_follows_it() -> None:
    def first_time(seen: Seen) -> Reply:
        return Reply(status=500 if seen.nth == 1 and seen.webhook_id in {"early", "head"} else 200)

    async with world(first_time) as w:
        await w.subscribe(ordering=Ordering.BY_KEY, retry=PATIENT)
        await w.emit(1, id="early", ordering_key="other")
        await w.live(2.0)
        for name in ("head", "second", "third"):
            await w.emit(1, id=name, ordering_key="k")
        await w.live(4.0)  # by now the other key's retry was read, with all that was due before it
        head = next(one for one in await w.deliveries() if one.event_id == "head")
        w.nodes["a"].store.deaf = True
        assert await w.store.requeue("acme", head.id, at=micros(at(4.0)))
        await w.until_done(within=10.0)
    assert [seen.webhook_id for seen in w.receiver.seen] == ["early", "head", "early", "head", "second", "third"]
