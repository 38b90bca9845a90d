"""What arrives is what was emitted."""

import json
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from hookline_conformance.check import NotChecked, Violation, check
from hookline_conformance.explore import for_all
from hookline_conformance.sender.adapter import Refused, TargetSpec
from hookline_conformance.sender.endpoint import Request
from hookline_conformance.sender.reply import OK, in_turn, status
from hookline_conformance.sender.target import SenderTarget

NUMBERS = (
    b'{"a": 9007199254740993, "b": -9223372036854775808, "c": 18446744073709551615}',
    b'{"price": 0.1, "sum": 123456789.123456789012345678, "small": 5e-324, "zero": -0.0, "many": 1.10}',
    b'{"large": 1e400, "exact": 12345678901234567890123456789.5}',
)
LAYOUTS = (
    b'{"z": 1, "a": 2, "m": 3}',
    b'{"twice": 1, "twice": 2}',
    b'{ "spaces" :  [ 1 ,2,\t3 ] }',
    b'{"escapes": "\\u00e9\\/\\u0041"}',
    b'{"float": 1.0, "exponent": 1E2}',
    '{"raw": "é漢🎉"}'.encode(),
)
VALUES = (b"null", b"[]", b"{}", b'""', b"0", b"true", b"false", b'"text"', b"[[]]", b"-1.5e3")


def _parsed(text: bytes) -> Any:
    """JSON without loss: numbers as they are written, members in their order and with repetitions."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal, object_pairs_hook=lambda pairs: ("object", pairs))


def _holds(body: bytes, data: bytes) -> bool:
    """Whether a value stands in the body: as the whole of it, or as the value of some member, wherever."""
    try:
        wanted, found = _plain(_parsed(data)), _plain(_parsed(body))
    except (ValueError, UnicodeDecodeError):
        return False
    return _within(found, wanted)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return {name: _plain(inner) for name, inner in value[1]}
    return [_plain(inner) for inner in value] if isinstance(value, list) else (type(value).__name__, value)


def _within(found: Any, wanted: Any) -> bool:
    if found == wanted:
        return True
    if isinstance(found, dict):
        return any(_within(inner, wanted) for inner in found.values())
    return False


@check("PAY-101", needs=("retries",))
async def bodies_are_equal_over_retries(target: SenderTarget) -> None:
    """To the byte, the timestamp of the event included."""
    async with target.scene(in_turn(status(500), status(500), OK), retries=2) as scene:
        await scene.emit(b'{"b": 1, "a": [1.0, "\xc3\xa9"]}')
        first = await scene.first()
        for number in range(2, 2 + len(scene.delays)):
            if not await scene.retried(number):
                break
            retry = scene.requests[number - 1]
            scene.expect(retry.body == first.body, "PAY-101", f"{first.body!r}", f"{retry.body!r}", first, retry)


async def _each(target: SenderTarget, requirement: str, data: tuple[bytes, ...], *, exact: bool = False) -> None:
    async with target.scene() as scene:
        for number, text in enumerate(data, 1):
            try:
                await scene.emit(text)
            except Refused as refused:
                raise NotChecked(f"the sender refused the data {text[:80]!r}: {refused}") from refused
            request = await scene.first(number)
            kept = text in request.body if exact else _holds(request.body, text)
            scene.expect(kept, requirement, f"{text!r} in the body", f"{request.body!r}", request)


@check("PAY-102")
async def numbers_keep_their_value(target: SenderTarget) -> None:
    """What a double cannot hold."""
    await _each(target, "PAY-102", NUMBERS)


@check("PAY-103")
async def text_keeps_its_characters(target: SenderTarget) -> None:
    """Chosen ones, and generated ones."""
    chosen = ('{"s": "é漢🎉\u2028\u2029 e\u0301"}'.encode(), b'{"s": "\\u00e9\\ud83c\\udf89\\n\\t\\"\\\\\\u0001"}')
    await _each(target, "PAY-103", chosen)
    characters = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")

    async with target.scene() as scene:

        async def law(text: str) -> None:
            data = json.dumps({"s": text}, ensure_ascii=False).encode()
            count = len(scene.requests)
            await scene.emit(data)
            request = await scene.first(count + 1)
            scene.expect(_holds(request.body, data), "PAY-103", f"{data!r} in the body", f"{request.body!r}", request)

        await for_all(target.plan, st.text(characters, max_size=12), law, fails=(Violation,), share=0.2)


@check("PAY-104", needs=("exact",))
async def json_is_kept_byte_for_byte(target: SenderTarget) -> None:
    """Order, repetition, white space, escapes, the spelling of numbers."""
    await _each(target, "PAY-104", (*LAYOUTS, *NUMBERS), exact=True)


@check("PAY-105")
async def large_events_arrive_whole(target: SenderTarget) -> None:
    """Two hundred thousand bytes."""
    text = b"0123456789" * 20_000
    async with target.scene() as scene:
        await scene.emit(b'{"large": "' + text + b'"}')
        request = await scene.first()
        scene.expect(text in request.body, "PAY-105", "all of 200,000 characters", f"a body of {len(request.body)} bytes")


@check("PAY-106")
async def the_body_has_the_structure_of_the_specification(target: SenderTarget) -> None:
    """`type`, `timestamp` and `data`."""
    async with target.scene() as scene:
        await scene.emit(b'{"n": 1}')
        request = await scene.first()
        got = _members(request)
        scene.expect(
            got.get("type") == scene.type and isinstance(got.get("timestamp"), str) and "data" in got,
            "PAY-106",
            f"an object with type {scene.type!r}, timestamp and data",
            f"{request.body!r}",
            request,
        )


def _members(request: Request) -> dict[str, Any]:
    try:
        found = json.loads(request.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


@check("PAY-107", needs=("raw",))
async def raw_events_arrive_byte_for_byte(target: SenderTarget) -> None:
    """Bytes that are no text."""
    data = bytes(range(256)) + b"\r\n\r\n"
    async with target.scene(spec=TargetSpec(url="", raw=True)) as scene:
        await scene.emit(data, content_type="application/octet-stream")
        request = await scene.first()
        scene.expect(request.body == data, "PAY-107", f"{data!r}", f"{request.body!r}", request)
        media = request.header("content-type") or ""
        scene.expect(
            media.partition(";")[0].strip() == "application/octet-stream",
            "PAY-107",
            "the content type application/octet-stream",
            repr(media),
            request,
        )


@check("PAY-108")
async def any_json_value_is_delivered(target: SenderTarget) -> None:
    """Each kind of value."""
    await _each(target, "PAY-108", VALUES)
