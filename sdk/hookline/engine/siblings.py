"""The other lanes of a subscription: while one of them delivers, it is not true that its receiver only fails."""

from hookline.engine.lane import Lane
from hookline.engine.pace import was_well
from hookline.lanes import lane_names, sharing
from hookline.store.protocol import WorkQueue


async def others_are_well(queue: WorkQueue, lane: Lane, now: int) -> bool:
    """Whether another lane of its subscription may have succeeded within `disable_after` before `now`. Raises Unavailable.

    "May": each keeps when it last did, and not to the second.
    """
    subscription = lane.target.subscription
    others = [name for name in lane_names(subscription.id, sharing(subscription)) if name != lane.key.lane]
    if not others:
        return False
    states = await queue.states(subscription.tenant, others)
    return any(was_well(state, subscription.disable_after, now) for state in states.values())
