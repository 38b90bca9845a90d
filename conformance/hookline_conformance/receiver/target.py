"""A receiver under test: how deliveries reach it, how its effects are seen, and what it may be expected to do."""

import asyncio
import ipaddress
import secrets as random
import shlex
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

from hypothesis.strategies import SearchStrategy
from typing_extensions import override

from hookline_conformance.check import Check, Lack, NoVerdict, Target, Violation
from hookline_conformance.exchange import Exchange
from hookline_conformance.explore import for_all
from hookline_conformance.receiver.effects import Baseline, Effects, EffectsProbe, run_command
from hookline_conformance.receiver.payload import write
from hookline_conformance.receiver.wire import PLAIN, Address, Answer, Connection, Shape, Silence, encode, send
from hookline_conformance.requirement import Binds
from hookline_conformance.schemes.scheme import Delivery, Message, Mismatch, Scheme
from hookline_conformance.schemes.standard import PRIVATE, Standard

Restart = str | Callable[[], Awaitable[None]]
"""A command, or a coroutine function, that restarts the receiver and returns once that is done."""

Value = TypeVar("Value")

_KEPT_EXCHANGES: Final = 4
_EFFECT_SECONDS: Final = 10.0
_LEAST_PATIENCE: Final = 1.5
"""Seconds that an effect may be missing where effects showed at once before."""
_RESTART_SECONDS: Final = 60.0
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
        self._probe = effects
        self._restart = restart
        self._tls = tls
        self._allow_remote = allow_remote
        self._interval = interval if is_loopback(self.address.host) else max(interval, _REMOTE_INTERVAL)
        self._said = said
        self._nonce = random.token_hex(4)
        self._count = 0
        self._next_request = 0.0
        self._lag = 0.0
        self._pending: set[str] = set()
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
            "effects": (self._probe is not None, "effects cannot be seen; say how: --effects-url or --effects-command", False),
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
        if self._probe is not None:
            await self._calibrate(self._probe)

    async def _calibrate(self, probe: EffectsProbe) -> None:
        """Learn how long an effect takes to show, so that the absence of one can be told from lag."""
        before = await probe.read()
        delivery = self.delivery()
        answer = await self.deliver(self.signed(delivery))
        if not answer.accepted:
            return  # what is wrong with it, the checks say
        begun = time.monotonic()
        late = False
        while not (effects := await probe.read()).of(delivery.id):
            late = True
            waited = time.monotonic() - begun
            if effects.total > before.total and waited > 1.0:
                raise NoVerdict(f"the effects probe counts the effect of {delivery.id!r} under another id than the event's")
            if waited > _EFFECT_SECONDS:
                raise NoVerdict(
                    f"the effects probe lags, or errs: an acknowledged event has no effect in it after {_EFFECT_SECONDS:.0f} s"
                )
            await asyncio.sleep(0.02)
        self._lag = min(2.0, (time.monotonic() - begun) * 3) if late else 0.0

    @override
    async def close(self) -> None:
        closing = getattr(self._probe, "close", None)
        if closing is not None:
            await closing()

    @override
    async def before(self, check: Check) -> None:
        self._journal.clear()

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
        answer = await self.send([head + body], note=note)
        if answer.accepted and self._probe is not None:
            with suppress(Mismatch):
                self._pending.add(self.kind.read(message).id)
        return answer

    async def send(
        self, pieces: Sequence[bytes], *, note: str = "", pause: float = 0.0, end: bool = False, seconds: float | None = None
    ) -> Answer:
        """Send raw pieces over a connection of its own."""
        await self._wait_for_turn()
        answer, sent = await send(self.address, pieces, seconds=seconds or self.deadline + 1.0, tls=self._tls, pause=pause, end=end)
        if answer.silence is Silence.REFUSED:
            raise NoVerdict(f"{self.url} does not answer any more: {answer.fault}")
        self.keep(sent, answer, note)
        return answer

    async def connect(self) -> Connection:
        """A connection for more than one request."""
        await self._wait_for_turn()
        try:
            return await Connection.open(self.address, self._tls)
        except (OSError, TimeoutError) as error:
            raise NoVerdict(f"{self.url} does not answer any more: {error!s}") from error

    def keep(self, sent: bytes, answer: Answer, note: str = "") -> None:
        """Keep an exchange for the report."""
        masked = (*self.secrets, *self.retired)
        self._journal.append(Exchange(sent=sent, received=answer.raw, note=note, secrets=masked))

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

    async def baseline(self) -> Baseline:
        """The effects at this moment, to tell later what came since; needs a probe."""
        effects = await self._read()
        return Baseline(effects=effects, pending=frozenset(self._pending))

    async def no_effects(self, requirement: str, before: Baseline, what: str) -> None:
        """Raise a `Violation` unless nothing took effect since `before`."""
        came = before.until(await self.effects())
        if came:
            raise Violation(requirement, expected=f"no effect of {what}", got=_times(came), exchanges=self.exchanges())

    async def effects(self) -> Effects:
        """The effects so far, lag waited for; needs a probe."""
        if self._lag:
            await asyncio.sleep(self._lag)
        return await self._read()

    async def _read(self) -> Effects:
        if self._probe is None:
            raise NoVerdict("there is no effects probe")
        effects = await self._probe.read()
        self._pending -= effects.counts.keys()
        return effects

    async def has_effects(self, requirement: str, event_id: str, expected: int, what: str) -> None:
        """Raise a `Violation` unless the event took effect this often; waits for an effect that is missing."""
        begun = time.monotonic()
        count = (await self.effects()).of(event_id)
        patience = max(_LEAST_PATIENCE, 20 * self._lag)
        while count < expected and time.monotonic() - begun < patience:
            await asyncio.sleep(0.05)
            count = (await self.effects()).of(event_id)
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
