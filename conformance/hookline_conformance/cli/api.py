"""`hookline-conformance api`: contract tests of hookline.v1 over gRPC."""

from typing import Annotated

import typer

from hookline_conformance.api import ApiTarget
from hookline_conformance.cli import secrets as secret_sources
from hookline_conformance.cli.common import (
    AreaOption,
    BadgeOption,
    HtmlOption,
    JsonOption,
    JunitOption,
    KnownOption,
    LevelOption,
    MarkdownOption,
    OnlyOption,
    Outputs,
    QuickOption,
    SafeOption,
    SeedOption,
    Selection,
    ThoroughOption,
    judge,
    refuse_safe,
)
from hookline_conformance.cli.paced import API_CALLS, paced
from hookline_conformance.cli.reach import DEFAULT_RATE, AllowRemoteOption, RateOption, answering, grpc_host, interval
from hookline_conformance.cli.repeat import repeat_command
from hookline_conformance.cli.sender import CaOption, TlsOption, roots
from hookline_conformance.requirement import Level


def api(
    context: typer.Context,
    *,
    hookline: Annotated[str, typer.Option("--hookline", metavar="HOST:PORT", help="The server.")],
    tls: TlsOption = False,
    ca: CaOption = None,
    allow_remote: AllowRemoteOption = False,
    rate: RateOption = DEFAULT_RATE,
    level: LevelOption = Level.MAY,
    area: AreaOption = None,
    only: OnlyOption = None,
    seed: SeedOption = 0,
    quick: QuickOption = False,
    thorough: ThoroughOption = False,
    safe: SafeOption = False,
    known: KnownOption = None,
    json: JsonOption = None,
    junit: JunitOption = None,
    markdown: MarkdownOption = None,
    html: HtmlOption = None,
    badge: BadgeOption = None,
) -> None:
    """Test an implementation of hookline.v1, in any language.

    Its token comes from the environment: HOOKLINE_CONFORMANCE_TOKEN.
    """
    refuse_safe(safe, "a server")
    pause = interval("--hookline", grpc_host("--hookline", hookline), allow_remote=allow_remote, rate=rate)
    token = secret_sources.variable(secret_sources.TOKEN)
    answering(hookline)
    target = ApiTarget(hookline, token=token, roots=roots(ca, tls=tls), command=repeat_command(context.obj))
    judge(
        paced(target, API_CALLS, pause),
        Selection(level=level, area=area, only=only, seed=seed, quick=quick, thorough=thorough, safe=safe, known=known),
        Outputs(json=json, junit=junit, markdown=markdown, html=html, badge=badge),
        secrets=(token,) if token else (),
    )
