"""A picture of a soak: memory, latency, rate, queues and disk over time."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.soak.run import Outcome


def draw(outcome: Outcome, path: Path) -> None:
    """Write the picture; needs matplotlib."""
    from matplotlib.figure import Figure

    samples = outcome.samples
    figure = Figure(figsize=(11, 12), layout="constrained")
    axes = figure.subplots(5, 1, sharex=True)
    axes[0].set_title(
        f"{outcome.minutes:.0f} minutes at {outcome.rate_per_s:,.0f} commands/s, half of capacity; "
        f"{outcome.commands:,} commands"
    )
    _lines(axes[0], samples, {"rss_mb": "venue", "snapshot_rss_mb": "snapshot process",
                              "surveillance_rss_mb": "surveillance"}, "resident, MB")  # fmt: skip
    _lines(axes[1], samples, {"order_p50_ms": "order, median", "cancel_p50_ms": "cancel, median",
                              "order_p99_ms": "order, p99", "cancel_p99_ms": "cancel, p99"}, "ms")  # fmt: skip
    axes[1].set_yscale("log")
    pairs = list(pairwise(samples))
    rates = [(new["answered"] - old["answered"]) / max(new["at_s"] - old["at_s"], 0.001) for old, new in pairs]
    axes[2].plot([new["at_s"] / 60 for _, new in pairs], rates, linewidth=0.9)
    axes[2].set_ylabel("answers/s")
    _lines(axes[3], samples, {"journal_lag_commands": "not durable", "surveillance_lag_commands": "surveillance behind",
                              "outbox_turns": "turns unsent"}, "commands, turns")  # fmt: skip
    axes[3].set_yscale("symlog")
    _lines(axes[4], samples, {"journal_mb": "journal", "archive_mb": "archive", "history_mb": "history",
                              "snapshots_mb": "snapshots"}, "on disk, MB")  # fmt: skip
    axes[4].set_xlabel("minutes")
    for axis in axes:
        for life in outcome.lives[:-1]:
            axis.axvline(life["ended_s"] / 60, color="red" if "kill" in life["end"] else "gray", linewidth=0.7)
    figure.savefig(path, dpi=100)


def _lines(axis: Any, samples: Sequence[dict[str, float]], wanted: dict[str, str], unit: str) -> None:
    for name, label in wanted.items():
        points = [(sample["at_s"] / 60, sample[name]) for sample in samples if name in sample]
        axis.plot([at for at, _ in points], [value for _, value in points], label=label, linewidth=0.9)
    axis.set_ylabel(unit)
    axis.legend(loc="upper left", fontsize="small")
