"""`hookline-conformance catalogue`: what the suite requires, and why."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hookline_conformance.cli.common import AreaOption, LevelOption
from hookline_conformance.cli.exits import UsageError
from hookline_conformance.requirement import ALL_SCHEMES, Binds, Level, Requirement, load_catalogue


def catalogue(
    *,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Show these in full, such as SIG-003.")] = None,
    binds: Annotated[Binds | None, typer.Option("--for", help="Only what binds this side.")] = None,
    level: LevelOption = Level.MAY,
    area: AreaOption = None,
) -> None:
    """List the requirements, or show some of them with their sources."""
    requirements = load_catalogue()
    console = Console(highlight=False)
    if ids:
        for name in ids:
            console.print(_full(requirements[name.upper()]), soft_wrap=True)
        return
    areas = {name.upper() for name in area or ()}
    if strange := sorted(areas - set(requirements.areas)):
        raise UsageError(f"--area: {strange[0]!r} is none of {', '.join(requirements.areas)}")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("id", "level", "binds", "requirement"):
        table.add_column(title, no_wrap=title != "requirement")
    shown = [
        item
        for item in requirements.values()
        if item.level.rank <= level.rank and (binds is None or item.binds is binds) and (not areas or item.area in areas)
    ]
    for item in shown:
        table.add_row(item.id, item.level, item.binds, Text(item.text))
    console.print(table)
    console.print(Text(f"{len(shown)} of {len(requirements)} requirements", style="dim"))


def _full(item: Requirement) -> Text:
    schemes = "all schemes" if ALL_SCHEMES in item.schemes else ", ".join(item.schemes)
    text = Text.assemble((item.id, "bold"), f" {item.level}, binds the {item.binds}, {schemes}\n", item.text, "\n")
    for source in item.sources:
        text.append(f"{source} <{source.url}>\n", style="dim")
    if item.note:
        text.append(f"{item.note}\n")
    return text
