"""A target or a probe that cannot be judged by gets a clear line and no verdict."""

import pytest
from conformance.mutants.receivers.reference import SECRETS, Standard
from ports import lasting_port

from hookline_conformance import Mode, Options, Report, run
from hookline_conformance.receiver import CallableProbe, CommandProbe, EffectsProbe, ReceiverTarget, UrlProbe
from hookline_conformance.schemes import SecretError, scheme_named


async def report_with(probe: EffectsProbe | None = None, *, url: str = "", restart: object = None, only: str = "IDM-001") -> Report:
    receiver = Standard()
    await receiver.start()
    try:
        target = ReceiverTarget(
            url=url or f"http://127.0.0.1:{receiver.port}/hooks",
            scheme=scheme_named("standard"),
            secrets=SECRETS,
            effects=probe,
            restart=restart,
        )
        return await run(target, Options(mode=Mode.FULL, only=frozenset({only})))
    finally:
        await receiver.stop()


def assert_no_verdict(report: Report, *words: str) -> None:
    assert report.exit_code == 2
    assert report.verdicts == ()
    assert "\n" not in report.no_verdict
    for word in words:
        assert word in report.no_verdict


async def test_a_target_that_does_not_answer() -> None:
    url = f"http://127.0.0.1:{lasting_port()}/hooks"
    assert_no_verdict(await report_with(url=url), url, "does not answer")


async def test_a_target_elsewhere_needs_an_explicit_word() -> None:
    assert_no_verdict(await report_with(url="http://192.0.2.1/hooks"), "--allow-remote")


async def test_a_probe_that_does_not_answer() -> None:
    assert_no_verdict(await report_with(UrlProbe(f"http://127.0.0.1:{lasting_port()}/effects")), "probe", "does not answer")


def fails() -> dict[str, object]:
    raise OSError("the database is locked")


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (lambda: {"effects": {}}, "total"),
        (lambda: {"effects": {"a": -1}, "total": 0}, "effects.a"),
        (lambda: {"effects": {"a": 2}, "total": 1}, "total is 1"),
        (lambda: {"effects": [], "total": 0}, "effects"),
        (lambda: "nothing", "must give"),
        (fails, "the database is locked"),
    ],
)
async def test_a_probe_that_errs(answer: object, word: str) -> None:
    assert_no_verdict(await report_with(CallableProbe(answer)), "probe", word)


async def test_a_probe_that_lags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hookline_conformance.receiver.watch._EFFECT_SECONDS", 0.3)
    assert_no_verdict(await report_with(CallableProbe(lambda: {"effects": {}, "total": 0})), "lags")


async def test_a_probe_command_that_fails_or_is_missing() -> None:
    assert_no_verdict(await report_with(CommandProbe("false")), "exit code 1")
    assert_no_verdict(await report_with(CommandProbe("/nonexistent/probe --all")), "cannot be run")


async def test_a_probe_command_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hookline_conformance.receiver.watch._EFFECT_SECONDS", 0.3)
    report = await report_with(CommandProbe('echo \'{"effects": {}, "total": 0}\''), only="SIG-001", url="")
    assert "lags" in report.no_verdict


async def test_a_restart_that_fails() -> None:
    receiver = Standard()
    counts = CallableProbe(lambda: {"effects": dict(receiver.disk.effects), "total": len(receiver.disk.effects)})
    await receiver.start()
    try:
        target = ReceiverTarget(
            url=f"http://127.0.0.1:{receiver.port}/",
            scheme=scheme_named("standard"),
            secrets=SECRETS,
            effects=counts,
            restart="false",
        )
        report = await run(target, Options(only=frozenset({"IDM-003"})))
    finally:
        await receiver.stop()
    assert_no_verdict(report, "restart", "exit code 1")


@pytest.mark.parametrize("secret", ["hunter22", "whsec_", "whsec_c2hvcnQ="])
def test_a_secret_in_the_wrong_form(secret: str) -> None:
    with pytest.raises(SecretError) as caught:
        ReceiverTarget(url="http://127.0.0.1:1/", scheme=scheme_named("standard"), secrets=[secret])
    assert secret == "whsec_" or secret not in str(caught.value)
