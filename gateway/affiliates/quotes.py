"""How much of each hour an affiliated maker quoted as it must: both sides, the size and the spread."""

from dataclasses import dataclass
from typing import Any

from engine.code_values import FLAG_RESTING, FLAG_TAKER, FLAG_UNTRIGGERED
from engine.codes import EventKind, MarketState, Side
from gateway.affiliates.parameters import Programme

HOUR_NS = 3_600_000_000_000
PPB = 1_000_000_000
_ALL = (1 << 63) - 1
_PLACED = (EventKind.ACCEPTED, EventKind.RESTED, EventKind.AMENDED)
Key = tuple[int, int]
"""Account and contract."""


@dataclass
class Hour:
    """One hour of a quote, in nanoseconds; spread and size are summed over the time with both sides."""

    open_ns: int = 0
    kept_ns: int = 0
    two_sided_ns: int = 0
    spread_ppb_ns: int = 0
    size_micros_ns: int = 0


class Quote:
    """One maker's resting orders in one contract."""

    def __init__(self, unit_micros: int, programme: Programme) -> None:
        self._unit = unit_micros
        self._programme = programme
        self._orders: dict[int, tuple[int, int, int]] = {}
        self._displays: dict[int, int] = {}
        self._figures: tuple[int, int] | str | None = "old"

    def follow(self, row: Any, display_lots: int) -> None:
        """Apply an event of one of the orders; hidden quantity is not a quote."""
        order, kind, flags = int(row["order_id"]), int(row["kind"]), int(row["flags"])
        if display_lots:
            self._displays[order] = display_lots
        leaves = min(int(row["leaves_lots"]), self._displays.get(order, _ALL))
        if kind in _PLACED and flags & FLAG_RESTING and leaves:
            self._orders[order] = (int(row["side"]), int(row["price_ticks"]), leaves)
        elif kind == EventKind.REDUCED or (kind == EventKind.FILL and not flags & FLAG_TAKER):
            if order in self._orders:
                side, price, _ = self._orders.pop(order)
                if leaves:
                    self._orders[order] = (side, price, leaves)
        elif kind == EventKind.CANCELLED or (kind == EventKind.AMENDED and not flags & FLAG_UNTRIGGERED):
            self._orders.pop(order, None)
        if kind == EventKind.CANCELLED or not int(row["leaves_lots"]):
            self._displays.pop(order, None)
        self._figures = "old"

    def figures(self) -> tuple[int, int] | None:
        """(Spread in ppb at the required size, value of the smaller side); None unless both sides have that size."""
        if isinstance(self._figures, str):
            self._figures = self._measure()
        return self._figures

    def _measure(self) -> tuple[int, int] | None:
        bid, bids_micros = self._depth(Side.BUY)
        ask, asks_micros = self._depth(Side.SELL)
        if not bid or not ask:
            return None
        return 2 * (ask - bid) * PPB // (ask + bid), min(bids_micros, asks_micros)

    def _depth(self, side: int) -> tuple[int, int]:
        """(The price at which a side reaches the required size, 0 if it does not; the value of the whole side)."""
        rows = sorted(((price, lots) for its, price, lots in self._orders.values() if its == side), reverse=side == 1)
        total, reached = 0, 0
        for price, lots in rows:
            total += price * lots * self._unit
            if not reached and total >= self._programme.size_micros:
                reached = price
        return reached, total


class Obligations:
    """All affiliated makers' quotes, measured between two instants."""

    def __init__(self, programme: Programme, from_ns: int, to_ns: int) -> None:
        self._programme = programme
        self._from_ns, self._to_ns = from_ns, to_ns
        self._quotes: dict[Key, Quote] = {}
        self._since_ns: dict[Key, int] = {}
        self._owed_ns: dict[Key, tuple[int, int]] = {}
        self._open: dict[int, bool] = {}
        self.hours: dict[tuple[int, int, int], Hour] = {}
        """(account, contract, hour of the period) -> the quote in that hour."""

    def owe(self, key: Key, unit_micros: int, now_ns: int, span_ns: tuple[int, int]) -> None:
        """An account must quote in a contract, from one instant until just before another."""
        if key in self._quotes:
            self._count(key, now_ns)
        else:
            self._quotes[key], self._since_ns[key] = Quote(unit_micros, self._programme), now_ns
        self._owed_ns[key] = span_ns

    def order(self, row: Any, display_lots: int) -> None:
        """Apply an event of an affiliate's order; nothing is measured where it need not quote.

        `display_lots`: an iceberg's visible quantity from its command, else 0.
        """
        key = int(row["account_slot"]), int(row["contract_slot"])
        if key in self._quotes:
            self._count(key, int(row["time_ns"]))
            self._quotes[key].follow(row, display_lots)

    def end(self, account_slot: int, now_ns: int) -> None:
        """An account's affiliation changes, which ends every approval."""
        for key in self._quotes:
            if key[0] == account_slot:
                self._count(key, now_ns)
                self._owed_ns[key] = (0, 0)

    def opened(self, contract_slot: int, now_ns: int) -> None:
        """A contract is listed."""
        self.state(contract_slot, MarketState.OPEN, now_ns)

    def state(self, contract_slot: int, state: int, now_ns: int) -> None:
        """A contract opens, or stops being open."""
        for key in self._quotes:
            if key[1] == contract_slot:
                self._count(key, now_ns)
        self._open[contract_slot] = state == MarketState.OPEN

    def close(self, now_ns: int) -> None:
        """Account for the time up to the last known instant."""
        for key in self._quotes:
            self._count(key, now_ns)

    def _count(self, key: Key, now_ns: int) -> None:
        """Add the time since the last call to its hours."""
        since_ns, self._since_ns[key] = self._since_ns[key], now_ns
        from_ns, until_ns = self._owed_ns[key]
        start, end = max(since_ns, self._from_ns, from_ns), min(now_ns, self._to_ns, until_ns)
        if not self._open.get(key[1], False) or start >= end:
            return
        figures = self._quotes[key].figures()
        while start < end:
            place = (start - self._from_ns) // HOUR_NS
            stop = min(end, self._from_ns + (place + 1) * HOUR_NS)
            self._book(self.hours.setdefault((*key, place), Hour()), stop - start, figures)
            start = stop

    def _book(self, hour: Hour, span_ns: int, figures: tuple[int, int] | None) -> None:
        hour.open_ns += span_ns
        if figures is not None:
            spread_ppb, size_micros = figures
            hour.two_sided_ns += span_ns
            hour.spread_ppb_ns += span_ns * spread_ppb
            hour.size_micros_ns += span_ns * size_micros
            hour.kept_ns += span_ns if spread_ppb <= self._programme.spread_ppb else 0
