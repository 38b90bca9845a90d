"""One attempt: sign, POST, judge the answer, and say what becomes of the delivery."""

import logging
import random
from dataclasses import replace
from typing import Final

from hookline.classify import VerdictKind, classify
from hookline.clock import Clock, moment, now_micros
from hookline.engine.lane import Lane
from hookline.engine.target import Target
from hookline.errors import HooklineError
from hookline.ids import ATTEMPT, IdSource
from hookline.model import Attempt, ErrorClass
from hookline.retry import Progress, next_delay, parse_retry_after
from hookline.store.protocol import Result, Settlement, Work
from hookline.transport import Answer, Poster

LOGGER: Final = logging.getLogger(__name__)
SECOND = 1_000_000


class Sender:
    """Makes attempts. Never raises but CancelledError: whatever happens is an outcome."""

    def __init__(self, poster: Poster, clock: Clock, ids: IdSource, random_source: random.Random) -> None:
        """`random_source` is for jitter."""
        self._poster = poster
        self._clock = clock
        self._ids = ids
        self._uniform = random_source.uniform

    async def send(self, target: Target, work: Work) -> tuple[int, Answer]:
        """Make the request; when it started (microseconds), and the answer."""
        started = now_micros(self._clock)
        try:
            request = target.request(work.event, work.webhook_id, started)
        except HooklineError as error:  # the body cannot be made, or the scheme cannot sign it
            return started, _unanswered(ErrorClass.BODY, str(error))
        except Exception as error:
            LOGGER.exception("no request could be made of event %s for subscription %s", work.event.id, work.lane)
            return started, _unanswered(ErrorClass.BODY, f"{type(error).__name__} while the request was made")
        subscription = target.subscription
        answer = await self._poster.post(request.url, request.headers, request.body, timeout=subscription.timeout)
        return started, answer

    async def attempt(self, lane: Lane, work: Work) -> tuple[Settlement, bool]:
        """Make one attempt of `work`; its settlement, and whether the receiver wants no more (410)."""
        target = lane.target
        started, answer = await self.send(target, work)
        return self.judge(lane, target, work, started, answer)

    def judge(self, lane: Lane, target: Target, work: Work, started: int, answer: Answer) -> tuple[Settlement, bool]:
        """What an answer means for a delivery."""
        verdict = classify(answer.status, answer.error, answer.detail)
        ended = now_micros(self._clock)
        run_start = work.run_start or started
        due: int | None = None
        if verdict.kind is VerdictKind.DELIVERED:
            result = Result.DELIVERED
        else:
            wish = answer.headers.get("retry-after")
            delay = next_delay(
                target.subscription.retry,
                Progress(attempts=work.attempts + 1, elapsed=target.elapsed(run_start, ended)),
                retry_after=None if wish is None else parse_retry_after(wish, ended / SECOND),
                uniform=self._uniform,
            )
            result = Result.EXHAUSTED if delay is None else Result.WAIT
            due = None if delay is None else ended + int(delay * SECOND)
        attempt = Attempt(
            tenant=work.tenant,
            id=self._ids.new(ATTEMPT),
            delivery_id=work.delivery_id,
            event_id=work.event.id,
            subscription_id=work.lane,
            run=work.run,
            number=work.attempts + 1,
            start_time=moment(started),
            duration=answer.duration,
            url=target.subscription.url,
            address=answer.address,
            status=answer.status,
            answer=answer.body,
            error=verdict.error,
            detail=verdict.reason,
            next_attempt_time=None if due is None else moment(due),
        )
        settlement = Settlement(work, lane.epoch, result, attempt, verdict.reason, ended, due, run_start)
        return settlement, verdict.disable

    def interrupted(self, lane: Lane, work: Work, started: int) -> Settlement:
        """The node stops before the answer came: the receiver may have taken it, so it is tried again at once."""
        duration = max(0, now_micros(self._clock) - started) / SECOND
        detail = "the node stopped before an answer came; the receiver may have taken the event"
        answer = _unanswered(ErrorClass.INTERRUPTED, detail, duration)
        settlement, _ = self.judge(lane, lane.target, work, started, answer)
        attempt = settlement.attempt
        if attempt is not None:
            attempt = replace(attempt, next_attempt_time=moment(settlement.at))
        # Whatever the policy says: it was our stop that ended the attempt, not the receiver.
        return settlement._replace(result=Result.WAIT, due=settlement.at, attempt=attempt)


def _unanswered(error: ErrorClass, detail: str, duration: float = 0.0) -> Answer:
    return Answer(status=0, headers={}, body=b"", error=error, detail=detail, address="", duration=duration)
