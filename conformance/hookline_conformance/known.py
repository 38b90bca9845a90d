"""What a team declares about its own software: failures that it knows, and features that it does not have.

The file is TOML. Each entry names a requirement, or what is unsupported a whole area, and says why; a
failure may be limited to signature schemes:

    [[failure]]
    requirement = "TIM-004"
    schemes = ["stripe"]
    reason = "the library accepts stamps from the future: its issue 123"

    [[unsupported]]
    area = "ORD"
    reason = "deliveries are not ordered"

A known failure does not count for the exit code, and one that passes is reported, so that the file does not
outlive the fault. What is unsupported is not run.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, model_validator

from hookline_conformance.requirement import AREAS, load_catalogue

_Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class KnownError(ValueError):
    """The file of known failures cannot be used; the message names the file, the entry and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Declared failures and unsupported features: a requirement's id to the reason given."""

    failures: Mapping[str, str] = field(default_factory=dict)
    unsupported: Mapping[str, str] = field(default_factory=dict)


class _Failure(BaseModel):
    model_config = ConfigDict(extra="forbid")
    requirement: str
    reason: _Sentence
    schemes: tuple[str, ...] = ()


class _Unsupported(BaseModel):
    model_config = ConfigDict(extra="forbid")
    requirement: str | None = None
    area: str | None = None
    reason: _Sentence

    @model_validator(mode="after")
    def _names_one(self) -> "_Unsupported":
        if (self.requirement is None) == (self.area is None):
            raise ValueError("name either a requirement or an area")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    failure: tuple[_Failure, ...] = ()
    unsupported: tuple[_Unsupported, ...] = ()


def load_known(path: Path, scheme: str | None = None) -> Known:
    """Read what a file declares for a target with this signature scheme.

    Raises:
        KnownError: the file cannot be read, is not TOML, or has an entry that means nothing.
    """
    try:
        content = _File.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise KnownError(f"{path}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise KnownError(f"{path}: is not TOML: {error}") from error
    except ValidationError as error:
        raise KnownError(f"{path}: {_first_fault(error)}") from error
    for number, failure in enumerate(content.failure, start=1):
        _check_requirement(failure.requirement, f"{path}: failure {number}")
    return Known(
        failures={item.requirement: item.reason for item in content.failure if not item.schemes or scheme in item.schemes},
        unsupported={
            requirement: item.reason
            for number, item in enumerate(content.unsupported, start=1)
            for requirement in _named(item, f"{path}: unsupported {number}")
        },
    )


def _named(item: _Unsupported, where: str) -> Iterator[str]:
    if item.requirement is not None:
        _check_requirement(item.requirement, where)
        yield item.requirement
    elif item.area in AREAS:
        yield from (name for name, requirement in load_catalogue().items() if requirement.area == item.area)
    else:
        raise KnownError(f"{where}: area is {item.area!r}: use one of {', '.join(AREAS)}")


def _check_requirement(name: str, where: str) -> None:
    if name not in load_catalogue():
        raise KnownError(f"{where}: there is no requirement {name!r}; `hookline-conformance catalogue` lists them all")


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    kind, *rest = (str(part + 1) if isinstance(part, int) else str(part) for part in fault["loc"])
    advice = {
        "extra_forbidden": "is not a field here",
        "missing": "is missing",
        "tuple_type": f"has to be a list: for tables write [[{kind}]]",
    }
    return f"{' '.join((kind, *rest))}: {advice.get(fault['type'], fault['msg'])}"
