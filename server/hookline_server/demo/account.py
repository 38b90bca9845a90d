"""The account of a demonstration: what went in, what arrived, and what became of each event."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from hookline.client import Client
from hookline.model import DeliveryState
from hookline_server.receiver import FAULTS, Answer

PAGE = 1_000


@dataclass(slots=True)
class Tally:
    """What is known while it runs."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    """Event ids whose emit was answered, and the door they came through."""
    again: int = 0
    """Emits that were repeated because their answer did not come."""
    finished: set[str] = field(default_factory=set)
    """Deliveries that were seen to succeed."""
    failed: int = 0
    """Attempts that did not succeed."""

    def through(self, door: str) -> int:
        """How many events were acknowledged at one door."""
        return sum(came == door for came in self.acknowledged.values())


class Record:
    """What the receiver wrote down, read on as it grows."""

    def __init__(self, path: Path) -> None:
        """Read `path`, one JSON object a line."""
        self._path = path
        self._read = 0
        self.requests = 0
        self.verified = 0
        self.answers: Counter[Answer] = Counter()
        self.taken: Counter[str] = Counter()
        """Webhook ids, and how often each was taken with a 200."""

    def update(self) -> None:
        """Read what was written since."""
        with self._path.open("rb") as stream:
            stream.seek(self._read)
            for line in stream:
                if not line.endswith(b"\n"):
                    break  # still being written
                self._read += len(line)
                self._count(json.loads(line))

    def _count(self, said: dict[str, object]) -> None:
        answer = Answer(str(said["answer"]))
        self.requests += 1
        self.verified += said["verified"] is True
        self.answers[answer] += 1
        if answer is Answer.TAKEN:
            self.taken[str(said["webhook_id"])] += 1

    @property
    def faults(self) -> int:
        """Requests that failed on purpose."""
        return sum(self.answers[fault] for fault in FAULTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The end: numbers of events, unless it says otherwise."""

    emitted: int
    delivered: int
    retried: int
    lost: int
    strangers: int
    """Webhook ids that arrived and were never emitted."""
    repeated: int
    """Taken more than once, with the same id: what at-least-once allows."""
    requests: int
    verified: int
    faults: int
    attempts: int
    """As the audit log has them."""

    def problems(self) -> Iterable[str]:
        """What is not as it must be."""
        if self.lost:
            yield f"{self.lost} events were acknowledged and never arrived"
        if self.delivered != self.emitted:
            yield f"{self.emitted - self.delivered} events are not delivered by the store's account"
        if self.verified != self.requests:
            yield f"{self.requests - self.verified} requests could not be verified"
        if self.strangers:
            yield f"{self.strangers} webhook ids arrived that nobody emitted"
        if not self.retried:
            yield "nothing was retried, though the receiver failed on purpose"


async def settle_account(client: Client, tally: Tally, record: Record) -> Account:
    """Compare what was acknowledged, what the receiver took, and what the store says."""
    record.update()
    delivered = retried = attempts = 0
    token = ""
    while True:
        page = await client.deliveries.list(page_size=PAGE, page_token=token)
        for delivery in page.items:
            delivered += delivery.state is DeliveryState.DELIVERED
            retried += delivery.attempts > 1
            attempts += delivery.attempts
        token = page.next_page_token
        if not token:
            break
    return Account(
        emitted=len(tally.acknowledged),
        delivered=delivered,
        retried=retried,
        lost=sum(event_id not in record.taken for event_id in tally.acknowledged),
        strangers=sum(webhook_id not in tally.acknowledged for webhook_id in record.taken),
        repeated=sum(times > 1 for times in record.taken.values()),
        requests=record.requests,
        verified=record.verified,
        faults=record.faults,
        attempts=attempts,
    )
