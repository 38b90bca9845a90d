"""How a subscription is shown."""

from typing import assert_never

from hookline.model import (
    AnswerRules,
    ApiKey,
    BasicCredentials,
    BearerToken,
    Exponential,
    OAuth2ClientCredentials,
    RetryPolicy,
    Steps,
    Subscription,
    TestResult,
)
from hookline.model.limits import USUAL_ANSWERS
from hookline_server.cli.exits import CommandError
from hookline_server.cli.limit_options import limit_facts
from hookline_server.cli.output import Output, clean, state, took, when
from hookline_server.cli.plain import plain


def show_subscription(out: Output, subscription: Subscription, *, secret: str = "") -> None:
    """Print it, with `secret` if it was just made."""
    if out.as_json:
        out.json({**plain(subscription), **({"secret": secret} if secret else {})})
        return
    out.facts(
        (
            ("subscription", subscription.id),
            ("name", subscription.labels.get("name", "")),
            ("state", state(subscription.state)),
            ("reason", subscription.state_reason),
            ("paused by", subscription.state_actor),
            ("profile", subscription.profile),
            ("url", subscription.url),
            ("event types", ", ".join(subscription.event_types)),
            ("description", subscription.description),
            ("body format", subscription.body_format.value),
            ("body template", subscription.body_template),
            ("scheme", subscription.signature_scheme),
            ("parameters", ", ".join(f"{key}={value}" for key, value in sorted(subscription.signature_parameters.items()))),
            ("secret", secret),
            ("headers", ", ".join(sorted(subscription.headers))),
            ("headers of retries", ", ".join(sorted(subscription.retry_headers))),
            ("authentication", access_words(subscription)),
            ("filter", subscription.filter),
            ("fields", ", ".join(subscription.fields)),
            ("transform", subscription.transform),
            ("retry", retry_words(subscription.retry)),
            ("attempt timeout", took(subscription.timeout)),
            ("answers", "" if subscription.answers == USUAL_ANSWERS else answer_words(subscription.answers)),
            ("max in flight", str(subscription.max_in_flight)),
            ("lanes", "" if subscription.lanes == 1 else str(subscription.lanes)),
            *limit_facts(subscription),
            ("ordering", subscription.ordering.value),
            ("labels", ", ".join(f"{key}={value}" for key, value in sorted(subscription.labels.items()))),
            ("created", when(subscription.create_time)),
            ("updated", when(subscription.update_time)),
            ("etag", subscription.etag),
        )
    )


def answer_words(answers: AnswerRules) -> str:
    """Rules for answers in one line."""
    parts = [f"delivered by {', '.join(answers.delivered)}", f"disabled by {', '.join(answers.disabling)}"]
    if answers.final:
        parts.append(f"not tried again after {', '.join(answers.final)}")
    if answers.final_header:
        parts.append(f"nor with {answers.final_header}")
    return "; ".join(parts)


def access_words(subscription: Subscription) -> str:
    """How the receiver is shown who calls, without a secret."""
    words = [] if subscription.client_certificate is None else ["a client certificate"]
    match subscription.authentication:
        case None:
            pass
        case BearerToken():
            words.append("a bearer token")
        case BasicCredentials(username=username):
            words.append(f"basic, as {username}")
        case ApiKey(header=header):
            words.append(f"a key in {header}")
        case OAuth2ClientCredentials(token_url=url, client_id=client):
            words.append(f"tokens from {url} as {client}")
    return " and ".join(words)


def retry_words(policy: RetryPolicy) -> str:
    """A policy in one line."""
    schedule: str
    match policy.schedule:
        case Steps(delays=delays):
            schedule = "after " + ", ".join(map(took, delays))
        case Exponential(initial=initial, factor=factor, cap=cap):
            schedule = f"after {took(initial)}, times {factor:g} each, at most {took(cap)}"
        case _ as never:
            assert_never(never)
    elapsed = "" if policy.max_elapsed is None else f", none planned after {took(policy.max_elapsed)}"
    return f"{policy.max_attempts} attempts, {schedule}, ±{policy.jitter:.0%}{elapsed}"


def show_test(out: Output, result: TestResult) -> None:
    """Print a test. Raises CommandError if the receiver did not take it."""
    attempt = result.attempt
    if out.as_json:
        out.json(result)
    else:
        out.line(f"POST {result.url}")
        for name, value in result.headers:
            out.line(f"{name}: {value}")
        out.line("")
        for line in result.body.decode("utf-8", "backslashreplace").splitlines():
            out.line(line)
        if attempt is not None:
            out.line("")
            for line in attempt.answer.decode("utf-8", "backslashreplace").splitlines():
                out.line(line)
    if attempt is not None and attempt.error is not None:
        raise CommandError(f"the receiver did not take it: {clean(attempt.detail)}")
    if attempt is not None and not out.as_json:
        out.line(f"taken: {attempt.detail or attempt.status} ({took(attempt.duration)})")
