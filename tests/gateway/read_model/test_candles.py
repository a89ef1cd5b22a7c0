"""Candles: merging of minutes, gaps, the running one, and the day's statistics."""

from gateway.read_model.candles import Candles
from gateway.wire.views import Candle

MINUTE = 60_000_000_000


def minute(at, first, high, low, last, lots=1):
    return Candle(at * MINUTE, first, high, low, last, lots, lots * last)


def test_minutes_become_longer_periods_with_gaps_filled():
    candles = Candles()
    for candle in (minute(0, 10, 12, 9, 11), minute(1, 11, 15, 11, 14), minute(10, 20, 21, 19, 20)):
        candles.add(0, candle)
    found = candles.period(0, 300, 0, 20 * MINUTE, None)
    fields = ("open_ticks", "high_ticks", "low_ticks", "close_ticks")
    assert [(row.start_ns // MINUTE, *(getattr(row, name) for name in fields)) for row in found] == [
        (0, 10, 15, 9, 14),
        (5, 14, 14, 14, 14),
        (10, 20, 21, 19, 20),
    ]
    assert found[0].volume_lots == 2 and found[1].volume_lots == 0


def test_reading_does_not_change_what_is_kept():
    candles = Candles()
    candles.add(0, minute(0, 10, 12, 9, 11))
    candles.add(0, minute(1, 11, 15, 11, 14))
    first = candles.period(0, 300, 0, 9 * MINUTE, None)
    assert candles.period(0, 300, 0, 9 * MINUTE, None) == first


def test_the_day_counts_the_running_minute_and_forgets_yesterday():
    candles = Candles()
    candles.add(0, minute(0, 10, 99, 1, 11, 5))
    candles.add(0, minute(1500, 20, 22, 18, 21, 3))
    day = candles.day(0, 1501 * MINUTE, minute(1501, 21, 30, 21, 25, 2))
    assert (day.open_ticks, day.high_ticks, day.low_ticks, day.volume_lots) == (20, 30, 18, 5)
    assert candles.day(1, 1501 * MINUTE, None).volume_lots == 0
