"""Contract settlement by itself: what a run's reports say must follow from its commands and its other reports.

It keeps what each account holds, and what each index source last said, as the reports tell it; from that it makes the
price and every payment, and compares.
"""

from engine.codes import EventKind, MarketState
from tests.model.records import SUBTICKS

SECOND = 1_000_000_000
WINDOW = 1800 * SECOND


class DeliveryModel:
    """One contract's settlement; `unit` is micros per tick and lot, `sources` how many must be live, for how long."""

    def __init__(self, contract, unit, sources, stale_s):
        self.contract, self.unit, self.sources = contract, unit, sources
        self.stale = stale_s * SECOND
        self.held = {}  # account -> (lots, entry cost)
        self.said = {}  # source -> when
        self.index = self.mark = self.fixed_at = self.price = 0
        self.samples = []
        self.last_tick = None
        self.paid = self.taken = self.closed = 0

    def look(self, now_ns, reports):
        """The reports of one command at a time, as dictionaries. At a mark tick the index is set before all else."""
        ticked = self.last_tick is not None and now_ns // SECOND > self.last_tick
        self.last_tick = now_ns // SECOND
        for report in reports:
            if report["kind"] == EventKind.INDEX_CHANGED and report["contract_slot"] == self.contract:
                self.index = report["new_value"]
        if ticked and self.fixed_at and not self.price and now_ns <= self.fixed_at:
            if sum(now_ns - said <= self.stale for said in self.said.values()) >= self.sources:
                self.samples.append(self.index)
        for report in reports:
            if report["contract_slot"] == self.contract:
                self._report(now_ns, report)

    def _report(self, now_ns, report):
        kind = report["kind"]
        assert not (self.price and kind in (EventKind.ACCEPTED, EventKind.RESTED, EventKind.TRIGGERED)), report
        if kind == EventKind.FILL:
            self.held[report["account_slot"]] = (report["position_lots"], report["entry_cost_micros"])
        elif kind == EventKind.INDEX_RECORDED:
            self.said[report["code"]] = now_ns  # the flows stamp a price with the time of its command
        elif kind == EventKind.MARK_CHANGED:
            self.mark = report["new_value"]
        elif kind == EventKind.CONTRACT_STATE_CHANGED and report["code"] == MarketState.SETTLED:
            if self.fixed_at:
                self._fix(now_ns, report)
            else:
                self.fixed_at = now_ns + WINDOW
                assert report["amount_micros"] == self.fixed_at
                assert report["new_value"] == max(report["old_value"], MarketState.REDUCE_ONLY)
        elif kind == EventKind.POSITION_SETTLED:
            self._close(report)

    def _fix(self, now_ns, report):
        assert now_ns >= self.fixed_at
        assert report["amount_micros"] == len(self.samples)
        self.price = sum(self.samples) // len(self.samples) if self.samples else self.mark
        assert report["price_subticks"] == self.price

    def _close(self, report):
        """A long gets its value rounded down, a short owes it rounded up, and nobody is forgotten or closed twice."""
        size, cost = self.held.pop(report["account_slot"])
        owed = -(-self.price * abs(size) * self.unit // SUBTICKS) if size < 0 else 0
        worth = self.price * size * self.unit // SUBTICKS if size > 0 else -owed
        assert size != 0 and report["position_lots"] == size
        assert report["price_subticks"] == self.price
        assert report["amount_micros"] == worth - cost
        self.closed += 1
        self.paid += max(worth, 0)
        self.taken += owed

    def check_end(self):
        """All positions are closed, and the dust is less than a micro for each."""
        assert not any(size for size, _ in self.held.values())
        assert 0 <= self.taken - self.paid < max(self.closed, 1)
