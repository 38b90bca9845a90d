"""Checks of single values, shared by the checks of whole requests.

Each `…_problem` answers what is wrong and what would be right, or None. A string is refused if it has
a NUL (SQL databases take none) or a lone surrogate (UTF-8 has none) anywhere.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeGuard

from hookline.errors import FieldViolation, InvalidArgument, quoted

LONGEST_TENANT: Final = 64
LONGEST_PAGE: Final = 1000
MOST_LABELS: Final = 32
LONGEST_LABEL_VALUE: Final = 256
LONGEST_URI: Final = 2048
LONGEST_TYPE: Final = 128

ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
TYPE: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
CLEAN: Final = re.compile(r"[^\x00\ud800-\udfff]*")
VISIBLE: Final = re.compile(r"[!-~]+")
_TENANT: Final = re.compile(r"[a-z0-9_-]{1,64}")
_REQUEST_ID: Final = re.compile(r"[!-~]{1,64}")
_LABEL_KEY: Final = re.compile(r"[a-z0-9_-]{1,63}")

_PCHAR: Final = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})"
_QUERY: Final = rf"(?:{_PCHAR}|[/?])*"
_REG_NAME: Final = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*"
_AUTHORITY: Final = rf"(?:(?:[A-Za-z0-9\-._~!$&'()*+,;=:]|%[0-9A-Fa-f]{{2}})*@)?\[[0-9A-Fa-fv.:]+\](?::[0-9]*)?|{_REG_NAME}"
_HIERARCHY: Final = rf"(?://(?:{_AUTHORITY})(?:/(?:{_PCHAR}|/)*)?|(?!//)(?:{_PCHAR}|/)*)"
_REST: Final = rf"{_HIERARCHY}(?:\?{_QUERY})?(?:\#{_QUERY})?"
URI: Final = re.compile(rf"[A-Za-z][A-Za-z0-9+.\-]*:{_REST}")
"""RFC 3986, section 3."""
URI_REFERENCE: Final = re.compile(rf"(?:[A-Za-z][A-Za-z0-9+.\-]*:|(?![^/?\#]*:)){_REST}")
"""RFC 3986, section 4.1."""

_WRONG_TYPE: Final = "is {}; right is {}"


def text_problem(value: str, longest: int) -> str | None:
    """What is wrong with free text of at most `longest` bytes in UTF-8."""
    if CLEAN.fullmatch(value) is None:
        return f"{quoted(value)} has a {'NUL' if chr(0) in value else 'lone surrogate'}; right is text without"
    # A character has at most four bytes, so that most texts need not be encoded to know.
    if len(value) * 4 > longest and (size := len(value.encode())) > longest:
        return f"{quoted(value)} has {size} bytes; right are at most {longest}"
    return None


def id_problem(value: str) -> str | None:
    """What is wrong with an id."""
    if ID.fullmatch(value) is None:
        return (
            f"{quoted(value)} is no id; right are 1 to 64 of A-Z, a-z, 0-9, '_' and '-' (a full stop ends the id in what is signed)"
        )
    return None


def type_problem(value: str) -> str | None:
    """What is wrong with the name of an event type."""
    if len(value) > LONGEST_TYPE or TYPE.fullmatch(value) is None:
        return (
            f"{quoted(value)} is no event type; right are names of A-Z, a-z, 0-9, '_' and '-' with full stops between them, "
            f"at most {LONGEST_TYPE} characters, like 'invoice.paid'"
        )
    return None


def uri_problem(value: str, form: re.Pattern[str], kind: str) -> str | None:
    """What is wrong with a URI of at most 2048 characters that has the form `form`."""
    if len(value) > LONGEST_URI:
        return f"{quoted(value)} has {len(value)} characters; right are at most {LONGEST_URI}"
    if form.fullmatch(value) is None:
        return f"{quoted(value)} is no {kind} (RFC 3986); what is not ASCII is percent-encoded"
    return None


def label_violations(labels: object, field: str) -> list[FieldViolation]:
    """What is wrong with labels."""
    if not isinstance(labels, Mapping):
        return [wrong_type(field, labels, "a mapping of strings to strings")]
    found = []
    if len(labels) > MOST_LABELS:
        found.append(FieldViolation(field=field, description=f"has {len(labels)} labels; right are at most {MOST_LABELS}"))
    for key, value in labels.items():
        if not isinstance(key, str) or _LABEL_KEY.fullmatch(key) is None:
            description = f"the key {quoted(key)} is not right; right are 1 to 63 of a-z, 0-9, '_' and '-'"
            found.append(FieldViolation(field=field, description=description))
        elif not isinstance(value, str):
            found.append(wrong_type(f"{field}.{key}", value, "a string"))
        elif problem := text_problem(value, LONGEST_LABEL_VALUE):
            found.append(FieldViolation(field=f"{field}.{key}", description=problem))
    return found


def wrong_type(field: str, value: object, right: str) -> FieldViolation:
    """A value that is not even of the right type."""
    return FieldViolation(field=field, description=_WRONG_TYPE.format(quoted(value), right))


def is_number(value: object) -> TypeGuard[float]:
    """Whether `value` is a number; True and False are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_whole(value: object) -> TypeGuard[int]:
    """Whether `value` is a whole number; True and False are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def refuse(violations: list[FieldViolation]) -> None:
    """Raise InvalidArgument for all of `violations`, if there are any."""
    if violations:
        raise InvalidArgument(*violations)


def check_id(value: str, field: str = "id") -> None:
    """Raise InvalidArgument unless `value` is an id: `[A-Za-z0-9_-]{1,64}`."""
    _check(value, field, id_problem)


def check_type(value: str, field: str = "type") -> None:
    """Raise InvalidArgument unless `value` is the name of an event type: `invoice.paid`, at most 128 characters."""
    _check(value, field, type_problem)


def check_tenant(value: str, field: str = "tenant") -> None:
    """Raise InvalidArgument unless `value` is a tenant: `[a-z0-9_-]{1,64}`."""
    _check(value, field, _tenant_problem)


def check_request_id(value: str, field: str = "request_id") -> None:
    """Raise InvalidArgument unless `value` is empty or 1 to 64 visible ASCII characters."""
    if value != "":
        _check(value, field, _request_id_problem)


def check_string(value: str, field: str, longest: int) -> None:
    """Raise InvalidArgument unless `value` is text of at most `longest` bytes in UTF-8, without NUL and lone surrogates."""
    _check(value, field, lambda text: text_problem(text, longest))


def check_page_size(value: int, field: str = "page_size") -> None:
    """Raise InvalidArgument unless `value` is 1 to 1000."""
    if not is_whole(value) or not 1 <= value <= LONGEST_PAGE:
        raise InvalidArgument.of(field, f"{quoted(value)} is no page size; right is 1 to {LONGEST_PAGE}")


def _tenant_problem(value: str) -> str | None:
    if _TENANT.fullmatch(value) is None:
        return f"{quoted(value)} is no tenant; right are 1 to {LONGEST_TENANT} of a-z, 0-9, '_' and '-'"
    return None


def _request_id_problem(value: str) -> str | None:
    return (
        None if _REQUEST_ID.fullmatch(value) else f"{quoted(value)} is no request id; right are at most 64 visible ASCII characters"
    )


def _check(value: object, field: str, problem_of: Callable[[str], str | None]) -> None:
    if not isinstance(value, str):
        raise InvalidArgument(wrong_type(field, value, "a string"))
    problem = problem_of(value)
    if problem is not None:
        raise InvalidArgument.of(field, problem)
