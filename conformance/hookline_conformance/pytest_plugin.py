"""Runs the suite within pytest, one test a requirement.

    import pytest
    from hookline_conformance.pytest_plugin import Receiver

    @pytest.fixture(scope="session")
    def hookline_receiver(live_server):
        return Receiver(url=f"{live_server.url}/hooks", secret="whsec_…", effects=my_effects)

    @pytest.mark.hookline_conformance(scheme="stripe")
    def test_webhooks(hookline_requirement):
        hookline_requirement.hold()

`my_effects` is called (or awaited) and gives `{"effects": {"<event id>": count}, "total": n}`. A MUST that fails
fails its test; a SHOULD or MAY, and a failure declared in the file of known failures, is an expected failure; what
cannot be checked is skipped with its reason; no verdict is an error raised in every test.

pytest loads this module wherever hookline is installed: so it imports nothing of the suite, nor anything of the
extra `conformance`, until a test asks for it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from hookline_conformance.under_pytest import Case

MARKER: Final = "hookline_conformance"
FIXTURE: Final = "hookline_requirement"

Effects = Callable[[], Mapping[str, Any] | Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """The receiver under test, as the fixture `hookline_receiver` gives it.

    `effects` tells the effects so far; without it, what needs them is skipped. `more_secrets` are others that the
    receiver accepts too, and `retired_secrets` ones that it accepted before, for rotation. `restart` ends the
    receiver, starts it again on what it stored, and returns (or can be awaited) once that is done. `parameters`
    are those of the schemes `custom` and `http-message`.
    """

    url: str
    secret: str = field(repr=False)
    effects: Effects | None = None
    more_secrets: tuple[str, ...] = field(default=(), repr=False)
    retired_secrets: tuple[str, ...] = field(default=(), repr=False)
    restart: Callable[[], Awaitable[None] | None] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What the marker selects.

    `level`: this level and stronger ones. `areas` and `only`: only these areas and requirements, all when empty.
    `mode`: `quick`, `full` or `thorough`. `safe`: polite requests only. `known`: the file of known failures.
    """

    scheme: str
    level: str = "MAY"
    areas: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    mode: str = "quick"
    seed: int = 0
    safe: bool = False
    known: str | Path | None = None


class UnexpectedPass(UserWarning):
    """A requirement that is declared as failing holds: its entry in the file of known failures can go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementUnderTest:
    """One requirement and the receiver that is held to it."""

    receiver: Receiver
    case: "Case"

    @property
    def id(self) -> str:
        """The requirement's id, such as SIG-003."""
        return self.case.requirement.id

    def hold(self) -> None:
        """See that the receiver meets the requirement; the outcome is that of the test."""
        __tracebackhide__ = True
        self.case.hold(self.receiver)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(scheme, level='MAY', areas=(), only=(), mode='quick', seed=0, safe=False, known=None): "
        f"which requirements the fixture {FIXTURE} goes through",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each requirement that the marker selects."""
    if FIXTURE not in metafunc.fixturenames:
        return
    where = metafunc.definition.nodeid
    marker = metafunc.definition.get_closest_marker(MARKER)
    if marker is None:
        raise pytest.UsageError(f"{where}: say what is tested: @pytest.mark.{MARKER}(scheme='standard')")
    try:
        # Only now: what the suite needs may not be installed.
        from hookline_conformance.under_pytest import cases  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise pytest.UsageError(f"{where}: {error.name} is not installed: pip install 'hookline[conformance]'") from error
    try:
        chosen = cases(Selection(*marker.args, **marker.kwargs))
    except (TypeError, ValueError) as error:
        raise pytest.UsageError(f"{where}: {MARKER}: {error}") from error
    metafunc.parametrize(FIXTURE, chosen, indirect=True, ids=[case.requirement.id for case in chosen])


@pytest.fixture
def hookline_requirement(request: pytest.FixtureRequest, hookline_receiver: Receiver) -> RequirementUnderTest:
    """A requirement, and the receiver that the fixture `hookline_receiver` gives."""
    return RequirementUnderTest(receiver=hookline_receiver, case=request.param)
