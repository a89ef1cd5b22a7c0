"""What benchmarks measured, as a chart: a curve where a figure depends on a size, else bars of one unit.

Percentiles are bars beside each other; figures of two builds are bars of the ratio, with its range over the turns.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from bench.against import Pair
from bench.measurement import Measurement, machine
from engine.recordings.charts import Bar, Bars, Chart, Curve, Panel

CURVES = {
    "cancel": "resting orders",
    "scale-contracts": "contracts",
    "scale-accounts": "accounts, each with a position",
    "scale-resting": "resting orders",
    "scale-memory": "bytes of memory",
}
"""What a figure's name begins with, when its end is a size -> what there is so many of."""
_SIZED = re.compile(r"(.+)-(\d+)")


def chart_of(measured: Mapping[str, Sequence[Measurement]], about: Mapping[str, str]) -> Chart:
    """The figures of some benchmarks; `about` says what each benchmark measures."""
    panels = [panel for name, figures in measured.items() for panel in _panels(f"{name}: {about[name]}", figures)]
    return Chart(f"lionrock bench {' '.join(measured)}", tuple(panels), machine())


def ratio_chart(pairs: Mapping[str, Sequence[Pair]], other: str) -> Chart:
    """This build's figures as multiples of another's; figures of different work have no ratio and are left out."""
    panels = []
    for name, found in pairs.items():
        same = [(pair, pair.ratio()) for pair in found if pair.is_same_work]
        bars = tuple(Bar(f"{pair.name}, {pair.unit}", by.median, by.low, by.high) for pair, by in same)
        if bars:
            panels.append(Bars(f"{name}: this build / {other}, median and range of the turns", bars))
    return Chart(f"lionrock bench {' '.join(pairs)}: this build and {other}", tuple(panels), machine())


def _panels(title: str, figures: Sequence[Measurement]) -> Iterator[Panel | Bars]:
    curves: dict[str, list[tuple[int, Measurement]]] = {}
    by_unit: dict[str, list[Bar]] = {}
    spreads: list[Bar] = []
    for figure in figures:
        sized = _SIZED.fullmatch(figure.name)
        if sized and sized[1] in CURVES:
            curves.setdefault(sized[1], []).append((int(sized[2]), figure))
        else:
            by_unit.setdefault(figure.unit, []).append(Bar(figure.name, figure.value))
            spreads += [Bar(f"{figure.name} {point.removesuffix('_ns')}", value)
                        for point, value in figure.percentiles.items()]  # fmt: skip
    for curve, points in curves.items():
        sizes, found = zip(*sorted(points, key=lambda point: point[0]), strict=True)
        line = Curve(curve, sizes, [figure.value for figure in found], "dots")
        yield Panel(f"{curve}, {found[0].unit}", (line,), CURVES[curve], has_log_x=True, from_zero=True)
    for unit, bars in by_unit.items():
        yield Bars(f"{title}, {unit}", tuple(bars))
    if spreads:
        yield Bars(f"{title}: percentiles, ns", tuple(spreads))
