"""Draws a picture of a recording or a chart: a .png by matplotlib (the extra `plots`), or a page of its own (.html)."""

from pathlib import Path
from typing import Any

import numpy as np

from engine.codes import Side
from engine.recordings.charts import TIME, Bars, Chart, Curve, Panel, chart_page, colours
from engine.recordings.picture_page import page
from engine.recordings.pictures import Picture
from engine.units import NS_PER_S

SUFFIXES = (".png", ".html")
BUY, SELL, OWN_BUY, OWN_SELL = "#188a42", "#c23b22", "#0b3fd6", "#c800c8"
"""Colours of bids and what aggressors bought, of asks and what they sold, and of own orders."""


class DrawingError(ValueError):
    """A picture that cannot be drawn; the text is one line for a person."""


def check_drawable(path: Path) -> None:
    """DrawingError unless a picture can be drawn into such a file here."""
    if path.suffix not in SUFFIXES:
        raise DrawingError(f"{path}: a picture is a .png or an .html; name one")
    if not path.parent.is_dir():
        raise DrawingError(f"{path}: there is no folder {path.parent}; make it or name another")
    if path.is_dir():
        raise DrawingError(f"{path}: that is a folder; name a file")
    if path.suffix == ".png":
        try:
            import matplotlib.figure  # noqa: F401
        except ImportError:
            raise DrawingError(
                f'{path}: a .png needs matplotlib: pip install "lionrock[plots]"; an .html needs nothing'
            ) from None


def draw(picture: Picture | Chart, path: Path | str) -> None:
    """Write a picture into a file whose name ends in .png or .html. DrawingError when it cannot be drawn here."""
    path = Path(path)
    check_drawable(path)
    if path.suffix == ".html":
        path.write_text(chart_page(picture) if isinstance(picture, Chart) else page(picture), encoding="utf-8")
    else:
        (_charted(picture) if isinstance(picture, Chart) else _figure(picture)).savefig(path, dpi=110)


def _figure(picture: Picture) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7.5), layout="constrained")
    heights = (6, 1, 1, 1) if len(picture.fills) else (6, 1, 1)
    price, spread, traded, *own = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    places = _places(picture, picture.places)
    _draw_depth(price, picture, places)
    tick = picture.price(1)
    price.plot(places, picture.bids * tick, color=BUY, linewidth=0.9, label="best bid")
    price.plot(places, picture.asks * tick, color=SELL, linewidth=0.9, label="best ask")
    _draw_trades(price, picture, places)
    _draw_own(price, picture)
    price.set_ylim(picture.price(picture.low_ticks), picture.price(picture.high_ticks))
    price.set_ylabel("price")
    price.legend(loc="upper left", fontsize=8, framealpha=0.8, ncols=3)
    spread.plot(places, (picture.asks - picture.bids) * tick, color="black", linewidth=0.7, drawstyle="steps-post")
    spread.set_ylabel("spread")
    spread.set_ylim(bottom=0)
    lot = float(picture.contract.lot)
    traded.fill_between(places, picture.traded[:, 0] * lot, step="post", color=BUY)
    traded.fill_between(places, -picture.traded[:, 2] * lot, step="post", color=SELL)
    traded.set_ylabel("traded")
    for axes in own:
        at = _places(picture, picture.fills["time_ns"])
        axes.plot(at, picture.fills["position_lots"] * lot, color=OWN_BUY, linewidth=0.9, drawstyle="steps-post")
        axes.set_ylabel("position")
    (own or [traded])[0].set_xlabel(_axis(picture))
    for axes in (price, spread, traded, *own):
        axes.margins(x=0)
        axes.ticklabel_format(useOffset=False, style="plain", axis="y")
    figure.suptitle(f"{picture.contract.name}: {picture.messages:,} messages", fontsize=11)
    return figure


def _places(picture: Picture, places: Any) -> Any:
    """Where things are on the axis: seconds after the first column, or numbers of messages."""
    return (places - picture.places[0]) / NS_PER_S if picture.has_clock and len(picture.places) else places


def _axis(picture: Picture) -> str:
    if not picture.has_clock or not len(picture.places):
        return "messages"
    first = np.datetime64(int(picture.places[0]), "ns")
    return f"seconds after {np.datetime_as_string(first, unit='ms').replace('T', ' ')} UTC"


def _draw_depth(axes: Any, picture: Picture, places: Any) -> None:
    """Shown quantity as shades: bids in one colour, asks in another, on a logarithmic scale."""
    if not len(places) or not picture.depth.any():
        return
    shown = np.sign(picture.depth) * np.log1p(np.abs(picture.depth))
    largest = np.abs(shown).max()
    end = places[-1] + (places[-1] - places[-2] if len(places) > 1 else 1)
    rows = picture.price(picture.low_ticks - 0.5 + picture.step_ticks * np.arange(len(picture.depth) + 1))
    axes.pcolormesh(np.append(places, end), rows, shown, cmap="PiYG_r", vmin=-largest, vmax=largest, alpha=0.75)


def _draw_trades(axes: Any, picture: Picture, places: Any) -> None:
    for first, colour, marker, name in ((0, BUY, "^", "bought"), (2, SELL, "v", "sold")):
        lots, value = picture.traded[:, first], picture.traded[:, first + 1]
        has = lots > 0
        if has.any():
            size = 4 + 26 * np.sqrt(lots[has] / lots[has].max())
            prices = picture.price(value[has] / lots[has])
            axes.scatter(places[has], prices, s=size, marker=marker, c=colour, linewidths=0, alpha=0.5, label=name)


def _draw_own(axes: Any, picture: Picture) -> None:
    """Own orders where they stood, and own fills."""
    for side, colour, marker, name in ((Side.BUY, OWN_BUY, "^", "own buys"), (Side.SELL, OWN_SELL, "v", "own sells")):
        stays = picture.stays[picture.stays["side"] == side]
        if len(stays):
            begin, end = (_places(picture, stays[field]) for field in ("begin_ns", "end_ns"))
            axes.hlines(picture.price(stays["price_ticks"]), begin, end, colors=colour, linewidth=1.1, alpha=0.6)
        fills = picture.fills[picture.fills["side"] == side]
        if len(fills):
            at, prices = _places(picture, fills["time_ns"]), picture.price(fills["price_ticks"])
            axes.scatter(at, prices, s=42, marker=marker, c=colour, edgecolors="white", linewidths=0.6, label=name)


# --- charts -----------------------------------------------------------------------------------------------------------


def _charted(chart: Chart) -> Any:
    """A chart's panels below each other."""
    from matplotlib.figure import Figure

    heights = [
        0.6 + 0.24 * len(panel.bars) if isinstance(panel, Bars) else 3.6 if panel.weight > 1 else 1.8
        for panel in chart.panels
    ]
    figure = Figure(figsize=(11, 0.7 + sum(heights) + 0.3 * len(heights)), layout="constrained")
    rows = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    shared: dict[str, Any] = {}
    for axes, panel in zip(rows, chart.panels, strict=True):
        if isinstance(panel, Bars):
            _draw_bars(axes, panel)
            continue
        if panel.x in shared:
            axes.sharex(shared[panel.x])
        shared.setdefault(panel.x, axes)
        _draw_panel(axes, panel)
    figure.suptitle(f"{chart.title}\n{chart.note}".strip(), fontsize=11)
    return figure


def _draw_panel(axes: Any, panel: Panel) -> None:
    for colour, curve in zip(colours(panel), panel.curves, strict=True):
        _draw_curve(axes, panel, curve, colour)
    axes.set_xlabel(panel.x)
    axes.set_ylabel(panel.label)
    if panel.has_log_x:
        axes.set_xscale("log")
    axes.yaxis.set_major_formatter("{x:,.10g}")
    if panel.from_zero:
        low, high = axes.get_ylim()
        axes.set_ylim(min(0, low), high + (high - min(0, low)) / 20)
    if len(panel.curves) > 1:
        axes.legend(loc="upper left", fontsize=8, framealpha=0.8, ncols=3)
    axes.grid(alpha=0.3)


_LOOKS: dict[str, dict[str, Any]] = {
    "steps": {"drawstyle": "steps-post"},
    "dots": {"marker": "o", "markersize": 4},
    "points": {"marker": "s", "markersize": 4, "linestyle": "none"},
}


def _draw_curve(axes: Any, panel: Panel, curve: Curve, colour: str) -> None:
    xs = np.asarray(curve.xs, "datetime64[ns]") if panel.x == TIME else curve.xs
    look = _LOOKS.get(curve.style, {})
    axes.plot(xs, curve.ys, color=colour, linewidth=0.9, label=curve.name, **look)


def _draw_bars(axes: Any, panel: Bars) -> None:
    names, values = [bar.name for bar in panel.bars], [bar.value for bar in panel.bars]
    axes.barh(names, values, color="#0b57d0", height=0.6)
    for place, bar in enumerate(panel.bars):
        end = bar.value
        if bar.low is not None and bar.high is not None:
            axes.plot([bar.low, bar.high], [place, place], color="black", linewidth=1.2)
            end = max(end, bar.high)
        axes.annotate(f" {bar.value:,.6g}", (end, place), va="center", fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlim(left=0)
    axes.set_xlabel(panel.label)
