"""Errors as google.rpc.Status, and back.

Every status carries an ErrorInfo with a stable reason; by its kind also BadRequest (each field that is
wrong), ResourceInfo (what is missing or taken) and RetryInfo (when to come back). A status travels in
HTTP/2 headers, for which gRPC allows 8 KiB in all, so long words are cut here.
"""

from collections.abc import Mapping
from typing import Final, TypeVar

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, ResourceInfo, RetryInfo
from google.rpc.status_pb2 import Status

from hookline.errors import (
    AlreadyExists,
    Closed,
    Conflict,
    DeadlineExceeded,
    FailedPrecondition,
    FieldViolation,
    HooklineError,
    InvalidArgument,
    NotFound,
    OutOfRange,
    PermissionDenied,
    ResourceExhausted,
    StoreError,
    Unauthenticated,
    Unavailable,
)
from hookline.wire.scalars import read_duration, write_duration

DOMAIN: Final = "hookline"
"""ErrorInfo.domain of every error that hookline raises on purpose."""
DETAILS: Final = "grpc-status-details-bin"
"""The trailing metadata in which gRPC carries a Status."""
LONGEST_MESSAGE: Final = 500
"""Bytes of a message; gRPC writes those that are not ASCII as three."""
LONGEST_NAME: Final = 256
"""Bytes of a resource's name, a reason, or a field's path."""
MOST_VIOLATIONS: Final = 1_800
"""Bytes of all field violations together; the first is always told."""

M = TypeVar("M", bound=Message)

_CODES: Final[Mapping[type[HooklineError], int]] = {
    InvalidArgument: code_pb2.INVALID_ARGUMENT,
    NotFound: code_pb2.NOT_FOUND,
    AlreadyExists: code_pb2.ALREADY_EXISTS,
    Conflict: code_pb2.ABORTED,
    FailedPrecondition: code_pb2.FAILED_PRECONDITION,
    OutOfRange: code_pb2.OUT_OF_RANGE,
    ResourceExhausted: code_pb2.RESOURCE_EXHAUSTED,
    Unavailable: code_pb2.UNAVAILABLE,
    Unauthenticated: code_pb2.UNAUTHENTICATED,
    PermissionDenied: code_pb2.PERMISSION_DENIED,
    DeadlineExceeded: code_pb2.DEADLINE_EXCEEDED,
    Closed: code_pb2.UNAVAILABLE,
    StoreError: code_pb2.UNAVAILABLE,
}
_WORDED: Final[Mapping[int, type[HooklineError]]] = {
    code: kind for kind, code in _CODES.items() if kind not in {InvalidArgument, NotFound, AlreadyExists, Closed, StoreError}
} | {code_pb2.CANCELLED: Unavailable, code_pb2.UNIMPLEMENTED: FailedPrecondition}
"""The errors that are made of a message alone, by their code."""
_BY_REASON: Final[Mapping[str, type[HooklineError]]] = {Closed.reason: Closed, StoreError.reason: StoreError}
"""Those that share a code with another error."""
_GRPC_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


def to_status(error: HooklineError) -> Status:
    """The status of an error."""
    code = next((_CODES[kind] for kind in type(error).__mro__ if kind in _CODES), code_pb2.INTERNAL)
    details: list[Message] = [ErrorInfo(reason=_cut(error.code, LONGEST_NAME), domain=DOMAIN)]
    match error:
        case InvalidArgument():
            details.append(BadRequest(field_violations=_violations(error)))
        case NotFound() | AlreadyExists():
            name = _cut(error.name, LONGEST_NAME)
            details.append(ResourceInfo(resource_type=_cut(error.kind, LONGEST_NAME), resource_name=name))
    if error.retry_after is not None:
        details.append(RetryInfo(retry_delay=write_duration(error.retry_after, "retry_after")))
    status = Status(code=code, message=_cut(error.message, LONGEST_MESSAGE))
    for detail in details:
        status.details.add().Pack(detail)
    return status


def from_status(status: Status) -> HooklineError:
    """The error of a status, whoever made it."""
    info = _detail(status, ErrorInfo)
    reason = info.reason if info is not None and info.domain == DOMAIN else ""
    error = _from_status(status, reason)
    error.code = reason or error.code
    retry = _detail(status, RetryInfo)
    if retry is not None:
        try:
            error.retry_after = read_duration(retry.retry_delay, "retry_delay")
        except InvalidArgument:
            error.retry_after = None  # The hint of a stranger, and no sense in it.
    return error


def trailers(status: Status) -> tuple[grpc.StatusCode, str, tuple[tuple[str, bytes]]]:
    """A status as gRPC ends a call with it: code, message, trailing metadata."""
    return _GRPC_CODES[status.code], status.message, ((DETAILS, status.SerializeToString()),)


def from_rpc(error: grpc.aio.AioRpcError) -> HooklineError:
    """The error of a call that failed, whether our server ended it or gRPC itself did."""
    packed = next((value for key, value in error.trailing_metadata() or () if key == DETAILS), None)
    if isinstance(packed, bytes):
        try:
            return from_status(Status.FromString(packed))
        except DecodeError:
            return from_status(Status(code=error.code().value[0], message=error.details() or ""))
    return from_status(Status(code=error.code().value[0], message=error.details() or ""))


def _from_status(status: Status, reason: str) -> HooklineError:
    message = status.message
    resource = _detail(status, ResourceInfo) or ResourceInfo()
    match status.code:
        case code_pb2.INVALID_ARGUMENT:
            bad = _detail(status, BadRequest) or BadRequest()
            found = [FieldViolation(field=each.field, description=each.description) for each in bad.field_violations]
            return InvalidArgument(*(found or [FieldViolation(field="", description=message)]))
        case code_pb2.NOT_FOUND:
            return NotFound(resource.resource_type, resource.resource_name)
        case code_pb2.ALREADY_EXISTS:
            return AlreadyExists(resource.resource_type, resource.resource_name, message)
    kind = _BY_REASON.get(reason) or _WORDED.get(status.code, HooklineError)
    return kind(message or f"the server answered with code {status.code}")


def _violations(error: InvalidArgument) -> list[BadRequest.FieldViolation]:
    told: list[BadRequest.FieldViolation] = []
    room = MOST_VIOLATIONS
    for violation in error.violations:
        each = BadRequest.FieldViolation(
            field=_cut(violation.field, LONGEST_NAME), description=_cut(violation.description, LONGEST_MESSAGE)
        )
        room -= each.ByteSize()
        if told and room < 0:
            break
        told.append(each)
    return told


def _detail(status: Status, kind: type[M]) -> M | None:
    """The first detail of that kind; one that cannot be read is as good as none."""
    packed: Any
    for packed in status.details:
        if packed.TypeName() == kind.DESCRIPTOR.full_name:
            detail = kind()
            try:
                packed.Unpack(detail)
            except DecodeError:
                return None
            return detail
    return None


def _cut(text: str, longest: int) -> str:
    """At most `longest` bytes of UTF-8, whole characters, nothing that UTF-8 cannot say."""
    if len(text) <= longest and text.isascii():
        return text
    encoded = text.encode(errors="replace")
    return encoded.decode() if len(encoded) <= longest else encoded[: longest - 3].decode(errors="ignore") + "…"
