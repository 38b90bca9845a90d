"""The whole command line, and how errors leave it: one line, an exit code, never a traceback."""

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from pydantic import ValidationError
from typer.core import TyperGroup
from typer.exceptions import TyperException

from hookline.errors import HooklineError, quoted
from hookline_server.cli import admin, deliveries, event_types, profiles, replay, subscriptions
from hookline_server.cli.apply import apply
from hookline_server.cli.call import PANEL, AsJson, Reach, Store
from hookline_server.cli.demo import demo
from hookline_server.cli.emit import emit
from hookline_server.cli.exits import EXPLAINED, ExitCode, exit_code
from hookline_server.cli.output import complain
from hookline_server.cli.receive import receive
from hookline_server.cli.serve import serve
from hookline_server.cli.tail import tail
from hookline_server.cli.verify import verify

DEBUG: Final = "--debug"


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
    cls=_Group, name="hookline", no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXPLAINED
)
app.command("serve")(serve)
app.command("demo")(demo)
app.command("emit")(emit)
app.add_typer(subscriptions.app, name="subscriptions")
app.add_typer(profiles.app, name="profiles")
app.command("apply")(apply)
app.add_typer(deliveries.app, name="deliveries")
app.command("tail")(tail)
app.add_typer(event_types.app, name="event-types")
app.add_typer(replay.app, name="replay")
app.command("stats")(admin.stats)
app.command("receive")(receive)
app.command("verify")(verify)
app.command("backup")(admin.backup)
app.command("migrate")(admin.migrate)
app.command("protos")(admin.protos)
app.command("version")(admin.version)


@app.callback()
def hookline(
    context: typer.Context,
    *,
    server: Annotated[
        str | None,
        typer.Option(
            "--server",
            metavar="HOST:PORT",
            envvar="HOOKLINE_SERVER",
            help="The server to call.",
            show_default="127.0.0.1:50051",
            rich_help_panel=PANEL,
        ),
    ] = None,
    token: Annotated[
        str | None, typer.Option("--token", envvar="HOOKLINE_TOKEN", help="The server's token.", rich_help_panel=PANEL)
    ] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", envvar="HOOKLINE_TENANT", help="Whose events these are.", rich_help_panel=PANEL)
    ] = None,
    tls: Annotated[
        bool | None, typer.Option("--tls/--no-tls", help="Speak TLS, and trust the system's authorities.", rich_help_panel=PANEL)
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option(
            "--ca", envvar="HOOKLINE_CA", help="Speak TLS, and trust the authorities in this PEM file.", rich_help_panel=PANEL
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            envvar="HOOKLINE_TIMEOUT",
            metavar="SECONDS",
            help="How long a call may take, retries included.",
            show_default="30",
            rich_help_panel=PANEL,
        ),
    ] = None,
    store: Store = None,
    as_json: AsJson = None,
    debug: Annotated[bool, typer.Option(DEBUG, help="Show the traceback of a fault in hookline itself.")] = False,
) -> None:
    """Delivers events as signed webhooks.

    `hookline serve` starts a server, `hookline demo` shows the whole in under a minute.

    Options about the connection and --json stand here or behind the command.
    """
    context.obj = Reach(server=server, token=token, tenant=tenant, tls=tls, ca=ca, timeout=timeout, store=store, as_json=as_json)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; its exit code."""
    code: object = ExitCode.FAILED
    try:
        code = app(args=list(arguments), prog_name="hookline", standalone_mode=False) or ExitCode.OK
    except HooklineError as error:
        complain(error.message)
        code = exit_code(error)
    except TyperException as error:
        code = _usage(error)
    except typer.Abort:
        complain("nothing was done")
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    except SystemExit as end:
        code = end.code
    except OSError as error:
        complain(f"{error.filename or 'the operating system'}: {error.strerror or error}")
    except Exception as error:
        if DEBUG in arguments:
            raise
        complain(f"a fault in hookline ({type(error).__name__}: {error}); {DEBUG} before the command shows where")
    return code if isinstance(code, int) else ExitCode.FAILED


def main() -> NoReturn:
    """The console script."""
    _speak()
    sys.exit(run(sys.argv[1:]))


def _usage(error: TyperException) -> int:
    """A command line that cannot be understood; the help, where nothing was asked for."""
    if type(error).__name__ == "NoArgsIsHelpError":
        return ExitCode.USAGE  # the help is printed already
    message = _wrong_value(error) or error.format_message().removesuffix(".")
    complain(message[:1].lower() + message[1:])
    return error.exit_code


def _wrong_value(error: TyperException) -> str:
    """The option, its value and what would be right, where typer has the value checked and repeats the checker's words alone."""
    names = getattr(getattr(error, "param", None), "opts", None)
    if not names or not isinstance(error.__cause__, ValidationError):
        return ""
    name, problem = max(names, key=len), error.__cause__.errors()[0]
    bounds = problem.get("ctx", {})
    match problem["type"]:
        case "value_error":  # typer's own words, which name the value and the choices
            return f"{name}: {bounds['error']}".removesuffix(".")
        case "greater_than_equal":
            right = f"{bounds['ge']} or more"
        case "less_than_equal":
            right = f"at most {bounds['le']}"
        case kind if kind.startswith("int_"):
            right = "a whole number"
        case kind if kind.startswith("float_"):
            right = "a number"
        case _:
            right = bounds.get("expected") or problem["msg"]
    return f"{name}: {quoted(problem['input'])} is not right; right is {right}"


def _speak() -> None:
    """Have a terminal or a pipe that takes no UTF-8 get a question mark for what it cannot show, rather than fail."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
