"""Calls a compiled entry of the engine from a compiled loop, with commands that arrive at a fixed rate.

The loop polls the clock and gives the engine whatever is due, so a batch is as large as the one before was slow.
Nothing of Python is in it. An entry that does nothing, called by the same loop, shows what the machine alone adds.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import njit

from bench.engine_runner import EngineRunner, Rows
from bench.measurement import BenchError
from engine.kernels import entry
from engine.schema import COMMAND

NS_PER_S = 1_000_000_000
CLOCK_MONOTONIC = 1
ROW_WORDS = COMMAND.itemsize // 8
CALL_WORDS = 13
"""An entry's arguments as words: a place for the result, one for an error, seven for an array, and four numbers."""


@entry
def nothing(root, address, count, ring, ring_rows):
    """An entry with the engine's arguments that does nothing: every command is consumed, no event is written."""
    return count, 0


def _clock() -> Any:
    """The system's function that reads a clock, callable from compiled code."""
    clock_gettime = ctypes.CDLL(None).clock_gettime
    clock_gettime.argtypes, clock_gettime.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_int
    return clock_gettime


@cache
def _loop(address: int) -> Callable[..., int]:
    """The loop around the entry whose code lies at an address."""
    call = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_int64] * CALL_WORDS)(address)
    clock = _clock()

    @njit
    def now_ns(instant):
        clock(CLOCK_MONOTONIC, instant.ctypes)
        return instant[0] * NS_PER_S + instant[1]

    @njit
    def loop(commands, batch, words, returned, gap_ps, delays_ns):
        instant = np.zeros(2, np.int64)
        done, total, w = 0, len(delays_ns), words
        begun_ns = now_ns(instant)
        while done < total:
            arrived = (now_ns(instant) - begun_ns) * 1000 // gap_ps + 1
            stop = min(arrived, total, done + len(batch))
            if stop == done:
                continue
            batch[: stop - done] = commands[done:stop]
            call(w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8], w[9], stop - done, w[11], w[12])
            if returned[0] != stop - done:
                break
            ended_ns = now_ns(instant) - begun_ns
            for place in range(done, stop):
                delays_ns[place] = ended_ns - place * gap_ps // 1000
            done = stop
        return done

    return loop


class Arrivals:
    """Gives commands to an entry at a fixed rate."""

    def __init__(self, function: Any, runner: EngineRunner) -> None:
        arguments = runner.root, runner.batch_address, 0, runner.ring_address, len(runner.ring)
        function(*arguments)
        compiled = function.overloads[function.signatures[0]]
        self._loop = _loop(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))
        self._runner, self._error, self._returned = runner, np.zeros(1, np.int64), np.zeros(2, np.int64)
        root = runner.root
        array = 0, 0, root.size, root.itemsize, root.ctypes.data, root.shape[0], root.strides[0]
        words = self._returned.ctypes.data, self._error.ctypes.data, *array, *arguments[1:]
        self._words = np.array(words, np.int64)

    def run(self, commands: Rows, rate: float) -> Rows:
        """Nanoseconds from when each command arrived until its batch was done; the first arrives at once."""
        delays_ns = np.zeros(len(commands), np.int64)
        rows, batch = (array.view(np.int64).reshape(-1, ROW_WORDS) for array in (commands, self._runner.batch))
        done = self._loop(rows, batch, self._words, self._returned, round(1000 * NS_PER_S / rate), delays_ns)
        if done != len(commands):
            raise BenchError(f"commands from {done} on wrote more events than the ring has rows")
        return delays_ns
