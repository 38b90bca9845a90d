"""What can be set of an engine; the defaults serve one machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from hookline.errors import InvalidArgument, quoted
from hookline.validation.text import check_tenant, is_whole

DAY: Final = 86_400.0
KIB: Final = 1024
MIB: Final = 1024 * KIB
HEAVIEST: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """Times are in seconds, sizes in bytes."""

    node_concurrency: int = 512
    """Requests in flight, over all subscriptions of this node."""
    lane_window: int = 2_000
    """Deliveries of one subscription in memory; the rest of its backlog stays in the store."""
    memory_budget: int = 48 * MIB
    """Deliveries in memory, over all lanes, shared by what is free, a quarter of it for one; then lanes read as they go."""
    max_data: int = 256 * KIB
    """The largest `data` of an event."""
    max_unacknowledged: int = 20_000
    """Events that wait for their commit; beyond it, emits are refused with ResourceExhausted."""
    max_unacknowledged_bytes: int = 64 * MIB
    """Bytes of data of events that wait for their commit; the same beyond it."""
    disk_margin: int = 64 * MIB
    """Bytes that must be left on the disk of an SQLite store; below it, emits are refused with ResourceExhausted. 0: any."""
    lease_ttl: float = 10.0
    """A node that has not beaten for so long has lost its lanes."""
    floor_poll: float = 1.0
    """How late a lost hint (a wake-up, a clock jump) is noticed."""
    grace: float = 10.0
    """How long a stop waits for what is on the wire."""
    fanout_limit: int = 200
    """An event for more subscriptions than this is fanned out behind the acknowledgement."""
    retention: float = 14 * DAY
    """Finished deliveries, their attempts and their events are kept for so long."""
    idempotency_window: float = 30 * DAY
    """Ids and idempotency keys are remembered for at least so long."""
    tenant_weights: Mapping[str, int] = field(default_factory=dict)
    """How many turns a tenant has in a round when there is more to do than slots, and how many slots; 1 if it is not named."""
    operator_tenant: str = ""
    """The tenant that hears of every tenant's operational events, beside that tenant itself; empty for none."""
    allow_http_loopback: bool = False
    """Development: receivers on loopback, and http to them."""

    def __post_init__(self) -> None:
        """Raise InvalidArgument for a weight or a tenant that is none."""
        if self.operator_tenant:
            check_tenant(self.operator_tenant, "operator_tenant")
        for tenant, weight in self.tenant_weights.items():
            if not is_whole(weight) or not 1 <= weight <= HEAVIEST:
                raise InvalidArgument.of(
                    f"tenant_weights.{tenant}", f"{quoted(weight)} is out of range; right is a whole number from 1 to {HEAVIEST}"
                )
