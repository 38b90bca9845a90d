"""The report as JSON: everything, to the byte (`docs/conformance/report.schema.json`)."""

import base64
import json
from typing import Any, Final

from hookline_conformance.exchange import Exchange
from hookline_conformance.report.curl import curl_line
from hookline_conformance.report.standing import dialled, no_verdict, standing, tally
from hookline_conformance.requirement import Level, Requirement
from hookline_conformance.verdict import Report, Verdict

FORMAT: Final = "hookline-conformance-report/1"


def render(report: Report) -> str:
    """`report` as a JSON document."""
    return json.dumps(document(report), ensure_ascii=False, indent=2) + "\n"


def document(report: Report) -> dict[str, Any]:
    """`report` as the object that the JSON document holds."""
    return {
        "format": FORMAT,
        "version": report.version,
        "kind": report.kind.value,
        "target": _text(report.target),
        "scheme": report.scheme,
        "seed": report.seed,
        "mode": report.mode,
        "start": report.start.isoformat(),
        "duration_seconds": round(report.duration, 3),
        "exit_code": report.exit_code,
        "no_verdict": _text(no_verdict(report)),
        "summary": {
            level.value: {
                item.value: number
                for item, number in tally(verdict for verdict in report.verdicts if verdict.requirement.level is level).items()
            }
            for level in Level
        },
        "verdicts": [_verdict(verdict, dialled(report)) for verdict in report.verdicts],
    }


def _verdict(verdict: Verdict, url: str) -> dict[str, Any]:
    return {
        "requirement": _requirement(verdict.requirement),
        "status": verdict.status.value,
        "standing": standing(verdict).value,
        "unexpected_pass": verdict.unexpected_pass,
        "check": verdict.check,
        "detail": _text(verdict.detail),
        "expected": _text(verdict.expected),
        "got": _text(verdict.got),
        "example": _text(verdict.example),
        "exchanges": [_exchange(exchange, url) for exchange in verdict.exchanges],
        "repeat": _text(verdict.repeat),
        "known": _text(verdict.known),
    }


def _requirement(requirement: Requirement) -> dict[str, Any]:
    return {
        "id": requirement.id,
        "area": requirement.area,
        "level": requirement.level.value,
        "text": requirement.text,
        "note": requirement.note,
        "sources": [{"title": item.title, "section": item.section, "url": item.url} for item in requirement.sources],
    }


def _exchange(exchange: Exchange, url: str) -> dict[str, Any]:
    return {
        "note": _text(exchange.note),
        "sent": _data(exchange.sent),
        "received": _data(exchange.received),
        "curl": curl_line(exchange.sent, url) if url else None,
    }


def _data(data: bytes) -> dict[str, Any]:
    try:
        return {"bytes": len(data), "encoding": "utf-8", "data": data.decode("utf-8")}
    except UnicodeDecodeError:
        return {"bytes": len(data), "encoding": "base64", "data": base64.b64encode(data).decode()}


def _text(value: str) -> str:
    # A lone surrogate has no UTF-8: what a target answered may well hold one.
    return value.encode("utf-8", "backslashreplace").decode("utf-8")
