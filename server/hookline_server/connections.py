"""How many connections callers may have at once, and what that has to do with file descriptors."""

from typing import Final

import structlog

from hookline import descriptors
from hookline_server.settings import Settings

MOST: Final = 10_000
"""Connections, where descriptors would do for more and no number is set."""
LEAST: Final = 16
"""Connections, however few descriptors there are."""
OTHERS: Final = 128
"""Descriptors for everything else: the store's files, its connections, locks, lookups of names, the listener."""

_log: Final[structlog.stdlib.BoundLogger] = structlog.stdlib.get_logger("hookline.server")


def most_connections(settings: Settings, limit: int) -> int:
    """The bound on connections: what is set, else what a `limit` of descriptors (0: none) leaves beside all that goes out."""
    if settings.max_connections:
        return settings.max_connections
    if not limit:
        return MOST
    return max(LEAST, min(MOST, limit - settings.node_concurrency - OTHERS))


def see_to_descriptors(settings: Settings) -> None:
    """Raise this process's limit of descriptors as far as it may, and warn if that is not enough for what is set."""
    limit = descriptors.raise_limit()
    needed = settings.node_concurrency + most_connections(settings, limit) + OTHERS
    if limit and limit < needed:
        _log.warning(
            "this process may have fewer file descriptors than it may come to need: raise the limit (`ulimit -n` before the "
            "start, LimitNOFILE= in a systemd unit), or lower node_concurrency or max_connections",
            limit=limit,
            needed=needed,
            node_concurrency=settings.node_concurrency,
            max_connections=most_connections(settings, limit),
        )
