"""When a failed delivery is tried again."""

import time
from email.utils import formatdate

from hookline_conformance.check import NotChecked, check
from hookline_conformance.sender.adapter import Feature, TargetSpec
from hookline_conformance.sender.endpoint import Request
from hookline_conformance.sender.reply import FOREVER, OK, Ending, Reply, Script, always, by_id, in_turn, status
from hookline_conformance.sender.scene import SLACK, Scene, in_time
from hookline_conformance.sender.target import SHORT_DELAYS, SenderTarget

_SLICES = 20
"""A virtual clock is moved by so many steps where the moment of a retry is looked for."""


@check("RTY-101", needs=("retries",))
async def failures_are_retried(target: SenderTarget) -> None:
    """One 500, then success."""
    async with target.scene(in_turn(status(500), OK), retries=1) as scene:
        await scene.emit()
        await scene.first()
        await scene.must_retry("RTY-101", 2, "500 Internal Server Error")


async def _early(scene: Scene, number: int, requirement: str, least: float) -> float:
    """Wait for the request after request `number`; a violation if it comes before `least` seconds have passed.

    The answer is by how much the clock may be beyond that request.
    """
    target = scene.target
    if target.is_virtual:
        await target.advance(max(0.0, least - SLACK))
        if len(scene.requests) > number:
            scene.fail(requirement, f"no attempt within {least:g} s of attempt {number}", "one")
        step = max(least / _SLICES, 2 * SLACK)
        for _ in range(_SLICES):
            await target.advance(step)
            if len(scene.requests) > number:
                break
        return step + SLACK
    if await scene.endpoint.wait(number + 1, least + target.patience):
        before, after = scene.requests[number - 1], scene.requests[number]
        gap = after.arrived - before.arrived
        if gap < least - SLACK:
            scene.fail(requirement, f"at least {least:.2f} s to the next attempt", f"{gap:.2f} s", before, after)
    return 0.0


@check("RTY-102", needs=("retries",))
async def no_retry_comes_early(target: SenderTarget) -> None:
    """Each delay of the schedule, at the lower end of its jitter."""
    async with target.scene(always(status(500)), retries=3) as scene:
        await scene.emit()
        await scene.first()
        late = 0.0
        for retry in range(1, len(scene.delays) + 1):
            late = await _early(scene, retry, "RTY-102", scene.least(retry) - late)
            if len(scene.requests) <= retry:
                return


@check("RTY-103", needs=("virtual-clock",))
async def no_retry_comes_late(target: SenderTarget) -> None:
    """Each delay of the schedule, at the upper end of its jitter."""
    async with target.scene(always(status(500)), retries=4) as scene:
        await scene.emit()
        await scene.first()
        for retry in range(1, len(scene.delays) + 1):
            if not await scene.retried(retry + 1):
                scene.fail("RTY-103", f"attempt {retry + 1} within {scene.longest(retry):g} s", "none")


@check("RTY-104", needs=("retries",))
async def the_whole_schedule_is_used(target: SenderTarget) -> None:
    """The whole one where the clock can be moved or the schedule set."""
    async with target.scene(always(status(500)), retries=3) as scene:
        await scene.emit()
        await scene.first()
        for retry in range(1, len(scene.delays) + 1):
            await scene.must_retry("RTY-104", retry + 1, f"failure {retry} of a schedule of {len(scene.delays) + 1} attempts")
        if len(scene.delays) < len(target.capabilities.schedule) and not target.has(Feature.SCHEDULE):
            raise NotChecked(f"the first {len(scene.delays)} retries came; later ones take longer than a check waits")


@check("RTY-105", needs=("retries",))
async def nothing_comes_after_the_schedule(target: SenderTarget) -> None:
    """A schedule of two retries, used up."""
    if not target.has(Feature.SCHEDULE) and len(target.delays(100)) < len(target.capabilities.schedule):
        raise NotChecked("the schedule's end comes later than a check waits")
    retries = 2 if target.has(Feature.SCHEDULE) else len(target.capabilities.schedule)
    async with target.scene(always(status(500)), retries=retries) as scene:
        await scene.emit()
        await scene.first()
        for retry in range(1, retries + 1):
            if not await scene.retried(retry + 1):
                raise NotChecked(f"attempt {retry + 1} did not come, so the schedule's end was not seen")
        await scene.must_stay("RTY-105", retries + 1, f"the last of {retries + 1} attempts")


@check("RTY-106", needs=("retries", "schedule"))
async def delays_are_spread(target: SenderTarget) -> None:
    """Twelve events fail at once; their retries must not all come at once."""
    count = 12
    delay = 100.0 if target.is_virtual else 1.5
    spec = TargetSpec(url="", schedule=(delay,), jitter=max(target.capabilities.jitter, 0.1))
    async with target.scene(by_id(status(500), OK), retries=1, spec=spec) as scene:
        scene.delays, scene.jitter = (delay,), spec.jitter or 0.1
        for number in range(count):
            await scene.emit(b'{"n": %d}' % number)
        await scene.first(count)
        spread: set[float] = set()
        if target.is_virtual:
            await target.advance(scene.least(1) - SLACK)
            step = (scene.longest(1) - scene.least(1)) / 10
            for slice_ in range(11):
                before = len(scene.requests)
                await target.advance(step)
                if len(scene.requests) > before:
                    spread.add(slice_)
        else:
            if not await scene.retried(2 * count, retry=1):
                raise NotChecked("the retries did not come")
            first = {request.message_id: request.arrived for request in scene.requests[:count]}
            spread = {round((request.arrived - first[request.message_id]) / (delay / 50)) for request in scene.requests[count:]}
        scene.expect(len(spread) > 1, "RTY-106", f"{count} retries at different times within ±{scene.jitter:.0%}", "all at once")


async def _wished(target: SenderTarget, requirement: str, reply: Script, wish: float) -> None:
    """A receiver wishes for `wish` seconds; the next attempt must not come before, and come after."""
    async with target.scene(lambda request: reply(request) if request.order == 1 else OK, retries=1) as scene:
        await scene.emit()
        await scene.answered()
        await _early(scene, 1, requirement, wish)
        if len(scene.requests) < 2 and not await scene.retried(2, extra=wish):
            scene.fail(requirement, f"another attempt about {wish:g} s later, as the receiver asked", "none")


@check("RTY-107", needs=("retries", "retry-after"))
async def retry_after_in_seconds_is_a_lower_bound(target: SenderTarget) -> None:
    """Longer than the first delay of the policy, within what the sender says it follows."""
    wish = min(2 * target.delays(1)[0] * 1.2 + 60, target.capabilities.retry_after_cap) if target.is_virtual else 2.0
    await _wished(target, "RTY-107", always(status(503, Retry_After=f"{wish:.0f}")), float(f"{wish:.0f}"))


@check("RTY-108", needs=("retries", "retry-after"))
async def retry_after_as_a_date_is_a_lower_bound(target: SenderTarget) -> None:
    """In the form of RFC 9110, by the sender's clock."""
    wish = 120.0 if target.is_virtual else 3.0
    now = await target.now()

    def reply(_: Request) -> Reply:
        return status(429, Retry_After=formatdate((now if target.is_virtual else time.time()) + wish, usegmt=True))

    # A date has no fractions, and the clocks of two machines differ by some of them.
    await _wished(target, "RTY-108", reply, wish - 1.0 - SLACK if target.is_virtual else wish - 1.5)


GIBBERISH = (
    "soon",
    "-5",
    "1e3",
    "0x10",
    "5 seconds",
    "Fri, 99 Foo 2026 00:00:00 GMT",
    "١٢".encode().decode("latin-1"),
    "nan",
)


@check("RTY-109", needs=("retries",))
async def gibberish_is_ignored(target: SenderTarget) -> None:
    """Every form at once, each for an event of its own."""
    replies = iter([status(503, Retry_After=text) for text in GIBBERISH])
    told: dict[str, int] = {}

    def script(request: object) -> Reply:
        name = getattr(request, "message_id", "")
        told[name] = told.get(name, 0) + 1
        return next(replies, OK) if told[name] == 1 else OK

    count = len(GIBBERISH)
    async with target.scene(script, retries=1) as scene:
        for number in range(count):
            await scene.emit(b'{"n": %d}' % number)
        await scene.first(count)
        if not await scene.retried(2 * count, retry=1):
            missing = {request.message_id for request in scene.requests if told[request.message_id] < 2}
            stuck = [request for request in scene.requests if request.message_id in missing]
            scene.fail("RTY-109", "a retry by the policy for each", f"none for {len(missing)} of {count}", *stuck[:2])


@check("RTY-110", needs=("retries", "virtual-clock"))
async def a_wish_out_of_range_is_bounded(target: SenderTarget) -> None:
    """A century in seconds, and a date in the next millennium."""
    cap = max(target.capabilities.retry_after_cap, target.delays(1)[0])
    for wish in ("3153600000", "Fri, 31 Dec 9999 23:59:59 GMT", "9" * 30):
        async with target.scene(in_turn(status(503, Retry_After=wish), OK), retries=1) as scene:
            await scene.emit()
            await scene.answered()
            await target.advance(cap * (1 + scene.jitter) + 60.0)
            if not await scene.endpoint.wait(2, target.patience):
                scene.fail("RTY-110", f"another attempt within {cap:g} s", f"none after Retry-After: {wish}")


@check("RTY-111", needs=("retries",))
async def a_sooner_wish_hastens_nothing(target: SenderTarget) -> None:
    """Zero seconds, and a date that is over."""
    for wish in ("0", formatdate(await target.now() - 3600, usegmt=True)):
        async with target.scene(in_turn(status(503, Retry_After=wish), OK), retries=1) as scene:
            await scene.emit()
            await scene.answered()
            await _early(scene, 1, "RTY-111", scene.least(1))


@check("RTY-112", needs=("retries",))
async def a_failing_event_holds_up_no_other(target: SenderTarget) -> None:
    """The first event always fails, the others must come all the same."""
    first: list[str] = []

    def script(request: object) -> Reply:
        name = getattr(request, "message_id", "")
        if not first:
            first.append(name)
        return status(500) if name == first[0] else OK

    async with target.scene(script, retries=1) as scene:
        await scene.emit(b'{"n": 0}')
        await scene.answered()
        for number in range(1, 4):
            await scene.emit(b'{"n": %d}' % number)
        if not await scene.endpoint.until(lambda: len({one.message_id for one in scene.requests}) >= 4, target.patience):
            scene.fail("RTY-112", "the three events after the one that fails", f"{len(scene.requests)} requests in all")


@check("RTY-113")
async def a_silent_target_holds_up_no_other(target: SenderTarget) -> None:
    """Several events hang at one receiver; another one gets its event meanwhile."""
    async with target.scene(always(Reply(delay=FOREVER))) as silent, target.scene() as scene:
        for number in range(4):
            await silent.emit(b'{"n": %d}' % number)
        await silent.endpoint.wait(1, target.patience)
        begun = time.monotonic()
        await scene.emit()
        # Less than the silent one's timeout, or the wait for it would look like no wait.
        within = min(target.patience, max(0.8 * silent.timeout, 0.2))
        came = await scene.endpoint.wait(1, within)
        if not came and silent.timeout < 1.0:
            raise NotChecked("the timeout is too short to tell a wait from a slow machine")
        took = time.monotonic() - begun
        scene.expect(came, "RTY-113", "the event at the other target while the first one is silent", f"none within {took:.1f} s")


@check("RTY-114", needs=("retries", "kill"))
async def what_waits_outlives_a_kill(target: SenderTarget) -> None:
    """A failure, kill -9, another attempt."""
    async with target.scene(in_turn(status(500), OK), retries=1) as scene:
        await scene.emit()
        await scene.answered()
        await target.adapter.restart(kill=True)
        await scene.must_retry("RTY-114", 2, "a failure and a kill of the sender", extra=target.recovery)


@check("RTY-115", needs=("kill",))
async def what_is_on_the_wire_outlives_a_kill(target: SenderTarget) -> None:
    """The receiver has the request and has not answered when the sender is killed."""
    async with target.scene(in_turn(Reply(delay=FOREVER), OK), retries=1) as scene:
        await scene.emit()
        if not await scene.endpoint.wait(1, target.patience):
            raise NotChecked("the first request never came")
        await target.adapter.restart(kill=True)
        if not scene.delays:
            came = await scene.endpoint.wait(2, target.patience + target.recovery)
        else:
            came = await scene.retried(2, extra=target.recovery)
        scene.expect(came, "RTY-115", "another attempt after the kill", "none")


@check("RTY-116", needs=("retries", "restart"))
async def the_schedule_outlives_a_restart(target: SenderTarget) -> None:
    """Two retries in all, with a restart after each failure."""
    if not target.has(Feature.SCHEDULE):
        raise NotChecked("the schedule cannot be set, and its end comes later than a check waits")
    longer = tuple(5 * delay for delay in SHORT_DELAYS[:2])
    delays = target.delays(2) if target.is_virtual else longer
    async with target.scene(always(status(500)), retries=2, spec=TargetSpec(url="", schedule=delays)) as scene:
        scene.delays = delays
        await scene.emit()
        await scene.answered()
        late = 0.0
        for retry in (1, 2):
            await target.adapter.restart(kill=False)
            late = await _early(scene, retry, "RTY-116", scene.least(retry) - late)
            if len(scene.requests) <= retry:
                raise NotChecked(f"attempt {retry + 1} did not come")
        await target.adapter.restart(kill=False)
        await scene.must_stay("RTY-116", 3, "the last attempt of the schedule, and a restart")


@check("RTY-117", needs=("restart",))
async def what_was_delivered_stays_delivered(target: SenderTarget) -> None:
    """Success, restart, silence."""
    async with target.scene(retries=1) as scene:
        await scene.emit()
        await scene.answered()
        await scene.quiet(0.3 if not target.is_virtual else 0.0)
        await target.adapter.restart(kill=False)
        await scene.must_stay("RTY-117", 1, "success and a restart")


@check("RTY-118", needs=("retries",))
@in_time
async def refused_connections_are_retried(target: SenderTarget) -> None:
    """The receiver is down when the event is emitted, and comes up before the retry."""
    async with target.scene(retries=1, unhurried=True) as scene:
        await scene.endpoint.stop()
        begun = time.monotonic()
        await scene.emit()
        await scene.quiet(0.0 if target.is_virtual else 0.1)
        await scene.endpoint.listen()
        scene.before_retry(begun)
        if not await scene.retried(1, retry=1):
            scene.fail("RTY-118", "another attempt after a refused connection", "none")


@check("RTY-119", needs=("retries",))
async def a_connection_closed_at_the_worst_moment_loses_nothing(target: SenderTarget) -> None:
    """The receiver keeps the connection, and resets it when the next request begins to come."""
    async with target.scene(in_turn(Reply(ending=Ending.CLOSE_ON_NEXT), OK), retries=1) as scene:
        await scene.emit(b'{"n": 1}')
        await scene.answered()
        await scene.emit(b'{"n": 2}')
        if not await scene.retried(2, retry=1):
            scene.fail("RTY-119", "the second event, over a new connection", "it never came")
