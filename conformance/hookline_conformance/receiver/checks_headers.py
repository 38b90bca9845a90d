"""Checks of headers and framing: what HTTP leaves open is taken, what it forbids to trust is refused."""

from dataclasses import replace
from typing import Final

from hypothesis import strategies as st

from hookline_conformance.check import Violation, check
from hookline_conformance.receiver.checks_signing import with_token
from hookline_conformance.receiver.target import ReceiverTarget
from hookline_conformance.receiver.wire import Connection, Shape, encode
from hookline_conformance.schemes.scheme import replaced, without

EXTRA: Final = (
    ("X-Unknown", "1"), ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("X-Empty", ""),
    ("Accept-Encoding", "gzip"), ("X-Request-Id", "a,b;c=\"d\""), ("CE-Id", "1"), ("Cookie", "a=b"), ("X-Long", "y" * 2000),
    ("User-Agent", "Sender/1.0 (+https://example.com)"), ("Forwarded", "for=192.0.2.1"),
)  # fmt: skip


@check("HDR-001", polite=True)
async def header_names_in_any_case_are_read(target: ReceiverTarget) -> None:
    for case in ("lower", "upper", "mixed"):
        message = target.signed(target.delivery())
        await target.accepts("HDR-001", message, f"header names in {case} case", Shape(case=case))


@check("HDR-002", polite=True)
async def headers_in_any_order_are_read(target: ReceiverTarget) -> None:
    async def law(order: list[int]) -> None:
        await target.accepts("HDR-002", target.signed(target.delivery()), "headers in another order", Shape(order=tuple(order)))

    await target.for_all(st.permutations(list(range(5))), law, share=0.3)


@check("HDR-003", polite=True)
async def unknown_headers_are_passed_over(target: ReceiverTarget) -> None:
    async def law(value: tuple[list[tuple[str, str]], bool]) -> None:
        extra, first = value
        shape = Shape(extra=tuple(extra), extra_first=first)
        await target.accepts("HDR-003", target.signed(target.delivery()), "unknown headers", shape)

    await law((list(EXTRA), True))
    await target.for_all(st.tuples(st.lists(st.sampled_from(EXTRA), max_size=6), st.booleans()), law, share=0.3)


@check("HDR-004", polite=True)
async def whitespace_around_values_is_passed_over(target: ReceiverTarget) -> None:
    for space, end in (("", ""), ("  ", ""), ("\t", ""), (" ", " "), (" \t ", "\t ")):
        shape = Shape(value_space=space, value_end=end)
        await target.accepts("HDR-004", target.signed(target.delivery()), f"values between {space!r} and {end!r}", shape)


@check("HDR-005", polite=True)
async def two_wrong_signature_headers_are_refused(target: ReceiverTarget) -> None:
    header = target.kind.signature_header
    message = target.signed(target.delivery(), target.other_secret())
    second = target.signed(target.delivery(), target.other_secret()).one(header)
    doubled = replaced(message, header, message.one(header), second)
    await target.refuses("HDR-005", doubled, "two signature headers, neither of them right")
    emptied = replaced(message, header, "", message.one(header))
    await target.refuses("HDR-005", emptied, "an empty signature header before a wrong one")


@check("HDR-006", polite=True)
async def a_wrong_signature_header_before_the_right_one_is_refused(target: ReceiverTarget) -> None:
    header = target.kind.signature_header
    delivery = target.delivery()
    right = target.signed(delivery)
    wrong = with_token(target, delivery, lambda signature: bytes(len(signature))).one(header)
    await target.refuses(
        "HDR-006", replaced(right, header, wrong, right.one(header)), "a wrong signature header before the right one"
    )


@check("HDR-007", polite=True)
async def a_body_in_chunks_is_accepted(target: ReceiverTarget) -> None:
    async def law(chunks: list[int]) -> None:
        shape = Shape(chunks=tuple(chunks))
        await target.accepts("HDR-007", target.signed(target.delivery({"text": "é" * 20})), "a body in chunks", shape)

    await law([100_000])
    await law([1])
    await target.for_all(st.lists(st.integers(1, 70), min_size=1, max_size=5), law, share=0.4)


@check("HDR-008", polite=True)
async def each_delivery_on_a_connection_stands_for_itself(target: ReceiverTarget) -> None:
    async def law(plan: list[bool]) -> None:
        connection: Connection | None = None
        try:
            for genuine in plan:
                if connection is None:
                    connection = await target.connect()
                message = target.signed(target.delivery(), *([] if genuine else [target.other_secret()]))
                head, body = encode(message, Shape(close=False))
                start = len(connection.sent)
                written = await connection.write(head + body)
                answer = await connection.read(target.deadline + 1)
                target.keep(bytes(connection.sent[start:]), answer, "on a kept connection")
                if not written or not (answer.accepted if genuine else answer.refused):
                    expected = f"{'2xx for a genuine' if genuine else '4xx for a forged'} delivery on a kept connection"
                    raise Violation("HDR-008", expected=expected, got=str(answer), exchanges=target.exchanges())
                if not connection.reusable:
                    await connection.close()
                    connection = None
        finally:
            if connection is not None:
                await connection.close()

    await law([True, False, True, True])
    await target.for_all(st.lists(st.booleans(), min_size=1, max_size=5), law, share=0.2)


@check("HDR-009", polite=True)
async def an_expected_continue_is_answered(target: ReceiverTarget) -> None:
    connection = await target.connect()
    try:
        head, body = encode(target.signed(target.delivery()), Shape(expect=True))
        await connection.write(head)
        first = await connection.read(min(target.deadline, 10.0), informational=True)
        answer = first
        if first.status == 100:
            await connection.write(body)
            answer = await connection.read(target.deadline + 1)
        target.keep(bytes(connection.sent), answer, "a delivery that expects 100-continue")
    finally:
        await connection.close()
    if not answer.accepted and first.status != 417:
        expected = "100 and then 2xx, or 417, for a delivery that expects 100-continue"
        raise Violation("HDR-009", expected=expected, got=str(answer), exchanges=target.exchanges()[-1:])


@check("HDR-010", polite=True)
async def a_content_type_with_parameters_is_accepted(target: ReceiverTarget) -> None:
    for text in ("application/json; charset=utf-8", "application/json;charset=UTF-8", 'application/json; charset="utf-8"'):
        delivery = replace(target.delivery(), content_type=text)
        await target.accepts("HDR-010", target.signed(delivery), f"the content type {text}")


@check("HDR-011")
async def other_methods_are_refused(target: ReceiverTarget) -> None:
    for method in ("GET", "PUT", "DELETE"):
        delivery = replace(target.delivery(), method=method)
        await target.refuses("HDR-011", target.signed(delivery), f"the method {method}")


@check("HDR-012", needs=("signed-id", "header-id"), polite=True)
async def a_missing_id_is_refused(target: ReceiverTarget) -> None:
    header = target.kind.id_header
    await target.refuses("HDR-012", without(target.signed(target.delivery()), header), "a delivery without an id")
    unnamed = without(target.signed(target.delivery(event_id="")), header)
    await target.refuses("HDR-012", unnamed, "a delivery without an id, signed as one whose id is empty")


@check("HDR-014", needs=("signed-id", "header-id"), polite=True)
async def an_empty_id_is_refused(target: ReceiverTarget) -> None:
    empty = target.signed(target.delivery(event_id=""))
    await target.refuses("HDR-014", empty, "a delivery with an empty id, signed so")


@check("HDR-013")
async def chunk_extensions_and_trailers_are_passed_over(target: ReceiverTarget) -> None:
    for shape in (Shape(chunks=(30,), chunk_extension=";a=b"), Shape(chunks=(30,), trailer="X-Trailer: 1")):
        await target.accepts("HDR-013", target.signed(target.delivery()), "a body in chunks with extensions or trailers", shape)
