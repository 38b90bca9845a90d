"""What a benchmark says, and how it is printed and kept."""

import json
import os
import platform
import sqlite3
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from benchmarks import database

RESULTS: Final = Path(__file__).parent / "results"
SPEED: Final = 10_000
"""Requests a second that the bare loop does on the machine for which absolute figures are set."""


RELAY_SINGLE: Final = 3_300
RELAY_BATCHES: Final = 8_800
RELAY_IDLE: Final = 2.9
"""What the bare relay did there: events a second, one a call and in batches of 100; and its p50 in ms with 50 events a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table. `ratio_to_bare` is to the calibration named in `bare`; `met` is None without a target."""

    name: str
    value: float
    unit: str
    bare: str = ""
    ratio_to_bare: float | None = None
    target: str = ""
    met: bool | None = None


def rounds_ratio(found: Sequence[float], others: Sequence[float]) -> float:
    """The median of the ratios of rounds that were measured in turn."""
    return statistics.median(each / other for each, other in zip(found, others, strict=True))


def beside_bare(name: str, value: float, bare: str, ratio: float, least: float, *, note: str = "") -> Figure:
    """Deliveries a second, and their ratio to what a calibration does in the same minutes, which must reach `least`."""
    return Figure(
        name=name,
        value=value,
        unit="deliveries/s",
        bare=bare,
        ratio_to_bare=ratio,
        target=f">= {least:.2g} of the {bare}{note}",
        met=ratio >= least,
    )


def machine() -> dict[str, str]:
    """What the figures were measured on, in the words that matter."""
    model = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), platform.processor()
    )
    memory = next((line.split()[1] for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), "0")
    return {
        "cpu": model,
        "cores": str(os.cpu_count()),
        "memory_gib": str(round(int(memory) / 1024 / 1024)),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "postgresql": database.version(),
    }


def keep(found: Mapping[str, list[Figure]], order: Sequence[str]) -> Path:
    """Write the figures as JSON: the machine, and a list of figures. Those of parts that were not measured stay as they are."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "latest.json"
    before = json.loads(path.read_text())["figures"] if path.exists() else []
    kept = [figure for figure in before if figure.get("part") in order and figure["part"] not in found]
    kept += [{"part": part, **asdict(figure)} for part, figures in found.items() for figure in figures]
    kept.sort(key=lambda figure: order.index(figure["part"]))
    path.write_text(json.dumps({"machine": machine(), "figures": kept}, indent=2) + "\n")
    return path


def table(figures: list[Figure]) -> str:
    """The figures for people."""
    rows = [("figure", "value", "ratio", "target", "met")]
    for figure in figures:
        ratio = "" if figure.ratio_to_bare is None else f"{figure.ratio_to_bare:.2f} of {figure.bare}"
        met = "" if figure.met is None else "yes" if figure.met else "NO"
        rows.append((figure.name, f"{figure.value:,.4g} {figure.unit}", ratio, figure.target, met))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
