"""A subscription's filter, and its fields or transform, ready for use."""

from dataclasses import dataclass, replace
from functools import lru_cache

from hookline.body.cel import SPAN_ON_THE_SPOT, Expression, compile_filter, compile_transform
from hookline.body.cel_values import ShapingError
from hookline.body.fields import Fields, allow
from hookline.errors import HooklineError
from hookline.model.event import JSON, Event
from hookline.model.subscription import Subscription


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What is done with an event for one subscription; what is None is not done."""

    filter: Expression | None = None
    fields: Fields | None = None
    transform: Expression | None = None
    fault: str = ""
    """Why nothing can be done: a newer version wrote it. Every attempt says so, and nothing is delivered unshaped."""

    def refuses(self, event: Event, left: float) -> tuple[bool, float]:
        """Whether the filter is cheap to decide, takes at most `left` nanoseconds, and says no; what is left of them then.

        What cannot be decided here goes on to its attempt.
        """
        cost = 0.0 if self.filter is None else self.filter.cost(event)
        if self.filter is None or cost > min(left, SPAN_ON_THE_SPOT):
            return False, left
        return _says_no(self.filter, event), left - cost


def _says_no(expression: Expression, event: Event) -> bool:
    try:
        return not expression.admits(event)
    except ShapingError:
        return False


def shape(subscription: Subscription) -> Shape | None:
    """The shape of a subscription; None if it takes every event as it is."""
    if not (subscription.filter or subscription.fields or subscription.transform):
        return None
    return _shape(subscription.filter, tuple(subscription.fields), subscription.transform)


@lru_cache(maxsize=1024)
def _shape(filter_source: str, fields: tuple[str, ...], transform_source: str) -> Shape:
    try:
        return Shape(
            filter=compile_filter(filter_source) if filter_source else None,
            fields=allow(fields) if fields else None,
            transform=compile_transform(transform_source) if transform_source else None,
        )
    except HooklineError as error:
        return Shape(fault=f"the subscription cannot be shaped: {error}")


def reshaped(event: Event, data: bytes) -> Event:
    """The event with other data, which is JSON."""
    return replace(event, data=data, data_content_type=JSON)
