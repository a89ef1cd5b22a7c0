"""Thresholds that officers have changed: each has a number in the log, where VENUE_SET puts its value.

The rules take a change at its place in the log, so a replay judges every moment by the thresholds of that moment.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, get_args, get_type_hints

import msgspec
import numpy as np

from engine.codes import EventKind, VenueParameter
from engine.schema import MAX_THRESHOLDS, NOTICE
from gateway.surveillance.activity import Rows
from gateway.surveillance.parameters import Parameters

CODE = VenueParameter.SURVEILLANCE
OF_THE_PROCESS = ("queue_rows",)
"""Parameters of the process and not of a rule: they stay in the configuration."""
NUMBERS = {
    "step_s": 1, "wash_window_s": 2, "wash_trades": 3, "layering_window_s": 4, "layering_orders": 5,
    "layering_ratio": 6, "layering_life_s": 7, "ignition_window_s": 8, "ignition_move_ppb": 9,
    "ignition_share_percent": 10, "ratio_window_s": 11, "ratio_messages": 12, "ratio_per_trade": 13,
    "marking_window_s": 14, "marking_move_ppb": 15, "marking_share_percent": 16, "interest_share_percent": 17,
    "interest_lots": 18, "throttle_executions": 19, "throttle_seconds": 20,
}  # fmt: skip
"""Threshold -> its number in the log, for good: the number of one that is gone is not used again."""
_NAMES = {number: name for name, number in NUMBERS.items()}
_TYPES = get_type_hints(Parameters, include_extras=True)


def check(name: str, value: int) -> None:
    """Refuse an unknown threshold and a value out of its bounds. ValueError with one line."""
    if name not in NUMBERS:
        raise ValueError(f"threshold: {name[:40]!r}; choose from {', '.join(NUMBERS)}")
    try:
        msgspec.convert(value, _TYPES[name])
    except msgspec.ValidationError:
        bounds = next(f"from {note.ge} to {note.le}" for note in _notes(_TYPES[name]) if note.ge is not None)
        raise ValueError(f"value: {value} must be {bounds} for {name}") from None


def _notes(hint: Any) -> list[Any]:
    kind, *notes = get_args(hint)
    return [*(_notes(kind) if get_args(kind) else []), *notes]


def in_state(state: Any, first: Parameters) -> Parameters:
    """The parameters in force: those of the log, and the first ones where the log has none."""
    kept = state["settings"][:MAX_THRESHOLDS]
    return replace(first, **{name: int(kept[number]) - 1 for name, number in NUMBERS.items() if kept[number]})


def differing(given: Parameters, from_: Parameters) -> dict[str, int]:
    """The thresholds of `given` that differ, with their values."""
    return {
        item.name: getattr(given, item.name)
        for item in fields(Parameters)
        if item.name in NUMBERS and getattr(given, item.name) != getattr(from_, item.name)
    }


def parts(events: Rows) -> Iterator[tuple[Rows, Mapping[str, int]]]:
    """A batch of events in parts, each with the thresholds that change right after it."""
    notices, start = events.view(NOTICE), 0
    changes = np.flatnonzero((notices["kind"] == EventKind.VENUE_CHANGED) & (notices["code"] == CODE))
    for place in changes.tolist():
        name = _NAMES.get(int(notices["index"][place]))
        yield events[start : place + 1], {name: int(notices["new_value"][place])} if name else {}
        start = place + 1
    if start < len(events):
        yield events[start:], {}
