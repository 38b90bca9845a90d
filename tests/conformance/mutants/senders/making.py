"""Makes senders of reference.py: the good one, and each broken one of mutants.toml."""

import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from hookline_conformance.sender import SenderAdapter

HERE = Path(__file__).parent
REFERENCE = HERE / "reference.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A sender that is one line away from a good one, and the requirement that it breaks."""

    name: str
    breaks: str
    old: str
    new: str

    def source(self) -> str:
        """The mutant's source; ValueError unless `old` stands exactly once in the good one's, within one line."""
        good = REFERENCE.read_text("utf-8")
        if good.count(self.old) != 1 or "\n" in self.old.rstrip("\n") or "\n" in self.new.rstrip("\n"):
            raise ValueError(f"{self.name}: {self.old!r} does not stand exactly once, in one line, in {REFERENCE.name}")
        return good.replace(self.old, self.new)


def mutants() -> tuple[Mutant, ...]:
    """All of mutants.toml."""
    found = tomllib.loads((HERE / "mutants.toml").read_text("utf-8"))["mutant"]
    return tuple(Mutant(**entry) for entry in found)


def make(mutant: Mutant | None = None) -> SenderAdapter:
    """A new sender: the good one, or a mutant."""
    name = f"conformance_sender_{mutant.name.replace('-', '_') if mutant else 'reference'}"
    module = ModuleType(name)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        exec(compile(mutant.source() if mutant else REFERENCE.read_text("utf-8"), f"<{name}>", "exec"), module.__dict__)
        sender: SenderAdapter = module.ReferenceSender()
        return sender
    finally:
        del sys.modules[name]
