"""Runs an engine from one small buffer that stays in the cache, and measures the time inside the engine alone."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.measurement import BenchError
from engine import host, row_access, step
from engine.codes import EventKind, Mode
from engine.recordings.batches import ContractSpec, Reader
from engine.recordings.research import opening
from engine.recordings.synthetic import SyntheticReader
from engine.schema import COMMAND, EVENT, VENUE, Capacities

BATCH_ROWS = 512

Rows = np.ndarray[Any, Any]
Sink = Callable[[int, Rows], None]
"""(place of the batch's first command, its events)."""


@dataclass(frozen=True)
class Timing:
    """Nanoseconds inside the engine for each batch, and how many commands each had."""

    batch_ns: Rows
    batch_rows: Rows

    @property
    def rate(self) -> float:
        """Commands a second inside the engine."""
        return float(self.batch_rows.sum() / self.batch_ns.sum() * 1e9)

    @property
    def command_ns(self) -> Rows:
        """Nanoseconds a command, batch by batch."""
        return self.batch_ns / self.batch_rows


class EngineRunner:
    """A state and the two buffers that a caller of the engine keeps."""

    def __init__(self, root: Rows, batch_rows: int = BATCH_ROWS) -> None:
        self.root = root
        self.batch_rows = batch_rows
        self.batch = np.zeros(batch_rows, COMMAND)
        self.ring = np.zeros(host.RING_ROWS, EVENT)
        self.batch_address = row_access.address_of(self.batch)
        self.ring_address = row_access.address_of(self.ring)

    def apply(self, commands: Rows, sink: Sink | None = None) -> Timing:
        """Apply numbered commands in batches; what copies a batch and what looks at its events is not measured."""
        places = range(0, len(commands), self.batch_rows)
        batch_ns, batch_rows = np.zeros(len(places), np.int64), np.zeros(len(places), np.int64)
        for number, start in enumerate(places):
            count = min(self.batch_rows, len(commands) - start)
            self.batch[:count] = commands[start : start + count]
            begun = time.perf_counter_ns()
            consumed, written = step.apply_rows(self.root, self.batch_address, count, self.ring_address, len(self.ring))
            batch_ns[number] = time.perf_counter_ns() - begun
            batch_rows[number] = count
            if consumed != count:
                raise BenchError(f"commands {start}..{start + count - 1} wrote more events than the ring has rows")
            if sink is not None:
                sink(start, self.ring[:written])
        return Timing(batch_ns, batch_rows)

    def digest(self) -> str:
        """The state's digest."""
        return host.digest(self.root)


def market(spec: ContractSpec, capacities: Capacities = VENUE) -> tuple[EngineRunner, int]:
    """An open research market in a new state, and the sequence that its first command must have."""
    runner = EngineRunner(host.create(capacities, Mode.RESEARCH))
    commands = opening(spec, capacities.orders)
    numbered(commands, 1)
    refused: list[int] = []
    runner.apply(commands, lambda place, events: refused.extend(events["kind"][events["kind"] == EventKind.REFUSED]))
    if refused:
        raise BenchError(f"{spec}: the market cannot be opened")
    return runner, len(commands) + 1


def numbered(commands: Rows, first_seq: int) -> Rows:
    """The commands, numbered from a sequence on."""
    commands["seq"] = np.arange(first_seq, first_seq + len(commands))
    return commands


def read(reader: Reader) -> tuple[Rows, Rows]:
    """All commands of a recording, and what it calls each of them."""
    batches = list(reader.batches())
    commands = np.concatenate([batch.commands for batch in batches])
    return commands, np.concatenate([batch.sequences for batch in batches])


def synthetic(seed: int, count: int) -> tuple[SyntheticReader, Rows]:
    """Generated flow: its reader and its commands."""
    reader = SyntheticReader(seed, count)
    return reader, read(reader)[0]
