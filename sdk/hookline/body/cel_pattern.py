r"""What it costs at most to match a pattern, told from the pattern alone.

Patterns are those of Rust's regex crate: no look-around, no back-references. Its usual speed says little:
a pattern may be made so that the automaton for it never fits into memory, and then every state is looked at
for every byte. That is what is counted here. `\w`, `\d`, `\p{…}`, flags and anything beyond ASCII in a class
stand for large tables of Unicode, `{n}` for n copies: of these nothing is told.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

LONGEST: Final = 200
"""Characters."""
COMPILE: Final = 50_000.0
"""Nanoseconds to compile a pattern: it is compiled each time."""
COMPILE_STATE: Final = 10_000.0
"""Nanoseconds for each of its states."""
STEP: Final = 35.0
"""Nanoseconds for one state and one byte."""
SEARCH: Final = 2.0
"""Nanoseconds for one byte where a plain text is looked for."""

_PART: Final = re.compile(
    r"""
    (?P<plain>[^\\.\[\](){}|*+?^$]|\\[!-/:-@\[-`{-~]|\[[^\\\]\[^]\])
  | (?P<edge>[$^])
  | (?P<loose>\[\^?(?:[ !-Z_a-~]|\\[!-/:-@\[-`{-~])+\]|[.*+?|)]|\((?!\?))
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class PatternCost:
    """In nanoseconds: what it takes at least, and for each byte of the text."""

    fixed: float
    byte: float


@lru_cache(maxsize=1024)
def pattern_cost(pattern: str) -> PatternCost | None:
    """An upper bound; None if there is none to be told."""
    if len(pattern) > LONGEST:
        return None
    states, loose, unbounded, at = 0, False, False, 0
    while at < len(pattern):
        part = _PART.match(pattern, at)
        if part is None:
            return None
        text = part.group()
        states += len(text.encode("utf-8", "surrogatepass"))
        loose |= part.lastgroup == "loose"
        unbounded |= text in {"*", "+", "|"}
        at = part.end()
    fixed = COMPILE + COMPILE_STATE * states
    if not loose:
        return PatternCost(fixed, SEARCH)
    if pattern.startswith("^") and not unbounded:
        # It goes no further into the text than it has states, of four bytes each.
        return PatternCost(fixed + STEP * 4 * states * states, SEARCH)
    return PatternCost(fixed, STEP * states)
