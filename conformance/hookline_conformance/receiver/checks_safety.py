"""Checks of safety: hostile input neither stops the receiver nor has an effect."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from hookline_conformance.check import Violation, check
from hookline_conformance.receiver.target import ReceiverTarget
from hookline_conformance.receiver.wire import Answer, Connection, Shape, Silence, encode
from hookline_conformance.schemes.scheme import Message, replaced, without

DEEP: Final = b"[" * 100_000
NOT_UTF_8: Final = (b"\xff\xfe\x00", b'{"a":"\xff"}', b'{"a":"\xed\xa0\x80"}', b"\xc0\xaf" * 100, b"\x00" * 1000)
SLOW_SENDERS: Final = 8


def unsigned(target: ReceiverTarget, body: bytes) -> Message:
    """A body under the headers of another delivery's signature."""
    return replace(target.signed(target.delivery(), target.other_secret()), body=body)


def _violation(target: ReceiverTarget, requirement: str, expected: str, answer: Answer) -> Violation:
    return Violation(requirement, expected=expected, got=str(answer), exchanges=target.exchanges()[-1:])


async def _survives(target: ReceiverTarget, requirement: str, what: str) -> None:
    await target.accepts(requirement, target.signed(target.delivery()), f"a genuine delivery behind {what}")


@check("SAF-001")
async def a_deep_unsigned_body_is_refused(target: ReceiverTarget) -> None:
    for body in (DEEP, b'{"a":' * 100_000, DEEP + b"]" * 100_000):
        await target.refuses("SAF-001", unsigned(target, body), "an unsigned body nested 100,000 deep")


@check("SAF-003")
async def an_unsigned_body_that_is_not_utf_8_is_refused(target: ReceiverTarget) -> None:
    for body in NOT_UTF_8:
        await target.refuses("SAF-003", unsigned(target, body), f"an unsigned body that starts with {body[:8]!r}")


@check("SAF-005")
async def huge_headers_are_refused(target: ReceiverTarget) -> None:
    for extra in (
        (("X-Huge", "x" * 70_000),),
        (("X-Huge", "x" * 1_000_000),),
        tuple((f"X-Many-{number}", "x" * 50) for number in range(3_000)),
    ):
        message = target.signed(target.delivery(), target.other_secret())
        head, body = encode(message, Shape(extra=extra))
        answer = await target.send([head + body], note="huge headers")
        if not answer.refused and answer.silence not in {Silence.CLOSED, Silence.CUT}:
            raise _violation(target, "SAF-005", "4xx or a closed connection for huge headers", answer)
        await _survives(target, "SAF-005", "huge headers")


@check("SAF-006")
async def a_body_that_ends_early_is_not_acknowledged(target: ReceiverTarget) -> None:
    message = target.signed(target.delivery())
    for more in (1, 10, 10_000):
        head, body = encode(message, Shape(length=str(len(message.body) + more)))
        answer = await target.send([head + body], note="a Content-Length beyond the body", end=True)
        if answer.accepted or answer.status >= 500 or answer.silence is Silence.HUNG:
            raise _violation(target, "SAF-006", "4xx or a closed connection for a body that ends early", answer)
    head, body = encode(message)
    answer = await target.send([head + body[: len(body) // 2]], note="half of the body", end=True)
    if answer.accepted or answer.status >= 500 or answer.silence is Silence.HUNG:
        raise _violation(target, "SAF-006", "4xx or a closed connection for half of the body", answer)


@check("SAF-007")
async def a_body_beyond_its_length_is_not_acknowledged(target: ReceiverTarget) -> None:
    for less in (1, 5):
        message = target.signed(target.delivery())
        head, body = encode(message, Shape(length=str(len(message.body) - less)))
        answer = await target.send([head + body], note="a Content-Length short of the body")
        if answer.accepted or answer.status >= 500 or answer.silence is Silence.HUNG:
            raise _violation(target, "SAF-007", "4xx or a closed connection for a body beyond its length", answer)


@check("SAF-008")
async def an_invalid_length_is_refused(target: ReceiverTarget) -> None:
    message = target.signed(target.delivery())
    right = str(len(message.body))
    for length in ("abc", "-1", f"{right}, 7", "1e1", "0x20", ""):
        head, body = encode(message, Shape(length=length))
        answer = await target.send([head + body], note=f"the Content-Length {length!r}", end=True)
        if not answer.refused and answer.silence not in {Silence.CLOSED, Silence.CUT}:
            raise _violation(target, "SAF-008", f"4xx or a closed connection for the Content-Length {length!r}", answer)
    head, body = encode(message, Shape(extra=(("Content-Length", "3"),)))
    answer = await target.send([head + body], note="two different lengths", end=True)
    if not answer.refused and answer.silence not in {Silence.CLOSED, Silence.CUT}:
        raise _violation(target, "SAF-008", "4xx or a closed connection for two different lengths", answer)


@check("SAF-009")
async def a_length_beside_chunks_does_not_rule(target: ReceiverTarget) -> None:
    # Read by its length this is a genuine body; read by its chunks it is another one.
    chunks = b"2\r\n{}\r\n0\r\n\r\n"
    message = target.signed(replace(target.delivery(), body=chunks))
    for extra_first in (True, False):
        shape = Shape(extra=(("Transfer-Encoding", "chunked"),), extra_first=extra_first)
        head, body = encode(message, shape)
        answer = await target.send([head + body], note="a Content-Length beside Transfer-Encoding: chunked")
        if answer.accepted or answer.status >= 500 or answer.silence is Silence.HUNG:
            raise _violation(target, "SAF-009", "4xx or a closed connection for a body that is genuine only by its length", answer)


@check("SAF-010", quick=False)
async def slow_senders_do_not_stop_the_others(target: ReceiverTarget) -> None:
    slow: list[Connection] = []
    try:
        for number in range(SLOW_SENDERS):
            connection = await target.connect()
            slow.append(connection)
            head, body = encode(target.signed(target.delivery()))
            data = head + body
            await connection.write(data[:30] if number % 2 else head + body[:5])
        for _ in range(3):
            await _survives(target, "SAF-010", f"{SLOW_SENDERS} slow senders")
    finally:
        for connection in slow:
            await connection.close()


@check("SAF-012", polite=True)
async def no_answer_shows_a_stack_trace(target: ReceiverTarget) -> None:
    signed = target.signed(target.delivery())
    header = target.kind.signature_header
    for message in (without(signed, header), replaced(signed, header, "v1,x"), unsigned(target, b"{")):
        answer = await target.deliver(message, note="a forged delivery")
        text = answer.raw.decode("latin-1")
        for mark in ("Traceback (most recent call last)", "\n    at ", "\tat java.", "goroutine 1 [", "stack backtrace"):
            if mark in text:
                expected = "an answer without a stack trace"
                raise Violation("SAF-012", expected=expected, got=f"an answer with {mark!r}", exchanges=target.exchanges()[-1:])


@check("SAF-013")
async def a_signature_header_of_odd_bytes_is_refused(target: ReceiverTarget) -> None:
    kind = target.kind
    delivery = target.delivery()
    token = kind.tokens(delivery, target.secrets[:1])[0]
    for value in ("é" * 32, token[:-2] + "é", "v1,é", "v0=é", "x" * 8_192, "v1," * 2_000, " ".join(["v1,AAAA"] * 800), "t=1,v1=é"):
        signed = kind.message(delivery, [token])
        message = replaced(signed, kind.signature_header, value)
        await target.refuses("SAF-013", message, f"the signature {value[:20]!r} of {len(value.encode())} bytes")


@dataclass(frozen=True, slots=True)
class _Hostile:
    what: str
    pieces: Sequence[bytes]


def _hostile(target: ReceiverTarget) -> list[_Hostile]:
    header = target.kind.signature_header

    def forged() -> Message:  # each with an id of its own, so that what one does is not taken for another's
        return target.signed(target.delivery(), target.other_secret())

    return [
        _Hostile("a deep unsigned body", [b"".join(encode(unsigned(target, DEEP)))]),
        _Hostile("an unsigned body that is not UTF-8", [b"".join(encode(unsigned(target, NOT_UTF_8[0])))]),
        _Hostile("a huge header", [b"".join(encode(forged(), Shape(extra=(("X-Huge", "x" * 70_000),))))]),
        _Hostile("a signature beyond ASCII", [b"".join(encode(replaced(forged(), header, "é" * 40)))]),
        _Hostile("an invalid length", [b"".join(encode(forged(), Shape(length="-1")))]),
        _Hostile("a length beyond the body", [b"".join(encode(forged(), Shape(length="100000")))]),
        _Hostile("no request at all", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50)]),
        _Hostile("a request line without end", [b"POST /" + b"a" * 100_000]),
        _Hostile("broken chunks", [b"".join(encode(forged(), Shape(chunks=(5,)))).replace(b"\r\n5\r\n", b"\r\nzz\r\n")]),
    ]


@check("SAF-014", needs=("effects",))
async def hostile_input_has_no_effect(target: ReceiverTarget) -> None:
    async def send(hostile: _Hostile) -> Answer:
        return await target.send(hostile.pieces, note=hostile.what, end=True, seconds=5.0)

    await target.no_effects("SAF-014", {hostile.what: partial(send, hostile) for hostile in _hostile(target)})


@check("SAF-015")
async def an_unsigned_body_of_16_mib_is_refused(target: ReceiverTarget) -> None:
    head, body = encode(unsigned(target, b"x" * (16 * 1024 * 1024)))
    pieces = [head, *(body[place : place + 65_536] for place in range(0, len(body), 65_536))]
    answer = await target.send(pieces, note="an unsigned body of 16 MiB")
    target.keep(head, answer, "an unsigned body of 16 MiB, its head only")
    if not answer.refused and answer.silence not in {Silence.CLOSED, Silence.CUT}:
        raise _violation(target, "SAF-015", "4xx or a closed connection for an unsigned body of 16 MiB", answer)
    await _survives(target, "SAF-015", "an unsigned body of 16 MiB")


@check("SAF-016")
async def hostile_input_does_not_stop_the_receiver(target: ReceiverTarget) -> None:
    for hostile in _hostile(target):
        await target.send(hostile.pieces, note=hostile.what, end=True, seconds=5.0)
        await _survives(target, "SAF-016", hostile.what)
