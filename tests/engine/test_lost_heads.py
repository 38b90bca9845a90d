"""The head of an ordering key that is cancelled unheard of: what is behind it goes on."""

import pytest
from engine.virtual import OK, Reply, now, virtual, webhook_ids, world

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
