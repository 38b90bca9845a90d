"""What the demonstration shows: a live table on a terminal, plain lines elsewhere."""

import asyncio
from collections import deque
from time import monotonic
from types import TracebackType
from typing import Final

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hookline.model import Change
from hookline_server.cli.delivery_view import change_line
from hookline_server.cli.output import console
from hookline_server.demo.account import Account, Record, Tally

LINES: Final = 14
"""Changes that are shown at a time."""
EVERY: Final = 0.125
"""Seconds between looks at the receiver's record on a terminal."""
EVERY_PLAIN: Final = 1.0


class View:
    """Follows a tally and a record; `async with` shows them."""

    def __init__(self, tally: Tally, record: Record, total: int) -> None:
        """`total` events are to be emitted."""
        self._tally = tally
        self._record = record
        self._total = total
        self._console = console()
        self._changes: deque[Text] = deque(maxlen=LINES)
        self._server = Text("starting", style="yellow")
        self._started = monotonic()
        self._live: Live | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "View":
        """Begin to show."""
        if self._console.is_terminal:
            self._live = Live(self._table(), console=self._console, refresh_per_second=8, transient=True)
            self._live.start()
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Show no more."""
        if self._task is not None:
            self._task.cancel()
        if self._live is not None:
            self._live.stop()

    def say(self, text: str, style: str = "bold") -> None:
        """Something happened: a line that stays."""
        self._console.print(Text.assemble((f"{monotonic() - self._started:5.1f} s  ", "dim"), (text, style)), soft_wrap=True)

    def server(self, state: str, style: str) -> None:
        """The server is now like this."""
        self._server = Text(state, style=style)

    def change(self, change: Change) -> None:
        """A delivery has changed."""
        line = change_line(change, change.delivery.event_id)
        line.no_wrap, line.overflow = True, "ellipsis"
        self._changes.append(line)

    async def _follow(self) -> None:
        while True:
            self._record.update()
            if self._live is not None:
                self._live.update(self._table())
            else:
                self.say(self._counts(), "")
            await asyncio.sleep(EVERY if self._live is not None else EVERY_PLAIN)

    def _counts(self) -> str:
        tally, record = self._tally, self._record
        return (
            f"emitted {len(tally.acknowledged)}/{self._total}, delivered {len(tally.finished)}, failed attempts {tally.failed}, "
            f"at the receiver: {record.requests} requests, {record.verified} verified, {record.faults} failed on purpose"
        )

    def _table(self) -> Group:
        tally, record = self._tally, self._record
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(style="bold")
        table.add_column()
        table.add_row("server", self._server)
        emitted = (
            f"{len(tally.acknowledged)} of {self._total}: {tally.through('gRPC')} by gRPC, {tally.through('embedded')} embedded"
        )
        table.add_row("emitted", emitted)
        table.add_row("delivered", Text(f"{len(tally.finished)}", style="green"))
        table.add_row("failed attempts", Text(f"{tally.failed}", style="red" if tally.failed else ""))
        table.add_row("receiver", f"{record.requests} requests, {record.verified} verified, {record.faults} failed on purpose")
        return Group(table, Text(), *self._changes)


def show_account(account: Account, verifier: str, seconds: float) -> None:
    """Print the table at the end."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(style="dim")
    good, bad = "green", "bold red"
    lost = "acknowledged, and never taken by the receiver"
    rows = (
        ("emitted", account.emitted, "", "events acknowledged: they were on disk"),
        ("delivered", account.delivered, good if account.delivered == account.emitted else bad, "by the store's account"),
        ("retried", account.retried, "", f"more than one of the {account.attempts} attempts each"),
        ("lost", account.lost, bad if account.lost else good, lost),
        (
            "verified",
            account.verified,
            good if account.verified == account.requests else bad,
            f"of {account.requests} requests, by {verifier}",
        ),
        ("failed on purpose", account.faults, "", "503 with Retry-After, no answer, broken off"),
        ("repeated", account.repeated, "", "events taken twice, under the same webhook-id"),
    )
    for name, number, style, words in rows:
        table.add_row(name, Text(str(number), style=style), words)
    shown = console()
    shown.print()
    shown.print(table)
    shown.print()
    problems = list(account.problems())
    for problem in problems:
        shown.print(Text(f"NOT RIGHT: {problem}", style=bad))
    if not problems:
        shown.print(Text(f"Every event arrived, in {seconds:.0f} s, over a kill -9 of the server.", style=good))
