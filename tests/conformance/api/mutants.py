"""Broken servers of hookline.v1: each does one thing otherwise, which breaks one requirement."""

import json
from typing import Any

from conformance.api.proxy import Mutant
from google.protobuf.unknown_fields import UnknownFieldSet
from google.rpc import error_details_pb2, status_pb2

from hookline_proto.v1 import event_service_pb2 as evts
from hookline_proto.v1 import subscription_pb2 as sub

NOT_FOUND = 5
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


MUTANTS = (
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
    Mutant(name="refuses unknown fields", breaks="EMI-220", method="EmitEvent", asks=refuses_unknown_fields),
    Mutant(name="tells of no attempts", breaks="EMI-224", method="WatchDeliveries", answers=drops_attempts),
    Mutant(name="watches from now", breaks="EMI-225", method="WatchDeliveries", asks=clearing("cursor")),
    Mutant(name="takes any cursor", breaks="EMI-226", method="WatchDeliveries", asks=clearing("cursor")),
    Mutant(name="takes any method", breaks="EMI-227", takes_any_method=True),
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
