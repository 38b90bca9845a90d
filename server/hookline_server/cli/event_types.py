"""`hookline event-types`: the catalogue of event types."""

from pathlib import Path
from typing import Annotated

import typer

from hookline.model import EventType, EventTypeSpec
from hookline_server.cli.call import Call, calls
from hookline_server.cli.exits import UsageError
from hookline_server.cli.output import Output, when
from hookline_server.cli.paging import Limit, PageToken, collect

app = typer.Typer(no_args_is_help=True, help="The catalogue of event types.")

Name = Annotated[str, typer.Argument(metavar="TYPE", help="The event type's name, like invoice.paid.")]
Etag = Annotated[str, typer.Option("--etag", help="Only if this is still its etag.")]


@app.command("list")
@calls
async def list_(call: Call, limit: Limit = 100, page_token: PageToken = "") -> None:
    """List event types by name."""
    page = await collect(lambda size, token: call.client.event_types.list(page_size=size, page_token=token), limit, page_token)
    if call.out.as_json:
        call.out.json(page)
        return
    call.out.rows(
        ("EVENT TYPE", "SCHEMA", "DEPRECATED", "UPDATED", "DESCRIPTION"),
        (
            (item.name, _schema_words(item), "yes" if item.deprecated else "", when(item.update_time), item.description)
            for item in page.items
        ),
        empty="the catalogue is empty; `hookline event-types put TYPE` adds to it",
    )
    if page.next_page_token:
        call.out.note(f"there are more: --page-token {page.next_page_token}")


@app.command("show")
@calls
async def show(call: Call, name: Name) -> None:
    """Show an event type, with its schema and examples."""
    _show(call.out, await call.client.event_types.get(name))


@app.command("put")
@calls
async def put(
    call: Call,
    *,
    name: Name,
    description: Annotated[str, typer.Option("--description", help="For people.")] = "",
    schema: Annotated[Path | None, typer.Option("--schema", metavar="FILE", help="A JSON Schema (2020-12).")] = None,
    examples: Annotated[
        list[Path] | None, typer.Option("--example", metavar="FILE", help="Example data, as JSON (repeatable).")
    ] = None,
    enforce: Annotated[bool, typer.Option("--enforce", help="Refuse events whose data does not follow the schema.")] = False,
    deprecated: Annotated[bool, typer.Option("--deprecated", help="Say that it should not be used any more.")] = False,
    etag: Etag = "",
) -> None:
    """Create an event type, or replace what stands under that name."""
    spec = EventTypeSpec(
        description=description,
        schema="" if schema is None else _text(schema, "--schema"),
        examples=tuple(_text(example, "--example") for example in examples or ()),
        enforce=enforce,
        deprecated=deprecated,
    )
    _show(call.out, await call.client.event_types.put(name, spec, etag=etag))


@app.command("delete")
@calls
async def delete(call: Call, name: Name, etag: Etag = "") -> None:
    """Delete it; events of that type are no longer held to it."""
    await call.client.event_types.delete(name, etag=etag)
    if call.out.as_json:
        call.out.json({"deleted": name})
    else:
        call.out.line(f"deleted {name}")


def _show(out: Output, event_type: EventType) -> None:
    if out.as_json:
        out.json(event_type)
        return
    out.facts(
        (
            ("event type", event_type.name),
            ("description", event_type.description),
            ("schema", _schema_words(event_type)),
            ("deprecated", "yes" if event_type.deprecated else ""),
            ("created", when(event_type.create_time)),
            ("updated", when(event_type.update_time)),
            ("etag", event_type.etag),
        )
    )
    for title, text in (("schema", event_type.schema), *(("example", example) for example in event_type.examples)):
        if text:
            out.line("")
            out.line(f"{title}:")
            for line in text.splitlines():
                out.line(line)


def _schema_words(event_type: EventType) -> str:
    if not event_type.schema:
        return ""
    return "enforced" if event_type.enforce else "for readers"


def _text(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{name}: cannot read {path} ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: {path} is not UTF-8") from error
