"""Schemes that are told more than their name, from parameters as a subscription keeps them: text, by name."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from typing import Any, Final, TypeVar

from hookline.errors import FieldViolation, InvalidArgument, quoted
from hookline.signing import custom, http_message
from hookline.signing.custom import Custom
from hookline.signing.http_message import HttpMessage
from hookline.signing.scheme import Scheme

FIELD: Final = "signature_parameters"
SECRET_PARAMETERS: Final = frozenset({"api_key"})
"""Those that are never shown."""
LONGEST_PARAMETER: Final = 4096
"""Characters."""

Choice = TypeVar("Choice", bound=StrEnum)


def _choice(kind: type[Choice], value: str) -> Choice:
    try:
        return kind(value)
    except ValueError:
        raise ValueError(f"{quoted(value)} is not right; right is one of {', '.join(kind)}") from None


def _flag(value: str) -> bool:
    if value not in {"true", "false"}:
        raise ValueError(f"{quoted(value)} is not right; right is 'true' or 'false'")
    return value == "true"


def _whole(value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise ValueError(f"{quoted(value)} is no whole number; right is one like '300'")
    return int(value)


def _words(value: str) -> tuple[str, ...]:
    return tuple(value.replace(",", " ").split())


Read = Callable[[str], Any]  # what a field of a scheme takes

_CUSTOM: Final[Mapping[str, Read]] = {
    "signature_header": str,
    "template": str,
    "algorithm": partial(_choice, custom.Algorithm),
    "encoding": partial(_choice, custom.Encoding),
    "prefix": str,
    "separator": str,
    "id_header": str,
    "timestamp_header": str,
    "milliseconds": _flag,
    "api_key_header": str,
    "api_key": str,
}
_HTTP_MESSAGE: Final[Mapping[str, Read]] = {
    "key_id": str,
    "algorithm": partial(_choice, http_message.Algorithm),
    "components": _words,
    "label": str,
    "expires_after": _whole,
}
_REQUIRED: Final = {"custom": "signature_header", "http-message": "key_id"}
_KINDS: Final[Mapping[str, tuple[Callable[..., Scheme], Mapping[str, Read]]]] = {
    "custom": (Custom, _CUSTOM),
    "http-message": (HttpMessage, _HTTP_MESSAGE),
}

PARAMETRISED: Final = tuple(_KINDS)
"""The schemes that have parameters."""


def make(name: str, parameters: Mapping[str, str]) -> Scheme:
    """The scheme `name` with `parameters`. Raises InvalidArgument, fields `signature_parameters.<name>`, with every violation.

    Numbers and flags are text as everything is (`"300"`, `"true"`), components are separated by spaces.
    """
    kind, readers = _KINDS[name]
    values: dict[str, Any] = {}
    violations = []
    for key, value in parameters.items():
        fault = None
        if key not in readers:
            fault = f"is no parameter of {name!r}; right is one of {', '.join(readers)}"
        elif len(value) > LONGEST_PARAMETER:
            fault = f"has {len(value)} characters; right are at most {LONGEST_PARAMETER}"
        else:
            try:
                values[key] = readers[key](value)
            except ValueError as error:
                fault = str(error)
        if fault is not None:
            violations.append(FieldViolation(field=f"{FIELD}.{key}", description=fault))
    if (required := _REQUIRED[name]) not in parameters:
        violations.append(FieldViolation(field=f"{FIELD}.{required}", description=f"is not set, and {name!r} needs it"))
    if violations:
        raise InvalidArgument(*violations)
    try:
        return kind(**values)
    except InvalidArgument as refusal:
        raise InvalidArgument(
            *(FieldViolation(field=f"{FIELD}.{fault.field}", description=fault.description) for fault in refusal.violations)
        ) from refusal
