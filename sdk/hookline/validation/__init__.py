"""Whether what a caller asks for can be done: pure checks that raise InvalidArgument and name every field."""

from hookline.validation.event import LONGEST_DATA, check_event
from hookline.validation.event_type import check_event_type
from hookline.validation.profile import check_made_from_profile
from hookline.validation.schema import SchemaError, SchemaValidator, check_against_schema, compile_schema
from hookline.validation.subscription import check_subscription
from hookline.validation.text import check_id, check_page_size, check_request_id, check_string, check_tenant, check_type

__all__ = [
    "LONGEST_DATA",
    "SchemaError",
    "SchemaValidator",
    "check_against_schema",
    "check_event",
    "check_event_type",
    "check_id",
    "check_made_from_profile",
    "check_page_size",
    "check_request_id",
    "check_string",
    "check_subscription",
    "check_tenant",
    "check_type",
    "compile_schema",
]
