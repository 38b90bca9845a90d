"""The laws of profiles: every file makes a valid subscription, what is said beside it wins, and the docs say what the files say."""

import tomllib
from dataclasses import replace
from importlib.resources import files

import pytest
from core.strategies import subscription_specs
from hypothesis import given
from hypothesis import strategies as st
from scripts.generate_profile_table import PAGE, page

import hookline
from hookline.errors import HooklineError, InvalidArgument
from hookline.model import BodyFormat, RetryPolicy, Steps, SubscriptionSpec
from hookline.profiles import Role
from hookline.profiles.file import parse
from hookline.retry import Progress, next_delay
from hookline.validation import check_made_from_profile, check_subscription

URL = "https://example.com/hooks"
GIVEN = {"saber": {"signature_parameters": {"api_key": "k"}}}
HOUR = 3_600.0
names = st.sampled_from(hookline.PROFILE_NAMES)


def made(name, **overrides):
    return hookline.profile(name).spec(url=URL, **{**GIVEN.get(name, {}), **overrides})


def content(name):
    return tomllib.loads((files("hookline.profiles") / f"{name}.toml").read_text())


def test_the_names_are_those_of_the_files():
    assert {f"{name}.toml" for name in hookline.PROFILE_NAMES} == {
        file.name for file in files("hookline.profiles").iterdir() if file.name.endswith(".toml")
    }


@pytest.mark.parametrize("name", hookline.PROFILE_NAMES)
def test_every_profile_makes_a_valid_subscription_that_bears_its_name(name):
    spec = made(name)
    check_subscription(spec, allow_http_loopback=False)
    check_made_from_profile(spec)
    assert (spec.profile, spec.url) == (name, URL)


def test_the_standard_profile_is_what_a_subscription_has_without_a_profile():
    assert replace(made("standard"), profile="") == SubscriptionSpec(url=URL)


@pytest.mark.parametrize("name", hookline.PROFILE_NAMES)
def test_every_profile_names_its_sources_and_none_says_more_than_is_known(name):
    found = hookline.profile(name)
    assert found.sources
    assert all(source.url.startswith("https://") for source in found.sources)
    assert found.title
    assert found.summary.endswith(".")
    assert all(text.endswith(".") for text in (*found.silent, *found.differs, *found.receiving.limits))
    # No receiver's documents say how it is to be tried again, and no sender's say what it takes.
    if found.role is Role.RECEIVER:
        assert any("try again" in text or "between attempts" in text for text in found.silent)
        assert found.receiving.max_body


def test_a_profile_that_leaves_something_out_can_still_be_made_by_who_knows_it():
    with pytest.raises(InvalidArgument) as refused:
        check_subscription(hookline.profile("saber").spec(url=URL), allow_http_loopback=False)
    assert {fault.field for fault in refused.value.violations} == {"subscription.signature_parameters.api_key"}
    check_subscription(made("saber"), allow_http_loopback=False)


@given(names, subscription_specs, st.sets(st.sampled_from(["event_types", "description", "retry", "timeout", "labels", "answers"])))
def test_what_is_said_wins_and_what_is_not_is_as_the_profile_has_it(name, spec, said):
    whole = made(name)
    mixed = made(name, **{field: getattr(spec, field) for field in said})
    assert mixed == replace(whole, **{field: getattr(spec, field) for field in said})


@given(names, st.sampled_from(["standard", "stripe", "github"]), st.sampled_from([BodyFormat.RAW, BodyFormat.STANDARD]))
def test_a_scheme_and_a_format_of_ones_own_leave_nothing_of_the_profiles_behind(name, scheme, body_format):
    spec = hookline.profile(name).spec(url=URL, signature_scheme=scheme, body_format=body_format)
    check_subscription(spec, allow_http_loopback=False)
    assert not spec.body_template
    assert not spec.signature_parameters


@pytest.mark.parametrize("name", ["", "strype", "Stripe", "../stripe"])
def test_an_unknown_profile_is_refused_with_its_name_and_those_there_are(name):
    with pytest.raises(InvalidArgument) as refused:
        hookline.profile(name)
    (violation,) = refused.value.violations
    assert violation.field == "profile"
    assert ascii(name) in violation.description
    assert all(known in violation.description for known in hookline.PROFILE_NAMES)


def longest_of(policy: RetryPolicy) -> float:
    """Seconds from the first attempt to the last, each distance as long as its spread allows."""
    delays = [next_delay(policy, Progress(attempts=n, elapsed=0.0), retry_after=None, uniform=max) for n in range(1, 101)]
    return sum(delay for delay in delays if delay is not None)


@pytest.mark.parametrize(("name", "attempts", "within"), [
    ("stripe", None, 72 * HOUR),
    ("hubspot", 3, None),
    ("segment", None, 24 * HOUR),
    ("github", 1, None),
    ("slack", 4, 0.2 * HOUR),
    ("shopify", 9, 4 * HOUR),
])  # fmt: skip
def test_no_schedule_is_longer_than_the_platforms(name, attempts, within):
    policy = hookline.profile(name).usual.retry
    assert attempts is None or policy.max_attempts == attempts
    if within is not None:
        assert within * 0.5 < longest_of(policy) <= within
    assert not isinstance(policy.schedule, Steps) or len(policy.schedule.delays) >= policy.max_attempts - 1


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"sauces": []}, "sauces"),
        ({"sources": []}, "sources"),
        ({"role": "both"}, "role"),
        ({"request": {"timeout": 3}}, "request.timeout"),
        ({"request": {"timeout": "3 fortnights"}}, "request.timeout"),
        ({"retry": {"max_attempts": 3}}, "retry"),
        ({"retry": {"steps": ["1s"], "initial": "1s", "max_attempts": 3}}, "retry"),
        ({"body": {"format": "xml"}}, "body.format"),
        ({"receiving": {"max_body": "5"}}, "receiving.max_body"),
    ],
)
def test_a_file_that_is_not_right_is_refused_with_the_place(change, place):
    with pytest.raises(HooklineError, match=rf"slack\.toml is not right: .*{place}"):
        parse("slack", {**content("slack"), **change})


def test_the_page_says_what_the_files_say():
    """`python scripts/generate_profile_table.py` writes it."""
    assert PAGE.read_text() == page()
