"""What a recording looks like: best prices, spread, depth, trades and own orders over time, gathered for a picture.

    picture = gather(open_recording("synthetic:1:200000"))
    draw(picture, "synthetic.png")

A recording is read once, whatever its length: it is looked at in short intervals, and whenever there are too many of
them, two become one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np

from engine.codes import CommandKind, EventFlag, EventKind, Side
from engine.recordings.batches import Batch, ContractSpec, Reader, contracts_of
from engine.recordings.event_batches import running_times
from engine.recordings.own_orders import FILL, STAY
from engine.recordings.replay import prepare
from engine.recordings.research import open_market
from engine.recordings.source import RecordingError
from engine.schema import MAX_CONTRACTS

COLUMNS = 600
"""A picture has at least so many columns, where there are so many messages, and at most twice as many."""
LEVELS = 60
"""Levels of a side that are looked at for the depth."""
ROWS = 160
"""Rows of prices that the depth is shown in, at most."""
PERCENT_APART = 1
"""So many percent of the best prices may lie above the picture, and below."""
_TRADED = ("buy_lots", "buy_value", "sell_lots", "sell_value")

Rows = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Picture:
    """What is drawn, by column. Prices in ticks, NaN where there is none; quantities in lots.

    `places` are recorded times in ns, or numbers of messages where `has_clock` is not set. `traded` has for each column
    quantity and price x quantity of what aggressors bought and sold. `depth` has a row of shown quantity for each
    price from `low_ticks` up in steps of `step_ticks`, bids below 0.
    """

    contract: ContractSpec
    has_clock: bool
    places: Rows
    bids: Rows
    asks: Rows
    traded: Rows
    depth: Rows
    low_ticks: int
    step_ticks: int
    messages: int
    fills: Rows = field(default_factory=lambda: np.zeros(0, FILL))
    stays: Rows = field(default_factory=lambda: np.zeros(0, STAY))

    @property
    def high_ticks(self) -> int:
        """The price above the last row of the depth."""
        return self.low_ticks + len(self.depth) * self.step_ticks

    def price(self, ticks: Any) -> Any:
        """A price of the contract, or an array of them, as floating point: to be drawn, not to be counted with."""
        return ticks * float(Decimal(self.contract.tick))

    def with_own(self, fills: Rows, stays: Rows, contract_slot: int = 0) -> "Picture":
        """The same with own fills (FILL rows) and the times that own orders stood at a price (STAY rows)."""
        mine = [rows[rows["contract_slot"] == contract_slot] for rows in (fills, stays)]
        return Picture(**{**self.__dict__, "fills": mine[0], "stays": mine[1]})


@dataclass
class _Column:
    """One interval: its end, the book there, what traded in it."""

    place: int
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]
    traded: Rows


def gather(
    recording: Reader,
    contract: str = "",
    until_message: int | None = None,
    until_ns: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Picture:
    """Replay a recording and keep what a picture of one of its contracts needs: of the first, where none is named.

    RecordingError as from `replay`, and for a name that the recording does not have. `progress` as in its options.
    """
    gathered = _Gathered(recording, contract)
    for batch in recording.batches():
        rows, _, ended = batch.until(until_message, until_ns)
        gathered.take(batch, running_times(batch, gathered.now_ns), rows)
        if progress is not None:
            progress(batch.read, recording.total)
        if ended:
            break
    return gathered.picture()


class _Gathered:
    """What was gathered so far."""

    def __init__(self, recording: Reader, contract: str) -> None:
        self.recording, self.contract = recording, contract
        self.slot = MAX_CONTRACTS if contract else 0
        self.runner = prepare(recording)
        self.columns: list[_Column] = []
        self.interval = 1
        self.has_clock = recording.has_clock
        self.now_ns, self.messages = 0, 0
        self._traded = np.zeros(len(_TRADED))

    def take(self, batch: Batch, times: Rows, rows: int) -> None:
        """The first rows of a batch, in intervals."""
        if not self.recording.is_log:
            open_market(self.runner, self.recording)
            self.runner.stamp(batch.commands)
        if self.slot == MAX_CONTRACTS:
            names = [spec.name for spec in contracts_of(self.recording)]
            self.slot = names.index(self.contract) if self.contract in names else self.slot
        if rows and not self.messages and not times.any() and not self.recording.is_log:
            self.has_clock = False
        places = times if self.has_clock else batch.messages
        start = 0
        while start < rows:
            end = (int(places[start]) // self.interval + 1) * self.interval
            stop = min(rows, int(np.searchsorted(places, end, "left")))
            stop += stop < len(batch.commands) and bool(batch.commands["kind"][stop] == CommandKind.LABEL)
            self.runner.feed(batch.commands[start:stop], self._trade)
            if places[stop - 1]:  # what opens a journal's market has no time
                self._look(int(places[stop - 1]))
            start = stop
        if rows:
            self.now_ns, self.messages = int(times[rows - 1]), int(batch.messages[rows - 1])

    def _trade(self, events: Rows) -> None:
        is_taker = (events["kind"] == EventKind.FILL) & (events["flags"] & EventFlag.TAKER != 0)
        fills = events[is_taker & (events["contract_slot"] == self.slot)]
        for side, first in ((Side.BUY, 0), (Side.SELL, 2)):
            own = fills[fills["side"] == side]
            lots = own["last_lots"].astype(float)
            self._traded[first : first + 2] += lots.sum(), (lots * own["price_ticks"]).sum()

    def _look(self, place: int) -> None:
        """The end of a piece of an interval: of the last column's, or of a new one."""
        if self.columns and self.columns[-1].place // self.interval == place // self.interval:
            self._traded += self.columns.pop().traded
        self.columns.append(_Column(place, *self.runner.depth(LEVELS, self.slot), self._traded))
        self._traded = np.zeros(len(_TRADED))
        while len(self.columns) > 2 * COLUMNS:
            self._halve()

    def _halve(self) -> None:
        """Intervals twice as long: the later of two columns takes over what traded in the earlier one."""
        self.interval *= 2
        merged: list[_Column] = []
        for column in self.columns:
            if merged and merged[-1].place // self.interval == column.place // self.interval:
                column.traded = column.traded + merged.pop().traded
            merged.append(column)
        self.columns = merged

    def picture(self) -> Picture:
        """Everything gathered, in arrays."""
        contracts = contracts_of(self.recording)
        if self.slot == MAX_CONTRACTS:
            names = ", ".join(spec.name for spec in contracts)
            raise RecordingError(f"{self.contract}: no contract of the recording, which has {names or 'none'}")
        spec = contracts[self.slot] if self.slot < len(contracts) else self.recording.contract
        bids, asks = (
            np.array([side[0][0] if side else np.nan for side in sides])
            for sides in ([column.bids for column in self.columns], [column.asks for column in self.columns])
        )
        low, step, rows = _grid(bids, asks)
        depth = np.zeros((rows, len(self.columns)))
        for place, column in enumerate(self.columns):
            for levels, sign in ((column.bids, -1), (column.asks, 1)):
                if levels:
                    prices, lots = np.array(levels, float).T
                    at = (prices.astype(np.int64) - low) // step
                    inside = (at >= 0) & (at < rows)
                    np.add.at(depth[:, place], at[inside], sign * lots[inside])
        return Picture(
            spec, self.has_clock, np.array([column.place for column in self.columns], np.int64), bids, asks,
            np.array([column.traded for column in self.columns]).reshape(-1, len(_TRADED)), depth, low, step,
            self.messages,
        )  # fmt: skip


def _grid(bids: Rows, asks: Rows) -> tuple[int, int, int]:
    """(lowest price, ticks a row, rows) of the depth: around nearly all best prices, at least some spreads wide."""
    best = np.concatenate([bids, asks])
    best = best[~np.isnan(best)]
    if not len(best):
        return 1, 1, 1
    low, high = np.percentile(best, (PERCENT_APART, 100 - PERCENT_APART))
    spreads = (asks - bids)[~np.isnan(asks - bids)]
    margin = max(5.0, 0.15 * (high - low), 10 * float(np.median(spreads)) if len(spreads) else 0.0)
    lowest, highest = max(1, int(low - margin)), int(high + margin)
    step = -(-(highest - lowest + 1) // ROWS)
    return lowest, step, -(-(highest - lowest + 1) // step)
