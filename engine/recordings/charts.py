"""Figures as a chart: panels below each other, each with curves over time or over a size, or with bars.

    draw(Chart("my run", (Panel("price, USDC", (Curve("mark", seconds, prices),), x="seconds"),)), "run.html")

`lionrock simulate`, `lionrock funding audit` and `lionrock bench` draw with it; `drawing` writes the file.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

TEMPLATE = Path(__file__).with_name("chart_page.html")
TIME = "time, UTC"
"""The x of a panel whose curves have nanoseconds since 1970."""
SHOWN_POINTS = 2000
"""A page has at most so many points of a curve, besides those of `points`."""
COLOURS = ("#0b57d0", "#b3261e", "#188a42", "#8a5a00", "#7b1fa2", "#00696e")

Numbers = Sequence[float] | np.ndarray[Any, Any]


@dataclass(frozen=True)
class Curve:
    """Values at places in rising order; a value that is not a number is a gap.

    `style`: `line`; `steps`: a value holds until the next; `dots`: a line with a dot at each value; `points`: no line.
    """

    name: str
    xs: Numbers
    ys: Numbers
    style: str = "line"

    def thinned(self, most: int = SHOWN_POINTS) -> tuple[list[float], list[float | None]]:
        """At most so many places and values: of each stretch the lowest and the highest stay, in their order."""
        xs, ys = np.asarray(self.xs), np.asarray(self.ys, np.float64)
        if self.style != "points" and len(xs) > most:
            edges = np.linspace(0, len(xs), most // 2 + 1).astype(np.int64)
            kept: set[int] = {0, len(xs) - 1}
            for begin, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
                part = ys[begin:end]
                if np.isnan(part).all():
                    kept.add(begin)  # or the curve would be drawn across the gap
                else:
                    kept |= {begin + int(np.nanargmin(part)), begin + int(np.nanargmax(part))}
            places = sorted(kept)
            xs, ys = xs[places], ys[places]
        return xs.tolist(), [None if np.isnan(value) else value for value in ys.tolist()]


@dataclass(frozen=True)
class Panel:
    """Curves on one scale. `label` names what and its unit; `x` names the places, or is TIME.

    Panels with the same `x` are moved together. `decimals` is how many a value reads with; None: as many as it needs.
    """

    label: str
    curves: tuple[Curve, ...]
    x: str
    has_log_x: bool = False
    from_zero: bool = False
    decimals: int | None = None
    weight: int = 1


@dataclass(frozen=True)
class Bar:
    """One value of a kind, and the range that it was found in, if there is one."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Bars:
    """Values of one unit beside each other."""

    label: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Chart:
    """What is drawn, under one title. `note` is a line below it."""

    title: str
    panels: tuple[Panel | Bars, ...]
    note: str = ""


@cache
def _template() -> str:
    return TEMPLATE.read_text(encoding="utf-8")


def chart_page(chart: Chart) -> str:
    """The chart as one page that needs nothing else: its data, and a script that draws them."""
    data = {"title": chart.title, "note": chart.note, "panels": [_panel(panel) for panel in chart.panels]}
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return _template().replace("/*DATA*/null", text.replace("</", "<\\/"))


def _panel(panel: Panel | Bars) -> dict[str, Any]:
    if isinstance(panel, Bars):
        return {"label": panel.label, "bars": [[bar.name, bar.value, bar.low, bar.high] for bar in panel.bars]}
    curves = []
    for colour, curve in zip(colours(panel), panel.curves, strict=True):
        xs, ys = curve.thinned()
        curves.append({"name": curve.name, "colour": colour, "style": curve.style,
                       "xs": [x / 1_000_000 for x in xs] if panel.x == TIME else xs, "ys": ys})  # fmt: skip
    return {
        "label": panel.label, "x": panel.x, "isTime": panel.x == TIME, "hasLogX": panel.has_log_x,
        "fromZero": panel.from_zero, "decimals": panel.decimals, "weight": panel.weight, "curves": curves,
    }  # fmt: skip


def colours(panel: Panel) -> list[str]:
    """A colour for each curve of a panel."""
    return [COLOURS[place % len(COLOURS)] for place in range(len(panel.curves))]
