"""Where the server listens: its certificate, its address, and why it cannot, said with the setting that mends it."""

import errno
import socket
import ssl
from pathlib import Path
from typing import Any, Final

import grpc
from grpc import aio

from hookline.errors import HooklineError, quoted
from hookline_server.settings import Settings

_NO_RIGHT: Final = frozenset({errno.EACCES, errno.EPERM})
_NO_ADDRESS: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})

Address = Any  # what socket takes: it differs by the family


class CannotListen(HooklineError):
    """The server cannot take calls at its address: its message says why, and what to do."""

    reason = "CANNOT_LISTEN"


def listen(server: aio.Server, settings: Settings) -> int:
    """Have `server` listen as `settings` say; the port. Raises CannotListen."""
    address = address_of(settings.host, settings.port)
    credentials = _credentials(settings)
    try:
        return server.add_insecure_port(address) if credentials is None else server.add_secure_port(address, credentials)
    except RuntimeError as error:
        # gRPC logs the reason and does not tell it.
        _try(settings.host, settings.port)
        raise CannotListen(f"cannot listen on {address}: gRPC refuses it ({error})") from error


def _try(host: str, port: int) -> None:
    """Raise CannotListen for what keeps anybody from listening there."""
    for family, address in addresses(host, port):
        try:
            bind_alone(family, address)
        except OSError as error:
            raise cannot(host, port, error) from error


def bind_alone(family: socket.AddressFamily, address: Address) -> None:
    """Bind, listen, and let go again. Raises OSError, also where another program shares its port with whoever wants that."""
    with socket.socket(family, socket.SOCK_STREAM) as alone:
        alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        alone.bind(address)
        alone.listen(1)  # some systems notice a port in use only now


def addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, Address]]:
    """The addresses that `host` names. Raises CannotListen."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise CannotListen(
            f"host: {quoted(host)} is no address of this machine ({why}); "
            "right is an IP address or a name that has one (--host, HOOKLINE_HOST)"
        ) from error
    return [(family, address) for family, _, _, _, address in found]


def cannot(host: str, port: int, error: OSError) -> CannotListen:
    """What to say of `error`, which a bind has met."""
    place = f"cannot listen on {address_of(host, port)}"
    match error.errno:
        case errno.EADDRINUSE:
            remedy = "the port is in use; stop the other server, or choose another port (--port, HOOKLINE_PORT)"
        case number if number in _NO_RIGHT:
            remedy = (
                f"this user may not listen on port {port} ({error.strerror}); choose one from 1024 on (--port, HOOKLINE_PORT), "
                "or give the process the capability CAP_NET_BIND_SERVICE"
            )
        case number if number in _NO_ADDRESS:
            remedy = f"this machine has no address {quoted(host)}; choose one of its own (--host, HOOKLINE_HOST)"
        case _:
            remedy = f"{error.strerror or error} (--host, --port)"
    return CannotListen(f"{place}: {remedy}")


def _credentials(settings: Settings) -> grpc.ServerCredentials | None:
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    certificate, key = _bytes_of(settings.tls_cert, "tls_cert"), _bytes_of(settings.tls_key, "tls_key")
    _check_pair(settings.tls_cert, settings.tls_key)
    return grpc.ssl_server_credentials([(key, certificate)])


def _bytes_of(path: Path, field: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CannotListen(f"{field}: cannot read {path} ({error.strerror}); name a PEM file that this user may read") from error


def _check_pair(certificate: Path, key: Path) -> None:
    """Raise CannotListen unless TLS can be spoken with them: gRPC itself would only say that it cannot listen."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_verify_locations(certificate)
    except ssl.SSLError as error:
        raise CannotListen(f"tls_cert: {certificate} holds no certificate; right is a PEM file with its chain") from error
    try:
        context.load_cert_chain(certificate, key, password=lambda: b"")  # a passphrase cannot be given, and is not asked for
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise CannotListen(f"tls_key: {key} is not the key of the certificate in {certificate} (tls_cert)") from error
        raise CannotListen(
            f"tls_key: {key} holds no private key that can be used; right is a PEM file, and no passphrase"
        ) from error


def address_of(host: str, port: int) -> str:
    """Host and port as a target for callers."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
