"""Membership and ownership: nodes come and go, lanes change hands."""

import sqlite3
from collections.abc import Sequence
from typing import Final

from hookline.store.protocol import LaneKey, NodeRow, OwnedLane, WakeKind
from hookline.store.sqlite.statements import load
from hookline.store.sqlite.transaction import EVERYBODY, Transaction

_SQL: Final = load("nodes")


def reserve(tx: Transaction) -> int:
    """A new node's id; its row comes with `join`, once its lock is held."""
    return tx.node_id()


def join(tx: Transaction, node: int, address: str) -> None:
    """Begin as a node."""
    tx.cursor.execute(_SQL["add"], (node, address))
    tx.hint(EVERYBODY, WakeKind.NODES)


def nodes(connection: sqlite3.Connection) -> list[NodeRow]:
    """The living nodes."""
    return [NodeRow(*row) for row in connection.execute(_SQL["all"])]


def beat(tx: Transaction, node: int, load: int) -> list[NodeRow]:
    """One heartbeat, and who lives."""
    tx.cursor.execute(_SQL["beat"], (load, node))
    return [NodeRow(*row) for row in tx.cursor.execute(_SQL["all"])]


def bury(tx: Transaction, node: int, beat: int) -> bool:
    """Remove a node whose beat stood still."""
    buried = tx.cursor.execute(_SQL["bury"], (node, beat)).rowcount > 0
    if buried:
        tx.hint(EVERYBODY, WakeKind.NODES)
    return buried


def leave(tx: Transaction, node: int) -> None:
    """Go, and tell the others."""
    if tx.cursor.execute(_SQL["leave"], (node,)).rowcount:
        tx.hint(EVERYBODY, WakeKind.NODES)


def has_orphans(connection: sqlite3.Connection) -> bool:
    """Whether some lane's owner is dead."""
    return connection.execute(_SQL["orphans"], (1,)).fetchone() is not None


def sweep(tx: Transaction, node: int, limit: int) -> list[OwnedLane]:
    """Take lanes whose owner is dead; a node that is dead itself takes nothing."""
    if tx.cursor.execute(_SQL["alive"], (node,)).fetchone() is None:
        return []
    orphans = tx.cursor.execute(_SQL["orphans"], (limit,)).fetchall()
    tx.cursor.executemany(_SQL["take"], [(node, no) for no, *_ in orphans])
    tx.forget()
    return [OwnedLane(LaneKey(tenant, name), epoch + 1, bool(ordered), state) for _, tenant, name, epoch, ordered, state in orphans]


def mine(connection: sqlite3.Connection, node: int) -> list[OwnedLane]:
    """Every lane of a node."""
    found = connection.execute(_SQL["mine"], (node,))
    return [OwnedLane(LaneKey(tenant, name), epoch, bool(ordered), state) for tenant, name, epoch, ordered, state in found]


def hand(tx: Transaction, node: int, lane: OwnedLane, to: int) -> bool:
    """Give a lane to a living node."""
    names = {"tenant": lane.key.tenant, "name": lane.key.lane, "node": node, "epoch": lane.epoch, "to": to}
    handed = tx.cursor.execute(_SQL["hand"], names).rowcount > 0
    if handed:
        tx.forget()
        tx.hint(to, WakeKind.NODES)
    return handed


def retake(tx: Transaction, node: int, lane: OwnedLane) -> OwnedLane | None:
    """Raise the epoch of a lane that is still ours."""
    names = {"tenant": lane.key.tenant, "name": lane.key.lane, "node": node, "epoch": lane.epoch}
    if tx.cursor.execute(_SQL["retake"], names).rowcount == 0:
        return None
    tx.forget()
    row = tx.lane(*lane.key)
    kept = tx.cursor.execute(_SQL["state"], tuple(lane.key)).fetchone()
    return None if row is None else OwnedLane(lane.key, row.epoch, bool(row.ordered), kept[0] or "")


def keep(tx: Transaction, node: int, states: Sequence[tuple[OwnedLane, str]]) -> None:
    """Keep a small text with each lane that is still ours."""
    tx.cursor.executemany(_SQL["keep"], [(state, *lane.key, node, lane.epoch) for lane, state in states])


def states(connection: sqlite3.Connection, tenant: str, lanes: Sequence[str]) -> dict[str, str]:
    """What is kept with these lanes."""
    found = {lane: connection.execute(_SQL["state"], (tenant, lane)).fetchone() for lane in lanes}
    return {lane: row[0] for lane, row in found.items() if row is not None and row[0]}
