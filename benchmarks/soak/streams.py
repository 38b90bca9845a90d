"""What the soak's receivers are like, and how much each gets."""

from dataclasses import dataclass, field
from typing import Final

from google.protobuf.duration_pb2 import Duration

from hookline_proto.v1 import retry_policy_pb2, subscription_pb2

ALL_FAIL: Final = subscription_pb2.CircuitBreaker(off=True)
"""For those that never answer well: behind a breaker their backlog would grow for as long as the run lasts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Events of one type, and the one subscription that wants them.

    `weight` is its part of the single emits; `delays` (seconds) and `attempts` make its retry policy; `path` says how
    the receiver answers.
    """

    name: str
    path: str
    weight: int = 0
    delays: tuple[int, ...] = (1, 2)
    attempts: int = 20
    timeout: float = 15.0
    ordered: bool = False
    breaker: subscription_pb2.CircuitBreaker = field(default_factory=subscription_pb2.CircuitBreaker)

    @property
    def type(self) -> str:
        """Of its events."""
        return f"soak.{self.name}"

    def spec(self, url: str) -> subscription_pb2.SubscriptionSpec:
        """Its subscription, with the receiver at `url`."""
        steps = retry_policy_pb2.StepSchedule(delays=[Duration(seconds=delay) for delay in self.delays])
        return subscription_pb2.SubscriptionSpec(
            url=f"{url}/{self.path}",
            event_types=[self.type],
            description=self.name,
            retry=retry_policy_pb2.RetryPolicy(steps=steps, max_attempts=self.attempts),
            timeout=Duration(nanos=round(self.timeout * 1e9) % 1_000_000_000, seconds=int(self.timeout)),
            ordering=subscription_pb2.ORDERING_BY_KEY if self.ordered else subscription_pb2.ORDERING_NONE,
            breaker=self.breaker,
        )


BATCH: Final = Stream(name="batch", path="ok/batch")
"""Comes in batches and streams, not one by one."""
PLAIN: Final = Stream(name="plain", path="ok/plain", weight=60)
REPLAYED: Final = Stream(name="replayed", path="ok/replayed")
"""Gets what is replayed of the plain ones."""
STREAMS: Final = (
    PLAIN,
    BATCH,
    REPLAYED,
    Stream(name="ordered", path="ok/ordered", weight=15, ordered=True),
    Stream(name="flaky", path="flaky/3/flaky", weight=10),
    Stream(name="phased", path="phased/20/phased", weight=8, delays=(1, 2, 5, 10), attempts=50),
    Stream(name="failing", path="status/500/failing", weight=3, attempts=3, breaker=ALL_FAIL),
    Stream(name="resetting", path="reset/resetting", weight=2, attempts=3, breaker=ALL_FAIL),
    # Whoever times out gets one request at a time before long: more than one a second would pile up.
    Stream(name="hanging", path="hang/hanging", weight=1, attempts=1, timeout=1, breaker=ALL_FAIL),
    Stream(name="dripping", path="drip/dripping", weight=1, attempts=1, timeout=1, breaker=ALL_FAIL),
)
