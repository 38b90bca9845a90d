"""CEL expressions over an event: filters and transforms, checked when they are saved and bounded when they run.

The evaluator is fast and reaches nothing outside of the expression, but it sets no bounds of its own. So an
expression is parsed and its cost estimated once. What is provably cheap for an event is evaluated on the
spot, in microseconds; everything else belongs into a process that can be killed (`cel_process`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from hookline.body.cel_check import Checker, Findings
from hookline.body.cel_cost import NEVER, Estimate
from hookline.body.cel_library import compile_program
from hookline.body.cel_syntax import ExpressionProblem, Node, parse, shown
from hookline.body.cel_values import ShapingError, variables, write
from hookline.errors import HooklineError
from hookline.model.event import Event

if TYPE_CHECKING:
    import cel

LONGEST_EXPRESSION: Final = 4096
"""Bytes."""
LARGEST_ON_THE_SPOT: Final = 16 * 1024
"""Bytes of data."""
SPAN_ON_THE_SPOT: Final = 2_000_000.0
"""Nanoseconds, by the upper bound; the usual is a hundredth."""
LARGEST_GROWTH: Final = 64 * 1024 * 1024
"""Bytes that an expression may make, by the upper bound, of an event with 1 KiB of data."""

_SIZES: Final = (
    *((512, 32), (2_048, 64), (4_096, 128), (4_096, 400)),
    *((LARGEST_ON_THE_SPOT, 64), (LARGEST_ON_THE_SPOT, 300), (LARGEST_ON_THE_SPOT, 560)),
)
"""Of data, in bytes and elements: for each the cost is estimated."""
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

    `reads` are fields of the event, `members` those of its data, None for all of it. `costs` are upper bounds
    for data of at most so many bytes and elements, in nanoseconds, the smallest first.
    """

    source: str
    reads: tuple[str, ...]
    members: tuple[str, ...] | None
    costs: tuple[tuple[int, int, float], ...]
    program: "cel.Program"

    def cost(self, event: Event) -> float:
        """What it takes at most to evaluate it for this event, in nanoseconds."""
        if "data" not in self.reads:
            return self.costs[0][2]
        data = event.data
        if len(data) > LARGEST_ON_THE_SPOT:
            return NEVER
        # Each element has a comma behind it, or is the last in a pair of brackets.
        elements = data.count(b",") + data.count(b"[") + data.count(b"{")
        return next((cost for length, most, cost in self.costs if len(data) <= length and elements <= most), NEVER)

    def cheap(self, event: Event) -> bool:
        """Whether it is evaluated for this event in two milliseconds at most."""
        return self.cost(event) <= SPAN_ON_THE_SPOT

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
    found = checker.findings
    return Expression(
        source=source,
        reads=tuple(sorted(found.reads)),
        members=None if found.whole_data else tuple(sorted(found.members)),
        costs=tuple((length, elements, _cost(source, tree, found, length, elements)) for length, elements in _SIZES),
        program=program,
    )


def _cost(source: str, tree: Node, found: Findings, length: int, elements: int) -> float:
    estimate = Estimate(source, length=length, elements=elements)
    return estimate.of(tree).time + (estimate.reading if "data" in found.reads else 0.0)


def _said(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"there is no field {str(error)[:_LONGEST_MESSAGE]}; has(…) asks whether there is one"
    text = str(error).partition(". ")[0].rstrip(".")
    return text[:_LONGEST_MESSAGE] or type(error).__name__
