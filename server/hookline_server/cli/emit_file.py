"""Emitting a file of events: in the order of its lines, with a progress bar, exact counts, and safe to repeat."""

import asyncio
import re
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, Final

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from hookline.errors import DeadlineExceeded, HooklineError, InvalidArgument, ResourceExhausted, Unavailable
from hookline.model import EmitResult, EventSpec
from hookline_server.cli.call import Call
from hookline_server.cli.event_lines import BATCH_BYTES, NumberedLine, batches, event, run_name
from hookline_server.cli.exits import CommandError, ExitCode, UsageError, exit_code
from hookline_server.cli.output import complain, console

STDIN: Final = Path("-")
_PLACE: Final = re.compile(r"\bevents\[\d+\]")
SHOWN: Final = 20
"""Refused lines that are printed one by one; the counts are exact however many there are."""
TOO_MUCH: Final = 1.0
"""Seconds to wait when hookline has too much to do and does not say how long."""
AWAY: Final = (Unavailable, DeadlineExceeded)


@dataclass(slots=True)
class Account:
    """What became of the lines so far."""

    accepted: int = 0
    duplicates: int = 0
    refused: list[dict[str, object]] = field(default_factory=list)

    def refuse(self, line: NumberedLine, error: HooklineError) -> None:
        """Count a line that was refused, and say so."""
        # Its place in the call that it went with means nothing here.
        message = _PLACE.sub("event", error.message)
        self.refused.append({"line": line.number, "reason": error.code, "message": message})
        if len(self.refused) <= SHOWN:
            complain(f"line {line.number}: {message}")
        elif len(self.refused) == SHOWN + 1:
            complain("further refused lines are counted and not shown; --json lists them all")


async def emit_file(call: Call, path: Path, run: str) -> None:
    """Emit every line of a file. Raises UsageError, CommandError (lines were refused, or hookline went away)."""
    account = Account()
    stop: HooklineError | None = None
    with _opened(path) as (stream, size), _progress(call, size) as progress:
        task = progress.add_task("", total=size or None, counts="")
        name = run or (secrets.token_hex(16) if path == STDIN else run_name(path))
        try:
            for batch in batches(stream):
                await _emit_lines(call, batch, name, account)
                counts = f"{account.accepted} accepted, {account.duplicates} duplicates, {len(account.refused)} refused"
                progress.update(task, completed=batch[-1].end, counts=counts)
        except HooklineError as error:
            stop = error
        except (Exception, asyncio.CancelledError):
            progress.stop()
            _report(call, account, complete=False)
            raise
    _report(call, account, complete=stop is None)
    if stop is not None:
        first = "" if isinstance(stop, AWAY) else "see to that and "
        raise CommandError(
            f"{stop.message}; {first}run the same command again: it goes on, and emits nothing twice", exit_code(stop)
        )
    if account.refused:
        raise CommandError(f"{len(account.refused)} lines were refused; mend them and run the same command again", ExitCode.FAILED)


async def _emit_lines(call: Call, batch: list[NumberedLine], run: str, account: Account) -> None:
    """Emit a group of lines; those for which hookline has no room yet are emitted after a while."""
    waiting: list[tuple[NumberedLine, EventSpec]] = []
    refused: list[tuple[NumberedLine, HooklineError]] = []
    for line in batch:
        try:
            waiting.append((line, event(line, run)))
        except HooklineError as error:
            refused.append((line, error))
    try:
        while waiting:
            waiting = await _emit_once(call, waiting, refused, account)
    finally:
        for line, refusal in sorted(refused, key=itemgetter(0)):
            account.refuse(line, refusal)


async def _emit_once(
    call: Call,
    waiting: list[tuple[NumberedLine, EventSpec]],
    refused: list[tuple[NumberedLine, HooklineError]],
    account: Account,
) -> list[tuple[NumberedLine, EventSpec]]:
    """Emit lines once and count what became of each; those for which there was no room, after the pause that was asked for."""
    outcomes: Sequence[EmitResult | HooklineError]
    try:
        outcomes = await call.client.emit_many([spec for _, spec in waiting])
    except ResourceExhausted as error:
        if len(waiting) > 1 or len(waiting[0][0].text) <= BATCH_BYTES:
            await asyncio.sleep(error.retry_after or TOO_MUCH)
            return waiting
        outcomes = [InvalidArgument.of("event", error.message)]
    again: list[tuple[NumberedLine, EventSpec]] = []
    pause = 0.0
    away: HooklineError | None = None
    for pair, outcome in zip(waiting, outcomes, strict=True):
        match outcome:
            case EmitResult():
                account.duplicates += outcome.duplicate
                account.accepted += not outcome.duplicate
            case ResourceExhausted():
                again.append(pair)
                pause = max(pause, outcome.retry_after or TOO_MUCH)
            case Unavailable() | DeadlineExceeded():
                away = outcome
            case _:
                refused.append((pair[0], outcome))
    if away is not None:
        raise away
    if again:
        await asyncio.sleep(pause)
    return again


def _report(call: Call, account: Account, *, complete: bool) -> None:
    if call.out.as_json:
        call.out.json(
            {
                "complete": complete,
                "accepted": account.accepted,
                "duplicates": account.duplicates,
                "refused": len(account.refused),
                "refused_lines": account.refused,
            }
        )
        return
    call.out.line(f"accepted {account.accepted}, duplicates {account.duplicates}, refused {len(account.refused)}")
    if account.refused:
        numbers = ", ".join(str(refusal["line"]) for refusal in account.refused[:SHOWN])
        call.out.line(f"refused lines: {numbers}{', …' if len(account.refused) > SHOWN else ''}")
    if not complete:
        call.out.note("not complete: run the same command again, it emits nothing twice")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """A file and its size; standard input has none."""
    if path == STDIN:
        yield sys.stdin.buffer, 0
        return
    try:
        stream = path.open("rb")
    except OSError as error:
        raise UsageError(f"--file: cannot read {path} ({error.strerror})") from error
    with stream:
        yield stream, path.stat().st_size


def _progress(call: Call, size: int) -> Progress:
    shown = console(error=True)
    columns = (TextColumn("{task.fields[counts]}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    return Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal or call.out.as_json or not size)
