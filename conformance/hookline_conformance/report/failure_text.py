"""One failure in plain text, from the requirement to the command that repeats it."""

from textwrap import indent

from hookline_conformance.exchange import Exchange
from hookline_conformance.report.curl import curl_line
from hookline_conformance.report.wire_text import BRIEF_BYTES, wire_text
from hookline_conformance.verdict import Verdict


def failure_text(verdict: Verdict, url: str) -> str:
    """Everything that is known of a failure; the bytes shortened where they are many.

    `url` is where the requests went, empty where the suite was not the one that sent them.
    """
    requirement = verdict.requirement
    lines = [f"{requirement.id} ({requirement.level.value}): {requirement.text}"]
    lines += [f"source:   {source} <{source.url}>" for source in requirement.sources]
    if requirement.note:
        lines.append(f"note:     {requirement.note}")
    if verdict.known:
        lines.append(f"known:    {verdict.known}")
    if verdict.expected or verdict.got:
        lines += [f"expected: {verdict.expected}", f"got:      {verdict.got}"]
    elif verdict.detail:
        lines.append(f"detail:   {verdict.detail}")
    if verdict.example:
        lines += ["smallest example:", indent(verdict.example, "  ")]
    for exchange in verdict.exchanges:
        lines += exchange_lines(exchange)
    lines.append(f"repeat:   {verdict.repeat}")
    if line := curl_of(verdict, url):
        lines.append(f"as curl:  {line}")
    return "\n".join(lines)


def exchange_lines(exchange: Exchange) -> list[str]:
    """An exchange: its note, what was sent, what came back."""
    title = f"exchange: {exchange.note}" if exchange.note else "exchange:"
    received = wire_text(exchange.received, limit=BRIEF_BYTES) if exchange.received else "(nothing)"
    return [title, _prefixed("> ", wire_text(exchange.sent, limit=BRIEF_BYTES)), _prefixed("< ", received)]


def curl_of(verdict: Verdict, url: str) -> str | None:
    """A line that sends the last request again that can be sent by a line; None where there is none."""
    if not url:
        return None
    lines = (curl_line(exchange.sent, url) for exchange in reversed(verdict.exchanges))
    return next((line for line in lines if line is not None), None)


def _prefixed(prefix: str, text: str) -> str:
    return indent(text, f"  {prefix}", lambda _line: True)
