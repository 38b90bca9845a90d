"""The table of outcomes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.classify import VerdictKind, classify
from hookline.model import ErrorClass

on_the_way = st.sampled_from([error for error in ErrorClass if error not in {ErrorClass.STATUS, ErrorClass.REDIRECT}])


@given(st.integers(-10, 1000))
def test_success_is_2xx_and_nothing_else(status):
    verdict = classify(status, None)
    assert (verdict.kind is VerdictKind.DELIVERED) == (200 <= status <= 299)
    assert (verdict.error is None) == (verdict.kind is VerdictKind.DELIVERED)
    assert verdict.disable == (status == 410)
    assert verdict.slow == (status in {429, 502, 503, 504})
    if verdict.kind is VerdictKind.RETRY and 100 <= status <= 599:
        assert verdict.error is (ErrorClass.REDIRECT if 300 <= status <= 399 else ErrorClass.STATUS)


@given(st.integers(0, 599), on_the_way)
def test_an_error_on_the_way_is_never_a_success(status, error):
    verdict = classify(status, error)
    assert verdict.kind is VerdictKind.RETRY
    assert verdict.error is error


@given(st.integers(-10, 1000), st.none() | st.sampled_from(ErrorClass), st.text(max_size=20))
def test_every_outcome_has_a_reason_in_words(status, error, detail):
    verdict = classify(status, error, detail)
    assert verdict.reason
    assert verdict.kind is VerdictKind.DELIVERED or verdict.reason.endswith(detail)


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        (200, None, "the receiver answered 200 OK"),
        (503, None, "the receiver answered 503 Service Unavailable"),
        (410, None, "the receiver answered 410 Gone, which disables the subscription"),
        (599, None, "the receiver answered 599"),
        (0, None, "no answer came"),
        (0, ErrorClass.TIMEOUT, "the receiver did not answer in time"),
    ],
)
def test_reasons_are_sentences_for_operators(status, error, reason):
    assert classify(status, error).reason == reason
