"""Memory for a state: one mapping that costs nothing until it is touched."""

import contextlib
import mmap
from typing import Any

import numpy as np

from engine.schema import STATE

_NO_RESERVE = 0x4000
"""MAP_NORESERVE of Linux."""


def memory(huge_pages: bool) -> mmap.mmap:
    """Zeroed memory for one STATE record; huge pages where the system has them and they are asked for, else none.

    A system that gives huge pages to everybody would give two megabytes for each row that is touched.
    """
    found = mmap.mmap(-1, STATE.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE)
    with contextlib.suppress(OSError):
        found.madvise(mmap.MADV_HUGEPAGE if huge_pages else mmap.MADV_NOHUGEPAGE)
    return found


def allocate(huge_pages: bool) -> np.ndarray[Any, Any]:
    """A zeroed root: one STATE record."""
    return np.frombuffer(memory(huge_pages), STATE)
