"""Takes what committed from outboxes, and accepts it as if it had just been emitted.

An event is removed from its outbox only when it is accepted; accepting is idempotent by the event's id, so
a crash in between, or another reader beside, has no effect. Each reader takes what it reads in order, and
readers append in turn: one that has read a part of what another has appends it before the other's rest, or
after all of it, to no effect.
"""

import asyncio
import itertools
import logging
from collections.abc import Iterator
from typing import Final

from hookline.engine.config import EngineConfig
from hookline.engine.ingest import Ingest
from hookline.errors import AlreadyExists, HooklineError, InvalidArgument
from hookline.outbox import POLL, Outbox, OutboxRow

LOGGER: Final = logging.getLogger(__name__)
BATCH: Final = 500
"""Events a read."""
SHARE: Final = 16
"""At most this part (a sixteenth) of what may wait for the disk is brought at once: it has room beside whatever others bring."""


async def drain_outbox(outbox: Outbox, ingest: Ingest, config: EngineConfig) -> None:
    """Take what commits, for ever."""
    outbox.restart()  # a fault may have ended a former run in between
    opened = False
    while True:
        try:
            if not opened:
                await outbox.open(config.max_data)
                opened = True
            batch = await outbox.read(BATCH)
            if batch.rows:
                await _accept(outbox, batch.rows, ingest, config)
            if not batch.more:
                await asyncio.sleep(POLL)
        except HooklineError as error:
            outbox.restart()
            LOGGER.warning("the outbox could not be emptied, trying again: %s", error)
            await asyncio.sleep(config.floor_poll)


async def _accept(outbox: Outbox, rows: list[OutboxRow], ingest: Ingest, config: EngineConfig) -> None:
    taken: list[OutboxRow] = []
    refused = [(row, row.problem) for row in rows if row.problem]
    faults: dict[str, HooklineError] = {}
    # In order: one tenant's fault holds up what is behind it, of its own until the next read, of others not at all.
    for part in _parts([row for row in rows if not row.problem], config):
        tenant = part[0].tenant
        if tenant in faults:
            continue
        try:
            outcomes = await ingest.emit(tenant, [row.event for row in part], in_turn=True)
        except HooklineError as error:
            faults[tenant] = error
            continue
        for row, outcome in zip(part, outcomes, strict=True):
            match outcome:
                case InvalidArgument() | AlreadyExists():
                    refused.append((row, str(outcome)))
                case HooklineError():
                    faults[tenant] = outcome
                case _:
                    taken.append(row)
    if taken:
        await outbox.remove(taken)
    if refused:
        for row, reason in refused:
            LOGGER.warning("event %s of tenant %s from the outbox is refused: %s", row.event.id, row.tenant, reason)
        await outbox.refuse(refused)
    if faults:
        raise next(iter(faults.values()))


def _parts(rows: list[OutboxRow], config: EngineConfig) -> Iterator[list[OutboxRow]]:
    """Runs of one tenant, in order, none of more than a share of what may wait; never of nothing."""
    most, largest = config.max_unacknowledged // SHARE, config.max_unacknowledged_bytes // SHARE
    for _, run in itertools.groupby(rows, lambda row: row.tenant):
        part: list[OutboxRow] = []
        size = 0
        for row in run:
            size += len(row.event.data)
            if part and (size > largest or len(part) >= most):
                yield part
                part, size = [], len(row.event.data)
            part.append(row)
        yield part
