"""Running until a signal says stop."""

import asyncio
import os
import signal
from typing import Final

from hookline_server.cli.exits import ExitCode

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def stop_on_signals() -> asyncio.Event:
    """An event that the first SIGINT or SIGTERM sets; a second one ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def heard() -> None:
        if stop.is_set():
            os._exit(ExitCode.INTERRUPTED)
        stop.set()

    for number in SIGNALS:
        try:
            loop.add_signal_handler(number, heard)
        except NotImplementedError:  # Windows: handlers run between instructions, and wake the loop themselves
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(heard))
    return stop
