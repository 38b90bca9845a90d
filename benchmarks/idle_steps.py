"""Where the latency of an idle server goes: `python -m benchmarks.idle_steps FILE serve …` notes the time of each step.

The server is the same; what its steps call is wrapped in a look at the clock, and the notes are written to FILE when it ends.
All processes of the machine have one clock, so the steps add up from the event's making to its arrival at the receiver.
"""

import json
import sqlite3
import statistics
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from benchmarks.served import steady
from benchmarks.server import Load, ServerProcess, control
from hookline.engine.ingest import Ingest
from hookline.transport.aiohttp_transport import AiohttpTransport
from hookline_server.cli import main

STEPS: Final = (
    "the call, from process to process",
    "checked and routed; to the writer's thread",
    "the statements",
    "the commit: a sync to disk",
    "back to the event loop",
    "its turn; made and signed",
    "the request, from process to process",
)
WEBHOOK_ID: Final = "webhook-id"


class Notes:
    """What was noted: times in seconds since the epoch."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.calls: dict[str, tuple[float, float]] = {}
        """By an event's id: when it was made, and when its call had come."""
        self.appends: dict[str, tuple[float, float]] = {}
        """By an event's id: when its append began, and when the event loop had the answer."""
        self.commits: list[tuple[float, float, float]] = []
        """The writer's transactions: begun, the statements done, on disk."""
        self.requests: dict[str, float] = {}
        """By an event's id: when its request was given to the transport."""

    def take(self) -> None:
        """Wrap what the steps call."""
        emit, append, post, connect = Ingest.emit, Ingest._append, AiohttpTransport.post, sqlite3.connect
        notes = self

        async def emitting(ingest: Ingest, tenant: str, specs: Sequence[Any], **named: Any) -> Sequence[Any]:
            now = time.time()
            outcomes: Sequence[Any] = await emit(ingest, tenant, specs, **named)
            for spec, outcome in zip(specs, outcomes, strict=True):
                notes.calls[outcome.event_id] = json.loads(spec.data)["t"], now
            return outcomes

        async def appending(ingest: Ingest, batch: Sequence[Any]) -> Sequence[Any]:
            began = time.time()
            answers = await append(ingest, batch)
            ended = time.time()
            notes.appends.update((routed.event.id, (began, ended)) for routed in batch)
            return answers

        async def posting(transport: AiohttpTransport, progress: Any, url: str, headers: Any, *rest: Any, **named: Any) -> None:
            notes.requests[dict(headers)[WEBHOOK_ID]] = time.time()
            await post(transport, progress, url, headers, *rest, **named)

        class Noted(sqlite3.Connection):
            def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
                now = time.time()
                done = super().execute(statement, *arguments)
                if statement == "BEGIN IMMEDIATE":
                    self.began = now
                elif statement == "COMMIT":
                    notes.commits.append((self.began, now, time.time()))
                return done

        Ingest.emit = emitting  # type: ignore[assignment,method-assign]
        Ingest._append = appending  # type: ignore[assignment,method-assign]
        AiohttpTransport.post = posting  # type: ignore[assignment,method-assign]
        sqlite3.connect = lambda *given, **named: connect(*given, factory=Noted, **named)  # type: ignore[assignment]


def steps(notes: dict[str, Any], arrivals: dict[str, float]) -> list[list[float]]:
    """For each event that took every step: how long each took, in seconds."""
    commits = sorted(map(tuple, notes["commits"]))
    found = []
    for event, (made, came) in notes["calls"].items():
        if event not in arrivals or event not in notes["requests"]:
            continue
        began, answered = notes["appends"][event]
        place = bisect_left(commits, (began,))
        if place == len(commits) or commits[place][2] > answered:  # with others, in a commit that had begun
            continue
        times = [made, came, *commits[place], answered, notes["requests"][event], arrivals[event]]
        found.append([after - before for before, after in pairwise(times)])
    return found


async def measure(url: str, *, rate: int, seconds: float) -> list[tuple[str, float]]:
    """Each step of an idle server, and what it takes on average (ms): together the mean of the latency."""
    with tempfile.TemporaryDirectory(prefix="hookline-bench-") as folder:
        file = Path(folder) / "notes.json"
        server = ServerProcess(Path(folder) / "data", program=("benchmarks.idle_steps", str(file)))
        load = Load(server.target)
        control(url, "mode?record=arrivals")
        try:
            await load.ready()
            await load.subscribe(f"{url}/idle-steps", "bench.steps")
            await steady(load, ["bench.steps"], rate, seconds)
            await load.settled()
        finally:
            await load.channel.close()
            server.stop()
            arrivals = dict(control(url, "arrivals?prefix=/idle-steps"))
            control(url, "mode?record=counts")
        found = steps(json.loads(file.read_text()), arrivals)
    return [(name, statistics.fmean(taken) * 1000) for name, taken in zip(STEPS, zip(*found, strict=True), strict=True)]


if __name__ == "__main__":
    target = Path(sys.argv.pop(1))
    noted = Notes()
    noted.take()
    try:
        main()
    finally:
        target.write_text(json.dumps(vars(noted)))
