"""Candles: the closed minutes of each contract, longer periods built from them, and the statistics of 24 hours."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from gateway.read_model.history_store import HistoryStore
from gateway.read_model.market_minutes import CANDLE_NS
from gateway.read_model.series import Series
from gateway.wire.views import Candle

DAY_NS = 86_400_000_000_000
DAY_MINUTES = 1440
MINUTE = np.dtype(
    [
        ("time_ns", "i8"),  # when it began
        ("open_ticks", "i8"),
        ("high_ticks", "i8"),
        ("low_ticks", "i8"),
        ("close_ticks", "i8"),
        ("volume_lots", "i8"),
        ("volume_tick_lots", "i8"),
        ("lots_before", "i8"),  # traded in all minutes before it
    ]
)
_SERIES = 1
"""The number of the candles in a store."""


@dataclass(slots=True)
class DayStatistics:
    """High, low, first price and volume of the last 24 hours; 0 without a trade."""

    high_ticks: int = 0
    low_ticks: int = 0
    open_ticks: int = 0
    volume_lots: int = 0
    volume_tick_lots: int = 0


class Candles:
    """Closed one-minute candles by contract slot, in order of time; a minute without a trade has none."""

    def __init__(self, store: HistoryStore | None = None) -> None:
        self.series = Series("candles", _SERIES, MINUTE, DAY_MINUTES, store)
        self._volumes: dict[int, int] = {}
        self._statistics: dict[int, tuple[tuple[int, int], DayStatistics]] = {}

    def add(self, contract_slot: int, candle: Candle) -> None:
        """Add a closed minute."""
        before = self._volume(contract_slot)
        self.series.append(
            contract_slot,
            (candle.start_ns, *_prices(candle), candle.volume_lots, candle.volume_tick_lots, before),
        )
        self._volumes[contract_slot] = before + candle.volume_lots

    def _volume(self, contract_slot: int) -> int:
        """What was traded in all closed minutes."""
        known = self._volumes.get(contract_slot)
        if known is None:
            count = self.series.count(contract_slot)
            last = self.series.rows(contract_slot, count - 1, count) if count else []
            known = int(last[0]["lots_before"] + last[0]["volume_lots"]) if count else 0
            self._volumes[contract_slot] = known
        return known

    def volume_lots(self, contract_slot: int, start_ns: int, running: Candle | None) -> int:
        """What was traded in the minutes that begin at or after `start_ns`; as cheap for a month as for an hour."""
        at = self.series.ordinal(contract_slot, start_ns)
        first = self.series.rows(contract_slot, at, at + 1)
        closed = self._volume(contract_slot) - int(first[0]["lots_before"]) if len(first) else 0
        return closed + (running.volume_lots if running and running.start_ns >= start_ns else 0)

    def _minutes(self, contract_slot: int, start_ns: int, end_ns: int) -> Any:
        """The closed minutes that begin within some times, both included."""
        first = self.series.ordinal(contract_slot, start_ns)
        return self.series.rows(contract_slot, first, self.series.ordinal(contract_slot, end_ns + 1))

    def period(
        self, contract_slot: int, resolution_s: int, start_ns: int, end_ns: int, running: Candle | None, now_ns: int = 0
    ) -> list[Candle]:
        """Candles from the one that holds `start_ns` to the one that holds `end_ns`, the same in whatever window.

        A candle without a trade is flat at the last close before it, up to `now_ns` after the last trade; there is none
        before the first trade of all.
        """
        step_ns = resolution_s * 1_000_000_000
        first_ns, last_ns = start_ns - start_ns % step_ns, end_ns - end_ns % step_ns + step_ns - 1
        minutes = self._minutes(contract_slot, first_ns, last_ns)
        if running and first_ns <= running.start_ns <= last_ns:
            minutes = np.append(minutes, np.array([_record(running)], MINUTE))
        close_ticks = self._close_before(contract_slot, first_ns, running)
        merged: list[Candle] = []
        next_ns = first_ns
        for candle in _merged(minutes, step_ns):
            merged += _flat(close_ticks, next_ns, candle.start_ns, step_ns)
            merged.append(candle)
            next_ns, close_ticks = candle.start_ns + step_ns, candle.close_ticks
        return merged + _flat(close_ticks, next_ns, min(end_ns, now_ns) + 1, step_ns)

    def _close_before(self, contract_slot: int, at_ns: int, running: Candle | None) -> int:
        """The price of the last trade in a minute before `at_ns`, 0 without one."""
        if running and running.start_ns < at_ns:
            return running.close_ticks
        place = self.series.ordinal(contract_slot, at_ns)
        return int(self.series.rows(contract_slot, place - 1, place)[0]["close_ticks"]) if place else 0

    def day(self, contract_slot: int, now_ns: int, running: Candle | None) -> DayStatistics:
        """The last 24 hours, to the minute; the closed minutes are summed when one was added or has become too old."""
        minute_ns = now_ns - now_ns % CANDLE_NS
        known = minute_ns, self.series.count(contract_slot)
        of, closed = self._statistics.get(contract_slot, ((0, 0), DayStatistics()))
        if of != known:
            closed = _add_up(self._minutes(contract_slot, minute_ns - DAY_NS, now_ns))
            self._statistics[contract_slot] = (known, closed)
        if running is None or running.start_ns < minute_ns - DAY_NS:
            return closed
        return DayStatistics(
            max(closed.high_ticks, running.high_ticks),
            min(closed.low_ticks or running.low_ticks, running.low_ticks),
            closed.open_ticks or running.open_ticks,
            closed.volume_lots + running.volume_lots,
            closed.volume_tick_lots + running.volume_tick_lots,
        )


def _prices(candle: Candle) -> tuple[int, int, int, int]:
    return candle.open_ticks, candle.high_ticks, candle.low_ticks, candle.close_ticks


def _record(candle: Candle) -> tuple[int, ...]:
    return candle.start_ns, *_prices(candle), candle.volume_lots, candle.volume_tick_lots, 0


def _merged(minutes: Any, step_ns: int) -> list[Candle]:
    """The candles of a period that minutes make, without those in which nothing was traded."""
    if not len(minutes):
        return []
    begins = minutes["time_ns"] - minutes["time_ns"] % step_ns
    first = np.flatnonzero(np.diff(begins, prepend=-1))
    last = np.append(first[1:], len(minutes)) - 1
    columns = (
        begins[first], minutes["open_ticks"][first], np.maximum.reduceat(minutes["high_ticks"], first),
        np.minimum.reduceat(minutes["low_ticks"], first), minutes["close_ticks"][last],
        np.add.reduceat(minutes["volume_lots"], first), np.add.reduceat(minutes["volume_tick_lots"], first),
    )  # fmt: skip
    return [Candle(*values) for values in zip(*(column.tolist() for column in columns), strict=True)]


def _flat(close_ticks: int, first_ns: int, end_ns: int, step_ns: int) -> list[Candle]:
    """Candles without a trade that begin from `first_ns` on and before `end_ns`, at the last close; 0: no price yet."""
    if not close_ticks:
        return []
    prices = (close_ticks,) * 4
    return [Candle(at_ns, *prices) for at_ns in range(first_ns, end_ns, step_ns)]


def _add_up(minutes: Any) -> DayStatistics:
    if not len(minutes):
        return DayStatistics()
    return DayStatistics(
        int(minutes["high_ticks"].max()),
        int(minutes["low_ticks"].min()),
        int(minutes["open_ticks"][0]),
        int(minutes["volume_lots"].sum()),
        int(minutes["volume_tick_lots"].sum()),
    )
