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
    "step_s": 1, "episode_s": 2, "maker_window_s": 3, "maker_percent": 4, "spoofing_window_s": 5,
    "spoofing_ratio": 6, "spoofing_total_ratio": 7, "spoofing_kept_s": 8, "spoofing_gone_s": 9,
    "spoofing_size_ratio": 10, "flashing_window_s": 11, "flashing_orders": 12, "flashing_life_ms": 13,
    "stuffing_window_s": 14, "stuffing_messages": 15, "stuffing_maker_messages": 16, "stuffing_per_trade": 17,
    "wash_window_s": 18, "wash_trades": 19, "pair_window_s": 20, "pair_trades": 21, "pair_share_percent": 22,
    "pair_balance_percent": 23, "ring_trades": 24, "ignition_window_s": 25, "ignition_move_ppb": 26,
    "ignition_share_percent": 27, "marking_window_s": 28, "marking_move_ppb": 29, "marking_share_percent": 30,
    "samples_window_s": 31, "samples_times": 32, "samples_premium_ppb": 33, "index_window_s": 34,
    "index_move_ppb": 35, "index_share_percent": 36, "interest_share_percent": 37, "interest_lots": 38,
    "throttle_executions": 39, "throttle_seconds": 40,
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
