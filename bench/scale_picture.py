"""A picture of what `lionrock bench scale --json` printed: cost against size, a curve for each kind of size.

    lionrock bench scale --json > scale.jsonl
    python -m bench.scale_picture scale.jsonl scale.png
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

CURVES = {
    "contracts": "contracts",
    "accounts": "accounts, each with a position",
    "resting": "resting orders",
    "memory": "bytes of memory",
}
"""Curve -> what its sizes are."""
PREFIX = "scale-"


def points_of(lines: Iterable[str]) -> dict[str, list[tuple[int, float]]]:
    """(size, nanoseconds) of each curve. ValueError when a curve has no points."""
    found: dict[str, list[tuple[int, float]]] = {curve: [] for curve in CURVES}
    for figure in map(json.loads, lines):
        curve, _, size = figure["name"].removeprefix(PREFIX).rpartition("-")
        if curve in found:
            found[curve].append((int(size), figure["value"]))
    empty = [curve for curve, points in found.items() if not points]
    if empty:
        raise ValueError(f"no figures of {', '.join(empty)}; give the output of `lionrock bench scale --json`")
    return found


def draw(points: dict[str, list[tuple[int, float]]], path: Path) -> None:
    """Write the picture; needs matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7), layout="constrained")
    axes = figure.subplots(2, 2).flat
    for axis, (curve, meaning) in zip(axes, CURVES.items(), strict=True):
        sizes, values = zip(*points[curve], strict=True)
        axis.plot(sizes, values, marker="o", linewidth=1.2)
        axis.set_xscale("log", base=2 if curve in ("memory", "contracts") else 10)
        axis.set_ylim(0, 1.15 * max(values))
        axis.set_xlabel(meaning)
        axis.set_ylabel("ns a dependent load" if curve == "memory" else "ns a command")
        for size, value in points[curve]:
            axis.annotate(f"{value:.0f}", (size, value), textcoords="offset points", xytext=(0, 6), ha="center")
        axis.grid(alpha=0.3)
    figure.savefig(path, dpi=100)


def main() -> int:
    """Read the figures and draw them; 2 and one line for what cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.scale_picture", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("figures", type=Path, help="what `lionrock bench scale --json` printed")
    parser.add_argument("picture", type=Path, help="the PNG to write")
    args = parser.parse_args()
    try:
        draw(points_of(args.figures.read_text().splitlines()), args.picture)
    except ImportError:
        parser.exit(2, 'bench.scale_picture: it needs matplotlib; pip install "lionrock[plots]"\n')
    except (OSError, ValueError, KeyError) as error:
        parser.exit(2, f"bench.scale_picture: {error}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
