"""The view of a run that is going on."""

from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from hookline_conformance.report.masking import Masker, masked_verdict
from hookline_conformance.report.standing import Standing, standing, tally
from hookline_conformance.report.terminal import STYLES
from hookline_conformance.verdict import Verdict


class ProgressView:
    """Shows each failure as soon as it is known, and how far the run is; a context manager.

    Where the console is no terminal, each failure is a line and there is no bar. `masker` hides the secrets of
    the command line.
    """

    def __init__(self, console: Console, *, total: int, masker: Masker) -> None:
        self._console = console
        self._masker = masker
        self._verdicts: list[Verdict] = []
        self._progress = Progress(
            TextColumn("[dim]{task.fields[now]:<8}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[counts]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task: TaskID = self._progress.add_task("", total=total, now="", counts="")

    def __enter__(self) -> "ProgressView":
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._progress.stop()

    def __call__(self, verdict: Verdict) -> None:
        """Take in the next verdict."""
        self._verdicts.append(verdict)
        how = standing(verdict)
        if how in (Standing.FAILED, Standing.WARNED):
            self._console.print(_line(masked_verdict(verdict, self._masker), how), soft_wrap=True)
        self._progress.update(self._task, advance=1, now=verdict.requirement.id, counts=_counts(self._verdicts))


def _line(verdict: Verdict, how: Standing) -> Text:
    return Text.assemble(
        (f"{how.mark} {verdict.requirement.id} ", STYLES[how]), f"{verdict.requirement.level.value} {verdict.requirement.text}"
    )


def _counts(verdicts: Sequence[Verdict]) -> str:
    return " ".join(f"[{STYLES[item]}]{item.mark}{number}[/]" for item, number in tally(verdicts).items())
