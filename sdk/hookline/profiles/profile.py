"""What a profile is."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from hookline.model import BodyFormat, SubscriptionSpec


class Role(StrEnum):
    """Whose behaviour a profile has."""

    SENDER = "sender"
    """hookline sends as the platform does, to those who receive from it."""
    RECEIVER = "receiver"
    """hookline sends what the platform takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a profile has its facts from."""

    url: str
    section: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiving:
    """What the receiving side is known to take; empty where its documents are silent.

    `max_body` is in bytes, None if it is not known. `authentication` are kinds of Authentication, or `signature`.
    """

    max_body: int | None = None
    authentication: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A named preset. `usual` has its values, and no URL.

    `silent` says what the platform's documents do not tell (and what was chosen for it), `differs` where
    hookline does otherwise than the platform.
    """

    name: str
    title: str
    role: Role
    summary: str
    usual: SubscriptionSpec
    receiving: Receiving
    sources: tuple[Source, ...]
    silent: tuple[str, ...]
    differs: tuple[str, ...]

    def spec(self, *, url: str, **overrides: Any) -> SubscriptionSpec:  # the fields of SubscriptionSpec
        """A subscription for `url` as the profile has it, but for `overrides`: fields of SubscriptionSpec.

        The profile's `signature_parameters` are kept beside those that are given, as some (an API key) are only
        the caller's to know; they are dropped with the profile's scheme, and its `body_template` with its format.
        """
        parameters = overrides.pop("signature_parameters", {})
        usual = self.beside(overrides.get("signature_scheme", ""), overrides.get("body_format"))
        return replace(usual, url=url, signature_parameters={**usual.signature_parameters, **parameters}, **overrides)

    def beside(self, signature_scheme: str, body_format: BodyFormat | None) -> SubscriptionSpec:
        """The profile's values beside a scheme and a format of the caller's own ("" and None: none)."""
        usual = self.usual
        if signature_scheme and signature_scheme != usual.signature_scheme:
            usual = replace(usual, signature_scheme=signature_scheme, signature_parameters={})
        if body_format is not None and body_format is not usual.body_format:
            usual = replace(usual, body_format=body_format, body_template="")
        return usual
