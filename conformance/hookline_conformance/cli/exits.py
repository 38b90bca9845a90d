"""What the exit codes mean, and the errors that end a command without a verdict."""

from enum import IntEnum
from typing import Final


class ExitCode(IntEnum):
    """Exit codes; 130 and 141 are what shells give to Ctrl-C and to a pipe that was closed."""

    CONFORMS = 0
    FAILS = 1
    NO_VERDICT = 2
    INTERRUPTED = 130
    BROKEN_PIPE = 141


EXPLAINED: Final = (
    "Exit codes: 0 no MUST fails unexpectedly; 1 one does; 2 no verdict: wrong usage, bad input, or a target that "
    "does not answer; 130 Ctrl-C."
)


class UsageError(ValueError):
    """What stands on the command line cannot be used: the message names the option, the value and the remedy."""
