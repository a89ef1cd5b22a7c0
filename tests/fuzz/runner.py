"""Rounds of inputs: a round is the same to the last byte for the same target, seed and number, whoever runs it."""

import contextlib
import gc
import logging
import multiprocessing
import shutil
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

POOL = 2_000
"""How many inputs with a shape of their own a round keeps to go on from."""
SHRINK_TRIES = 3_000
_MEMORY = Path("/dev/shm")


@dataclass
class Found:
    """An input for which a rule does not hold."""

    target: str
    seed: int
    round: int
    what: str
    data: bytes

    @property
    def kind(self) -> str:
        """Equal for faults that are likely the same."""
        return "".join(letter for letter in self.what[:100] if not letter.isdigit())


@dataclass
class Round:
    """What a round came to."""

    number: int
    inputs: int = 0
    seconds: float = 0.0
    shapes: Counter[str] = field(default_factory=Counter)
    found: list[Found] = field(default_factory=list)


@contextlib.contextmanager
def made(name: str) -> Iterator[Target]:
    """A target in a folder of its own, in memory where the machine has that."""
    folder = Path(tempfile.mkdtemp(prefix="lionrock-fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None))
    logger = logging.getLogger("lionrock")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        target = TARGETS[name](folder)
        try:
            yield target
        finally:
            target.close()
    finally:
        logger.setLevel(level)
        shutil.rmtree(folder, ignore_errors=True)


def problem(target: Target, data: bytes) -> tuple[str, str]:
    """(The shape of what came of an input, what is wrong with it); nothing wrong is an empty text."""
    try:
        return target.check(data), ""
    except AssertionError as error:
        return "", f"{type(error).__name__}: {error}"
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return "", f"{type(error).__name__}: {error} ({Path(last.filename).name}, {last.name})"


def run_round(name: str, seed: int, number: int, inputs: int = 0, most_found: int = 20) -> Round:
    """Run one round, or its first inputs."""
    begun = time.monotonic()
    chance, round_ = Random(f"{name} {seed} {number}"), Round(number)
    kinds: set[str] = set()
    with made(name) as target:
        pool = [*target.bases(), *map(target.loaded, target.kept())]
        wanted = min(inputs or target.round_inputs, target.round_inputs)
        while round_.inputs < wanted:
            data = target.make(chance, pool)
            shape, wrong = problem(target, data)
            round_.inputs += target.count(data)
            if wrong:
                found = Found(name, seed, number, wrong, data)
                if found.kind not in kinds and len(kinds) < most_found:
                    kinds.add(found.kind)
                    round_.found.append(found)
                continue
            if shape not in round_.shapes and len(pool) < POOL:
                pool.append(data)
            round_.shapes[shape] += 1
    round_.seconds = time.monotonic() - begun
    return round_


def _one(order: tuple[str, int, int, int]) -> Round:
    result = run_round(*order)
    gc.collect()
    return result


def rounds(name: str, seed: int, first: int, inputs: int, processes: int) -> Iterator[Round]:
    """Rounds until there were so many inputs, in no particular order; the last one may be short."""
    size = TARGETS[name].round_inputs
    orders = [(name, seed, first + place, min(size, inputs - at)) for place, at in enumerate(range(0, inputs, size))]
    if processes < 2 or len(orders) < 2:
        yield from map(_one, orders)
        return
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        yield from pool.imap_unordered(_one, orders)


def shrunk(found: Found) -> bytes:
    """The shortest input that was found to fail in the same way on a target of its own; the input itself if it does
    not fail there: then it needs what the round did before.
    """
    with made(found.target) as target:
        if not problem(target, found.data)[1]:
            return found.data
        best, tries = found.data, 0
        while tries < SHRINK_TRIES:
            for piece in target.pieces(best):
                tries += 1
                wrong = problem(target, piece)[1]
                if wrong and Found(found.target, 0, 0, wrong, piece).kind == found.kind:
                    best = piece
                    break
                if tries >= SHRINK_TRIES:
                    break
            else:
                break
        return best
