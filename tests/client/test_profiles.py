"""Profiles, schemes with parameters, answers and headers of retries, through every door."""

import json
from typing import Any

import pytest
from client.changes import Changes
from client.conftest import Subscribe
from client.policies import QUICK
from client.receiver import CLOSE, Receiver

import hookline
from hookline import AnswerRules, BodyFormat, Client, DeliveryState, SubscriptionSpec
from hookline.errors import InvalidArgument
from hookline.signing import SignableRequest, generate_key, public_key, scheme

PARAMETERS = {
    "signature_header": "X-Acme-Signature",
    "timestamp_header": "X-Acme-Time",
    "template": "{timestamp}.{body}",
    "api_key_header": "X-Acme-Key",
}
KEY = {"api_key": "hunter2"}


def signed(received: Any, url: str) -> SignableRequest:
    return SignableRequest(url=url, headers=tuple(received.headers.items()), body=received.body)


def now_of(received: Any, header: str) -> int:
    return int(received.headers[header])


async def test_a_profile_is_sent_as_it_is_and_shown_with_its_name(client: Client, receiver: Receiver, changes: Changes) -> None:
    spec = hookline.profile("slack").spec(url=receiver.url("/slack"), retry=QUICK, timeout=60.0)
    made = await client.subscriptions.create(spec)
    assert (made.profile, made.answers, dict(made.retry_headers)) == ("slack", spec.answers, dict(spec.retry_headers))
    assert (made.body_format, made.body_template) == (BodyFormat.TEMPLATE, spec.body_template)
    receiver.script(500, CLOSE, 302, path="/slack")
    result = await client.emit("message", {"text": "hi"})
    (change,) = await changes.until(DeliveryState.DELIVERED)
    got = await receiver.wait(4, path="/slack")
    told = [(one.headers.get("x-slack-retry-num"), one.headers.get("x-slack-retry-reason")) for one in got]
    assert told == [(None, None), ("1", "http_error"), ("2", "connection_failed"), ("3", "too_many_redirects")]
    body = json.loads(got[0].body)
    assert (body["event"], body["event_id"], body["type"]) == ({"text": "hi"}, result.event_id, "event_callback")
    assert change.delivery.attempts == 4
    (secret,) = await client.subscriptions.get_secret(made.id)
    for one in got:
        scheme("slack").verify(signed(one, spec.url), [secret.value], now_of(one, "x-slack-request-timestamp"))


async def test_an_answer_that_is_final_ends_the_delivery_and_says_so(
    client: Client, receiver: Receiver, changes: Changes, subscribe: Subscribe
) -> None:
    await subscribe("/", answers=AnswerRules(delivered=("204",), final=("4xx",), disabling=("410",)))
    receiver.script(200, 422)
    await client.emit("a", {})
    (change,) = await changes.until(DeliveryState.EXHAUSTED)
    attempts = await client.deliveries.attempts(change.delivery.id)
    assert [one.status for one in attempts] == [200, 422]
    assert attempts[-1].next_attempt_time is None
    assert "final by the subscription's rules" in change.delivery.reason


async def test_a_scheme_with_parameters_signs_after_create_update_rotation_and_in_a_test(
    client: Client, receiver: Receiver, subscribe: Subscribe
) -> None:
    made = await subscribe(signature_scheme="custom", signature_parameters={**PARAMETERS, **KEY})
    assert made.signature_parameters == PARAMETERS
    assert "hunter2" not in repr(await client.subscriptions.get(made.id))
    custom = scheme("custom", {**PARAMETERS, **KEY})

    async def verified(number: int, parameters: Any) -> None:
        (secret, *_) = await client.subscriptions.get_secret(made.id)
        await client.emit("a", {})
        received = (await receiver.wait(number))[-1]
        assert received.headers["x-acme-key"] == "hunter2"
        parameters.verify(signed(received, made.url), [secret.value], now_of(received, "x-acme-time"))

    await verified(1, custom)
    await client.subscriptions.rotate_secret(made.id, overlap=0.0)
    await verified(2, custom)
    changed = {**PARAMETERS, "signature_header": "X-Other", "algorithm": "sha512"}
    spec = SubscriptionSpec(url=made.url, signature_scheme="custom", signature_parameters=changed)
    updated = await client.subscriptions.update(made.id, spec, fields=["signature_parameters"])
    assert updated.signature_parameters == changed
    await verified(3, scheme("custom", {**changed, **KEY}))
    shown = await client.subscriptions.test(made.id, dry_run=True)
    assert "hunter2" not in dict(shown.headers)["X-Acme-Key"]
    sent = await client.subscriptions.test(made.id)
    assert sent.attempt is not None
    assert sent.attempt.status == 200


async def test_wrong_parameters_are_refused_by_their_path(client: Client, receiver: Receiver, subscribe: Subscribe) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await subscribe(signature_scheme="custom", signature_parameters={"signature_header": "X-Sig", "encoding": "base32"})
    assert {fault.field for fault in refused.value.violations} == {"subscription.signature_parameters.encoding"}
    made = await subscribe(signature_scheme="custom", signature_parameters={**PARAMETERS, **KEY})
    spec = SubscriptionSpec(url=made.url, signature_scheme="custom", signature_parameters={"signature_header": "X-Sig"})
    with pytest.raises(InvalidArgument) as refused:
        await client.subscriptions.update(made.id, spec, fields=["signature_parameters"])
    assert {fault.field.rpartition(".")[0] for fault in refused.value.violations} == {"subscription.signature_parameters"}


async def test_a_message_signature_of_ed25519_is_verified_with_the_public_key_alone(
    client: Client, receiver: Receiver, subscribe: Subscribe
) -> None:
    parameters = {"key_id": "k1", "algorithm": "ed25519", "components": "@method @target-uri content-digest"}
    made = await subscribe(signature_scheme="http-message", signature_parameters=parameters)
    (secret,) = await client.subscriptions.get_secret(made.id)
    await client.emit("a", {})
    (received,) = await receiver.wait()
    created = int(received.headers["signature-input"].partition("created=")[2].partition(";")[0])
    scheme("http-message", parameters).verify(signed(received, made.url), [public_key(secret.value)], created)
    rotated = await client.subscriptions.rotate_secret(made.id)
    assert rotated.value.startswith("whsk_")


async def test_an_ed25519_secret_of_the_callers_signs_the_standard_way(
    client: Client, receiver: Receiver, subscribe: Subscribe
) -> None:
    key = generate_key()
    made = await subscribe(secret=key)
    await client.emit("a", {})
    (received,) = await receiver.wait()
    scheme("standard").verify(signed(received, made.url), [public_key(key)], now_of(received, "webhook-timestamp"))


async def test_every_profile_stands_as_it_was_made(client: Client, receiver: Receiver) -> None:
    for name in hookline.PROFILE_NAMES:
        given = {"signature_parameters": KEY} if name == "saber" else {}
        spec = hookline.profile(name).spec(url=receiver.url(), **given)
        made = await client.subscriptions.create(spec)
        for field in ("signature_scheme", "retry", "timeout", "answers", "rate", "disable_after", "retry_headers", "body_template"):
            assert getattr(made, field) == getattr(spec, field)


async def test_a_name_alone_is_no_profile(client: Client, receiver: Receiver) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await client.subscriptions.create(SubscriptionSpec(url=receiver.url(), profile="stripe"))
    assert refused.value.violations[0].field.startswith("subscription.")
    with pytest.raises(InvalidArgument, match="'strype' is no profile"):
        await client.subscriptions.create(SubscriptionSpec(url=receiver.url(), profile="strype"))
