"""The body of Standard Webhooks ("Payload structure"): `{"type", "timestamp", "data"}`.

`data` is the event's JSON, byte for byte; `timestamp` is when the event happened.
"""

import json

from hookline.body.body import Body, BodyError, rfc3339
from hookline.body.json_text import is_json
from hookline.errors import quoted
from hookline.model.event import JSON, Event


def standard(event: Event) -> Body:
    """Raises BodyError if the event's data is not JSON: the format has no place for anything else."""
    if not is_json(event.data_content_type):
        raise BodyError(
            f"the body format 'standard' carries JSON only, and the event's data is {quoted(event.data_content_type)}; "
            "right for it are 'raw', 'cloudevents-structured' and 'cloudevents-binary'"
        )
    opening = f'{{"type":{json.dumps(event.type)},"timestamp":"{rfc3339(event.time)}","data":'
    return Body(content_type=JSON, content=b"".join((opening.encode("ascii"), event.data, b"}")))
