"""Subscriptions of the embedded client: every rule about changing one."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, replace
from dataclasses import fields as fields_of
from datetime import datetime, timedelta
from typing import Any, Final

from hookline.body import BodyError
from hookline.client import Subscriptions
from hookline.clock import moment, now_micros
from hookline.embedded.door import Door, known_id, page_after, token_after
from hookline.embedded.repeat import repeatable
from hookline.engine import Engine
from hookline.engine.authentication import SHOWN, bearer
from hookline.engine.lane import Lane, Memory
from hookline.engine.lapse import lapse_all, lapse_held
from hookline.engine.sender import FILTERED
from hookline.engine.target import target
from hookline.engine.turns import Tenant
from hookline.errors import Conflict, FailedPrecondition, InvalidArgument, NotFound, quoted
from hookline.ids import DELIVERY, EVENT, REPLAY, SUBSCRIPTION
from hookline.lanes import sharing, too_few
from hookline.model import (
    Authentication,
    ClientCertificate,
    Event,
    EventSpec,
    Ordering,
    Page,
    Pause,
    Secret,
    Subscription,
    SubscriptionSpec,
    SubscriptionState,
    TestResult,
)
from hookline.model.authentication import without_secret
from hookline.signing import SECRET_PARAMETERS, generate_secret, scheme
from hookline.store.protocol import Job, JobKind, LaneKey, OwnedLane, Repeatable, Work
from hookline.validation import check_event, check_made_from_profile, check_string, check_subscription

LOGGER: Final = logging.getLogger(__name__)
LONGEST_OVERLAP: Final = 30 * 86_400.0
"""Seconds for which a former secret may go on signing."""
MOST_PAUSES: Final = 32
"""Spans of pause that are remembered for policies that do not count them."""
MOST_SECRETS: Final = 8
"""Former secrets that go on signing at a time."""
LONGEST_REASON: Final = 1_024
LONGEST_ACTOR: Final = 128
SAID: Final = frozenset(field.name for field in fields_of(SubscriptionSpec)) - {"secret"}
"""What a subscription has of its spec as it was said."""
CHANGEABLE: Final = SAID - {"profile"}
CHANGE_TRIES: Final = 10
TEST_EVENT: Final = EventSpec(type="hookline.test", data=b'{"message":"This is a test event from hookline."}')


class EmbeddedSubscriptions(Subscriptions):
    """See `Subscriptions`."""

    def __init__(self, door: Door) -> None:
        """Part of `door`."""
        self._door = door

    async def create(self, spec: SubscriptionSpec, *, request_id: str = "", tenant: str = "") -> Subscription:
        """See `Subscriptions`."""
        engine = await self._door.engine()
        name = self._door.tenant(tenant)
        check_subscription(spec, allow_http_loopback=engine.config.allow_http_loopback)
        check_made_from_profile(spec)
        repeat = await repeatable(engine, name, "CreateSubscription", request_id, (repr(spec), spec.secret, _hidden(spec)))
        if repeat.first is not None:
            return await self.get(repeat.first, tenant=name)
        now = moment(now_micros(engine.clock))
        subscription = Subscription(
            tenant=name,
            id=engine.ids.new(SUBSCRIPTION),
            **_values(spec),
            state=SubscriptionState.ACTIVE,
            state_reason="",
            etag="1",
            create_time=now,
            update_time=now,
            secrets=(Secret(value=spec.secret or generate_secret(spec.signature_scheme, spec.signature_parameters)),),
        )
        owner, handovers = engine.node.id, engine.node.handovers
        made = await engine.store.add_subscription(subscription, owner=owner, request=repeat.request)
        view = await engine.refresh(name)
        # This process may have become another node meanwhile, and the lane another's.
        if handovers != engine.node.handovers:
            engine.node.nudge()  # it sees what is its own
        elif made == subscription.id and owner and owner == engine.node.id and (ready := view.targets.get(made)) is not None:
            ordered = spec.ordering is Ordering.BY_KEY
            engine.dispatcher.add(OwnedLane(LaneKey(name, made), 1, ordered), ready)
        return await self.get(made, tenant=name)

    async def get(self, subscription_id: str, *, tenant: str = "") -> Subscription:
        """See `Subscriptions`."""
        _, found = await self._find(subscription_id, tenant)
        return _public(found)

    async def list(self, *, page_size: int = 100, page_token: str = "", tenant: str = "") -> Page[Subscription]:
        """See `Subscriptions`."""
        limit, after = page_after(page_size, page_token)
        engine = await self._door.engine()
        found = await engine.store.subscriptions(self._door.tenant(tenant), after=after, limit=limit)
        return Page(items=tuple(map(_public, found)), next_page_token=token_after(found[-1].id) if len(found) == limit else "")

    async def update(
        self, subscription_id: str, spec: SubscriptionSpec, *, fields: Sequence[str] = (), etag: str = "", tenant: str = ""
    ) -> Subscription:
        """See `Subscriptions`."""
        for index, field in enumerate(fields):
            if field not in CHANGEABLE:
                hint = "; rotate_secret changes secrets" if field == "secret" else ""
                hint = "; it only says where the other values came from" if field == "profile" else hint
                known = ", ".join(sorted(CHANGEABLE))
                raise InvalidArgument.of(f"fields[{index}]", f"{quoted(field)} cannot be updated{hint}; name one of {known}")
        engine = await self._door.engine()
        chosen = frozenset(fields) or CHANGEABLE

        def change(old: Subscription, _: datetime) -> Subscription:
            values = _values(spec)
            new = replace(old, **{field: values[field] for field in chosen})
            new = replace(
                new,
                authentication=_with_secret(new.authentication, old.authentication),
                client_certificate=_with_key(new.client_certificate, old.client_certificate),
            )
            new = replace(new, signature_parameters=_with_secrets(new.signature_parameters, old.signature_parameters))
            check_subscription(_spec(new), allow_http_loopback=engine.config.allow_http_loopback)
            if (new.signature_scheme, new.signature_parameters) != (old.signature_scheme, old.signature_parameters):
                signer = scheme(new.signature_scheme, new.signature_parameters)
                for secret in old.secrets:
                    signer.check_secret(secret.value)
            if new.ordering is not old.ordering:
                raise InvalidArgument.of("subscription.ordering", "is set when the subscription is created; create another one")
            return _with_lanes(new, old)

        return _public(await self._change(subscription_id, tenant, change, etag=etag))

    async def delete(self, subscription_id: str, *, etag: str = "", tenant: str = "") -> None:
        """See `Subscriptions`."""
        for _ in range(CHANGE_TRIES):
            engine, old = await self._find(subscription_id, tenant)
            _check_etag(old, etag)
            job = Job(
                tenant=old.tenant,
                id=engine.ids.new(REPLAY),
                kind=JobKind.DRAIN,
                subject=old.id,
                spec="{}",
                cursor="",
                scanned=0,
                added=0,
                cancelled=False,
                create_time=moment(now_micros(engine.clock)),
                finish_time=None,
            )
            if await engine.store.remove_subscription(old.tenant, old.id, etag=old.etag, job=job):
                await engine.refresh(old.tenant)
                engine.router.nudge()
                return
        raise Conflict(f"subscription {subscription_id} keeps changing; try again")

    async def pause(self, subscription_id: str, *, reason: str = "", actor: str = "", tenant: str = "") -> Subscription:
        """See `Subscriptions`."""
        check_string(reason, "reason", LONGEST_REASON)
        check_string(actor, "actor", LONGEST_ACTOR)
        stop = _stopper(SubscriptionState.PAUSED, reason or "paused by hand", actor)
        return _public(await self._change(subscription_id, tenant, stop))

    async def resume(self, subscription_id: str, *, discard_held: bool = False, tenant: str = "") -> Subscription:
        """See `Subscriptions`."""
        engine, found = await self._find(subscription_id, tenant)
        if discard_held and found.state is not SubscriptionState.ACTIVE:
            lanes = await engine.store.lanes(found.tenant, found.id)
            await lapse_all(engine.store, found.tenant, lanes, engine.clock, reason="discarded when its subscription was resumed")
        if found.hold_for is not None and found.state is not SubscriptionState.ACTIVE:
            await lapse_held(engine.store, found, await engine.store.lanes(found.tenant, found.id), engine.clock)

        def change(old: Subscription, now: datetime) -> Subscription:
            if old.state is SubscriptionState.ACTIVE:
                return old
            pauses = old.pauses
            if pauses and pauses[-1].end is None:
                pauses = (*pauses[:-1], replace(pauses[-1], end=now))
            return replace(old, state=SubscriptionState.ACTIVE, state_reason="", state_actor="", pauses=pauses)

        return _public(await self._change(subscription_id, tenant, change))

    async def rotate_secret(
        self, subscription_id: str, *, secret: str = "", overlap: float = 86_400.0, request_id: str = "", tenant: str = ""
    ) -> Secret:
        """See `Subscriptions`."""
        if not 0 <= overlap <= LONGEST_OVERLAP:
            raise InvalidArgument.of("overlap", f"{overlap:.0f} s is out of range; right is 0 to {LONGEST_OVERLAP:.0f} s (30 days)")
        engine, found = await self._find(subscription_id, tenant)
        signer = scheme(found.signature_scheme, found.signature_parameters)
        if secret:
            signer.check_secret(secret)
        asked = (subscription_id, secret, str(overlap))
        repeat = await repeatable(engine, found.tenant, "RotateSecret", request_id, asked)
        if repeat.first is not None:
            return Secret(value=repeat.first)
        new = Secret(value=secret or signer.generate_secret())

        def change(old: Subscription, now: datetime) -> Subscription:
            end = now + timedelta(seconds=overlap)
            former = (
                replace(known, expire_time=end if known.expire_time is None else min(end, known.expire_time))
                for known in old.secrets
                if known.value != new.value
            )
            kept = tuple(known for known in former if known.expire_time is not None and known.expire_time > now)
            return replace(old, secrets=(new, *kept[:MOST_SECRETS]))

        request = None if repeat.request is None else replace(repeat.request, result=new.value)
        await self._change(subscription_id, tenant, change, request=request)
        return new

    async def get_secret(self, subscription_id: str, *, tenant: str = "") -> Sequence[Secret]:
        """See `Subscriptions`."""
        engine, found = await self._find(subscription_id, tenant)
        now = moment(now_micros(engine.clock))
        return [secret for secret in found.secrets if secret.expire_time is None or secret.expire_time > now]

    async def test(
        self, subscription_id: str, event: EventSpec | None = None, *, dry_run: bool = False, tenant: str = ""
    ) -> TestResult:
        """See `Subscriptions`."""
        engine, found = await self._find(subscription_id, tenant)
        spec = event or TEST_EVENT
        now = now_micros(engine.clock)
        check_event(spec, max_data=engine.config.max_data, now=moment(now))
        ready = target(found)
        sample = _sample(found.tenant, spec, spec.id or engine.ids.new(EVENT), moment(now))
        try:
            shaped = sample if ready.shape is None else await engine.sender.preparation.shaped(ready, ready.shape, sample)
            if shaped is None:
                raise FailedPrecondition(f"{FILTERED}; nothing would be sent")
            token = () if ready.oauth2 is None else (bearer(SHOWN),)  # none is fetched to show a request
            request = ready.request(shaped, sample.id, engine.sender.signing_time(now), token=token)
        except BodyError as error:
            raise FailedPrecondition(str(error)) from error
        headers = ready.shown(request.headers)
        if dry_run:
            return TestResult(url=request.url, headers=headers, body=request.body, attempt=None)
        work = Work(found.tenant, found.id, 0, None, engine.ids.new(DELIVERY), sample.id, sample, 1, 0, 0, 0)
        started, answer = await engine.sender.send(ready, work)
        assert answer is not None  # the filter has admitted it
        owned = OwnedLane(LaneKey(found.tenant, found.id), 0, ordered=False)
        lane = Lane(owned, ready, Tenant(found.tenant, 1), now=now, monotonic=0.0, window=1, memory=Memory(0))
        attempt = engine.sender.judge(lane, ready, work, started, answer).settlement.attempt
        assert attempt is not None
        return TestResult(url=request.url, headers=headers, body=request.body, attempt=replace(attempt, next_attempt_time=None))

    async def _find(self, subscription_id: str, tenant: str) -> tuple[Engine, Subscription]:
        engine = await self._door.engine()
        found = await engine.store.subscription(self._door.tenant(tenant), known_id(subscription_id, "subscription_id"))
        if found is None:
            raise NotFound("subscription", subscription_id)
        return engine, found

    async def _change(
        self,
        subscription_id: str,
        tenant: str,
        change: Callable[[Subscription, datetime], Subscription],
        *,
        etag: str = "",
        request: Repeatable | None = None,
    ) -> Subscription:
        """Change what stands, whoever else does so at the same time."""
        for _ in range(CHANGE_TRIES):
            engine, old = await self._find(subscription_id, tenant)
            _check_etag(old, etag)
            now = moment(now_micros(engine.clock))
            new = change(old, now)
            if new == old:
                return old
            new = replace(new, etag=str(int(old.etag) + 1), update_time=now)
            if await engine.store.replace_subscription(new, etag=old.etag, request=request):
                await engine.refresh(old.tenant)
                return new
        raise Conflict(f"subscription {subscription_id} keeps changing; try again")


async def disable(engine: Engine, tenant: str, subscription_id: str, url: str, reason: str) -> None:
    """The receiver at `url` wants no more: stop, until somebody resumes it. What stands at another URL by now goes on."""
    stop = _stopper(SubscriptionState.DISABLED, reason)
    for _ in range(CHANGE_TRIES):
        old = await engine.store.subscription(tenant, subscription_id)
        if old is None or old.state is not SubscriptionState.ACTIVE or old.url != url:
            return
        now = moment(now_micros(engine.clock))
        new = replace(stop(old, now), etag=str(int(old.etag) + 1), update_time=now)
        if await engine.store.replace_subscription(new, etag=old.etag):
            LOGGER.warning("subscription %s is disabled: %s", subscription_id, reason)
            await engine.refresh(tenant)
            engine.notices.disabled(new)
            return


def _stopper(state: SubscriptionState, reason: str, actor: str = "") -> Callable[[Subscription, datetime], Subscription]:
    def stop(old: Subscription, now: datetime) -> Subscription:
        if old.state is state:
            return old
        stopped = replace(old, state=state, state_reason=reason, state_actor=actor)
        if old.state is not SubscriptionState.ACTIVE:
            return stopped
        return replace(stopped, pauses=(*old.pauses, Pause(start=now))[-MOST_PAUSES:])

    return stop


def _check_etag(subscription: Subscription, etag: str) -> None:
    if etag and etag != subscription.etag:
        raise Conflict(
            f"subscription {subscription.id} was changed: its etag is {subscription.etag!r}, not {quoted(etag)}; read it again"
        )


def _public(subscription: Subscription) -> Subscription:
    """As its caller may have it: without secrets, and with containers that are the caller's own."""
    authentication, certificate = subscription.authentication, subscription.client_certificate
    return replace(
        subscription,
        secrets=(),
        pauses=(),
        former_lanes=0,
        headers=dict(subscription.headers),
        labels=dict(subscription.labels),
        retry_headers=dict(subscription.retry_headers),
        signature_parameters={
            name: value for name, value in subscription.signature_parameters.items() if name not in SECRET_PARAMETERS
        },
        authentication=None if authentication is None else without_secret(authentication),
        client_certificate=None if certificate is None else replace(certificate, private_key=""),
    )


def _with_lanes(new: Subscription, old: Subscription) -> Subscription:
    """`new`, if its lanes may follow those of `old`; with the number of those that are to be emptied."""
    if new.lanes != old.lanes and new.ordering is Ordering.BY_KEY:
        raise InvalidArgument.of(
            "subscription.lanes",
            f"{new.lanes} instead of {old.lanes}: with ordering by key it is set when the subscription is created, for the "
            "pending deliveries of a key would stand in another lane than its next ones; create another one",
        )
    former = max(old.lanes, old.former_lanes)
    new = replace(new, former_lanes=former if former > new.lanes else 0)
    for field, problem in too_few(new.max_in_flight, new.rate, sharing(new)):
        raise InvalidArgument.of(f"subscription.{field}", f"{problem}; its former lanes count until they are empty")
    return new


def _with_secrets(new: Mapping[str, str], old: Mapping[str, str]) -> Mapping[str, str]:
    """`new` with those of `old` that its caller was never shown, if it still names a header for them."""
    kept = {name: old[name] for name in SECRET_PARAMETERS if name in old and name not in new and f"{name}_header" in new}
    return {**new, **kept}


def _with_secret(new: Authentication | None, old: Authentication | None) -> Authentication | None:
    """`new` with the secret of `old` that its caller was never shown, if it is the same but for that."""
    return old if new is not None and old is not None and new == without_secret(old) else new


def _with_key(new: ClientCertificate | None, old: ClientCertificate | None) -> ClientCertificate | None:
    """As `_with_secret`."""
    return old if new is not None and old is not None and new == replace(old, private_key="") else new


def _hidden(spec: SubscriptionSpec) -> str:
    """What the `repr` of a spec leaves out: a repeated request is the same only if that is the same too."""
    authentication, certificate = spec.authentication, spec.client_certificate
    return repr(
        (
            authentication and astuple(authentication),
            certificate and astuple(certificate),
            sorted(spec.signature_parameters.items()),
        )
    )


def _spec(subscription: Subscription) -> SubscriptionSpec:
    return SubscriptionSpec(**_values(subscription))


def _values(source: SubscriptionSpec | Subscription) -> dict[str, Any]:
    """What a caller sets of a subscription, in containers of our own."""
    values = {field: getattr(source, field) for field in SAID}
    mappings = ("headers", "labels", "retry_headers", "signature_parameters")
    sequences = ("event_types", "fields")
    return (
        values
        | {field: dict(getattr(source, field)) for field in mappings}
        | {field: tuple(getattr(source, field)) for field in sequences}
    )


def _sample(tenant: str, spec: EventSpec, event_id: str, now: datetime) -> Event:
    return Event(
        tenant=tenant,
        id=event_id,
        type=spec.type,
        source=spec.source or f"urn:hookline:{tenant}",
        subject=spec.subject,
        time=spec.time or now,
        data=spec.data,
        data_content_type=spec.data_content_type,
        data_schema=spec.data_schema,
        labels=spec.labels,
        idempotency_key="",
        ordering_key="",
        not_before_time=None,
        traceparent=spec.traceparent,
        accept_time=now,
    )
