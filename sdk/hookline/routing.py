"""Which subscriptions an event goes to, by its type.

A pattern is an exact type (`invoice.paid`), a prefix (`invoice.*`: `invoice.paid` and
`invoice.paid.late`, but not `invoice`), or `*` for every type but hookline's own (`hookline.…`).
"""

import re
from collections.abc import Hashable, Iterable
from itertools import accumulate
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

LONGEST_PATTERN: Final = 130
"""Characters: the longest type, 128, and `.*`."""
REMEMBERED_TYPES: Final = 4096
"""Types are the callers' choice, so what is remembered of them is bounded."""

_PATTERN: Final = re.compile(r"\*|[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*(?:\.\*)?")
_EVERY: Final = "*"
OPERATIONAL: Final = "hookline."
"""Types that begin so are hookline's own; they go only where they are asked for by name or by prefix."""
_BELOW: Final = ".*"


def is_pattern(text: str) -> bool:
    """Whether `text` is a pattern."""
    return len(text) <= LONGEST_PATTERN and _PATTERN.fullmatch(text) is not None


def matches(pattern: str, event_type: str) -> bool:
    """Whether events of `event_type` go where `pattern` stands."""
    if pattern == _EVERY:
        return not event_type.startswith(OPERATIONAL)
    if pattern.endswith(_BELOW):
        return event_type.startswith(pattern[:-1])
    return event_type == pattern


class Routes(Generic[K]):
    """An immutable index from event types to keys (subscription ids)."""

    __slots__ = ("_keys", "_places", "_remembered")

    def __init__(self, routes: Iterable[tuple[K, Iterable[str]]]) -> None:
        """Index each key under its patterns; keys are answered in this order."""
        places: dict[str, list[int]] = {}
        keys: dict[K, int] = {}
        for key, patterns in routes:
            place = keys.setdefault(key, len(keys))
            for pattern in patterns:
                places.setdefault(pattern, []).append(place)
        self._keys = tuple(keys)
        self._places = {pattern: tuple(found) for pattern, found in places.items()}
        self._remembered: dict[str, tuple[K, ...]] = {}

    def match(self, event_type: str) -> tuple[K, ...]:
        """The keys that events of `event_type` go to, each once, in the order of the index."""
        found = self._remembered.get(event_type)
        if found is None:
            found = self._find(event_type)
            if len(self._remembered) >= REMEMBERED_TYPES:
                self._remembered.clear()
            self._remembered[event_type] = found
        return found

    def _find(self, event_type: str) -> tuple[K, ...]:
        *prefixes, _ = accumulate(event_type.split("."), lambda left, right: f"{left}.{right}")
        patterns = [event_type, *(prefix + _BELOW for prefix in prefixes)]
        if not event_type.startswith(OPERATIONAL):
            patterns.append(_EVERY)
        places = {place for pattern in patterns for place in self._places.get(pattern, ())}
        return tuple(self._keys[place] for place in sorted(places))
