"""`hookline.open` and `hookline.connect`: the two ways to a client."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hookline.client import Client
from hookline.embedded import EmbeddedClient
from hookline.engine import EngineConfig, Observer
from hookline.outbox import SqliteOutbox
from hookline.store import open_store

if TYPE_CHECKING:
    import httpx


def open(  # reads as hookline.open, like gzip.open
    store: str | os.PathLike[str],
    *,
    deliver: bool = True,
    tenant: str = "default",
    config: EngineConfig | None = None,
    transport: "httpx.AsyncBaseTransport | None" = None,
    observer: Observer | None = None,
    outbox: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
) -> EmbeddedClient:
    """Hookline in this process, on its own store.

    `store` is the path of an SQLite file (made if there is none), `sqlite:///path`,
    `postgresql://user:password@host/database` (needs the extra `postgres`), or `memory:` for tests. With
    `deliver=False` this process only emits; another one that has the same store open delivers.
    `outbox` names SQLite files of the caller's own whose table `hookline_outbox` is emptied
    (see `hookline.outbox`); the outbox of a PostgreSQL store needs no mention. `transport` replaces the
    HTTP transport, in tests above all. `observer` is told of every outcome.

    Nothing happens until the client is used (`async with`, or the first call); StoreError then says
    what is wrong with the store. Raises InvalidArgument (store, tenant).
    """
    location = os.fspath(store)
    return EmbeddedClient(
        lambda: open_store(location),
        config=config or EngineConfig(),
        deliver=deliver,
        tenant=tenant,
        transport=transport,
        observer=observer,
        outboxes=[SqliteOutbox(os.fspath(path)) for path in ([outbox] if isinstance(outbox, str | os.PathLike) else outbox)],
    )


def connect(
    target: str,
    *,
    token: str = "",
    tenant: str = "",
    tls: bool | bytes = False,
    timeout: float = 30.0,
) -> Client:
    """A hookline server elsewhere, over gRPC.

    `target` is `host:port`. `tls` is True for the system's roots, or PEM bytes of your own. `timeout`
    bounds each call, in seconds, retries included. Nothing happens until the client is used.
    """
    from hookline.remote import RemoteClient  # noqa: PLC0415  # embedded users never import grpc

    return RemoteClient(target, token=token, tenant=tenant, tls=tls, timeout=timeout)
