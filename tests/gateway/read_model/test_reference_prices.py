"""Mark and index by the minute: periods of any length, in every window, with gaps and the running minute."""

import numpy as np

from gateway.read_model.event_fold import MARKET_ROW
from gateway.read_model.reference_prices import ReferencePrices
from gateway.wire.views import ReferenceView

MINUTE = 60_000_000_000
KNOWN = {3: (30, 31), 4: (40, 41), 17: (170, 171), 18: (180, 181)}
RUNNING = (31, 310, 311)


def prices():
    made = ReferencePrices()
    for minute, (mark, index) in KNOWN.items():
        made.add(0, ReferenceView(minute * MINUTE, mark, index))
    return made


def market(minute, mark, index):
    row = np.zeros(1, MARKET_ROW)[0]
    row["reference_ns"], row["mark_subticks"], row["index_subticks"] = minute * MINUTE, mark, index
    return row


def at_end_of(minute):
    """What the last change before the end of a minute said; None before the first."""
    changes = {**KNOWN, RUNNING[0]: RUNNING[1:]}
    known = [at for at in changes if at <= minute]
    return changes[max(known)] if known else None


def test_a_period_has_what_held_at_its_end_in_every_window():
    made, running = prices(), market(*RUNNING)
    for minutes in (1, 5, 15):
        for first in range(0, 40, 2):
            for last in range(first, 45, 3):
                found = made.period(0, minutes * 60, first * MINUTE, last * MINUTE + 7, running)
                starts = range(first - first % minutes, last + 1, minutes)
                ends = {start: at_end_of(start + minutes - 1) for start in starts}
                wanted = [(start * MINUTE, *end) for start, end in ends.items() if end]
                assert [tuple(row) for row in found] == wanted, (minutes, first, last)


def test_there_is_nothing_before_the_first_prices():
    assert ReferencePrices().period(0, 60, 0, 9 * MINUTE, market(0, 0, 0)) == []
    assert ReferencePrices().period(0, 60, 0, 9 * MINUTE, market(3, 0, 31)) == []
    assert prices().period(1, 60, 0, 99 * MINUTE, market(0, 0, 0)) == []
    assert prices().period(0, 60, 0, 2 * MINUTE, market(*RUNNING)) == []
