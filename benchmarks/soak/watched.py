"""`hookline serve` in a process that can be asked what it holds: `python -m benchmarks.soak.watched PORT serve …`.

The server is the same; beside it a thread answers each connection to 127.0.0.1:PORT with a line of JSON,
`{"tasks", "blocks"}`: the tasks of the event loop, and the blocks of memory that Python's allocator has given out.
"""

import asyncio
import json
import socket
import sys
import threading
from typing import Any

import hookline
from hookline_server.cli import main


def answer(listener: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
    """Answer whoever asks, until the process ends."""
    while True:
        connection, _ = listener.accept()
        with connection:
            held = {"tasks": len(asyncio.all_tasks(loop)), "blocks": sys.getallocatedblocks()}
            connection.sendall(json.dumps(held).encode() + b"\n")


def watch(port: int) -> None:
    """Begin to answer when the server opens its store: then there is a loop whose tasks can be counted."""
    opening = hookline.open

    def noticed(*arguments: Any, **named: Any) -> Any:
        listener = socket.create_server(("127.0.0.1", port))
        loop = asyncio.get_running_loop()
        threading.Thread(target=answer, args=(listener, loop), name="watched", daemon=True).start()
        return opening(*arguments, **named)

    hookline.open = noticed


if __name__ == "__main__":
    watch(int(sys.argv.pop(1)))
    main()
