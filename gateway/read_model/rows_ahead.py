"""Rows in memory, which a thread has the system give before they are needed, and what else is done beside the loop.

The system gives new memory when it is first written to, and clears it then. On a virtual machine that may take several
milliseconds for a huge page: an order that is the first to write there would wait, and so would all behind it.
"""

import ctypes
import logging
import mmap
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from gateway.read_model.event_fold import LEG_ROW

SEGMENT_ROWS = 1 << 16
FIRST_ROWS = 1 << 11
"""A segment that has so many rows is in use: then the rest of it is wanted."""
BEHIND = (1 << 63) - 1
"""A place behind every row."""
MAPPED_BYTES = 1 << 20
_PIECE_BYTES, _PAUSE_SECONDS = 1 << 16, 0.001
"""Whoever waits for the core or for the interpreter gets it after each piece, some tenths of a millisecond."""
_GIVEN_NS = 10_000
"""A piece that took no longer was there already. There is no pause after it, or a loop that is quicker than this thread
would leave it behind for good: what it has to do with rows that are over would wait as well."""
_POPULATE_WRITE = 23
"""MADV_POPULATE_WRITE of Linux 5.14: have the pages, as if somebody had written to them. What they hold stays."""
_LOG = logging.getLogger("lionrock.history")
_madvise = ctypes.CDLL(None, use_errno=True).madvise
_madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def new_rows(rows: int) -> Any:
    """Rows of zeros. Many of them are a mapping of their own, which goes back to the system with its last reader.

    In the C library's heap segments that come and go would leave holes among what stays.
    """
    size_bytes = rows * LEG_ROW.itemsize
    if size_bytes < MAPPED_BYTES:
        return np.zeros(rows, LEG_ROW)
    return np.frombuffer(mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), LEG_ROW)


class RowsAhead:
    """The memory of one log's segments: `look` when its newest one has `at` rows or more, `take` for the next one."""

    def __init__(self) -> None:
        self.at = FIRST_ROWS
        self._next: Any = None
        self._spare: deque[mmap.mmap] = deque(maxlen=1)
        """Memory that the system has given and nobody uses any more."""

    def let_go(self, legs: Any) -> None:
        """These rows leave memory. When their last reader has let go of them too, a later segment has their memory."""
        owner = legs.base.obj if isinstance(legs.base, memoryview) else legs.base
        if isinstance(owner, mmap.mmap):
            weakref.finalize(legs, self._spare.append, owner).atexit = False

    def _spare_rows(self, rows: int) -> Any:
        """So many rows, of what were others, where there is memory for just so many; else None."""
        spare = self._spare.pop() if self._spare else None
        return np.frombuffer(spare, LEG_ROW) if spare is not None and len(spare) == rows * LEG_ROW.itemsize else None

    def look(self, legs: Any, used: int, wants_next: bool = True) -> None:
        """Have the rest of the newest segment's memory given, and from half of it on that of the next one."""
        is_first, self.at = self.at == FIRST_ROWS, BEHIND
        if legs.nbytes < MAPPED_BYTES:
            return
        if is_first and used < len(legs) // 2:
            self.at = len(legs) // 2
            HELPER.do(legs, partial(give, legs[used:]))
        elif wants_next:
            self._next = self._spare_rows(len(legs))
            if self._next is None:
                self._next = new_rows(len(legs))
                HELPER.do(legs, partial(give, self._next))

    def take(self, rows: int) -> Any:
        """Memory for the next segment, of so many rows; it may hold rows that were let go."""
        found, self._next = self._next, None
        if found is None or len(found) != rows:
            self.at = FIRST_ROWS
            return new_rows(rows)
        self.at = rows // 2
        return found


class _Helper:
    """The thread, which begins with the first thing that there is to do. It does one after the other."""

    def __init__(self) -> None:
        self._calls: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def do(self, legs: Any, call: Callable[[], None], goes_first: bool = False) -> None:
        """Have something done with some rows soon, if it goes first ahead of what waits; at once when they are few."""
        if legs.nbytes < MAPPED_BYTES:
            call()
            return
        with self._changed:
            self._calls.insert(1 if goes_first else len(self._calls), call)  # the first is being done
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="rows", daemon=True)
                self._thread.start()

    def wait(self) -> None:
        """Wait until all of it is done."""
        with self._changed:
            self._changed.wait_for(lambda: not self._calls)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._calls)
                call = self._calls[0]
            try:
                call()
            except Exception:  # nobody waits for it: what it had to do is only done later, or more slowly
                _LOG.exception("rows ahead: a step failed")
            del call
            with self._changed:
                self._calls.popleft()
                self._changed.notify_all()


def give(legs: Any) -> None:
    """Have the system give the memory of some rows. Where it cannot do that beforehand, nothing is lost."""
    begin = legs.ctypes.data
    first, end = -(-begin // mmap.PAGESIZE) * mmap.PAGESIZE, (begin + legs.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE
    for piece in range(first, end, _PIECE_BYTES):
        begun_ns = time.perf_counter_ns()
        if _madvise(piece, min(_PIECE_BYTES, end - piece), _POPULATE_WRITE):
            return
        if time.perf_counter_ns() - begun_ns > _GIVEN_NS:
            time.sleep(_PAUSE_SECONDS)


HELPER = _Helper()
os.register_at_fork(after_in_child=HELPER.__init__)  # type: ignore[misc]
