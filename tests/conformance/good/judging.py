"""The good receivers with other people's libraries, and what the suite says of one."""

from dataclasses import dataclass
from pathlib import Path

from conformance.good.serving import ASGI, COMPILED, HERE, NODE, WSGI, Served

from hookline_conformance import Mode, Options, Report, load_known, run
from hookline_conformance.receiver import ReceiverTarget, UrlProbe
from hookline_conformance.schemes import scheme_named

DEADLINE = 30.0
"""Seconds for an answer: generous, since the machine may have other work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Good:
    """A receiver: its program, what it is made of, the scheme that it verifies and how it is started."""

    app: str
    made_of: str
    scheme: str
    command: tuple[str, ...]


GOOD = (
    Good(app="flask_standardwebhooks", made_of="Flask, standardwebhooks (PyPI)", scheme="standard", command=WSGI),
    Good(app="fastapi_svix", made_of="FastAPI, svix (PyPI)", scheme="svix", command=ASGI),
    Good(app="flask_stripe", made_of="Flask, stripe (PyPI)", scheme="stripe", command=WSGI),
    Good(app="django_slack", made_of="Django, slack-sdk (PyPI)", scheme="slack", command=ASGI),
    Good(app="flask_twilio", made_of="Flask, twilio (PyPI)", scheme="twilio", command=WSGI),
    Good(app="fastapi_hubspot", made_of="FastAPI, hubspot-api-client (PyPI)", scheme="hubspot", command=ASGI),
    Good(app="express_octokit", made_of="express, @octokit/webhooks (npm)", scheme="github", command=NODE),
    Good(app="http_octokit", made_of="node:http, @octokit/webhooks (npm)", scheme="github", command=NODE),
    Good(app="express_stripe", made_of="express, stripe (npm)", scheme="stripe", command=NODE),
    Good(app="http_stripe", made_of="node:http, stripe (npm)", scheme="stripe", command=NODE),
    Good(app="express_svix", made_of="express, svix (npm)", scheme="svix", command=NODE),
    Good(app="http_svix", made_of="node:http, svix (npm)", scheme="svix", command=NODE),
    Good(app="http_standardwebhooks", made_of="node:http, standardwebhooks (npm)", scheme="standard", command=NODE),
    Good(app="go_standardwebhooks", made_of="net/http, standardwebhooks (Go)", scheme="standard", command=COMPILED),
    Good(app="rust_standardwebhooks", made_of="axum, standardwebhooks (Rust)", scheme="standard", command=COMPILED),
)


async def judge(good: Good, folder: Path, mode: Mode, *, only: frozenset[str] = frozenset(), seed: int = 0) -> Report:
    """Serve the receiver, its ledger in `folder`, and hold it to what its scheme asks for; known failures are declared."""
    scheme = scheme_named(good.scheme)
    secret = scheme.generate_secret()
    served = Served(good.app, good.command, {"SECRET": secret, "LEDGER": str(folder / "ledger.db")})
    await served.start()
    try:
        target = ReceiverTarget(
            url=f"http://127.0.0.1:{served.port}/hooks",
            scheme=scheme,
            secrets=[secret],
            effects=UrlProbe(f"http://127.0.0.1:{served.port}/effects"),
            restart=served.restart,
            deadline=DEADLINE,
        )
        known = load_known(HERE / "known" / f"{good.app}.toml", scheme=good.scheme)
        return await run(target, Options(mode=mode, only=only, seed=seed, known=known))
    finally:
        await served.stop()
        served.close()
