"""Keeping a core awake while the only thread that works on it waits for the disk.

A core without work goes to sleep, on a virtual machine by giving itself back to the host: to come back takes as long as
a third of a quick sync, and its caches are cold. So a thread that everything else takes precedence over turns round
meanwhile.
"""

import os
import threading
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from engine.units import JIT


def can_keep_awake() -> bool:
    """Whether it serves: only who has one core alone knows which one to keep awake. Without the JIT nothing turns."""
    return JIT and len(os.sched_getaffinity(0)) == 1


class Awake:
    """A context in which the calling thread's core does not sleep: `with awake: wait`. One thread at a time uses it."""

    def __init__(self) -> None:
        self._is_waiting = np.zeros(1, np.int64)
        self._flag = self._is_waiting.data
        self._is_parked = False
        self._is_closing = False
        self._wanted = threading.Lock()
        self._wanted.acquire()
        self._thread = threading.Thread(target=self._run, name="awake", daemon=True)
        self._thread.start()

    def __enter__(self) -> None:
        self._flag[0] = 1
        if self._is_parked:
            self._is_parked = False
            self._wanted.release()

    def __exit__(self, *_: object) -> None:
        self._flag[0] = 0

    def close(self) -> None:
        """End the thread."""
        self._is_closing = True
        while self._thread.is_alive():
            with self:
                pass
            self._thread.join(0.001)

    def _run(self) -> None:
        """Turn round while somebody waits; else sleep too. Most waits find it still turning, so nobody need wake it."""
        try:
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        except OSError:  # a system that does not permit it: the core sleeps as it would
            return
        address = self._is_waiting.ctypes.data
        while not self._is_closing:
            self._is_parked = True
            self._wanted.acquire()
            _turn_while(address)


if JIT:

    @intrinsic
    def _peek(typingctx: Any, address: Any) -> Any:
        """The int64 at an address, read anew each time."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.load_atomic(builder.inttoptr(args[0], ir.IntType(64).as_pointer()), "monotonic", 8)

        return types.int64(types.int64), codegen

    @njit("void(int64)", nogil=True, cache=True)
    def _turn_while(address: int) -> None:
        """Until the int64 at an address is 0."""
        while _peek(address):
            pass
