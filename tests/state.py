"""What a state is made of, for tests that compare two of them."""

from typing import Any

import numpy as np

from engine.schema import POOLED, STATE

COUNTERS = {"last_seq", "now_ns", "commands", "refusals"}
"""What a refused command may change."""
SCRATCH = {"taker", "phase", "sweeping", "work_left", "ring_address", "ring_rows", "ring_written", "next_due_ns"}
"""What means nothing between two commands."""
FIXED = ("ladders", "jobs")
CELLS = {"order_cells": "order_map", "position_cells": "position_map"}


def parts(root: np.ndarray[Any, Any]) -> dict[str, bytes]:
    """The bytes in use of every part of a state by name, counters and scratch left out."""
    state = root[0]
    found = {}
    for name in STATE.names or ():
        if name in COUNTERS | SCRATCH:
            continue
        if name in POOLED:
            found[name] = state[name][: int(state[POOLED[name]])].tobytes()
        elif name in CELLS:
            found[name] = state[name][: 4 * int(state[CELLS[name]]["size"])].tobytes()
        else:
            found[name] = np.asarray(state[name]).tobytes()
    return found


def changed(before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    """The names of the parts that differ."""
    return [name for name, content in before.items() if after[name] != content]
