"""Events: what a caller says, and what hookline knows of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

JSON: Final = "application/json"
NO_LABELS: Final[Mapping[str, str]] = {}
"""None. A plain dictionary, so that what holds it can be copied, pickled and written as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSpec:
    """What a caller says about something that happened (CloudEvents 1.0.2 attributes and ours).

    Limits stand in the contract (`proto/hookline/v1/event.proto`) and are checked at emit. Empty
    means "not set"; `data` is bytes and stays those bytes.
    """

    type: str
    data: bytes
    id: str = ""
    source: str = ""
    subject: str = ""
    time: datetime | None = None
    data_content_type: str = JSON
    data_schema: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str = ""
    ordering_key: str = ""
    not_before_time: datetime | None = None
    traceparent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An accepted event. `time` and `id` are always set; `accept_time` is the server's."""

    tenant: str
    id: str
    type: str
    source: str
    subject: str
    time: datetime
    data: bytes
    data_content_type: str
    data_schema: str
    labels: Mapping[str, str]
    idempotency_key: str
    ordering_key: str
    not_before_time: datetime | None
    traceparent: str
    accept_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EmitResult:
    """What became of an emitted event: it is on disk.

    `duplicate` says that it had been accepted before with the same content; `event_id` and
    `accept_time` are then those of the first.
    """

    event_id: str
    duplicate: bool
    accept_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTypeSpec:
    """What a caller says of an event type; see `EventType`."""

    description: str = ""
    schema: str = ""
    examples: tuple[str, ...] = ()
    enforce: bool = False
    deprecated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """An entry of the catalogue of event types.

    `schema` is a JSON Schema (2020-12) as JSON text, or empty. With `enforce`, an event of this type
    whose data does not follow the schema is refused at emit.
    """

    tenant: str
    name: str
    description: str = ""
    schema: str = ""
    examples: tuple[str, ...] = ()
    enforce: bool = False
    deprecated: bool = False
    etag: str = ""
    create_time: datetime
    update_time: datetime
