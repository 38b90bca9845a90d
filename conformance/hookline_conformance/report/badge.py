"""A badge: one small picture for a README."""

from typing import Final
from xml.sax.saxutils import escape

from hookline_conformance.report.standing import Standing, headline, no_verdict, tally
from hookline_conformance.verdict import Report

_COLOURS: Final = {"good": "#1a7f4e", "fair": "#96690a", "bad": "#b3362c", "void": "#5d6673"}
_HEIGHT: Final = 20
_PADDING: Final = 7


def render(report: Report) -> str:
    """The badge of `report`: which side, and how many of its requirements passed."""
    counts = tally(report.verdicts)
    passed, failed = counts.get(Standing.PASSED, 0), counts.get(Standing.FAILED, 0)
    message = "no verdict" if no_verdict(report) else f"{failed} MUST failed" if failed else f"{passed} passed"
    return _svg(f"webhook {report.kind.value}", message, headline(report).tone)


def _svg(label: str, message: str, tone: str) -> str:
    colour = _COLOURS[tone]
    left, right = _width(label), _width(message)
    whole = left + right
    title = escape(f"{label}: {message}", {'"': "&quot;"})
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="{_HEIGHT}" role="img" aria-label="{title}">
  <title>{title}</title>
  <clipPath id="r"><rect width="{whole}" height="{_HEIGHT}" rx="4"/></clipPath>
  <g clip-path="url(#r)">
    <rect width="{left}" height="{_HEIGHT}" fill="#2b313a"/>
    <rect x="{left}" width="{right}" height="{_HEIGHT}" fill="{colour}"/>
  </g>
  <g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">
    <text x="{left / 2:g}" y="14" textLength="{left - 2 * _PADDING}">{escape(label)}</text>
    <text x="{left + right / 2:g}" y="14" textLength="{right - 2 * _PADDING}">{escape(message)}</text>
  </g>
</svg>
"""


def _width(text: str) -> int:
    # Widths of Verdana at 11 pixels, in three groups; `textLength` then makes every font fit.
    return 2 * _PADDING + round(sum(3.9 if letter in "iljtf.,:'| /" else 9.4 if letter in "mwMW%" else 6.9 for letter in text))
