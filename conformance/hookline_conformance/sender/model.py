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
    tenant: str = ""
    key: str = ""
    message_id: str = ""
    requests: list[Request] = field(default_factory=list)
    times: list[tuple[float, float]] = field(default_factory=list)
    """For each request, the earliest and the latest that it can have come, by the sender's clock."""
    ended: float | None = None
    """When an answer of success was out."""
    ended_step: int = 0
    earliest: float = 0.0
    """The time before which it is not to be delivered."""
    cut: int = 0
    """Attempts of whose outcome the sender may know nothing: they were on the wire when it was killed."""
    spare: int = 0
    """How many of these have not been made up for yet."""


@dataclass(slots=True, kw_only=True)
class Model:
    """One target. Times are of the sender's clock, in seconds; `grace` is how long what is on the wire may take.

    `delays` is the whole schedule; `watched` says for how many of them there is time.
    """

    delays: tuple[float, ...]
    watched: int
    jitter: float
    grace: float
    slack: float
    secrets: list[tuple[str, float | None]]
    events: dict[int, Event] = field(default_factory=dict)
    stopped: float | None = None
    """Since when nothing may start: paused, deleted, or gone."""
    stopped_by: str = ""
    settles: bool = False
    """Nothing is under way between two steps, as on a virtual clock: what comes in a later one started in it."""
    step: int = 0
    stopped_step: int = 0
    killing: bool = False
    """The sender is being killed and started again."""

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
        if self.killing:
            self._cut(event)
        event.message_id = event.message_id or request.message_id
        event.requests.append(request)
        event.times.append(time)
        if succeeded and event.ended is None:
            event.ended, event.ended_step = time[1], self.step
        return fault

    def _fault(self, event: Event, request: Request, time: tuple[float, float]) -> str:
        if not event.wanted:
            return "nothing arrives that was not subscribed to"
        if time[1] < event.earliest - self.slack:
            return "nothing arrives before its time"
        if event.message_id and event.message_id != request.message_id:
            return f"the id {event.message_id!r} of an event never changes"
        same = next(
            (other for other in self.events.values() if other is not event and other.message_id == request.message_id), None
        )
        if same is not None:
            return "different events have different ids"
        if self.stopped is not None and self._later(time, self.stopped, self.stopped_step):
            return f"no attempt starts after the target was {self.stopped_by}"
        return self._fault_of_run(event, time)

    def stop(self, why: str, when: float) -> None:
        """From now on nothing may start."""
        if self.stopped is None:
            self.stopped, self.stopped_by, self.stopped_step = when, why, self.step

    def kill(self, now: float) -> None:
        """The sender is about to be killed: what it may have on the wire is marked, and may come once more."""
        self.killing = True
        for event in self.events.values():
            if event.times and (not event.requests[-1].done.is_set() or now - event.times[-1][1] < self.grace):
                self._cut(event)

    def killed(self) -> None:
        """It runs again."""
        self.killing = False

    @staticmethod
    def _cut(event: Event) -> None:
        event.cut += 1
        event.spare += 1

    def _fault_of_run(self, event: Event, time: tuple[float, float]) -> str:
        """What holds between the attempts of one event."""
        allowed = self.most + event.cut
        if len(event.requests) >= allowed:
            return f"no more than {allowed} attempts are made"
        late = event.ended is not None and self._later(time, event.ended, event.ended_step)
        if late and not event.spare:
            return "no attempt starts after success"
        number = len(event.times)
        least = self._least(event, number)
        early = number > 0 and time[1] - event.times[-1][0] < least
        if early and not event.spare:
            return f"at least {least:.2f} s lie between attempts {number} and {number + 1}"
        if late or early:
            event.spare -= 1
        if late:
            event.ended = None  # the sender never knew of it
        return ""

    def _later(self, time: tuple[float, float], moment: float, step: int) -> bool:
        """Whether what came at a time must have started after a moment in a step."""
        return time[0] > moment + self.grace or (self.settles and self.step > step)

    def _least(self, event: Event, number: int) -> float:
        """The shortest that may lie behind attempt `number`; the sender may count those that were cut, or not."""
        counted = range(max(1, number - event.cut), number + 1)
        delays = [self.delays[min(count, len(self.delays)) - 1] for count in counted] if self.delays else []
        return min(delays) * (1 - self.jitter) - self.slack if delays else 0.0

    def lost(self) -> list[Event]:
        """Events that were acknowledged, are wanted, and have neither arrived nor used up the attempts that were watched."""
        most = min(self.most, self.watched + 1)
        return [event for event in self.events.values() if event.wanted and event.ended is None and len(event.requests) < most]
