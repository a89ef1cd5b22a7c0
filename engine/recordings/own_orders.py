"""A strategy's own orders, fills and money in a backtest: integers, one record a fill."""

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from engine.codes import EventFlag, EventKind, Reason, Side
from engine.recordings.batches import READER_ID, ContractSpec
from engine.recordings.side_by_side import OWN_ACCOUNT, Rows, SideBySide
from engine.units import MICROS, PPB

FILL = np.dtype(
    [
        ("time_ns", "<i8"),
        ("cl_ord_id", "<i8"),  # the own order
        ("other_id", "<i8"),  # the recorded order that it traded with; 0 where the recording does not name it
        ("message", "<i8"),  # the recorded message whose order took ours; 0: ours was the aggressor
        ("price_ticks", "<i8"),
        ("qty_lots", "<i8"),
        ("orders_ahead", "<i8"),  # what stood before it in its queue when it was placed; -1: it never rested
        ("lots_ahead", "<i8"),
        ("position_lots", "<i8"),  # afterwards, of its contract
        ("fee_micros", "<i8"),
        ("contract_slot", "<i4"),
        ("side", "i1"),
        ("is_taker", "?"),
        ("was_in_view", "?"),  # it stood where the recording shows the queue, so that its place there is known
        ("pad", "i1"),
    ]
)

STAY = np.dtype(
    [
        ("begin_ns", "<i8"),  # when an own order came to rest at a price
        ("end_ns", "<i8"),  # when it went from there
        ("cl_ord_id", "<i8"),
        ("price_ticks", "<i8"),
        ("contract_slot", "<i4"),
        ("side", "i1"),
        ("pad", "i1", (3,)),
    ]
)


@dataclass(frozen=True)
class Fees:
    """What a trade costs, in billionths of its value; a negative rate is a rebate."""

    maker_ppb: int = 0
    taker_ppb: int = 0


@dataclass
class OwnOrder:
    """An own order that was sent and has not ended. `leaves_lots` is open; quantities in lots, prices in ticks.

    `orders_ahead` and `lots_ahead` are what stood before it in its queue when it was placed there; -1 while it is on
    its way.
    """

    cl_ord_id: int
    contract_slot: int
    side: int
    price_ticks: int
    leaves_lots: int
    orders_ahead: int = -1
    lots_ahead: int = -1
    begin_ns: int = 0
    """When it came to rest there."""
    is_in_view: bool = True
    """Whether the recording shows the queue there: if not, nobody knows what stood before the order."""

    @property
    def rests(self) -> bool:
        """Whether it has arrived and stands in the book."""
        return self.orders_ahead >= 0


@dataclass
class OwnBook:
    """The own orders that live, and what the ended and filled ones came to. `cash_tick_lots` leaves the fees out."""

    market: SideBySide
    fees: Fees
    contracts: list[ContractSpec]
    shown_levels: int = 0
    """How many levels of a side the recording shows; 0: all."""
    has_queues: bool = True
    """Whether the recording has the orders of a level and not their sum alone."""
    orders: dict[int, OwnOrder] = field(default_factory=dict)
    fills: list[tuple[Any, ...]] = field(default_factory=list)
    stays: list[tuple[Any, ...]] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    positions: dict[int, int] = field(default_factory=dict)
    cash_tick_lots: dict[int, int] = field(default_factory=dict)
    fees_micros: int = 0

    def take(self, events: Rows, message: int, time_ns: int) -> None:
        """What a command did: fills, refusals, and what is left of the own orders that it was about."""
        own = events[(events["account_slot"] == OWN_ACCOUNT) & (events["kind"] < EventKind.NOTICE_FIRST)]
        for event in own[own["kind"] == EventKind.REJECTED]:
            name = Reason(int(event["reason"])).name
            self.refused[name] = self.refused.get(name, 0) + 1
        for event in own[own["kind"] == EventKind.FILL]:
            self._fill(event, events, message)
        for cl_ord_id in dict.fromkeys(own["cl_ord_id"].tolist()):
            self._follow(cl_ord_id, time_ns)

    def _fill(self, event: Any, events: Rows, message: int) -> None:
        trade = events[(events["kind"] == EventKind.FILL) & (events["trade_id"] == event["trade_id"])]
        other = trade[(trade["account_slot"] != OWN_ACCOUNT) & (trade["contract_slot"] == event["contract_slot"])]
        other_id = int(other["cl_ord_id"][0]) if len(other) else 0
        slot, price, lots = (int(event[name]) for name in ("contract_slot", "price_ticks", "last_lots"))
        signed = lots if event["side"] == Side.BUY else -lots
        is_taker = bool(event["flags"] & EventFlag.TAKER)
        fee = fee_micros(self.contracts[slot], price * lots, self.fees.taker_ppb if is_taker else self.fees.maker_ppb)
        self.positions[slot] = self.positions.get(slot, 0) + signed
        self.cash_tick_lots[slot] = self.cash_tick_lots.get(slot, 0) - signed * price
        self.fees_micros += fee
        order = self.orders.get(int(event["cl_ord_id"]))
        has_rested = order is not None and not is_taker
        ahead = (order.orders_ahead, order.lots_ahead) if order is not None and has_rested else (-1, -1)
        is_in_view = order.is_in_view if order is not None and has_rested else True
        self.fills.append((
            int(event["time_ns"]), int(event["cl_ord_id"]), other_id if other_id < READER_ID else 0,
            0 if is_taker else message, price, lots, *ahead, self.positions[slot], fee, slot,
            int(event["side"]), is_taker, is_in_view, 0,
        ))  # fmt: skip

    def _follow(self, cl_ord_id: int, time_ns: int) -> None:
        """What the engine has of an own order now."""
        order = self.orders.get(cl_ord_id)
        if order is None:
            return
        _, lots, price_ticks = self.market.order(cl_ord_id)
        if not lots:
            self._leave(order, time_ns)
            del self.orders[cl_ord_id]
            return
        if order.rests and (price_ticks != order.price_ticks or lots > order.leaves_lots):
            self._leave(order, time_ns)
            order.orders_ahead = order.lots_ahead = -1
        order.price_ticks, order.leaves_lots = price_ticks, lots
        if not order.rests:
            order.orders_ahead, order.lots_ahead = self.market.ahead(cl_ord_id)
            order.begin_ns = time_ns
            order.is_in_view = self._shows(order)

    def _shows(self, order: OwnOrder) -> bool:
        """Whether the recording shows the queue at an order's price; one that shows all of the book has no depth."""
        if not self.has_queues:
            return False
        levels = self.market.alone.depth(self.shown_levels, order.contract_slot)[order.side - 1]
        if not self.shown_levels or len(levels) < self.shown_levels:
            return True
        last_ticks = levels[-1][0]
        return order.price_ticks >= last_ticks if order.side == Side.BUY else order.price_ticks <= last_ticks

    def _leave(self, order: OwnOrder, time_ns: int) -> None:
        """An own order goes from where it stood."""
        if order.rests:
            stay = order.begin_ns, time_ns, order.cl_ord_id, order.price_ticks, order.contract_slot, order.side
            self.stays.append((*stay, (0, 0, 0)))

    def end(self, time_ns: int) -> None:
        """The recording ends, and with it the stay of what still rests."""
        for order in self.orders.values():
            self._leave(order, time_ns)

    def profit(self) -> Decimal:
        """In the quote currency, at the middle of the book where a position is open, fees taken off."""
        total = -Decimal(self.fees_micros) / MICROS
        for slot, cash in self.cash_tick_lots.items():
            spec, position = self.contracts[slot], self.positions[slot]
            value = Decimal(position) * self._middle_ticks(slot) if position else Decimal(0)
            total += (cash + value) * Decimal(spec.tick) * Decimal(spec.lot)
        return total

    def _middle_ticks(self, contract_slot: int) -> Decimal:
        """The middle of the best prices of the recording; one side's where the other is empty."""
        bids, asks = self.market.alone.depth(1, contract_slot)
        best = [side[0][0] for side in (bids, asks) if side]
        return Decimal(sum(best)) / len(best) if best else Decimal(0)


def fee_micros(spec: ContractSpec, tick_lots: int, rate_ppb: int) -> int:
    """The fee on so many ticks times lots, in millionths of the quote currency, rounded up."""
    unit = Fraction(spec.tick) * Fraction(spec.lot) * MICROS * rate_ppb / PPB
    return -(-tick_lots * unit.numerator // unit.denominator)
