"""The event's bytes and their media type, nothing else."""

from hookline.body.body import Body
from hookline.model.event import JSON, Event


def raw(event: Event) -> Body:
    """The data as it was emitted."""
    return Body(content_type=event.data_content_type or JSON, content=event.data)
