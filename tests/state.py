"""What a state is made of, for tests that compare two of them."""

from typing import Any

import numpy as np

from engine.journal.snapshot import regions
from engine.schema import STATE

COUNTERS = {"last_seq", "now_ns", "commands", "refusals"}
"""What a refused command may change."""
SCRATCH = {"phase", "sweeping", "work_left", "ring_address", "ring_rows", "ring_written", "next_due_ns"}
"""What means nothing between two commands."""


def parts(root: np.ndarray[Any, Any]) -> dict[str, bytes]:
    """The bytes in use: each field of the header by its name but counters and scratch, the rest by its place."""
    fields = STATE.fields or {}
    header_bytes = fields["contracts"][1]
    header = [name for name in fields if fields[name][1] < header_bytes and name not in COUNTERS | SCRATCH]
    content = root.view(np.uint8)
    rest = {f"bytes from {start}": content[start:stop].tobytes() for start, stop in regions(root) if start > 0}
    return {name: np.asarray(root[name]).tobytes() for name in header} | rest


def changed(before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    """The names of the parts that differ."""
    return [name for name in before | after if after.get(name) != before.get(name)]
