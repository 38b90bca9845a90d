"""The real `hookline`, in a process that a test owns a little more of: its wall clock, and how long its lease lasts.

`python -m tests.server.faults.launcher serve …`. CLOCK_SHIFT names a file that holds a float64, the seconds to be added to
the wall clock; it is read whenever the clock is, so a test moves it while the server runs. LEASE_TTL is in seconds.
"""

import functools
import mmap
import os
import struct
import sys
import time
from pathlib import Path

SHIFT = struct.Struct("=d")


def shift_the_clock(file: Path) -> None:
    """From here on `time.time` is off by what stands in `file`."""
    with file.open("rb") as opened:
        shift = mmap.mmap(opened.fileno(), SHIFT.size, access=mmap.ACCESS_READ)
    right = time.time
    time.time = lambda: right() + SHIFT.unpack_from(shift)[0]


if __name__ == "__main__":
    if "CLOCK_SHIFT" in os.environ:  # before anything of hookline's is imported, which takes the clock from there
        shift_the_clock(Path(os.environ["CLOCK_SHIFT"]))
    from hookline_server.cli import run
    from hookline_server.cli import serve as serving

    if "LEASE_TTL" in os.environ:
        serving.EngineConfig = functools.partial(serving.EngineConfig, lease_ttl=float(os.environ["LEASE_TTL"]))
    sys.exit(run(sys.argv[1:]))
