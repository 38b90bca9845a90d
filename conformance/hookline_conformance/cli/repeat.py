"""The command that runs the same again, made from the one that was given."""

import shlex
from collections.abc import Sequence
from typing import Final

from hookline_conformance.cli.secrets import VARIABLES

PROGRAM: Final = "hookline-conformance"

# The runner adds what narrows the run, and its mode; files are not to be written over.
_FLAGS: Final = frozenset({"--quick", "--thorough"})
_LEFT_OUT: Final = frozenset({"--only", "--seed", "--level", "--area", "--json", "--junit", "--markdown", "--html", "--badge"})


def repeat_command(arguments: Sequence[str]) -> str:
    """The command line of `arguments` for a shell: without what selects, and with its variable for each secret."""
    words = [PROGRAM]
    rest = list(arguments)
    secrets = {option: list(names) for option, names in VARIABLES.items()}
    while rest:
        word = rest.pop(0)
        name, equals, _ = word.partition("=")
        if (name in _LEFT_OUT or name in secrets) and not equals and rest:
            rest.pop(0)
        if name in secrets:
            names = secrets[name]
            words += [name, f'"${names.pop(0) if len(names) > 1 else names[0]}"']
        elif name not in _LEFT_OUT | _FLAGS:
            words.append(shlex.quote(word))
    return " ".join(words)
