"""The lanes of a subscription: what they are called, which events go where, and what each may use of the limits.

Lane 0 has the subscription's own id for a name, so that a subscription with one lane, as every one was once,
needs no other. The others add a slash, which stands in no id, and their number: `sub_…/3`.
"""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Final

from hookline.model import RateLimit, Subscription
from hookline.rate import burst_of

MOST_LANES: Final = 64
_SLASH: Final = "/"


def lane_name(subscription_id: str, number: int) -> str:
    """What lane `number` (from 0) of a subscription is called."""
    return f"{subscription_id}{_SLASH}{number}" if number else subscription_id


def lane_names(subscription_id: str, lanes: int) -> list[str]:
    """What the lanes of a subscription that has so many are called."""
    return [lane_name(subscription_id, number) for number in range(lanes)]


def subscription_of(lane: str) -> str:
    """The id of the subscription that a lane belongs to."""
    return lane.partition(_SLASH)[0]


def lane_of(subscription_id: str, lanes: int, key: str) -> str:
    """The lane of a subscription with so many that what has `key` goes to.

    `key` is an event's ordering key, or its id if it has none. The same in every process and version: the
    deliveries of a key are to stay in one lane (BLAKE2b, RFC 7693, over the key's UTF-8).
    """
    if lanes == 1:
        return subscription_id
    return lane_name(subscription_id, int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big") % lanes)


def sharing(subscription: Subscription) -> int:
    """How many lanes share the limits: those that there are, and those that a former, larger number has left behind."""
    return max(subscription.lanes, subscription.former_lanes)


def limited(subscription: Subscription, lane: str) -> Subscription:
    """The subscription as one of its lanes sees it: with its part of the limits; all parts together are no more than these.

    A lane beyond those that share them, which holds nothing but what is tried again by hand, has the least there is.
    """
    lanes = sharing(subscription)
    if lanes == 1 and lane == subscription.id:
        return subscription
    number = int(lane.partition(_SLASH)[2] or 0)
    rate = subscription.rate
    if rate is not None:
        burst = _part(burst_of(rate), lanes, number)
        rate = replace(rate, requests_per_second=rate.requests_per_second / lanes, burst=burst)
    return replace(subscription, max_in_flight=_part(subscription.max_in_flight, lanes, number), rate=rate)


def too_few(max_in_flight: int, rate: RateLimit | None, lanes: int) -> Sequence[tuple[str, str]]:
    """Limits that cannot be shared by so many lanes without a lane that gets nothing: field, and what is wrong."""
    limits = [("max_in_flight", max_in_flight)] + ([] if rate is None else [("rate.burst", burst_of(rate))])
    return [
        (field, f"{value} cannot be shared by {lanes} lanes; right is at least {lanes}, or fewer lanes")
        for field, value in limits
        if value < lanes
    ]


def _part(whole: int, lanes: int, number: int) -> int:
    """Lane `number`'s part of a whole that `lanes` share; the first ones have what is left over."""
    return max(1, whole // lanes + (number < whole % lanes))
