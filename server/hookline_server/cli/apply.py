"""`hookline apply`: makes subscriptions and event types stand as a file declares."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.text import Text

from hookline.errors import HooklineError, quoted
from hookline_server.cli import declared
from hookline_server.cli.call import Call, calls
from hookline_server.cli.exits import CommandError, UsageError, exit_code
from hookline_server.cli.output import Output, clean
from hookline_server.cli.plan import Action, Step, carry_out, plan

STYLES: Final = {Action.CREATE: ("+", "green"), Action.UPDATE: ("~", "yellow"), Action.DELETE: ("-", "red")}
SHOWN_HEADERS: Final = "***"
HIDDEN: Final = frozenset({"headers", "retry_headers", "signature_parameters", "authentication", "client_certificate"})
"""Fields whose values may be credentials: their names are shown alone."""


@calls
async def apply(
    call: Call,
    file: Annotated[Path, typer.Option("--file", "-f", help="The YAML file; - is standard input.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune", help="Delete what the file does not declare: event types, and subscriptions with a name (others stay)."
        ),
    ] = False,
) -> None:
    """Make subscriptions and event types stand as a YAML file declares; shows what would change first, and asks.

    A subscription is known by its label `name`, a second run changes nothing, and a section
    (subscriptions, event_types) that the file does not have is left alone.
    """
    wanted = declared.read(file, _text(file))
    steps = await plan(call.client, wanted, prune=prune)
    if not call.out.as_json:
        for step in steps:
            _show(call.out, step)
    if steps and not dry_run:
        _agree(steps, yes=yes, from_stdin=str(file) == "-")
        await _carry_out(call, steps)
    _report(call.out, steps, made=0 if dry_run else len(steps), done=not dry_run)


async def _carry_out(call: Call, steps: list[Step]) -> None:
    """Make the changes one by one. Raises CommandError that says how many were made."""
    for made, step in enumerate(steps):
        account = f"{made} of {len(steps)} changes were made"
        try:
            await carry_out(call.client, step)
        except HooklineError as error:
            if call.out.as_json:
                _report(call.out, steps, made=made, done=False)
            raise CommandError(
                f"{step.action} {step.kind} {quoted(step.name)}: {error.message}; {account}; see to that and run it again: "
                "it makes those that are missing",
                exit_code(error),
            ) from error
        except asyncio.CancelledError:
            call.out.note(f"{account}, or one more; run it again: it makes those that are missing")
            raise


def _agree(steps: list[Step], *, yes: bool, from_stdin: bool) -> None:
    """Ask. Raises UsageError where there is nobody to answer, typer.Abort for a no."""
    if yes:
        return
    if from_stdin or not sys.stdin.isatty():
        raise UsageError(f"there are {len(steps)} changes and nobody to ask; add --yes to make them, or --dry-run to see them only")
    typer.confirm(f"Make these {len(steps)} changes?", abort=True, err=True)


def _report(out: Output, steps: list[Step], *, made: int, done: bool) -> None:
    counts = {action.value: sum(step.action is action for step in steps) for action in Action}
    if out.as_json:
        items = [
            {
                "action": step.action,
                "kind": step.kind,
                "name": step.name,
                "changes": [_json(step, change.field) for change in step.changes],
            }
            for step in steps
        ]
        out.json({"applied": done, "made": made, **counts, "items": items})
    elif not steps:
        out.line("no changes")
    else:
        summary = ", ".join(f"{counts[action.value]} {action.value}d" for action in Action)
        out.line(summary if done else f"would be: {summary}")


def _show(out: Output, step: Step) -> None:
    sign, style = STYLES[step.action]
    out.line(Text(f"{sign} {step.kind} {clean(step.name)}", style=style))
    for change in step.changes:
        known = _json(step, change.field)
        before, after = (clean(json.dumps(known[side], ensure_ascii=False)) for side in ("before", "after"))
        out.line(f"    {change.field}: {after}" if step.action is Action.CREATE else f"    {change.field}: {before} → {after}")


def _json(step: Step, field: str) -> dict[str, object]:
    """A change as it may be shown: the values of headers are often credentials."""
    change = next(change for change in step.changes if change.field == field)
    if field not in HIDDEN:
        return {"field": field, "before": change.before, "after": change.after}
    before, after = (
        dict.fromkeys(side, SHOWN_HEADERS) if isinstance(side, dict) else side for side in (change.before, change.after)
    )
    return {"field": field, "before": before, "after": after}


def _text(path: Path) -> str:
    try:
        return sys.stdin.buffer.read().decode() if str(path) == "-" else path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--file: cannot read {path} ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--file: {path} is not UTF-8") from error
