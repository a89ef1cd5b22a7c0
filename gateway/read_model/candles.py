"""Candles: the closed minutes of each contract, longer periods built from them, and the statistics of 24 hours."""

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass

from gateway.read_model.event_fold import CANDLE_NS
from gateway.wire.views import Candle

DAY_NS = 86_400_000_000_000


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

    def __init__(self) -> None:
        self._minutes: defaultdict[int, list[Candle]] = defaultdict(list)
        self._volumes: defaultdict[int, list[int]] = defaultdict(lambda: [0])
        self._statistics: dict[int, tuple[tuple[int, int], DayStatistics]] = {}

    def add(self, contract_slot: int, candle: Candle) -> None:
        """Add a closed minute."""
        self._minutes[contract_slot].append(candle)
        volumes = self._volumes[contract_slot]
        volumes.append(volumes[-1] + candle.volume_lots)

    def volume_lots(self, contract_slot: int, start_ns: int, running: Candle | None) -> int:
        """What was traded in the minutes that begin at or after `start_ns`; as cheap for a month as for an hour."""
        volumes = self._volumes[contract_slot]
        closed = volumes[-1] - volumes[bisect_left(self._minutes[contract_slot], start_ns, key=_start)]
        return closed + (running.volume_lots if running and running.start_ns >= start_ns else 0)

    def minutes(self, contract_slot: int, start_ns: int, running: Candle | None) -> list[Candle]:
        """The minutes that begin at or after `start_ns`, the running one last."""
        known = self._minutes[contract_slot]
        found = known[bisect_left(known, start_ns, key=_start) :]
        return [*found, running] if running and running.start_ns >= start_ns else found

    def period(
        self, contract_slot: int, resolution_s: int, start_ns: int, end_ns: int, running: Candle | None, now_ns: int = 0
    ) -> list[Candle]:
        """Candles from the one that holds `start_ns` to the one that holds `end_ns`, the same in whatever window.

        A candle without a trade is flat at the last close before it, up to `now_ns` after the last trade; there is none
        before the first trade of all.
        """
        step_ns = resolution_s * 1_000_000_000
        first_ns = start_ns - start_ns % step_ns
        close_ticks = self._close_before(contract_slot, first_ns, running)
        merged: list[Candle] = []
        next_ns = first_ns
        for minute in self.minutes(contract_slot, first_ns, running):
            begin_ns = minute.start_ns - minute.start_ns % step_ns
            if begin_ns > end_ns:
                break
            if merged and merged[-1].start_ns == begin_ns:
                _merge(merged[-1], minute)
            else:
                merged += _flat(close_ticks, next_ns, begin_ns, step_ns)
                merged.append(Candle(begin_ns, *_prices(minute), minute.volume_lots, minute.volume_tick_lots))
            next_ns, close_ticks = begin_ns + step_ns, minute.close_ticks
        return merged + _flat(close_ticks, next_ns, min(end_ns, now_ns) + 1, step_ns)

    def _close_before(self, contract_slot: int, at_ns: int, running: Candle | None) -> int:
        """The price of the last trade in a minute before `at_ns`, 0 without one."""
        if running and running.start_ns < at_ns:
            return running.close_ticks
        known = self._minutes[contract_slot]
        place = bisect_left(known, at_ns, key=_start)
        return known[place - 1].close_ticks if place else 0

    def day(self, contract_slot: int, now_ns: int, running: Candle | None) -> DayStatistics:
        """The last 24 hours, to the minute; the closed minutes are summed when one was added or has become too old."""
        minute_ns = now_ns - now_ns % CANDLE_NS
        known = minute_ns, len(self._minutes[contract_slot])
        of, closed = self._statistics.get(contract_slot, ((0, 0), DayStatistics()))
        if of != known:
            closed = _add_up(self.minutes(contract_slot, minute_ns - DAY_NS, None))
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


def _start(candle: Candle) -> int:
    return candle.start_ns


def _prices(candle: Candle) -> tuple[int, int, int, int]:
    return candle.open_ticks, candle.high_ticks, candle.low_ticks, candle.close_ticks


def _merge(into: Candle, minute: Candle) -> None:
    into.high_ticks = max(into.high_ticks, minute.high_ticks)
    into.low_ticks = min(into.low_ticks, minute.low_ticks)
    into.close_ticks = minute.close_ticks
    into.volume_lots += minute.volume_lots
    into.volume_tick_lots += minute.volume_tick_lots


def _flat(close_ticks: int, first_ns: int, end_ns: int, step_ns: int) -> list[Candle]:
    """Candles without a trade that begin from `first_ns` on and before `end_ns`, at the last close; 0: no price yet."""
    if not close_ticks:
        return []
    prices = (close_ticks,) * 4
    return [Candle(at_ns, *prices) for at_ns in range(first_ns, end_ns, step_ns)]


def _add_up(minutes: list[Candle]) -> DayStatistics:
    if not minutes:
        return DayStatistics()
    return DayStatistics(
        max(minute.high_ticks for minute in minutes),
        min(minute.low_ticks for minute in minutes),
        minutes[0].open_ticks,
        sum(minute.volume_lots for minute in minutes),
        sum(minute.volume_tick_lots for minute in minutes),
    )
