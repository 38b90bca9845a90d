"""Runs a receiver and the suite against it, in one event loop."""

from conformance.mutants.receivers.reference import Receiver

from hookline_conformance import Known, Mode, Options, Report, run
from hookline_conformance.receiver import ReceiverTarget, UrlProbe
from hookline_conformance.schemes import scheme_named


async def judge(
    receiver: Receiver, *, only: frozenset[str] = frozenset(), mode: Mode = Mode.QUICK, seed: int = 0, deadline: float = 60.0
) -> Report:
    await receiver.start()
    try:
        target = ReceiverTarget(
            url=f"http://127.0.0.1:{receiver.port}/hooks",
            scheme=scheme_named(receiver.scheme),
            secrets=receiver.secrets,
            retired=receiver.retired,
            effects=UrlProbe(f"http://127.0.0.1:{receiver.port}/effects"),
            restart=receiver.restart,
            deadline=deadline,
        )
        return await run(target, Options(seed=seed, only=only, mode=mode, known=Known()))
    finally:
        await receiver.stop()
