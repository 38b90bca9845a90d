"""What is told of a certificate that was refused."""

import string
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.transport.presented import EXPIRED, NO_ISSUER, NOT_YET_VALID, told

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def written(moment: datetime) -> str:
    """As Python writes the times of a certificate, whatever the locale."""
    return f"{MONTHS[moment.month - 1]} {moment.day:2} {moment:%H:%M:%S} {moment.year} GMT"


def certificate(begins: datetime, ends: datetime, *names: str, subject: str = "leaf", issuer: str = "root") -> dict[str, Any]:
    return {
        "notBefore": written(begins),
        "notAfter": written(ends),
        "subject": ((("commonName", subject),),),
        "issuer": ((("commonName", issuer),),),
        "subjectAltName": tuple(("DNS", name) for name in names),
    }


GOOD = certificate(NOW - timedelta(days=1), NOW + timedelta(days=1), "shop.example")
OLD = certificate(NOW - timedelta(days=9), NOW - timedelta(days=2), subject="middle", issuer="top")


def test_an_expired_certificate_of_the_chain_is_told_from_the_receivers_own() -> None:
    assert told(EXPIRED, "certificate has expired", [OLD], NOW).startswith(
        "its certificate has expired: it was valid until 2026-05-30"
    )
    assert told(EXPIRED, "certificate has expired", [GOOD, OLD], NOW).startswith(
        "the certificate 'middle' in its chain has expired"
    )


def test_a_clock_that_is_behind_shows_in_what_is_told() -> None:
    early = certificate(NOW + timedelta(hours=1), NOW + timedelta(days=1))
    assert "from 2026-06-01 13:00:00Z on, and the clock here says 2026-06-01 12:00:00Z" in told(NOT_YET_VALID, "", [early], NOW)


def test_the_top_of_the_chain_is_who_is_not_trusted() -> None:
    assert "'top', which is not among the authorities" in told(
        NO_ISSUER, "unable to get local issuer certificate", [GOOD, OLD], NOW
    )


@pytest.mark.parametrize(("names", "said"), [((), "no name at all"), (tuple("abcdefg"), "'a', 'b', 'c', 'd', 'e' and 2 more")])
def test_names_are_listed_up_to_a_bound(names: tuple[str, ...], said: str) -> None:
    assert told(62, "Hostname mismatch.", [certificate(NOW, NOW, *names)], NOW) == f"Hostname mismatch: it is for {said}"


MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # the strategy adds it
CERTIFICATES = st.builds(certificate, MOMENTS, MOMENTS, st.text(), subject=st.text(), issuer=st.text(string.printable))


@given(st.integers(0, 100), st.text(), st.lists(CERTIFICATES, max_size=3), MOMENTS)
def test_whatever_a_stranger_shows_is_one_bounded_line_more(code: int, message: str, shown: list[Any], now: datetime) -> None:
    said = told(code, message, shown, now)
    assert len(said) < len(message) + 2_000
    assert message or not said.count("\n")
