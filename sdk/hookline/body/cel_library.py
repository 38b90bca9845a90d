"""The evaluator of CEL, without the terminal application that its package begins with.

`import cel` loads a prompt toolkit and a command line, measured at a quarter of a second, for each process
that imports hookline, whether it has an expression or not. The evaluator is the extension module `cel.cel`
within it and takes a few milliseconds.
"""

import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Any, Final

_NAME: Final = "cel.cel"


def _load() -> Any:
    package = find_spec("cel")
    locations = None if package is None else package.submodule_search_locations
    spec = PathFinder.find_spec(_NAME, locations)
    if spec is None or spec.loader is None:  # a release that is laid out in another way
        import cel  # noqa: PLC0415 - the way that costs, only where there is no other

        return cel
    found = sys.modules.get(_NAME)
    if found is None:
        found = sys.modules[_NAME] = module_from_spec(spec)
        spec.loader.exec_module(found)
    return found


compile_program: Final = _load().compile
"""Text to a program; ValueError if it is none."""
