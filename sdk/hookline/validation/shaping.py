"""Whether a subscription's filter, fields and transform can be used."""

from hookline.body.cel import ExpressionError, compile_filter, compile_transform
from hookline.body.fields import LONGEST_PATH, MOST_PATHS, split_path
from hookline.errors import quoted
from hookline.model.subscription import SubscriptionSpec
from hookline.validation.text import text_problem, wrong_type
from hookline.validation.url import Problems


def shaping_problems(spec: SubscriptionSpec) -> Problems:
    """What is wrong with how `spec` shapes what is delivered."""
    for name, source, check in (
        ("filter", spec.filter, compile_filter),
        ("transform", spec.transform, compile_transform),
    ):
        if not isinstance(source, str):
            yield name, wrong_type(name, source, "a CEL expression").description
        elif source:
            try:
                check(source)
            except ExpressionError as error:
                yield name, error.message
    yield from _fields(spec.fields)
    if spec.fields and spec.transform:
        yield "transform", "stands beside fields; right is one of the two: a transform names what it takes"


def _fields(paths: object) -> Problems:
    if isinstance(paths, str) or not isinstance(paths, tuple | list):
        yield "fields", wrong_type("fields", paths, "a tuple of paths").description
        return
    if len(paths) > MOST_PATHS:
        yield "fields", f"has {len(paths)} paths; right are at most {MOST_PATHS}"
    for index, path in enumerate(paths):
        if not isinstance(path, str):
            yield f"fields[{index}]", wrong_type("fields", path, "a path").description
        elif (problem := text_problem(path, LONGEST_PATH)) is not None:
            yield f"fields[{index}]", problem
        else:
            try:
                split_path(path)
            except ValueError as error:
                yield f"fields[{index}]", f"{quoted(path)} is no path: {error}"
