"""The report in a terminal: failures, then a table by area and level, then the verdict."""

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hookline_conformance.report.failure_text import curl_of, exchange_lines
from hookline_conformance.report.standing import Area, Standing, areas, dialled, headline, no_verdict, standing, tally, worst_first
from hookline_conformance.requirement import Level
from hookline_conformance.verdict import Report, Verdict

STYLES = {
    Standing.PASSED: "green",
    Standing.UNSUPPORTED: "dim",
    Standing.NOT_CHECKED: "dim",
    Standing.KNOWN: "magenta",
    Standing.WARNED: "yellow",
    Standing.FAILED: "bold red",
}
_TONES = {"good": "bold green", "fair": "bold yellow", "bad": "bold red", "void": "bold red"}


def show(report: Report, console: Console) -> None:
    """Print `report`. A report without a verdict is a line."""
    title = headline(report)
    if no_verdict(report):
        console.print(Text(title.text, style=_TONES[title.tone]), soft_wrap=True)
        return
    for verdict in worst_first(report):
        console.print(_failure(verdict))
        _print_commands(verdict, dialled(report), console)
    console.print(_table(report))
    _print_reasons(report, console)
    for verdict in report.unexpected_passes:
        reason = escape(verdict.known)
        console.print(f"[yellow]![/] {verdict.requirement.id} is declared as failing, and it passed: {reason}", soft_wrap=True)
    facts = f"{report.kind.value} {report.target}, scheme {report.scheme or 'none'}, {report.mode}, seed {report.seed}"
    console.print(Text(f"{facts}, {report.duration:.1f} s", style="dim"), soft_wrap=True)
    console.print(Text(title.text, style=_TONES[title.tone]), soft_wrap=True)


def _failure(verdict: Verdict) -> RenderableType:
    requirement = verdict.requirement
    how = standing(verdict)
    parts: list[RenderableType] = [Text(requirement.text)]
    parts += [Text(f"{source} <{source.url}>", style="dim") for source in requirement.sources]
    if verdict.known:
        parts.append(Text(f"known: {verdict.known}", style=STYLES[Standing.KNOWN]))
    if verdict.expected or verdict.got:
        parts.append(Text.assemble(("expected ", "dim"), verdict.expected))
        parts.append(Text.assemble(("got      ", "dim"), verdict.got))
    elif verdict.detail:
        parts.append(Text(verdict.detail))
    if verdict.example:
        parts += [Text("smallest example", style="dim"), Padding(Text(verdict.example), (0, 2))]
    for exchange in verdict.exchanges:
        first, *body = exchange_lines(exchange)
        parts += [Text(first, style="dim"), *(Text(line) for line in body)]
    title = Text.assemble((f"{how.mark} {requirement.id}", STYLES[how]), f" {requirement.level.value} {how.label}")
    return Panel(Group(*parts), title=title, title_align="left", border_style=STYLES[how])


def _print_commands(verdict: Verdict, url: str, console: Console) -> None:
    # Outside of the frame, and in one line each, so that they can be copied.
    console.print(Text.assemble(("repeat  ", "dim"), verdict.repeat), soft_wrap=True)
    if line := curl_of(verdict, url):
        console.print(Text.assemble(("as curl ", "dim"), line), soft_wrap=True)
    console.print()


def _table(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("area")
    for level in Level:
        table.add_column(level.value)
    for area in areas(report):
        table.add_row(area.title, *(_cell(area, level) for level in Level))
    return table


def _cell(area: Area, level: Level) -> Text:
    counts = tally(verdict for verdict in area.verdicts if verdict.requirement.level is level)
    cell = Text()
    for item, number in counts.items():
        cell.append(", " if cell else "").append(f"{number} {item.label}", style=STYLES[item])
    return cell


def _print_reasons(report: Report, console: Console) -> None:
    """Why something was not looked at: each reason once, with its requirements."""
    reasons: dict[str, list[str]] = {}
    for verdict in report.verdicts:
        if standing(verdict) in (Standing.NOT_CHECKED, Standing.UNSUPPORTED):
            reasons.setdefault(f"{standing(verdict).label}: {verdict.detail}", []).append(verdict.requirement.id)
    for reason, ids in reasons.items():
        console.print(Text.assemble((reason, "dim"), (f" ({', '.join(ids)})", "dim")), soft_wrap=True)
