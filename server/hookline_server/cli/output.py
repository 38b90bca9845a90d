"""What commands print: tables and lines for people, JSON for programs. Results go to standard output, remarks to standard error."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hookline.model import DeliveryState, SubscriptionState
from hookline_server.cli.plain import plain

WIDE: Final = 10_000
"""Columns where there is no terminal to fit into."""
STATE_STYLES: Final = {
    DeliveryState.PENDING: "yellow",
    DeliveryState.DELIVERED: "green",
    DeliveryState.EXHAUSTED: "red",
    DeliveryState.CANCELLED: "magenta",
    SubscriptionState.ACTIVE: "green",
    SubscriptionState.PAUSED: "yellow",
    SubscriptionState.DISABLED: "red",
}

Cell = str | Text


class PipeConsole(Console):
    """A console that leaves a closed pipe to the caller."""

    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError on."""
        raise  # noqa: PLE0704  # called while the error is handled


def console(*, error: bool = False) -> PipeConsole:
    """A console on standard output (or standard error) that takes no text for markup."""
    stream = sys.stderr if error else sys.stdout
    return PipeConsole(
        file=stream, width=None if stream.isatty() else WIDE, markup=False, highlight=False, emoji=False, soft_wrap=False
    )


def clean(text: str) -> str:
    """`text` in one line and without control characters, which a terminal would obey."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def when(moment: datetime | None) -> str:
    """A time as tables show it: UTC, to the second."""
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def took(seconds: float) -> str:
    """A span as tables show it."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.2f} s"


def state(value: DeliveryState | SubscriptionState) -> Text:
    """A state in its colour."""
    return Text(value.value, style=STATE_STYLES[value])


class Output:
    """Where a command's results go."""

    def __init__(self, *, as_json: bool) -> None:
        """Print JSON instead of tables if `as_json`."""
        self.as_json = as_json
        self._out = console()

    def json(self, value: object, *, line: bool = False) -> None:
        """Print one JSON document, on one line if `line`."""
        # Where the output takes no UTF-8, escapes say the same.
        escaped = not (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf8")
        text = json.dumps(plain(value), ensure_ascii=escaped, indent=None if line else 2)
        sys.stdout.write(text.encode("utf-8", "backslashreplace").decode() + "\n")
        if line:
            sys.stdout.flush()

    def rows(self, columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, empty: str = "") -> None:
        """Print a table; with no rows, the remark `empty`."""
        table = Table(*columns, box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for row in rows:
            table.add_row(*(cell if isinstance(cell, Text) else Text(clean(cell)) for cell in row))
        if table.row_count or not empty:
            self._out.print(table)
        else:
            self.note(empty)

    def facts(self, facts: Iterable[tuple[str, Cell]]) -> None:
        """Print names and values, one pair a line; those without a value are left out."""
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in facts:
            if value:
                table.add_row(name, value if isinstance(value, Text) else Text(clean(value), overflow="fold"))
        self._out.print(table)

    def line(self, text: Cell) -> None:
        """Print one line, at once."""
        shown = text if isinstance(text, Text) else Text(clean(text))
        self._out.print(shown, soft_wrap=True)
        self._out.file.flush()

    def note(self, text: str) -> None:
        """Remark something on standard error."""
        console(error=True).print(Text(clean(text), style="dim"), soft_wrap=True)


def complain(message: str) -> None:
    """One line on standard error that says what is wrong."""
    line = Text.assemble(("error: ", "bold red"), clean("; ".join(message.splitlines())))
    console(error=True).print(line, soft_wrap=True)
