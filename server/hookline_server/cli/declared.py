"""What a YAML file declares: subscriptions by their names, and event types.

    event_types:
      - name: invoice.paid
        description: An invoice was paid in full.
        schema: {type: object, required: [amount]}
        enforce: true
    subscriptions:
      - name: billing
        url: https://example.com/webhooks
        event_types: [invoice.*]
        retry: standard
        timeout: 15s

A subscription is known by its label `name`. Its members are those of SubscriptionSpec; `retry` is the
short form of the command line or a mapping as `--json` prints it; spans are seconds or have a unit. What
is not said has its default, or is as the `profile` has it. A `secret` that is declared is kept to: if
another one signs, it is rotated to the declared one. A section that is missing is left alone.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

import yaml

from hookline.errors import InvalidArgument, quoted
from hookline.model import (
    STANDARD,
    AnswerRules,
    BodyFormat,
    CircuitBreaker,
    EventTypeSpec,
    Exponential,
    Ordering,
    RateLimit,
    RetryPolicy,
    Steps,
    SubscriptionSpec,
)
from hookline_server.cli import values
from hookline_server.cli.access_options import declared_access
from hookline_server.cli.exits import UsageError
from hookline_server.cli.limit_options import EVER, NEVER, breaker
from hookline_server.cli.subscription_options import made
from hookline_server.nearest import nearest

NAME: Final = "name"
"""The label by which a declared subscription is known."""
_SECTIONS: Final = ("event_types", "subscriptions")
_SUBSCRIPTION: Final = (NAME, *(field.name for field in fields(SubscriptionSpec)))
_ANSWERS: Final = tuple(field.name for field in fields(AnswerRules))
_RATE: Final = tuple(field.name for field in fields(RateLimit))
_BREAKER: Final = tuple(field.name for field in fields(CircuitBreaker))
_EVENT_TYPE: Final = (NAME, *(field.name for field in fields(EventTypeSpec)))
_POLICY: Final = ("steps", "exponential", "max_attempts", "max_elapsed", "jitter", "count_paused")
_EXPONENTIAL: Final = tuple(field.name for field in fields(Exponential))

Node = Any  # what YAML may hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a file says, in its order; None for a section that it does not have."""

    path: Path
    subscriptions: Mapping[str, SubscriptionSpec] | None
    event_types: Mapping[str, EventTypeSpec] | None


def read(path: Path, text: str) -> Declared:
    """What `text`, the content of `path`, declares. Raises UsageError that names the place."""
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # a ValueError: a day that no calendar has, a number of 5,000 digits
        raise UsageError(f"{path}: is no YAML: {' '.join(str(error).split())}") from error
    except RecursionError:
        raise UsageError(f"{path}: is nested too deep; right are two sections, {' and '.join(_SECTIONS)}") from None
    root = _mapping({} if document is None else document, str(path), _SECTIONS)
    return Declared(
        path=path,
        subscriptions=_section(root, "subscriptions", path, _SUBSCRIPTION, _subscription),
        event_types=_section(root, "event_types", path, _EVENT_TYPE, _event_type),
    )


def _section(
    root: dict[str, Node], name: str, path: Path, keys: tuple[str, ...], make: Callable[[dict[str, Node], str], Any]
) -> Any:
    if name not in root:
        return None
    found: dict[str, Any] = {}
    for index, item in enumerate(_list(root[name], f"{path}: {name}")):
        place = f"{path}: {name}[{index}]"
        members = _mapping(item, place, keys)
        own = _string(members.pop(NAME, None), f"{place}.name")
        if not own or own in found:
            raise UsageError(f"{place}.name: {quoted(own)} is {'declared twice' if own else 'empty'}; right is a name of its own")
        found[own] = make({**members, NAME: own}, place)
    return found


def _subscription(members: dict[str, Node], place: str) -> SubscriptionSpec:
    name = members.pop(NAME)
    given: dict[str, Any] = {}
    for key, value in members.items():
        where = f"{place}.{key}"
        match key:
            case "event_types" | "fields":
                given[key] = tuple(_string(item, where) for item in _list(value, where))
            case "headers" | "labels" | "retry_headers" | "signature_parameters":
                given[key] = _strings(value, where)
            case "authentication" | "client_certificate":
                given[key] = declared_access(key, _strings(value, where), where)
            case "retry" | "timeout" | "answers" | "rate" | "breaker" | "hold_for" | "disable_after":
                given[key] = _READERS[key](value, where)
            case "max_in_flight" | "step_aside_after" | "lanes":
                given[key] = value
            case "body_format":
                given[key] = _choice(BodyFormat, value, where)
            case "ordering":
                given[key] = _choice(Ordering, value, where)
            case _:
                given[key] = _string(value, where)
    if "url" not in given:
        raise UsageError(f"{place}.url: is missing; right is where to POST")
    given["labels"] = {**given.get("labels", {}), NAME: name}
    profile = given.pop("profile", None)
    try:
        return made(profile, **given)
    except InvalidArgument as refusal:
        raise UsageError(f"{place}.{refusal.message}") from refusal


def _strings(value: Node, place: str) -> dict[str, str]:
    return {_string(key, place): _string(text, f"{place}.{key}") for key, text in _any_mapping(value, place).items()}


def _answers(value: Node, place: str) -> AnswerRules:
    members = _mapping(value, place, _ANSWERS)
    header = _string(members.pop("final_header", ""), f"{place}.final_header")
    statuses = {
        key: tuple(_status(item, f"{place}.{key}") for item in _list(part, f"{place}.{key}")) for key, part in members.items()
    }
    return AnswerRules(final_header=header, **statuses)


def _rate(value: Node, place: str) -> RateLimit | None:
    """None, a number, or a mapping."""
    if value is None:
        return None
    if not isinstance(value, dict):
        return RateLimit(requests_per_second=value)
    members = _mapping(value, place, _RATE)
    if "requests_per_second" not in members:
        raise UsageError(f"{place}.requests_per_second: is missing; right is how many requests a second")
    return RateLimit(**members)


def _breaker(value: Node, place: str) -> CircuitBreaker:
    """The short form of the command line, or a mapping."""
    if value is False:  # as YAML takes `off`
        return CircuitBreaker(off=True)
    if not isinstance(value, dict):
        return breaker(str(value), place)
    members = _mapping(value, place, _BREAKER)
    for key in ("open_for", "open_at_most"):
        if key in members:
            members[key] = _span(members[key], f"{place}.{key}")
    return CircuitBreaker(**members)


def _hold_for(value: Node, place: str) -> float | None:
    return None if value is None or value == EVER else _span(value, place)


def _disable_after(value: Node, place: str) -> float:
    return 0.0 if value == NEVER else _span(value, place)


def _status(value: Node, place: str) -> str:
    """A number, as YAML takes `204`, or a class."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else _string(value, place)


def _event_type(members: dict[str, Node], place: str) -> EventTypeSpec:
    del members[NAME]
    given: dict[str, Any] = {}
    for key, value in members.items():
        where = f"{place}.{key}"
        match key:
            case "schema":
                given[key] = _json_text(value, where)
            case "examples":
                given[key] = tuple(_json_text(item, where) for item in _list(value, where))
            case "description":
                given[key] = _string(value, where)
            case _:
                given[key] = _flag(value, where)
    return EventTypeSpec(**given)


def _policy(value: Node, place: str) -> RetryPolicy:
    if isinstance(value, str):
        return values.policy(value, place)
    members = _mapping(value, place, _POLICY)
    steps, exponential = members.pop("steps", None), members.pop("exponential", None)
    base = STANDARD
    if steps is not None and exponential is not None:
        raise UsageError(f"{place}: has both steps and exponential; right is one of them")
    if steps is not None:
        delays = tuple(_span(item, f"{place}.steps") for item in _list(steps, f"{place}.steps"))
        base = RetryPolicy(schedule=Steps(delays=delays), max_attempts=len(delays) + 1)
    if exponential is not None:
        parts = {
            key: (_number if key == "factor" else _span)(part, f"{place}.exponential.{key}")
            for key, part in _mapping(exponential, f"{place}.exponential", _EXPONENTIAL).items()
        }
        if "initial" not in parts:
            raise UsageError(f"{place}.exponential.initial: is missing; right is the first delay")
        base = replace(values.policy("exponential", place), schedule=Exponential(**parts))
    if "count_paused" in members:
        members["count_paused"] = _flag(members["count_paused"], f"{place}.count_paused")
    if members.get("max_elapsed") is not None:
        members["max_elapsed"] = _span(members["max_elapsed"], f"{place}.max_elapsed")
    return replace(base, **members)


def _mapping(value: Node, place: str, known: Iterable[str]) -> dict[str, Node]:
    found = _any_mapping(value, place)
    for key in found:
        if key not in known:
            raise UsageError(f"{place}: {quoted(key)} is not known; {nearest(str(key), known)}")
    return found


def _any_mapping(value: Node, place: str) -> dict[Any, Node]:
    if not isinstance(value, dict):
        raise UsageError(f"{place}: {quoted(value)} is not right; right is a mapping")
    return dict(value)


def _list(value: Node, place: str) -> list[Node]:
    if not isinstance(value, list):
        raise UsageError(f"{place}: {quoted(value)} is not right; right is a list")
    return value


def _string(value: Node, place: str) -> str:
    if not isinstance(value, str):
        # Not shown: it may be a credential.
        raise UsageError(
            f"{place}: is {'missing' if value is None else 'no text'}; right is text, in quotes if YAML takes it for something else"
        )
    return value


def _flag(value: Node, place: str) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{place}: {quoted(value)} is not right; right is true or false")
    return value


def _number(value: Node, place: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise UsageError(f"{place}: {quoted(value)} is no number; right is one like 2 or 1.5")
    return float(value)


def _span(value: Node, place: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return values.span(_string(value, place), place)


def _choice(kind: type[BodyFormat] | type[Ordering], value: Node, place: str) -> BodyFormat | Ordering:
    try:
        return kind(value)
    except ValueError:
        raise UsageError(f"{place}: {quoted(value)} is not right; right is one of {', '.join(kind)}") from None


def _json_text(value: Node, place: str) -> str:
    """A schema or an example: JSON text as it stands, or YAML written as JSON."""
    try:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError) as error:  # a name that is no text, a part of itself, nested too deep
        raise UsageError(f"{place}: has no like in JSON ({error}); right is what JSON can say") from None


_READERS: Final[Mapping[str, Callable[[Node, str], Any]]] = {
    "retry": _policy,
    "timeout": _span,
    "answers": _answers,
    "rate": _rate,
    "breaker": _breaker,
    "hold_for": _hold_for,
    "disable_after": _disable_after,
}
