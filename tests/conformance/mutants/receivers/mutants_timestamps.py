"""Receivers that treat timestamps wrongly."""

import time

from conformance.mutants.receivers.http_server import Refused, Request
from conformance.mutants.receivers.mutant import broken, mutant
from conformance.mutants.receivers.reference import FirstHeader, HttpMessage, Receiver, Standard, Stripe, Zendesk

mutant("TIM-001", "does not look at the age", "too_old", lambda self, seconds: False)
mutant("TIM-001", "allows ten minutes for five", "too_old", lambda self, seconds: seconds < time.time() - 600)
mutant("TIM-001", "does not look at the age", "too_old", lambda self, seconds: False, base=Stripe)
mutant(
    "TIM-001",
    "checks the timestamp only where it is in the future",
    "check_time",
    lambda self, seconds: Receiver.check_time(self, max(seconds, time.time())),
)
mutant("TIM-002", "does not look at the age", "too_old", lambda self, seconds: False, base=Zendesk)
mutant("TIM-002", "allows a day", "tolerance", 86_400, base=HttpMessage)
mutant("TIM-003", "does not look at the future", "too_new", lambda self, seconds: False)
mutant("TIM-003", "allows an hour into the future", "too_new", lambda self, seconds: seconds > time.time() + 3_600)
mutant("TIM-004", "does not look at the future", "too_new", lambda self, seconds: False, base=Stripe)
mutant("TIM-004", "does not look at the future", "too_new", lambda self, seconds: False, base=HttpMessage)
mutant("TIM-005", "allows no difference of clocks", "too_new", lambda self, seconds: seconds > time.time())
mutant("TIM-005", "allows ten seconds", "tolerance", 10)
mutant("TIM-006", "allows a minute", "tolerance", 60)


@broken("TIM-007", "lets the timestamp be wrong by a few seconds", "matches")
def _(self: Receiver, content: bytes, signatures: list[bytes]) -> bool:
    event_id, stamp, body = content.split(b".", 2)
    near = range(int(stamp) - 120, int(stamp) + 1) if stamp.isdigit() else ()
    return any(Standard.matches(self, b"%b.%d.%b" % (event_id, number, body), signatures) for number in near)


@broken("TIM-008", "takes a missing timestamp for now", "receive")
async def _(self: Receiver, request: Request) -> int:
    if not any(name.lower() == "webhook-timestamp" for name, _ in request.headers):
        return await self.take(self.event_id(request), request)
    return await Standard.receive(self, request)


mutant(
    "TIM-009",
    "crashes on a timestamp that is no number",
    "stamp",
    lambda self, request: str(int(self.header(request, "webhook-timestamp"))),
)


@broken("TIM-009", "crashes on a timestamp beyond any date", "verify")
def _(self: Receiver, request: Request) -> str:
    time.gmtime(int("0" + "".join(filter(str.isdigit, self.header(request, "webhook-timestamp")))))
    return Standard.verify(self, request)


@broken("TIM-010", "reads any number for a timestamp", "seconds")
def _(self: Receiver, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Refused(400) from None


mutant(
    "TIM-010",
    "verifies the number that the timestamp says",
    "stamp",
    lambda self, request: self.header(request, "webhook-timestamp").removeprefix("+"),
)


mutant(
    "TIM-011",
    "verifies the first timestamp and believes the last",
    "checked_stamp",
    lambda self, stamp, request: stamps(request)[-1],
    base=FirstHeader,
)
mutant(
    "TIM-011", "believes the latest timestamp", "checked_stamp", lambda self, stamp, request: max(stamps(request)), base=FirstHeader
)


def stamps(request: Request) -> list[str]:
    """All timestamps of a request."""
    return [value for key, value in request.headers if key.lower() == "webhook-timestamp"]


@broken("TIM-012", "checks the timestamp after the effect", "check_time")
def _(self: Receiver, seconds: float) -> None:
    self.effect("early")
    Receiver.check_time(self, seconds)


@broken("ORD-001", "wants timestamps to grow", "check_time")
def _(self: Receiver, seconds: float) -> None:
    Receiver.check_time(self, seconds)
    if seconds < self.__dict__.get("newest", 0) - 1:
        raise Refused(409)
    self.__dict__["newest"] = seconds
