"""The report as Markdown, for a pull request or a wiki."""

import re
from typing import Final

from hookline_conformance.report.failure_text import curl_of, exchange_lines
from hookline_conformance.report.standing import Area, Standing, areas, dialled, headline, no_verdict, standing, tally, worst_first
from hookline_conformance.requirement import Level
from hookline_conformance.verdict import Report, Verdict

_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>|#~])")


def render(report: Report) -> str:
    """`report` as Markdown."""
    title = f"{report.kind.value.capitalize()} conformance: {headline(report).text}"
    lines = [f"# {_plain(title)}", "", *_facts(report), ""]
    if no_verdict(report):
        return "\n".join(lines)
    lines += ["| area | " + " | ".join(level.value for level in Level) + " |", "| --- |" + " --- |" * len(Level)]
    lines += [_row(area) for area in areas(report)]
    if report.unexpected_passes:
        lines += ["", "## Declared as failing, and passed", ""]
        lines += [f"- {verdict.requirement.id}: {_plain(verdict.known)}" for verdict in report.unexpected_passes]
    if report.failures:
        lines += ["", "## Failures"]
        for verdict in worst_first(report):
            lines += ["", *_failure(verdict, dialled(report))]
    lines += ["", "## All requirements", "", "| | requirement | level | |", "| --- | --- | --- | --- |"]
    lines += [_line(verdict) for verdict in report.verdicts]
    return "\n".join(lines) + "\n"


def _facts(report: Report) -> list[str]:
    facts = {
        "target": report.target,
        "scheme": report.scheme or "none",
        "mode": report.mode,
        "seed": str(report.seed),
        "start": report.start.strftime("%Y-%m-%d %H:%M:%S UTC"),
        "duration": f"{report.duration:.1f} s",
        "suite": report.version,
    }
    return [" · ".join(f"{name} {_code(value)}" for name, value in facts.items())]


def _row(area: Area) -> str:
    cells = []
    for level in Level:
        counts = tally(verdict for verdict in area.verdicts if verdict.requirement.level is level)
        cells.append(", ".join(f"{number} {item.label}" for item, number in counts.items()))
    return f"| {area.title} | " + " | ".join(cells) + " |"


def _failure(verdict: Verdict, url: str) -> list[str]:
    requirement = verdict.requirement
    sources = ", ".join(f"[{_plain(str(source))}]({source.url})" for source in requirement.sources)
    lines = [f"### {requirement.id} ({requirement.level.value}): {_plain(requirement.text)}", "", f"Source: {sources}"]
    if verdict.known:
        lines += ["", f"Known: {_plain(verdict.known)}"]
    if verdict.expected or verdict.got:
        lines += ["", f"Expected {_plain(verdict.expected)}, got {_plain(verdict.got)}."]
    elif verdict.detail:
        lines += ["", _plain(verdict.detail)]
    if verdict.example:
        lines += ["", "Smallest example:", "", *_block(verdict.example)]
    for exchange in verdict.exchanges:
        _, *body = exchange_lines(exchange)
        lines += ["", f"{_plain(exchange.note) or 'Exchange'}:", "", *_block("\n".join(body))]
    lines += ["", "Repeat:", "", *_block(verdict.repeat)]
    if line := curl_of(verdict, url):
        lines += ["", *_block(line)]
    return lines


def _line(verdict: Verdict) -> str:
    how = standing(verdict)
    reason = verdict.known or ("" if how in (Standing.FAILED, Standing.WARNED) else verdict.detail)
    outcome = f"{how.label}: {_plain(reason)}" if reason else how.label
    return f"| {how.mark} | {verdict.requirement.id} {_plain(verdict.requirement.text)} | {verdict.requirement.level} | {outcome} |"


def _plain(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    fence = "`" * (_longest_run(text) + 1)
    return f"{fence} {text} {fence}" if text.startswith("`") or text.endswith("`") else f"{fence}{text}{fence}"


def _block(text: str) -> list[str]:
    fence = "`" * max(3, _longest_run(text) + 1)
    return [f"{fence}text", text, fence]


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
