"""What the outcome of an attempt means for the delivery, the subscription and the lane.

2xx is a success. Everything else is tried again: a receiver that answers 400 today may be mended
tomorrow, and the retry policy says for how long that is worth it. 410 also disables the subscription,
and 429, 502, 503 and 504 also slow its lane down.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from hookline.model.delivery import ErrorClass

SLOWING: Final = frozenset({429, 502, 503, 504})
GONE: Final = 410
_LOWEST_STATUS: Final = 100
_HIGHEST_STATUS: Final = 599

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


def classify(status: int, error: ErrorClass | None, detail: str = "") -> Verdict:
    """The verdict on an attempt.

    `status` is 0 without an answer. `error` is what went wrong on the way; STATUS and REDIRECT are
    found here and need not be given. An error counts even if a status came before it (an answer that
    breaks off is no success). `detail` is added to the reason.
    """
    if error is None or error is ErrorClass.STATUS or error is ErrorClass.REDIRECT:
        verdict = _of_status(status)
        return verdict if not detail or verdict.kind is VerdictKind.DELIVERED else _with(verdict, detail)
    return _with(
        Verdict(
            kind=VerdictKind.RETRY, disable=status == GONE, slow=status in SLOWING, error=error, reason=_sentence(error, status)
        ),
        detail,
    )


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
    if not detail:
        return verdict
    return Verdict(
        kind=verdict.kind, disable=verdict.disable, slow=verdict.slow, error=verdict.error, reason=f"{verdict.reason}: {detail}"
    )
