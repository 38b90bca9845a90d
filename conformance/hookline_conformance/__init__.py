"""The conformance suite: numbered verdicts on any webhook sender and any webhook receiver.

The decorator that registers checks is `hookline_conformance.check.check`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from hookline_conformance.check import Check, Died, Lack, NotChecked, NoVerdict, Target, Violation, checks_binding
    from hookline_conformance.exchange import Exchange
    from hookline_conformance.explore import Mode, Plan, for_all, run_machine
    from hookline_conformance.known import Known, KnownError, load_known
    from hookline_conformance.requirement import Binds, Catalogue, CatalogueError, Level, Requirement, Source, load_catalogue
    from hookline_conformance.runner import Options, OptionsError, run
    from hookline_conformance.verdict import Report, Status, Verdict

__all__ = [
    "Binds",
    "Catalogue",
    "CatalogueError",
    "Check",
    "Died",
    "Exchange",
    "Known",
    "KnownError",
    "Lack",
    "Level",
    "Mode",
    "NoVerdict",
    "NotChecked",
    "Options",
    "OptionsError",
    "Plan",
    "Report",
    "Requirement",
    "Source",
    "Status",
    "Target",
    "Verdict",
    "Violation",
    "checks_binding",
    "for_all",
    "load_catalogue",
    "load_known",
    "run",
    "run_machine",
]

_HOMES: Final = {
    "Check": "hookline_conformance.check",
    "Died": "hookline_conformance.check",
    "Lack": "hookline_conformance.check",
    "NotChecked": "hookline_conformance.check",
    "NoVerdict": "hookline_conformance.check",
    "Target": "hookline_conformance.check",
    "Violation": "hookline_conformance.check",
    "checks_binding": "hookline_conformance.check",
    "Exchange": "hookline_conformance.exchange",
    "Mode": "hookline_conformance.explore",
    "Plan": "hookline_conformance.explore",
    "for_all": "hookline_conformance.explore",
    "run_machine": "hookline_conformance.explore",
    "Known": "hookline_conformance.known",
    "KnownError": "hookline_conformance.known",
    "load_known": "hookline_conformance.known",
    "Binds": "hookline_conformance.requirement",
    "Catalogue": "hookline_conformance.requirement",
    "CatalogueError": "hookline_conformance.requirement",
    "Level": "hookline_conformance.requirement",
    "Requirement": "hookline_conformance.requirement",
    "Source": "hookline_conformance.requirement",
    "load_catalogue": "hookline_conformance.requirement",
    "Options": "hookline_conformance.runner",
    "OptionsError": "hookline_conformance.runner",
    "run": "hookline_conformance.runner",
    "Report": "hookline_conformance.verdict",
    "Status": "hookline_conformance.verdict",
    "Verdict": "hookline_conformance.verdict",
}
"""Where each name stands. It is imported on first use, since pytest imports this package to find the plugin in it,
wherever hookline is installed, and the extra `conformance` may not be there."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
