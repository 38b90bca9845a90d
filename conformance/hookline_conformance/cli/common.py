"""What all three kinds of run share: options, the run itself, its reports and its exit code."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from hookline_conformance.check import Target, checks_binding
from hookline_conformance.cli.exits import UsageError
from hookline_conformance.explore import Mode
from hookline_conformance.known import Known, load_known
from hookline_conformance.report import Masker, ProgressView, render, show
from hookline_conformance.requirement import AREAS, Level, load_catalogue
from hookline_conformance.runner import Options, run

_WHAT: Final = "What is run"
_REPORTS: Final = "Reports"

LevelOption = Annotated[
    Level, typer.Option("--level", case_sensitive=False, help="This level and stronger ones.", rich_help_panel=_WHAT)
]
AreaOption = Annotated[
    list[str] | None,
    typer.Option("--area", metavar="AREA", help="Only this area; may be repeated. " + ", ".join(AREAS), rich_help_panel=_WHAT),
]
OnlyOption = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="ID", help="Only this requirement, such as SIG-003; may be repeated.", rich_help_panel=_WHAT),
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="The same seed makes the same examples.", rich_help_panel=_WHAT)]
QuickOption = Annotated[bool, typer.Option("--quick", help="Few examples, under 30 s.", rich_help_panel=_WHAT)]
ThoroughOption = Annotated[bool, typer.Option("--thorough", help="Many more examples.", rich_help_panel=_WHAT)]
SafeOption = Annotated[
    bool, typer.Option("--safe", help="Only polite requests, for a target that is not a test system.", rich_help_panel=_WHAT)
]
KnownOption = Annotated[
    Path | None,
    typer.Option(
        "--known", metavar="FILE", help="TOML: failures that are expected, features that are not there.", rich_help_panel=_WHAT
    ),
]
JsonOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Everything, to the byte.", rich_help_panel=_REPORTS)
]
JunitOption = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="JUnit XML.", rich_help_panel=_REPORTS)]
MarkdownOption = Annotated[Path | None, typer.Option("--markdown", metavar="FILE", help="Markdown.", rich_help_panel=_REPORTS)]
HtmlOption = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="A page that stands alone.", rich_help_panel=_REPORTS)
]
BadgeOption = Annotated[Path | None, typer.Option("--badge", metavar="FILE", help="An SVG.", rich_help_panel=_REPORTS)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is run, as it was asked for."""

    level: Level
    area: Sequence[str] | None
    only: Sequence[str] | None
    seed: int
    quick: bool
    thorough: bool
    safe: bool
    known: Path | None

    def options(self, scheme: str | None) -> Options:
        """The runner's options for a target with this scheme.

        Raises:
            UsageError, OptionsError, KnownError: one of them cannot be used.
        """
        if self.quick and self.thorough:
            raise UsageError("--quick and --thorough: give one of them")
        return Options(
            seed=self.seed,
            level=self.level,
            areas=frozenset(area.upper() for area in self.area or ()),
            only=frozenset(name.upper() for name in self.only or ()),
            mode=Mode.QUICK if self.quick else Mode.THOROUGH if self.thorough else Mode.FULL,
            safe=self.safe,
            known=Known() if self.known is None else load_known(self.known, scheme),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """The files that are asked for, by format; the attributes are the names of the formats."""

    json: Path | None
    junit: Path | None
    markdown: Path | None
    html: Path | None
    badge: Path | None

    @property
    def wanted(self) -> dict[str, Path]:
        """Format to file."""
        given = {name: getattr(self, name) for name in self.__slots__}
        return {name: path for name, path in given.items() if path is not None}

    def check(self) -> None:
        """See that the files can be written, before minutes are spent; raises `UsageError`."""
        for name, path in self.wanted.items():
            if not path.parent.is_dir():
                raise UsageError(f"--{name}: there is no folder {path.parent}")
            if path.is_dir():
                raise UsageError(f"--{name}: {path} is a folder: name a file")


def judge(target: Target, selection: Selection, outputs: Outputs, *, secrets: Sequence[str] = ()) -> None:
    """Run the suite against `target`, write the reports, and end with the report's exit code."""
    outputs.check()
    options = selection.options(target.scheme)
    console = Console(highlight=False)
    with ProgressView(console, total=_total(target, options), masker=Masker(secrets)) as view:
        report = asyncio.run(run(target, options, view))
    if report.no_verdict:
        show(report, Console(stderr=True, highlight=False), secrets=secrets)
    else:
        show(report, console, secrets=secrets)
    for name, path in outputs.wanted.items():
        try:
            path.write_text(render(report, name, secrets=secrets), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--{name}: {path} cannot be written: {error.strerror or error}") from error
    raise typer.Exit(report.exit_code)


def _total(target: Target, options: Options) -> int:
    checked = {requirement for item in checks_binding(target.binds) for requirement in item.requirements}
    binding = load_catalogue().binding(target.binds)
    return sum(item.id in checked and options.selects(item, target.scheme) for item in binding)


def refuse_safe(safe: bool, what: str) -> None:
    """Raise `UsageError` where only polite requests are asked for, and there is no such choice."""
    if safe:
        raise UsageError(f"--safe: is of receivers; {what} is made to take and to deliver events: use one that is a test system")


def the_one(given: Mapping[str, str | None]) -> tuple[str, str]:
    """The one option of `given` that has a value, and its value; raises `UsageError` when none or several have one."""
    found = [(name, value) for name, value in given.items() if value is not None]
    if len(found) != 1:
        raise UsageError(f"name one target, by {', '.join(given)}: there are {len(found)}")
    return found[0]
