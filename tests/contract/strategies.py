"""Arbitrary messages of the contract, made from their descriptors.

Half of the values are arbitrary, the other half are ones that get further: known ids, well-formed
names, times of today.
"""

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

PLAUSIBLE = {
    "url": ("https://example.com/hook", "http://127.0.0.1:9/", "https://user@example.com", "https://[::1]/", "ftp://a"),
    "type": ("invoice.paid", "a", "a..b", "hookline.test"),
    "event_type": ("invoice.paid", "a"),
    "name": ("invoice.paid", "a", "*"),
    "event_types": ("*", "invoice.*", "invoice.paid", "**"),
    "tenant": ("", "default", "other", "No"),
    "data_content_type": ("", "application/json", "text/plain", "application/vnd.a+json", "a"),
    "signature_scheme": ("", "standard", "none"),
    "preset": ("standard", "exponential", "none", "all"),
    "secret": ("", "whsec_" + "A" * 44, "whsec_"),
    "paths": ("url", "description", "secret", "retry", "*", "labels.a"),
    "cursor": ("", "c1-0", "c1-9999999999999999999", "c1-18446744073709551616"),
    "page_token": ("", "AAAA", "e30", "bnVsbA", "WzFd"),
    "etag": ("", "1", "999999999999999999999"),
    "schema": ("", "{}", '{"type": "object"}', '{"$ref": "#"}', "[]"),
    "traceparent": ("", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    "source": ("", "https://example.com/a", "urn:a"),
}
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=60) | st.sampled_from(
    ("", "\0", "a\0b", "\ufffe", "é" * 200, "x" * 3_000)
)
BYTES = st.sampled_from((b"", b"{}", b"[1e400]", b'{"a": 1}', b"\xff", b"[" * 2_000, b'"' + b"x" * 300_000 + b'"')) | st.binary(
    max_size=60
)
DOUBLES = st.floats() | st.sampled_from((0.0, 0.1, 1.0, 2.0))
INT32 = st.integers(-(2**31), 2**31 - 1) | st.sampled_from((0, 1, 100, 1_000, 1_001))
INT64 = st.integers(-(2**63), 2**63 - 1) | st.sampled_from((0, 1, 60, 1_790_000_000, 253_402_300_799, 253_402_300_800))
UINT64 = st.integers(0, 2**64 - 1)
SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_DOUBLE: DOUBLES,
    FieldDescriptor.CPPTYPE_INT32: INT32,
    FieldDescriptor.CPPTYPE_INT64: INT64,
    FieldDescriptor.CPPTYPE_UINT64: UINT64,
    FieldDescriptor.CPPTYPE_ENUM: st.integers(0, 5) | INT32,
}
MOST = 4


def messages(descriptor: Descriptor, ids: dict[str, str]) -> st.SearchStrategy[Message]:
    """Messages of one kind; `ids` has the id of something that exists for each field that names one."""
    kind = GetMessageClass(descriptor)
    values = {field.name: _values(field, ids) for field in descriptor.fields}
    ones = {oneof.name: [field.name for field in oneof.fields] for oneof in descriptor.oneofs}
    chosen = {name for names in ones.values() for name in names}

    @st.composite
    def message(draw: st.DrawFn) -> Message:
        names = [name for name in values if name not in chosen and draw(st.integers(0, 3))]
        names += [draw(st.sampled_from(options)) for options in ones.values() if draw(st.integers(0, 3))]
        return kind(**{name: draw(values[name]) for name in names})

    return message()


def _values(field: FieldDescriptor, ids: dict[str, str]) -> st.SearchStrategy[Any]:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        keys, each = (_one(entry.fields_by_name[name], ids) for name in ("key", "value"))
        return st.dictionaries(keys, each, max_size=MOST)
    one = _one(field, ids)
    return st.lists(one, max_size=MOST) if field.is_repeated else one


def _one(field: FieldDescriptor, ids: dict[str, str]) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        return messages(field.message_type, ids)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return BYTES
    if field.cpp_type != FieldDescriptor.CPPTYPE_STRING:
        return SCALARS[field.cpp_type]
    name = field.name.removesuffix("s") if field.name.endswith("_ids") else field.name
    known = PLAUSIBLE.get(name, ()) + ((ids[name],) if name in ids else ())
    return st.sampled_from(known) | TEXT if known else TEXT
