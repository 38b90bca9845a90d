"""What PostgreSQL and the network report, said so that an operator knows what to do."""

import asyncio
import ssl
from typing import Final

import asyncpg

from hookline.errors import HooklineError, StoreError, Unavailable
from hookline.store.postgres.address import Address

RETRY_AFTER: Final = 1.0
"""Seconds after which a caller may come back."""


class Lost(Exception):
    """The connection went while a statement was under way: it may have been done, or not."""


AWAY: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server has said that it ends the session, and it is used before it has ended
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    OSError,
    TimeoutError,
    asyncio.IncompleteReadError,
)
"""The connection is of no use any more."""

OPENING: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    HooklineError,
    OSError,
    EOFError,
    ValueError,
)
"""What opening may end with."""

AGAIN: Final = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
"""Nothing was done, and at another time it may be."""

_SHORT: Final = (
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.OperatorInterventionError,
)
"""Nothing was done, for want of something that the server may have again later."""


def lost(address: Address) -> Unavailable:
    """The answer is lost, and asking did not help in time."""
    return Unavailable(
        f"the connection to {address.shown} was lost; what was under way may be done or not", retry_after=RETRY_AFTER
    )


def away(error: BaseException, address: Address) -> Unavailable:
    """The server cannot be reached for now."""
    return Unavailable(f"{address.shown} does not answer: {_said(error)}", retry_after=RETRY_AFTER)


def barred(error: BaseException, address: Address) -> Unavailable:
    """The server lets nobody in for now."""
    return Unavailable(f"{address.shown} lets nobody in: {_said(error)}", retry_after=RETRY_AFTER)


def at_work(error: BaseException, address: Address) -> BaseException:
    """The error to raise from a verb: Unavailable where the store is to blame, else the error itself."""
    if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
        return Unavailable(f"{address.shown} is read only: name the primary, not a replica", retry_after=RETRY_AFTER)
    if isinstance(error, (*AWAY, *_SHORT, *AGAIN)):
        return away(error, address)
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return Unavailable(f"{address.shown}: {_said(error)}: {_GRANT}", retry_after=RETRY_AFTER)
    if isinstance(error, asyncpg.UndefinedTableError | asyncpg.InvalidSchemaNameError):
        return Unavailable(f"{address.shown}: {_said(error)}: run `hookline migrate`", retry_after=RETRY_AFTER)
    if isinstance(error, asyncpg.DataError) and isinstance(error.__cause__, UnicodeError):
        return error.__cause__
    return error


_GRANT: Final = "let the owner of the schema run `GRANT USAGE ON SCHEMA hookline TO <role>` and `GRANT <owner> TO <role>`"


def at_opening(error: BaseException, address: Address) -> BaseException:
    """The error to raise when the store cannot be opened: one line, with the remedy."""
    if isinstance(error, StoreError):
        return error
    where = address.shown
    if isinstance(error, HooklineError):
        return StoreError(error.message)
    text = _said(error)
    for kinds, said in _OPENING:
        if isinstance(error, kinds):
            return StoreError(said.format(where=where, text=text))
    return error


_OPENING: Final[tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...]] = (
    (
        (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError),
        "{where}: the server does not let this user in ({text}): check user, password and pg_hba.conf",
    ),
    (asyncpg.InvalidCatalogNameError, "{where}: {text}: create it with `CREATE DATABASE`, or name another"),
    (asyncpg.TooManyConnectionsError, "{where}: {text}: raise max_connections, or lower connections=N in the URL"),
    (asyncpg.CannotConnectNowError, "{where}: {text}: try again when it is up"),
    (asyncpg.InsufficientPrivilegeError, "{where}: {text}: " + _GRANT),
    (ssl.SSLError, "{where}: TLS failed ({text}): check sslmode and the certificates"),
    (TimeoutError, "{where} does not answer in time: check host, port and firewall"),
    (OSError, "{where} cannot be reached ({text}): check host and port, and that the server runs"),
    (
        (asyncpg.InternalClientError, asyncpg.PostgresConnectionError, EOFError),
        "{where} went away while it was opened ({text}): try again when it is up",
    ),
    ((asyncpg.PostgresError, asyncpg.InterfaceError), "{where} cannot be opened: {text}"),
    (ValueError, "{where} is not an address that can be used: {text}"),
)
"""What an operator is told, by kind of error; the first that fits."""


def _said(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
