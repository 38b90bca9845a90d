"""Logs as structured lines: JSON for machines, aligned and coloured on a terminal.

The SDK logs with the standard library and gives ids as `extra` (`delivery_id`, `attempt_id`, …); they
become fields of the line beside those that the server binds itself.
"""

import logging
import sys
from typing import Final, TextIO

import structlog

LEVELS: Final = ("debug", "info", "warning", "error")
FORMATS: Final = ("auto", "json", "text")


def configure(level: str = "info", log_format: str = "auto", stream: TextIO | None = None) -> None:
    """Send every log record of the process to `stream` (standard error if None).

    `level` is one of `LEVELS`, `log_format` one of `FORMATS`; `auto` is text on a terminal and JSON
    elsewhere. Tracebacks show no local variables, for those may be secrets. A second call replaces the
    first.
    """
    target = sys.stderr if stream is None else stream
    terminal = target.isatty()
    text = log_format == "text" or (log_format == "auto" and terminal)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    last: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=terminal, exception_formatter=structlog.dev.plain_traceback)]
        if text
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for former in list(root.handlers):
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(level.upper())
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
