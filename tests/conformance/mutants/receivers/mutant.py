"""What a mutant of a receiver is, and how one is declared."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from conformance.mutants.receivers.reference import Receiver, Standard

Line = Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """What is wrong with it, the requirement it breaks, the good receiver it comes from and what it replaces there."""

    name: str
    requirement: str
    base: type[Receiver]
    method: str
    line: object
    deadline: float = 5.0

    def receiver(self) -> Receiver:
        """A new one, not started."""
        return type("Mutant", (self.base,), {self.method: self.line})()

    def __str__(self) -> str:
        return f"{self.requirement}: {self.name}"


MUTANTS: list[Mutant] = []


def mutant(
    requirement: str, name: str, method: str, line: object, *, base: type[Receiver] = Standard, deadline: float = 5.0
) -> None:
    """Declare a mutant whose line is an expression, or an attribute's value."""
    getattr(base, method)  # what is replaced exists
    MUTANTS.append(Mutant(name=name, requirement=requirement, base=base, method=method, line=line, deadline=deadline))


def broken(
    requirement: str, name: str, method: str, *, base: type[Receiver] = Standard, deadline: float = 5.0
) -> Callable[[Line], Line]:
    """Declare the decorated function as the line of a mutant."""

    def register(line: Line) -> Line:
        mutant(requirement, name, method, line, base=base, deadline=deadline)
        return line

    return register
