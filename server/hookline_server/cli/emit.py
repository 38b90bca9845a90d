"""`hookline emit`: one event from flags or standard input, or a file of them."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from hookline.model import JSON, EventSpec
from hookline_server.cli.call import Call, calls
from hookline_server.cli.emit_file import emit_file
from hookline_server.cli.exits import UsageError
from hookline_server.cli.output import when
from hookline_server.cli.values import optional_moment, pairs

STDIN = "-"


@calls
async def emit(
    call: Call,
    *,
    event_type: Annotated[
        str, typer.Argument(metavar="[TYPE]", help="The event's type, like invoice.paid.", show_default=False)
    ] = "",
    data: Annotated[
        str | None, typer.Option("--data", "-d", help="The data; @FILE reads a file, and without it standard input is read.")
    ] = None,
    event_id: Annotated[str, typer.Option("--id", help="The event's id; the same id again is a duplicate.")] = "",
    source: Annotated[str, typer.Option("--source", help="What it happened to: a URI reference.")] = "",
    subject: Annotated[str, typer.Option("--subject", help="What in the source it is about.")] = "",
    time: Annotated[str, typer.Option("--time", metavar="TIME", help="When it happened: RFC 3339, or 2h for two hours ago.")] = "",
    content_type: Annotated[str, typer.Option("--content-type", help="The data's media type.")] = JSON,
    data_schema: Annotated[str, typer.Option("--data-schema", help="The URI of the data's schema.")] = "",
    labels: Annotated[list[str] | None, typer.Option("--label", "-l", metavar="KEY=VALUE", help="A label (repeatable).")] = None,
    idempotency_key: Annotated[str, typer.Option("--idempotency-key", help="The same key again is a duplicate.")] = "",
    ordering_key: Annotated[str, typer.Option("--ordering-key", help="Events with the same key stay in order.")] = "",
    not_before: Annotated[
        str, typer.Option("--not-before", metavar="TIME", help="Deliver at this time: RFC 3339, or 10m for in ten minutes.")
    ] = "",
    traceparent: Annotated[str, typer.Option("--traceparent", help="W3C trace context.")] = "",
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="Emit every line of this NDJSON file (- is standard input). Again emits nothing twice."),
    ] = None,
    run: Annotated[str, typer.Option("--run", help="With --file: the run's name; another name emits the file anew.")] = "",
) -> None:
    """Emit one event, or with --file one a line; answers when they are on disk.

    A line of the file is a JSON object: {"type": "invoice.paid", "data": {…}, "id": …, …}. A line
    without id and idempotency_key gets a key made from the file's path (or --run), the line's number
    and its text: interrupt it, mend lines that were refused, run it again, and nothing is emitted twice.
    """
    if file is not None:
        if event_type or data is not None:
            raise UsageError("--file: the lines of the file say what the events are; leave out TYPE and --data")
        await emit_file(call, file, run)
        return
    if run:
        raise UsageError("--run: goes with --file only")
    if not event_type:
        raise UsageError("TYPE is missing: name the event's type (hookline emit invoice.paid --data '{}'), or a file with --file")
    result = await call.client.emit_event(
        EventSpec(
            type=event_type,
            data=_data(data),
            id=event_id,
            source=source,
            subject=subject,
            time=optional_moment(time, "--time"),
            data_content_type=content_type,
            data_schema=data_schema,
            labels=pairs(labels or (), "--label"),
            idempotency_key=idempotency_key,
            ordering_key=ordering_key,
            not_before_time=optional_moment(not_before, "--not-before", ahead=True),
            traceparent=traceparent,
        )
    )
    if call.out.as_json:
        call.out.json(result)
    else:
        what = "is a duplicate: it was accepted" if result.duplicate else "accepted"
        call.out.line(f"{result.event_id} {what} at {when(result.accept_time)}")


def _data(given: str | None) -> bytes:
    """The bytes of the data: from the flag, from a file, or from standard input. Raises UsageError."""
    if given is None or given == STDIN:
        if sys.stdin.isatty():
            raise UsageError(
                "--data: is missing, and standard input is a terminal; give --data '{\"amount\": 1}', --data @FILE, or a pipe"
            )
        return sys.stdin.buffer.read()
    if not given.startswith("@"):
        return given.encode("utf-8", "surrogateescape")
    try:
        return Path(given[1:]).read_bytes()
    except OSError as error:
        raise UsageError(f"--data: cannot read {given[1:]} ({error.strerror})") from error
