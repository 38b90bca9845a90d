"""What would have to change for hookline to stand as a file declares."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from enum import StrEnum

from hookline.client import Client
from hookline.errors import InvalidArgument
from hookline.model import EventType, EventTypeSpec, Subscription, SubscriptionSpec
from hookline.model.authentication import without_secret
from hookline.signing import SECRET_PARAMETERS
from hookline.validation import check_event_type, check_made_from_profile, check_subscription
from hookline_server.cli.declared import NAME, Declared
from hookline_server.cli.exits import CommandError, ExitCode, UsageError
from hookline_server.cli.paging import collect
from hookline_server.cli.plain import plain
from hookline_server.cli.subscription_options import spec_of

EVERYTHING = 1 << 31
SHOWN_SECRET = "***"
_MADE_WITH = ("ordering", "profile")
"""What is said of a subscription when it is created, and not afterwards."""


class Action(StrEnum):
    """What is done to a thing."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """A field before and after, as JSON has it; `before` is None for a new thing."""

    field: str
    before: object
    after: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to create, update or delete. `spec` is None for a delete; `found` is what stands."""

    action: Action
    kind: str
    name: str
    changes: tuple[FieldChange, ...]
    spec: SubscriptionSpec | EventTypeSpec | None
    found: Subscription | EventType | None


async def plan(client: Client, declared: Declared, *, prune: bool) -> list[Step]:
    """The steps, event types first. With `prune`, what is not declared is deleted: event types, and subscriptions with a name.

    What a step would be refused for is found here, before the first one is made, but for what hangs on the server's settings.

    Raises UsageError that names the place in the file, CommandError (two subscriptions have the same name).
    """
    steps: list[Step] = []
    if declared.event_types is not None:
        for index, (name, event_type) in enumerate(declared.event_types.items()):
            with _at(f"{declared.path}: event_types[{index}]", "event_type"):
                check_event_type(name, event_type)
        page = await collect(lambda size, token: client.event_types.list(page_size=size, page_token=token), EVERYTHING)
        steps += _event_type_steps({item.name: item for item in page.items}, declared.event_types, prune=prune)
    if declared.subscriptions is not None:
        stands = await _named(client)
        for index, (name, spec) in enumerate(declared.subscriptions.items()):
            with _at(f"{declared.path}: subscriptions[{index}]", "subscription"):
                _check(spec, stands.get(name))
            steps += await _subscription_steps(client, name, spec, stands.get(name))
        if prune:
            steps += [
                _deletion("subscription", name, found) for name, found in stands.items() if name not in declared.subscriptions
            ]
    return steps


async def carry_out(client: Client, step: Step) -> None:
    """Do one step, unless somebody has changed the thing since. Raises Conflict, NotFound, InvalidArgument."""
    match step.spec, step.found:
        case SubscriptionSpec() as spec, None:
            await client.subscriptions.create(spec)
        case SubscriptionSpec() as spec, Subscription() as found:
            changed = {change.field for change in step.changes}
            if "secret" in changed:
                await client.subscriptions.rotate_secret(found.id, secret=spec.secret)
            named = sorted(changed - {"secret"})
            if named:
                etag = "" if "secret" in changed else found.etag
                await client.subscriptions.update(found.id, spec, fields=named, etag=etag)
        case EventTypeSpec() as spec, EventType() as found:
            await client.event_types.put(step.name, spec, etag=found.etag)
        case EventTypeSpec() as spec, _:
            await client.event_types.put(step.name, spec)
        case None, Subscription() as found:
            await client.subscriptions.delete(found.id, etag=found.etag)
        case None, EventType() as found:
            await client.event_types.delete(found.name, etag=found.etag)


@contextmanager
def _at(place: str, root: str) -> Iterator[None]:
    """Say where in the file a refusal is from: `root` is what its fields' paths begin with."""
    try:
        yield
    except InvalidArgument as refusal:
        lines = (f"{place}{violation.field.removeprefix(root)}: {violation.description}" for violation in refusal.violations)
        raise UsageError("\n".join(line.replace(".retry.steps.delays[", ".retry.steps[") for line in lines)) from refusal


def _check(spec: SubscriptionSpec, found: Subscription | None) -> None:
    """Raise InvalidArgument unless the server would take `spec`. Whether http to loopback will do is for the server to say.

    What is secret is not asked for again where it stands already.
    """
    check_made_from_profile(spec)
    parameters = dict(spec.signature_parameters)
    if found is not None:
        for field in _MADE_WITH:
            if getattr(spec, field) != getattr(found, field):
                raise InvalidArgument.of(
                    f"subscription.{field}",
                    f"is {str(getattr(found, field))!r} since the subscription was created; right is that, or another name",
                )
        parameters |= {name: "…" for name in SECRET_PARAMETERS if name not in parameters and f"{name}_header" in parameters}
        if spec.authentication == found.authentication:
            spec = replace(spec, authentication=None)
        if spec.client_certificate == found.client_certificate:
            spec = replace(spec, client_certificate=None)
    check_subscription(replace(spec, signature_parameters=parameters), allow_http_loopback=True)


async def _named(client: Client) -> dict[str, Subscription]:
    """The subscriptions that have a name."""
    page = await collect(lambda size, token: client.subscriptions.list(page_size=size, page_token=token), EVERYTHING)
    found: dict[str, Subscription] = {}
    for item in page.items:
        name = item.labels.get(NAME, "")
        if name in found:
            raise CommandError(
                f"{found[name].id} and {item.id} both have the label name={name}; "
                "`hookline subscriptions update --name` gives one of them another",
                ExitCode.CONFLICT,
            )
        if name:
            found[name] = item
    return found


async def _subscription_steps(client: Client, name: str, spec: SubscriptionSpec, found: Subscription | None) -> Sequence[Step]:
    if found is None:
        # Without what is as it always is, the URL shows better.
        usual, known = SubscriptionSpec(url=""), _without_secrets(spec)
        changes = [change for change in _differences(None, known) if getattr(spec, change.field) != getattr(usual, change.field)]
        return [Step(action=Action.CREATE, kind="subscription", name=name, changes=tuple(changes), spec=spec, found=None)]
    # What is secret in some fields is never answered, so that it can be no difference; it goes along with others.
    known = _without_secrets(spec)
    changes = [change for change in _differences(spec_of(found), known) if change.field != "secret"]
    if spec.secret and (await client.subscriptions.get_secret(found.id))[0].value != spec.secret:
        changes.append(
            FieldChange(field="secret", before=SHOWN_SECRET, after="another one: rotated, the old one signs too for a day")
        )
    if not changes:
        return []
    return [Step(action=Action.UPDATE, kind="subscription", name=name, changes=tuple(changes), spec=spec, found=found)]


def _event_type_steps(stands: Mapping[str, EventType], wanted: Mapping[str, EventTypeSpec], *, prune: bool) -> list[Step]:
    steps = []
    for name, spec in wanted.items():
        found = stands.get(name)
        before = (
            None if found is None else EventTypeSpec(**{field.name: getattr(found, field.name) for field in fields(EventTypeSpec)})
        )
        changes = tuple(change for change in _differences(before, spec) if before is not None or change.after)
        if changes or found is None:
            action = Action.CREATE if found is None else Action.UPDATE
            steps.append(Step(action=action, kind="event type", name=name, changes=changes, spec=spec, found=found))
    if prune:
        steps += [_deletion("event type", name, found) for name, found in stands.items() if name not in wanted]
    return steps


def _without_secrets(spec: SubscriptionSpec) -> SubscriptionSpec:
    """As it would be answered, but for the signing secret."""
    authentication, certificate = spec.authentication, spec.client_certificate
    return replace(
        spec,
        signature_parameters=_shown(spec.signature_parameters),
        authentication=None if authentication is None else without_secret(authentication),
        client_certificate=None if certificate is None else replace(certificate, private_key=""),
    )


def _shown(parameters: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in parameters.items() if name not in SECRET_PARAMETERS}


def _deletion(kind: str, name: str, found: Subscription | EventType) -> Step:
    return Step(action=Action.DELETE, kind=kind, name=name, changes=(), spec=None, found=found)


def _differences(before: SubscriptionSpec | EventTypeSpec | None, after: SubscriptionSpec | EventTypeSpec) -> list[FieldChange]:
    changes = []
    for field in fields(after):
        old, new = None if before is None else plain(getattr(before, field.name)), plain(getattr(after, field.name))
        if old != new:
            hidden = field.name == "secret"
            changes.append(FieldChange(field=field.name, before=old, after=SHOWN_SECRET if hidden and new else new))
    return changes
