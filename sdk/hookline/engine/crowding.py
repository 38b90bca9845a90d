"""Why a lane that may go starts nothing more at this moment: all the requests that it may have at a time are under way."""

from hookline.engine.lane import Lane
from hookline.lanes import limited
from hookline.model import Hold, HoldKind


def crowded(lane: Lane) -> Hold | None:
    """What keeps those of a lane that have not started; None if nothing does. Its owner alone can tell."""
    limit = lane.pace.limit
    full = limited(lane.target.subscription, lane.key.lane).max_in_flight
    if lane.in_flight >= limit:
        if limit < full:
            why = f"its lane was narrowed to {limit} of {full} requests at a time, as its receiver had too much to do"
            reason = f"{why}, and as many are under way; each success widens it again"
        else:
            reason = f"as many requests as its lane may have at a time are under way (max_in_flight: {full}); one must end first"
        return Hold(kind=HoldKind.CONCURRENCY, reason=reason)
    if lane.crowded:
        reason = "the requests that this node may have at a time (node_concurrency) are used up, or left to other receivers"
        return Hold(kind=HoldKind.CONCURRENCY, reason=f"{reason}; it goes on as soon as some of them end")
    return None


def under_way(lane: Lane) -> frozenset[str]:
    """The deliveries of a lane that were started and whose outcomes are not on disk; in an ordered lane, their followers too."""
    waiting = {work.pos for work in lane.ready}
    return frozenset(work.delivery_id for pos, work in lane.known.items() if pos not in waiting)
