"""Emits, forks, and emits in parent and child; prints the ids that were acknowledged. Arguments: store, opened or not."""

import os
import sys
import threading

import hookline.sync
from hookline import EngineConfig

EVENTS = 20


def emit(client: hookline.sync.SyncClient, who: str) -> None:
    def some(thread: int) -> None:
        for index in range(EVENTS):
            result = client.emit("a", {}, id=f"{who}-{thread}-{index}")
            # In one piece: others write at the same time.
            os.write(sys.stdout.fileno(), f"{result.event_id}\n".encode())

    threads = [threading.Thread(target=some, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    store, opened = sys.argv[1:]
    client = hookline.sync.open(store, config=EngineConfig(allow_http_loopback=True, lease_ttl=60.0))
    watch = None
    if opened == "opened":
        emit(client, "before")
        watch = client.watch()
        next(watch)
    child = os.fork()
    emit(client, "parent" if child else "child")
    if not child:
        if watch is not None:
            try:
                next(watch)
            except hookline.errors.Closed:
                print("closed", file=sys.stderr)
        sys.exit(0)
    _, status = os.waitpid(child, 0)
    emit(client, "after")
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
