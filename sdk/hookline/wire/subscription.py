"""Subscriptions, retry policies, secrets and test results."""

from collections.abc import Mapping
from typing import Final

from google.protobuf.duration_pb2 import Duration

from hookline.errors import InvalidArgument, quoted
from hookline.model import (
    NO_LABELS,
    PRESETS,
    BodyFormat,
    Exponential,
    Ordering,
    RetryPolicy,
    Secret,
    Steps,
    Subscription,
    SubscriptionSpec,
    SubscriptionState,
    TestResult,
)
from hookline.profiles import PROFILE_NAMES, profile
from hookline.wire.authentication import read_authentication, read_certificate, write_authentication, write_certificate
from hookline.wire.delivery import read_attempt, write_attempt
from hookline.wire.limits import read_answers, read_breaker, read_rate, write_answers, write_breaker, write_rate
from hookline.wire.scalars import (
    build,
    read_duration,
    read_enum,
    read_number,
    read_time,
    write_duration,
    write_enum,
    write_optional_time,
    write_time,
)
from hookline_proto.v1 import retry_policy_pb2, subscription_pb2

USUAL: Final = SubscriptionSpec(url="")
"""What is not set is as here."""
_EMPTY_AS_PROFILE: Final = (
    "body_template",
    "headers",
    "retry_headers",
    "signature_parameters",
    "rate",
    "hold_for",
    "step_aside_after",
)
"""Fields that, where they are empty, are as the profile has them."""
DEFAULT_JITTER: Final = 0.1
DEFAULT_FACTOR: Final = 2.0
DEFAULT_CAP: Final = 86_400.0
"""Seconds."""

_FORMATS: Final[Mapping[int, BodyFormat]] = {
    subscription_pb2.BODY_FORMAT_STANDARD: BodyFormat.STANDARD,
    subscription_pb2.BODY_FORMAT_RAW: BodyFormat.RAW,
    subscription_pb2.BODY_FORMAT_CLOUDEVENTS_STRUCTURED: BodyFormat.CLOUDEVENTS_STRUCTURED,
    subscription_pb2.BODY_FORMAT_CLOUDEVENTS_BINARY: BodyFormat.CLOUDEVENTS_BINARY,
    subscription_pb2.BODY_FORMAT_TEMPLATE: BodyFormat.TEMPLATE,
}
_FORMAT_NUMBERS: Final = {body_format: number for number, body_format in _FORMATS.items()}
_ORDERINGS: Final[Mapping[int, Ordering]] = {
    subscription_pb2.ORDERING_NONE: Ordering.NONE,
    subscription_pb2.ORDERING_BY_KEY: Ordering.BY_KEY,
}
_ORDERING_NUMBERS: Final = {ordering: number for number, ordering in _ORDERINGS.items()}
_STATES: Final[Mapping[int, SubscriptionState]] = {
    subscription_pb2.SUBSCRIPTION_STATE_ACTIVE: SubscriptionState.ACTIVE,
    subscription_pb2.SUBSCRIPTION_STATE_PAUSED: SubscriptionState.PAUSED,
    subscription_pb2.SUBSCRIPTION_STATE_DISABLED: SubscriptionState.DISABLED,
}
_STATE_NUMBERS: Final = {state: number for number, state in _STATES.items()}


def read_retry_policy(message: retry_policy_pb2.RetryPolicy, field: str) -> RetryPolicy:
    """A retry policy, or the preset that it names."""
    match message.WhichOneof("schedule"):
        case "preset":
            return _preset(message, field)
        case "steps":
            delays = message.steps.delays
            schedule: Steps | Exponential = Steps(
                delays=tuple(read_duration(delay, f"{field}.steps.delays[{i}]") for i, delay in enumerate(delays))
            )
        case "exponential":
            schedule = _exponential(message.exponential, f"{field}.exponential")
        case _:
            raise InvalidArgument.of(field, "has no schedule; set preset, steps or exponential")
    return RetryPolicy(
        schedule=schedule,
        max_attempts=message.max_attempts,
        max_elapsed=read_duration(message.max_elapsed, f"{field}.max_elapsed") if message.HasField("max_elapsed") else None,
        jitter=read_number(message.jitter, f"{field}.jitter") if message.HasField("jitter") else DEFAULT_JITTER,
        count_paused=message.count_paused if message.HasField("count_paused") else True,
    )


def _preset(message: retry_policy_pb2.RetryPolicy, field: str) -> RetryPolicy:
    preset = PRESETS.get(message.preset)
    if preset is None:
        raise InvalidArgument.of(f"{field}.preset", f"is {quoted(message.preset)}, must be one of {', '.join(PRESETS)}")
    if len(message.ListFields()) > 1:
        raise InvalidArgument.of(f"{field}.preset", "stands for a whole policy; leave the other fields empty, or write it out")
    return preset


def _exponential(message: retry_policy_pb2.ExponentialSchedule, field: str) -> Exponential:
    if not message.HasField("initial"):
        raise InvalidArgument.of(f"{field}.initial", "is not set; it is the first delay")
    return Exponential(
        initial=read_duration(message.initial, f"{field}.initial"),
        factor=read_number(message.factor, f"{field}.factor") if message.HasField("factor") else DEFAULT_FACTOR,
        cap=read_duration(message.cap, f"{field}.cap") if message.HasField("cap") else DEFAULT_CAP,
    )


def write_retry_policy(policy: RetryPolicy, field: str) -> retry_policy_pb2.RetryPolicy:
    """The message for a retry policy, written out."""
    schedule = policy.schedule
    return build(
        retry_policy_pb2.RetryPolicy,
        f"{field}.",
        steps=_write_steps(schedule, f"{field}.steps") if isinstance(schedule, Steps) else None,
        exponential=_write_exponential(schedule, f"{field}.exponential") if isinstance(schedule, Exponential) else None,
        max_attempts=policy.max_attempts,
        max_elapsed=None if policy.max_elapsed is None else write_duration(policy.max_elapsed, f"{field}.max_elapsed"),
        jitter=policy.jitter,
        count_paused=policy.count_paused,
    )


def _write_steps(steps: Steps, field: str) -> retry_policy_pb2.StepSchedule:
    delays: list[Duration] = [write_duration(delay, f"{field}.delays[{i}]") for i, delay in enumerate(steps.delays)]
    return retry_policy_pb2.StepSchedule(delays=delays)


def _write_exponential(schedule: Exponential, field: str) -> retry_policy_pb2.ExponentialSchedule:
    return build(
        retry_policy_pb2.ExponentialSchedule,
        f"{field}.",
        initial=write_duration(schedule.initial, f"{field}.initial"),
        factor=schedule.factor,
        cap=write_duration(schedule.cap, f"{field}.cap"),
    )


def read_subscription_spec(message: subscription_pb2.SubscriptionSpec) -> SubscriptionSpec:
    """What a caller says of a subscription; field paths start with `subscription`."""
    body_format = read_enum(message.body_format, _FORMATS, "subscription.body_format") if message.body_format else None
    usual = USUAL
    if message.profile:
        usual = profile(message.profile, field="subscription.profile").beside(message.signature_scheme, body_format)
    return SubscriptionSpec(
        url=message.url,
        event_types=tuple(message.event_types) or usual.event_types,
        description=message.description,
        body_format=usual.body_format if body_format is None else body_format,
        signature_scheme=message.signature_scheme or usual.signature_scheme,
        secret=message.secret,
        headers=dict(message.headers) or usual.headers,
        retry=read_retry_policy(message.retry, "subscription.retry") if message.HasField("retry") else usual.retry,
        timeout=read_duration(message.timeout, "subscription.timeout") if message.HasField("timeout") else usual.timeout,
        max_in_flight=message.max_in_flight if message.HasField("max_in_flight") else usual.max_in_flight,
        ordering=read_enum(message.ordering, _ORDERINGS, "subscription.ordering") if message.ordering else usual.ordering,
        labels=dict(message.labels) if message.labels else NO_LABELS,
        profile=message.profile,
        signature_parameters={**usual.signature_parameters, **message.signature_parameters},
        authentication=read_authentication(message.authentication, "subscription.authentication")
        if message.HasField("authentication")
        else None,
        client_certificate=read_certificate(message.client_certificate) if message.HasField("client_certificate") else None,
        filter=message.filter,
        fields=tuple(message.fields),
        transform=message.transform,
        body_template=message.body_template or usual.body_template,
        answers=read_answers(message.answers) if message.HasField("answers") else usual.answers,
        retry_headers=dict(message.retry_headers) or usual.retry_headers,
        rate=read_rate(message.rate, "subscription.rate") if message.HasField("rate") else usual.rate,
        breaker=read_breaker(message.breaker, "subscription.breaker", usual.breaker)
        if message.HasField("breaker")
        else usual.breaker,
        step_aside_after=message.step_aside_after or usual.step_aside_after,
        hold_for=read_duration(message.hold_for, "subscription.hold_for") if message.HasField("hold_for") else usual.hold_for,
        disable_after=read_duration(message.disable_after, "subscription.disable_after")
        if message.HasField("disable_after")
        else usual.disable_after,
        lanes=message.lanes if message.HasField("lanes") else usual.lanes,
    )


def write_subscription_spec(spec: SubscriptionSpec) -> subscription_pb2.SubscriptionSpec:
    """The message for what a caller says of a subscription."""
    if not spec.event_types:
        # Empty means "*" in the contract, which is the opposite of what an empty tuple says here.
        raise InvalidArgument.of("subscription.event_types", "is empty; name at least one, or '*' for all")
    message = build(
        subscription_pb2.SubscriptionSpec,
        "subscription.",
        url=spec.url,
        event_types=spec.event_types,
        description=spec.description,
        body_format=write_enum(spec.body_format, _FORMAT_NUMBERS, "subscription.body_format"),
        signature_scheme=spec.signature_scheme,
        secret=spec.secret,
        headers=spec.headers,
        retry=write_retry_policy(spec.retry, "subscription.retry"),
        timeout=write_duration(spec.timeout, "subscription.timeout"),
        max_in_flight=spec.max_in_flight,
        ordering=write_enum(spec.ordering, _ORDERING_NUMBERS, "subscription.ordering"),
        labels=spec.labels,
        profile=spec.profile,
        signature_parameters=spec.signature_parameters,
        authentication=None
        if spec.authentication is None
        else write_authentication(spec.authentication, "subscription.authentication"),
        client_certificate=None
        if spec.client_certificate is None
        else write_certificate(spec.client_certificate, "subscription.client_certificate"),
        filter=spec.filter,
        fields=spec.fields,
        transform=spec.transform,
        body_template=spec.body_template,
        answers=write_answers(spec.answers, "subscription.answers"),
        retry_headers=spec.retry_headers,
        rate=None if spec.rate is None else write_rate(spec.rate, "subscription.rate"),
        breaker=write_breaker(spec.breaker, "subscription.breaker"),
        step_aside_after=spec.step_aside_after,
        hold_for=None if spec.hold_for is None else write_duration(spec.hold_for, "subscription.hold_for"),
        disable_after=write_duration(spec.disable_after, "subscription.disable_after"),
        lanes=spec.lanes,
    )
    if spec.profile in PROFILE_NAMES:
        _check_said(spec, message)
    return message


def _check_said(spec: SubscriptionSpec, message: subscription_pb2.SubscriptionSpec) -> None:
    """Refuse what the contract cannot say: that a field is empty which the profile fills."""
    read = read_subscription_spec(message)
    for name in _EMPTY_AS_PROFILE:
        if getattr(read, name) != getattr(spec, name):
            raise InvalidArgument.of(
                f"subscription.{name}",
                f"leaves out what the profile {spec.profile!r} has, which over gRPC means as the profile has it; "
                "right is another value, or no profile and every value written out",
            )


def read_subscription(message: subscription_pb2.Subscription) -> Subscription:
    """A subscription, without its secrets."""
    return Subscription(
        tenant=message.tenant,
        id=message.id,
        url=message.url,
        event_types=tuple(message.event_types),
        description=message.description,
        body_format=read_enum(message.body_format, _FORMATS, "body_format"),
        signature_scheme=message.signature_scheme,
        headers=dict(message.headers),
        retry=read_retry_policy(message.retry, "retry"),
        timeout=read_duration(message.timeout, "timeout"),
        max_in_flight=message.max_in_flight,
        ordering=read_enum(message.ordering, _ORDERINGS, "ordering"),
        labels=dict(message.labels),
        state=read_enum(message.state, _STATES, "state"),
        state_reason=message.state_reason,
        etag=message.etag,
        create_time=read_time(message.create_time, "create_time"),
        update_time=read_time(message.update_time, "update_time"),
        profile=message.profile,
        signature_parameters=dict(message.signature_parameters),
        authentication=read_authentication(message.authentication, "authentication")
        if message.HasField("authentication")
        else None,
        client_certificate=read_certificate(message.client_certificate) if message.HasField("client_certificate") else None,
        filter=message.filter,
        fields=tuple(message.fields),
        transform=message.transform,
        body_template=message.body_template,
        answers=read_answers(message.answers),
        retry_headers=dict(message.retry_headers),
        rate=read_rate(message.rate, "rate") if message.HasField("rate") else None,
        breaker=read_breaker(message.breaker, "breaker"),
        step_aside_after=message.step_aside_after,
        hold_for=read_duration(message.hold_for, "hold_for") if message.HasField("hold_for") else None,
        disable_after=read_duration(message.disable_after, "disable_after"),
        lanes=message.lanes or 1,  # a server of before lanes
        state_actor=message.state_actor,
    )


def write_subscription(subscription: Subscription) -> subscription_pb2.Subscription:
    """The message for a subscription; its secrets are left out."""
    return build(
        subscription_pb2.Subscription,
        tenant=subscription.tenant,
        id=subscription.id,
        url=subscription.url,
        event_types=subscription.event_types,
        description=subscription.description,
        body_format=write_enum(subscription.body_format, _FORMAT_NUMBERS, "body_format"),
        signature_scheme=subscription.signature_scheme,
        headers=subscription.headers,
        retry=write_retry_policy(subscription.retry, "retry"),
        timeout=write_duration(subscription.timeout, "timeout"),
        max_in_flight=subscription.max_in_flight,
        ordering=write_enum(subscription.ordering, _ORDERING_NUMBERS, "ordering"),
        labels=subscription.labels,
        state=write_enum(subscription.state, _STATE_NUMBERS, "state"),
        state_reason=subscription.state_reason,
        state_actor=subscription.state_actor,
        etag=subscription.etag,
        create_time=write_time(subscription.create_time, "create_time"),
        update_time=write_time(subscription.update_time, "update_time"),
        profile=subscription.profile,
        signature_parameters=subscription.signature_parameters,
        authentication=None
        if subscription.authentication is None
        else write_authentication(subscription.authentication, "authentication"),
        client_certificate=None
        if subscription.client_certificate is None
        else write_certificate(subscription.client_certificate, "client_certificate"),
        filter=subscription.filter,
        fields=subscription.fields,
        transform=subscription.transform,
        body_template=subscription.body_template,
        answers=write_answers(subscription.answers, "answers"),
        retry_headers=subscription.retry_headers,
        rate=None if subscription.rate is None else write_rate(subscription.rate, "rate"),
        breaker=write_breaker(subscription.breaker, "breaker"),
        step_aside_after=subscription.step_aside_after,
        hold_for=None if subscription.hold_for is None else write_duration(subscription.hold_for, "hold_for"),
        disable_after=write_duration(subscription.disable_after, "disable_after"),
        lanes=subscription.lanes,
    )


def read_secret(message: subscription_pb2.Secret) -> Secret:
    """A signing secret."""
    expire_time = read_time(message.expire_time, "expire_time") if message.HasField("expire_time") else None
    return Secret(value=message.value, expire_time=expire_time)


def write_secret(secret: Secret) -> subscription_pb2.Secret:
    """The message for a signing secret."""
    return build(subscription_pb2.Secret, value=secret.value, expire_time=write_optional_time(secret.expire_time, "expire_time"))


def read_test_result(message: subscription_pb2.TestResult) -> TestResult:
    """A test event as it was sent, or as it would be."""
    return TestResult(
        url=message.url,
        headers=tuple((header.name, header.value) for header in message.headers),
        body=message.body,
        attempt=read_attempt(message.attempt) if message.HasField("attempt") else None,
    )


def write_test_result(result: TestResult) -> subscription_pb2.TestResult:
    """The message for a test event."""
    return build(
        subscription_pb2.TestResult,
        url=result.url,
        headers=[build(subscription_pb2.Header, name=name, value=value) for name, value in result.headers],
        body=result.body,
        attempt=None if result.attempt is None else write_attempt(result.attempt),
    )
