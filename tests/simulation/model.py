"""Who gets what, said once more in the plainest way."""

import json

from simulation.scenario import EVEN

from hookline.model import Subscription

OPERATIONAL = "hookline."


def tag_of(data: bytes) -> int:
    """The number by which the world knows an event; 0 of an operational one."""
    return int(json.loads(data).get("n", 0))


def admits(subscription: Subscription, tenant: str, kind: str, tag: int) -> bool:
    """Whether an event of a tenant goes to a subscription as it stands."""
    asked = any(_fits(pattern, kind) for pattern in subscription.event_types)
    return subscription.tenant == tenant and asked and passes(subscription.filter, tag)


def passes(source: str, tag: int) -> bool:
    """The two filters that there are."""
    if source not in {"", EVEN}:
        raise ValueError(f"{source!r} is a filter that the model does not know")
    return not source or tag % 2 == 0


def _fits(pattern: str, kind: str) -> bool:
    if kind.startswith(OPERATIONAL) and pattern == "*":
        return False
    return pattern in {"*", kind} or (pattern.endswith(".*") and kind.startswith(pattern[:-1]))
