"""What holds for every scheme: round trip, no bit to turn, no exception but our own, a reason for each fault."""

import json
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

import pytest
from core.signing.cases import CASES, JSON, NOW, TWILIO_FORM, flipped, named, received, refusal, value, with_value, without
from core.strategies import ids, types
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hookline.errors import InvalidArgument
from hookline.signing import InvalidSignature, SignableRequest, SignatureFault

cases = st.sampled_from(CASES)
bodies = st.binary(max_size=200)
bits = st.integers(0, 100_000)
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
TIMED = [case for case in CASES if case.timed]
every_timed = pytest.mark.parametrize("case", TIMED, ids=lambda case: case.name)


def fault(case, request, secret, now=NOW):
    error = refusal(case.scheme, request, [secret], now)
    assert isinstance(error, InvalidSignature), error
    assert error.code == error.fault.value
    return error.fault


@given(cases, bodies, ids, types, st.integers(-299, 300))
def test_what_is_signed_is_verified(case, body, webhook_id, event_type, drift):
    assume(case.signs(body))
    secrets = [case.secret(), case.secret()]
    signed = case.scheme.sign(case.request(body, webhook_id, event_type), secrets, NOW)
    assert signed.body == body
    for secret in secrets if case.several else secrets[:1]:
        case.scheme.verify(received(signed), [case.secret(), secret], NOW + drift)


@given(cases, bodies.filter(bool), ids, bits, st.data())
@settings(max_examples=400)
def test_any_flipped_bit_is_refused(case, body, webhook_id, bit, data):
    assume(case.signs(body))
    secret = case.secret()
    signed = received(case.scheme.sign(case.request(body, webhook_id), [secret], NOW))
    parts = ["body", "secret", *case.signed, *(["url"] * case.url), *(["method"] * case.method)]
    part = data.draw(st.sampled_from(parts))
    match part:
        case "secret":
            error = refusal(case.scheme, signed, [case.flipped_secret(secret, bit)])
            assert isinstance(error, InvalidSignature | InvalidArgument)
            return
        case "body":
            changed = replace(signed, body=flipped(body, bit))
        case "url" | "method":
            changed = replace(signed, **{part: flipped(getattr(signed, part).encode(), bit).decode("latin-1")})
        case _:
            changed = with_value(signed, part, flipped(value(signed, part).encode(), bit).decode("latin-1"))
    assert fault(case, changed, secret) in SignatureFault


@given(cases, st.data(), st.text() | bodies.map(lambda raw: raw.decode("utf-8", "surrogateescape")), bodies, st.text(max_size=40))
@settings(max_examples=400)
def test_whatever_comes_nothing_but_our_own_is_raised(case, data, url, body, secret):
    own = data.draw(st.booleans()) and case.signs(body)
    names = st.sampled_from([*case.signed, *case.own, "content-type"])
    headers = tuple(data.draw(st.lists(st.tuples(names, st.text(max_size=60)), max_size=8)))
    if own:
        signed = case.scheme.sign(case.request(body), [case.secret()], NOW)
        headers, url = (*signed.headers, *headers), data.draw(st.sampled_from([url, signed.url]))
    secrets = [data.draw(st.just(secret) | st.builds(case.secret))]
    error = refusal(case.scheme, SignableRequest(url=url, headers=headers, body=body), secrets)
    assert error is None or isinstance(error, InvalidSignature | InvalidArgument)
    assert error is not None or own


@given(cases, st.text(max_size=80))
def test_a_secret_is_taken_or_refused_without_being_shown(case, secret):
    refused = None
    try:
        case.scheme.check_secret(secret)
    except InvalidArgument as error:
        refused = error
    if refused is None:
        case.scheme.verify(received(case.scheme.sign(case.request(), [secret], NOW)), [secret], NOW)
    else:
        assert [violation.field for violation in refused.violations] == ["secret"]
        assert len(secret) < 8 or secret not in str(refused)
        assert refused.__cause__ is None


@every_case
def test_new_secrets_are_right_and_never_the_same(case):
    made = {case.scheme.generate_secret() for _ in range(20)}
    assert len(made) == 20
    for secret in made:
        case.scheme.check_secret(secret)


@every_case
def test_no_secret_is_a_mistake_of_the_caller(case):
    signed = case.scheme.sign(case.request(), [case.secret()], NOW)
    with pytest.raises(InvalidArgument, match="no secret"):
        case.scheme.sign(case.request(), [], NOW)
    with pytest.raises(InvalidArgument, match="no secret"):
        case.scheme.verify(signed, [], NOW)


@every_case
def test_the_headers_that_are_set_are_those_that_are_named(case):
    request = case.request()
    signed = case.scheme.sign(request, [case.secret()], NOW)
    made = {name.lower() for name, _ in signed.headers[len(request.headers) :]}
    assert signed.headers[: len(request.headers)] == request.headers
    assert made <= case.scheme.header_names
    assert made == (set(case.signed) | set(case.own)) - {"content-type"}


@every_case
def test_header_names_are_taken_in_any_case_and_values_with_space_and_folds(case):
    secret = case.secret()
    signed = received(case.scheme.sign(case.request(), [secret], NOW))
    for change in (str.upper, str.title, str.lower):
        case.scheme.verify(replace(signed, headers=tuple((change(name), text) for name, text in signed.headers)), [secret], NOW)
    folded = tuple((name, f"\r\n \t{text.replace(', ', f',{chr(13)}{chr(10)} ')}\t ") for name, text in signed.headers)
    case.scheme.verify(replace(signed, headers=folded), [secret], NOW)


@every_case
def test_a_missing_header_is_named(case):
    secret = case.secret()
    signed = received(case.scheme.sign(case.request(), [secret], NOW))
    for name in case.signed:
        error = refusal(case.scheme, without(signed, name), [secret])
        assert isinstance(error, InvalidSignature)
        assert error.fault is SignatureFault.MISSING_HEADER
        assert name in error.message.lower()


@every_timed
def test_a_clock_may_be_wrong_by_the_tolerance_in_either_direction_and_no_more(case):
    secret = case.secret()
    signed = received(case.scheme.sign(case.request(), [secret], NOW))
    case.scheme.verify(signed, [secret], NOW + 300)
    case.scheme.verify(signed, [secret], NOW - 300)
    assert fault(case, signed, secret, NOW + 301) is SignatureFault.TIMESTAMP_TOO_OLD
    assert fault(case, signed, secret, NOW - 301) is SignatureFault.TIMESTAMP_IN_FUTURE
    case.scheme.verify(signed, [secret], NOW + 301, tolerance=301)


@every_case
@pytest.mark.parametrize("body", ['{"a":1}', {"a": 1}, None])
def test_a_body_that_is_not_bytes_is_refused_with_the_reason(case, body):
    request = replace(case.scheme.sign(case.request(), [case.secret()], NOW), body=body)
    with pytest.raises(InvalidSignature, match="bytes as they came") as refused:
        case.scheme.verify(request, [case.secret()], NOW)
    assert refused.value.fault is SignatureFault.BODY_NOT_BYTES


@every_case
def test_a_body_that_was_written_again_is_told_apart_from_a_wrong_secret(case):
    secret = case.secret()
    signed = received(case.scheme.sign(case.request(JSON), [secret], NOW))
    for again in (json.dumps(json.loads(JSON)), json.dumps(json.loads(JSON), indent=4)):
        assert fault(case, replace(signed, body=again.encode()), secret) is SignatureFault.BODY_RESERIALISED
    assert fault(case, signed, case.secret()) is SignatureFault.NO_MATCHING_SIGNATURE


@pytest.mark.parametrize(
    "body", [b"[" * 2000, b"[" * 60 + b",".join([b"1"] * 1900) + b"]" * 60, b"[" * 900 + b"]" * 900, b"1" * 5000]
)
def test_a_body_made_to_be_costly_is_refused_like_any_other(body):
    case = named("standard")
    signed = received(case.scheme.sign(case.request(), [case.secret()], NOW))
    assert fault(case, replace(signed, body=body), case.secret()) is SignatureFault.NO_MATCHING_SIGNATURE


@every_case
def test_a_header_that_is_signed_once_is_refused_twice(case):
    secret = case.secret()
    signed = received(case.scheme.sign(case.request(), [secret], NOW))
    for name in case.signed:
        if name.endswith(("-id", "-timestamp", "-time")):
            twice = replace(signed, headers=(*signed.headers, (name.upper(), value(signed, name))))
            assert fault(case, twice, secret) is SignatureFault.MALFORMED_HEADER


def signature_header(case):
    return next(each for each in case.signed if each.endswith(("signature", "signature-v3", "256")))


def joined(case, first, second):
    """Two values of a signature header in one, as the scheme writes several, or as what joins repeated headers does."""
    return f"{first},{second.partition(',')[2]}" if case.name == "stripe" else f"{first}, {second}"


JOINING = [case for case in (*CASES, TWILIO_FORM) if not case.name.startswith("http-message") and case.name != "custom-api-key"]
"""A dictionary of RFC 8941 is read with its labels, below; `custom` without a separator has one signature."""


@pytest.mark.parametrize("case", [*JOINING, named("custom-api-key")], ids=lambda case: case.name)
def test_a_repeated_signature_is_refused(case):
    secret = case.secret()
    signed = received(case.scheme.sign(case.request(), [secret], NOW))
    header = signature_header(case)
    wrong = value(case.scheme.sign(case.request(), [case.secret()], NOW), header)
    for twice in (wrong, value(signed, header)):
        assert fault(case, replace(signed, headers=((header, twice), *signed.headers)), secret) is SignatureFault.MALFORMED_HEADER


@pytest.mark.parametrize("case", JOINING, ids=lambda case: case.name)
def test_every_signature_in_a_joined_header_is_tried_up_to_a_limit(case):
    secret = case.secret()
    signed = received(case.scheme.sign(case.request(), [secret], NOW))
    header = signature_header(case)
    wrong = value(case.scheme.sign(case.request(), [case.secret()], NOW), header)
    case.scheme.verify(with_value(signed, header, joined(case, wrong, value(signed, header))), [secret], NOW)
    many = wrong
    for _ in range(40):
        many = joined(case, many, wrong)
    assert fault(case, with_value(signed, header, many), secret) is SignatureFault.MALFORMED_HEADER


@pytest.mark.parametrize("name", ["http-message", "http-message-ed25519"])
def test_a_message_may_be_signed_several_times_under_different_labels_and_in_several_lines(name):
    """Its fields are dictionaries, which may stand in several lines (RFC 8941, section 4.2); a label stands once."""
    case = named(name)
    secret, other = case.secret(), case.secret()
    signed = received(case.scheme.sign(case.request(), [other, secret], NOW))
    for separate in (signed, *(lines(signed, each) for each in ("signature", "signature-input"))):
        case.scheme.verify(separate, [secret], NOW)
        assert fault(case, separate, case.secret()) is SignatureFault.NO_MATCHING_SIGNATURE
    for header in ("signature", "signature-input"):
        twice = replace(signed, headers=(*signed.headers, (header, value(signed, header))))
        assert fault(case, twice, secret) is SignatureFault.MALFORMED_HEADER
    many = received(case.scheme.sign(case.request(), [case.secret() for _ in range(40)], NOW))
    assert fault(case, many, secret) is SignatureFault.MALFORMED_HEADER


def lines(request, name):
    """With a line of its own for each member of the header."""
    others = tuple(pair for pair in request.headers if pair[0] != name)
    return replace(request, headers=(*others, *((name, member) for member in value(request, name).split(", "))))


pairs = st.lists(st.tuples(st.text("ab+%&= é", max_size=4), st.text("cd+%&= é", max_size=4)), min_size=1, max_size=4)


@given(pairs, bits, st.sampled_from(["body", "secret", "x-twilio-signature", "url"]))
@settings(max_examples=300)
def test_a_flipped_bit_of_a_form_is_refused_unless_its_parameters_are_the_same(parameters, bit, part):
    secret = TWILIO_FORM.secret()
    body = urlencode(parameters).encode()
    signed = received(TWILIO_FORM.scheme.sign(TWILIO_FORM.request(body), [secret], NOW))
    TWILIO_FORM.scheme.verify(signed, [secret], NOW)
    changed, known = signed, secret
    match part:
        case "secret":
            known = TWILIO_FORM.flipped_secret(secret, bit)
        case "body":
            changed = replace(signed, body=flipped(body, bit))
        case "url":
            changed = replace(signed, url=flipped(signed.url.encode(), bit).decode("latin-1"))
        case _:
            changed = with_value(signed, part, flipped(value(signed, part).encode(), bit).decode("latin-1"))
    error = refusal(TWILIO_FORM.scheme, changed, [known])
    if part == "body" and as_twilio_signs(changed.body) == as_twilio_signs(body):
        assert error is None
    else:
        assert isinstance(error, InvalidSignature | InvalidArgument)


def as_twilio_signs(form):
    """The recipe in Twilio's documents: each name with its value, in order of the names."""
    parsed = parse_qsl(form.decode("utf-8", "surrogateescape"), keep_blank_values=True, errors="surrogateescape")
    return "".join(name + text for name, text in sorted(set(parsed)))


@pytest.mark.parametrize(
    "name", ["standard", "standard-v1a", "shopify", "zendesk", "http-message", "http-message-ed25519", "custom-api-key"]
)
def test_a_signature_has_one_spelling_in_base64(name):
    """The bits of the last letter that stand for nothing are not free to choose."""
    case = named(name)
    secret = case.secret()
    signed = received(case.scheme.sign(case.request(), [secret], NOW))
    header = next(each for each in case.signed if each.endswith(("signature", "sha256")))
    text = value(signed, header)
    end = text.rindex("=", 0, text.index("=", len(text) - 3) + 1)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = alphabet[alphabet.index(text[end - 1]) + 1]
    assert isinstance(
        refusal(case.scheme, with_value(signed, header, text[: end - 1] + other + text[end:]), [secret]), InvalidSignature
    )
