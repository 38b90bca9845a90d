"""Keeps secrets out of whatever leaves the suite."""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final
from urllib.parse import quote, quote_plus

from hookline_conformance.exchange import MASK
from hookline_conformance.verdict import Report, Verdict

# A shorter text is found in innocent places, and masking those would tell where it stands.
_SHORTEST: Final = 4
_PREFIX: Final = re.compile(r"^(?:whsec|whsk)_", re.ASCII)


class Masker:
    """Replaces the given secrets, in every form in which they may turn up, with `[secret]`.

    The forms are the text itself, the text without its prefix, the key that it encodes (raw, hexadecimal,
    base64), and each of these quoted for a URL. Texts of less than four characters are no secrets.
    """

    __slots__ = ("_bytes", "_text")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms: set[bytes] = set()
        for secret in secrets:
            forms |= _forms(secret)
        # The longest first: a form may contain another one.
        ordered = sorted((form for form in forms if len(form) >= _SHORTEST), key=lambda form: (-len(form), form))
        self._bytes = re.compile(b"|".join(re.escape(form) for form in ordered)) if ordered else None
        texts = [form.decode() for form in ordered if _is_text(form)]
        self._text = re.compile("|".join(re.escape(form) for form in texts)) if texts else None

    def text(self, value: str) -> str:
        """`value` without the secrets."""
        return value if self._text is None else self._text.sub(MASK, value)

    def data(self, value: bytes) -> bytes:
        """`value` without the secrets."""
        return value if self._bytes is None else self._bytes.sub(MASK.encode(), value)


def masked(report: Report, secrets: Iterable[str] = ()) -> Report:
    """`report` without the secrets that its exchanges name, and without the given ones."""
    named = {secret for verdict in report.verdicts for exchange in verdict.exchanges for secret in exchange.secrets}
    masker = Masker({*named, *secrets})
    return replace(
        report,
        target=masker.text(report.target),
        no_verdict=masker.text(report.no_verdict),
        verdicts=tuple(masked_verdict(verdict, masker) for verdict in report.verdicts),
    )


def masked_verdict(verdict: Verdict, masker: Masker) -> Verdict:
    """`verdict` without the secrets; its exchanges no longer name them."""
    return replace(
        verdict,
        detail=masker.text(verdict.detail),
        expected=masker.text(verdict.expected),
        got=masker.text(verdict.got),
        example=masker.text(verdict.example),
        repeat=masker.text(verdict.repeat),
        known=masker.text(verdict.known),
        exchanges=tuple(
            replace(
                exchange,
                sent=masker.data(exchange.sent),
                received=masker.data(exchange.received),
                note=masker.text(exchange.note),
                secrets=(),
            )
            for exchange in verdict.exchanges
        ),
    )


def _forms(secret: str) -> set[bytes]:
    plain = {secret, _PREFIX.sub("", secret)}
    raw = {text.encode() for text in plain}
    for text in plain:
        try:
            raw.add(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError):
            continue  # not every scheme's secret is base64
    forms = {form for key in raw for form in (key, key.hex().encode(), key.hex().upper().encode(), base64.b64encode(key))}
    forms |= {base64.urlsafe_b64encode(key) for key in raw}
    texts = [form.decode() for form in forms if _is_text(form)]
    forms |= {quoted(text).encode() for text in texts for quoted in (quote, quote_plus)}
    forms |= {quote(text, safe="").encode() for text in texts}
    return forms


def _is_text(form: bytes) -> bool:
    try:
        form.decode()
    except UnicodeDecodeError:
        return False
    return True
