"""The receiving kit under test: which schemes, kept how, and what the suite says of one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from conformance.good.serving import ASGI, Served

from hookline.signing import scheme as scheme_called
from hookline.signing.parameters import make
from hookline_conformance import Mode, Options, Report, run
from hookline_conformance.receiver import ReceiverTarget, UrlProbe
from hookline_conformance.schemes import scheme_named

HERE = Path(__file__).parent
DEADLINE = 30.0
"""Seconds for an answer: generous, since the machine may have other work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The kit for a scheme; `parameters` are its own words for those of the suite's scheme, `said`."""

    scheme: str
    keeping: str
    said: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return "-".join((self.scheme, *self.said.values(), self.keeping))


KEPT = (
    *(Kept(scheme=name, keeping="inbox") for name in ("standard", "stripe", "github", "slack", "hubspot", "twilio", "zendesk")),
    *(Kept(scheme=name, keeping="transaction") for name in ("standard", "github", "svix", "shopify", "segment")),
    Kept(scheme="http-message", keeping="inbox", parameters={"key_id": "conformance"}),
    Kept(
        scheme="http-message",
        keeping="inbox",
        said={"algorithm": "ed25519"},
        parameters={"key_id": "conformance", "algorithm": "ed25519"},
    ),
)


async def judge(kept: Kept, folder: Path, mode: Mode, *, only: frozenset[str] = frozenset(), seed: int = 0) -> Report:
    """Serve the kit, its databases in `folder`, and hold it to everything that its scheme asks for; nothing is declared."""
    scheme = scheme_named(kept.scheme, **kept.said)
    theirs = make(kept.scheme, kept.parameters) if kept.parameters else scheme_called(kept.scheme)
    secrets = [theirs.generate_secret(), theirs.generate_secret()]
    told = {
        "SCHEME": kept.scheme,
        "PARAMETERS": json.dumps(dict(kept.parameters)),
        "SECRETS": json.dumps(secrets),
        "KEEPING": kept.keeping,
        "FOLDER": str(folder),
    }
    served = Served("app", ASGI, told, where=HERE)
    await served.start()
    try:
        target = ReceiverTarget(
            url=f"http://127.0.0.1:{served.port}/hooks",
            scheme=scheme,
            secrets=secrets,
            retired=[theirs.generate_secret()],
            effects=UrlProbe(f"http://127.0.0.1:{served.port}/effects"),
            restart=served.restart,
            deadline=DEADLINE,
        )
        return await run(target, Options(mode=mode, only=only, seed=seed))
    finally:
        await served.stop()
        served.close()
