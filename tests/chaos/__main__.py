"""`make chaos`: let the enemy loose, print the account, and fail if anything is lost."""

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from chaos.run import PATIENCE, chaos
from chaos.sabotage import SABOTAGES


def main() -> int:
    """The exit code: 0 if every law held."""
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=None, help="repeats the enemy's script; another every time if not named")
    parser.add_argument("--keep", type=Path, help="an empty folder for what the replicas write down")
    parser.add_argument(
        "--sabotage", choices=sorted(SABOTAGES), default="", help="a rule that the replicas break: it must be found"
    )
    parser.add_argument("--patience", type=float, default=PATIENCE, help="seconds without progress until what is pending is stuck")
    asked = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if asked.seed is None else asked.seed
    print(f"seed {seed}, {asked.kills} kills", flush=True)
    with tempfile.TemporaryDirectory(prefix="hookline-chaos-") as folder:
        place = asked.keep or Path(folder)
        place.mkdir(exist_ok=True)
        account = asyncio.run(
            chaos(
                seed=seed,
                kills=asked.kills,
                folder=place,
                say=lambda line: print(f"  … {line}", flush=True),
                sabotage=asked.sabotage,
                patience=asked.patience,
            )
        )
    print(account.text())
    if account.faults:
        print(f"The promises were broken (make chaos KILLS={asked.kills} SEED={seed})")
        return 1
    print("Every promise held.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
