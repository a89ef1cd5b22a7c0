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


def test_the_day_counts_a_minute_that_closes_after_the_day_was_asked_for():
    candles = Candles()
    first, second = minute(0, 20_100, 20_100, 20_100, 20_100, 4), minute(1, 20_010, 20_010, 20_010, 20_010, 1)
    assert candles.day(0, 0, first).volume_lots == 4
    assert candles.day(0, MINUTE, first).volume_lots == 4
    candles.add(0, first)
    day = candles.day(0, MINUTE, second)
    assert (day.volume_lots, day.high_ticks, day.low_ticks, day.open_ticks) == (5, 20_100, 20_010, 20_100)
    assert day == candles.day(0, MINUTE, second)


def test_a_candle_is_the_same_in_every_window_that_holds_it():
    candles = Candles()
    trades = {3: (10, 12, 9, 11), 4: (11, 15, 11, 14), 17: (20, 21, 19, 20), 18: (20, 22, 20, 22)}
    for at, prices in trades.items():
        candles.add(0, minute(at, *prices))
    running = minute(31, 25, 26, 24, 25)
    now = 40 * MINUTE
    for resolution in (1, 3, 5, 15):
        step = resolution * MINUTE
        whole = {row.start_ns: row for row in candles.period(0, resolution * 60, 0, 40 * MINUTE, running, now)}
        assert sorted(whole) == list(range(3 * MINUTE - 3 * MINUTE % step, 40 * MINUTE + 1, step))
        for first in range(0, 41 * MINUTE, MINUTE // 2):
            for end in range(first, 50 * MINUTE, 3 * MINUTE):
                found = candles.period(0, resolution * 60, first, end, running, now)
                assert found == [whole[row.start_ns] for row in found]
                wanted = [at for at in whole if first - first % step <= at <= min(end, now)]
                assert [row.start_ns for row in found] == wanted, (resolution, first, end)
    flat = candles.period(0, 60, 10 * MINUTE, 12 * MINUTE, running, now)
    assert [(row.open_ticks, row.close_ticks, row.volume_lots, row.volume_tick_lots) for row in flat] == [
        (14, 14, 0, 0)
    ] * 3
    assert candles.period(0, 60, 0, 2 * MINUTE, running, now) == [] == candles.period(1, 60, 0, 9 * MINUTE, None, now)


def test_the_volume_of_any_time_is_that_of_its_minutes():
    candles = Candles()
    lots = {at: at * at for at in (1, 2, 5, 6, 9)}
    assert candles.volume_lots(0, 0, None) == 0
    for at, traded in lots.items():
        candles.add(0, minute(at, 10, 10, 10, 10, traded))
    running = minute(10, 10, 10, 10, 10, 1000)
    for start in range(12):
        after = sum(traded for at, traded in lots.items() if at >= start)
        assert candles.volume_lots(0, start * MINUTE, None) == after
        assert candles.volume_lots(0, start * MINUTE, running) == after + (1000 if start <= 10 else 0)
    assert candles.volume_lots(1, 0, None) == 0
