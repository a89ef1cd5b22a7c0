"""Keeping a core awake while the only thread that works on it waits for the disk.

An idle core goes to sleep; on a virtual machine the host takes it. Waking it takes as long as a third of a quick sync,
and its caches are cold then. So a thread of the lowest priority spins meanwhile. It holds the interpreter's lock only
when it begins and when it ends, so that nobody ever waits for it to release the lock.
"""

import os
import threading
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from engine.units import JIT

_WAITING, _PARKED, _CLOSING, _WOKEN = range(4)
"""What the cells say: somebody waits; the thread sleeps; it is to end; what it read when it was woken."""
_CELL_BYTES = 8
CLOSE_SECONDS = 1.0
"""How long `close` waits for a thread that gets the core last."""


def can_keep_awake() -> bool:
    """Whether the calling thread may run on one core only, so that it is known which. Without the JIT nothing spins."""
    return JIT and len(os.sched_getaffinity(0)) == 1


class Awake:
    """A context in which the calling thread's core does not sleep: `with awake: wait`. One thread at a time uses it."""

    def __init__(self) -> None:
        _spin.compile("void(int64, int64)")  # not by the first call: that would hold the interpreter
        self._cells = np.zeros(4, np.int64)
        self._view = self._cells.data
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="awake", daemon=True)
        self._thread.start()

    def __enter__(self) -> None:
        """Most waits find the thread still spinning from the last one; then it need not be woken."""
        view = self._view
        view[_WAITING] = 1
        if view[_PARKED]:
            view[_PARKED] = 0
            os.eventfd_write(self._wake, 1)

    def __exit__(self, *_: object) -> None:
        self._view[_WAITING] = 0

    def close(self) -> None:
        """End the thread. One that does not get the core is left to the process's end."""
        self._view[_CLOSING] = 1
        os.eventfd_write(self._wake, 1)
        self._thread.join(CLOSE_SECONDS)
        if not self._thread.is_alive():
            os.close(self._wake)

    def _run(self) -> None:
        try:
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        except OSError:  # the system does not permit it: the core sleeps as usual
            return
        _spin(self._wake, self._cells.ctypes.data)


if JIT:
    _read = types.ExternalFunction("read", types.int64(types.int64, types.int64, types.int64))

    @intrinsic
    def _peek(typingctx: Any, address: Any) -> Any:
        """The int64 at an address, read anew each time."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.load_atomic(builder.inttoptr(args[0], ir.IntType(64).as_pointer()), "monotonic", 8)

        return types.int64(types.int64), codegen

    @intrinsic
    def _poke(typingctx: Any, address: Any, value: Any) -> Any:
        """Write the int64 at an address, for other threads to see."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
            builder.store_atomic(args[1], pointer, "seq_cst", 8)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), codegen

    @njit(nogil=True, cache=True)
    def _spin(wake: int, cells: int) -> None:
        """Sleep until woken, spin while somebody waits, and so on until it is to end."""
        while not _peek(cells + _CLOSING * _CELL_BYTES):
            _poke(cells + _PARKED * _CELL_BYTES, 1)
            _read(wake, cells + _WOKEN * _CELL_BYTES, _CELL_BYTES)
            while _peek(cells + _WAITING * _CELL_BYTES):
                pass
