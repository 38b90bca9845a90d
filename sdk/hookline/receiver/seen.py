"""The keys that this process has seen, for receivers without a database."""

from collections import OrderedDict
from typing import Final

from hookline.receiver.transactions import EventKey

MOST_KEYS: Final = 100_000
"""About 30 MB; the oldest are forgotten first."""


class SeenKeys:
    """Keys with the time at which they were recorded; bounded in number and in age."""

    def __init__(self, most: int = MOST_KEYS) -> None:
        self._times: OrderedDict[EventKey, int] = OrderedDict()
        self._most: Final = most

    def seen(self, key: EventKey) -> bool:
        """Whether it is recorded."""
        return key in self._times

    def record(self, key: EventKey, now: int) -> None:
        """Record it; `now` is in microseconds since 1970."""
        self._times[key] = now
        if len(self._times) > self._most:
            self._times.popitem(last=False)

    def purge(self, before: int) -> int:
        """Forget what was recorded before a time (microseconds since 1970); how many."""
        forgotten = 0
        while self._times and next(iter(self._times.values())) < before:
            self._times.popitem(last=False)
            forgotten += 1
        return forgotten
