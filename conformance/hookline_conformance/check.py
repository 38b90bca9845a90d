"""Checks: the registered coroutines that look at requirements, and what they may raise.

Outcome (Exception)
├── Violation    the target breaks a requirement
├── Died         the target has stopped answering
├── NotChecked   it cannot be looked at here, and why
└── NoVerdict    the whole run cannot say anything: the target does not answer, a probe errs
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from hookline_conformance.exchange import Exchange
from hookline_conformance.explore import Plan
from hookline_conformance.requirement import Binds, load_catalogue


class Outcome(Exception):
    """What a check raises when it does not simply pass."""


class Violation(Outcome):
    """The target breaks `requirement_id`.

    `example` says the input in one or more lines, where it was generated.
    """

    def __init__(
        self, requirement_id: str, *, expected: str, got: str, exchanges: Iterable[Exchange] = (), example: str = ""
    ) -> None:
        super().__init__(f"{requirement_id}: expected {expected}, got {got}")
        self.requirement_id = requirement_id
        self.expected = expected
        self.got = got
        self.exchanges = tuple(exchanges)
        self.example = example


class Died(Outcome):
    """The target answered, and then stopped; `check` made the last exchange, and `requirements` are what this breaks."""

    def __init__(
        self, check: "Check", requirements: Iterable[str], *, expected: str, got: str, exchanges: Iterable[Exchange]
    ) -> None:
        super().__init__(got)
        self.check = check
        self.requirements = tuple(requirements)
        self.expected = expected
        self.got = got
        self.exchanges = tuple(exchanges)


class NotChecked(Outcome):
    """The requirement cannot be looked at with this target and these options; the message says why."""


class NoVerdict(Outcome):
    """The run cannot reach any verdict; the message says why in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """Why a target does not give what a check needs.

    `unsupported`: the target declares that it has no such feature; else it may have it, and cannot be seen.
    """

    reason: str
    unsupported: bool = False


class Target(ABC):
    """What is under test: a receiver, a sender or an emission API, and the ways to drive and watch it."""

    binds: ClassVar[Binds]

    plan: Plan = Plan()
    """Seed, mode and number of examples of the running check; the runner sets it before each."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What a report calls it: a URL, an address."""

    @property
    @abstractmethod
    def scheme(self) -> str | None:
        """The signature scheme it was said to use; None where there is none."""

    @abstractmethod
    def lacks(self, need: str) -> Lack | None:
        """Why the named need of a check is not met; None when it is."""

    @abstractmethod
    def command(self) -> str:
        """The command that runs the suite against this target, secrets masked, without `--only` and `--seed`."""

    @abstractmethod
    async def open(self) -> None:
        """Prepare, and see that the target answers; raises `NoVerdict`."""

    @abstractmethod
    async def close(self) -> None:
        """Release what `open` took."""

    async def before(self, check: "Check") -> None:  # noqa: B027  # most targets need nothing here
        """Prepare for one check; nothing by default."""

    async def confirm(self) -> None:  # noqa: B027  # a target that is driven by an adapter says so itself
        """See that the target still answers, where it might not; raises `Died`."""

    async def revive(self) -> bool:
        """Let a target that died answer again; False where it does not."""
        return False

    def exchanges(self) -> tuple[Exchange, ...]:
        """The last exchanges, for a violation that names none; none by default."""
        return ()


AnyTarget = TypeVar("AnyTarget", bound=Target)
CheckFunction = Callable[[AnyTarget], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A registered check. `polite`: may run under `--safe`; `quick`: runs under `--quick`."""

    name: str
    requirements: tuple[str, ...]
    function: Callable[..., Awaitable[None]]
    needs: tuple[str, ...]
    polite: bool
    quick: bool
    binds: Binds


_CHECKS: dict[str, Check] = {}


def check(
    *requirements: str, needs: tuple[str, ...] = (), polite: bool = False, quick: bool = True
) -> Callable[[CheckFunction[AnyTarget]], CheckFunction[AnyTarget]]:
    """Register a coroutine function as the check of these requirements, which must bind one side.

    Raises `CatalogueError` for an id that the catalogue lacks, and ValueError for a second check of the
    same name or requirements that bind different sides.
    """
    catalogue = load_catalogue()
    sides = {catalogue[requirement].binds for requirement in requirements}
    if len(sides) != 1:
        raise ValueError(f"a check belongs to one side, and {', '.join(requirements) or 'no requirement'} names {len(sides)}")
    (binds,) = sides

    def register(function: CheckFunction[AnyTarget]) -> CheckFunction[AnyTarget]:
        name = f"{binds}.{getattr(function, '__name__', repr(function))}"
        if name in _CHECKS:
            raise ValueError(f"two checks are called {name}")
        _CHECKS[name] = Check(
            name=name,
            requirements=requirements,
            function=function,
            needs=needs,
            polite=polite,
            quick=quick,
            binds=binds,
        )
        return function

    return register


def checks_binding(binds: Binds) -> tuple[Check, ...]:
    """The registered checks of one side, ordered by requirement and name.

    A side's checks are registered when its package (`hookline_conformance.receiver` and so on) is imported.
    """
    return tuple(
        sorted((item for item in _CHECKS.values() if item.binds is binds), key=lambda item: (item.requirements, item.name))
    )
