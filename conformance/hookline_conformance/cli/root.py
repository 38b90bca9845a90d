"""The whole command line, and how errors leave it: one line, an exit code, never a traceback."""

import os
import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from hookline_conformance.check import NoVerdict
from hookline_conformance.cli.api import api
from hookline_conformance.cli.catalogue import catalogue
from hookline_conformance.cli.exits import EXPLAINED, ExitCode, UsageError
from hookline_conformance.cli.receiver import receiver
from hookline_conformance.cli.repeat import PROGRAM
from hookline_conformance.cli.sender import sender
from hookline_conformance.known import KnownError
from hookline_conformance.requirement import CatalogueError
from hookline_conformance.runner import OptionsError
from hookline_conformance.schemes.scheme import SecretError


class _Group(TyperGroup):
    """A group of commands that ends quietly when nobody reads its output any more."""

    def invoke(self, ctx: Any) -> Any:  # typer's own context type is not public
        """Run the command."""
        try:
            answer = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # What is still buffered cannot be written; the interpreter must not try again when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(ExitCode.BROKEN_PIPE) from None
        return answer


app = typer.Typer(
    cls=_Group, name=PROGRAM, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXPLAINED
)
app.command("receiver")(receiver)
app.command("sender")(sender)
app.command("api")(api)
app.command("catalogue")(catalogue)


@app.callback()
def hookline_conformance() -> None:
    """Prove a webhook sender or receiver right or wrong, in any language, against published requirements."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `arguments` (the process's own by default); the exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        answer = app(args=words, prog_name=PROGRAM, standalone_mode=False, obj=words)
    except TyperException as error:
        message = error.format_message().removesuffix(".")
        # Without arguments the help is printed already.
        return _complain(message[:1].lower() + message[1:]) if words else ExitCode.NO_VERDICT
    except (UsageError, OptionsError, KnownError, CatalogueError, SecretError) as error:
        return _complain(str(error))
    except NoVerdict as reason:
        return _complain(f"no verdict: {reason}")
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED
    return answer if isinstance(answer, int) else ExitCode.CONFORMS


def _complain(message: str) -> int:
    print(f"{PROGRAM}: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201 - it is the program's own voice
    return ExitCode.NO_VERDICT


def run() -> None:
    """The console script."""
    sys.exit(main())
