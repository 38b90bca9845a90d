"""How an event becomes the body of a request. The event's data is never parsed to be written anew."""

from collections.abc import Callable, Mapping
from typing import Final

from hookline.body.body import Body, BodyError
from hookline.body.cloudevents import binary, structured
from hookline.body.json_text import check_json, is_json, json_problem
from hookline.body.raw import raw
from hookline.body.standard import standard
from hookline.body.template import Template, template
from hookline.model.event import Event
from hookline.model.subscription import BodyFormat

__all__ = ["Body", "BodyError", "Template", "check_json", "is_json", "json_problem", "render", "renderer", "template"]

_FORMATS: Final[Mapping[BodyFormat, Callable[[Event], Body]]] = {
    BodyFormat.STANDARD: standard,
    BodyFormat.RAW: raw,
    BodyFormat.CLOUDEVENTS_STRUCTURED: structured,
    BodyFormat.CLOUDEVENTS_BINARY: binary,
}


def render(body_format: BodyFormat, event: Event) -> Body:
    """The body of a request for `event`. Raises BodyError if the format cannot carry its data, or needs a template."""
    return renderer(body_format)(event)


def renderer(body_format: BodyFormat) -> Callable[[Event], Body]:
    """What makes a body of an event; bodies after a template are made by the template."""
    return _FORMATS.get(body_format, _without_template)


def _without_template(event: Event) -> Body:
    del event
    raise BodyError("the subscription has the body format 'template' and no body_template; right is to give it one")
