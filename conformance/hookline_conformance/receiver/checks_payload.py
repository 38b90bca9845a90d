"""Checks of payloads: whatever JSON allows is taken as it came."""

from dataclasses import replace
from typing import Any, Final

from hypothesis import strategies as st

from hookline_conformance.check import Violation, check
from hookline_conformance.receiver.checks_signing import written
from hookline_conformance.receiver.payload import (
    COMPACT,
    Raw,
    Spelling,
    integers_64_bit,
    json_objects,
    spellings,
    texts,
    unusual_numbers,
    write,
)
from hookline_conformance.receiver.target import ReceiverTarget
from hookline_conformance.schemes.scheme import Delivery

WORDS: Final = ("Grüße", "日本語", "Ελλάδα", "العربية", "🎉👩‍👩‍👧", "e\u0301", "\u2028\u2029", "\ufeff", "\x7f")


async def _accepts(target: ReceiverTarget, requirement: str, data: dict[str, Any], spelling: Spelling, what: str) -> None:
    await target.accepts(requirement, target.signed(written(target, data, spelling)), what)


@check("PAY-001", polite=True)
async def characters_beyond_ascii_are_accepted(target: ReceiverTarget) -> None:
    raw = Spelling(ascii_only=False)
    for word in WORDS:
        await _accepts(target, "PAY-001", {"text": word, word: 1}, raw, f"a body that holds {word!r} in UTF-8")
    await target.for_all(texts, lambda text: _accepts(target, "PAY-001", {"text": text}, raw, "a body in UTF-8"), share=0.3)


@check("PAY-002", polite=True)
async def escaped_characters_are_accepted(target: ReceiverTarget) -> None:
    for text in ('"\\u00e9"', '"\\ud83c\\udf89"', '"\\/\\b\\f\\n\\r\\t\\"\\\\"', '"\\u00E9\\u00e9"'):
        await _accepts(target, "PAY-002", {"text": Raw(text)}, COMPACT, f"a body that holds {text}")
    escaped = Spelling(escaped_slash=True)
    await target.for_all(texts, lambda text: _accepts(target, "PAY-002", {"t": text}, escaped, "escaped characters"), share=0.3)


@check("PAY-003", polite=True)
async def any_whitespace_is_accepted(target: ReceiverTarget) -> None:
    await target.for_all(spellings, lambda way: _accepts(target, "PAY-003", {"a": [1, 2], "b": {}}, way, "unusual whitespace"))


@check("PAY-004", polite=True)
async def members_in_any_order_are_accepted(target: ReceiverTarget) -> None:
    async def law(names: list[str]) -> None:
        delivery = target.delivery()
        envelope = target.kind.envelope(delivery.id, delivery.event_type, dict.fromkeys(names, 1))
        if isinstance(envelope, dict):
            envelope = dict(reversed(envelope.items()))
        await target.accepts("PAY-004", target.signed(replace(delivery, body=write(envelope))), "members in another order")

    await target.for_all(st.permutations(["z", "a", "M", "10", "9", "é", "_"]), law, share=0.3)


@check("PAY-005", polite=True)
async def numbers_in_every_spelling_are_accepted(target: ReceiverTarget) -> None:
    async def law(number: Raw) -> None:
        await _accepts(target, "PAY-005", {"number": number, "list": [number]}, COMPACT, f"the number {number.text}")

    await target.for_all(unusual_numbers, law, share=0.5)


@check("PAY-006", polite=True)
async def integers_of_64_bits_are_accepted(target: ReceiverTarget) -> None:
    async def law(number: int) -> None:
        await _accepts(target, "PAY-006", {"number": number}, COMPACT, f"the integer {number}")

    for number in (2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 2**64 - 1):
        await law(number)
    await target.for_all(integers_64_bit, law, share=0.3)


@check("PAY-007", polite=True)
async def a_name_that_stands_twice_is_accepted(target: ReceiverTarget) -> None:
    for text in ('{"a":1,"a":2}', '{"a":{"b":1},"a":{"b":1,"b":null}}'):
        await _accepts(target, "PAY-007", {"twice": Raw(text)}, COMPACT, f"a body that holds {text}")


@check("PAY-008", polite=True)
async def a_body_of_100_kib_is_accepted(target: ReceiverTarget) -> None:
    for size in (20 * 1024, 100 * 1024):
        await _accepts(target, "PAY-008", {"blob": "x" * size}, COMPACT, f"a body of {size // 1024} KiB")


@check("PAY-009")
async def a_body_of_1_mib_is_accepted(target: ReceiverTarget) -> None:
    await _accepts(target, "PAY-009", {"blob": "x" * 1024 * 1024}, COMPACT, "a body of 1 MiB")


async def _no_server_error(target: ReceiverTarget, requirement: str, delivery: Delivery, what: str) -> None:
    answer = await target.deliver(target.signed(delivery), note=what)
    if not answer.accepted and not answer.refused:
        expected = f"2xx or 4xx for {what}"
        raise Violation(requirement, expected=expected, got=str(answer), exchanges=target.exchanges()[-1:])


@check("PAY-010")
async def an_empty_body_is_no_server_error(target: ReceiverTarget) -> None:
    await _no_server_error(target, "PAY-010", replace(target.delivery(), body=b""), "a genuine delivery with an empty body")


@check("PAY-011")
async def a_body_that_is_no_json_is_no_server_error(target: ReceiverTarget) -> None:
    for body in (b"{", b"hello", b"[1,", b'{"a":}', b"null", b"[]", b'"text"', b"12", b"NaN", b"true"):
        await _no_server_error(target, "PAY-011", replace(target.delivery(), body=body), f"a genuine delivery of {body.decode()!r}")


@check("PAY-012", polite=True)
async def any_json_object_is_accepted(target: ReceiverTarget) -> None:
    async def law(value: tuple[dict[str, Any], Spelling]) -> None:
        await _accepts(target, "PAY-012", value[0], value[1], "a generated event")

    await target.for_all(st.tuples(json_objects, spellings), law)


@check("PAY-013")
async def a_null_character_is_accepted(target: ReceiverTarget) -> None:
    for text in ('"\\u0000"', '"a\\u0000b"'):
        await _accepts(target, "PAY-013", {"text": Raw(text)}, COMPACT, f"a body that holds {text}")


@check("SAF-002")
async def a_deep_genuine_body_is_no_server_error(target: ReceiverTarget) -> None:
    deep = replace(target.delivery(), body=b"[" * 100_000 + b"]" * 100_000)
    await _no_server_error(target, "SAF-002", deep, "a genuine delivery nested 100,000 deep")


@check("SAF-004")
async def a_genuine_body_that_is_not_utf_8_is_no_server_error(target: ReceiverTarget) -> None:
    for body in (b'{"a":"\xff\xfe"}', b"\x80", b'{"a":"\xed\xa0\x80"}', b"\xef\xbb\xbf{}"):
        await _no_server_error(target, "SAF-004", replace(target.delivery(), body=body), f"a genuine delivery of {body!r}")
