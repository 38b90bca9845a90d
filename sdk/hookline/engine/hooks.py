"""What the dispatcher asks of, and tells to, the rest of the engine."""

from collections.abc import Callable
from typing import NamedTuple

from hookline.engine.lane import Lane
from hookline.store.protocol import Settlement


class Hooks(NamedTuple):
    """One callable for each."""

    node: Callable[[], int]
    may_start: Callable[[], bool]
    """The lease is valid, and the engine is not stopping."""
    disable: Callable[[str, str, str, str], None]
    """The receiver wants no more: tenant, subscription, its URL then, reason."""
    give_up: Callable[[Lane, str], None]
    """It has only failed for too long, as far as this lane knows: the reason."""
    attempted: Callable[[Settlement], None]
    flushed: Callable[[], None]
    """Outcomes are on disk."""
    drained: Callable[[], None]
    """A lane that starts nothing more has nothing under way any more."""
    keep: Callable[[Lane], None]
    """What a lane's pace says is to be kept in the store."""
    failing: Callable[[Lane, Settlement], None]
    """A receiver has only failed for long."""
    ended: Callable[[Settlement], None]
    """A delivery is given up, and that is on disk."""
