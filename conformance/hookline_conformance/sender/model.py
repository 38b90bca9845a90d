"""What a sender may do, as the state machine knows it: a model of one target and its events, and the laws of each request."""

import re
from dataclasses import dataclass, field
from typing import Final

from hookline_conformance.sender.endpoint import Request

_NUMBER: Final = re.compile(rb'"n": ?([0-9]+)')


@dataclass(slots=True, kw_only=True)
class Event:
    """An acknowledged event; `wanted`: the target had asked for its type when it was emitted, and was there."""

    number: int
    event_id: str
    wanted: bool
    type: str
    key: str = ""
    message_id: str = ""
    requests: list[Request] = field(default_factory=list)
    times: list[tuple[float, float]] = field(default_factory=list)
    """For each request, the earliest and the latest that it can have come, by the sender's clock."""
    ended: float | None = None
    """When an answer of success was out."""


@dataclass(slots=True, kw_only=True)
class Model:
    """One target. Times are of the sender's clock, in seconds; `grace` is how long what is on the wire may take."""

    delays: tuple[float, ...]
    jitter: float
    grace: float
    slack: float
    secrets: list[tuple[str, float | None]]
    events: dict[int, Event] = field(default_factory=dict)
    stopped: float | None = None
    """Since when nothing may start: paused, deleted, or gone."""
    stopped_by: str = ""
    kills: int = 0

    @property
    def most(self) -> int:
        """Attempts of a run."""
        return len(self.delays) + 1

    def valid(self, time: float) -> list[str]:
        """The secrets that sign at a time."""
        return [secret for secret, until in self.secrets if until is None or until > time]

    def event_of(self, request: Request) -> Event | None:
        """Which event a request carries, by the number in its body."""
        found = _NUMBER.search(request.body)
        return self.events.get(int(found[1])) if found else None

    def judge(self, request: Request, time: tuple[float, float], *, succeeded: bool) -> str:
        """Take a request in; which law it breaks, empty if none.

        `time` is the earliest and the latest that it can have come; `succeeded`: it was answered by a success.
        """
        event = self.event_of(request)
        if event is None:
            return "nothing is sent that was not acknowledged"
        fault = self._fault(event, request, time)
        event.message_id = event.message_id or request.message_id
        event.requests.append(request)
        event.times.append(time)
        if succeeded and event.ended is None:
            event.ended = time[1]
        return fault

    def _fault(self, event: Event, request: Request, time: tuple[float, float]) -> str:
        if not event.wanted:
            return "nothing arrives that was not subscribed to"
        if event.message_id and event.message_id != request.message_id:
            return f"the id {event.message_id!r} of an event never changes"
        same = next(
            (other for other in self.events.values() if other is not event and other.message_id == request.message_id), None
        )
        if same is not None:
            return "different events have different ids"
        if self.stopped is not None and time[0] > self.stopped + self.grace:
            return f"no attempt starts after the target was {self.stopped_by}"
        return self._fault_of_run(event, time)

    def _fault_of_run(self, event: Event, time: tuple[float, float]) -> str:
        """What holds between the attempts of one event."""
        allowed = self.most + self.kills
        if len(event.requests) >= allowed:
            return f"no more than {allowed} attempts are made"
        if event.ended is not None and time[0] > event.ended + self.grace and not self.kills:
            return "no attempt starts after success"
        if event.times and not self.kills:
            number = min(len(event.times), len(self.delays))
            least = self.delays[number - 1] * (1 - self.jitter) - self.slack if number else 0.0
            if time[1] - event.times[-1][0] < least:
                return f"at least {least:.2f} s lie between attempts {number} and {number + 1}"
        return ""

    def lost(self) -> list[Event]:
        """Events that were acknowledged, are wanted, and have neither arrived nor used up their attempts."""
        return [event for event in self.events.values() if event.wanted and event.ended is None and len(event.requests) < self.most]
