"""Broken servers of hookline.v1: each does one thing otherwise, which breaks one requirement."""

import json
from typing import Any

from conformance.api.proxy import Mutant
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet
from google.rpc import error_details_pb2, status_pb2

from hookline_proto.v1 import delivery_service_pb2 as dlvs
from hookline_proto.v1 import event_service_pb2 as evts
from hookline_proto.v1 import replay_pb2 as rpl
from hookline_proto.v1 import subscription_pb2 as sub
from hookline_proto.v1 import subscription_service_pb2 as subs

NOT_FOUND = 5
FAILED_PRECONDITION = 9
TEXTS = ("id", "type", "source", "subject", "idempotency_key", "ordering_key", "data_content_type")


def clearing(*path: str) -> Any:
    """What clears a field of a request or an answer, by its path."""

    def clear(message: Any) -> None:
        for name in path[:-1]:
            message = getattr(message, name)
        message.ClearField(path[-1])

    return clear


def setting(name: str, value: Any) -> Any:
    """What sets a field of a request or an answer."""
    return lambda message: setattr(message, name, value)


def cuts_the_subject(request: Any) -> None:
    request.event.subject = request.event.subject[:1_024]


def drops_nul(request: Any) -> None:
    for name in TEXTS:
        setattr(request.event, name, getattr(request.event, name).replace("\x00", ""))


def takes_any_data(request: Any) -> None:
    try:
        json.loads(request.event.data)
    except ValueError:
        request.event.data = b"{}"


def cuts_the_batch(request: Any) -> None:
    del request.events[1_000:]


def reversing(name: str) -> Any:
    """What turns a list of an answer round."""

    def reverse(answer: Any) -> None:
        items = list(getattr(answer, name))[::-1]
        answer.ClearField(name)
        getattr(answer, name).extend(items)

    return reverse


def bounds_the_page(request: Any) -> None:
    request.page_size = min(max(request.page_size, 0), 1_000)


def refuses_unknown_fields(request: Any) -> None:
    if len(UnknownFieldSet(request)) or len(UnknownFieldSet(request.event)):
        request.event.type = ""


def forgets_details(status: status_pb2.Status) -> None:
    del status.details[:]


def names_fields_without_their_message(status: status_pb2.Status) -> None:
    for packed in status.details:
        found = error_details_pb2.BadRequest()
        if packed.Unpack(found):
            for violation in found.field_violations:
                violation.field = violation.field.removeprefix("event.")
            packed.Pack(found)


def finds_nothing_empty(status: status_pb2.Status) -> Any:
    return evts.GetEventResponse() if status.code == NOT_FOUND else None


def drops_refusals(answer: Any) -> bool:
    return not answer.outcome.HasField("error")


def drops_attempts(answer: Any) -> None:
    if answer.HasField("change"):
        answer.change.ClearField("attempt")


def updates_the_url_too(request: Any) -> None:
    request.update_mask.paths.append("url")


def passes_over_strange_masks(request: Any) -> None:
    known = sub.SubscriptionSpec.DESCRIPTOR.fields_by_name.keys() - {"secret"}
    paths = [path for path in request.update_mask.paths if path in known] or ["description"]
    request.update_mask.ClearField("paths")
    request.update_mask.paths.extend(paths)


def changing(name: str, value: Any, *items: str) -> Any:
    """What sets a field of a message within an answer, or of each of a list within it."""

    def change(answer: Any) -> None:
        for item in items:
            found = getattr(answer, item)
            for one in [found] if isinstance(found, Message) else found:
                setattr(one, name, value)

    return change


def counts_exhaustion_as_delivery(answer: Any) -> None:
    answer.stats.total.delivered += answer.stats.total.exhausted


def cancels_what_was_delivered(status: status_pb2.Status) -> Any:
    return dlvs.CancelDeliveryResponse() if status.code == FAILED_PRECONDITION else None


def finds_no_secrets(status: status_pb2.Status) -> Any:
    return subs.GetSubscriptionSecretResponse() if status.code == NOT_FOUND else None


def passes_over_what_is_empty(request: Any) -> None:
    given = {field.name for field, _ in request.subscription.ListFields()}
    paths = [path for path in request.update_mask.paths if path in given] or ["labels"]
    request.update_mask.ClearField("paths")
    request.update_mask.paths.extend(paths)


def forgets_ends(answer: Any) -> None:
    for secret in answer.secrets:
        secret.ClearField("expire_time")


def cuts_the_description(request: Any) -> None:
    request.subscription.description = request.subscription.description[:1_024]


SHOWN = "CreateSubscription GetSubscription UpdateSubscription PauseSubscription ResumeSubscription"

MUTANTS = (
    Mutant(name="forgets the subject", breaks="EMI-201", method="GetEvent", answers=clearing("event", "subject")),
    Mutant(name="forgets ids", breaks="EMI-202", method="EmitEvent", asks=clearing("event", "id")),
    Mutant(name="knows no id with other content", breaks="EMI-203", method="EmitEvent", asks=clearing("event", "id")),
    Mutant(name="forgets keys", breaks="EMI-204", method="EmitEvent", asks=clearing("event", "idempotency_key")),
    Mutant(name="knows no key with other content", breaks="EMI-205", method="EmitEvent", asks=clearing("event", "idempotency_key")),
    Mutant(name="has keys for all tenants", breaks="EMI-206", method="EmitEvent", asks=setting("tenant", "all")),
    Mutant(
        name="forgets keys of what comes at once", breaks="EMI-207", method="EmitEvent", asks=clearing("event", "idempotency_key")
    ),
    Mutant(name="errs without details", breaks="EMI-208", method="EmitEvent GetEvent", errs=forgets_details),
    Mutant(name="names half of a path", breaks="EMI-209", method="EmitEvent", errs=names_fields_without_their_message),
    Mutant(name="cuts what is too long", breaks="EMI-210", method="EmitEvent", asks=cuts_the_subject),
    Mutant(name="drops NUL", breaks="EMI-211", method="EmitEvent", asks=drops_nul),
    Mutant(name="takes what is no JSON", breaks="EMI-212", method="EmitEvent", asks=takes_any_data),
    Mutant(name="mixes the outcomes up", breaks="EMI-213", method="BatchEmitEvents", answers=reversing("outcomes")),
    Mutant(name="cuts a long batch", breaks="EMI-214", method="BatchEmitEvents", asks=cuts_the_batch),
    Mutant(name="streams no refusals", breaks="EMI-215", method="StreamEmitEvents", answers=drops_refusals),
    Mutant(name="finds an empty event", breaks="EMI-216", method="GetEvent", errs=finds_nothing_empty),
    Mutant(name="lists the oldest first", breaks="EMI-217", method="ListEvents", answers=reversing("events")),
    Mutant(name="mends the page's size", breaks="EMI-218", method="ListEvents", asks=bounds_the_page),
    Mutant(name="lists every type", breaks="EMI-219", method="ListEvents", asks=clearing("event_type")),
    Mutant(name="refuses unknown fields", breaks="EMI-220", method="EmitEvent", asks=refuses_unknown_fields),
    Mutant(name="ends a watch by itself", breaks="EMI-221", method="WatchDeliveries", ends_streams=True),
    Mutant(name="tires of cancelled calls", breaks="EMI-222", method="WatchDeliveries EmitEvent", tires=True),
    Mutant(
        name="has one list for all tenants", breaks="EMI-223", method="EmitEvent ListEvents GetEvent", asks=setting("tenant", "all")
    ),
    Mutant(name="tells of no attempts", breaks="EMI-224", method="WatchDeliveries", answers=drops_attempts),
    Mutant(name="watches from now", breaks="EMI-225", method="WatchDeliveries", asks=clearing("cursor")),
    Mutant(name="takes any cursor", breaks="EMI-226", method="WatchDeliveries", asks=clearing("cursor")),
    Mutant(name="counts no attempts", breaks="EMI-228", method="GetDelivery", answers=clearing("delivery", "attempts")),
    Mutant(name="cancels what was delivered", breaks="EMI-229", method="CancelDelivery", errs=cancels_what_was_delivered),
    Mutant(name="knows one run", breaks="EMI-230", method="ListDeliveries", answers=changing("run", 1, "deliveries")),
    Mutant(name="counts failures as successes", breaks="EMI-231", method="GetDeliveryStats", answers=counts_exhaustion_as_delivery),
    Mutant(name="replays under the old ids alone", breaks="EMI-232", method="ReplayEvents", asks=clearing("new_webhook_ids")),
    Mutant(name="mixes the retries up", breaks="EMI-233", method="BatchRetryDeliveries", answers=reversing("outcomes")),
    Mutant(
        name="says that a replay is cancelled",
        breaks="EMI-234",
        method="CancelReplay",
        instead="GetReplay",
        answers=changing("state", rpl.REPLAY_STATE_CANCELLED, "replay"),
    ),
    Mutant(name="takes any method", breaks="EMI-227", takes_any_method=True),
    Mutant(name="forgets the timeout", breaks="SUB-201", method="GetSubscription", answers=clearing("subscription", "timeout")),
    Mutant(
        name="shows a secret",
        breaks="SUB-202",
        method="GetSubscription",
        answers=changing("description", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "subscription"),
    ),
    Mutant(name="knows no request with other content", breaks="SUB-204", method="CreateSubscription", asks=clearing("request_id")),
    Mutant(name="leaves what is empty", breaks="SUB-207", method="UpdateSubscription", asks=passes_over_what_is_empty),
    Mutant(name="has one etag", breaks="SUB-209", method=SHOWN, answers=changing("etag", "one", "subscription")),
    Mutant(name="finds the secrets of the deleted", breaks="SUB-211", method="GetSubscriptionSecret", errs=finds_no_secrets),
    Mutant(name="shows no end of a secret", breaks="SUB-213", method="GetSubscriptionSecret", answers=forgets_ends),
    Mutant(name="never sends a test", breaks="SUB-216", method="TestSubscription", asks=setting("dry_run", True)),
    Mutant(name="cuts a description", breaks="SUB-217", method="CreateSubscription", asks=cuts_the_description),
    Mutant(
        name="has one tenant",
        breaks="SUB-218",
        method="CreateSubscription GetSubscription GetSubscriptionSecret ListSubscriptions",
        asks=setting("tenant", "all"),
    ),
    Mutant(name="pauses what was to be deleted", breaks="SUB-221", method="DeleteSubscription", instead="PauseSubscription"),
    Mutant(name="creates twice", breaks="SUB-203", method="CreateSubscription", asks=clearing("request_id")),
    Mutant(name="updates more than the mask says", breaks="SUB-205", method="UpdateSubscription", asks=updates_the_url_too),
    Mutant(name="passes over strange masks", breaks="SUB-206", method="UpdateSubscription", asks=passes_over_strange_masks),
    Mutant(name="takes any etag", breaks="SUB-208", method="UpdateSubscription", asks=clearing("etag")),
    Mutant(
        name="lists the newest subscription first", breaks="SUB-210", method="ListSubscriptions", answers=reversing("subscriptions")
    ),
    Mutant(
        name="pauses without a reason",
        breaks="SUB-212",
        method="PauseSubscription",
        answers=clearing("subscription", "state_reason"),
    ),
    Mutant(name="rotates twice", breaks="SUB-214", method="RotateSubscriptionSecret", asks=clearing("request_id")),
    Mutant(name="sends a dry run", breaks="SUB-215", method="TestSubscription", asks=clearing("dry_run")),
    Mutant(name="puts whatever the etag", breaks="SUB-219", method="PutEventType", asks=clearing("etag")),
    Mutant(name="holds no schema", breaks="SUB-220", method="PutEventType", asks=clearing("event_type", "enforce")),
)
