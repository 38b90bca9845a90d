"""CEL expressions over an event: filters and transforms, checked when they are saved and bounded when they run.

The evaluator is fast and reaches nothing outside of the expression, but it sets no bounds of its own. So an
expression is parsed and its cost estimated once. What is provably cheap for an event is evaluated on the
spot, in microseconds; everything else belongs into a process that can be killed (`cel_process`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from hookline.body.cel_check import Checker
from hookline.body.cel_cost import Estimate
from hookline.body.cel_library import compile_program
from hookline.body.cel_syntax import ExpressionProblem, parse, shown
from hookline.body.cel_values import ShapingError, variables, write
from hookline.errors import HooklineError
from hookline.model.event import Event

if TYPE_CHECKING:
    import cel

LONGEST_EXPRESSION: Final = 4096
"""Bytes."""
LARGEST_ON_THE_SPOT: Final = 16 * 1024
"""Bytes of data."""
SPAN_ON_THE_SPOT: Final = 1_000_000.0
"""Nanoseconds, by the upper bound; the usual is a hundredth."""
LARGEST_GROWTH: Final = 64 * 1024 * 1024
"""Bytes that an expression may make, by the upper bound, of an event with 1 KiB of data."""

_ELEMENTS: Final = (4_000, 1_000, 400, 200, 128, 64, 32)
_REMEMBERED: Final = 4_096
_LONGEST_MESSAGE: Final = 300
_CONTRADICTIONS: Final = (LookupError, ArithmeticError, ValueError, TypeError, RuntimeError)
"""What the evaluator raises when an expression has no value."""


class ExpressionError(HooklineError):
    """The text is no expression that can be used; the message says where and why."""

    reason = "EXPRESSION"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Expression:
    """A compiled expression.

    `reads` are fields of the event, `members` those of its data, None for all of it. `elements` is how many
    commas the data may have for it to be cheap; -1: it never is.
    """

    source: str
    reads: tuple[str, ...]
    members: tuple[str, ...] | None
    elements: int
    program: "cel.Program"

    def cheap(self, event: Event) -> bool:
        """Whether it is evaluated for this event in a few milliseconds at most."""
        if "data" not in self.reads:
            return self.elements >= 0
        data = event.data
        return len(data) <= LARGEST_ON_THE_SPOT and self.elements >= 0 and data.count(b",") < self.elements

    def evaluate(self, event: Event) -> Any:
        """Its value. Unbounded unless it is cheap. Raises ShapingError."""
        given = variables(event, self.reads, self.members)
        try:
            return self.program.execute(given)
        except _CONTRADICTIONS as error:
            raise ShapingError(_said(error)) from error
        except BaseException as error:
            if type(error).__module__ == "pyo3_runtime":  # a panic of the evaluator: an error like any other
                raise ShapingError("the evaluator failed") from error
            raise

    def admits(self, event: Event) -> bool:
        """Its value as a filter. Raises ShapingError if it has none, or none that is true or false."""
        value = self.evaluate(event)
        if value is True or value is False:
            return value
        raise ShapingError(f"the filter's value is of type {type(value).__name__}; right is true or false")

    def transform(self, event: Event) -> bytes:
        """Its value as a transform, in JSON. Raises ShapingError."""
        return write(self.evaluate(event))


@lru_cache(maxsize=_REMEMBERED)
def compile_filter(source: str) -> Expression:
    """A filter. Raises ExpressionError."""

    def check(kind: str) -> None:
        if kind not in {"bool", "dyn"}:
            raise ExpressionProblem(0, f"the filter is of type {kind}; right is one that is true or false")

    return _compile(source, check)


@lru_cache(maxsize=_REMEMBERED)
def compile_transform(source: str) -> Expression:
    """A transform. Raises ExpressionError."""

    def check(kind: str) -> None:
        if kind == "type":
            raise ExpressionProblem(0, "the transform's value is a type, which JSON does not have")

    return _compile(source, check)


def _compile(source: str, check: Callable[[str], None]) -> Expression:
    size = len(source.encode("utf-8", "surrogatepass"))
    if size > LONGEST_EXPRESSION:
        raise ExpressionError(f"has {size} bytes; right are at most {LONGEST_EXPRESSION}")
    try:
        tree = parse(source)
        checker = Checker()
        check(checker.check(tree))
        if Estimate(source, length=1024, elements=64).of(tree).size > LARGEST_GROWTH:
            raise ExpressionProblem(0, "what it makes grows with each of its loops, beyond all bounds; right are fewer")
    except ExpressionProblem as problem:
        raise ExpressionError(shown(source, problem.position, problem.problem)) from problem
    try:
        program = compile_program(source)
    except ValueError as error:  # the evaluator knows the language a little differently
        raise ExpressionError(f"cannot be compiled: {str(error).partition('ERROR: ')[2] or error}") from error
    elements = next(
        (
            count
            for count in _ELEMENTS
            if Estimate(source, length=LARGEST_ON_THE_SPOT, elements=count).of(tree).time <= SPAN_ON_THE_SPOT
        ),
        -1,
    )
    found = checker.findings
    return Expression(
        source=source,
        reads=tuple(sorted(found.reads)),
        members=None if found.whole_data else tuple(sorted(found.members)),
        elements=elements,
        program=program,
    )


def _said(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"there is no field {str(error)[:_LONGEST_MESSAGE]}; has(…) asks whether there is one"
    text = str(error).partition(". ")[0].rstrip(".")
    return text[:_LONGEST_MESSAGE] or type(error).__name__
