"""Commands about the whole: stats, backup, protos, version."""

import asyncio
import platform
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Annotated

import grpc
import typer

from hookline.model import Stats
from hookline.store import SqliteStore, open_store
from hookline_server.cli.call import Call, Reach, calls
from hookline_server.cli.exits import CommandError, ExitCode, UsageError
from hookline_server.cli.output import Output, took
from hookline_server.protos import write_protos
from hookline_server.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="Print JSON.", show_default=False)]


@calls
async def stats(call: Call) -> None:
    """Count deliveries: in all, and by subscription."""
    found = await call.client.deliveries.stats()
    if call.out.as_json:
        call.out.json(found)
        return
    rows = [("all", found), *sorted(found.by_subscription.items())]
    call.out.rows(("SUBSCRIPTION", "PENDING", "DELIVERED", "EXHAUSTED", "CANCELLED", "OLDEST DUE"), (_row(*row) for row in rows))


def backup(
    context: typer.Context,
    *,
    target: Annotated[Path, typer.Argument(help="The file to write; it must not be there yet.")],
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="The server's data directory [env HOOKLINE_DATA_DIR].")
    ] = None,
    store: Annotated[
        str | None, typer.Option("--store", metavar="PATH", help="The SQLite file, if it is not in the data directory.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", help="The server's TOML file.")] = None,
    as_json: Json = False,
) -> None:
    """Copy the whole store, consistently, while servers run on it."""
    reach = context.obj if isinstance(context.obj, Reach) else Reach()
    place = store or reach.store or Settings.load(config, data_dir=data_dir).store_url
    path = Path(place.removeprefix("sqlite:///"))
    if not path.is_file():
        raise CommandError(
            f"there is no store at {path}; name the server's --data-dir, or the file with --store", ExitCode.NOT_FOUND
        )
    asyncio.run(_backup(place, target))
    size = target.stat().st_size
    out = Output(as_json=as_json or bool(reach.as_json))
    if out.as_json:
        out.json({"store": str(path), "target": str(target), "bytes": size})
    else:
        out.line(f"copied {path} to {target} ({size:,} bytes)")


async def _backup(place: str, target: Path) -> None:
    store = open_store(place)
    if not isinstance(store, SqliteStore):
        raise UsageError("--store: only SQLite files can be copied")
    await store.open()
    try:
        await store.backup(target)
    finally:
        await store.close()


def migrate(
    context: typer.Context,
    *,
    only_print: Annotated[
        bool, typer.Option("--print", help="Print the SQL that is missing, and change nothing.", show_default=False)
    ] = False,
    after: Annotated[
        int | None,
        typer.Option("--from", metavar="N", min=0, help="With --print: all SQL after schema N, without asking the database."),
    ] = None,
    store: Annotated[str | None, typer.Option("--store", metavar="URL", help="The database, as for `serve`.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="The server's TOML file.")] = None,
    as_json: Json = False,
) -> None:
    """Bring a PostgreSQL store to this version. Servers do it by themselves, if their role may; older ones go on meanwhile."""
    try:
        from hookline.store import postgres  # noqa: PLC0415  # its library is an extra
    except ModuleNotFoundError as error:
        raise CommandError("PostgreSQL needs the extra `postgres`: pip install 'hookline[postgres]'") from error
    if after is not None:
        if not only_print:
            raise UsageError("--from goes with --print")
        typer.echo(postgres.print_migrations(after), nl=False)
        return
    reach = context.obj if isinstance(context.obj, Reach) else Reach()
    place = store or reach.store or Settings.load(config).store
    if not place.startswith(("postgresql:", "postgres:")):
        raise UsageError("--store: name a database, postgresql://…; a SQLite file is migrated when it is opened")
    address = postgres.Address.parse(place)
    if only_print:
        typer.echo(postgres.print_migrations(asyncio.run(postgres.version_of(address))), nl=False)
        return
    done = asyncio.run(postgres.migrate_at(address))
    out = Output(as_json=as_json or bool(reach.as_json))
    if out.as_json:
        out.json({"store": address.shown, "schema": postgres.VERSION, "migrations": done})
    elif done:
        out.line(f"{address.shown} is at schema {postgres.VERSION} now")
    else:
        out.line(f"{address.shown} is at schema {postgres.VERSION} already")


def protos(
    target: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write them; becomes the include path.")],
    as_json: Json = False,
) -> None:
    """Write the .proto files, for callers in other languages."""
    files = write_protos(target)
    out = Output(as_json=as_json)
    if out.as_json:
        out.json({"files": [str(file) for file in files]})
        return
    for file in files:
        out.line(str(file))


def version(as_json: Json = False) -> None:
    """Print the versions of hookline, Python and gRPC."""
    found = {"hookline": version_of("hookline"), "python": platform.python_version(), "grpc": grpc.__version__}
    out = Output(as_json=as_json)
    if out.as_json:
        out.json(found)
    else:
        out.line(f"hookline {found['hookline']} (Python {found['python']}, gRPC {found['grpc']})")


def _row(name: str, counts: Stats) -> tuple[str, ...]:
    numbers = (counts.pending, counts.delivered, counts.exhausted, counts.cancelled)
    return name, *map(str, numbers), took(counts.oldest_pending_age) if counts.oldest_pending_age else ""
