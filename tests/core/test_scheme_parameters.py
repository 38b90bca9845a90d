"""Schemes made of a subscription's parameters: the same as those made in code, refused by the parameter's name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.errors import InvalidArgument
from hookline.signing import (
    PARAMETRISED,
    SCHEME_NAMES,
    Custom,
    HttpMessage,
    InvalidSignature,
    SignableRequest,
    generate_key,
    generate_secret,
    public_key,
    scheme,
)
from hookline.signing import custom as of_custom
from hookline.signing import http_message as of_message
from hookline.validation.headers import OWN_HEADERS

NOW = 1_700_000_000
REQUEST = SignableRequest(url="https://example.com/a", headers=(("content-type", "application/json"),), body=b"{}", id="evt_1")


@given(
    st.sampled_from(of_custom.Algorithm),
    st.sampled_from(of_custom.Encoding),
    st.sampled_from(["", "v1=", "sha256="]),
    st.booleans(),
    st.booleans(),
)
def test_a_custom_scheme_of_texts_is_the_one_made_in_code(algorithm, encoding, prefix, milliseconds, with_key):
    key = {"api_key_header": "X-Key", "api_key": "k"} if with_key else {}
    headers = {"signature_header": "X-Sig", "id_header": "X-Id", "timestamp_header": "X-Time"}
    texts = {"algorithm": algorithm.value, "encoding": encoding.value, "prefix": prefix, "milliseconds": str(milliseconds).lower()}
    made = scheme("custom", {**headers, **texts, **key})
    assert made == Custom(**headers, algorithm=algorithm, encoding=encoding, prefix=prefix, milliseconds=milliseconds, **key)
    secret = made.generate_secret()
    signed = made.sign(REQUEST, [secret], NOW)
    made.verify(signed, [secret], NOW)
    with pytest.raises(InvalidSignature):
        made.verify(signed, [secret + "x"], NOW)


@given(st.sampled_from(of_message.Algorithm), st.lists(st.sampled_from(sorted(of_message.DERIVED)), min_size=1, unique=True))
def test_a_message_scheme_of_texts_is_the_one_made_in_code(algorithm, components):
    made = scheme("http-message", {"key_id": "k", "algorithm": algorithm.value, "components": " ".join(components)})
    assert made == HttpMessage(key_id="k", algorithm=algorithm, components=tuple(components))
    secret = generate_secret("http-message", {"key_id": "k", "algorithm": algorithm.value})
    made.verify(made.sign(REQUEST, [secret], NOW), [secret], NOW)


@pytest.mark.parametrize(
    ("name", "parameters", "field"),
    [
        ("custom", {}, "signature_header"),
        ("custom", {"signature_header": "X-Sig", "template": "{body}", "header": "x"}, "header"),
        ("custom", {"signature_header": "X Sig", "template": "{body}"}, "signature_header"),
        ("custom", {"signature_header": "X-Sig", "template": "{id}"}, "template"),
        ("custom", {"signature_header": "X-Sig", "template": "{body}", "algorithm": "md5"}, "algorithm"),
        ("custom", {"signature_header": "X-Sig", "template": "{body}", "milliseconds": "yes"}, "milliseconds"),
        ("custom", {"signature_header": "X-Sig", "template": "{body}", "api_key": "k"}, "api_key"),
        ("http-message", {}, "key_id"),
        ("http-message", {"key_id": "k", "components": "@nothing"}, "components"),
        ("http-message", {"key_id": "k", "expires_after": "soon"}, "expires_after"),
        ("http-message", {"key_id": "k", "expires_after": "0"}, "expires_after"),
    ],
)
def test_each_wrong_parameter_is_refused_by_its_name(name, parameters, field):
    with pytest.raises(InvalidArgument) as refused:
        scheme(name, parameters)
    assert f"signature_parameters.{field}" in {fault.field for fault in refused.value.violations}


@given(st.sampled_from(PARAMETRISED), st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=5))
def test_any_parameters_make_a_scheme_or_are_refused_below_their_field(name, parameters):
    try:
        made = scheme(name, parameters)
    except InvalidArgument as refusal:
        fields = [fault.field for fault in refusal.violations]
    else:
        fields = []
        assert made.name == name
    assert all(field.startswith("signature_parameters.") for field in fields)


@pytest.mark.parametrize("name", SCHEME_NAMES)
def test_a_scheme_without_parameters_takes_none(name):
    assert scheme(name, {}) is scheme(name)
    assert not scheme(name).header_names & OWN_HEADERS
    with pytest.raises(InvalidArgument) as refused:
        scheme(name, {"a": "b"})
    assert [fault.field for fault in refused.value.violations] == ["signature_parameters"]


def test_the_public_key_verifies_and_cannot_sign():
    key = generate_key()
    signed = scheme("standard").sign(REQUEST, [key], NOW)
    scheme("standard").verify(signed, [public_key(key)], NOW)
    with pytest.raises(InvalidArgument):
        scheme("standard").sign(REQUEST, [public_key(key)], NOW)
    with pytest.raises(InvalidSignature):
        scheme("standard").verify(signed, [public_key(generate_key())], NOW)
