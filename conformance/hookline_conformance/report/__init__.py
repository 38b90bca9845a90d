"""Reports: one run, told to people and to machines. Every way through here masks the secrets."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from rich.console import Console

from hookline_conformance.report import badge, html, json_report, junit, markdown, terminal
from hookline_conformance.report.masking import Masker, masked
from hookline_conformance.report.progress import ProgressView
from hookline_conformance.verdict import Report

__all__ = ["FORMATS", "Masker", "ProgressView", "render", "show"]

FORMATS: Final[Mapping[str, Callable[[Report], str]]] = {
    "json": json_report.render,
    "junit": junit.render,
    "markdown": markdown.render,
    "html": html.render,
    "badge": badge.render,
}


def render(report: Report, name: str, *, secrets: Iterable[str] = ()) -> str:
    """`report` in the format `name`, one of `FORMATS`, with the secrets of its exchanges and the given ones masked.

    Raises:
        KeyError: there is no such format.
    """
    return FORMATS[name](masked(report, secrets)).encode("utf-8", "backslashreplace").decode("utf-8")


def show(report: Report, console: Console, *, secrets: Iterable[str] = ()) -> None:
    """Print `report` to `console`, with the secrets masked."""
    terminal.show(masked(report, secrets), console)
