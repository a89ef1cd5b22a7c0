"""What a benchmark returns, on which machine it ran, and which of several runs counts."""

import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

PERCENTILES = (50.0, 99.0, 99.9)
DEFAULT_TURNS = 5
"""How often what is compared takes its turn."""


class SkippedError(Exception):
    """A benchmark that cannot run here; the text says why, for a person."""


class BenchError(Exception):
    """A benchmark whose result is wrong, so that its time says nothing."""


@dataclass(frozen=True)
class Plan:
    """How much to measure: the small size shows that everything runs, the full one gives the figures.

    `progress` is told in words what is being measured, and `notice` what of a benchmark is left out.
    """

    full: bool = False
    seed: int = 1
    progress: Callable[[str], None] = lambda text: None
    notice: Callable[[str], None] = lambda text: None

    def size(self, small: int, full: int) -> int:
        """The one of two sizes that is wanted."""
        return full if self.full else small

    @property
    def runs(self) -> int:
        """How often each is measured; runs of what is compared take turns."""
        return self.size(2, 7)


@dataclass(frozen=True)
class Measurement:
    """One figure. `digest` is the state's after the workload; `seed` is None for a recorded one."""

    name: str
    value: float
    unit: str
    workload: str
    seed: int | None
    digest: str
    percentiles: dict[str, float] = field(default_factory=dict)
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain values, the machine among them."""
        given = {name: value for name, value in vars(self).items() if value not in ({}, "")}
        return given | {"machine": machine()}


@dataclass(frozen=True)
class Spread:
    """The median of some turns, the smallest and the largest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of at least one value."""
        return cls(statistics.median(values), min(values), max(values))

    def as_json(self) -> dict[str, float]:
        """Rounded."""
        return {name: round(value, 3) for name, value in vars(self).items()}

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def machine() -> str:
    """What this was measured on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        processor = platform.processor() or platform.machine()
    cores = os.cpu_count() or 1
    return (
        f"{processor}, {cores} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, numba {version('numba')}"
    )


def percentiles(values: Any, scale: float = 1.0) -> dict[str, float]:
    """p50, p99 and p99.9 of some values, times a scale."""
    points = np.percentile(np.asarray(values, np.float64), PERCENTILES) * scale
    return {f"p{share:g}": round(float(point), 3) for share, point in zip(PERCENTILES, points, strict=True)}


def best_of(values: Sequence[float], unit: str) -> str:
    """How far the runs of one figure lay apart, for its note."""
    ordered = sorted(values)
    return f"best of {len(ordered)} runs: {ordered[0]:,.4g} to {ordered[-1]:,.4g} {unit}"


def one_digest(what: str, digests: Sequence[str]) -> str:
    """The digest that all runs of a workload had. BenchError when they differ."""
    if len(set(digests)) != 1:
        raise BenchError(f"{what}: runs of the same commands ended in different states: {', '.join(digests)}")
    return digests[0]
