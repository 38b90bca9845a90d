"""hookline in an asyncio program: subscribe, emit, and watch what happens.

hookline receive --port 8931
python examples/embedded.py [STORE] [URL]
"""

import asyncio
import sys

import hookline
from hookline import Change, DeliveryState, EventSpec, Exponential, RetryPolicy, SubscriptionSpec

ORDERS = 5
IMPATIENT = RetryPolicy(schedule=Exponential(initial=0.5, cap=30.0), max_attempts=10)


async def main(store: str = "memory:", url: str = "http://127.0.0.1:8931/") -> None:
    # Receivers on loopback are for development; without it only https to the Internet is dialled.
    config = hookline.EngineConfig(allow_http_loopback=True)
    async with hookline.open(store, config=config) as client:
        spec = SubscriptionSpec(url=url, event_types=("order.*",), retry=IMPATIENT)
        # The request id makes it safe to run this again: it answers with the subscription of the first time.
        subscription = await client.subscriptions.create(spec, request_id="example-embedded")
        changes = client.watch(subscription_id=subscription.id)
        await anext(changes)  # a checkpoint: from here on nothing is missed
        outcomes = await client.emit_many(
            [EventSpec(type="order.placed", data=b'{"order":%d}' % number) for number in range(ORDERS)]
        )
        print(f"{len(outcomes)} events are on disk")
        delivered = 0
        while delivered < ORDERS:
            change = await anext(changes)
            if isinstance(change, Change):
                print(change.delivery.event_id, change.delivery.state, change.delivery.reason)
                delivered += change.delivery.state is DeliveryState.DELIVERED


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
