"""Stands before a server of hookline.v1 and hands everything on, but for the one thing that a mutant does otherwise."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2

from hookline_proto.v1 import delivery_service_pb2, event_service_pb2, event_type_service_pb2, subscription_service_pb2

DETAILS = "grpc-status-details-bin"
METHODS = {
    f"/{service.full_name}/{method.name}": method
    for module in (delivery_service_pb2, event_service_pb2, event_type_service_pb2, subscription_service_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}

Asks = Callable[[Any], None]
Answers = Callable[[Any], Any]
Errs = Callable[[status_pb2.Status], Message | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A server that breaks a requirement in one method.

    `asks` changes each request; `answers` changes each answer, and False from it drops a message of a stream; `errs`
    changes an error's status, and an answer from it takes the error's place. `instead` names the method of the same service
    that is called in its place. `ends_streams` ends each at once; after a cancelled call one that `tires` answers no more.
    """

    name: str
    breaks: str
    method: str = ""
    asks: Asks = lambda request: None
    answers: Answers = lambda answer: True
    errs: Errs = lambda status: None
    instead: str = ""
    ends_streams: bool = False
    tires: bool = False
    takes_any_method: bool = False


GOOD = Mutant(name="good", breaks="")


@asynccontextmanager
async def proxy(address: str, mutant: Mutant = GOOD) -> AsyncIterator[str]:
    """The address of one that stands before the server at `address`."""
    async with grpc.aio.insecure_channel(address) as channel:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((_Handler(channel, mutant),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            await server.stop(None)


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, channel: grpc.aio.Channel, mutant: Mutant) -> None:
        self._channel = channel
        self._mutant = mutant
        self._tired: list[bool] = []

    def service(self, details: Any) -> grpc.RpcMethodHandler | None:
        found = METHODS.get(details.method)
        if found is None:
            return grpc.unary_unary_rpc_method_handler(_empty) if self._mutant.takes_any_method else None
        mutant = self._mutant if found.name in self._mutant.method.split() else GOOD
        kind = {"request_deserializer": GetMessageClass(found.input_type).FromString, "response_serializer": _bytes}
        read = GetMessageClass(found.output_type).FromString
        service = details.method.rpartition("/")[0]
        path = f"{service}/{mutant.instead}" if mutant.instead else details.method
        onward = _Onward(mutant, self._channel, path, read, self._tired)
        if found.client_streaming:
            return grpc.stream_stream_rpc_method_handler(onward.streams, **kind)
        if found.server_streaming:
            return grpc.unary_stream_rpc_method_handler(onward.stream, **kind)
        return grpc.unary_unary_rpc_method_handler(onward.unary, **kind)


class _Onward:
    """One method, handed on."""

    def __init__(
        self, mutant: Mutant, channel: grpc.aio.Channel, path: str, read: Callable[[bytes], Any], tired: list[bool]
    ) -> None:
        self._tired = tired
        self._mutant = mutant
        self._channel = channel
        self._path = path
        self._coding = {"request_serializer": _bytes, "response_deserializer": read}

    async def unary(self, request: Any, context: Any) -> Any:
        if self._tired:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "too tired")
        try:
            self._mutant.asks(request)
            answer = await self._channel.unary_unary(self._path, **self._coding)(request, timeout=context.time_remaining())
        except grpc.aio.AioRpcError as error:
            return await self._fail(error, context)
        self._mutant.answers(answer)
        return answer

    async def stream(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self._mutant.asks(request)
        call = self._channel.unary_stream(self._path, **self._coding)(request, timeout=context.time_remaining())
        async for answer in self._told(call, context):
            yield answer

    async def streams(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        call = self._channel.stream_stream(self._path, **self._coding)(requests, timeout=context.time_remaining())
        async for answer in self._told(call, context):
            yield answer

    async def _told(self, call: Any, context: Any) -> AsyncIterator[Any]:
        await context.send_initial_metadata(())
        if self._mutant.ends_streams:
            return
        try:
            async for answer in call:
                if self._mutant.answers(answer) is not False:
                    yield answer
        except grpc.aio.AioRpcError as error:
            await self._fail(error, context)
        except asyncio.CancelledError:
            if self._mutant.tires:
                self._tired.append(True)
            raise
        finally:
            call.cancel()

    async def _fail(self, error: grpc.aio.AioRpcError, context: Any) -> Any:
        trailing = [(key, value) for key, value in error.trailing_metadata() or () if key != DETAILS]
        status = status_pb2.Status(code=error.code().value[0], message=error.details() or "")
        packed = next((value for key, value in error.trailing_metadata() or () if key == DETAILS), None)
        if packed is not None:
            status.ParseFromString(packed)
        if (answer := self._mutant.errs(status)) is not None:
            return answer
        if status.details:
            trailing.append((DETAILS, status.SerializeToString()))
        code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
        return await context.abort(code, status.message, tuple(trailing))


def _bytes(message: Message) -> bytes:
    return message.SerializeToString()


async def _empty(request: bytes, context: Any) -> bytes:
    return b""
