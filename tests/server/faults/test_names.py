"""The name server is down, or keeps silent about some names."""

from pathlib import Path

import pytest
import trustme
from crash.processes import until
from server.faults.names import NOERROR, NXDOMAIN, SERVFAIL, name_server
from server.faults.site import PATIENCE, account, serving, taking
from server.faults.test_certificates import context

from hookline.model import ErrorClass

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults")]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (SERVFAIL, ("was not resolved", "Temporary failure in name resolution")),
        (NXDOMAIN, ("was not resolved", "Name or service not known")),
        (None, ("was not resolved within 1 s", "no name server answers", "/etc/resolv.conf")),
    ],
    ids=["SERVFAIL", "NXDOMAIN", "silence"],
)
async def test_names_that_are_not_resolved_are_told_and_addresses_go_on_unharmed(
    tmp_path: Path, code: int | None, words: tuple[str, ...]
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = context(authority.issue_cert("shop.test", "127.0.0.1"))
    async with name_server(tmp_path) as (names, wrapper), taking(tls) as named, taking(tls) as literal:
        names.code = code
        environment = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")}
        async with serving(tmp_path / "data", wrapper=wrapper, environment=environment) as site:
            subscription = await site.subscribe(named.url("shop.test"), timeout=1.0 if code is None else PATIENCE)
            await site.subscribe(literal.url())
            await site.emit(3)
            await until(lambda: len(literal.taken) == 3, within=PATIENCE)

            async def told() -> bool:
                reasons = await site.reasons(subscription)
                return len(reasons) == 3 and all(reasons)

            await until(told, within=PATIENCE)
            for reason in await site.reasons(subscription):
                assert "'shop.test" in reason
                assert all(word in reason for word in words), reason
            (delivery, *_) = (await site.client.deliveries.list(subscription_id=subscription)).items
            (attempt, *_) = await site.client.deliveries.attempts(delivery.id)
            assert attempt.error is ErrorClass.DNS
            await site.emit(3)
            await until(lambda: len(literal.taken) == 6, within=PATIENCE)
            names.code = NOERROR
            await site.settled()
            account(named, site.acknowledged)
            account(literal, site.acknowledged)
            await site.stop()


async def test_names_that_nobody_answers_for_keep_no_other_name_from_being_looked_up(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = context(authority.issue_cert("shop.test"))
    async with name_server(tmp_path) as (names, wrapper), taking(tls) as taker:
        names.silent_for = (".silent.test",)
        environment = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")}
        async with serving(tmp_path / "data", wrapper=wrapper, environment=environment) as site:
            for number in range(24):
                await site.subscribe(f"https://{number}.silent.test/hook", timeout=1.0, event_types=("silent",))
            await site.subscribe(taker.url("shop.test"), event_types=("heard",), timeout=5.0)
            await site.client.emit("silent", None)
            await until(lambda: sum(name.endswith(".silent.test") for name in names.asked) == 24, within=PATIENCE)
            heard = await site.emit(type="heard")
            await until(lambda: set(taker.taken) == set(heard), within=PATIENCE)
            (delivery,) = (await site.client.deliveries.list(event_id=heard[0])).items
            errors = {attempt.error for attempt in await site.client.deliveries.attempts(delivery.id)}
            assert ErrorClass.DNS not in errors, "it waited for a thread"
            await site.stop()
