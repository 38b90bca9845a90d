"""`hookline serve`: the gRPC server on its store, until a signal ends it."""

import asyncio
import gc
import logging as levels
import os
import sys
from collections.abc import Coroutine
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Final

import structlog
import typer

import hookline
from hookline.engine import EngineConfig
from hookline.outbox import SqliteOutbox
from hookline.store import hidden
from hookline.store.protocol import Result, Settlement
from hookline_server import logging
from hookline_server.app import Server
from hookline_server.cli.call import DEFAULT_SERVER
from hookline_server.cli.output import Output
from hookline_server.cli.signals import stop_on_signals
from hookline_server.cli.values import pairs
from hookline_server.connections import see_to_descriptors
from hookline_server.listening import address_of
from hookline_server.settings import Settings
from hookline_server.wall_clock import watch_the_clock
from hookline_server.workers import Workers, reserve

if sys.platform != "win32":
    import uvloop

DAY: Final = 86_400.0
MIB: Final = 1024 * 1024

_LEVELS: Final = {Result.DELIVERED: levels.DEBUG, Result.WAIT: levels.INFO}
_STANDARD: Final = levels.getLogger("hookline.server")
_log: Final[structlog.stdlib.BoundLogger] = structlog.stdlib.get_logger("hookline.server")


def serve(
    *,
    config: Annotated[
        Path | None, typer.Option("--config", help="The TOML file [env HOOKLINE_CONFIG; ./hookline.toml if it is there].")
    ] = None,
    host: Annotated[str | None, typer.Option("--host", help="The address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option("--port", help="The port; 0 lets the system choose.", show_default="50051")] = None,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Where data is kept.", show_default="~/.local/share/hookline")
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            "--store", help="Where events are kept, if not in a SQLite file in the data directory: postgresql://…, or a path."
        ),
    ] = None,
    outbox: Annotated[
        list[Path] | None,
        typer.Option(
            "--outbox", metavar="PATH", help="An SQLite file of an application's own whose outbox is emptied (repeatable)."
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option("--token", help="What callers must send. The environment shows less of it than the list of processes."),
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help="A PEM file with the certificate chain.")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="A PEM file with its private key.")] = None,
    insecure: Annotated[
        bool | None, typer.Option("--insecure", help="Listen beyond loopback without TLS or without a token.", show_default=False)
    ] = None,
    dev: Annotated[
        bool | None, typer.Option("--dev", help="Deliver over http to loopback, for development.", show_default=False)
    ] = None,
    max_data_bytes: Annotated[
        int | None, typer.Option("--max-data-bytes", help="Bytes of data an event.", show_default="262144")
    ] = None,
    max_message_bytes: Annotated[
        int | None, typer.Option("--max-message-bytes", help="Bytes a gRPC message.", show_default="4194304")
    ] = None,
    max_concurrent_streams: Annotated[
        int | None, typer.Option("--max-concurrent-streams", help="Calls at once a connection.", show_default="1000")
    ] = None,
    max_connections: Annotated[
        int | None,
        typer.Option("--max-connections", help="Connections at once; 0: what file descriptors allow for.", show_default="0"),
    ] = None,
    max_concurrent_calls: Annotated[
        int | None, typer.Option("--max-concurrent-calls", help="Calls at once in all.", show_default="10000")
    ] = None,
    call_timeout: Annotated[
        float | None, typer.Option("--call-timeout", help="Seconds after which a call ends; streams do not.", show_default="120")
    ] = None,
    keepalive: Annotated[
        float | None,
        typer.Option("--keepalive", help="Seconds of silence before a connection is asked for a sign of life.", show_default="60"),
    ] = None,
    max_connection_age: Annotated[
        float | None, typer.Option("--max-connection-age", help="Seconds a connection; 0: for ever.", show_default="0")
    ] = None,
    max_connection_idle: Annotated[
        float | None, typer.Option("--max-connection-idle", help="Seconds without a call; 0: for ever.", show_default="0")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Processes that share the port and the store.", show_default="1")
    ] = None,
    share_port: Annotated[bool, typer.Option("--share-port", hidden=True)] = False,
    disk_margin_mb: Annotated[
        int | None, typer.Option("--disk-margin-mb", help="MiB that stay free on the disk of the store.", show_default="64")
    ] = None,
    tenant_weights: Annotated[
        list[str] | None,
        typer.Option(
            "--tenant-weights", metavar="TENANT=WEIGHT", help="How often a tenant has its turn under load, 1 to 100 (repeatable)."
        ),
    ] = None,
    operator_tenant: Annotated[
        str | None, typer.Option("--operator-tenant", help="A tenant that hears of every tenant's operational events too.")
    ] = None,
    node_concurrency: Annotated[
        int | None, typer.Option("--node-concurrency", help="Requests to receivers at once.", show_default="512")
    ] = None,
    retention_days: Annotated[
        float | None, typer.Option("--retention-days", help="How long what is finished is kept.", show_default="14")
    ] = None,
    idempotency_days: Annotated[
        float | None,
        typer.Option("--idempotency-days", help="How long ids and idempotency keys are remembered at least.", show_default="30"),
    ] = None,
    drain_grace: Annotated[
        float | None, typer.Option("--drain-grace", help="Seconds for what is under way at the end.", show_default="10")
    ] = None,
    log_level: Annotated[
        str | None, typer.Option("--log-level", help="debug, info, warning or error.", show_default="info")
    ] = None,
    log_format: Annotated[
        str | None, typer.Option("--log-format", help="auto (text on a terminal), json or text.", show_default="auto")
    ] = None,
    hints: Annotated[
        bool | None, typer.Option("--hints/--no-hints", help="Print how to send the first event.", show_default="on a terminal")
    ] = None,
) -> None:
    """Start the server.

    Every option can also be set in the environment (HOOKLINE_PORT, …) or in the TOML file (port = …);
    the option wins over the environment, the environment over the file. SIGTERM or Ctrl-C drains:
    health says NOT_SERVING, what is on the wire finishes within the grace; a second signal ends at once.
    """
    settings = Settings.load(
        config,
        host=host,
        port=port,
        data_dir=data_dir,
        store=store,
        outbox=tuple(outbox) if outbox else None,
        token=token,
        tls_cert=tls_cert,
        tls_key=tls_key,
        insecure=insecure,
        dev=dev,
        max_data_bytes=max_data_bytes,
        max_message_bytes=max_message_bytes,
        max_concurrent_streams=max_concurrent_streams,
        max_connections=max_connections,
        max_concurrent_calls=max_concurrent_calls,
        call_timeout=call_timeout,
        keepalive=keepalive,
        max_connection_age=max_connection_age,
        max_connection_idle=max_connection_idle,
        workers=workers,
        disk_margin_mb=disk_margin_mb,
        tenant_weights=pairs(tenant_weights, "--tenant-weights") if tenant_weights else None,
        operator_tenant=operator_tenant,
        node_concurrency=node_concurrency,
        retention_days=retention_days,
        idempotency_days=idempotency_days,
        drain_grace=drain_grace,
        log_level=log_level,
        log_format=log_format,
    )
    logging.configure(settings.log_level, settings.log_format)
    for path in settings.outbox:
        SqliteOutbox(path).check()
    show = sys.stdout.isatty() if hints is None else hints
    if settings.workers > 1:
        raise typer.Exit(asyncio.run(_lead(settings, hints=show)))
    _run(_serve(settings, hints=show, share_port=share_port))


def _run(main: Coroutine[Any, Any, None]) -> None:
    if sys.platform != "win32":
        uvloop.run(main)
    else:
        asyncio.run(main)


async def _lead(settings: Settings, *, hints: bool) -> int:
    """Run the workers; the exit code."""
    stop = stop_on_signals()
    with reserve(settings.host, settings.port) as held:
        port = held.getsockname()[1]
        # What is said last holds: a worker is asked for as this process was, on the port that is held.
        command = [*sys.argv[1:], "--workers", "1", "--share-port", "--port", str(port), "--no-hints"]
        _log.info("starting workers", workers=settings.workers, port=port, store=hidden(settings.store_url), pid=os.getpid())
        if hints:
            _print_hints(settings, address_of(settings.host, port))
        return await Workers(command, settings.workers, held.getsockname()[:2], grace=settings.drain_grace).run(stop)


async def _serve(settings: Settings, *, hints: bool, share_port: bool) -> None:
    stop = stop_on_signals()
    if share_port:  # started by another process, without which it is to end
        _stop_with_the_leader(stop)
    see_to_descriptors(settings)
    async with hookline.open(
        settings.store_url, config=_engine_config(settings), observer=_observe, outbox=settings.outbox
    ) as client:
        server = Server(settings, client, share_port=share_port)
        await server.start()
        clock = asyncio.create_task(watch_the_clock(), name="hookline-clock")
        _settle_memory()
        try:
            _log.info(
                "serving",
                address=server.address,
                store=hidden(settings.store_url),
                version=version("hookline"),
                pid=os.getpid(),
                tls=settings.tls_cert is not None,
                dev=settings.dev,
            )
            if hints:
                _print_hints(settings, server.address)
            await stop.wait()
            _log.info("draining", grace=settings.drain_grace)
        finally:
            clock.cancel()
            await server.stop()
    _log.info("stopped")


def _stop_with_the_leader(stop: asyncio.Event) -> None:
    """Set `stop` when the standard input ends: it is the leader's end of a pipe."""
    loop = asyncio.get_running_loop()

    def ended() -> None:
        loop.remove_reader(sys.stdin.fileno())
        stop.set()

    loop.add_reader(sys.stdin.fileno(), ended)


def _settle_memory() -> None:
    """Spare the garbage collector what was loaded at the start, and let it look less often: measured 1.1 of the throughput."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _engine_config(settings: Settings) -> EngineConfig:
    return EngineConfig(
        node_concurrency=settings.node_concurrency,
        max_data=settings.max_data_bytes,
        tenant_weights=settings.tenant_weights,
        operator_tenant=settings.operator_tenant,
        disk_margin=settings.disk_margin_mb * MIB,
        grace=settings.drain_grace,
        retention=settings.retention_days * DAY,
        idempotency_window=settings.idempotency_days * DAY,
        allow_http_loopback=settings.dev,
    )


def _observe(settlement: Settlement) -> None:
    """One structured line for what went wrong; what went well is told to those who ask for `debug`."""
    attempt = settlement.attempt
    level = _LEVELS.get(settlement.result, levels.WARNING)
    if attempt is None or not _STANDARD.isEnabledFor(level):  # asked first: this runs for every attempt
        return
    _log.log(
        level,
        "attempt",
        tenant=attempt.tenant,
        delivery_id=attempt.delivery_id,
        attempt_id=attempt.id,
        event_id=attempt.event_id,
        subscription_id=attempt.subscription_id,
        number=attempt.number,
        status=attempt.status,
        duration=round(attempt.duration, 4),
        result=settlement.result.value,
        reason=settlement.reason,
    )


def _print_hints(settings: Settings, address: str) -> None:
    reach = "" if address == DEFAULT_SERVER else f" --server {address}"
    reach += " --token …" if settings.token.get_secret_value() else ""
    reach += " --tls" if settings.tls_cert is not None else ""
    url = "http://127.0.0.1:8000/" if settings.dev else "https://example.com/webhooks"
    out = Output(as_json=False)
    out.line("")
    out.line(f"hookline takes calls on {address} and keeps events in {hidden(settings.store_url)}. In another terminal:")
    out.line("")
    if settings.dev:
        out.line("  hookline receive --port 8000")
    out.line(f"  hookline subscriptions create{reach} {url}")
    out.line(f"  hookline emit{reach} invoice.paid --data '{{\"amount\": 1250}}'")
    out.line(f"  hookline tail{reach}")
    out.line("")
