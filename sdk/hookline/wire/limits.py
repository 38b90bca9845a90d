"""What a receiver is spared, and what its answers mean."""

from hookline.model import AnswerRules, CircuitBreaker, RateLimit
from hookline.model.limits import USUAL_ANSWERS, USUAL_BREAKER
from hookline.wire.scalars import build, read_duration, read_number, write_duration
from hookline_proto.v1 import subscription_pb2


def read_answers(message: subscription_pb2.AnswerRules) -> AnswerRules:
    """Rules for answers; what is empty is as usual."""
    return AnswerRules(
        delivered=tuple(message.delivered) or USUAL_ANSWERS.delivered,
        final=tuple(message.final),
        disabling=tuple(message.disabling) or USUAL_ANSWERS.disabling,
        final_header=message.final_header,
    )


def write_answers(answers: AnswerRules, field: str) -> subscription_pb2.AnswerRules:
    """The message for rules for answers, written out."""
    return build(
        subscription_pb2.AnswerRules,
        f"{field}.",
        delivered=answers.delivered,
        final=answers.final,
        disabling=answers.disabling,
        final_header=answers.final_header,
    )


def read_rate(message: subscription_pb2.RateLimit, field: str) -> RateLimit:
    """A rate limit."""
    return RateLimit(
        requests_per_second=read_number(message.requests_per_second, f"{field}.requests_per_second"),
        burst=message.burst if message.HasField("burst") else None,
    )


def write_rate(rate: RateLimit, field: str) -> subscription_pb2.RateLimit:
    """The message for a rate limit."""
    return build(subscription_pb2.RateLimit, f"{field}.", requests_per_second=rate.requests_per_second, burst=rate.burst)


def read_breaker(message: subscription_pb2.CircuitBreaker, field: str, usual: CircuitBreaker = USUAL_BREAKER) -> CircuitBreaker:
    """A circuit breaker; what is not set is as in `usual`."""
    return CircuitBreaker(
        off=message.off,
        consecutive_failures=message.consecutive_failures
        if message.HasField("consecutive_failures")
        else usual.consecutive_failures,
        failure_rate=read_number(message.failure_rate, f"{field}.failure_rate")
        if message.HasField("failure_rate")
        else usual.failure_rate,
        open_for=read_duration(message.open_for, f"{field}.open_for") if message.HasField("open_for") else usual.open_for,
        open_at_most=read_duration(message.open_at_most, f"{field}.open_at_most")
        if message.HasField("open_at_most")
        else usual.open_at_most,
    )


def write_breaker(breaker: CircuitBreaker, field: str) -> subscription_pb2.CircuitBreaker:
    """The message for a circuit breaker, written out."""
    return build(
        subscription_pb2.CircuitBreaker,
        f"{field}.",
        off=breaker.off,
        consecutive_failures=breaker.consecutive_failures,
        failure_rate=breaker.failure_rate,
        open_for=write_duration(breaker.open_for, f"{field}.open_for"),
        open_at_most=write_duration(breaker.open_at_most, f"{field}.open_at_most"),
    )
