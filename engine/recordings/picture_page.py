"""A picture of a recording as one page that needs nothing else: its data, and a script that draws them.

Written here and not with a library of plots: those that draw such a page bring some megabytes of script or fetch it
from elsewhere, and a picture has to open on a machine without a network.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from engine.recordings.pictures import Picture

TEMPLATE = Path(__file__).with_name("picture_page.html")
_SHADES = 90


@cache
def _template() -> str:
    return TEMPLATE.read_text(encoding="utf-8")


def page(picture: Picture) -> str:
    """The page's text."""
    data = json.dumps(_data(picture), separators=(",", ":"), allow_nan=False)
    return _template().replace("/*DATA*/null", data.replace("</", "<\\/"))


def _data(picture: Picture) -> dict[str, Any]:
    """What the script draws. Times are milliseconds since the first column; prices in ticks, quantities in lots."""
    begin = int(picture.places[0]) if len(picture.places) else 0
    scale = 1e-6 if picture.has_clock else 1
    return {
        "name": picture.contract.name, "tick": picture.contract.tick, "lot": picture.contract.lot,
        "messages": picture.messages, "hasClock": picture.has_clock,
        "begin": begin // 1_000_000 if picture.has_clock else 0,
        "places": [round((place - begin * picture.has_clock) * scale, 6) for place in picture.places.tolist()],
        "bids": _numbers(picture.bids), "asks": _numbers(picture.asks),
        "bought": _traded(picture.traded[:, :2]), "sold": _traded(picture.traded[:, 2:]),
        "low": picture.low_ticks, "step": picture.step_ticks, "rows": len(picture.depth),
        "depth": _shades(picture.depth),
        "largest": float(np.abs(picture.depth).max(initial=0)),
        "fills": _own(picture.fills, ("time_ns", "price_ticks", "qty_lots", "side"), begin),
        "stays": _own(picture.stays, ("begin_ns", "end_ns", "price_ticks", "side"), begin),
    }  # fmt: skip


def _numbers(values: Any) -> list[int | None]:
    return [None if np.isnan(value) else int(value) for value in values.tolist()]


def _traded(values: Any) -> list[list[float] | None]:
    """[quantity, average price] of each column, or nothing."""
    return [[lots, round(value / lots, 2)] if lots else None for lots, value in values.tolist()]


def _shades(depth: Any) -> list[str]:
    """Each column's quantities from the lowest price up, a character each: logarithmic shades, asks then bids."""
    largest = np.log1p(np.abs(depth).max(initial=0)) or 1.0
    shade = np.ceil(np.log1p(np.abs(depth)) / largest * (_SHADES // 2 - 1)).astype(np.int64)
    codes = 35 + shade + (depth < 0) * (_SHADES // 2)
    codes[codes >= ord("\\")] += 1  # no backslash: every character is one byte of the page
    return ["".join(map(chr, column)) for column in codes.T.tolist()]


def _own(rows: Any, names: tuple[str, ...], begin: int) -> list[list[float]]:
    """Own fills or stays, times in milliseconds since the first column."""
    found = []
    for row in rows:
        found.append([
            round((int(row[name]) - begin) / 1e6, 6) if name.endswith("_ns") else int(row[name]) for name in names
        ])  # fmt: skip
    return found
