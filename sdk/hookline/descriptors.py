"""File descriptors that have run out: how that is found out, and how it is said.

Every connection and every open file takes one. The limit of a process is its soft RLIMIT_NOFILE (getrlimit(2)),
which it may raise itself up to the hard one; that of the machine is fs.file-max (proc(5)).
"""

import errno
import os
import sys
from typing import Final

if sys.platform != "win32":
    import resource

_SHORTAGE: Final = frozenset({errno.EMFILE, errno.ENFILE})


def is_shortage(error: BaseException) -> bool:
    """Whether this is what the system says when no descriptor can be had."""
    return isinstance(error, OSError) and error.errno in _SHORTAGE


def are_short() -> bool:
    """Whether no descriptor can be had at this moment; found out by taking one, as some libraries do not say so."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return is_shortage(error)
    return False


def shortage(error: BaseException | None = None) -> str:
    """The cause and the remedy in words; `error` is what the system said, None if it said nothing."""
    if isinstance(error, OSError) and error.errno == errno.ENFILE:
        return "this machine has no room for more open files: raise fs.file-max (sysctl), or see what holds so many"
    return (
        f"this process has no file descriptors left{_limited()}: raise the limit (`ulimit -n` before the start, LimitNOFILE= in a "
        "systemd unit), or see what holds so many"
    )


def soft_limit() -> int:
    """How many descriptors this process may have; 0 where that is not known, or not limited."""
    if sys.platform == "win32":
        return 0
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 0 if soft == resource.RLIM_INFINITY else soft


def raise_limit() -> int:
    """Raise the soft limit to the hard one, as far as the system lets; the soft limit then, 0 as in `soft_limit`."""
    if sys.platform != "win32":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft not in (hard, resource.RLIM_INFINITY):
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            except (OSError, ValueError):  # macOS has a bound of its own below a hard limit of infinity: what there is must do
                return soft
    return soft_limit()


def _limited() -> str:
    limit = soft_limit()
    return f" (its limit is {limit:,})" if limit else ""
