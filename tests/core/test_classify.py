"""The table of outcomes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.classify import OTHER_RETRY_REASON, RETRY_REASONS, VerdictKind, classify, rules
from hookline.errors import InvalidArgument
from hookline.model import AnswerRules, ErrorClass

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


statuses = st.integers(200, 599).map(str) | st.sampled_from(["2xx", "3xx", "4xx", "5xx"])
answers = st.lists(
    st.tuples(statuses, st.sampled_from(["delivered", "final", "disabling"])), max_size=8, unique_by=lambda row: row[0]
).map(
    lambda rows: AnswerRules(
        **{meaning: tuple(status for status, its in rows if its == meaning) for meaning in ("delivered", "final", "disabling")}
    )
)


@given(st.integers(0, 700), st.none() | st.sampled_from(ErrorClass), st.text(max_size=20))
def test_the_usual_rules_say_what_no_rules_say(status, error, detail):
    assert classify(status, error, detail, rules(AnswerRules())) == classify(status, error, detail)


@given(answers, st.integers(200, 599))
def test_a_status_means_what_its_number_says_or_else_its_class(given_rules, status):
    verdict = classify(status, None, "", rules(given_rules))
    named = {each: name for name in ("delivered", "final", "disabling") for each in getattr(given_rules, name)}
    meaning = named.get(str(status), named.get(f"{status // 100}xx", ""))
    kinds = {"delivered": VerdictKind.DELIVERED, "final": VerdictKind.FINAL}
    assert verdict.kind is kinds.get(meaning, VerdictKind.RETRY)
    assert verdict.disable == (meaning == "disabling")
    assert (verdict.error is None) == (verdict.kind is VerdictKind.DELIVERED)


@given(answers, st.integers(0, 599), on_the_way)
def test_an_answer_that_breaks_off_is_neither_a_success_nor_final(given_rules, status, error):
    verdict = classify(status, error, "", rules(given_rules))
    assert (verdict.kind, verdict.error) == (VerdictKind.RETRY, error)


@given(st.integers(200, 599), st.sampled_from(["1", "0", " 1", ""]))
def test_a_receiver_ends_a_delivery_with_the_header_and_no_other_value(status, value):
    verdict = classify(status, None, "", rules(AnswerRules(final_header="X-No-Retry: 1")), {"x-no-retry": value})
    final = value == "1" and not 200 <= status <= 299 and status != 410
    asked = value == "1" and not 200 <= status <= 299
    assert (verdict.kind is VerdictKind.FINAL) == asked
    assert final <= ("asks not to be tried again (x-no-retry: 1)" in verdict.reason)


@pytest.mark.parametrize(
    ("given_rules", "field"),
    [
        (AnswerRules(final=("199",)), "answers.final[0]"),
        (AnswerRules(delivered=("2xx", "600")), "answers.delivered[1]"),
        (AnswerRules(delivered=("2XX",)), "answers.delivered[0]"),
        (AnswerRules(final=("410",)), "answers.disabling[0]"),
        (AnswerRules(final_header="X-No-Retry"), "answers.final_header"),
        (AnswerRules(final_header="X No: 1"), "answers.final_header"),
    ],
)
def test_rules_that_cannot_be_are_refused_by_their_field(given_rules, field):
    with pytest.raises(InvalidArgument) as refused:
        rules(given_rules)
    assert refused.value.violations[0].field == field


def test_every_failure_has_one_of_slacks_reasons():
    documented = {"http_timeout", "too_many_redirects", "connection_failed", "ssl_error", "http_error", "unknown_error"}
    assert {*RETRY_REASONS.values(), OTHER_RETRY_REASON} == documented


def test_reasons_by_rules_are_sentences_for_operators():
    by = rules(AnswerRules(delivered=("200",), final=("404",), disabling=("418",)))
    assert classify(404, None, "", by).reason == (
        "the receiver answered 404 Not Found, which is final by the subscription's rules: not tried again"
    )
    assert (
        classify(202, None, "", by).reason == "the receiver answered 202 Accepted, which is no success by the subscription's rules"
    )
    assert classify(418, None, "", by).reason == "the receiver answered 418 I'm a Teapot, which disables the subscription"
    assert classify(410, None, "", by).reason == "the receiver answered 410 Gone"
