"""Checks of timestamps: what is stale, from the future or no time is refused, and clocks may differ a little."""

import time
from functools import partial
from typing import Final

from hookline_conformance.check import NotChecked, check
from hookline_conformance.receiver.target import ReceiverTarget
from hookline_conformance.receiver.wire import Answer
from hookline_conformance.schemes.scheme import replaced

NO_TIMES: Final = (
    "", "abc", "NaN", "nan", "inf", "-1", "0", "1e400", "9" * 30, "9" * 5000, "0x10", "null", "1700000000abc", "--", "1,7",
    "1970-13-45T99:99:99Z",
)  # fmt: skip


async def _refuses_age(target: ReceiverTarget, requirement: str, *ages: float) -> None:
    for age in ages:
        what = f"a timestamp {abs(age):.0f} s {'old' if age > 0 else 'in the future'}, rightly signed"
        await target.refuses(requirement, target.signed(target.delivery(age=age)), what)


@check("TIM-001", needs=("timestamped",), polite=True)
async def a_stale_delivery_is_refused(target: ReceiverTarget) -> None:
    tolerance = target.kind.tolerance or 300
    await _refuses_age(target, "TIM-001", tolerance + 30, tolerance * 2, 86_400, 86_400 * 365)


@check("TIM-002", needs=("timestamped",), polite=True)
async def a_delivery_of_long_ago_is_refused(target: ReceiverTarget) -> None:
    await _refuses_age(target, "TIM-002", 3_660, 86_400, 86_400 * 365)


@check("TIM-003", needs=("timestamped",), polite=True)
async def a_delivery_from_the_future_is_refused(target: ReceiverTarget) -> None:
    tolerance = target.kind.tolerance or 300
    await _refuses_age(target, "TIM-003", -tolerance - 30, -86_400, -86_400 * 365)


@check("TIM-004", needs=("timestamped",), polite=True)
async def a_delivery_from_the_far_future_is_refused(target: ReceiverTarget) -> None:
    await _refuses_age(target, "TIM-004", -3_660, -86_400, -86_400 * 365)


@check("TIM-005", needs=("timestamped",), polite=True)
async def clocks_may_differ_a_little(target: ReceiverTarget) -> None:
    for age in (15, -15, 5, -5):
        await target.accepts("TIM-005", target.signed(target.delivery(age=age)), f"a timestamp {age} s old")


@check("TIM-006", needs=("timestamped",), polite=True)
async def the_whole_tolerance_is_granted(target: ReceiverTarget) -> None:
    for age in (120, 240):
        await target.accepts("TIM-006", target.signed(target.delivery(age=age)), f"a timestamp {age} s old")


@check("TIM-007", needs=("timestamped",), polite=True)
async def a_changed_timestamp_is_refused(target: ReceiverTarget) -> None:
    for age in (100, 3, 400, 86_400):
        message = target.signed(target.delivery(age=age))
        fresh = target.kind.restamped(message, target.kind.stamp(time.time()))
        await target.refuses("TIM-007", fresh, f"a delivery signed {age} s ago and stamped anew without signing")


@check("TIM-008", needs=("timestamped",), polite=True)
async def a_missing_timestamp_is_refused(target: ReceiverTarget) -> None:
    await target.refuses("TIM-008", target.kind.unstamped(target.signed(target.delivery())), "a delivery without a timestamp")


@check("TIM-009", needs=("timestamped",))
async def what_is_no_time_is_refused(target: ReceiverTarget) -> None:
    for text in NO_TIMES:
        message = target.kind.restamped(target.signed(target.delivery()), text)
        await target.refuses("TIM-009", message, f"the timestamp {text[:30]!r}")


@check("TIM-010", needs=("timestamped",), polite=True)
async def an_unusual_spelling_of_a_time_is_refused(target: ReceiverTarget) -> None:
    now = target.kind.stamp(time.time())
    for text in (f"+{now}", f"{now}.0", f"{now}.9", f"0{now}", f"{now}e0", f"{now[0]}_{now[1:]}"):
        signed = target.signed(target.delivery(timestamp=text))
        await target.refuses("TIM-010", signed, f"the timestamp {text!r}, signed so")
        changed = target.kind.restamped(target.signed(target.delivery(timestamp=now)), text)
        await target.refuses("TIM-010", changed, f"the timestamp {text!r}, where {now!r} was signed")


@check("TIM-011", needs=("timestamped",), polite=True)
async def a_second_fresh_timestamp_does_not_help(target: ReceiverTarget) -> None:
    header = target.kind.timestamp_header
    if not header:
        raise NotChecked("the timestamp has no header of its own")
    fresh = target.kind.stamp(time.time())
    for first in (True, False):
        message = target.signed(target.delivery(age=7_200))
        stale = message.one(header)
        doubled = replaced(message, header, *((fresh, stale) if first else (stale, fresh)))
        await target.refuses("TIM-011", doubled, "a stale delivery with a second, fresh timestamp")


@check("TIM-012", needs=("timestamped", "effects"), polite=True)
async def a_refused_timestamp_has_no_effect(target: ReceiverTarget) -> None:
    async def stale(age: float) -> Answer:
        return await target.deliver(target.signed(target.delivery(age=age)), note="a stale delivery")

    async def unstamped() -> Answer:
        message = target.kind.unstamped(target.signed(target.delivery()))
        return await target.deliver(message, note="a delivery without a timestamp")

    # Whether a stale one must be refused, the other checks say.
    forgeries = {f"a delivery of {age // 3600} h ago that was refused": partial(stale, age) for age in (86_400, 7_200)}
    await target.no_effects("TIM-012", forgeries, of_refused=True)
    await target.no_effects("TIM-012", {"a delivery without a timestamp": unstamped})


@check("ORD-001", needs=("timestamped",), polite=True)
async def an_earlier_stamp_is_accepted_later(target: ReceiverTarget) -> None:
    for age in (0, 20, 5, 25, 1):
        await target.accepts("ORD-001", target.signed(target.delivery(age=age)), f"a delivery stamped {age} s ago, out of order")
