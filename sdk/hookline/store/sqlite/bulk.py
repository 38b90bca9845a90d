"""Many rows in one statement.

Each step of a statement gives up the interpreter's lock and takes it again; beside a busy event loop
that costs more than the row itself. So the hot statements carry as many rows as they can at a time.
"""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Final, TypeVar

CHUNKS: Final = (128, 32, 8, 2, 1)
"""Rows a statement; few sizes, so that the connection's cache of statements holds them all."""
_ROW: Final = re.compile(r"VALUES (\([?, ]+\))")
_SET: Final = re.compile(r"IN \((\?)\)")
T = TypeVar("T")


def bulk(cursor: sqlite3.Cursor, sql: str, rows: Sequence[tuple[Any, ...]]) -> int:
    """Run `sql`, whose one `VALUES (?, …)` stands for any number of rows; how many rows were changed."""
    changed = 0
    for chunk in _chunks(rows):
        changed += cursor.execute(_repeated(sql, _ROW, len(chunk)), list(chain.from_iterable(chunk))).rowcount
    return changed


def bulk_of(cursor: sqlite3.Cursor, sql: str, whose: int, numbers: Sequence[int]) -> int:
    """Run `sql`, whose first parameter is `whose` and whose `IN (?)` stands for any number of values; rows changed."""
    changed = 0
    for chunk in _chunks(numbers):
        changed += cursor.execute(_repeated(sql, _SET, len(chunk)), [whose, *chunk]).rowcount
    return changed


def _chunks(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    start = 0
    for size in CHUNKS:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size


@lru_cache(maxsize=256)
def _repeated(sql: str, form: re.Pattern[str], times: int) -> str:
    found = form.search(sql)
    if found is None:
        raise ValueError(f"nothing to repeat in {sql!r}")
    return sql[: found.start(1)] + ", ".join([found[1]] * times) + sql[found.end(1) :]
