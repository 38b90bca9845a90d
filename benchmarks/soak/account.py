"""What was acknowledged, beside what the server and the receiver say of it."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from benchmarks.server import Load, control
from benchmarks.soak.streams import REPLAYED, STREAMS
from hookline_proto.v1 import delivery_service_pb2

ENDS: Final = 120.0
"""Seconds in which everything must have ended once nothing more is emitted."""


@dataclass(slots=True)
class Ledger:
    """What the load did. Names are those of the streams."""

    acknowledged: Counter[str] = field(default_factory=Counter)
    """Events, duplicates not among them."""
    replayed: int = 0
    done: Counter[str] = field(default_factory=Counter)
    """Everything else: how often, by what."""
    errors: Counter[str] = field(default_factory=Counter)
    """Calls that failed, by what and status."""
    subscriptions: dict[str, str] = field(default_factory=dict)
    """Ids, by name."""

    @property
    def events(self) -> int:
        """Acknowledged, in all."""
        return self.acknowledged.total()

    def expected(self, name: str) -> int:
        """Deliveries that there must be of a stream."""
        return self.acknowledged[name] + (self.replayed if name == REPLAYED.name else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One stream. `received` counts the ids that came to the receiver at least once."""

    stream: str
    expected: int
    delivered: int
    exhausted: int
    cancelled: int
    pending: int
    received: int

    @property
    def right(self) -> bool:
        """Every acknowledged event has one delivery, and each that was tried came to the receiver."""
        ended = self.delivered + self.exhausted + self.cancelled
        return ended + self.pending == self.expected and self.received >= self.delivered


async def settle(load: Load, url: str, ledger: Ledger, seconds: float = ENDS) -> list[Line]:
    """Wait until nothing is pending, or the time is over; the account."""
    end = time.monotonic() + seconds
    while True:
        answer = await load.deliveries.GetDeliveryStats(delivery_service_pb2.GetDeliveryStatsRequest())
        if answer.stats.total.pending == 0 or time.monotonic() > end:
            break
        await asyncio.sleep(1)
    lines = []
    for stream in STREAMS:
        counts = answer.stats.by_subscription[ledger.subscriptions[stream.name]]
        lines.append(
            Line(
                stream=stream.name,
                expected=ledger.expected(stream.name),
                delivered=counts.delivered,
                exhausted=counts.exhausted,
                cancelled=counts.cancelled,
                pending=counts.pending,
                received=control(url, f"stats?prefix=/{stream.path}")["distinct"],
            )
        )
    return lines
