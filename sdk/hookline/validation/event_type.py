"""Whether an event type can enter the catalogue."""

from typing import Final

from hookline.body import json_problem
from hookline.errors import FieldViolation, quoted
from hookline.model.event import EventTypeSpec
from hookline.validation.schema import SchemaError, SchemaValidator, compile_schema
from hookline.validation.text import CLEAN, refuse, text_problem, type_problem, wrong_type

LONGEST_DESCRIPTION: Final = 4096
MOST_EXAMPLES: Final = 20
LONGEST_EXAMPLE: Final = 64 * 1024


def check_event_type(name: str, spec: EventTypeSpec, *, prefix: str = "event_type") -> None:
    """Raise InvalidArgument, with every violation, unless `spec` can be the event type `name`.

    The schema must be a JSON Schema (2020-12) that needs nothing from outside, and each example must be
    JSON that follows it.
    """
    texts: tuple[tuple[str, object], ...] = (("name", name), ("description", spec.description), ("schema", spec.schema))
    refuse([wrong_type(f"{prefix}.{field}", value, "a string") for field, value in texts if not isinstance(value, str)])
    problems: list[tuple[str, str | None]] = [
        ("name", type_problem(name)),
        ("description", text_problem(spec.description, LONGEST_DESCRIPTION)),
    ]
    validator: SchemaValidator | None = None
    if spec.schema:
        try:
            validator = compile_schema(spec.schema)
        except SchemaError as error:
            problems.append(("schema", error.message))
    if spec.enforce and not spec.schema:
        problems.append(("enforce", "has no schema to hold events to; right is to set a schema as well"))
    if len(spec.examples) > MOST_EXAMPLES:
        problems.append(("examples", f"has {len(spec.examples)} examples; right are at most {MOST_EXAMPLES}"))
    problems += [(f"examples[{index}]", _example_problem(example, validator)) for index, example in enumerate(spec.examples)]
    refuse([FieldViolation(field=f"{prefix}.{field}", description=problem) for field, problem in problems if problem])


def _example_problem(example: object, validator: SchemaValidator | None) -> str | None:
    if not isinstance(example, str):
        return wrong_type("examples", example, "JSON text").description
    if CLEAN.fullmatch(example) is None:
        return f"{quoted(example)} has a NUL or a lone surrogate; right is JSON text"
    data = example.encode()
    if len(data) > LONGEST_EXAMPLE:
        return f"has {len(data)} bytes; right are at most {LONGEST_EXAMPLE}"
    problem = json_problem(data)
    if problem is not None:
        return f"{problem}; right is JSON text (RFC 8259)"
    return None if validator is None else validator.problem(data)
