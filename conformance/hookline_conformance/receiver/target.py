"""A receiver under test: how deliveries reach it, how its effects are seen, and what it may be expected to do."""

import asyncio
import ipaddress
import secrets as random
import shlex
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from hypothesis.strategies import SearchStrategy
from typing_extensions import override

from hookline_conformance.check import Check, Died, Lack, NoVerdict, Target, Violation
from hookline_conformance.exchange import Exchange
from hookline_conformance.explore import for_all
from hookline_conformance.receiver.effects import Baseline, Effects, EffectsProbe, run_command
from hookline_conformance.receiver.payload import write
from hookline_conformance.receiver.watch import EffectsWatch
from hookline_conformance.receiver.wire import PLAIN, Address, Answer, Connection, Shape, Silence, decode, encode, refusal, send
from hookline_conformance.requirement import Binds
from hookline_conformance.schemes.scheme import Delivery, Message, Scheme, body_id
from hookline_conformance.schemes.standard import PRIVATE, Standard

Restart = str | Callable[[], Awaitable[None]]
"""A command, or a coroutine function, that restarts the receiver and returns once that is done."""

Forgery = Callable[[], Awaitable[Answer]]
"""Sends what must have no effect."""

Value = TypeVar("Value")

_KEPT_EXCHANGES: Final = 4
_LEAST_PATIENCE: Final = 1.5
"""Seconds that an effect may be missing where effects showed at once before."""
_LONGEST_PATIENCE: Final = 60.0
"""Seconds that it may be missing while others show."""
_RESTART_SECONDS: Final = 60.0
_REVIVAL_SECONDS: Final = 5.0
SURVIVES: Final = "SAF-016"
"""What a receiver breaks that stops answering, whatever else."""
_REMOTE_INTERVAL: Final = 0.1


class ReceiverTarget(Target):
    """A receiver at a URL.

    `secrets` are the ones it accepts, the first signs; `retired` are ones that it accepted before. `deadline`
    is in seconds, the platform's own by default. `interval` is the least time in seconds between two requests;
    a target that is not on loopback needs `allow_remote`, and then gets at most ten requests a second.
    `said` is the command line that started the run, for the reports, without secrets.
    """

    binds = Binds.RECEIVER

    def __init__(
        self,
        *,
        url: str,
        scheme: Scheme,
        secrets: Sequence[str],
        retired: Sequence[str] = (),
        effects: EffectsProbe | None = None,
        restart: Restart | None = None,
        deadline: float | None = None,
        event_type: str = "conformance.check",
        tls: ssl.SSLContext | None = None,
        allow_remote: bool = False,
        interval: float = 0.0,
        said: str = "",
    ) -> None:
        if not secrets:
            raise ValueError("a receiver under test needs at least one secret")
        for secret in (*secrets, *retired):
            scheme.check_secret(secret)
        self.url = url
        self.address = Address.of(url)
        self.kind = scheme
        self.secrets = tuple(secrets)
        self.retired = tuple(retired)
        self.deadline = deadline if deadline is not None else scheme.deadline
        self.event_type = event_type
        self.watch = EffectsWatch(effects) if effects is not None else None
        self._restart = restart
        self._tls = tls
        self._allow_remote = allow_remote
        self._interval = interval if is_loopback(self.address.host) else max(interval, _REMOTE_INTERVAL)
        self._said = said
        self._nonce = random.token_hex(4)
        self._count = 0
        self._next_request = 0.0
        self._running: Check | None = None
        self._last: tuple[Check, Exchange] | None = None
        self._answered = True
        self._journal: deque[Exchange] = deque(maxlen=_KEPT_EXCHANGES)

    @property
    @override
    def name(self) -> str:
        return self.url

    @property
    @override
    def scheme(self) -> str:
        return self.kind.name

    @override
    def command(self) -> str:
        said = f"hookline-conformance receiver --url {shlex.quote(self.url)} --scheme {self.kind.name} --secret '…'"
        return self._said or said

    @override
    def exchanges(self) -> tuple[Exchange, ...]:
        return tuple(self._journal)

    @override
    def lacks(self, need: str) -> Lack | None:
        known: Mapping[str, tuple[bool, str, bool]] = {
            "effects": (self.watch is not None, "effects cannot be seen; say how: --effects-url or --effects-command", False),
            "restart": (self._restart is not None, "it cannot be restarted; say how: --restart-command", False),
            "rotation": (len(self.secrets) > 1, "only one secret is known; give a second one that it accepts: --secret", False),
            "retired": (
                bool(self.retired),
                "no retired secret is known; give one that it accepted before: --retired-secret",
                False,
            ),
            "timestamped": (self.kind.timestamped, "the scheme signs no time", True),
            "several": (self.kind.several, "the scheme carries one signature", True),
            "signed-id": (self.kind.signs_id, "the scheme does not sign the id", True),
            "header-id": (bool(self.kind.id_header), "the scheme has the id in the body", True),
            "signed-url": (self.kind.signs_url, "the scheme does not sign the URL", True),
            "hmac": (not self.secrets[0].startswith("whsk_"), "the secret is a key for Ed25519", True),
        }
        met, reason, unsupported = known[need]
        return None if met else Lack(reason=reason, unsupported=unsupported)

    @override
    async def open(self) -> None:
        if not is_loopback(self.address.host) and not self._allow_remote:
            raise NoVerdict(f"{self.url} is not on this machine; --allow-remote says that it may be tested all the same")
        try:
            connection = await Connection.open(self.address, self._tls)
        except (OSError, TimeoutError) as error:
            raise NoVerdict(f"{self.url} does not answer: {error!s}") from error
        await connection.close()
        if self.watch is not None:
            await self.watch.calibrate(self._delivered)

    async def _delivered(self) -> str:
        """Send an event; its id, or nothing if it was not taken."""
        delivery = self.delivery()
        answer = await self.deliver(self.signed(delivery))
        return delivery.id if answer.accepted else ""

    @override
    async def close(self) -> None:
        if self.watch is not None:
            await self.watch.close()

    @override
    async def before(self, check: Check) -> None:
        self._journal.clear()
        self._running = check

    def delivery(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        event_id: str | None = None,
        age: float = 0.0,
        timestamp: str | None = None,
        event_type: str | None = None,
    ) -> Delivery:
        """A new event, unsigned: by default with an id that never was, and stamped now. `age` is in seconds."""
        event_id = event_id if event_id is not None else self.new_id()
        kind = event_type or self.event_type
        return Delivery(
            id=event_id,
            timestamp=timestamp if timestamp is not None else self.kind.stamp(time.time() - age),
            event_type=kind,
            body=write(self.kind.envelope(event_id, kind, data if data is not None else {"n": 1})),
            url=self.url,
        )

    def new_id(self) -> str:
        """An id that no event had before, in this run or another."""
        self._count += 1
        return self.kind.event_id(f"{self._nonce}{self._count:05x}")

    def signed(self, delivery: Delivery, *secrets: str) -> Message:
        """The delivery signed with these secrets, or with the first that the receiver accepts."""
        return self.kind.sign(delivery, secrets or self.secrets[:1])

    def other_secret(self) -> str:
        """A secret that the receiver never had."""
        if isinstance(self.kind, Standard) and self.secrets[0].startswith(PRIVATE):
            return self.kind.generate_private_key()
        return self.kind.generate_secret()

    async def deliver(self, message: Message, shape: Shape = PLAIN, *, note: str = "") -> Answer:
        """Send a message over a connection of its own; the exchange is kept for the report."""
        head, body = encode(message, shape)
        return await self.send([head + body], note=note)

    async def send(
        self, pieces: Sequence[bytes], *, note: str = "", pause: float = 0.0, end: bool = False, seconds: float | None = None
    ) -> Answer:
        """Send raw pieces over a connection of its own."""
        await self._wait_for_turn()
        answer, sent = await send(self.address, pieces, seconds=seconds or self.deadline + 1.0, tls=self._tls, pause=pause, end=end)
        if answer.silence in {Silence.REFUSED, Silence.UNREACHABLE}:
            raise self._gone(answer.silence, answer.fault)
        self.keep(sent, answer, note)
        return answer

    async def connect(self) -> Connection:
        """A connection for more than one request."""
        await self._wait_for_turn()
        try:
            return await Connection.open(self.address, self._tls)
        except OSError as error:
            raise self._gone(refusal(error), str(error)) from error

    def _gone(self, silence: Silence, fault: str) -> Died | NoVerdict:
        """What it means that the receiver takes no connection: where it took one before, the last request ended it."""
        if self._last is None or silence is Silence.UNREACHABLE:
            return NoVerdict(f"{self.url} does not answer any more: {fault or silence}")
        check, exchange = self._last
        return Died(
            check,
            dict.fromkeys((*check.requirements[:1], SURVIVES)),
            expected="the receiver to go on answering",
            got=f"{silence}, the last request before that being {exchange.note or 'the one below'}",
            exchanges=[exchange],
        )

    @override
    async def confirm(self) -> None:
        answer = await self._asked()
        if answer.silence is not None:
            gone = self._gone(answer.silence, answer.fault)
            if isinstance(gone, Died):
                raise gone

    async def _asked(self) -> Answer:
        """The answer to a genuine delivery that is no part of a check."""
        message = self.signed(self.delivery())
        answer, sent = await send(self.address, encode(message), seconds=self.deadline + 1.0, tls=self._tls)
        if self.watch is not None:
            self.watch.note(self._ids(sent))
        return answer

    @override
    async def revive(self) -> bool:
        if self._restart is not None:
            try:
                await self.restart()
            except NoVerdict:
                return False
        end = time.monotonic() + _REVIVAL_SECONDS
        while (await self._asked()).silence is not None:
            if time.monotonic() > end:
                return False
            await asyncio.sleep(0.2)  # a supervisor may start it again
        return True

    def keep(self, sent: bytes, answer: Answer, note: str = "") -> None:
        """Keep an exchange for the report, and which events it may have had an effect of."""
        masked = (*self.secrets, *self.retired)
        exchange = Exchange(sent=sent, received=answer.raw, note=note, secrets=masked)
        self._journal.append(exchange)
        # Behind one that was not answered nothing may be answered any more, and that one did it.
        if self._running is not None and (self._answered or answer.silence is None):
            self._last = (self._running, exchange)
        self._answered = answer.silence is None
        if self.watch is not None:
            self.watch.exchanged()
            if not answer.refused:
                self.watch.note(self._ids(sent))

    def _ids(self, sent: bytes) -> set[str]:
        """Every id that a receiver may see in a request."""
        headers, body = decode(sent)
        found = {value for name, value in headers if name.lower() == self.kind.id_header.lower()}
        return found | {body_id(body, self.kind.id_field)}

    async def _wait_for_turn(self) -> None:
        if self._interval:
            now = time.monotonic()
            self._next_request = max(self._next_request, now) + self._interval
            await asyncio.sleep(self._next_request - self._interval - now)

    async def accepts(self, requirement: str, message: Message, what: str, shape: Shape = PLAIN) -> Answer:
        """Deliver, and raise a `Violation` of the requirement unless it is answered 2xx."""
        answer = await self.deliver(message, shape, note=what)
        if not answer.accepted:
            raise Violation(requirement, expected=f"2xx for {what}", got=str(answer), exchanges=[self._journal[-1]])
        return answer

    async def refuses(self, requirement: str, message: Message, what: str, shape: Shape = PLAIN) -> Answer:
        """Deliver, and raise a `Violation` of the requirement unless it is answered 4xx."""
        answer = await self.deliver(message, shape, note=what)
        if not answer.refused:
            raise Violation(requirement, expected=f"4xx for {what}", got=str(answer), exchanges=[self._journal[-1]])
        return answer

    async def for_all(
        self, strategy: SearchStrategy[Value], law: Callable[[Value], Awaitable[None]], *, share: float = 1.0
    ) -> None:
        """Hold a law against generated values; raises the violation with the smallest value found."""
        await for_all(self.plan, strategy, law, fails=(Violation,), share=share)

    def waiting_share(self, wanted: float) -> float:
        """The share of the plan's examples that the time allows, where each of them waits for its effects."""
        return wanted if self.watch is None else self.watch.share(self.plan, wanted)

    async def baseline(self) -> Baseline:
        """The effects at this moment, to tell later what came since; needs a probe."""
        return await self._shown(self._watched.baseline())

    async def effects(self) -> Effects:
        """The effects so far, those of the last exchange waited for; needs a probe."""
        return await self._shown(self._watched.settled())

    async def _shown(self, reading: Awaitable[Value]) -> Value:
        """What a probe shows; where it errs because the receiver is gone, that is what is to be said."""
        try:
            return await reading
        except NoVerdict:
            await self.confirm()
            raise

    @property
    def _watched(self) -> EffectsWatch:
        if self.watch is None:
            raise NoVerdict("there is no effects probe")
        return self.watch

    async def no_effects(self, requirement: str, forgeries: Mapping[str, Forgery], *, of_refused: bool = False) -> None:
        """Send forgeries, by what they are, and raise a `Violation` if one takes effect; needs a probe.

        `of_refused`: one that is accepted may take effect, which is another requirement's affair.
        """
        together = 0
        if self._watched.lag:  # one wait for all; which one it was, is seen below
            before = await self.baseline()
            answers = [await forgery() for forgery in forgeries.values()]
            if not (of_refused and any(answer.accepted for answer in answers)):
                together = before.until(await self.effects())
                if not together:
                    return
        for what, forgery in forgeries.items():
            before = await self.baseline()
            answer = await forgery()
            if not (of_refused and answer.accepted):
                self._expect_none(requirement, what, before.until(await self.effects()))
        self._expect_none(requirement, f"any of {', '.join(forgeries)}", together)

    def _expect_none(self, requirement: str, what: str, came: int) -> None:
        if came:
            raise Violation(requirement, expected=f"no effect of {what}", got=_times(came), exchanges=self.exchanges())

    async def has_effects(self, requirement: str, event_id: str, expected: int, what: str) -> None:
        """Raise a `Violation` unless the event took effect this often.

        An effect that is missing is waited for, and anew with each other one that shows: those of a receiver that handles
        events after its answer stand in a queue.
        """
        effects = await self.effects()
        patience = max(_LEAST_PATIENCE, 5 * self._watched.lag)
        begun = moved = time.monotonic()
        while effects.of(event_id) < expected and time.monotonic() < min(moved + patience, begun + _LONGEST_PATIENCE):
            await asyncio.sleep(0.05)
            before, effects = effects, await self.effects()
            if effects.total > before.total:
                moved = time.monotonic()
        count = effects.of(event_id)
        if count != expected:
            raise Violation(requirement, expected=f"{_times(expected)} of {what}", got=_times(count), exchanges=self.exchanges())

    async def restart(self) -> None:
        """Restart the receiver, and wait until it takes connections again; raises `NoVerdict`."""
        if isinstance(self._restart, str):
            await run_command(shlex.split(self._restart), self._restart, _RESTART_SECONDS, "the restart")
        elif self._restart is not None:
            try:
                await self._restart()
            except Exception as error:
                raise NoVerdict(f"the restart errs: {type(error).__name__}: {error}") from error
        begun = time.monotonic()
        while True:
            try:
                connection = await Connection.open(self.address, self._tls)
            except (OSError, TimeoutError) as error:
                if time.monotonic() - begun > _RESTART_SECONDS:
                    raise NoVerdict(f"{self.url} does not answer {_RESTART_SECONDS:.0f} s after its restart") from error
                await asyncio.sleep(0.1)
            else:
                await connection.close()
                return


def _times(count: int) -> str:
    return {0: "no effect", 1: "one effect"}.get(count, f"{count} effects")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its name or number alone; nothing is resolved."""
    if host.lower() == "localhost" or host.lower().endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
