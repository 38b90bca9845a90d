"""What every method has in common: who may call, how errors are answered, and how calls end at a drain.

Methods are registered from the service's descriptor, so that none can be forgotten, and with a
deserializer of our own: gRPC would answer INTERNAL to bytes that are no message (text that is not
UTF-8, say), and that is the caller's mistake, not ours.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from grpc import aio

from hookline import wire
from hookline.deadline import Deadlines
from hookline.errors import DeadlineExceeded, HooklineError, InvalidArgument, Unavailable
from hookline_server.auth import Gate

COME_BACK: Final = 1.0
"""Seconds after which a caller may find the server again that was shutting down."""

LATE: Final = "no answer within {:g} s, the longest that a call may take here (call_timeout); what became of it is not known"

T = TypeVar("T")

Context = aio.ServicerContext[Any, Any]
Answer = Callable[[Any, Any], Awaitable[Message]]
Stream = Callable[[Any, Any], AsyncIterator[Message]]

_log: Final[structlog.stdlib.BoundLogger] = structlog.stdlib.get_logger("hookline.server")


@dataclass(frozen=True, slots=True)
class Malformed:
    """Stands for bytes that are no message of the kind that the method takes."""

    kind: str

    def refusal(self) -> InvalidArgument:
        """The error that says so."""
        return InvalidArgument.of("", f"the bytes are no {self.kind} (a string that is not UTF-8, or not protobuf at all)")


class Drain:
    """Tells streams that the server is shutting down, and the server when the last call has ended."""

    def __init__(self) -> None:
        self._begun = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._calls = 0

    @property
    def begun(self) -> bool:
        """Whether the server is shutting down."""
        return self._begun.is_set()

    def begin(self) -> None:
        """The server is shutting down."""
        self._begun.set()

    async def wait(self) -> None:
        """Wait until the server is shutting down."""
        await self._begun.wait()

    async def idle(self) -> None:
        """Wait until no call is under way."""
        await self._idle.wait()

    def enter(self) -> None:
        """A call begins."""
        self._calls += 1
        self._idle.clear()

    def leave(self) -> None:
        """A call has ended."""
        self._calls -= 1
        if not self._calls:
            self._idle.set()

    @staticmethod
    def refusal() -> Unavailable:
        """The error that ends a stream at a drain."""
        return Unavailable("the server is shutting down", reason="SHUTTING_DOWN", retry_after=COME_BACK)


class Guard:
    """Wraps the methods of a servicer and adds them to a server."""

    def __init__(self, gate: Gate, drain: Drain, call_timeout: float) -> None:
        """Admit by `gate`, count in `drain`; a call that is no stream ends after `call_timeout` seconds, whatever its deadline."""
        self._gate = gate
        self._drain = drain
        self._call_timeout = call_timeout
        self._deadlines = Deadlines()

    def register(self, server: aio.Server, service: ServiceDescriptor, servicer: object) -> None:
        """Serve every method of `service` by the method of `servicer` with its name."""
        handlers = {method.name: self._handler(method, getattr(servicer, method.name)) for method in service.methods}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))

    def _handler(self, method: MethodDescriptor, call: Any) -> "grpc.RpcMethodHandler[Any, Any]":
        read = _deserializer(GetMessageClass(method.input_type))
        write = GetMessageClass(method.output_type).SerializeToString
        if method.client_streaming:
            return grpc.stream_stream_rpc_method_handler(self._streaming(call, method), read, write)
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(self._streaming(call, method), read, write)
        return grpc.unary_unary_rpc_method_handler(self._unary(call, method), read, write)

    def _unary(self, call: Answer, method: MethodDescriptor) -> Any:
        admit, enter, leave = self._gate.admit, self._drain.enter, self._drain.leave
        limit, deadlines = self._call_timeout, self._deadlines

        async def answer(request: Message | Malformed, context: Context) -> Message:
            enter()
            watch = deadlines.within(limit)
            try:
                admit(context)
                if type(request) is Malformed:
                    raise request.refusal()
                with watch:
                    return await call(request, context)
            except Exception as error:
                late = isinstance(error, TimeoutError) and watch.expired
                await _refuse(DeadlineExceeded(LATE.format(limit)) if late else error, context, method)
                raise
            finally:
                leave()

        return answer

    def _streaming(self, call: Stream, method: MethodDescriptor) -> Any:
        async def answer(request: Any, context: Context) -> None:
            self._drain.enter()
            try:
                self._gate.admit(context)
                if type(request) is Malformed:
                    raise request.refusal()
                async with closing(call(request, context)) as responses:
                    async for response in responses:
                        await context.write(response)
            except Exception as error:
                await _refuse(error, context, method)
                raise
            finally:
                self._drain.leave()

        return answer


@asynccontextmanager
async def closing(iterator: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Close `iterator` at the end, where it is a generator that has something to clean up."""
    try:
        yield iterator
    finally:
        if isinstance(iterator, AsyncGenerator):
            await iterator.aclose()


def _deserializer(kind: type[Message]) -> Callable[[bytes], Message | Malformed]:
    parse = kind.FromString
    malformed = Malformed(kind.DESCRIPTOR.full_name)

    def read(data: bytes) -> Message | Malformed:
        try:
            return parse(data)
        except DecodeError:
            return malformed

    return read


async def _refuse(error: Exception, context: Context, method: MethodDescriptor) -> None:
    """End the call with what became of it; what we did not foresee is logged, and not told to the caller."""
    if isinstance(error, HooklineError):
        _log.debug("refused", method=method.full_name, reason=error.code, error=error.message)
        await context.abort(*wire.trailers(wire.to_status(error)))
    if context.cancelled() or context.done():
        _log.debug("caller went away", method=method.full_name)
        return
    _log.error("failed", method=method.full_name, exc_info=error)
    unforeseen = HooklineError("something went wrong inside the server; its log says what", reason="INTERNAL")
    await context.abort(*wire.trailers(wire.to_status(unforeseen)))
