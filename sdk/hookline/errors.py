"""Everything hookline raises on purpose.

    HooklineError
    ├── InvalidArgument        a field is wrong; names each one
    ├── NotFound               no such event, subscription, delivery, event type or replay
    ├── AlreadyExists          same id or key, other content
    ├── Conflict               the etag is not the current one
    ├── FailedPrecondition     right request, wrong state
    ├── OutOfRange             a cursor that is too old
    ├── ResourceExhausted      too much at once; says when to come back
    ├── Unavailable            the store or the server is away; says when to come back
    ├── Unauthenticated        no credential, or a wrong one
    ├── PermissionDenied       a right credential for something else
    ├── DeadlineExceeded       no answer in the time that the caller gave
    ├── Closed                 the client is not open (any more)
    └── StoreError             the store cannot be opened: its message says why and what to do

The same errors come from the embedded client and from the remote one. `reason` is stable and meant
for programs (google.rpc.ErrorInfo carries it); the message is meant for people.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

LONGEST_VALUE: Final = 100
"""A refused value is quoted up to this many characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldViolation:
    """One field that is wrong: its path from the request, and what would be right."""

    field: str
    description: str


def quoted(value: object) -> str:
    """`value` as a message may show it: printable, and cut at 100 characters."""
    text = ascii(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


class HooklineError(Exception):
    """The root of the tree."""

    reason: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, *, reason: str | None = None, retry_after: float | None = None) -> None:
        """Say `message`; `retry_after` is in seconds."""
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.code = reason or self.reason


class InvalidArgument(HooklineError):
    """A field is wrong; `violations` names each."""

    reason = "INVALID_ARGUMENT"

    def __init__(self, *violations: FieldViolation) -> None:
        """Refuse a request for these violations, at least one."""
        super().__init__("; ".join(f"{violation.field}: {violation.description}" for violation in violations))
        self.violations = violations

    @classmethod
    def of(cls, field: str, description: str) -> "InvalidArgument":
        """Refuse one field."""
        return cls(FieldViolation(field=field, description=description))


class NotFound(HooklineError):
    """There is no such thing (any more)."""

    reason = "NOT_FOUND"

    def __init__(self, kind: str, name: str) -> None:
        """`kind` is the resource's type (`subscription`), `name` its id."""
        super().__init__(f"there is no {kind} {quoted(name)}")
        self.kind = kind
        self.name = name


class AlreadyExists(HooklineError):
    """The same id or idempotency key was used before, with other content."""

    reason = "ALREADY_EXISTS"

    def __init__(self, kind: str, name: str, message: str = "") -> None:
        """`kind` is the resource's type, `name` the id or key that is taken."""
        super().__init__(message or f"{kind} {quoted(name)} exists already, with other content")
        self.kind = kind
        self.name = name


class Conflict(HooklineError):
    """Somebody else changed it in between: read it again and repeat the change."""

    reason = "ETAG_MISMATCH"


class FailedPrecondition(HooklineError):
    """The request is right, but not in this state."""

    reason = "FAILED_PRECONDITION"


class OutOfRange(HooklineError):
    """A watch cursor points to what has been removed: begin anew."""

    reason = "CURSOR_EXPIRED"


class ResourceExhausted(HooklineError):
    """More than is taken at once; `retry_after` says when to come back."""

    reason = "RESOURCE_EXHAUSTED"


class Unavailable(HooklineError):
    """The store or the server is away for now; `retry_after` says when to come back."""

    reason = "UNAVAILABLE"


class Unauthenticated(HooklineError):
    """No credential, or one that is not known."""

    reason = "UNAUTHENTICATED"


class PermissionDenied(HooklineError):
    """The credential is known, but not for this."""

    reason = "PERMISSION_DENIED"


class DeadlineExceeded(HooklineError):
    """No answer came in the time that the caller gave; what became of the request is not known."""

    reason = "DEADLINE_EXCEEDED"


class Closed(HooklineError):
    """The client was closed, or never opened."""

    reason = "CLOSED"


class StoreError(HooklineError):
    """The store cannot be opened: locked, corrupt, read-only, of a future version."""

    reason = "STORE"
