"""A process that embeds hookline, for tests that end it: says in JSON lines what it emitted and attempted.

`--emit N`: emit without end, N events a call. `--deliver`: deliver too. `--ttl S`: its lease.
Standard input's end is its signal to close in good order.
"""

import argparse
import asyncio
import itertools
import json
import os
import sys
import threading

import hookline
from hookline.clock import micros
from hookline.engine import EngineConfig
from hookline.errors import HooklineError
from hookline.model import EventSpec
from hookline.store.protocol import Settlement


def say(event: str, **what: object) -> None:
    sys.stdout.write(json.dumps({"event": event, "pid": os.getpid(), **what}) + "\n")
    sys.stdout.flush()


def attempted(settlement: Settlement) -> None:
    attempt = settlement.attempt
    if attempt is not None:
        say("attempt", lane=settlement.work.lane, epoch=settlement.epoch, start=micros(attempt.start_time) / 1e6, id=attempt.id)


async def emit(client: hookline.Client, size: int) -> None:
    for turn in itertools.count():
        specs = [EventSpec(type="load.one", data=json.dumps(f"{os.getpid()}/{turn}/{number}").encode()) for number in range(size)]
        try:
            outcomes = await client.emit_many(specs)
        except HooklineError as error:
            say("refused", error=type(error).__name__, message=str(error), retry_after=error.retry_after)
            await asyncio.sleep(0.1)
            continue
        say("acknowledged", ids=[outcome.event_id for outcome in outcomes if not isinstance(outcome, HooklineError)])
        await asyncio.sleep(0.01)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("store")
    parser.add_argument("--emit", type=int, default=0)
    parser.add_argument("--deliver", action="store_true")
    parser.add_argument("--ttl", type=float, default=10.0)
    asked = parser.parse_args()
    config = EngineConfig(allow_http_loopback=True, lease_ttl=asked.ttl)
    done = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait_for_end() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(done.set)

    async with hookline.open(asked.store, deliver=asked.deliver, config=config, observer=attempted) as client:
        say("open")
        threading.Thread(target=wait_for_end, daemon=True).start()
        emitting = asyncio.create_task(emit(client, asked.emit)) if asked.emit else None
        await done.wait()
        if emitting is not None:
            emitting.cancel()
            await asyncio.wait([emitting])
    say("closed")


if __name__ == "__main__":
    asyncio.run(main())
