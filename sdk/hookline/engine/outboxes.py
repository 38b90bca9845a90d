"""Takes what committed from outboxes, and accepts it as if it had just been emitted.

An event is removed from its outbox only when it is accepted; accepting is idempotent by the event's id, so
a crash in between, or another reader beside, has no effect. Each reader takes what it reads in order, and
readers append in turn: one that has read a part of what another has appends it before the other's rest, or
after all of it, to no effect.
"""

import asyncio
import itertools
import logging
from typing import Final

from hookline.engine.config import EngineConfig
from hookline.engine.ingest import EmitOutcome, Ingest
from hookline.errors import AlreadyExists, HooklineError, InvalidArgument
from hookline.outbox import POLL, Outbox, OutboxRow

LOGGER: Final = logging.getLogger(__name__)
BATCH: Final = 500
"""Events a read."""


async def drain_outbox(outbox: Outbox, ingest: Ingest, config: EngineConfig) -> None:
    """Take what commits, for ever."""
    outbox.restart()  # a fault may have ended a former run in between
    while True:
        try:
            rows = await outbox.read(BATCH)
            if rows:
                await _accept(outbox, rows, ingest)
            if len(rows) == BATCH:
                continue
            await asyncio.sleep(POLL)
        except HooklineError as error:
            outbox.restart()
            LOGGER.warning("the outbox could not be emptied, trying again: %s", error)
            await asyncio.sleep(config.floor_poll)


async def _accept(outbox: Outbox, rows: list[OutboxRow], ingest: Ingest) -> None:
    taken: list[OutboxRow] = []
    refused: list[tuple[OutboxRow, str]] = []
    fault: HooklineError | None = None
    # Runs of one tenant, in order: one tenant's fault holds up what is behind it no longer than a poll.
    for tenant, run in itertools.groupby(rows, lambda row: row.tenant):
        part = list(run)
        for row, outcome in zip(part, await _emit(ingest, tenant, part), strict=True):
            match outcome:
                case InvalidArgument() | AlreadyExists():
                    LOGGER.warning("event %s of tenant %s from the outbox is refused: %s", row.event.id, tenant, outcome)
                    refused.append((row, str(outcome)))
                case HooklineError():
                    fault = outcome
                case _:
                    taken.append(row)
    if taken:
        await outbox.remove(taken)
    if refused:
        await outbox.refuse(refused)
    if fault is not None:
        raise fault


async def _emit(ingest: Ingest, tenant: str, rows: list[OutboxRow]) -> list[EmitOutcome]:
    return list(await ingest.emit(tenant, [row.event for row in rows], in_turn=True))
