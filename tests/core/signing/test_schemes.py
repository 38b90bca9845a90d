"""What is particular to one scheme: its parameters, its limits, and what it refuses to be."""

import hashlib
import hmac
import time
from base64 import b64encode
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from core.signing.cases import CASES, JSON, NOW, URL, named, received, refusal, value, with_value, without
from core.signing.judges import IN_PYTHON
from hypothesis import given
from hypothesis import strategies as st

from hookline.errors import InvalidArgument
from hookline.model import SubscriptionSpec
from hookline.signing import (
    SCHEME_NAMES,
    Custom,
    HttpMessage,
    HubSpot,
    InvalidSignature,
    SignableRequest,
    SignatureFault,
    Twilio,
    ed25519,
    scheme,
)
from hookline.signing.http_message import Algorithm
from hookline.signing.structured_field import byte_sequences, inner_lists, serialise_bytes, serialise_string
from hookline.validation import check_subscription

JUDGE = dict(IN_PYTHON)
FORM = (("content-type", "application/x-www-form-urlencoded; charset=utf-8"),)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def fault(made, request, secrets, now=NOW):
    error = refusal(made, request, secrets, now)
    assert isinstance(error, InvalidSignature), error
    return error.fault


def test_every_scheme_of_the_registry_has_a_row_in_the_table():
    assert set(SCHEME_NAMES) <= {case.name for case in CASES}


@pytest.mark.parametrize("name", SCHEME_NAMES)
def test_a_subscription_may_choose_every_scheme_of_the_registry_and_set_none_of_its_headers(name):
    spec = SubscriptionSpec(url=URL, event_types=("*",), signature_scheme=name, secret=scheme(name).generate_secret())
    check_subscription(spec, allow_http_loopback=False)
    for header in scheme(name).header_names:
        with pytest.raises(InvalidArgument, match="is set by hookline"):
            check_subscription(replace(spec, headers={header.title(): "x"}), allow_http_loopback=False)


@pytest.mark.parametrize(("name", "parameter"), [("custom", "signature_header"), ("http-message", "key_id")])
def test_a_subscription_is_told_which_parameter_a_scheme_needs(name, parameter):
    spec = SubscriptionSpec(url=URL, event_types=("*",), signature_scheme=name)
    with pytest.raises(InvalidArgument, match=rf"signature_parameters\.{parameter}: is not set, and '{name}' needs it"):
        check_subscription(spec, allow_http_loopback=False)


@pytest.mark.parametrize(("url", "taken"), [(URL, True), (f"{URL}&bodySHA256=ab", False)])
def test_a_subscription_is_refused_a_url_that_its_scheme_cannot_sign(url, taken):
    spec = SubscriptionSpec(url=url, event_types=("*",), signature_scheme="twilio")
    check_subscription(replace(spec, signature_scheme="standard"), allow_http_loopback=False)
    if taken:
        check_subscription(spec, allow_http_loopback=False)
    else:
        with pytest.raises(InvalidArgument, match="bodySHA256"):
            check_subscription(spec, allow_http_loopback=False)


def test_a_public_key_verifies_and_does_not_sign():
    secret = ed25519.generate_key()
    public = ed25519.public_key(secret)
    signed = scheme("standard").sign(SignableRequest(url="", body=b"", id="a"), [secret], NOW)
    scheme("standard").verify(signed, [public], NOW)
    with pytest.raises(InvalidArgument, match="public key"):
        scheme("standard").check_secret(public)
    with pytest.raises(InvalidArgument, match="public key"):
        scheme("standard").sign(SignableRequest(url="", body=b"", id="a"), [public], NOW)


def test_a_rotation_may_change_from_v1_to_v1a():
    old, new = scheme("standard").generate_secret(), ed25519.generate_key()
    signed = scheme("standard").sign(SignableRequest(url="", body=JSON, id="a"), [new, old], NOW)
    for secret in (old, new, ed25519.public_key(new)):
        scheme("standard").verify(signed, [secret], NOW)
    assert fault(scheme("standard"), signed, [ed25519.generate_key()]) is SignatureFault.NO_MATCHING_SIGNATURE


@pytest.mark.parametrize(
    "key", ["whsk_", "whsk_%", "whsk_" + b64encode(b"a" * 31).decode(), "whsk_" + b64encode(b"a" * 64).decode()]
)
def test_a_key_that_is_none_is_refused_without_being_shown(key):
    with pytest.raises(InvalidArgument) as refused:
        scheme("standard").check_secret(key)
    assert len(key) < 8 or key.removeprefix("whsk_") not in str(refused.value)


def test_svix_takes_both_sets_of_names_and_standard_only_its_own():
    secret = scheme("svix").generate_secret()
    request = SignableRequest(url="", body=JSON, id="a")
    theirs, ours = scheme("svix").sign(request, [secret], NOW), scheme("standard").sign(request, [secret], NOW)
    scheme("svix").verify(theirs, [secret], NOW)
    scheme("svix").verify(ours, [secret], NOW)
    scheme("standard").verify(ours, [secret], NOW)
    assert fault(scheme("standard"), theirs, [secret]) is SignatureFault.MISSING_HEADER


def test_the_type_and_the_id_go_into_the_headers_of_the_platform():
    for name, event, delivery in (
        ("github", "x-github-event", "x-github-delivery"),
        ("shopify", "x-shopify-topic", "x-shopify-webhook-id"),
    ):
        case = named(name)
        signed = case.scheme.sign(case.request(webhook_id="dlv_7", event_type="push"), [case.secret()], NOW)
        assert (value(signed, event), value(signed, delivery)) == ("push", "dlv_7")
        bare = case.scheme.sign(SignableRequest(url=URL, body=JSON), [case.secret()], NOW)
        assert {header for header, _ in bare.headers} == set(case.signed)
        with pytest.raises(InvalidArgument, match="event_type"):
            case.scheme.sign(case.request(event_type="a\r\nb"), [case.secret()], NOW)


@given(st.lists(st.tuples(texts.filter(bool), texts), max_size=8, unique_by=lambda pair: pair[0]))
def test_twilio_signs_forms_as_its_own_validator_reads_them(pairs):
    secret = scheme("twilio").generate_secret()
    body = urlencode(pairs).encode()
    signed = Twilio().sign(SignableRequest(url=URL, headers=FORM, body=body), [secret], NOW)
    assert signed.url == URL
    assert JUDGE["twilio"].accepts(signed, secret)
    Twilio().verify(signed, [secret], NOW)
    Twilio().verify(replace(signed, body=urlencode(pairs[::-1]).encode()), [secret], NOW)
    changed = replace(signed, body=urlencode([*pairs, ("more", "1" * 30)]).encode())
    assert fault(Twilio(), changed, [secret]) is SignatureFault.NO_MATCHING_SIGNATURE


@pytest.mark.parametrize(
    "url", ["https://example.com/a", "https://example.com:443/a?b=1", "https://example.com:8443/a", "https://[::1]:9/"]
)
def test_twilio_is_verified_with_the_port_and_without(url):
    secret = scheme("twilio").generate_secret()
    signed = Twilio().sign(SignableRequest(url=url, headers=FORM, body=b"a=1"), [secret], NOW)
    assert JUDGE["twilio"].accepts(signed, secret) or "[" in url
    for spelling in (url, url.replace(":443/", "/"), url.replace("example.com/", "example.com:443/")):
        Twilio().verify(replace(signed, url=spelling), [secret], NOW)


def test_twilio_behind_a_proxy_is_verified_under_the_origin_that_was_called():
    secret = scheme("twilio").generate_secret()
    signed = Twilio().sign(SignableRequest(url=URL, body=JSON), [secret], NOW)
    inside = replace(signed, url=signed.url.replace("https://example.com", "http://10.0.0.7:8080"))
    assert fault(Twilio(), inside, [secret]) is SignatureFault.NO_MATCHING_SIGNATURE
    Twilio(public_origin="https://example.com").verify(inside, [secret], NOW)
    for wrong in ("example.com", "https://example.com/", "ftp://example.com", "https://", "https://a:b"):
        with pytest.raises(InvalidArgument, match="public_origin"):
            Twilio(public_origin=wrong)


def test_a_body_that_the_signature_of_twilio_does_not_cover_is_refused():
    secret = scheme("twilio").generate_secret()
    signed = Twilio().sign(SignableRequest(url=URL, headers=FORM, body=b""), [secret], NOW)
    Twilio().verify(signed, [secret], NOW)
    for kind in ("application/json", "text/plain"):
        other = replace(with_value(signed, "content-type", kind), body=JSON)
        assert fault(Twilio(), other, [secret]) is SignatureFault.BODY_NOT_SIGNED
    # And a form that reads as no parameters at all does not pass for a body with a digest.
    digested = Twilio().sign(SignableRequest(url=URL, headers=(("content-type", "application/json"),), body=JSON), [secret], NOW)
    disguised = replace(with_value(digested, "content-type", FORM[0][1]), body=b"&&")
    assert fault(Twilio(), disguised, [secret]) is SignatureFault.BODY_CHANGED
    assert fault(Twilio(), replace(signed, body=b"&".join([b"a=1"] * 1001)), [secret]) is SignatureFault.MALFORMED_HEADER


def test_hubspot_decodes_the_characters_that_hubspot_decodes():
    secret = scheme("hubspot").generate_secret()
    encoded = "https://example.com/a%3Ab%2fc?q=%40x%2C%20y%26"
    signed = scheme("hubspot").sign(SignableRequest(url=encoded, body=JSON), [secret], int(time.time()))
    assert JUDGE["hubspot"].accepts(replace(signed, url="https://example.com/a:b/c?q=@x,%20y%26"), secret)
    scheme("hubspot").verify(signed, [secret], int(time.time()))


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_hubspot_verifies_old_versions_where_somebody_asks_for_them(version):
    secret = "client-secret"
    source = {"v1": secret.encode() + JSON, "v2": f"{secret}POST{URL}".encode() + JSON}[version]
    headers = (("X-HubSpot-Signature", hashlib.sha256(source).hexdigest()), ("X-HubSpot-Signature-Version", version))
    request = SignableRequest(url=URL, headers=headers, body=JSON)
    HubSpot(old_versions=frozenset({version})).verify(request, [secret], NOW)
    changed = replace(request, body=JSON + b" ")
    assert fault(HubSpot(old_versions=frozenset({version})), changed, [secret]) is SignatureFault.BODY_RESERIALISED
    assert fault(scheme("hubspot"), request, [secret]) is SignatureFault.MISSING_HEADER
    # A v3 signature counts, whatever older one stands beside it.
    both = replace(request, headers=(*headers, ("X-HubSpot-Signature-v3", "AAAA"), ("X-HubSpot-Request-Timestamp", f"{NOW}000")))
    assert fault(HubSpot(old_versions=frozenset({version})), both, [secret]) is SignatureFault.NO_MATCHING_SIGNATURE
    other = with_value(request, "x-hubspot-signature-version", "v4")
    assert fault(HubSpot(), other, [secret]) is SignatureFault.MALFORMED_HEADER
    with pytest.raises(InvalidArgument, match="old_versions"):
        HubSpot(old_versions=frozenset({"v3"}))


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"signature_header": ""}, "signature_header"),
        ({"signature_header": "a b"}, "signature_header"),
        ({"template": "{id}.{timestamp}"}, "template"),
        ({"template": "{body}{body}", "id_header": "", "timestamp_header": ""}, "template"),
        ({"template": "{body}"}, "id_header"),
        ({"template": "{timestamp}.{id}{body}"}, "template"),
        ({"template": "{body}{id}.{timestamp}"}, "template"),
        ({"template": "{id}.{timestamp}.{url}{body}"}, "template"),
        ({"template": "{id}.{timestamp}.{url}{method}.{body}"}, "template"),
        ({"id_header": ""}, "id_header"),
        ({"timestamp_header": ""}, "timestamp_header"),
        ({"timestamp_header": "X-SIG"}, "timestamp_header"),
        ({"prefix": " a"}, "prefix"),
        ({"prefix": ",a"}, "prefix"),
        ({"prefix": "v1,", "separator": ","}, "separator"),
        ({"separator": "x"}, "separator"),
        ({"api_key": "k"}, "api_key"),
        ({"api_key_header": "x-key"}, "api_key"),
        ({"api_key_header": "x-key", "api_key": "k\n"}, "api_key"),
    ],
)
def test_a_custom_scheme_that_could_not_work_is_refused(parameters, field):
    right = {"signature_header": "x-sig", "id_header": "x-id", "timestamp_header": "x-time"}
    Custom(**right)
    with pytest.raises(InvalidArgument) as refused:
        Custom(**(right | parameters))
    assert field in {violation.field for violation in refused.value.violations}


@pytest.mark.parametrize(
    "template", ["{id}.{timestamp}.{body}", "{body}:{timestamp}-{id}", "{method}{url}{timestamp}{id}#{body}", "v0:{id}:{body}"]
)
@given(st.lists(st.sampled_from(["a", ".", ":", "-", "#", str(NOW)]), min_size=2, max_size=8), st.data())
def test_no_two_ids_and_bodies_are_signed_alike(template, pieces, data):
    """Whatever stands in the two together, there is one way at most to part them."""
    made = Custom(
        template=template,
        signature_header="x-sig",
        id_header="x-id",
        timestamp_header="x-time" if "{timestamp}" in template else "",
    )

    def signature(place):
        webhook_id, body = "".join(pieces[:place]), "".join(pieces[place:])
        if data.draw(st.booleans()):
            webhook_id, body = webhook_id.rstrip(".:-#"), body.lstrip(".:-#")
        try:
            signed = made.sign(SignableRequest(url=URL, body=body.encode(), id=webhook_id), ["k"], NOW)
        except InvalidArgument:
            return None
        return value(signed, "x-sig"), (webhook_id, body)

    found = [each for place in range(1, len(pieces)) if (each := signature(place)) is not None]
    assert len({made_of for _, made_of in found}) == len({text for text, _ in found})


def test_an_id_that_holds_what_stands_beside_it_in_the_template_is_refused():
    made = Custom(template="{id}.{body}", signature_header="x-sig", id_header="x-id")
    signed = made.sign(SignableRequest(url=URL, body=b"a.b", id="evt_1"), ["k"], NOW)
    made.verify(signed, ["k"], NOW)
    shifted = replace(with_value(signed, "x-id", "evt_1.a"), body=b"b")
    assert fault(made, shifted, ["k"]) is SignatureFault.MALFORMED_HEADER
    with pytest.raises(InvalidArgument, match=r"'\.' stands beside"):
        made.sign(SignableRequest(url=URL, body=b"", id="evt_1.a"), ["k"], NOW)


def test_segment_signs_no_list_and_verifies_one_that_is_signed_as_a_whole():
    made, body = scheme("segment"), b' [{"type":"track"}]'
    with pytest.raises(InvalidArgument, match="is a list"):
        made.sign(SignableRequest(url=URL, body=body), ["k"], NOW)
    whole, first = (hmac.digest(b"k", each, "sha1").hex() for each in (body, b'{"type":"track"}'))
    made.verify(SignableRequest(url=URL, body=body, headers=(("X-Signature", whole),)), ["k"], NOW)
    of_first = SignableRequest(url=URL, body=body, headers=(("X-Signature", first),))
    assert fault(made, of_first, ["k"]) is SignatureFault.NO_MATCHING_SIGNATURE


def test_a_custom_scheme_in_milliseconds_signs_what_its_template_says():
    made = Custom(template="{timestamp}|{method}|{body}", signature_header="x-sig", timestamp_header="x-ms", milliseconds=True)
    signed = made.sign(SignableRequest(url=URL, body=b"{id}"), ["k"], NOW)
    assert value(signed, "x-ms") == f"{NOW}000"
    assert value(signed, "x-sig") == hmac.new(b"k", f"{NOW}000|POST|{{id}}".encode(), "sha256").hexdigest()
    made.verify(signed, ["k"], NOW + 300)
    assert fault(made, signed, ["k"], NOW + 301) is SignatureFault.TIMESTAMP_TOO_OLD


def test_an_api_key_has_its_own_fault_and_is_not_shown():
    case = named("custom-api-key")
    secret = case.secret()
    signed = case.scheme.sign(case.request(), [secret], NOW)
    wrong = with_value(signed, "x-api-key", "key-2")
    assert fault(case.scheme, wrong, [secret]) is SignatureFault.WRONG_API_KEY
    assert "key-1" not in repr(case.scheme)
    assert "key-1" not in str(refusal(case.scheme, wrong, [secret]))


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"key_id": ""}, "key_id"),
        ({"label": "Sig"}, "label"),
        ({"components": ()}, "components"),
        ({"components": ("@status",)}, "components"),
        ({"components": ("Date",)}, "components"),
        ({"components": ("date", "date")}, "components"),
        ({"expires_after": 0}, "expires_after"),
    ],
)
def test_an_http_message_scheme_that_could_not_work_is_refused(parameters, field):
    with pytest.raises(InvalidArgument) as refused:
        HttpMessage(**({"key_id": "k"} | parameters))
    assert {violation.field for violation in refused.value.violations} == {field}


def test_a_signature_that_covers_too_little_is_refused():
    case = named("http-message")
    secret = case.secret()
    little = HttpMessage(key_id="k1", components=("@method",))
    signed = received(little.sign(case.request(), [secret], NOW))
    little.verify(signed, [secret], NOW)
    assert fault(case.scheme, signed, [secret]) is SignatureFault.BODY_NOT_SIGNED


def test_a_signature_of_another_key_or_algorithm_is_refused():
    case = named("http-message")
    secret = case.secret()
    signed = received(case.scheme.sign(case.request(), [secret], NOW))
    assert fault(HttpMessage(key_id="k2"), signed, [secret]) is SignatureFault.NO_MATCHING_SIGNATURE
    named_other = with_value(signed, "signature-input", value(signed, "signature-input") + ';alg="ed25519"')
    assert fault(case.scheme, named_other, [secret]) is SignatureFault.MALFORMED_HEADER
    key = HttpMessage(key_id="k1", algorithm=Algorithm.ED25519)
    assert fault(key, signed, [key.generate_secret()]) is SignatureFault.NO_MATCHING_SIGNATURE


def test_a_signature_expires():
    made = HttpMessage(key_id="k1", expires_after=10)
    secret = made.generate_secret()
    signed = made.sign(named("http-message").request(), [secret], NOW)
    made.verify(signed, [secret], NOW + 10)
    assert fault(made, signed, [secret], NOW + 11) is SignatureFault.TIMESTAMP_TOO_OLD


def test_every_derived_component_is_signed_and_a_missing_header_is_not():
    everything = ("@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query", "content-type")
    made = HttpMessage(key_id="k1", components=everything)
    secret = made.generate_secret()
    request = named("http-message").request()
    signed = made.sign(request, [secret], NOW)
    made.verify(signed, [secret], NOW)
    with pytest.raises(InvalidArgument, match="content-type"):
        made.sign(without(request, "content-type"), [secret], NOW)
    with pytest.raises(InvalidArgument, match="set already"):
        made.sign(signed, [secret], NOW)
    other = replace(signed, url=signed.url.replace("example.com", "example.org"))
    assert fault(made, other, [secret]) is SignatureFault.NO_MATCHING_SIGNATURE


keys = st.from_regex(r"[a-z*][a-z0-9_.*-]{0,8}", fullmatch=True)
printable = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)


@given(st.dictionaries(keys, st.tuples(st.lists(printable, max_size=4), st.integers(-9, 999), printable), min_size=1, max_size=3))
def test_dictionaries_of_inner_lists_are_read_as_they_are_written(members):
    text = ",\t ".join(
        f"{key}=( {'  '.join(map(serialise_string, items))} );n={number}; s={serialise_string(string)};b"
        for key, (items, number, string) in members.items()
    )
    read = inner_lists(text, "x")
    for key, (items, number, string) in members.items():
        assert read[key].items == tuple(items)
        assert read[key].parameters == {"n": number, "s": string, "b": ""}
        assert inner_lists(f"{key}={read[key].text}", "x")[key] == read[key]


@given(st.dictionaries(keys, st.binary(max_size=40), min_size=1, max_size=3))
def test_dictionaries_of_bytes_are_read_as_they_are_written(members):
    assert byte_sequences(", ".join(f"{key}={serialise_bytes(raw)}" for key, raw in members.items()), "x") == members


@given(st.text(max_size=40))
def test_what_is_no_dictionary_is_malformed(text):
    for read in (inner_lists, byte_sequences):
        try:
            read(text, "x")
        except InvalidSignature as error:
            refused = error.fault
        else:
            continue
        assert refused is SignatureFault.MALFORMED_HEADER
