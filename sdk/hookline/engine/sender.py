"""One attempt: sign, POST, judge the answer, and say what becomes of the delivery."""

import logging
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple

from hookline.body.cel_values import ShapingError
from hookline.classify import OTHER_RETRY_REASON, RETRY_REASONS, VerdictKind, classify
from hookline.clock import Clock, moment, now_micros
from hookline.engine.authentication import TokenFailure
from hookline.engine.lane import Lane
from hookline.engine.pace import Outcome
from hookline.engine.preparation import Preparation
from hookline.engine.target import FIRST, Retry, Target
from hookline.errors import HooklineError
from hookline.ids import ATTEMPT, IdSource
from hookline.lanes import subscription_of
from hookline.model import Attempt, ErrorClass, Event
from hookline.retry import Progress, next_delay, parse_retry_after
from hookline.store.protocol import History, Result, Settlement, Work
from hookline.transport import Answer, Poster

LOGGER: Final = logging.getLogger(__name__)
SECOND = 1_000_000
UNAUTHORIZED: Final = 401
FILTERED: Final = "the subscription's filter does not admit the event"


WELL: Final = Outcome()
UNMADE_AGAIN: Final = 1.0
"""Seconds after which a request is tried again for which this machine had not what a connection takes."""


class Judged(NamedTuple):
    """What came of an attempt. `disable`: the receiver wants no more (410). `outcome` is what it showed of the receiver."""

    settlement: Settlement
    disable: bool
    outcome: Outcome


class LeaseOver(Exception):
    """While the request was prepared the lease has ended under which it was to be made: nothing was sent that was taken."""


def _always() -> bool:
    return True


class Sender:
    """Makes attempts. Raises but CancelledError and LeaseOver nothing: whatever else happens is an outcome."""

    def __init__(
        self,
        poster: Poster,
        clock: Clock,
        ids: IdSource,
        random_source: random.Random,
        history: History,
        *,
        clock_offset: Callable[[], float],
    ) -> None:
        """`random_source` is for jitter; `history` tells why the attempt before failed.

        `clock_offset` is by how many seconds the clock by which is signed is ahead of `clock`.
        """
        self._clock_offset = clock_offset
        self._poster = poster
        self._history = history
        self.preparation = Preparation(poster, clock)
        self._clock = clock
        self._ids = ids
        self._uniform = random_source.uniform

    def signing_time(self, now: int) -> int:
        """The time that stands in a signature of `now` by our own clock (microseconds)."""
        return now + int(self._clock_offset() * SECOND)

    async def send(self, target: Target, work: Work, may_start: Callable[[], bool] = _always) -> tuple[int, Answer | None]:
        """Make the request; when it started (microseconds), and the answer, None if the filter refuses the event.

        Raises LeaseOver if, when it is prepared, it `may_start` no more; or once more with another token.
        """
        retry = await self._retry(target, work) if work.attempts else FIRST
        started = now_micros(self._clock)
        if target.prepared:
            try:
                return started, await self._send_prepared(target, work, retry, may_start)
            except LeaseOver:
                raise
            except Exception as error:
                LOGGER.exception("event %s could not be prepared for subscription %s", work.event.id, work.lane)
                return started, _unanswered(ErrorClass.BODY, f"{type(error).__name__} while the request was prepared")
        if not may_start():
            raise LeaseOver
        return started, await self._post(target, work, work.event, now=started, retry=retry)

    async def _send_prepared(self, target: Target, work: Work, retry: Retry, may_start: Callable[[], bool]) -> Answer | None:
        """Shape the event and see to a token, make the request, and make it once more if the token was refused."""
        began = self._clock.monotonic()
        try:
            event, token = await self.preparation.prepare(target, work.event)
        except ShapingError as error:
            return _unanswered(ErrorClass.BODY, str(error), self._clock.monotonic() - began)
        except TokenFailure as error:
            return _unanswered(ErrorClass.AUTHENTICATION, str(error), self._clock.monotonic() - began)
        if event is None:
            return None
        if not may_start():
            raise LeaseOver
        # The time is that of the request: what came before may have taken long, and signatures grow old.
        answer = await self._post(target, work, event, now=now_micros(self._clock), retry=retry, token=token)
        if target.oauth2 is None or answer.status != UNAUTHORIZED or answer.error is not None:
            return answer
        try:
            token = await self.preparation.another_token(target, target.oauth2, token)
        except TokenFailure as error:
            return replace(answer, detail=f"it refused the token, and there is no other: {error}")
        if not may_start():  # it took nothing: whoever has it next comes with a token of his own
            raise LeaseOver
        return await self._post(target, work, event, now=now_micros(self._clock), retry=retry, token=token)

    async def _post(
        self,
        target: Target,
        work: Work,
        event: Event,
        *,
        now: int,
        retry: Retry,
        token: tuple[tuple[str, str], ...] = (),
    ) -> Answer:
        """Make one request of an event that is prepared."""
        try:
            request = target.request(event, work.webhook_id, self.signing_time(now), retry, token=token)
        except HooklineError as error:  # the body cannot be made, or the scheme cannot sign it
            return _unanswered(ErrorClass.BODY, str(error))
        except Exception as error:
            LOGGER.exception("no request could be made of event %s for subscription %s", work.event.id, work.lane)
            return _unanswered(ErrorClass.BODY, f"{type(error).__name__} while the request was made")
        return await self._poster.post(
            request.url, request.headers, request.body, timeout=target.subscription.timeout, certificate=target.certificate
        )

    async def attempt(self, lane: Lane, work: Work, may_start: Callable[[], bool]) -> Judged:
        """Make one attempt of `work`. Raises LeaseOver."""
        target = lane.target
        started, answer = await self.send(target, work, may_start)
        if answer is None:
            ended = now_micros(self._clock)
            return Judged(Settlement(work, lane.epoch, Result.CANCELLED, None, FILTERED, ended, None, work.run_start), False, WELL)
        return self.judge(lane, target, work, started, answer)

    def judge(self, lane: Lane, target: Target, work: Work, started: int, answer: Answer) -> Judged:
        """What an answer means for a delivery."""
        if answer.unmade:  # nothing was sent, and nothing is known of the receiver: it is no attempt of the delivery's
            return Judged(self._unmade(lane, work, answer), False, WELL)
        verdict = classify(answer.status, answer.error, answer.detail, target.rules, answer.headers)
        ended = now_micros(self._clock)
        run_start = work.run_start or started
        due: int | None = None
        outcome = WELL
        if verdict.kind is VerdictKind.DELIVERED:
            result = Result.DELIVERED
        else:
            wish = answer.headers.get("retry-after")
            retry_after = None if wish is None else parse_retry_after(wish, ended / SECOND)
            outcome = Outcome(verdict.slow, retry_after or 0.0 if verdict.slow else 0.0)
            delay = None
            if verdict.kind is not VerdictKind.FINAL:
                delay = next_delay(
                    target.subscription.retry,
                    Progress(attempts=work.attempts + 1, elapsed=target.elapsed(run_start, ended)),
                    retry_after=retry_after,
                    uniform=self._uniform,
                )
            result = Result.EXHAUSTED if delay is None else Result.WAIT
            due = None if delay is None else ended + int(delay * SECOND)
        attempt = Attempt(
            tenant=work.tenant,
            id=self._ids.new(ATTEMPT),
            delivery_id=work.delivery_id,
            event_id=work.event.id,
            subscription_id=subscription_of(work.lane),
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
        after = target.subscription.step_aside_after
        aside = due is not None and (work.aside or 0 < after <= work.attempts + 1)
        settlement = Settlement(work, lane.epoch, result, attempt, verdict.reason, ended, due, run_start, aside)
        return Judged(settlement, verdict.disable, outcome)

    def _unmade(self, lane: Lane, work: Work, answer: Answer) -> Settlement:
        """It waits a little, with its attempts as they were."""
        now = now_micros(self._clock)
        again = now + int(UNMADE_AGAIN * SECOND)
        return Settlement(work, lane.epoch, Result.WAIT, None, answer.detail, now, again, work.run_start, work.aside)

    async def _retry(self, target: Target, work: Work) -> Retry:
        """Which attempt this is and, where a header says so, why the one before it failed."""
        if not target.names_reason:
            return Retry(work.attempts)
        try:
            attempts = await self._history.attempts(work.tenant, work.delivery_id)
        except Exception:  # the store is away, say; the request need not wait for it
            LOGGER.exception("the store does not tell why delivery %s is tried again", work.delivery_id)
            return Retry(work.attempts)
        before = next((attempt for attempt in reversed(attempts) if not attempt.superseded), None)
        if before is None or before.error is None:
            return Retry(work.attempts)
        return Retry(work.attempts, RETRY_REASONS.get(before.error, OTHER_RETRY_REASON))

    def interrupted(self, lane: Lane, work: Work, started: int) -> Settlement:
        """The node stops before the answer came: the receiver may have taken it, so it is tried again at once."""
        duration = max(0, now_micros(self._clock) - started) / SECOND
        detail = "the node stopped before an answer came; the receiver may have taken the event"
        answer = _unanswered(ErrorClass.INTERRUPTED, detail, duration)
        settlement = self.judge(lane, lane.target, work, started, answer).settlement
        attempt = settlement.attempt
        if attempt is not None:
            attempt = replace(attempt, next_attempt_time=moment(settlement.at))
        # Whatever the policy says: it was our stop that ended the attempt, not the receiver.
        return settlement._replace(result=Result.WAIT, due=settlement.at, attempt=attempt, aside=settlement.aside or work.aside)


def _unanswered(error: ErrorClass, detail: str, duration: float = 0.0) -> Answer:
    return Answer(status=0, headers={}, body=b"", error=error, detail=detail, address="", duration=duration)
