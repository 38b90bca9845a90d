"""Who gets what, said once more in the plainest way."""

import json

from simulation.scenario import EVEN

from hookline.model import Subscription


def tag_of(data: bytes) -> int:
    """The number by which the world knows an event."""
    return int(json.loads(data)["n"])


def admits(subscription: Subscription, kind: str, tag: int) -> bool:
    """Whether an event goes to a subscription as it stands."""
    return any(_fits(pattern, kind) for pattern in subscription.event_types) and passes(subscription.filter, tag)


def passes(source: str, tag: int) -> bool:
    """The two filters that there are."""
    if source not in {"", EVEN}:
        raise ValueError(f"{source!r} is a filter that the model does not know")
    return not source or tag % 2 == 0


def _fits(pattern: str, kind: str) -> bool:
    return pattern in {"*", kind} or (pattern.endswith(".*") and kind.startswith(pattern[:-1]))
