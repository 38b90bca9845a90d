"""Whose turn it is: tenants one after the other, each as often as its weight says, and within a tenant lane after lane."""

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hookline.engine.lane import Lane


class Share:
    """A tenant's lanes of one of the two kinds, and what they use of the node's slots; see `Slots`."""

    __slots__ = ("crowded", "in_flight", "need", "sweep_at", "tenant")

    def __init__(self, tenant: "Tenant") -> None:
        """Nothing is under way."""
        self.tenant = tenant
        self.in_flight = 0
        self.crowded: list[tuple[int, int, Lane]] = []
        """Lanes that wait for free slots, by how many they hold."""
        self.need = 0
        """How many slots must be free for the first of them."""
        self.sweep_at = 0
        """How many entries there may be before those that count no more are dropped."""


class Tenant:
    """A tenant's lanes that have something to do, and what it uses: requests under way, memory."""

    __slots__ = ("credit", "held", "lanes", "name", "proven", "queued", "unproven", "weight")

    def __init__(self, name: str, weight: int) -> None:
        """Nothing to do. `weight` is how many turns it has in a round, at least 1."""
        self.name = name
        self.weight = weight
        self.credit = weight
        self.lanes: deque[Lane] = deque()
        self.proven = Share(self)
        """Of lanes whose receivers have lately answered at once."""
        self.unproven = Share(self)
        """Of all others."""
        self.held = 0
        """Bytes of works in memory, over its lanes."""
        self.queued = False

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        return self.proven.in_flight + self.unproven.in_flight


class Turns:
    """The round of tenants."""

    def __init__(self, weights: Mapping[str, int]) -> None:
        """Nobody waits. Tenants without a weight have 1."""
        self._weights = weights
        self._tenants: dict[str, Tenant] = {}
        self._order: deque[Tenant] = deque()

    def __bool__(self) -> bool:
        """Whether somebody waits."""
        return any(tenant.lanes for tenant in self._order)

    def tenant(self, name: str) -> Tenant:
        """The tenant called `name`."""
        found = self._tenants.get(name)
        if found is None:
            found = self._tenants[name] = Tenant(name, self._weights.get(name, 1))
        return found

    def add(self, lane: "Lane") -> None:
        """`lane` waits for its turn."""
        tenant = lane.tenant
        tenant.lanes.append(lane)
        if not tenant.queued:
            tenant.queued, tenant.credit = True, tenant.weight
            self._order.append(tenant)

    def next(self) -> "Lane | None":
        """The lane whose turn it is; `took` is to be told if it uses that."""
        order = self._order
        while order:
            tenant = order[0]
            if not tenant.lanes:
                order.popleft().queued = False
                continue
            return tenant.lanes.popleft()
        return None

    def took(self, tenant: Tenant) -> None:
        """The lane that `next` answered, one of `tenant`, has started something."""
        tenant.credit -= 1
        if tenant.credit <= 0:
            tenant.credit = tenant.weight
            self._order.rotate(-1)
