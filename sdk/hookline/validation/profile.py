"""The profile that a subscription names, and the template of its bodies."""

from hookline.body import template
from hookline.errors import InvalidArgument
from hookline.model.subscription import BodyFormat, SubscriptionSpec
from hookline.profiles import profile
from hookline.validation.text import wrong_type
from hookline.validation.url import Problems

_TELLING = ("signature_scheme", "body_format", "retry", "timeout")
"""What no two profiles have alike."""


def profile_problems(spec: SubscriptionSpec) -> Problems:
    """What is wrong with the profile's name, or with values that are none of that profile."""
    if not isinstance(spec.profile, str):
        yield "profile", wrong_type("profile", spec.profile, "a string").description
        return
    if not spec.profile:
        return
    try:
        profile(spec.profile)
    except InvalidArgument as refusal:
        yield "profile", refusal.violations[0].description


def check_made_from_profile(spec: SubscriptionSpec) -> None:
    """Raise InvalidArgument if `spec` names a profile and has none of its values: a name alone gives none."""
    if not spec.profile:
        return
    usual, nothing = profile(spec.profile, field="subscription.profile").usual, SubscriptionSpec(url="")
    if _alike(usual, nothing) or not _alike(spec, nothing):
        return
    raise InvalidArgument.of(
        "subscription.profile",
        f"is {spec.profile!r}, and the values are those without a profile; "
        f"right is hookline.profile({spec.profile!r}).spec(url=…), which has the profile's",
    )


def _alike(one: SubscriptionSpec, other: SubscriptionSpec) -> bool:
    """Whether they are alike in what no two profiles have alike."""
    return all(getattr(one, name) == getattr(other, name) for name in _TELLING)


def template_problems(spec: SubscriptionSpec) -> Problems:
    """What is wrong with the template of the bodies."""
    if not isinstance(spec.body_template, str):
        yield "body_template", wrong_type("body_template", spec.body_template, "a string").description
    elif spec.body_format is BodyFormat.TEMPLATE:
        try:
            template(spec.body_template)
        except InvalidArgument as refusal:
            yield "body_template", refusal.violations[0].description
    elif spec.body_template and isinstance(spec.body_format, BodyFormat):
        yield "body_template", "is there, and the body format is another one; right is none, or the body format 'template'"
