"""What is done by hand: cancel a delivery, make it due again, call off a lane."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from hookline.store.postgres import rows
from hookline.store.postgres.pool import Connection, Pool
from hookline.store.postgres.rows import CANCELLED, DELIVERED, EXHAUSTED, PENDING
from hookline.store.postgres.statements import load
from hookline.store.postgres.wake import Wakes
from hookline.store.protocol import LaneKey, Wake, WakeKind

_SQL: Final = load("hand")
MOVES: Final = 10
"""How often a delivery may have moved on between being found and being taken."""
_Wakes = tuple[int | None, bool, tuple[Wake, ...]]
_NONE: Final[_Wakes] = (None, False, ())


async def _on_standing(
    pool: Pool, wakes: Wakes, tenant: str, delivery_id: str, act: Callable[[Connection, int, Any, Any], Awaitable[_Wakes | None]]
) -> bool:
    """Find a delivery, hold its lane, and act on it. `act` answers None if it has moved on since it was found."""

    async def work(connection: Connection, base: int) -> _Wakes:
        for _ in range(MOVES):
            found = await connection.fetchrow(_SQL["standing"], tenant, delivery_id)
            if found is None:
                return _NONE
            lane = await connection.fetchrow(_SQL["lane"], tenant, found["lane"])
            done = await act(connection, base, found, lane)
            if done is not None:
                return done
        return _NONE

    owner, alive, said = await pool.transaction(work)
    for wake in said:
        wakes.owner(owner, alive, wake)
    return bool(said)


async def cancel(pool: Pool, wakes: Wakes, tenant: str, delivery_id: str, *, reason: str, at: int) -> bool:
    """Cancel a pending delivery."""

    async def act(connection: Connection, base: int, found: Any, lane: Any) -> _Wakes | None:
        if found["place"] == "done":
            return _NONE
        if not await _remove(connection, tenant, found):
            return None
        attempts, day = found["before"] + found["attempts"], rows.day_of(at)
        columns = (found["type"], found["webhook"], found["replay"], found["created"])
        await connection.execute(
            _SQL["add_done"], tenant, found["id"], day, found["pos"], found["lane"], found["event"], found["day"], *columns,
            CANCELLED, reason, found["run"], attempts, at,
        )  # fmt: skip
        await connection.execute(_SQL["add_tally"], tenant, found["lane"], 0, 0, 1)
        await _change(connection, tenant, base, found, (CANCELLED, reason, found["run"], attempts, None, at))
        key = LaneKey(tenant, found["lane"])
        wake = Wake(WakeKind.FORGET, (key,), (delivery_id,))
        return (lane["owner"], lane["alive"], (wake,)) if lane is not None else (None, False, (wake,))

    return await _on_standing(pool, wakes, tenant, delivery_id, act)


async def requeue(pool: Pool, wakes: Wakes, tenant: str, delivery_id: str, at: int) -> bool:
    """Make a delivery due now."""

    async def act(connection: Connection, base: int, found: Any, lane: Any) -> _Wakes | None:
        if lane is None or not lane["taking"] or found["place"] == "fresh":
            return _NONE
        if found["place"] == "done":
            return await _begin_again(connection, tenant, base, found, lane, at=at)
        return await _advance(connection, tenant, base, found, lane, at=at)

    return await _on_standing(pool, wakes, tenant, delivery_id, act)


async def _begin_again(connection: Connection, tenant: str, base: int, found: Any, lane: Any, *, at: int) -> _Wakes | None:
    """A finished delivery begins a new run at the queue's end."""
    event = await connection.fetchrow(_SQL["event_day"], tenant, found["event"])
    if event is None:  # retention has taken it
        return _NONE
    if not await connection.fetch(_SQL["remove_done"], tenant, found["id"], found["day"]):
        return None
    run, attempts = found["run"] + 1, found["attempts"]
    await connection.execute(
        _SQL["add_fresh"], tenant, found["lane"], base | 1, found["id"], found["event"], event["day"], event["size"],
        found["type"], event["okey"], found["webhook"], found["replay"], found["created"], run, attempts, at,
    )  # fmt: skip
    less = [-(state == found["state"]) for state in (DELIVERED, EXHAUSTED, CANCELLED)]
    await connection.execute(_SQL["add_tally"], tenant, found["lane"], *less)
    await _change(connection, tenant, base, found, (PENDING, "", run, attempts, None, at))
    return lane["owner"], lane["alive"], (Wake(WakeKind.LANES, (LaneKey(tenant, found["lane"]),)),)


async def _advance(connection: Connection, tenant: str, base: int, found: Any, lane: Any, *, at: int) -> _Wakes | None:
    """A waiting delivery that is not yet due stops waiting."""
    if found["due"] <= at:
        return _NONE
    if not await _remove(connection, tenant, found):
        return None
    columns = [found[name] for name in ("pos", "id", "event", "day", "size", "type", "okey", "webhook", "replay", "created")]
    rest = [found[name] for name in ("run", "before", "attempts", "run_start", "reason")]
    await connection.execute(_SQL["postpone"], tenant, found["lane"], at, *columns, *rest)
    tried = found["before"] + found["attempts"]
    await _change(connection, tenant, base, found, (PENDING, found["reason"], found["run"], tried, at, at))
    key = LaneKey(tenant, found["lane"])
    return lane["owner"], lane["alive"], (Wake(WakeKind.FORGET, (key,), (found["id"],)), Wake(WakeKind.LANES, (key,)))


async def _remove(connection: Connection, tenant: str, found: Any) -> bool:
    if found["place"] == "fresh":
        return bool(await connection.fetch(_SQL["remove_fresh"], tenant, found["lane"], found["pos"]))
    return bool(await connection.fetch(_SQL["remove_later"], tenant, found["lane"], found["due"], found["pos"]))


async def _change(connection: Connection, tenant: str, base: int, found: Any, what: tuple[Any, ...]) -> None:
    """Keep a change of state that no attempt has made: state, reason, run, attempts, next, at."""
    await connection.execute(
        _SQL["add_change"], tenant, base | 1, rows.day_of(what[-1]), found["id"], found["event"], found["type"], found["lane"],
        found["webhook"], found["created"], found["replay"], *what,
    )  # fmt: skip


async def lapse(pool: Pool, wakes: Wakes, key: LaneKey, *, before: int, limit: int, reason: str, at: int) -> int:
    """Cancel what was made before a time; how many."""

    async def work(connection: Connection, base: int) -> tuple[list[str], Any]:
        lane = await connection.fetchrow(_SQL["lane_alone"], *key)
        if lane is None:
            return [], None
        return await call_off(connection, key, base, limit=limit, reason=reason, at=at, before=before), lane

    ids, lane = await pool.transaction(work)
    if ids:
        wakes.owner(lane["owner"], lane["alive"], Wake(WakeKind.FORGET, (key,), tuple(ids)))
    return len(ids)


async def call_off(
    connection: Connection, key: LaneKey, base: int, *, limit: int, reason: str, at: int, before: int = rows.LAST
) -> list[str]:
    """Cancel up to `limit` pending deliveries of a lane, within a transaction that holds the lane; their ids."""
    found = await connection.fetch(_SQL["call_off"], *key, limit, base, reason, at, rows.day_of(at), before)
    if found:
        await connection.execute(_SQL["add_tally"], *key, 0, 0, len(found))
    return [row[0] for row in found]
