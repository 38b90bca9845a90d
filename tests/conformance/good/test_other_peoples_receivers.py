"""Good receivers with other people's libraries: no MUST fails, and what else they do not do is declared with its evidence."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from conformance.good.serving import ASGI, HERE, MODULES, NODE, WSGI, Served

from hookline_conformance import Mode, Options, Status, load_known, run
from hookline_conformance.receiver import ReceiverTarget, UrlProbe
from hookline_conformance.schemes import scheme_named


@dataclass(frozen=True)
class Good:
    app: str
    scheme: str
    command: tuple[str, ...]


GOOD = [
    Good("flask_standardwebhooks", "standard", WSGI),
    Good("fastapi_svix", "svix", ASGI),
    Good("flask_stripe", "stripe", WSGI),
    Good("django_slack", "slack", ASGI),
    Good("flask_twilio", "twilio", WSGI),
    Good("fastapi_hubspot", "hubspot", ASGI),
    Good("express_octokit", "github", NODE),
    Good("http_stripe", "stripe", NODE),
    Good("http_svix", "svix", NODE),
]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("good", GOOD, ids=lambda good: good.app)
async def test_a_good_receiver_with_an_official_library_has_no_unexpected_failure(good: Good, tmp_path: Path) -> None:
    if good.command is NODE and not ((MODULES / "node_modules").is_dir() and shutil.which("node")):
        pytest.skip("node or the packages of tests/interop are missing")
    scheme = scheme_named(good.scheme)
    secret = scheme.generate_secret()
    served = Served(good.app, good.command, secret, tmp_path)
    await served.start()
    try:
        target = ReceiverTarget(
            url=f"http://127.0.0.1:{served.port}/hooks",
            scheme=scheme,
            secrets=[secret],
            effects=UrlProbe(f"http://127.0.0.1:{served.port}/effects"),
            restart=served.restart,
            deadline=30.0,
        )
        known = load_known(HERE / "known" / f"{good.app}.toml")
        report = await run(target, Options(mode=Mode.QUICK, known=known))
    finally:
        await served.stop()
        served.close()
    assert report.no_verdict == ""
    assert [f"{v.requirement.id} {v.detail}" for v in report.failures if v.unexpected_failure] == []
    assert [v.requirement.id for v in report.unexpected_passes] == []
    not_checked = [v for v in report.verdicts if v.status is Status.NOT_CHECKED]
    assert [v.requirement.id for v in not_checked if "quick mode" not in v.detail and "secret" not in v.detail] == []
