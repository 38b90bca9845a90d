"""TLS contexts that show a client certificate, one for each certificate, and so one pool of connections for each.

A connection may be used again only by who made it: a receiver takes whoever is behind it for the owner of
its certificate. aiohttp's connector keeps connections by TLS context, so the context is the key.
"""

import os
import ssl
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Final

from hookline.model import ClientCertificate, ErrorClass
from hookline.transport.failure import ConnectFailure, words
from hookline.transport.presented import tell_what_was_presented

MOST_CERTIFICATES: Final = 1_024
"""Contexts that are kept; each holds its own copy of the trusted authorities."""


class Certificates:
    """Contexts by certificate, made on first use; all trust whom `usual` trusts."""

    def __init__(self, usual: ssl.SSLContext | None) -> None:
        """`usual` is the transport's own context, None for the system's authorities."""
        self._usual = usual
        self._contexts: OrderedDict[ClientCertificate, ssl.SSLContext] = OrderedDict()

    def context(self, certificate: ClientCertificate) -> ssl.SSLContext:
        """The context that shows `certificate`; ConnectFailure (TLS) if that cannot be used."""
        found = self._contexts.get(certificate)
        if found is None:
            found = system_context() if self._usual is None else sibling(self._usual)
            try:
                load(found, certificate)
            except (ssl.SSLError, ValueError) as problem:
                raise ConnectFailure(
                    ErrorClass.TLS, f"the client certificate cannot be used ({words(problem)}); nothing was sent"
                ) from problem
            self._contexts[certificate] = tell_what_was_presented(found)
            if len(self._contexts) > MOST_CERTIFICATES:
                self._contexts.popitem(last=False)
        return found


def system_context() -> ssl.SSLContext:
    """Trusts the system's authorities, verifies host names, speaks HTTP/1.1."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def sibling(usual: ssl.SSLContext) -> ssl.SSLContext:
    """A new context that trusts the same authorities, under the same rules, and shows nobody anything.

    Authorities that a context looks up in a folder as it needs them (`capath`) are not known to it and
    so not to its sibling: what they have signed is not trusted then, never more than before.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authorities = usual.get_ca_certs(binary_form=True)
    if authorities:
        context.load_verify_locations(cadata=b"".join(authorities))
    context.options = usual.options
    context.minimum_version = usual.minimum_version
    context.maximum_version = usual.maximum_version
    context.verify_flags = usual.verify_flags
    context.set_alpn_protocols(["http/1.1"])
    return context


def load(context: ssl.SSLContext, certificate: ClientCertificate) -> None:
    """Make `context` show `certificate`. Raises ssl.SSLError, ValueError.

    OpenSSL's wrapper reads files only. On Linux that is one in memory, that no other user can open; elsewhere
    one that only this user can read, removed at once.
    """
    pem = f"{certificate.certificate.strip()}\n{certificate.private_key.strip()}\n".encode()
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        descriptor = os.memfd_create("hookline-client-certificate", os.MFD_CLOEXEC)
        path = f"/proc/self/fd/{descriptor}"
        temporary = None
    else:
        descriptor, path = tempfile.mkstemp(prefix="hookline-")  # mode 0600
        temporary = Path(path)
    try:
        with os.fdopen(descriptor, "wb", closefd=temporary is not None) as file:
            file.write(pem)
        context.load_cert_chain(path, password=_no_passphrase)
    finally:
        if temporary is None:
            os.close(descriptor)
        else:
            temporary.unlink()


def _no_passphrase() -> str:
    """Instead of a prompt at the terminal."""
    raise ValueError("the private key has a passphrase")
