"""What the outcome of an attempt means for the delivery, the subscription and the lane.

2xx is a success. Everything else is tried again: a receiver that answers 400 today may be mended
tomorrow, and the retry policy says for how long that is worth it. 410 also disables the subscription,
and 429, 502, 503 and 504 also slow its lane down. A subscription may have other rules for statuses, and
a header with which its receiver asks not to be tried again.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from hookline.errors import InvalidArgument, quoted
from hookline.model.delivery import ErrorClass
from hookline.model.limits import AnswerRules

SLOWING: Final = frozenset({429, 502, 503, 504})
GONE: Final = 410
_LOWEST_STATUS: Final = 100
_HIGHEST_STATUS: Final = 599
_NO_HEADERS: Final[Mapping[str, str]] = {}
_STATUS: Final = re.compile(r"[2-5](?:[0-9]{2}|xx)")
_FINAL_HEADER: Final = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}):[ \t]*([!-~](?:[ \t!-~]*[!-~])?)")
MOST_STATUSES: Final = 50

RETRY_REASONS: Final[Mapping[ErrorClass, str]] = {
    ErrorClass.TIMEOUT: "http_timeout",
    ErrorClass.STATUS: "http_error",
    ErrorClass.REDIRECT: "too_many_redirects",
    ErrorClass.TLS: "ssl_error",
    ErrorClass.DNS: "connection_failed",
    ErrorClass.REFUSED: "connection_failed",
    ErrorClass.CONNECTION: "connection_failed",
    ErrorClass.BLOCKED: "connection_failed",
}
"""Why an attempt is made again, in the words of https://docs.slack.dev/apis/events-api/, "Retries"."""
OTHER_RETRY_REASON: Final = "unknown_error"

_SENTENCES: Final = {
    ErrorClass.TIMEOUT: "the receiver did not answer in time",
    ErrorClass.DNS: "the receiver's host name could not be resolved",
    ErrorClass.REFUSED: "the receiver refused the connection",
    ErrorClass.CONNECTION: "the connection to the receiver failed or broke",
    ErrorClass.TLS: "no secure connection to the receiver came about",
    ErrorClass.PROTOCOL: "the receiver's answer was not HTTP",
    ErrorClass.BLOCKED: "the receiver's address is not allowed",
    ErrorClass.BODY: "the body could not be made from the event, so nothing was sent",
    ErrorClass.INTERRUPTED: "the node stopped before an answer came; the receiver may have taken it",
    ErrorClass.AUTHENTICATION: "no token could be fetched to authenticate with, so nothing was sent",
}


class VerdictKind(StrEnum):
    """What becomes of the delivery."""

    DELIVERED = "delivered"
    RETRY = "retry"
    """Tried again, as long as the retry policy has it."""
    FINAL = "final"
    """Not tried again: the receiver will never take it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an outcome means.

    `disable`: the receiver wants no more of this subscription. `slow`: it has too much to do, so its
    lane calls it less. `reason` is a sentence for operators.
    """

    kind: VerdictKind
    disable: bool
    slow: bool
    error: ErrorClass | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Rules for answers made ready: what each status means, and the header (in lower case) that asks for no more."""

    kinds: Mapping[int, VerdictKind]
    disabling: frozenset[int]
    header: tuple[str, str] | None


def rules(answers: AnswerRules) -> Rules:
    """Make the rules of a subscription ready. A number goes before the class that it is in.

    Raises InvalidArgument, with fields below `answers`: no status, or one with two meanings.
    """
    meanings = {"delivered": answers.delivered, "final": answers.final, "disabling": answers.disabling}
    named: dict[str, str] = {}
    for meaning, statuses in meanings.items():
        for index, status in enumerate(statuses):
            if _STATUS.fullmatch(status) is None:
                right = "right is a number from 200 to 599 ('204') or a class ('2xx')"
                raise InvalidArgument.of(f"answers.{meaning}[{index}]", f"{quoted(status)} is no status; {right}")
            if named.setdefault(status, meaning) != meaning:
                raise InvalidArgument.of(
                    f"answers.{meaning}[{index}]",
                    f"{quoted(status)} is among {named[status]} too; right is one meaning for a status",
                )
    meant: dict[int, str] = {}
    for status, meaning in sorted(named.items(), key=lambda item: item[0].endswith("xx"), reverse=True):
        start = int(status[0]) * 100
        meant |= dict.fromkeys(range(start, start + 100) if status.endswith("xx") else (int(status),), meaning)
    kinds = {"delivered": VerdictKind.DELIVERED, "final": VerdictKind.FINAL, "disabling": VerdictKind.RETRY}
    return Rules(
        kinds={status: kinds[meaning] for status, meaning in meant.items()},
        disabling=frozenset(status for status, meaning in meant.items() if meaning == "disabling"),
        header=_final_header(answers.final_header),
    )


def _final_header(text: str) -> tuple[str, str] | None:
    if not text:
        return None
    found = _FINAL_HEADER.fullmatch(text)
    if found is None:
        raise InvalidArgument.of(
            "answers.final_header", f"{quoted(text)} is no header; right is its name and value, like 'X-Slack-No-Retry: 1'"
        )
    return found[1].lower(), found[2]


def classify(
    status: int, error: ErrorClass | None, detail: str = "", by: Rules | None = None, headers: Mapping[str, str] = _NO_HEADERS
) -> Verdict:
    """The verdict on an attempt.

    `status` is 0 without an answer. `error` is what went wrong on the way; STATUS and REDIRECT are
    found here and need not be given. An error counts even if a status came before it (an answer that
    breaks off is no success). `detail` is added to the reason. `by` are the subscription's own rules; with
    them `headers` are those of the answer, looked up in lower case.
    """
    if error is None or error is ErrorClass.STATUS or error is ErrorClass.REDIRECT:
        verdict = _of_status(status) if by is None else _by_rules(status, by)
        verdict = verdict if not detail or verdict.kind is VerdictKind.DELIVERED else _with(verdict, detail)
    else:
        disable = status == GONE if by is None else status in by.disabling
        verdict = _with(
            Verdict(kind=VerdictKind.RETRY, disable=disable, slow=status in SLOWING, error=error, reason=_sentence(error, status)),
            detail,
        )
    if by is not None and by.header is not None and verdict.kind is VerdictKind.RETRY and headers.get(by.header[0]) == by.header[1]:
        name, value = by.header
        asked = f"{verdict.reason}; it asks not to be tried again ({name}: {value})"
        return replace(verdict, kind=VerdictKind.FINAL, reason=asked)
    return verdict


def _by_rules(status: int, by: Rules) -> Verdict:
    usual = _of_status(status)
    kind = by.kinds.get(status, VerdictKind.RETRY)
    disable = status in by.disabling
    if (kind, disable) == (usual.kind, usual.disable):
        return usual
    reason = f"the receiver answered {_named(status)}"
    if kind is VerdictKind.DELIVERED:
        return Verdict(kind=kind, disable=False, slow=False, error=None, reason=reason)
    if disable:
        reason += ", which disables the subscription"
    elif kind is VerdictKind.FINAL:
        reason += ", which is final by the subscription's rules: not tried again"
    elif usual.kind is VerdictKind.DELIVERED:
        reason += ", which is no success by the subscription's rules"
    return Verdict(kind=kind, disable=disable, slow=status in SLOWING, error=usual.error or ErrorClass.STATUS, reason=reason)


@lru_cache(maxsize=_HIGHEST_STATUS + 1)
def _of_status(status: int) -> Verdict:
    if not _LOWEST_STATUS <= status <= _HIGHEST_STATUS:
        reason = f"the receiver answered with the status {status}, which HTTP does not have" if status else "no answer came"
        return Verdict(kind=VerdictKind.RETRY, disable=False, slow=False, error=ErrorClass.PROTOCOL, reason=reason)
    answered = f"the receiver answered {_named(status)}"
    match status // 100:
        case 2:
            return Verdict(kind=VerdictKind.DELIVERED, disable=False, slow=False, error=None, reason=answered)
        case 3:
            reason = f"{answered}; redirects are not followed: set the subscription's URL to the final one"
            return Verdict(kind=VerdictKind.RETRY, disable=False, slow=False, error=ErrorClass.REDIRECT, reason=reason)
        case _:
            gone = status == GONE
            return Verdict(
                kind=VerdictKind.RETRY,
                disable=gone,
                slow=status in SLOWING,
                error=ErrorClass.STATUS,
                reason=f"{answered}, which disables the subscription" if gone else answered,
            )


def _sentence(error: ErrorClass, status: int) -> str:
    return f"{_SENTENCES[error]}, after the status {_named(status)}" if status else _SENTENCES[error]


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _with(verdict: Verdict, detail: str) -> Verdict:
    return replace(verdict, reason=f"{verdict.reason}: {detail}") if detail else verdict
