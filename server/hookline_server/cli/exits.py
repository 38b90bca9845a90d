"""What a command's exit code means; `hookline --help` lists the same."""

from enum import IntEnum

from hookline.errors import (
    AlreadyExists,
    Conflict,
    DeadlineExceeded,
    HooklineError,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    Unavailable,
)
from hookline_server.settings import SettingsError


class ExitCode(IntEnum):
    """Exit codes; 130 and 141 are what shells give to Ctrl-C and to a pipe that was closed."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    UNAVAILABLE = 5
    INTERRUPTED = 130
    BROKEN_PIPE = 141


EXPLAINED = (
    "Exit codes: 0 done; 1 refused or failed; 2 wrong usage or bad input; 3 not found; "
    "4 conflict (etag, or the same id with other content); 5 unavailable or no answer in time: try again later; "
    "130 Ctrl-C; 141 nobody reads the output."
)


class CommandError(HooklineError):
    """A command cannot do what it was asked: its message says why, in one line; `exit_code` is what the process ends with."""

    reason = "COMMAND"

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.FAILED) -> None:
        """Say `message`."""
        super().__init__(message)
        self.exit_code = exit_code


class UsageError(CommandError):
    """What stands on the command line, or in a file that it names, cannot be understood."""

    def __init__(self, message: str) -> None:
        """Say `message`."""
        super().__init__(message, ExitCode.USAGE)


def exit_code(error: HooklineError) -> ExitCode:
    """The exit code for an error of hookline's."""
    match error:
        case CommandError():
            return error.exit_code
        case InvalidArgument() | SettingsError():
            return ExitCode.USAGE
        case NotFound():
            return ExitCode.NOT_FOUND
        case Conflict() | AlreadyExists():
            return ExitCode.CONFLICT
        case Unavailable() | DeadlineExceeded() | ResourceExhausted():
            return ExitCode.UNAVAILABLE
        case _:
            return ExitCode.FAILED
