"""Log lines: JSON with the ids that were given, whoever logs, and never a local variable."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from hookline_server.logging import configure


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_ids_are_fields_whoever_logs() -> None:
    stream = io.StringIO()
    configure("info", "json", stream)
    logging.getLogger("hookline.engine").warning("slow", extra={"delivery_id": "dlv_1", "attempt_id": "att_1"})
    structlog.stdlib.get_logger("hookline.server").info("started", port=1)
    logging.getLogger("hookline").debug("not shown")
    first, second = lines(stream)
    assert (first["event"], first["delivery_id"], first["attempt_id"], first["level"]) == ("slow", "dlv_1", "att_1", "warning")
    assert (second["event"], second["port"], second["logger"]) == ("started", 1, "hookline.server")


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_traceback_shows_no_local_variables(log_format: str) -> None:
    stream = io.StringIO()
    configure("info", log_format, stream)
    hidden = "whsec_" + "x" * 8
    try:
        raise ZeroDivisionError(len(hidden))
    except ZeroDivisionError as error:
        structlog.stdlib.get_logger("hookline.server").error("failed", exc_info=error)
    assert "ZeroDivisionError" in stream.getvalue()
    assert hidden not in stream.getvalue()
