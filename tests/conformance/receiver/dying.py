"""A good receiver in a process of its own, with a parser that aborts on a body that starts with 0xff."""

import asyncio
import os
import sys

from conformance.mutants.receivers.http_server import Request
from conformance.mutants.receivers.reference import Standard


class Dying(Standard):
    def verify(self, request: Request) -> str:
        if request.body.startswith(b"\xff"):
            os._exit(1)
        return super().verify(request)


async def main() -> None:
    receiver = Dying()
    receiver.port = int(sys.argv[1])
    await receiver.start()
    print(receiver.port, flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
