"""Many seeds on several processes, which are forked from one that has loaded all compiled code."""

import atexit
import gc
import multiprocessing
import shutil
import signal
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from tests.simulation import world
from tests.simulation.genesis import genesis
from tests.simulation.machine import new_folder, prepare_process
from tests.simulation.world import Genesis, Result

CHUNK = 10
_moved: list[Genesis] = []
"""The beginning of all worlds in a process that was forked."""


class Outcome(NamedTuple):
    """A seed and what it came to."""

    seed: int
    result: Result


@cache
def ready() -> Genesis:
    """The beginning of all worlds in this process, made once."""
    prepare_process()
    folder = new_folder()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = genesis(folder / "data")
    world.run(made, 0, world.steps_of(0, 50))
    gc.collect()
    gc.freeze()
    return made


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that prints the table
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _moved[:] = [ready().moved(ready().folder.parent / multiprocessing.current_process().name)]


def _chunk(order: tuple[list[int], int]) -> list[Outcome]:
    seeds, steps = order
    found = []
    for seed in seeds:
        found.append(Outcome(seed, world.run(_moved[0] if _moved else ready(), seed, world.steps_of(seed, steps))))
    return found


def outcomes(seeds: range, steps: int, processes: int) -> Iterator[list[Outcome]]:
    """The outcomes of all seeds, some at a time, in no particular order."""
    orders = [(list(seeds[first : first + CHUNK]), steps) for first in range(0, len(seeds), CHUNK)]
    ready()
    if processes < 2:
        yield from map(_chunk, orders)
        return
    with multiprocessing.get_context("fork").Pool(processes, _begin) as pool:
        yield from pool.imap_unordered(_chunk, orders)
