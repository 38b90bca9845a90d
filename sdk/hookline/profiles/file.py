"""The form of a profile's file; what is not said is as in any subscription."""

import re
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from hookline.errors import HooklineError
from hookline.model import AnswerRules, BodyFormat, Exponential, RateLimit, RetryPolicy, Steps, SubscriptionSpec
from hookline.profiles.profile import Profile, Receiving, Role, Source

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_SPAN: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_SIZES: Final = {"KB": 1_000, "MB": 1_000_000, "KiB": 1_024, "MiB": 1_048_576}
_SIZE: Final = re.compile(r"([0-9]+) (KB|MB|KiB|MiB)")
_USUAL: Final = SubscriptionSpec(url="")


def _span(value: object) -> float:
    found = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("is no span of time; right is a number and a unit (ms, s, m, h, d), like '90s'")
    return float(found[1]) * _UNITS[found[2]]


def _size(value: object) -> int:
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("is no size; right is a number and a unit (KB, MB, KiB, MiB), like '5 MB'")
    return int(found[1]) * _SIZES[found[2]]


Span = Annotated[float, BeforeValidator(_span)]
"""Seconds, written as '90s'."""
Size = Annotated[int, BeforeValidator(_size)]
"""Bytes, written as '5 MB'."""
Sentence = Annotated[str, Field(min_length=10, max_length=400)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Signature(_Table):
    scheme: str
    parameters: dict[str, str] = {}


class _Body(_Table):
    format: Annotated[BodyFormat, Field(strict=False)] = BodyFormat.STANDARD
    template: str = ""


class _Request(_Table):
    timeout: Span
    headers: dict[str, str] = {}
    retry_headers: dict[str, str] = {}
    max_in_flight: int = _USUAL.max_in_flight


class _Retry(_Table):
    """Either `steps`, or `initial` with `factor` and `cap`."""

    steps: list[Span] = []
    initial: Span | None = None
    factor: float = 2.0
    cap: Span = 86_400.0
    max_attempts: int
    max_elapsed: Span | None = None
    jitter: float = 0.1

    @model_validator(mode="after")
    def _one_schedule(self) -> "_Retry":
        if bool(self.steps) == (self.initial is not None):
            raise ValueError("has no schedule, or two; right is 'steps' or 'initial'")
        return self

    def policy(self) -> RetryPolicy:
        """As it is stored."""
        if self.initial is None:
            schedule: Steps | Exponential = Steps(delays=tuple(self.steps))
        else:
            schedule = Exponential(initial=self.initial, factor=self.factor, cap=self.cap)
        return RetryPolicy(schedule=schedule, max_attempts=self.max_attempts, max_elapsed=self.max_elapsed, jitter=self.jitter)


class _Answers(_Table):
    delivered: list[str] = ["2xx"]
    final: list[str] = []
    disabling: list[str] = ["410"]
    final_header: str = ""
    disable_after: Span = _USUAL.disable_after

    def rules(self) -> AnswerRules:
        """As they are stored."""
        return AnswerRules(
            delivered=tuple(self.delivered),
            final=tuple(self.final),
            disabling=tuple(self.disabling),
            final_header=self.final_header,
        )


class _Rate(_Table):
    requests_per_second: float
    burst: int


class _Receiving(_Table):
    max_body: Size | None = None
    authentication: list[str] = []
    limits: list[Sentence] = []
    rate: _Rate | None = None


class _Source(_Table):
    url: Annotated[str, Field(pattern=r"https://[!-~]+")]
    section: Annotated[str, Field(min_length=3)]


class File(_Table):
    """A whole file."""

    title: str
    role: Annotated[Role, Field(strict=False)]
    summary: Sentence
    signature: _Signature
    body: _Body
    request: _Request
    retry: _Retry
    answers: _Answers = _Answers()
    receiving: _Receiving = _Receiving()
    sources: Annotated[list[_Source], Field(min_length=1)]
    silent: list[Sentence] = []
    differs: list[Sentence] = []

    def profile(self, name: str) -> Profile:
        """The profile that the file `name` describes."""
        rate = self.receiving.rate
        return Profile(
            name=name,
            title=self.title,
            role=self.role,
            summary=self.summary,
            usual=SubscriptionSpec(
                url="",
                profile=name,
                signature_scheme=self.signature.scheme,
                signature_parameters=self.signature.parameters,
                body_format=self.body.format,
                body_template=self.body.template.strip(),
                headers=self.request.headers,
                retry_headers=self.request.retry_headers,
                timeout=self.request.timeout,
                max_in_flight=self.request.max_in_flight,
                retry=self.retry.policy(),
                answers=self.answers.rules(),
                disable_after=self.answers.disable_after,
                rate=None if rate is None else RateLimit(requests_per_second=rate.requests_per_second, burst=rate.burst),
            ),
            receiving=Receiving(
                max_body=self.receiving.max_body,
                authentication=tuple(self.receiving.authentication),
                limits=tuple(self.receiving.limits),
            ),
            sources=tuple(Source(url=source.url, section=source.section) for source in self.sources),
            silent=tuple(self.silent),
            differs=tuple(self.differs),
        )


def parse(name: str, content: dict[str, object]) -> Profile:
    """A profile of what its file holds. Raises HooklineError that names the file and the place."""
    try:
        return File.model_validate(content).profile(name)
    except ValidationError as error:
        places = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise HooklineError(f"the profile {name}.toml is not right: {places}") from error
