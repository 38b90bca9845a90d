"""A receiver whose certificate cannot be trusted: what is told, and that nothing is lost once it is mended."""

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from crash.processes import until
from server.faults.site import PATIENCE, Site, account, serving, taking

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults")]

EXPIRED = datetime(2024, 2, 29, 12, 30, tzinfo=UTC)
COMING = datetime(2101, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def site(authority: trustme.CA, tmp_path: Path) -> AsyncIterator[Site]:
    """A server on a machine that trusts the tests' authority."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with serving(tmp_path / "data", environment={"SSL_CERT_FILE": str(tmp_path / "ca.pem")}) as site:
        yield site


def context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(made)
    return made


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("expired", ("has expired", "until 2024-02-29 12:30:00Z", "renew it")),
        ("early", ("is not yet valid", "from 2101-01-01 00:00:00Z on", "the clock here says")),
        ("another name", ("not valid for '127.0.0.1'", "it is for 'shop.example', '*.shop.example'")),
        ("another authority", ("unable to get local issuer certificate", "goes back to 'Testing CA", "trusted here")),
        ("self-signed", ("self-signed certificate", "goes back to 'Testing CA", "trusted here")),
    ],
)
async def test_a_certificate_that_is_refused_is_named_with_what_is_wrong_and_renewed_nothing_is_lost(
    site: Site, authority: trustme.CA, fault: str, words: tuple[str, ...]
) -> None:
    alien = trustme.CA()
    wrong = {
        "expired": lambda: authority.issue_cert("127.0.0.1", not_after=EXPIRED),
        "early": lambda: authority.issue_cert("127.0.0.1", not_before=COMING, not_after=COMING.replace(year=2102)),
        "another name": lambda: authority.issue_cert("shop.example", "*.shop.example"),
        "another authority": lambda: alien.issue_cert("127.0.0.1"),
        "self-signed": lambda: alien.issue_cert("127.0.0.1"),
    }[fault]()
    tls = context(wrong)
    if fault == "self-signed":  # a chain that ends in a root which nobody knows
        chain = trustme.Blob(wrong.private_key_and_cert_chain_pem.bytes() + alien.cert_pem.bytes())
        with chain.tempfile() as path:
            tls.load_cert_chain(path)
    async with taking(tls) as taker:
        subscription = await site.subscribe(taker.url())
        await site.emit(3)

        async def told() -> bool:
            reasons = await site.reasons(subscription)
            return len(reasons) == 3 and all(reasons)

        await until(told, within=PATIENCE)
        for reason in await site.reasons(subscription):
            assert f"127.0.0.1:{taker.port}" in reason
            assert all(word in reason for word in words), reason
        (delivery, *_) = (await site.client.deliveries.list(subscription_id=subscription)).items
        (attempt, *_) = await site.client.deliveries.attempts(delivery.id)
        assert attempt.error is not None
        assert attempt.error.value == "tls"
        await site.said(*words[:2])
        assert taker.arrived == [], "nothing is sent to whom is not trusted"
        # The receiver renews its certificate, as it would: on its own machine, without a word to us.
        authority.issue_cert("127.0.0.1").configure_cert(tls)
        await site.settled()
        account(taker, site.acknowledged)
        await site.stop()
