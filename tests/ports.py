"""Free ports on loopback."""

import contextlib
import random
import socket


def free_port() -> int:
    """A port that is free at this moment, for where nobody is to listen, or somebody at once."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def lasting_port() -> int:
    """A free port that the system gives to nobody else while its server is away.

    Below those for outgoing connections: whoever tries again and again to connect to one of these, where nobody
    listens, is at last given that very port as its own, is connected with itself, and the port is taken.
    """
    for _ in range(100):
        port = random.SystemRandom().randrange(15_000, 30_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port from 15000 to 29999")
