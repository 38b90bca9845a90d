"""Checks of conduct: what is answered and when, and which secrets are valid."""

import asyncio
from typing import Final

from hookline_conformance.check import Violation, check
from hookline_conformance.receiver.target import ReceiverTarget
from hookline_conformance.receiver.wire import Silence, encode

AT_ONCE: Final = 32
_ANSWER_LIMIT: Final = 64 * 1024


@check("STA-001", polite=True)
async def a_refusal_is_final_and_ends_nothing(target: ReceiverTarget) -> None:
    for _ in range(3):
        message = target.signed(target.delivery(), target.other_secret())
        answer = await target.deliver(message, note="a signature with another key")
        if answer.status in {408, 410, 425, 429}:
            expected = "a status that neither invites to try again nor ends the subscription"
            raise Violation("STA-001", expected=expected, got=str(answer), exchanges=target.exchanges()[-1:])


@check("STA-002", polite=True)
async def answers_are_well_formed(target: ReceiverTarget) -> None:
    for message in (target.signed(target.delivery()), target.signed(target.delivery(), target.other_secret())):
        connection = await target.connect()
        try:
            await connection.write(b"".join(encode(message)))
            answer = await connection.read(target.deadline + 1)
            behind = b"" if answer.silence else await connection.rest(1.0)
            target.keep(bytes(connection.sent), answer, "a delivery")
        finally:
            await connection.close()
        got = f"{len(behind)} bytes behind the answer" if behind else str(answer)
        if behind or answer.silence in {Silence.MALFORMED, Silence.CUT}:
            raise Violation("STA-002", expected="a well-formed answer", got=got, exchanges=target.exchanges()[-1:])


@check("STA-003", polite=True)
async def an_unknown_event_type_is_acknowledged(target: ReceiverTarget) -> None:
    for kind in ("conformance.unknown", "x", "a.b.c.d.e"):
        message = target.signed(target.delivery(event_type=kind))
        await target.accepts("STA-003", message, f"a genuine event of the unknown type {kind!r}")


@check("STA-004", polite=True)
async def answers_are_small(target: ReceiverTarget) -> None:
    for message in (target.signed(target.delivery()), target.signed(target.delivery(), target.other_secret())):
        answer = await target.deliver(message, note="a delivery")
        if len(answer.raw) > _ANSWER_LIMIT:
            expected = "an answer below 64 KiB"
            raise Violation("STA-004", expected=expected, got=f"{len(answer.raw)} bytes", exchanges=target.exchanges()[-1:])


@check("TMO-001", polite=True)
async def a_delivery_is_acknowledged_within_the_deadline(target: ReceiverTarget) -> None:
    for _ in range(5):
        answer = await target.deliver(target.signed(target.delivery()), note="a genuine delivery")
        if answer.seconds > target.deadline or answer.silence is Silence.HUNG:
            got = f"an answer after {answer.seconds:.1f} s" if answer.silence is None else str(answer)
            expected = f"an answer within {target.deadline:.0f} s"
            raise Violation("TMO-001", expected=expected, got=got, exchanges=target.exchanges()[-1:])


@check("TMO-002")
async def many_deliveries_at_once_are_acknowledged_within_the_deadline(target: ReceiverTarget) -> None:
    messages = [target.signed(target.delivery()) for _ in range(AT_ONCE)]
    answers = await asyncio.gather(*(target.deliver(message, note=f"one of {AT_ONCE} at once") for message in messages))
    slow = sum(answer.seconds > target.deadline or not answer.accepted for answer in answers)
    if slow:
        expected = f"2xx within {target.deadline:.0f} s for each of {AT_ONCE} deliveries at once"
        raise Violation("TMO-002", expected=expected, got=f"that for {AT_ONCE - slow} of them", exchanges=target.exchanges())


@check("TMO-003")
async def load_is_answered_with_success_or_try_again(target: ReceiverTarget) -> None:
    messages = [target.signed(target.delivery()) for _ in range(AT_ONCE)]
    answers = await asyncio.gather(*(target.deliver(message, note=f"one of {AT_ONCE} at once") for message in messages))
    for answer in answers:
        if not answer.accepted and answer.status not in {429, 503}:
            expected = f"2xx, 429 or 503 for each of {AT_ONCE} deliveries at once"
            raise Violation("TMO-003", expected=expected, got=str(answer), exchanges=target.exchanges())


@check("ROT-001", needs=("rotation",), polite=True)
async def every_valid_secret_is_accepted(target: ReceiverTarget) -> None:
    for number, secret in enumerate(target.secrets, 1):
        await target.accepts("ROT-001", target.signed(target.delivery(), secret), f"a signature with valid secret {number}")


@check("ROT-002", needs=("retired",), polite=True)
async def a_retired_secret_is_refused(target: ReceiverTarget) -> None:
    for number, secret in enumerate(target.retired, 1):
        await target.refuses("ROT-002", target.signed(target.delivery(), secret), f"a signature with retired secret {number}")


@check("ROT-003", needs=("rotation", "several"), polite=True)
async def signatures_of_all_valid_secrets_are_accepted(target: ReceiverTarget) -> None:
    for secrets in (target.secrets, target.secrets[::-1]):
        await target.accepts("ROT-003", target.signed(target.delivery(), *secrets), "the signatures of all valid secrets")
