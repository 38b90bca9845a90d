"""How fast a lane may go: its breaker, its rate, how much its receiver bears, and for how long it has only failed.

All of it stands with the lane: its owner keeps it in the store as a text when it changes for long, and the
next owner begins with that. Times are microseconds since 1970-01-01T00:00Z, but for those by the monotonic clock (seconds).
"""

import json
import math
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from hookline.breaker import CLOSED, Circuit, failed, restored, succeeded
from hookline.clock import micros, moment
from hookline.lanes import sharing
from hookline.model import ErrorClass, Hold, HoldKind, Subscription
from hookline.model.limits import RateLimit
from hookline.rate import bounded, earliest, returned, spent
from hookline.store.protocol import Settlement

SECOND: Final = 1_000_000
LONGEST_REST: Final = 300.0
"""Seconds for which one answer's Retry-After keeps the whole lane; its delivery waits for as long as it says."""
GROWTH: Final = 0.25
"""By how many requests at a time each success widens a lane that was slowed down."""
NOTICES: Final = 5
"""Into so many parts the span of failures is cut after which a subscription is disabled; after each there is a notice."""
LEAST_FAILURES: Final = 5
"""So many failures in a row there must be in that span."""
WELL_PARTS: Final = 10
"""Where a subscription has several lanes, each keeps when it last succeeded, as exactly as one of so many parts of that span."""
ASK_AGAIN: Final = 60 * SECOND
"""Microseconds until a lane that has only failed for that span asks again to be given up, should it not have been."""
LONGEST_REASON: Final = 300
PROMPT: Final = 1.0
"""Seconds within which an attempt is over whose receiver does not hang."""
PROOF: Final = 3
"""So many attempts in a row have to be over within that, for a receiver to count as proven."""

_SLOW: Final = frozenset({ErrorClass.TIMEOUT, ErrorClass.CONNECTION, ErrorClass.REFUSED})
"""Errors by which a receiver shows that it has too much to do."""
_OURS: Final = frozenset({ErrorClass.BODY, ErrorClass.INTERRUPTED})
"""What says nothing of the receiver."""


class Outcome(NamedTuple):
    """What an attempt showed of the receiver. `rest` is for how many seconds it asked to be left alone."""

    slow: bool = False
    rest: float = 0.0


class Event(NamedTuple):
    """What came of it: `keep` the state, tell that the receiver is `failing`, or stop as it only fails: `give_up` says why.

    `eased`: the next one may go earlier: this one cost nothing of the lane's rate after all, or closed the breaker.
    """

    keep: bool = False
    failing: bool = False
    give_up: str = ""
    eased: bool = False


NOTHING: Final = Event()
_KEEP: Final = Event(keep=True)
_EASED: Final = Event(eased=True)


class Pace:
    """One lane's."""

    __slots__ = ("_asked", "_circuit", "_cool", "_debt", "_full", "_grain", "_kept", "_offset", "_policy", "_probe", "_prompt",
                 "_rate", "_reason", "_rest", "_resumed", "_since", "_site", "_span", "_told", "_url", "_well", "_width",
                 "free", "limit")  # fmt: skip

    def __init__(self, subscription: Subscription, state: str, now: int, monotonic: float) -> None:
        """Go on where the former owner stood; `state` is what it kept, empty for nothing."""
        kept = _read(state)
        self._circuit = Circuit(*kept["circuit"]) if "circuit" in kept else CLOSED
        self._rest: int = min(kept.get("rest", 0), now + int(LONGEST_REST * SECOND))
        self._debt: float = kept.get("debt", 0.0)
        self._since: int = kept.get("since", 0)
        self._told: int = kept.get("told", 0)
        self._well: int = kept.get("well", 0)
        self._asked = 0
        self._reason: str = kept.get("reason", "")
        self._kept = state
        self._probe: int | None = None
        self._cool = self._prompt = 0
        self._width = math.inf
        self.limit = 1
        self.free = True
        """Nothing is to be asked before the next start but the limit."""
        self._rate: RateLimit | None = None
        self._full = 1
        self._offset = now - monotonic * SECOND
        """By how much the wall clock is ahead of the monotonic one."""
        self._url = subscription.url
        self._site = _site(subscription)
        self._resumed = _resumed(subscription)
        # Was it resumed, or did it move, while nobody held the lane, or while its owner had not heard of that?
        if self._resumed > self._since or kept.get("url", self._site) != self._site:
            self._reset()
        self.configure(subscription, now)

    def configure(self, subscription: Subscription, now: int) -> None:
        """The subscription was changed; if it was resumed, or has another URL, nothing of what was counts."""
        resumed = _resumed(subscription)
        if subscription.url != self._url or resumed != self._resumed:
            self._url, self._site, self._resumed = subscription.url, _site(subscription), resumed
            self._reset()
        self._policy = subscription.breaker
        self._rate = subscription.rate
        self._span = int(subscription.disable_after * SECOND)
        self._grain = _grain(self._span) if sharing(subscription) > 1 else 0
        self._full = subscription.max_in_flight
        self._circuit = restored(self._circuit, self._policy, now) if self._circuit is not CLOSED else CLOSED
        if self._rate is not None:  # a debt under a former rate is no debt
            self._debt = bounded(self._rate, self._debt, now)
        self._widen(self._width)

    def _reset(self) -> None:
        self._circuit, self._probe, self._rest, self._since, self._told, self._reason = CLOSED, None, 0, 0, 0, ""
        self._cool = self._well = self._asked = self._prompt = 0
        self._width = math.inf

    def wait(self, now: int) -> int | None:
        """0 if an attempt may start; else until when it may not, or None until a probe is over.

        No time is further off than it could be, should the clock have been set back.
        """
        if self._circuit.openings:
            if now < self._circuit.until:
                self._circuit = restored(self._circuit, self._policy, now)
                return self._circuit.until
            if self._probe is not None:
                return None
        if self._rest:
            if now < self._rest:
                self._rest = min(self._rest, now + int(LONGEST_REST * SECOND))
                return self._rest
            self._rest = 0
            self._refresh()
        if self._rate is not None:
            self._debt = bounded(self._rate, self._debt, now)
            first = earliest(self._rate, self._debt)
            if first > now:
                return math.ceil(first)
        return 0

    def started(self, pos: int, now: int) -> None:
        """An attempt starts; only to be told if not `free`."""
        if self._circuit.openings:
            self._probe = pos
        if self._rate is not None:
            self._debt = spent(self._rate, self._debt, now)

    def passed(self, pos: int) -> None:
        """It came to no attempt after all, or to one that says nothing of the receiver."""
        if self._probe == pos:
            self._probe = None

    def unsent(self, pos: int) -> Event:
        """It was sent to nobody after all: it costs nothing of the rate."""
        self.passed(pos)
        if self._rate is None:
            return NOTHING
        self._debt = returned(self._rate, self._debt)
        return _EASED

    def finished(self, settlement: Settlement, outcome: Outcome, in_flight: int, monotonic: float) -> Event:
        """An attempt is over; `in_flight` are still under way."""
        attempt = settlement.attempt
        pos = settlement.work.pos
        if attempt is None or attempt.error is ErrorClass.BODY:  # nothing was sent
            return self.unsent(pos)
        if attempt.error in _OURS or attempt.url != self._url:
            self.passed(pos)
            return NOTHING
        self._prompt = self._prompt + 1 if attempt.duration < PROMPT else 0
        if attempt.error is None:
            well = self._grain > 0 and abs(settlement.at - self._well) >= self._grain
            if well:
                self._well = settlement.at
            elif self._circuit is CLOSED and self._width >= self._full and not self._since:
                return NOTHING
            event = self._succeeded()
            return event._replace(keep=True) if well else event
        self._follow(settlement.at, monotonic)
        return self._failed(settlement, outcome, in_flight)

    def _follow(self, now: int, monotonic: float) -> None:
        """The span of failures grows by the time that passes, not by that by which the wall clock is set."""
        moved = now - monotonic * SECOND - self._offset
        if abs(moved) >= SECOND:
            self._offset += moved
            if self._since:
                self._since += int(moved)

    def _succeeded(self) -> Event:
        opened = self._circuit.openings
        self._circuit = succeeded(self._circuit)
        self._probe, self._since, self._told, self._reason = None, 0, 0, ""
        self._cool -= 1
        if self._width < self._full:
            self._widen(self._width + GROWTH)
        self._refresh()
        # A lane that rests until the breaker lets a probe through may go on now.
        return Event(keep=bool(opened) or '"since"' in self._kept, eased=bool(opened))

    def _failed(self, settlement: Settlement, outcome: Outcome, in_flight: int) -> Event:
        now = settlement.at
        before = self._circuit
        probe = self._probe == settlement.work.pos
        self._circuit = failed(before, self._policy, now, probe=probe)
        self.passed(settlement.work.pos)
        self._reason = settlement.reason[:LONGEST_REASON]
        self._since = self._since or now
        self._cool -= 1
        attempt = settlement.attempt
        if (outcome.slow or (attempt is not None and attempt.error in _SLOW)) and self._cool <= 0:
            # Once for all that are under way now: they left before this answer could be heeded.
            self._cool = in_flight + 1
            self._widen(max(1.0, min(self._width, self._full) / 2))
        rested = False
        if outcome.rest > 0:
            rest = now + int(min(outcome.rest, LONGEST_REST) * SECOND)
            rested = rest > self._rest
            self._rest = max(rest, self._rest)
        self._refresh()
        return self._judge(now, keep=rested or self._circuit.openings != before.openings)

    def _judge(self, now: int, *, keep: bool) -> Event:
        """For how long it has only failed, and what follows."""
        lasted = now - self._since
        if not self._span or self._circuit.failures < LEAST_FAILURES or lasted * NOTICES < self._span * (self._told + 1):
            # A streak that lasts is kept, so that a restart does not begin it anew.
            long = lasted >= min(60 * SECOND, self._span // NOTICES) and '"since"' not in self._kept
            return _KEEP if keep or (long and self._span) else NOTHING
        if lasted >= self._span:
            if abs(now - self._asked) < min(ASK_AGAIN, _grain(self._span)):
                return _KEEP if keep else NOTHING
            self._asked = now
            since = moment(self._since).isoformat(timespec="seconds")
            return Event(
                keep=True, give_up=f"nothing but failures since {since}, {self._circuit.failures} in a row: {self._reason}"
            )
        self._told = lasted * NOTICES // self._span
        return Event(keep=True, failing=True)

    @property
    def halted(self) -> bool:
        """Nothing starts for a time, or nothing but a probe: the breaker is open or half open, or the receiver wants to rest."""
        return self._circuit.openings > 0 or self._rest > 0

    @property
    def proven(self) -> bool:
        """The receiver has lately answered at once, be it with failures: it does not hang."""
        return self._prompt >= PROOF

    @property
    def failing_since(self) -> int:
        """When the first of the failures in a row was; 0 if the last attempt succeeded."""
        return self._since

    @property
    def failures(self) -> int:
        """How many failures in a row."""
        return self._circuit.failures

    def text(self) -> str:
        """What is to be kept; empty if everything is as with a new lane."""
        state: dict[str, Any] = {}
        if self._circuit is not CLOSED:
            state["circuit"] = list(self._circuit)
        others = (
            ("rest", self._rest),
            ("since", self._since),
            ("told", self._told),
            ("reason", self._reason),
            ("well", self._well),
        )
        state |= {name: value for name, value in others if value}
        if self._rate is not None and self._debt:
            state["debt"] = self._debt
        return json.dumps(state | {"url": self._site}) if state else ""

    def kept(self, text: str) -> None:
        """`text` is in the store."""
        self._kept = text

    @property
    def unkept(self) -> bool:
        """The store has another state, and the difference would matter to the next owner."""
        return self.text() != self._kept

    def _widen(self, width: float) -> None:
        """As wide as that; no limit but the subscription's own once that is reached."""
        self._width = width if width < self._full else math.inf
        self.limit = max(1, int(min(width, self._full)))
        self._refresh()

    def _refresh(self) -> None:
        self.free = not self._circuit.openings and not self._rest and self._rate is None


def _resumed(subscription: Subscription) -> int:
    """When it was last resumed; 0 if it never was, or is not active."""
    last = subscription.pauses[-1].end if subscription.pauses else None
    return 0 if last is None else micros(last)


def _grain(span: int) -> int:
    return max(1, span // WELL_PARTS)


def was_well(state: str, span: float, now: int) -> bool:
    """Whether a lane with this state may have succeeded in the `span` seconds before `now`."""
    well: int = _read(state).get("well", 0)
    length = int(span * SECOND)
    return well + _grain(length) > now - length


def _site(subscription: Subscription) -> str:
    """Tells one URL of a subscription from another and gives none of it away: there may be a secret in it."""
    return blake2b(f"{subscription.id} {subscription.url}".encode(), digest_size=8).hexdigest()


def hold_of(state: str, rate: RateLimit | None, now: int) -> Hold | None:
    """Why a lane with this state, of a subscription with this rate, starts nothing at `now`; None if it may."""
    kept = _read(state)
    circuit = Circuit(*kept["circuit"]) if "circuit" in kept else CLOSED
    why = kept.get("reason", "")
    if circuit.openings and circuit.until > now:
        reason = f"the circuit breaker is open after {circuit.failures} failures in a row ({why}); then one request probes"
        return Hold(kind=HoldKind.BREAKER, reason=reason, until=moment(circuit.until))
    if circuit.openings:
        reason = (
            f"the circuit breaker is half open after {circuit.failures} failures in a row ({why}); a probe is next or under way"
        )
        return Hold(kind=HoldKind.BREAKER, reason=reason)
    rest: int = kept.get("rest", 0)
    if rest > now:
        reason = f"the receiver asked to be left alone by Retry-After ({why})"
        return Hold(kind=HoldKind.RATE, reason=reason, until=moment(rest))
    if rate is not None:
        first = earliest(rate, bounded(rate, kept.get("debt", 0.0), now))
        if first > now:
            reason = f"its lane gets {rate.requests_per_second:g} requests a second; then the next one goes"
            return Hold(kind=HoldKind.RATE, reason=reason, until=moment(math.ceil(first)))
    return None


def _read(state: str) -> dict[str, Any]:
    """A state as it was kept; one that cannot be read, as by a version to come, counts as none."""
    if not state:
        return {}
    try:
        kept = json.loads(state)
        circuit = kept.get("circuit", [0] * 5)
        whole = [*circuit, kept.get("rest", 0), kept.get("since", 0), kept.get("told", 0), kept.get("well", 0)]
    except (ValueError, TypeError, AttributeError):
        return {}
    sound = len(circuit) == 5 and all(isinstance(value, int) for value in whole) and isinstance(kept.get("debt", 0.0), int | float)
    return kept if sound and isinstance(kept.get("reason", ""), str) else {}
