"""Runs command rows on a state and counts what happens: the part of a replay that is not about recordings."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import njit

from engine import book, step
from engine.codes import NIL, EventFlag, EventKind, Reason, Side
from engine.recordings.batches import Book
from engine.schema import EVENT

RING_ROWS = 16_384
"""Small enough that events are still in the processor's cache when they are counted."""

_FILL, _REJECTED, _TAKER = int(EventKind.FILL), int(EventKind.REJECTED), int(EventFlag.TAKER)
_REASONS = max(Reason) + 1
_TRADES, _VOLUME, _TOTALS = 0, 1, 2


class Runner:
    """A state that takes command rows. Stamps `seq`; counts trades, volume, refusals and the time inside the engine."""

    def __init__(self, root: np.ndarray[Any, Any], ring_rows: int = RING_ROWS) -> None:
        self.root = root
        self.engine_ns = 0
        self._next_seq = int(root[0]["last_seq"]) + 1
        self._ring = np.zeros(ring_rows, EVENT)
        self._totals = np.zeros(_TOTALS, np.int64)
        self._rejects = np.zeros(_REASONS, np.int64)
        self._depth = np.zeros((4, 0), np.int64)

    def stamp(self, commands: np.ndarray[Any, Any]) -> None:
        """Number the commands on from the last ones; they must then be applied, in order."""
        commands["seq"] = np.arange(self._next_seq, self._next_seq + len(commands))
        self._next_seq += len(commands)

    def apply(self, commands: np.ndarray[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
        """Apply stamped commands; yields the events as they come, each valid only until the next."""
        done = 0
        while done < len(commands):
            begun = time.perf_counter_ns()
            consumed, written = step.apply_batch(self.root, commands[done:], self._ring)
            self.engine_ns += time.perf_counter_ns() - begun
            done += consumed
            events = self._ring[:written]
            if written:
                _tally(events, self._totals, self._rejects)
            yield events

    @property
    def trades(self) -> int:
        """Trades so far."""
        return int(self._totals[_TRADES])

    @property
    def volume_lots(self) -> int:
        """Quantity traded so far."""
        return int(self._totals[_VOLUME])

    @property
    def rejects(self) -> dict[str, int]:
        """How many commands were refused so far, by reason."""
        return {Reason(code).name: int(self._rejects[code]) for code in np.flatnonzero(self._rejects).tolist()}

    def depth(self, levels: int, contract_slot: int = 0) -> Book:
        """The best visible levels of both sides."""
        if self._depth.shape[1] < levels:
            self._depth = np.zeros((4, levels), np.int64)
        bids, asks = _write_depth(self.root, contract_slot, levels, self._depth)
        bid_prices, bid_lots, ask_prices, ask_lots = self._depth[:, : max(bids, asks)].tolist()
        return list(zip(bid_prices, bid_lots, strict=True))[:bids], list(zip(ask_prices, ask_lots, strict=True))[:asks]


@njit
def _tally(events, totals, rejects):
    for row in range(len(events)):
        event = events[row]
        if event.kind == _FILL:
            if event.flags & _TAKER:
                totals[_TRADES] += 1
                totals[_VOLUME] += event.last_lots
        elif event.kind == _REJECTED:
            rejects[event.reason] += 1


@njit
def _write_depth(root, contract_slot, levels, out):
    """Write prices and quantities of the bids and of the asks, best first; how many levels of each."""
    s = root[0]
    bids = _write_side(s, book.ladder_of(contract_slot, Side.BUY), levels, out[0], out[1])
    return bids, _write_side(s, book.ladder_of(contract_slot, Side.SELL), levels, out[2], out[3])


@njit
def _write_side(s, ladder_slot, levels, prices, lots):
    slot = s.ladders[ladder_slot].first_slot
    count = 0
    while slot != NIL and count < levels:
        level = s.levels[slot]
        if level.leaves_lots > level.hidden_lots:
            prices[count] = level.price_ticks
            lots[count] = level.leaves_lots - level.hidden_lots
            count += 1
        slot = book.next_level(s, slot)
    return count
