"""Secrets do not leave the suite, in whatever form they turn up."""

import base64
from urllib.parse import quote

import pytest
from conformance.report.samples import SECRET
from hypothesis import given
from hypothesis import strategies as st

from hookline_conformance.exchange import MASK
from hookline_conformance.report.masking import Masker

KEY = base64.b64decode(SECRET.removeprefix("whsec_"))


@pytest.mark.parametrize(
    "form",
    [SECRET, SECRET.removeprefix("whsec_"), KEY.hex(), KEY.hex().upper(), base64.urlsafe_b64encode(KEY).decode(), quote(SECRET)],
)
def test_every_form_of_a_secret_is_masked(form):
    assert Masker([SECRET]).text(f"<{form}>") == f"<{MASK}>"
    assert Masker([SECRET]).data(f"<{form}>".encode()) == f"<{MASK}>".encode()


def test_the_key_that_a_secret_encodes_is_masked_in_bytes():
    assert Masker([SECRET]).data(b"<" + KEY + b">") == f"<{MASK}>".encode()


@given(st.lists(st.text("abcdefgh/+=", min_size=4, max_size=20)), st.text("abcdefgh/+="))
def test_after_masking_no_secret_is_left(secrets, text):
    shown = Masker(secrets).text(text + "".join(secrets))
    assert not any(secret in part for secret in secrets for part in shown.split(MASK))


@given(st.text(), st.binary())
def test_without_secrets_nothing_changes(text, data):
    assert Masker().text(text) == text
    assert Masker([""]).data(data) == data
