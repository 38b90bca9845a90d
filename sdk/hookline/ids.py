"""Typed ids that sort by time: a prefix that says what it names, and a UUIDv7 in 26 characters.

The form is TypeID's (specification 0.3): `evt_01h455vb4pex5vsknk084sn02q`. The 128 bits are those of
RFC 9562, section 5.7, and are laid out so that making one costs a few table look-ups: the 48 bits of
time fill the first ten characters exactly, a counter of 24 bits that starts at random in every
millisecond keeps the ids of a process in the order in which they were made (RFC 9562, section 6.2,
method 1), and 50 random bits keep processes apart.
"""

import os
import re
import threading
import weakref
from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID

from hookline.clock import Clock, SystemClock, moment
from hookline.errors import InvalidArgument, quoted

EVENT: Final = "evt"
SUBSCRIPTION: Final = "sub"
DELIVERY: Final = "dlv"
ATTEMPT: Final = "att"
REPLAY: Final = "rpl"
MESSAGE: Final = "msg"
"""A webhook id of its own, for a replay that the receiver is to handle again."""

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_PYTHON_DIGITS: Final = str.maketrans(_ALPHABET, "0123456789abcdefghijklmnopqrstuv")
_PAIRS: Final = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_LETTERS: Final = bytes(ord(_ALPHABET[byte & 31]) for byte in range(256))
"""Each of the 32 letters stands for 8 of the 256 byte values, so random bytes make random letters."""

_FORM: Final = re.compile(r"([a-z](?:[a-z_]{0,61}[a-z])?)_([0-7][0-9a-hjkmnp-tv-z]{25})")
_TAIL: Final = 10
"""Random letters at the end of an id: 50 bits."""
_SEED: Final = 3
"""Random bytes that a millisecond's counter starts from."""
_POOL: Final = 4096
_BEFORE_ANY: Final = -(1 << 63)
_LAST_MS: Final = (1 << 48) - 1
_LAST_COUNT: Final = (1 << 24) - 1
_VERSION: Final = 7


class IdSource:
    """Makes ids. Within one source each id is greater than the one before, whatever the clock does.

    Safe to use from several threads and after a fork: a child forgets the random bytes that it has in
    common with its parent.
    """

    def __init__(self, clock: Clock | None = None, random: Callable[[int], bytes] = os.urandom) -> None:
        """Take the time from `clock` and n random bytes from `random(n)` (`random.Random(7).randbytes` in a simulation)."""
        self._clock = clock or SystemClock()
        self._random = random
        self._reset()
        _sources.add(self)

    def _reset(self) -> None:
        """Forget what a parent process may know, its lock (that another thread may have held) included."""
        self._lock = threading.Lock()
        self._ms = _BEFORE_ANY
        self._head = ""
        self._count = 0
        self._bytes = b""
        self._text = ""
        self._used = _POOL

    def new(self, prefix: str, now_ms: int | None = None) -> str:
        """A new id of `prefix`; `now_ms` is in milliseconds since 1970-01-01T00:00Z, the clock's time if None.

        A time before that of the source's last id counts as that of the last id. Raises ValueError if
        the time does not fit into 48 bits (the year 10889).
        """
        ms = int(self._clock.time() * 1000) if now_ms is None else now_ms
        with self._lock:
            used = self._used
            if used > _POOL - _TAIL - _SEED:
                self._refill()
                used = 0
            if ms > self._ms:
                self._begin(ms, used)
                used += _SEED
            elif self._count == _LAST_COUNT:
                self._begin(self._ms + 1, used)
                used += _SEED
            else:
                self._count += 1
            count = self._count
            end = self._used = used + _TAIL
            # In pairs of letters: version and 6 bits of the counter; 6 more, the variant, 2 more; the last 10.
            return (
                f"{prefix}_{self._head}{_PAIRS[0x1C0 | count >> 18]}{_PAIRS[count >> 8 & 0x3F0 | 8 | count >> 10 & 3]}"
                f"{_PAIRS[count & 0x3FF]}{self._text[used:end]}"
            )

    def _begin(self, ms: int, at: int) -> None:
        """Enter millisecond `ms`, its counter in the lower half so that it does not run over at once."""
        if not 0 <= ms <= _LAST_MS:
            raise ValueError(f"{ms} ms since 1970 is no time that an id can carry")
        self._ms = ms
        self._head = "".join(_PAIRS[ms >> shift & 0x3FF] for shift in (40, 30, 20, 10, 0))
        self._count = int.from_bytes(self._bytes[at : at + _SEED], "big") >> 1

    def _refill(self) -> None:
        self._bytes = self._random(_POOL)
        self._text = self._bytes.translate(_LETTERS).decode("ascii")


_sources: Final[weakref.WeakSet[IdSource]] = weakref.WeakSet()


def _after_fork() -> None:
    for source in _sources:
        source._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

_default: Final = IdSource()


def new_id(prefix: str, now_ms: int | None = None) -> str:
    """A new id of `prefix` from the process's own source; see `IdSource.new`."""
    return _default.new(prefix, now_ms)


def parse_id(text: str) -> tuple[str, UUID]:
    """The prefix and the 128 bits of an id. Raises InvalidArgument if it is not in the form of one."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise InvalidArgument.of("id", f"{quoted(text)} is no typed id; one looks like 'evt_01h455vb4pex5vsknk084sn02q'")
    return match[1], UUID(int=int(match[2].translate(_PYTHON_DIGITS), 32))


def time_of(text: str) -> datetime:
    """When an id was made, to the millisecond (UTC). Raises InvalidArgument if it carries no time."""
    _, uuid = parse_id(text)
    milliseconds = uuid.int >> 80
    if uuid.version != _VERSION:
        raise InvalidArgument.of("id", f"{quoted(text)} carries no time: it is not made from a UUIDv7")
    try:
        return moment(milliseconds * 1000)
    except OverflowError as error:
        raise InvalidArgument.of("id", f"{quoted(text)} carries a time after the year 9999") from error
