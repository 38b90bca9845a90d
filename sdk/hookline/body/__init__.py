"""How an event becomes the body of a request. The event's data is never parsed to be written anew."""

from collections.abc import Callable, Mapping
from typing import Final

from hookline.body.body import Body, BodyError
from hookline.body.cloudevents import binary, structured
from hookline.body.json_text import check_json, is_json, json_problem
from hookline.body.raw import raw
from hookline.body.standard import standard
from hookline.model.event import Event
from hookline.model.subscription import BodyFormat

__all__ = ["Body", "BodyError", "check_json", "is_json", "json_problem", "render"]

_FORMATS: Final[Mapping[BodyFormat, Callable[[Event], Body]]] = {
    BodyFormat.STANDARD: standard,
    BodyFormat.RAW: raw,
    BodyFormat.CLOUDEVENTS_STRUCTURED: structured,
    BodyFormat.CLOUDEVENTS_BINARY: binary,
}


def render(body_format: BodyFormat, event: Event) -> Body:
    """The body of a request for `event`. Raises BodyError if the format cannot carry its data."""
    return _FORMATS[body_format](event)
