"""Requirements: what is asked of senders, receivers and emission APIs, read from `catalogue/*.toml`."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Final, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

ALL_SCHEMES: Final = "*"
_ID = re.compile(r"[A-Z]{3}-[0-9]{3}")
_Content = TypeVar("_Content")


class Level(StrEnum):
    """How binding a requirement is, in RFC 2119's words; ordered, the strongest first."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"

    @property
    def rank(self) -> int:
        """0 for MUST, 1 for SHOULD, 2 for MAY."""
        return list(Level).index(self)


class Binds(StrEnum):
    """Whom a requirement binds; the numbers say it too: 001 to 099, 101 to 199, 201 to 299."""

    RECEIVER = "receiver"
    SENDER = "sender"
    API = "api"

    @property
    def first_number(self) -> int:
        """The lowest number of an id that binds this side."""
        return {Binds.RECEIVER: 1, Binds.SENDER: 101, Binds.API: 201}[self]


class CatalogueError(ValueError):
    """The catalogue's data is wrong; the message names the file, the entry and the fault."""


_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Document:
    """A published text that requirements come from (`catalogue/documents.toml`)."""

    title: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Reference:
    """Where a requirement comes from, as its entry writes it: a document's key and the section in it."""

    document: str
    section: str


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Source:
    """Where a requirement comes from, with the document looked up."""

    title: str
    section: str
    url: str

    def __str__(self) -> str:
        return f"{self.title}, {self.section}" if self.section else self.title


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class _Entry:
    id: str
    level: Level
    binds: Binds
    text: str
    sources: Annotated[tuple[Reference, ...], Field(min_length=1)]
    schemes: tuple[str, ...] = (ALL_SCHEMES,)
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class _AreaFile:
    area: str
    title: str
    requirement: tuple[_Entry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Requirement:
    """One numbered requirement.

    `schemes` names the signature schemes it applies to, `("*",)` for all; `note` says what a reader
    should know of the level or of the limits of the check.
    """

    id: str
    area: str
    level: Level
    binds: Binds
    text: str
    sources: tuple[Source, ...]
    schemes: tuple[str, ...]
    note: str

    def applies_to(self, scheme: str | None) -> bool:
        """Whether it applies to a target with this scheme (None: a target without signatures)."""
        return ALL_SCHEMES in self.schemes or scheme in self.schemes


class Catalogue(Mapping[str, Requirement]):
    """All requirements by id, in the order of their ids within their areas."""

    def __init__(self, requirements: Mapping[str, Requirement], areas: Mapping[str, str]) -> None:
        self._requirements = dict(requirements)
        self.areas: Mapping[str, str] = dict(areas)
        """An area's three letters to its title, in the order of the reports."""

    def __getitem__(self, requirement_id: str) -> Requirement:
        try:
            return self._requirements[requirement_id]
        except KeyError:
            raise CatalogueError(
                f"there is no requirement {requirement_id!r}; `hookline-conformance catalogue` lists them all"
            ) from None

    def __contains__(self, requirement_id: object) -> bool:
        return requirement_id in self._requirements

    def __iter__(self) -> Iterator[str]:
        return iter(self._requirements)

    def __len__(self) -> int:
        return len(self._requirements)

    def binding(self, binds: Binds) -> tuple[Requirement, ...]:
        """The requirements that bind one side."""
        return tuple(requirement for requirement in self.values() if requirement.binds is binds)


AREAS: Final[Mapping[str, str]] = {
    "SIG": "signing",
    "TIM": "timestamps",
    "IDM": "idempotency",
    "RTY": "retries",
    "STA": "statuses",
    "TMO": "timeouts",
    "PAY": "payload",
    "HDR": "headers",
    "SAF": "safety",
    "ROT": "rotation",
    "ORD": "ordering",
    "EMI": "emission",
    "SUB": "subscriptions",
}
"""An area's three letters to the name of its file, without `.toml`."""


@cache
def load_catalogue() -> Catalogue:
    """Read and check the catalogue that comes with the package; raises `CatalogueError`."""
    return read_catalogue(files(__package__) / "catalogue")


def read_catalogue(folder: Traversable) -> Catalogue:
    """Read and check a folder of `documents.toml` and one file an area; raises `CatalogueError`."""
    documents = _read(folder / "documents.toml", TypeAdapter(dict[str, Document]))
    requirements: dict[str, Requirement] = {}
    areas: dict[str, str] = {}
    for area, name in AREAS.items():
        path = folder / f"{name}.toml"
        if not path.is_file():
            continue
        content = _read(path, TypeAdapter(_AreaFile))
        if content.area != area:
            raise CatalogueError(f"{path.name}: area is {content.area!r}, and this file is {area}'s")
        areas[area] = content.title
        for entry in sorted(content.requirement, key=lambda entry: entry.id):
            requirement = _resolve(entry, area, documents, path.name)
            if requirement.id in requirements:
                raise CatalogueError(f"{path.name}: {requirement.id} stands twice")
            requirements[requirement.id] = requirement
    return Catalogue(requirements, areas)


def _read(path: Traversable, adapter: TypeAdapter[_Content]) -> _Content:
    try:
        return adapter.validate_python(tomllib.loads(path.read_text("utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise CatalogueError(f"{path.name}: {error}") from error


def _resolve(entry: _Entry, area: str, documents: Mapping[str, Document], file: str) -> Requirement:
    if not _ID.fullmatch(entry.id) or not entry.id.startswith(f"{area}-"):
        raise CatalogueError(f"{file}: {entry.id!r} is not an id of this area, such as {area}-001")
    number = int(entry.id[4:])
    first = entry.binds.first_number
    if not first <= number < first + 99:
        raise CatalogueError(f"{file}: {entry.id} binds the {entry.binds}, whose numbers start at {first:03d}")
    unknown = [reference.document for reference in entry.sources if reference.document not in documents]
    if unknown:
        raise CatalogueError(f"{file}: {entry.id} names the document {unknown[0]!r}, which documents.toml lacks")
    return Requirement(
        id=entry.id,
        area=area,
        level=entry.level,
        binds=entry.binds,
        text=entry.text,
        sources=tuple(
            Source(
                title=documents[reference.document].title,
                section=reference.section,
                url=documents[reference.document].url,
            )
            for reference in entry.sources
        ),
        schemes=entry.schemes,
        note=entry.note,
    )
