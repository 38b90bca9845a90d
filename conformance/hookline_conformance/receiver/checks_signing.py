"""Checks of signing: what is signed rightly is taken, and nothing else is."""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from hypothesis import strategies as st

from hookline_conformance.check import NotChecked, Violation, check
from hookline_conformance.receiver.payload import Raw, Spelling, json_objects, write
from hookline_conformance.receiver.target import ReceiverTarget
from hookline_conformance.receiver.wire import Answer
from hookline_conformance.schemes.http_message import HttpMessage
from hookline_conformance.schemes.scheme import Delivery, Encoding, Message, replaced, without
from hookline_conformance.schemes.twilio import FORM

ALGORITHMS: Final = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_256")

MALFORMED: Final = (
    "", " ", ",", "=", ":", ";", "v1", "v1,", "v1=", "v0=", "v1,v1,v1", "v1,====", "sha256=", "sha256", "t=", "t=,v1=", "t=1",
    "null", "undefined", "{}", "[]", "sig1=", "sig1=::", '"', "v1,!!!", "==", "a=b=c", "Bearer x",
)  # fmt: skip


def with_token(target: ReceiverTarget, delivery: Delivery, change: Callable[[bytes], bytes]) -> Message:
    """The delivery with its right signature's bytes changed."""
    kind = target.kind
    right = kind.mac(target.secrets[0], kind.content(delivery))
    token = kind.token(right)
    text = kind.encoding.text(right)
    return kind.message(delivery, [token.replace(text, kind.encoding.text(change(right)))])


@check("SIG-001", polite=True)
async def a_genuine_delivery_is_accepted(target: ReceiverTarget) -> None:
    for _ in range(3):
        await target.accepts("SIG-001", target.signed(target.delivery()), "a genuine delivery")


@check("SIG-002", polite=True)
async def a_changed_body_is_refused(target: ReceiverTarget) -> None:
    change = st.one_of(
        st.tuples(st.just("flip"), st.integers(0, 2000), st.integers(0, 7)),
        st.tuples(st.just("cut"), st.integers(1, 60), st.just(0)),
        st.tuples(st.just("append"), st.integers(1, 3), st.sampled_from([0x20, 0x0A, 0x00, 0x30, 0x7D])),
        st.tuples(st.just("prepend"), st.integers(1, 3), st.sampled_from([0x20, 0x0A, 0x30])),
    )

    async def law(value: tuple[str, int, int]) -> None:
        kind, amount, detail = value
        message = target.signed(target.delivery({"amount": 100}))
        body = bytearray(message.body)
        if kind == "flip":
            body[amount % len(body)] ^= 1 << detail
        elif kind == "cut":
            del body[max(0, len(body) - amount) :]
        elif kind == "append":
            body += bytes([detail]) * amount
        else:
            body[:0] = bytes([detail]) * amount
        await target.refuses("SIG-002", replace(message, body=bytes(body)), f"a body changed after signing ({kind})")

    await target.for_all(change, law)


@check("SIG-003", polite=True)
async def another_key_is_refused(target: ReceiverTarget) -> None:
    for _ in range(4):
        await target.refuses("SIG-003", target.signed(target.delivery(), target.other_secret()), "a signature with another key")


@check("SIG-004", polite=True)
async def a_missing_signature_is_refused(target: ReceiverTarget) -> None:
    message = target.signed(target.delivery())
    await target.refuses("SIG-004", without(message, target.kind.signature_header), "a delivery without a signature")
    bare = replace(message, headers=(("Content-Type", "application/json"),))
    await target.refuses("SIG-004", bare, "a delivery with none of the scheme's headers")


@check("SIG-005")
async def a_malformed_signature_is_refused(target: ReceiverTarget) -> None:
    async def refused(value: str) -> None:
        message = replaced(target.signed(target.delivery()), target.kind.signature_header, value)
        await target.refuses("SIG-005", message, f"the signature {value!r}")

    for value in MALFORMED:
        await refused(value)
    await target.for_all(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60), refused)


@check("SIG-006", polite=True)
async def the_beginning_of_a_signature_is_refused(target: ReceiverTarget) -> None:
    for length in (0, 1, 2, 4, 8, 10, 16, 19, 20, 24, 31, 63):
        delivery = target.delivery()
        whole = len(target.kind.mac(target.secrets[0], target.kind.content(delivery)))
        if length >= whole:
            break
        message = with_token(target, delivery, lambda right, length=length: right[:length])  # type: ignore[misc]  # bound here
        await target.refuses("SIG-006", message, f"the first {length} of the signature's {whole} bytes")


@check("SIG-007", polite=True)
async def a_signature_with_one_bit_changed_is_refused(target: ReceiverTarget) -> None:
    async def law(value: tuple[int, int]) -> None:
        place, bit = value

        def flip(right: bytes) -> bytes:
            changed = bytearray(right)
            changed[place % len(right)] ^= 1 << bit
            return bytes(changed)

        what = f"a signature with bit {bit} of byte {place} changed"
        await target.refuses("SIG-007", with_token(target, target.delivery(), flip), what)

    for place in (0, 1, 7, 8, 15, 16, 19, -1):
        await law((place, 0))
    await target.for_all(st.tuples(st.integers(0, 63), st.integers(0, 7)), law)


@check("SIG-008", polite=True)
async def another_algorithm_is_refused(target: ReceiverTarget) -> None:
    kind = target.kind
    for algorithm in ALGORITHMS:
        delivery = target.delivery()
        content = kind.content(delivery)
        if algorithm != kind.algorithm or not kind_is_hmac(target):
            token = kind.tokens(delivery, target.secrets[:1], algorithm=algorithm)
            await target.refuses("SIG-008", kind.message(delivery, token), f"a signature with HMAC-{algorithm}")
        bare = kind.token(hashlib.new(algorithm, content).digest())
        await target.refuses("SIG-008", kind.message(delivery, [bare]), f"a {algorithm} of the content without a key")
        body_only = kind.token(hashlib.new(algorithm, delivery.body).digest())
        await target.refuses("SIG-008", kind.message(delivery, [body_only]), f"a {algorithm} of the body without a key")


def kind_is_hmac(target: ReceiverTarget) -> bool:
    """Whether the right signature is an HMAC."""
    return target.lacks("hmac") is None


@check("SIG-009", polite=True)
async def an_unknown_version_is_refused(target: ReceiverTarget) -> None:
    kind = target.kind
    others = {
        "v1,": ("v2,", "v0,", "v1a,", ",", "v,", "v11,"),
        "v1a,": ("v2,", "v1,", "v0,", ","),
        "v1=": ("v0=", "v2=", "=", "v="),
        "v0=": ("v1=", "v2=", "="),
        "sha256=": ("sha1=", "sha512=", "md5=", "="),
    }
    delivery = target.delivery()
    prefix = next(found for found in others if kind.tokens(delivery, target.secrets[:1])[0].startswith(found))
    for other in others[prefix]:
        delivery = target.delivery()
        token = kind.tokens(delivery, target.secrets[:1])[0]
        message = kind.message(delivery, [other + token.removeprefix(prefix)])
        await target.refuses("SIG-009", message, f"a signature under {other!r} in place of {prefix!r}")


@check("SIG-010", needs=("several",), polite=True)
async def one_right_signature_among_several_is_accepted(target: ReceiverTarget) -> None:
    kind = target.kind

    async def law(value: tuple[int, int]) -> None:
        before, behind = value
        delivery = target.delivery()
        secrets = [target.other_secret() for _ in range(before)] + [target.secrets[0]]
        secrets += [target.other_secret() for _ in range(behind)]
        what = f"a right signature with {before} wrong ones before it and {behind} behind it"
        await target.accepts("SIG-010", kind.message(delivery, kind.tokens(delivery, secrets)), what)

    for value in ((1, 0), (0, 1), (1, 1)):
        await law(value)
    await target.for_all(st.tuples(st.integers(0, 3), st.integers(0, 3)), law, share=0.3)


@check("SIG-011", needs=("several",), polite=True)
async def several_wrong_signatures_are_refused(target: ReceiverTarget) -> None:
    kind = target.kind
    for count in (2, 3, 5):
        delivery = target.delivery()
        tokens = kind.tokens(delivery, [target.other_secret() for _ in range(count)])
        await target.refuses("SIG-011", kind.message(delivery, tokens), f"{count} wrong signatures")
        same = kind.tokens(delivery, [target.other_secret()]) * count
        await target.refuses("SIG-011", kind.message(delivery, same), f"the same wrong signature {count} times")


@check("SIG-012", needs=("signed-id",), polite=True)
async def a_changed_id_is_refused(target: ReceiverTarget) -> None:
    for change in (lambda _: target.new_id(), lambda text: text + "0", lambda text: text[:-1], str.upper):
        message = target.signed(target.delivery())
        changed = change(message.one(target.kind.id_header))
        await target.refuses("SIG-012", replaced(message, target.kind.id_header, changed), "an id changed after signing")


@check("SIG-013", polite=True)
async def a_body_written_anew_is_refused(target: ReceiverTarget) -> None:
    value = {"b": Raw("1.0"), "a": "é/", "n": Raw("1e2")}
    delivery = target.delivery(value)
    parsed = json.loads(delivery.body)
    ways = {
        "as Python writes it": json.dumps(parsed).encode(),
        "without spaces": json.dumps(parsed, separators=(",", ":"), ensure_ascii=False).encode(),
        "with its names sorted": json.dumps(parsed, separators=(",", ":"), sort_keys=True).encode(),
        "indented": json.dumps(parsed, indent=2, ensure_ascii=False).encode(),
    }
    for signed_way, signed in ways.items():
        for sent_way, sent in {**ways, "with a line end behind it": signed + b"\n", "as it was": delivery.body}.items():
            if sent != signed:
                message = target.signed(replace(delivery, id=delivery.id, body=signed))
                what = f"a body sent {sent_way} and signed {signed_way}"
                await target.refuses("SIG-013", replace(message, body=sent), what)


@check("SIG-014", polite=True)
async def the_signature_of_another_delivery_is_refused(target: ReceiverTarget) -> None:
    async def law(pair: tuple[object, object]) -> None:
        first, second = (target.signed(target.delivery({"data": data})) for data in pair)
        mixed = replace(first, body=second.body)
        if mixed.body != first.body:
            await target.refuses("SIG-014", mixed, "the headers of one genuine delivery with the body of another")

    await target.for_all(st.tuples(json_objects, json_objects), law, share=0.4)


@check("SIG-015", polite=True)
async def text_behind_the_padding_is_refused(target: ReceiverTarget) -> None:
    if target.kind.encoding is not Encoding.BASE64:
        raise NotChecked("signatures are not written in base64")
    for tail in ("AAAA", "=", "!", "==x"):
        delivery = target.delivery()
        tokens = [token + tail for token in target.kind.tokens(delivery, target.secrets[:1])]
        await target.refuses("SIG-015", target.kind.message(delivery, tokens), f"a right signature with {tail!r} behind it")


@check("SIG-016", polite=True)
async def an_empty_key_is_refused(target: ReceiverTarget) -> None:
    kind = target.kind
    for key in (b"", b"\0", b"None", b"null", b"undefined"):
        delivery = target.delivery()
        token = kind.token(hmac.digest(key, kind.content(delivery), kind.algorithm))
        await target.refuses("SIG-016", kind.message(delivery, [token]), f"a signature with the key {key!r}")


@check("SIG-017", needs=("signed-url",), polite=True)
async def a_changed_url_is_refused(target: ReceiverTarget) -> None:
    for extra in ("extra=1", "admin=true", "x"):
        message = target.signed(target.delivery())
        url = f"{message.url}{'&' if '?' in message.url else '?'}{extra}"
        await target.refuses("SIG-017", replace(message, url=url), f"a URL with {extra!r} added after signing")


@check("SIG-018", needs=("effects",), polite=True)
async def a_refused_signature_has_no_effect(target: ReceiverTarget) -> None:
    kind = target.kind

    def signed() -> Message:
        return target.signed(target.delivery())

    def changed() -> Message:
        message = signed()
        return replace(message, body=message.body.replace(b"1", b"2") + b" ")

    ways: dict[str, Callable[[], Message]] = {
        "a signature with another key": lambda: target.signed(target.delivery(), target.other_secret()),
        "a changed body": changed,
        "the signature of another delivery": lambda: replace(signed(), body=target.signed(target.delivery({"other": True})).body),
        "a missing signature": lambda: without(signed(), kind.signature_header),
        "an empty signature": lambda: replaced(signed(), kind.signature_header, ""),
        "a malformed signature": lambda: replaced(signed(), kind.signature_header, "v1,x"),
    }
    await target.no_effects(
        "SIG-018", {f"a delivery with {what}": partial(_deliver, target, way, what) for what, way in ways.items()}
    )


async def _deliver(target: ReceiverTarget, way: Callable[[], Message], note: str) -> Answer:
    return await target.deliver(way(), note=note)


@check("SIG-019", polite=True)
async def a_signature_that_covers_too_little_is_refused(target: ReceiverTarget) -> None:
    kind = http_message(target)
    for components in ([], ["@method"], [item for item in kind.components if item != "content-digest"]):
        delivery = target.delivery()
        token = kind.token(kind.mac(target.secrets[0], kind.covering(delivery, components)))
        headers = (("Content-Type", delivery.content_type), *kind.labelled(delivery, [token], components))
        message = Message(method=delivery.method, url=delivery.url, headers=headers, body=delivery.body)
        await target.refuses("SIG-019", message, f"a signature that covers {', '.join(components) or 'nothing'}")


@check("SIG-020", polite=True)
async def a_digest_of_another_body_is_refused(target: ReceiverTarget) -> None:
    http_message(target)
    for tail in (b" ", b"{}", b"\n"):
        message = target.signed(target.delivery())
        await target.refuses("SIG-020", replace(message, body=message.body + tail), "a body that is not the digest's")


@check("SIG-021", polite=True)
async def an_expired_signature_is_refused(target: ReceiverTarget) -> None:
    kind = http_message(target)
    expiring = HttpMessage(
        key_id=kind.key_id,
        algorithm="ed25519" if kind.asymmetric else "hmac-sha256",
        components=kind.components,
        expires_after=-30,
    )
    message = expiring.sign(target.delivery(), target.secrets[:1])
    await target.refuses("SIG-021", message, "a signature that expired 30 s ago")


def http_message(target: ReceiverTarget) -> HttpMessage:
    """The target's scheme as what it is."""
    if not isinstance(target.kind, HttpMessage):
        raise NotChecked("the scheme is not http-message")
    return target.kind


@check("SIG-022", polite=True)
async def a_signed_form_is_accepted(target: ReceiverTarget) -> None:
    for values in ({"Body": "Grüße & mehr"}, {"To": "+15550100", "Body": "", "A": "1", "Z": "z=&"}):
        delivery = target.delivery()
        body = urlencode({"MessageSid": delivery.id, "From": "+15550101", **values}).encode()
        await target.accepts("SIG-022", target.signed(replace(delivery, body=body, content_type=FORM)), "a signed form")


@check("SIG-023", polite=True)
async def unknown_versions_beside_a_right_one_are_passed_over(target: ReceiverTarget) -> None:
    kind = target.kind
    fakes = ("v0=" + "0" * 64, "v2=abc") if kind.name == "stripe" else ("v1a," + Encoding.BASE64.text(bytes(64)), "v2,abcd", "v9,")
    for fake in fakes:
        for first in (True, False):
            delivery = target.delivery()
            token = kind.tokens(delivery, target.secrets[:1])[0]
            tokens = [fake, token] if first else [token, fake]
            await target.accepts("SIG-023", kind.message(delivery, tokens), f"a right signature beside {fake[:8]!r}")


@check("SAF-011", polite=True)
async def an_answer_does_not_show_the_signature_it_expected(target: ReceiverTarget) -> None:
    kind = target.kind
    delivery = target.delivery()
    right = kind.mac(target.secrets[0], kind.content(delivery))
    shown = [right.hex(), Encoding.BASE64.text(right), *target.secrets]
    shown += [secret.partition("_")[2] for secret in target.secrets]
    forged = with_token(target, delivery, lambda signature: bytes(len(signature)))
    malformed = replaced(forged, kind.signature_header, "v1,x")
    for message in (forged, malformed, without(forged, kind.signature_header)):
        answer = await target.deliver(message, note="a forged delivery")
        text = answer.raw.decode("latin-1")
        if any(secret and secret in text for secret in shown):
            expected = "an answer without the secret and the right signature"
            raise Violation("SAF-011", expected=expected, got="an answer that holds one of them", exchanges=target.exchanges()[-1:])


def written(target: ReceiverTarget, data: Mapping[str, Any], spelling: Spelling) -> Delivery:
    """A new event whose body is written in a spelling of one's own."""
    delivery = target.delivery()
    return replace(delivery, body=write(target.kind.envelope(delivery.id, delivery.event_type, data), spelling))
