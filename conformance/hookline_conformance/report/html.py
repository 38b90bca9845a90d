"""The report as one HTML page that needs nothing else: no server, no network."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from jinja2 import DictLoader, Environment, StrictUndefined, Template
from markupsafe import Markup

from hookline_conformance.report.failure_text import curl_of
from hookline_conformance.report.standing import Area, Standing, areas, dialled, headline, no_verdict, standing, tally, worst_first
from hookline_conformance.report.wire_text import wire_text
from hookline_conformance.requirement import Level, Source
from hookline_conformance.verdict import Report, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exchange:
    note: str
    sent: str
    sent_bytes: str
    received: str
    received_bytes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Card:
    """One requirement on the page."""

    id: str
    area: str
    level: str
    text: str
    note: str
    sources: tuple[Source, ...]
    standing: Standing
    open: bool
    known: str
    detail: str
    expected: str
    got: str
    example: str
    exchanges: tuple[_Exchange, ...]
    repeat: str
    curl: str
    check: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _AreaRow:
    code: str
    title: str
    cards: tuple[_Card, ...]
    passed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _LevelBox:
    name: str
    total: int
    passed: int
    counts: Mapping[Standing, int]


def render(report: Report) -> str:
    """`report` as a page. The style and the script are part of it, and its policy allows no others."""
    folder = files(__package__) / "templates"
    counts = tally(report.verdicts)
    style = (folder / "report.css").read_text("utf-8") + _widths(report)
    script = (folder / "report.js").read_text("utf-8")
    judged = not no_verdict(report)
    failed = worst_first(report)
    # What failed stands on top; its first few are open, since that is what one came to see.
    first = {verdict.requirement.id for verdict in failed[:3]}
    rest = [verdict for verdict in report.verdicts if verdict not in failed]
    return _template().render(
        report=report,
        headline=headline(report),
        facts=_facts(report),
        counts=counts,
        levels=_levels(report),
        areas=[_area(area, dialled(report)) for area in areas(report)] if judged else [],
        unexpected=[_card(verdict, dialled(report)) for verdict in report.unexpected_passes],
        cards=[_card(verdict, dialled(report), is_open=verdict.requirement.id in first) for verdict in (*failed, *rest)],
        # Ours, and in no part the target's: it must reach the page as it is, or its hash is another one.
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


@cache
def _template() -> Template:
    text = (files(__package__) / "templates" / "report.html").read_text("utf-8")
    return Environment(loader=DictLoader({"page": text}), autoescape=True, undefined=StrictUndefined).get_template("page")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _widths(report: Report) -> str:
    # The policy allows no style attributes: a bar's widths are rules of their own.
    return "".join(f".w{number}{{flex:{number}}}\n" for number in range(1, len(report.verdicts) + 1))


def _facts(report: Report) -> list[tuple[str, str]]:
    facts = [
        ("Scheme", report.scheme or "none"),
        ("Mode", report.mode),
        ("Seed", str(report.seed)),
        ("Start", report.start.strftime("%Y-%m-%d %H:%M:%S UTC")),
        ("Duration", f"{report.duration:.1f} s"),
        ("Requirements", str(len(report.verdicts))),
        ("Suite", report.version),
    ]
    return [fact for fact in facts if fact[1]]


def _levels(report: Report) -> list[_LevelBox]:
    boxes = []
    for level in Level:
        verdicts = [verdict for verdict in report.verdicts if verdict.requirement.level is level]
        counts = tally(verdicts)
        if verdicts:
            boxes.append(_LevelBox(name=level.value, total=len(verdicts), passed=counts.get(Standing.PASSED, 0), counts=counts))
    return boxes


def _area(area: Area, url: str) -> _AreaRow:
    cards = tuple(_card(verdict, url) for verdict in area.verdicts)
    passed = sum(card.standing is Standing.PASSED for card in cards)
    return _AreaRow(code=area.code, title=area.title, cards=cards, passed=passed)


def _card(verdict: Verdict, url: str, *, is_open: bool = False) -> _Card:
    requirement = verdict.requirement
    return _Card(
        id=requirement.id,
        area=requirement.area,
        level=requirement.level.value,
        text=requirement.text,
        note=requirement.note,
        sources=requirement.sources,
        standing=standing(verdict),
        open=is_open,
        known=verdict.known,
        detail=verdict.detail,
        expected=verdict.expected,
        got=verdict.got,
        example=verdict.example,
        exchanges=tuple(
            _Exchange(
                note=exchange.note,
                sent=wire_text(exchange.sent),
                sent_bytes=f"{len(exchange.sent):,}",
                received=wire_text(exchange.received) or "(nothing)",
                received_bytes=f"{len(exchange.received):,}",
            )
            for exchange in verdict.exchanges
        ),
        repeat=verdict.repeat,
        curl=curl_of(verdict, url) or "",
        check=verdict.check,
    )
