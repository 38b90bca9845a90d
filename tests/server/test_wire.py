"""The wire conversions: what goes out comes back, and nothing but InvalidArgument is ever raised."""

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TypeVar

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.status_pb2 import Status
from hypothesis import example, given
from hypothesis import strategies as st

import hookline
from hookline import errors, wire
from hookline.errors import FieldViolation, HooklineError, InvalidArgument
from hookline.model import (
    AnswerRules,
    ApiKey,
    Attempt,
    BasicCredentials,
    BearerToken,
    BodyFormat,
    Change,
    Checkpoint,
    CircuitBreaker,
    ClientCertificate,
    Delivery,
    DeliveryState,
    EmitResult,
    ErrorClass,
    Event,
    EventSpec,
    EventType,
    EventTypeSpec,
    Exponential,
    Hold,
    HoldKind,
    OAuth2ClientCredentials,
    Ordering,
    RateLimit,
    Replay,
    ReplayState,
    RetryPolicy,
    Secret,
    Stats,
    Steps,
    Subscription,
    SubscriptionSpec,
    SubscriptionState,
    TestResult,
)
from hookline_proto.v1 import event_pb2, retry_policy_pb2, subscription_pb2

T = TypeVar("T")

text = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
some = text.filter(bool)
times = st.datetimes(timezones=st.just(UTC))
# What a Duration can say exactly: whole microseconds, as seconds.
seconds = st.integers(0, 10**12).map(lambda value: value / 1_000_000)
counts = st.integers(-(2**31), 2**31 - 1)
totals = st.integers(-(2**63), 2**63 - 1)
labels = st.dictionaries(text, text, max_size=4)
numbers = st.floats(allow_nan=False, allow_infinity=False)
policies = st.builds(
    RetryPolicy,
    schedule=st.one_of(
        st.builds(Steps, delays=st.lists(seconds, max_size=4).map(tuple)),
        st.builds(Exponential, initial=seconds, factor=numbers, cap=seconds),
    ),
    max_attempts=counts,
    max_elapsed=st.none() | seconds,
    jitter=numbers,
    count_paused=st.booleans(),
)
event_specs = st.builds(
    EventSpec,
    type=text,
    data=st.binary(max_size=100),
    id=text,
    source=text,
    subject=text,
    time=st.none() | times,
    data_content_type=some,
    data_schema=text,
    labels=labels,
    idempotency_key=text,
    ordering_key=text,
    not_before_time=st.none() | times,
    traceparent=text,
)
authentications = st.one_of(
    st.builds(BearerToken, token=text),
    st.builds(BasicCredentials, username=text, password=text),
    st.builds(ApiKey, header=text, value=text),
    st.builds(OAuth2ClientCredentials, token_url=text, client_id=text, client_secret=text, scope=text, audience=text),
)
statuses = st.lists(text, max_size=3).map(tuple)
full = st.lists(text, min_size=1, max_size=3).map(tuple)
answers = st.builds(AnswerRules, delivered=full, final=statuses, disabling=full, final_header=text)
NEW_FIELDS = {
    "signature_parameters": labels,
    "authentication": st.none() | authentications,
    "client_certificate": st.none() | st.builds(ClientCertificate, certificate=text, private_key=text),
    "filter": text,
    "fields": statuses,
    "transform": text,
    "body_template": text,
    "answers": answers,
    "retry_headers": labels,
    "rate": st.none() | st.builds(RateLimit, requests_per_second=numbers, burst=st.none() | counts),
    "breaker": st.builds(
        CircuitBreaker,
        off=st.booleans(),
        consecutive_failures=counts,
        failure_rate=numbers,
        open_for=seconds,
        open_at_most=seconds,
    ),
    "step_aside_after": counts,
    "hold_for": st.none() | seconds,
    "disable_after": seconds,
    "lanes": st.integers(1, 64),
}
"""The same in a subscription and in what a caller says of it."""
subscription_specs = st.builds(
    SubscriptionSpec,
    url=text,
    event_types=st.lists(text, min_size=1, max_size=4).map(tuple),
    description=text,
    body_format=st.sampled_from(BodyFormat),
    signature_scheme=some,
    secret=text,
    headers=labels,
    retry=policies,
    timeout=seconds,
    max_in_flight=counts,
    ordering=st.sampled_from(Ordering),
    labels=labels,
    profile=st.just(""),
    **NEW_FIELDS,
)


def made(kind: type, **known: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Values of a dataclass; fields that are not named are text."""
    return st.builds(
        kind, **{field.name: known.get(field.name, text) for field in fields(kind) if field.name in known or field.type is str}
    )


@given(event_specs)
def test_event_spec_round_trip(spec: EventSpec) -> None:
    assert wire.read_event_spec(wire.write_event_spec(spec)) == spec


@given(subscription_specs)
def test_subscription_spec_round_trip(spec: SubscriptionSpec) -> None:
    assert wire.read_subscription_spec(wire.write_subscription_spec(spec)) == spec


def test_every_field_of_a_spec_is_carried() -> None:
    """What is added to the model is added here, so that the round trip covers it."""
    assert {field.name for field in fields(SubscriptionSpec)} >= NEW_FIELDS.keys()
    assert {field.name for field in fields(SubscriptionSpec)} == {
        field.name for field in subscription_pb2.SubscriptionSpec.DESCRIPTOR.fields
    }
    assert {field.name for field in fields(Subscription)} - {"secrets", "pauses", "former_lanes"} == {
        field.name for field in subscription_pb2.Subscription.DESCRIPTOR.fields
    }


@given(subscription_specs, st.sampled_from(hookline.PROFILE_NAMES))
@example(SubscriptionSpec(url="", body_format=BodyFormat.TEMPLATE), "stripe")
def test_a_spec_with_a_profile_comes_back_or_is_refused_for_the_field_that_the_profile_would_fill(
    spec: SubscriptionSpec, name: str
) -> None:
    named = replace(spec, profile=name)
    message = result(lambda: wire.write_subscription_spec(named))
    if isinstance(message, InvalidArgument):
        (violation,) = message.violations
        field = violation.field.removeprefix("subscription.")
        assert not getattr(named, field) or field == "signature_parameters"
        assert getattr(hookline.profile(name).usual, field)
    else:
        assert wire.read_subscription_spec(message) == named


@pytest.mark.parametrize("name", hookline.PROFILE_NAMES)
def test_a_profile_fills_every_field_that_is_not_set(name: str) -> None:
    message = subscription_pb2.SubscriptionSpec(url="https://example.com/", profile=name)
    made = hookline.profile(name).spec(url="https://example.com/")
    assert wire.read_subscription_spec(message) == made
    assert wire.read_subscription_spec(wire.write_subscription_spec(made)) == made
    message.timeout.seconds = 7
    message.answers.delivered.append("204")
    assert wire.read_subscription_spec(message) == replace(made, timeout=7.0, answers=AnswerRules(delivered=("204",)))


def test_a_scheme_or_format_of_ones_own_leaves_the_profiles_parameters_and_template_behind() -> None:
    message = subscription_pb2.SubscriptionSpec(profile="saber", signature_scheme="stripe")
    assert wire.read_subscription_spec(message).signature_parameters == {}
    message = subscription_pb2.SubscriptionSpec(profile="stripe", body_format=subscription_pb2.BODY_FORMAT_RAW)
    assert wire.read_subscription_spec(message).body_template == ""
    message = subscription_pb2.SubscriptionSpec(profile="saber", signature_parameters={"api_key": "k"})
    assert wire.read_subscription_spec(message).signature_parameters["api_key_header"] == "X-API-Key"


def test_an_unknown_profile_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(InvalidArgument) as refused:
        wire.read_subscription_spec(subscription_pb2.SubscriptionSpec(url="u", profile="strype"))
    (violation,) = refused.value.violations
    assert violation.field == "subscription.profile"
    assert all(word in violation.description for word in ("'strype'", "stripe", "n8n"))


attempts = made(
    Attempt,
    run=counts,
    number=counts,
    start_time=times,
    duration=seconds,
    status=counts,
    answer=st.binary(max_size=20),
    error=st.none() | st.sampled_from(ErrorClass),
    next_attempt_time=st.none() | times,
    superseded=st.booleans(),
)
deliveries = made(
    Delivery,
    state=st.sampled_from(DeliveryState),
    run=counts,
    attempts=counts,
    create_time=times,
    next_attempt_time=st.none() | times,
    finish_time=st.none() | times,
    hold=st.none() | st.builds(Hold, kind=st.sampled_from(HoldKind), reason=text, until=st.none() | times),
)
counted = dict.fromkeys(("pending", "delivered", "exhausted", "cancelled"), totals) | {"oldest_pending_age": seconds}
parts = st.builds(Stats, **counted, by_subscription=st.just({}))
SUBSCRIPTIONS = made(
    Subscription,
    event_types=st.lists(text, max_size=4).map(tuple),
    body_format=st.sampled_from(BodyFormat),
    headers=labels,
    retry=policies,
    timeout=seconds,
    max_in_flight=counts,
    ordering=st.sampled_from(Ordering),
    labels=labels,
    state=st.sampled_from(SubscriptionState),
    create_time=times,
    update_time=times,
    **NEW_FIELDS,
)
ROUND_TRIPS = {
    "event": (
        made(
            Event,
            time=times,
            data=st.binary(max_size=20),
            labels=labels,
            not_before_time=st.none() | times,
            accept_time=times,
        ),
        wire.write_event,
        wire.read_event,
    ),
    "emit result": (
        st.builds(EmitResult, event_id=text, duplicate=st.booleans(), accept_time=times),
        wire.write_emit_result,
        wire.read_emit_result,
    ),
    "replay": (
        made(
            Replay,
            event_types=st.lists(text, max_size=3).map(tuple),
            from_time=st.none() | times,
            to_time=st.none() | times,
            new_webhook_ids=st.booleans(),
            state=st.sampled_from(ReplayState),
            scanned=totals,
            replayed=totals,
            create_time=times,
            finish_time=st.none() | times,
        ),
        wire.write_replay,
        wire.read_replay,
    ),
    "subscription": (SUBSCRIPTIONS, wire.write_subscription, wire.read_subscription),
    "secret": (st.builds(Secret, value=text, expire_time=st.none() | times), wire.write_secret, wire.read_secret),
    "attempt": (attempts, wire.write_attempt, wire.read_attempt),
    "delivery": (deliveries, wire.write_delivery, wire.read_delivery),
    "change": (
        st.builds(Change, delivery=deliveries, attempt=st.none() | attempts, cursor=text) | st.builds(Checkpoint, cursor=text),
        wire.write_watched,
        wire.read_watched,
    ),
    "stats": (
        st.builds(Stats, **counted, by_subscription=st.dictionaries(text, parts, max_size=3)),
        wire.write_stats,
        wire.read_stats,
    ),
    "test result": (
        st.builds(
            TestResult,
            url=text,
            headers=st.lists(st.tuples(text, text), max_size=3).map(tuple),
            body=st.binary(max_size=20),
            attempt=st.none() | attempts,
        ),
        wire.write_test_result,
        wire.read_test_result,
    ),
    "event type spec": (
        st.builds(
            EventTypeSpec,
            description=text,
            schema=text,
            examples=st.lists(text, max_size=3).map(tuple),
            enforce=st.booleans(),
            deprecated=st.booleans(),
        ),
        wire.write_event_type_spec,
        wire.read_event_type_spec,
    ),
    "event type": (
        made(
            EventType,
            examples=st.lists(text, max_size=3).map(tuple),
            enforce=st.booleans(),
            deprecated=st.booleans(),
            create_time=times,
            update_time=times,
        ),
        wire.write_event_type,
        wire.read_event_type,
    ),
}


@pytest.mark.parametrize("kind", ROUND_TRIPS)
@given(data=st.data())
def test_round_trip(kind: str, data: st.DataObject) -> None:
    values, write, read = ROUND_TRIPS[kind]
    value = data.draw(values)
    assert read(write(value)) == value


def result(call: Callable[[], T]) -> T | InvalidArgument:
    try:
        return call()
    except InvalidArgument as error:
        return error


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**31), 2**31 - 1))
def test_any_timestamp_is_a_time_or_refused_by_its_field(whole: int, nanos: int) -> None:
    time = result(lambda: wire.read_time(Timestamp(seconds=whole, nanos=nanos), "event.time"))
    if isinstance(time, InvalidArgument):
        assert time.violations[0].field.startswith("event.time.")
    else:
        assert time - datetime(1970, 1, 1, tzinfo=UTC) == timedelta(seconds=whole, microseconds=nanos // 1000)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**31), 2**31 - 1))
def test_any_duration_is_seconds_or_refused_by_its_field(whole: int, nanos: int) -> None:
    value = result(lambda: wire.read_duration(Duration(seconds=whole, nanos=nanos), "overlap"))
    if isinstance(value, InvalidArgument):
        assert value.violations[0].field.startswith("overlap.")
    else:
        assert value >= 0


@given(st.floats() | st.integers() | st.text())
def test_any_duration_can_be_written_or_is_refused(value: float) -> None:
    message = result(lambda: wire.write_duration(value, "overlap"))
    if isinstance(message, InvalidArgument):
        assert message.violations[0].field == "overlap"
    else:
        assert wire.read_duration(message, "overlap") == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (EventSpec(type="a\ud800", data=b""), "event.type"),
        (EventSpec(type="a", data="text"), "event.data"),  # type: ignore[arg-type]  # what a caller may get wrong
        (EventSpec(type="a", data=b"", time=datetime(2026, 1, 1)), "event.time"),  # noqa: DTZ001  # what a caller may get wrong
        (EventSpec(type="a", data=b"", labels={"a": "\udfff"}), "event.labels"),
    ],
)
def test_what_cannot_be_carried_is_refused_by_its_field(spec: EventSpec, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        wire.write_event_spec(spec)
    assert refused.value.violations[0].field == field


def test_a_time_of_another_zone_is_the_same_moment() -> None:
    time = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert wire.read_time(wire.write_time(time, "time"), "time") == time


def test_empty_fields_have_their_defaults() -> None:
    assert wire.read_subscription_spec(subscription_pb2.SubscriptionSpec(url="u")) == SubscriptionSpec(url="u")
    assert wire.read_event_spec(event_pb2.EventSpec(type="a")) == EventSpec(type="a", data=b"")


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        (retry_policy_pb2.RetryPolicy(), "retry"),
        (retry_policy_pb2.RetryPolicy(preset="never"), "retry.preset"),
        (retry_policy_pb2.RetryPolicy(preset="none", max_attempts=3), "retry.preset"),
        (
            retry_policy_pb2.RetryPolicy(steps=retry_policy_pb2.StepSchedule(delays=[Duration(), Duration(seconds=-1)])),
            "retry.steps.delays[1].seconds",
        ),
        (retry_policy_pb2.RetryPolicy(exponential=retry_policy_pb2.ExponentialSchedule()), "retry.exponential.initial"),
    ],
)
def test_a_wrong_retry_policy_is_refused_by_its_field(policy: retry_policy_pb2.RetryPolicy, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        wire.read_retry_policy(policy, "retry")
    assert refused.value.violations[0].field == field


def test_an_unknown_enum_value_is_refused_by_its_field() -> None:
    with pytest.raises(InvalidArgument) as refused:
        wire.read_subscription_spec(subscription_pb2.SubscriptionSpec(body_format=17))  # type: ignore[arg-type]  # of a newer caller
    assert refused.value.violations[0].field == "subscription.body_format"


short = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
worded = st.sampled_from(
    [
        errors.Conflict,
        errors.FailedPrecondition,
        errors.OutOfRange,
        errors.ResourceExhausted,
        errors.Unavailable,
        errors.Unauthenticated,
        errors.PermissionDenied,
        errors.DeadlineExceeded,
        errors.Closed,
        errors.StoreError,
    ]
)
violations = st.builds(FieldViolation, field=short, description=short)
ALL_ERRORS: st.SearchStrategy[HooklineError] = st.one_of(
    st.builds(lambda kind, message, after: kind(message, retry_after=after), worded, short.filter(bool), st.none() | seconds),
    st.builds(errors.NotFound, short, short),
    st.builds(errors.AlreadyExists, short, short, short),
    st.lists(violations, min_size=1, max_size=3).map(lambda found: InvalidArgument(*found)),
)


@given(ALL_ERRORS)
def test_error_round_trip(error: HooklineError) -> None:
    again = wire.from_status(wire.to_status(error))
    assert type(again) is type(error)
    assert (again.message, again.code, again.retry_after) == (error.message, error.code, error.retry_after)
    for name in ("kind", "name", "violations"):
        assert getattr(again, name, None) == getattr(error, name, None)


@given(st.lists(st.builds(FieldViolation, field=st.text(), description=st.text()), min_size=1), st.integers(1, 5_000))
def test_an_error_fits_into_the_headers_of_an_answer(found: list[FieldViolation], times_over: int) -> None:
    huge = [FieldViolation(field=each.field * times_over, description=each.description * times_over) for each in found]
    status = wire.to_status(InvalidArgument(*huge))
    assert len(status.SerializeToString()) * 4 / 3 + 3 * len(status.message.encode()) < 8 * 1024
    assert isinstance(wire.from_status(status), InvalidArgument)


@given(st.integers(-(2**31), 2**31 - 1), st.text(st.characters(exclude_categories=("Cs",))), st.binary())
def test_any_status_becomes_an_error(code: int, message: str, detail: bytes) -> None:
    status = Status(code=code, message=message)
    for name in ("BadRequest", "ErrorInfo", "RetryInfo", "ResourceInfo"):
        status.details.add(type_url=f"type.googleapis.com/google.rpc.{name}", value=detail)
    assert isinstance(wire.from_status(status), HooklineError)
