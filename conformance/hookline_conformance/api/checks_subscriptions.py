"""SubscriptionService: receivers, and everything about delivering to them."""

from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from hookline_conformance.api.target import NOWHERE, ApiTarget, Failed
from hookline_conformance.check import check
from hookline_conformance.sender.reply import always, status
from hookline_conformance.sender.signature import new_secret
from hookline_proto.v1 import delivery_pb2 as dlv
from hookline_proto.v1 import retry_policy_pb2 as rtp
from hookline_proto.v1 import subscription_pb2 as sub
from hookline_proto.v1 import subscription_service_pb2 as subs

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND
ABORTED = grpc.StatusCode.ABORTED


async def _get(target: ApiTarget, tenant: str, name: str) -> sub.Subscription:
    request = subs.GetSubscriptionRequest(tenant=tenant, subscription_id=name)
    return (await target.call(target.subscriptions.GetSubscription, request)).subscription


async def _secrets(target: ApiTarget, tenant: str, name: str) -> list[sub.Secret]:
    request = subs.GetSubscriptionSecretRequest(tenant=tenant, subscription_id=name)
    return list((await target.call(target.subscriptions.GetSubscriptionSecret, request)).secrets)


async def _update(target: ApiTarget, tenant: str, name: str, paths: list[str], etag: str = "", **fields: Any) -> sub.Subscription:
    request = _updating(tenant, name, paths, etag, **fields)
    return (await target.call(target.subscriptions.UpdateSubscription, request)).subscription


def _updating(tenant: str, name: str, paths: list[str], etag: str = "", **fields: Any) -> subs.UpdateSubscriptionRequest:
    return subs.UpdateSubscriptionRequest(
        tenant=tenant,
        subscription_id=name,
        subscription=sub.SubscriptionSpec(**fields),
        update_mask=FieldMask(paths=paths),
        etag=etag,
    )


@check("SUB-201")
async def a_subscription_is_kept_with_its_defaults(target: ApiTarget) -> None:
    """Only a URL given."""
    tenant = target.unique()
    request = subs.CreateSubscriptionRequest(tenant=tenant, subscription=sub.SubscriptionSpec(url=NOWHERE))
    made = (await target.call(target.subscriptions.CreateSubscription, request)).subscription
    got = await _get(target, tenant, made.id)
    target.expect(got == made, "SUB-201", "what was answered when it was created", got)
    target.expect(
        got.url == NOWHERE
        and list(got.event_types) == ["*"]
        and got.body_format == sub.BODY_FORMAT_STANDARD
        and got.signature_scheme == "standard"
        and got.timeout.seconds == 15
        and got.max_in_flight == 64
        and got.ordering == sub.ORDERING_NONE
        and got.state == sub.SUBSCRIPTION_STATE_ACTIVE
        and bool(got.etag),
        "SUB-201",
        "every default of the contract",
        got,
    )
    kind = got.retry.WhichOneof("schedule")
    target.expect(kind in {"steps", "exponential"} and got.retry.max_attempts == 10, "SUB-201", "the schedule written out", kind)


@check("SUB-202")
async def secrets_are_shown_where_they_are_asked_for(target: ApiTarget) -> None:
    """One that was chosen, and one that was made."""
    tenant = target.unique()
    chosen = new_secret(tenant.encode())
    one = await target.subscribe(tenant, secret=chosen)
    two = await target.subscribe(tenant)
    page = await target.call(target.subscriptions.ListSubscriptions, subs.ListSubscriptionsRequest(tenant=tenant))
    shown = f"{one}{await _get(target, tenant, one.id)}{page}"
    target.expect("whsec_" not in shown, "SUB-202", "no secret in what create, get and list answer", "one")
    values = [(await _secrets(target, tenant, made.id))[0].value for made in (one, two)]
    target.expect(values[0] == chosen, "SUB-202", "the secret that was chosen", "another one")
    target.expect(values[1].startswith("whsec_") and values[1] != chosen, "SUB-202", "a secret of its own", values[1][:6])


async def _create(target: ApiTarget, tenant: str, request_id: str, **fields: Any) -> sub.Subscription:
    spec = sub.SubscriptionSpec(**{"url": NOWHERE, **fields})
    request = subs.CreateSubscriptionRequest(tenant=tenant, subscription=spec, request_id=request_id)
    return (await target.call(target.subscriptions.CreateSubscription, request)).subscription


@check("SUB-203")
async def a_repeated_creation_is_one(target: ApiTarget) -> None:
    """The same request_id twice."""
    tenant, name = target.unique(), target.unique("r")
    one, two = await _create(target, tenant, name), await _create(target, tenant, name)
    page = await target.call(target.subscriptions.ListSubscriptions, subs.ListSubscriptionsRequest(tenant=tenant))
    target.expect(one.id == two.id and len(page.subscriptions) == 1, "SUB-203", "one subscription", len(page.subscriptions))


@check("SUB-204")
async def a_known_request_id_with_other_content_is_refused(target: ApiTarget) -> None:
    """Another URL."""
    tenant, name = target.unique(), target.unique("r")
    await _create(target, tenant, name)
    other = sub.SubscriptionSpec(url=NOWHERE + "/other")
    request = subs.CreateSubscriptionRequest(tenant=tenant, subscription=other, request_id=name)
    exists = grpc.StatusCode.ALREADY_EXISTS
    await target.refused("SUB-204", target.subscriptions.CreateSubscription, request, exists, "another URL")


@check("SUB-205")
async def an_update_changes_what_it_names(target: ApiTarget) -> None:
    """One field named, others given but not named."""
    tenant = target.unique()
    made = await target.subscribe(tenant, description="before", headers={"X-A": "1"}, labels={"a": "b"})
    got = await _update(target, tenant, made.id, ["description"], description="after", url=NOWHERE + "/other", headers={"X-B": "2"})
    target.expect(got.description == "after", "SUB-205", "the description changed", got.description)
    kept = got.url == made.url and dict(got.headers) == {"X-A": "1"} and dict(got.labels) == {"a": "b"} and got.retry == made.retry
    target.expect(kept, "SUB-205", "every other field as it was", got)
    target.expect(await _get(target, tenant, made.id) == got, "SUB-205", "the change to be kept", "another state")


@check("SUB-206")
async def masks_are_checked(target: ApiTarget) -> None:
    """Fields that are not there, parts of fields, the secret."""
    tenant = target.unique()
    made = await target.subscribe(tenant)
    for path in ("no_such_field", "secret", "retry.max_attempts", "etag"):
        request = _updating(tenant, made.id, [path], url=NOWHERE)
        await target.refused("SUB-206", target.subscriptions.UpdateSubscription, request, INVALID, f"the mask {path!r}")


@check("SUB-207")
async def an_empty_field_gets_its_default(target: ApiTarget) -> None:
    """Named in the mask and not given."""
    tenant = target.unique()
    made = await target.subscribe(tenant, description="before", event_types=["a.b"], timeout=Duration(seconds=3), max_in_flight=2)
    paths = ["description", "event_types", "timeout", "max_in_flight"]
    got = await _update(target, tenant, made.id, paths)
    defaults = not got.description and list(got.event_types) == ["*"] and got.timeout.seconds == 15 and got.max_in_flight == 64
    target.expect(defaults, "SUB-207", "the defaults of the fields named", got)


@check("SUB-208")
async def a_stale_etag_is_refused(target: ApiTarget) -> None:
    """For updates and deletes."""
    tenant = target.unique()
    made = await target.subscribe(tenant, description="one")
    await _update(target, tenant, made.id, ["description"], description="two")
    stale = _updating(tenant, made.id, ["description"], made.etag, description="three")
    await target.refused("SUB-208", target.subscriptions.UpdateSubscription, stale, ABORTED, "an update with a stale etag")
    delete = subs.DeleteSubscriptionRequest(tenant=tenant, subscription_id=made.id, etag=made.etag)
    await target.refused("SUB-208", target.subscriptions.DeleteSubscription, delete, ABORTED, "a delete with a stale etag")
    got = await _get(target, tenant, made.id)
    target.expect(got.description == "two", "SUB-208", "nothing changed", got.description)
    try:
        await _update(target, tenant, made.id, ["description"], got.etag, description="three")
    except Failed as failed:
        target.fail("SUB-208", "the current etag to be taken", str(failed))


@check("SUB-209")
async def etags_change_with_changes(target: ApiTarget) -> None:
    """An update, a pause, a resume."""
    tenant = target.unique()
    made = await target.subscribe(tenant)
    etags = [made.etag, (await _update(target, tenant, made.id, ["description"], description="two")).etag]
    pause = subs.PauseSubscriptionRequest(tenant=tenant, subscription_id=made.id)
    etags.append((await target.call(target.subscriptions.PauseSubscription, pause)).subscription.etag)
    resume = subs.ResumeSubscriptionRequest(tenant=tenant, subscription_id=made.id)
    etags.append((await target.call(target.subscriptions.ResumeSubscription, resume)).subscription.etag)
    target.expect(len(set(etags)) == 4, "SUB-209", "four different etags", f"{len(set(etags))}")
    target.expect((await _get(target, tenant, made.id)).etag == etags[-1], "SUB-209", "reading to change nothing", "another etag")


@check("SUB-210")
async def subscriptions_are_paged(target: ApiTarget) -> None:
    """Eleven by pages of four."""
    tenant = target.unique()
    made = [(await target.subscribe(tenant)).id for _ in range(11)]
    seen: list[str] = []
    token = ""
    while True:
        request = subs.ListSubscriptionsRequest(tenant=tenant, page_size=4, page_token=token)
        page = await target.call(target.subscriptions.ListSubscriptions, request)
        target.expect(len(page.subscriptions) <= 4, "SUB-210", "at most four a page", len(page.subscriptions))
        seen += [one.id for one in page.subscriptions]
        token = page.next_page_token
        if not token or len(seen) > 50:
            break
    target.expect(seen == made, "SUB-210", "each once, in the order of creation", f"{len(seen)}, {len(set(seen))} different")


@check("SUB-211")
async def a_deleted_subscription_is_gone(target: ApiTarget) -> None:
    """To every method that names one."""
    tenant = target.unique()
    made = await target.subscribe(tenant)
    delete = subs.DeleteSubscriptionRequest(tenant=tenant, subscription_id=made.id)
    await target.call(target.subscriptions.DeleteSubscription, delete)
    where: dict[str, Any] = {"tenant": tenant, "subscription_id": made.id}
    stubs = target.subscriptions
    calls = (
        (stubs.GetSubscription, subs.GetSubscriptionRequest(**where)),
        (stubs.UpdateSubscription, _updating(tenant, made.id, ["description"], description="x")),
        (stubs.DeleteSubscription, delete),
        (stubs.PauseSubscription, subs.PauseSubscriptionRequest(**where)),
        (stubs.ResumeSubscription, subs.ResumeSubscriptionRequest(**where)),
        (stubs.RotateSubscriptionSecret, subs.RotateSubscriptionSecretRequest(**where)),
        (stubs.GetSubscriptionSecret, subs.GetSubscriptionSecretRequest(**where)),
        (stubs.TestSubscription, subs.TestSubscriptionRequest(**where)),
    )
    for method, request in calls:
        await target.refused("SUB-211", method, request, NOT_FOUND, type(request).__name__)


@check("SUB-212")
async def pause_and_resume_may_be_repeated(target: ApiTarget) -> None:
    """Each twice."""
    tenant = target.unique()
    made = await target.subscribe(tenant)
    pause = subs.PauseSubscriptionRequest(tenant=tenant, subscription_id=made.id, reason="conformance")
    resume = subs.ResumeSubscriptionRequest(tenant=tenant, subscription_id=made.id)
    for _ in range(2):
        got = (await target.call(target.subscriptions.PauseSubscription, pause)).subscription
        right = got.state == sub.SUBSCRIPTION_STATE_PAUSED and "conformance" in got.state_reason
        target.expect(right, "SUB-212", "paused, with the reason", got)
    for _ in range(2):
        got = (await target.call(target.subscriptions.ResumeSubscription, resume)).subscription
        target.expect(got.state == sub.SUBSCRIPTION_STATE_ACTIVE and not got.state_reason, "SUB-212", "active", got)


@check("SUB-213")
async def rotations_are_shown(target: ApiTarget) -> None:
    """With an overlap, and without."""
    tenant = target.unique()
    made = await target.subscribe(tenant)
    (first,) = await _secrets(target, tenant, made.id)
    target.expect(not first.HasField("expire_time"), "SUB-213", "the current secret without an end", "one with")
    request = subs.RotateSubscriptionSecretRequest(tenant=tenant, subscription_id=made.id, overlap=Duration(seconds=600))
    new = (await target.call(target.subscriptions.RotateSubscriptionSecret, request)).secret
    shown = await _secrets(target, tenant, made.id)
    values = [secret.value for secret in shown]
    target.expect(values == [new.value, first.value], "SUB-213", "the new secret and then the former", len(values))
    target.expect(shown[1].HasField("expire_time"), "SUB-213", "the time at which the former expires", "none")
    at_once = subs.RotateSubscriptionSecretRequest(tenant=tenant, subscription_id=made.id, overlap=Duration())
    last = (await target.call(target.subscriptions.RotateSubscriptionSecret, at_once)).secret
    values = [secret.value for secret in await _secrets(target, tenant, made.id)]
    gone = new.value not in values and values[0] == last.value
    target.expect(gone, "SUB-213", "the former secret gone after a rotation without overlap", len(values))


@check("SUB-214")
async def a_repeated_rotation_is_one(target: ApiTarget) -> None:
    """The same request_id twice."""
    tenant = target.unique()
    made = await target.subscribe(tenant)
    request = subs.RotateSubscriptionSecretRequest(tenant=tenant, subscription_id=made.id, request_id=target.unique("r"))
    one = (await target.call(target.subscriptions.RotateSubscriptionSecret, request)).secret
    two = (await target.call(target.subscriptions.RotateSubscriptionSecret, request)).secret
    target.expect(one.value == two.value, "SUB-214", "the secret of the first call", "another one")
    count = len(await _secrets(target, tenant, made.id))
    target.expect(count == 2, "SUB-214", "two secrets in all", count)


@check("SUB-215")
async def a_dry_run_sends_nothing(target: ApiTarget) -> None:
    """The request as it would be."""
    tenant = target.unique()
    async with target.receiver() as endpoint:
        made = await target.subscribe(tenant, endpoint.url)
        request = subs.TestSubscriptionRequest(tenant=tenant, subscription_id=made.id, dry_run=True)
        result = (await target.call(target.subscriptions.TestSubscription, request)).result
        names = {header.name for header in result.headers}
        signed = {"webhook-id", "webhook-timestamp", "webhook-signature"} <= names and bool(result.body)
        target.expect(signed and result.url == endpoint.url, "SUB-215", "URL, signed headers and body", names)
        target.expect(not result.HasField("attempt"), "SUB-215", "no attempt", result.attempt)
        target.expect(not await endpoint.wait(1, 0.3), "SUB-215", "no request", len(endpoint.requests))


@check("SUB-216")
async def a_test_is_sent_once(target: ApiTarget) -> None:
    """To a receiver that takes it, and to one that fails."""
    tenant = target.unique()
    for code in (204, 500):
        async with target.receiver(always(status(code))) as endpoint:
            made = await target.subscribe(tenant, endpoint.url)
            request = subs.TestSubscriptionRequest(tenant=tenant, subscription_id=made.id)
            result = (await target.call(target.subscriptions.TestSubscription, request)).result
            target.expect(result.attempt.status == code, "SUB-216", f"an attempt with the status {code}", result.attempt)
            target.expect(len(endpoint.requests) == 1, "SUB-216", "one request", len(endpoint.requests))
            target.expect(endpoint.requests[0].body == result.body, "SUB-216", "the body that was sent", result.body)


@check("SUB-217")
async def limits_of_subscriptions_are_kept(target: ApiTarget) -> None:
    """One field at a time, beyond its limit."""
    tenant = target.unique()
    steps = rtp.StepSchedule(delays=[Duration(seconds=1)])
    wrong: tuple[tuple[str, dict[str, Any]], ...] = (
        ("url", {"url": "ftp://127.0.0.1/"}),
        ("url", {"url": "https://user@example.com/"}),
        ("url", {"url": "https://example.com/" + "p" * 2_048}),
        ("url", {"url": ""}),
        ("event_types", {"event_types": ["a.b"] * 101}),
        ("event_types", {"event_types": ["*.b"]}),
        ("description", {"description": "d" * 1_025}),
        ("secret", {"secret": "whsec_short"}),
        ("signature_scheme", {"signature_scheme": "no-such-scheme"}),
        ("headers", {"headers": {"webhook-id": "x"}}),
        ("headers", {"headers": {"X-A": "a\r\nb"}}),
        ("timeout", {"timeout": Duration(seconds=61)}),
        ("timeout", {"timeout": Duration(nanos=999_000_000)}),
        ("max_in_flight", {"max_in_flight": 0}),
        ("max_in_flight", {"max_in_flight": 1_001}),
        ("retry", {"retry": rtp.RetryPolicy(steps=steps, max_attempts=101)}),
        ("retry", {"retry": rtp.RetryPolicy(steps=steps, max_attempts=2, jitter=0.91)}),
        ("retry", {"retry": rtp.RetryPolicy(preset="no-such-preset")}),
        ("labels", {"labels": {"Upper": "x"}}),
    )
    for field, fields in wrong:
        spec = sub.SubscriptionSpec(**{"url": NOWHERE, **fields})
        request = subs.CreateSubscriptionRequest(tenant=tenant, subscription=spec)
        failed = await target.refused("SUB-217", target.subscriptions.CreateSubscription, request, INVALID, f"{fields}"[:100])
        named = any(path.startswith(f"subscription.{field}") for path in failed.fields)
        target.expect(named, "SUB-217", f"subscription.{field} named", failed.fields)


@check("SUB-218")
async def tenants_see_their_own_subscriptions(target: ApiTarget) -> None:
    """One tenant's, looked for and changed by another."""
    ours, theirs = target.unique(), target.unique()
    made = await target.subscribe(ours)
    where: dict[str, Any] = {"tenant": theirs, "subscription_id": made.id}
    stubs = target.subscriptions
    calls = (
        (stubs.GetSubscription, subs.GetSubscriptionRequest(**where)),
        (stubs.DeleteSubscription, subs.DeleteSubscriptionRequest(**where)),
        (stubs.GetSubscriptionSecret, subs.GetSubscriptionSecretRequest(**where)),
        (stubs.UpdateSubscription, _updating(theirs, made.id, ["description"], description="x")),
    )
    for method, request in calls:
        await target.refused("SUB-218", method, request, NOT_FOUND, type(request).__name__)
    page = await target.call(stubs.ListSubscriptions, subs.ListSubscriptionsRequest(tenant=theirs))
    target.expect(not page.subscriptions, "SUB-218", "no subscription of another tenant", len(page.subscriptions))


@check("SUB-221")
async def a_delete_cancels_what_is_pending(target: ApiTarget) -> None:
    """Two deliveries held by a pause."""
    tenant = target.unique()
    made = await target.subscribe(tenant)
    pause = subs.PauseSubscriptionRequest(tenant=tenant, subscription_id=made.id)
    await target.call(target.subscriptions.PauseSubscription, pause)
    await target.emit(tenant)
    await target.emit(tenant)
    delete = subs.DeleteSubscriptionRequest(tenant=tenant, subscription_id=made.id)
    await target.call(target.subscriptions.DeleteSubscription, delete)
    found = await target.finished(tenant, 2, frozenset({dlv.DELIVERY_STATE_CANCELLED}))
    states = [delivery.state for delivery in found]
    target.expect(states == [dlv.DELIVERY_STATE_CANCELLED] * 2, "SUB-221", "two cancelled deliveries", states)
