"""What the status of an answer means."""

from hookline_conformance.check import NotChecked, check
from hookline_conformance.sender.endpoint import Endpoint, Request
from hookline_conformance.sender.reply import OK, Ending, Reply, always, in_turn, status
from hookline_conformance.sender.target import SenderTarget

SUCCESSES = (200, 201, 202, 203, 204, 206, 208, 226)
FAILURES = (400, 401, 403, 404, 405, 408, 409, 413, 415, 418, 422, 429, 451, 500, 501, 502, 503, 504, 507)
REDIRECTS = (301, 302, 303, 307, 308)


async def _all_retried(target: SenderTarget, requirement: str, replies: tuple[Reply, ...], names: tuple[str, ...]) -> None:
    """An event for each answer; each must be tried again."""
    answers: dict[str, str] = {}
    left = list(zip(replies, names, strict=True))

    def script(request: Request) -> Reply:
        if request.message_id in answers or not left:
            return OK
        reply, answers[request.message_id] = left.pop(0)
        return reply

    async with target.scene(script, retries=1) as scene:
        for number in range(len(replies)):
            await scene.emit(b'{"n": %d}' % number)
        await scene.first(len(replies))

        def again() -> set[str]:
            ids = [request.message_id for request in scene.requests]
            return {name for name in ids if ids.count(name) > 1}

        if not await scene.retried(2 * len(replies), retry=1):
            missing = {name: said for name, said in answers.items() if name not in again()}
            shown = [request for request in scene.requests if request.message_id in missing]
            scene.fail(requirement, f"another attempt after {', '.join(missing.values())}", "none", *shown[:2])


async def _none_retried(target: SenderTarget, requirement: str, replies: tuple[Reply, ...]) -> None:
    """An event for each answer; none may be tried again."""
    async with target.scene(in_turn(*replies, status(200)), retries=1) as scene:
        for number in range(len(replies)):
            await scene.emit(b'{"n": %d}' % number)
        await scene.first(len(replies))
        await scene.quiet()
        if len(scene.requests) > len(replies):
            extra = scene.requests[len(replies)]
            origin = next(request for request in scene.requests if request.message_id == extra.message_id)
            line = bytes(origin.answer).split(b"\r\n")[0].decode("latin-1")
            scene.fail(requirement, f"no attempt after {line!r}", "another one", origin, extra)


@check("STA-101")
async def every_2xx_is_a_success(target: SenderTarget) -> None:
    """All that are registered."""
    await _none_retried(target, "STA-101", tuple(status(code) for code in SUCCESSES))


@check("STA-102", needs=("retries",))
async def client_and_server_errors_are_failures(target: SenderTarget) -> None:
    """All that matter, 410 aside."""
    await _all_retried(target, "STA-102", tuple(map(status, FAILURES)), tuple(map(str, FAILURES)))


@check("STA-103")
async def redirects_are_not_followed(target: SenderTarget) -> None:
    """To another host and port, and to another path of the same."""
    async with Endpoint() as elsewhere:
        for code in REDIRECTS:
            async with target.scene(retries=1) as scene:
                for place in (elsewhere.url, scene.endpoint.at("/elsewhere")):
                    scene.endpoint.script = always(status(code, Location=place))
                    count = len(scene.requests)
                    await scene.emit()
                    await scene.first(count + 1)
                    await elsewhere.wait(1, 0.05)
                    if target.is_virtual:
                        await target.advance(0.0)
                    followed = [*elsewhere.requests, *(one for one in scene.requests if one.path == "/elsewhere")]
                    scene.expect(
                        not followed, "STA-103", f"no request to the Location of a {code}", f"one to {place}", *followed[:1]
                    )


@check("STA-104", needs=("retries",))
async def a_redirect_is_a_failure(target: SenderTarget) -> None:
    """With a Location and without."""
    replies = (*(status(code, Location="http://127.0.0.1:9/") for code in REDIRECTS), status(304), status(300))
    await _all_retried(target, "STA-104", replies, (*map(str, REDIRECTS), "304", "300"))


@check("STA-105", needs=("retries", "disables-on-gone"))
async def gone_ends_a_target(target: SenderTarget) -> None:
    """410, then another event."""
    async with target.scene(in_turn(status(410), OK), retries=1) as scene:
        await scene.emit(b'{"n": 1}')
        await scene.answered()
        await scene.quiet()
        await scene.emit(b'{"n": 2}')
        await scene.must_stay("STA-105", 1, "410 Gone")


@check("STA-106")
async def interim_answers_are_skipped(target: SenderTarget) -> None:
    """100 and 103 before success and, where retries can be watched, before failure."""
    async with target.scene(in_turn(Reply(status=200, interim=(100, 103, 102)), OK), retries=1) as scene:
        await scene.emit()
        await scene.answered()
        await scene.must_stay("STA-106", 1, "interim answers and then 200")
    if not target.delays(1):
        raise NotChecked("success after interim answers is taken; failure after them cannot be told without retries")
    async with target.scene(in_turn(Reply(status=500, interim=(100, 103)), OK), retries=1) as scene:
        await scene.emit()
        await scene.answered()
        await scene.must_retry("STA-106", 2, "interim answers and then 500")


@check("STA-107", needs=("retries",))
async def unknown_statuses_count_by_their_class(target: SenderTarget) -> None:
    """Successes and failures that nobody has registered."""
    await _none_retried(target, "STA-107", (status(242), status(299)))
    await _all_retried(target, "STA-107", (status(399), status(499), status(599)), ("399", "499", "599"))


@check("STA-108", needs=("retries",))
async def gibberish_is_a_failure(target: SenderTarget) -> None:
    """Not HTTP, almost HTTP, and a status that HTTP does not have."""
    raw = (
        b"\x16\x03\x01 this is no HTTP\r\n\r\n",
        b"HELLO 200 OK\r\n\r\n",
        b"200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 OK 200\r\nContent-Length: 0\r\n\r\n",
    )
    replies = tuple(Reply(raw=text, ending=Ending.CLOSE_UNANNOUNCED) for text in raw)
    await _all_retried(target, "STA-108", replies, tuple(repr(text[:24]) for text in raw))


@check("STA-109", needs=("retries",))
async def a_broken_answer_is_a_failure(target: SenderTarget) -> None:
    """Before anything, and in the middle of the head."""
    cuts = [(cut, ending) for ending in (Ending.RESET, Ending.CLOSE_UNANNOUNCED) for cut in (0, 1, 12, 20)]
    replies = tuple(Reply(status=200, body=b"ok", cut=cut, ending=ending) for cut, ending in cuts)
    words = {Ending.RESET: "a reset", Ending.CLOSE_UNANNOUNCED: "a close"}
    await _all_retried(target, "STA-109", replies, tuple(f"{words[ending]} after {cut} bytes" for cut, ending in cuts))
