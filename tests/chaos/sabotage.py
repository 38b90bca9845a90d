"""Replicas that break a rule on purpose: does the account show it?"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from hookline.engine.node import Node
from hookline.store.postgres import queue, settle


def _suspects() -> None:
    """A claim forgets which transactions were under way below its cursor."""
    parse = queue.Snapshot.parse

    def blind(text: str) -> queue.Snapshot:
        return queue.Snapshot(parse(text).end, ())

    queue.Snapshot.parse = blind  # type: ignore[method-assign]  # on purpose


def _fence() -> None:
    """A settle does not ask who has the lane by now."""
    statements: Any = settle._SQL
    fenced = statements["settle"]
    loose = fenced.replace("SELECT l.tenant, l.name, l.epoch FROM (SELECT", "SELECT l.tenant, l.name, d.epoch FROM (SELECT")
    loose = loose.replace("AND l.name = d.lane AND l.epoch = d.epoch", "AND l.name = d.lane")
    loose = loose.replace("WHERE l.owner = $1 ORDER BY l.tenant, l.name FOR SHARE OF l", "WHERE $1::bigint IS NOT NULL")
    if loose.count("d.epoch FROM (") != 1 or "FOR SHARE" in loose:
        raise RuntimeError("the statement is another by now: the sabotage does not fit")
    statements["settle"] = loose


def _lease() -> None:
    """A node goes on though its lease is over."""
    Node.holds_lease = property(lambda _: True)  # type: ignore[assignment,method-assign]  # on purpose


SABOTAGES: Final[Mapping[str, Callable[[], None]]] = {"suspects": _suspects, "fence": _fence, "lease": _lease}
"""By the rule that is broken."""
