"""Who runs the command, as this machine knows them."""

import getpass
import socket
from typing import Final

LONGEST: Final = 128
"""Bytes of what is said of who did something."""


def somebody() -> str:
    """`user@host`; empty if the machine does not say, or says something that is no plain name."""
    try:
        name = f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError, ImportError):  # a user without an entry, as in some containers
        return ""
    return name if name.isascii() and name.isprintable() and len(name) <= LONGEST else ""
