"""Method, target and headers of requests."""

import contextlib
import json

from hookline_conformance.check import check
from hookline_conformance.sender.adapter import Refused, TargetSpec
from hookline_conformance.sender.reply import always, status
from hookline_conformance.sender.signature import header_names
from hookline_conformance.sender.target import SenderTarget

PATHS = ("/hook?b=2&a=1", "/a%2Fb/%41%7e?q=%20%2B+&empty=&=", "/caf%C3%A9;v=1/?x%5B%5D=1&x%5b%5d=2", "/dir/")
INJECTIONS = (("X-Note", "one\r\nX-Injected: two"), ("X-Note", "one\nX-Injected: two"), ("X-Note: a\r\nX-Injected", "two"))


@check("HDR-101")
async def webhooks_are_posted(target: SenderTarget) -> None:
    """POST and nothing else."""
    async with target.scene() as scene:
        await scene.emit()
        request = await scene.first()
        scene.expect(request.method == "POST", "HDR-101", "POST", request.method, request)


@check("HDR-102")
async def the_headers_of_the_scheme_stand_once(target: SenderTarget) -> None:
    """Id, timestamp, signatures."""
    async with target.scene() as scene:
        await scene.emit()
        request = await scene.first()
        for name in header_names(target.capabilities.scheme):
            values = request.values(name)
            scene.expect(len(values) == 1 and bool(values[0]), "HDR-102", f"one {name} header", f"{values}", request)


@check("HDR-103")
async def json_is_called_json(target: SenderTarget) -> None:
    """application/json, or a type with +json."""
    async with target.scene() as scene:
        await scene.emit()
        request = await scene.first()
        media = (request.header("content-type") or "").partition(";")[0].strip().lower()
        scene.expect(media == "application/json" or media.endswith("+json"), "HDR-103", "application/json", repr(media), request)


@check("HDR-104")
async def the_sender_names_itself(target: SenderTarget) -> None:
    """A User-Agent that is not empty."""
    async with target.scene() as scene:
        await scene.emit()
        request = await scene.first()
        scene.expect(bool(request.header("user-agent")), "HDR-104", "a User-Agent", f"{request.values('user-agent')}", request)


@check("HDR-105")
async def host_is_the_target(target: SenderTarget) -> None:
    """The authority of the URL, port included."""
    async with target.scene() as scene:
        await scene.emit()
        request = await scene.first()
        hosts = request.values("host")
        scene.expect(
            hosts == [f"127.0.0.1:{scene.endpoint.port}"], "HDR-105", "the authority of the URL, once", f"{hosts}", request
        )


@check("HDR-106")
async def the_path_is_requested_as_configured(target: SenderTarget) -> None:
    """Escapes that a URL library likes to undo, empty values, repeated names."""
    for path in PATHS:
        async with target.scene() as scene:
            await scene.remove()
            await scene.configure(TargetSpec(url=scene.endpoint.at(path)), retries=0)
            await scene.emit()
            request = await scene.first()
            scene.expect(request.path == path, "HDR-106", path, request.path, request)


@check("HDR-107")
async def framing_is_unambiguous(target: SenderTarget) -> None:
    """A length that is right, or chunks."""
    async with target.scene() as scene:
        await scene.emit('{"é": "漢"}'.encode())
        await scene.first()
        request = scene.requests[0]
        lengths, codings = request.values("content-length"), request.values("transfer-encoding")
        right = (lengths == [str(len(request.body))] and not codings) or (not lengths and codings == ["chunked"])
        scene.expect(
            right and _is_json(request.body) and not scene.endpoint.malformed,
            "HDR-107",
            "one Content-Length that is right, or chunked",
            f"Content-Length {lengths}, Transfer-Encoding {codings}, {len(scene.endpoint.malformed)} requests that cannot be read",
            request,
        )


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


@check("HDR-108")
async def cookies_are_not_kept(target: SenderTarget) -> None:
    """Set for everything that a cookie can be set for."""
    cookie = "session=abc; Path=/; Max-Age=3600"
    async with target.scene(always(status(200, Set_Cookie=cookie))) as scene:
        await scene.emit(b'{"n": 1}')
        await scene.answered()
        await scene.emit(b'{"n": 2}')
        request = await scene.first(2)
        scene.expect(not request.values("cookie"), "HDR-108", "no Cookie header", f"{request.values('cookie')}", request)


@check("HDR-109", needs=("headers",))
async def configured_headers_are_sent(target: SenderTarget) -> None:
    """Two of them."""
    headers = (("X-Api-Key", "k-123"), ("X-Trace", "a b"))
    async with target.scene(spec=TargetSpec(url="", headers=headers)) as scene:
        await scene.emit()
        request = await scene.first()
        for name, value in headers:
            scene.expect(request.values(name) == [value], "HDR-109", f"{name}: {value}", f"{request.values(name)}", request)


@check("HDR-110", needs=("headers",))
async def configured_headers_do_no_harm(target: SenderTarget) -> None:
    """Names of the scheme, and line ends; refused, or without effect."""
    names = header_names(target.capabilities.scheme)
    for name, value in (*((name, "forged") for name in names), ("Content-Length", "1"), *INJECTIONS):
        with contextlib.suppress(Refused):
            async with target.scene(spec=TargetSpec(url="", headers=((name, value),))) as scene:
                await scene.emit()
                if not await scene.arrived(1):
                    continue
                request = scene.requests[0]
                clean = (
                    not request.values("X-Injected")
                    and all(len(request.values(own)) == 1 for own in names)
                    and bool(scene.signed_by(request))
                    and not scene.endpoint.malformed
                )
                scene.expect(clean, "HDR-110", "a refusal, or a request that is whole", f"{name!r}: {value!r} in it", request)
