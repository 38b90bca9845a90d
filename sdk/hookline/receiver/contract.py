"""What the data of events must be: a model of pydantic, a JSON Schema, or both."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from hookline.errors import InvalidArgument, quoted
from hookline.receiver.errors import MalformedEvent
from hookline.receiver.event import ReceivedEvent
from hookline.routing import is_pattern, matches
from hookline.validation.schema import SchemaError, SchemaValidator, compile_schema

T = TypeVar("T")


class Patterns(Generic[T]):
    """Values by pattern. A type has one of them: that of the exact type, of the longest prefix, or of `*`."""

    def __init__(self) -> None:
        self._values: dict[str, T] = {}

    def add(self, pattern: str, value: T) -> None:
        """Raise InvalidArgument (field `pattern`) if it is no pattern, or has a value already."""
        if not is_pattern(pattern):
            raise InvalidArgument.of(
                "pattern", f"{quoted(pattern)} is no event type; right are 'invoice.paid', 'invoice.*' and '*'"
            )
        if pattern in self._values:
            raise InvalidArgument.of("pattern", f"{quoted(pattern)} is there already; right is one for each pattern")
        self._values[pattern] = value

    def find(self, event_type: str) -> T | None:
        """The value of a type, whatever the other side calls a type."""
        # Nothing is remembered by type: types are the sender's choice, and patterns are few.
        exact = self._values.get(event_type)
        if exact is not None:
            return exact
        found = [pattern for pattern in self._values if matches(pattern, event_type)]
        return self._values[max(found, key=len)] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What data must be; without a model and a schema, anything."""

    model: type[Any] | None = None
    schema: SchemaValidator | None = None

    def check(self, event: ReceivedEvent) -> Any:  # whatever the model is
        """The data as the model; None without one. Raises MalformedEvent, with what is wrong, if they are not as they must be."""
        problem = None if self.schema is None else self.schema.problem(event.data)
        if problem is not None:
            raise MalformedEvent(f"the data of event {event.id!r} {problem}")
        return None if self.model is None else event.validated(self.model)


ANYTHING: Final = Contract()


def contract(model: type[Any] | None, schema: str) -> Contract:
    """The contract of a model and a JSON Schema (2020-12) in JSON text. Raises InvalidArgument if that cannot be used."""
    try:
        return Contract(model=model, schema=compile_schema(schema) if schema else None)
    except SchemaError as error:
        raise InvalidArgument.of("schema", error.message) from error


def contracts(models: Mapping[str, type[Any]], schemas: Mapping[str, str]) -> Patterns[Contract]:
    """Contracts by pattern; a pattern may have a model and a schema."""
    found: Patterns[Contract] = Patterns()
    for pattern in [*models, *(each for each in schemas if each not in models)]:
        found.add(pattern, contract(models.get(pattern), schemas.get(pattern, "")))
    return found
