"""Gives command rows to an engine and counts what happens: the part of a replay that is not about recordings."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from engine import book
from engine.code_values import EVENT_FILL, EVENT_REJECTED, EVENT_REPEATED, FLAG_TAKER
from engine.codes import NIL, Reason, Side
from engine.host import Engine
from engine.kernels import entry
from engine.recordings.batches import Book
from engine.row_access import ladder_at, level_at

_REASONS = max(Reason) + 1
_TRADES, _VOLUME, _REPEATED, _TOTALS = 0, 1, 2, 3

Rows = np.ndarray[Any, Any]


class Runner:
    """An engine that is fed command rows. Counts trades, volume, repeated orders and refusals from its events.

    `contracts` and `accounts` are how many of a recording's are open, in slots from 0.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.contracts, self.accounts = 0, 0
        self._next_seq = engine.last_seq + 1
        self._totals = np.zeros(_TOTALS, np.int64)
        self._rejects = np.zeros(_REASONS, np.int64)
        self._depth = np.zeros((4, 0), np.int64)
        self.depth(1)  # Compiled or loaded here, not while something is timed.

    def stamp(self, commands: Rows) -> None:
        """Number the commands on from the last ones; they must then be fed, in order."""
        commands["seq"] = np.arange(self._next_seq, self._next_seq + len(commands))
        self._next_seq += len(commands)

    def catch_up(self) -> None:
        """Number on from where the engine is: others have given it commands."""
        self._next_seq = self.engine.last_seq + 1

    def feed(self, commands: Rows, sink: Callable[[Rows], None]) -> None:
        """Have numbered commands applied; `sink` gets the events a ring at a time, valid until it returns."""

        def count(_: Rows, events: Rows) -> None:
            _tally(events, self._totals, self._rejects)
            sink(events)

        if len(commands):
            self.engine.feed(commands, count)

    @property
    def trades(self) -> int:
        """Trades so far."""
        return int(self._totals[_TRADES])

    @property
    def volume_lots(self) -> int:
        """Quantity traded so far."""
        return int(self._totals[_VOLUME])

    @property
    def repeated(self) -> int:
        """Orders so far that were the same as one that waits under their id."""
        return int(self._totals[_REPEATED])

    @property
    def rejects(self) -> dict[str, int]:
        """How many commands were refused so far, by reason."""
        return {Reason(code).name: int(self._rejects[code]) for code in np.flatnonzero(self._rejects).tolist()}

    def depth(self, levels: int, contract_slot: int = 0) -> Book:
        """The best visible levels of both sides."""
        if self._depth.shape[1] < levels:
            self._depth = np.zeros((4, levels), np.int64)
        bids, asks = _write_depth(self.engine.root, contract_slot, levels, self._depth)
        bid_prices, bid_lots, ask_prices, ask_lots = self._depth[:, : max(bids, asks)].tolist()
        return list(zip(bid_prices, bid_lots, strict=True))[:bids], list(zip(ask_prices, ask_lots, strict=True))[:asks]


@njit(cache=True)
def _tally(events, totals, rejects):
    for row in range(len(events)):
        event = events[row]
        if event.kind == EVENT_FILL:
            if event.flags & FLAG_TAKER:
                totals[_TRADES] += 1
                totals[_VOLUME] += event.last_lots
        elif event.kind == EVENT_REJECTED:
            rejects[event.reason] += 1
        elif event.kind == EVENT_REPEATED:
            totals[_REPEATED] += 1


@entry
def _write_depth(root, contract_slot, levels, out):
    """Write prices and quantities of the bids and of the asks, best first; how many levels of each."""
    s = root[0]
    bids = asks = 0
    if contract_slot >= s.contracts_used:
        return bids, asks
    slot = np.int64(ladder_at(s, book.ladder_of(contract_slot, Side.BUY)).first_slot)
    while slot != NIL and bids < levels:
        level = level_at(s, slot)
        if level.leaves_lots > level.hidden_lots:
            out[0, bids] = level.price_ticks
            out[1, bids] = level.leaves_lots - level.hidden_lots
            bids += 1
        slot = book.next_level(s, slot)
    slot = np.int64(ladder_at(s, book.ladder_of(contract_slot, Side.SELL)).first_slot)
    while slot != NIL and asks < levels:
        level = level_at(s, slot)
        if level.leaves_lots > level.hidden_lots:
            out[2, asks] = level.price_ticks
            out[3, asks] = level.leaves_lots - level.hidden_lots
            asks += 1
        slot = book.next_level(s, slot)
    return bids, asks
