"""A strategy on a recording: own orders among the recorded ones, in the engine, by the venue's own rules.

    def strategy(session: Session) -> None:
        bids, asks = session.depth(1)
        if not session.orders and len(bids):
            session.buy(bids[0, 0], 1, post_only=True)

    result = backtest(open_recording("synthetic:1:200000"), strategy, every_ns=10_000_000, latency_ns=500_000)

The strategy is called at the first recorded time, then at each interval, and after each recorded message in which an
own order traded. What it sees is what the venue has at that time; its orders arrive `latency_ns` later, behind what
was recorded up to then. So the latency is that of both ways together: from what the venue did to the answer's arrival.
`side_by_side` has the rule by which recorded orders go on after an own trade.
"""

from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from operator import index
from typing import Any, SupportsIndex

import numpy as np

from engine.code_values import EXEC_POST_ONLY
from engine.codes import CommandKind, ExecInst, OrdType, Side, TimeInForce
from engine.recordings.batches import Batch, ContractSpec, Reader, command_rows, contracts_of
from engine.recordings.event_batches import Depth, check_intervals, check_times, depth_of, running_times
from engine.recordings.own_orders import FILL, STAY, Fees, OwnBook, OwnOrder
from engine.recordings.price_levels import LevelsReader
from engine.recordings.side_by_side import OWN_ACCOUNT, Rows, SideBySide
from engine.recordings.source import RecordingError
from engine.units import FOREVER_NS, MAX_LOTS, MAX_TICKS

MAX_ANSWERS = 10_000
"""How often a strategy may be called while nothing is recorded and no time passes: because of what it did itself."""
SAMPLE_FIELDS = ("time_ns", "bid_ticks", "ask_ticks", "position_lots", "cash_tick_lots", "fees_micros")
_NAMES = (
    "kind", "side", "ord_type", "tif", "flags", "account_slot", "contract_slot", "cl_ord_id", "qty_lots", "price_ticks",
)  # fmt: skip


class Session:
    """What a strategy sees and does. Prices in ticks, quantities in lots, times in nanoseconds of the recording."""

    def __init__(self, market: SideBySide, book: OwnBook) -> None:
        self._market, self._book = market, book
        self._next_id, self._fills_seen = 1, 0
        self.time_ns, self.messages = 0, 0
        """The recorded time, and how many recorded messages happened so far."""
        self.sent: list[tuple[int, ...]] = []
        """The commands that go out when the strategy returns."""

    # --- what it sees ---------------------------------------------------------------------------------------------

    def depth(self, levels: int, contract_slot: int = 0) -> Depth:
        """The best visible levels as the venue shows them, own orders included."""
        return depth_of(self._market.together, levels, contract_slot)

    def recorded_depth(self, levels: int, contract_slot: int = 0) -> Depth:
        """The best visible levels of the recording alone, as if there were no own orders."""
        return depth_of(self._market.alone, levels, contract_slot)

    @property
    def events(self) -> Rows:
        """What happened since the last call, EVENT rows of all orders; valid until the strategy returns."""
        return self._market.events

    @property
    def new_fills(self) -> Rows:
        """The own fills since the last call, FILL rows."""
        return np.array(self._book.fills[self._fills_seen :], FILL)

    @property
    def orders(self) -> dict[int, OwnOrder]:
        """The own orders that were sent and have not ended, by id."""
        return self._book.orders

    @property
    def contracts(self) -> list[ContractSpec]:
        """The contracts that have appeared so far; a `contract_slot` is a place in it."""
        return self._book.contracts

    @property
    def position_lots(self) -> int:
        """The position in the first contract; above 0 is bought."""
        return self._book.positions.get(0, 0)

    @property
    def positions(self) -> dict[int, int]:
        """The position in each contract that was traded."""
        return dict(self._book.positions)

    def ahead(self, cl_ord_id: int) -> tuple[int, int]:
        """(orders, shown quantity) that stand before an own order now; (-1, -1) where it is in no queue."""
        return self._market.ahead(cl_ord_id)

    # --- what it does ---------------------------------------------------------------------------------------------

    def buy(
        self,
        price_ticks: SupportsIndex,
        qty_lots: SupportsIndex,
        tif: TimeInForce = TimeInForce.GTC,
        post_only: bool = False,
        contract_slot: int = 0,
    ) -> int:
        """Send a limit order; its id. ValueError for a price or quantity that no contract permits."""
        return self._new(Side.BUY, (price_ticks, qty_lots), tif, post_only, contract_slot)

    def sell(
        self,
        price_ticks: SupportsIndex,
        qty_lots: SupportsIndex,
        tif: TimeInForce = TimeInForce.GTC,
        post_only: bool = False,
        contract_slot: int = 0,
    ) -> int:
        """Send a limit order; its id. ValueError for a price or quantity that no contract permits."""
        return self._new(Side.SELL, (price_ticks, qty_lots), tif, post_only, contract_slot)

    def amend(self, cl_ord_id: int, leaves_lots: SupportsIndex, price_ticks: SupportsIndex = 0) -> None:
        """Leave an order with this open quantity; less at the same price (0 keeps it) keeps its priority."""
        lots, price = _within("leaves_lots", leaves_lots, MAX_LOTS), index(price_ticks)
        if price:
            price = _within("price_ticks", price, MAX_TICKS)
        self._send(CommandKind.AMEND, 0, 0, 0, ExecInst.QTY_IS_LEAVES, OWN_ACCOUNT, 0, cl_ord_id, lots, price)

    def cancel(self, cl_ord_id: int) -> None:
        """Cancel an order. One that has ended by the time that this arrives is refused, which does nothing."""
        self._send(CommandKind.CANCEL, 0, 0, 0, 0, OWN_ACCOUNT, 0, cl_ord_id, 0, 0)

    def cancel_all(self) -> None:
        """Cancel every order that has not ended."""
        for cl_ord_id in self.orders:
            self.cancel(cl_ord_id)

    def _new(self, side: Side, values: Any, tif: TimeInForce, post_only: bool, contract_slot: int) -> int:
        price, lots = _within("price_ticks", values[0], MAX_TICKS), _within("qty_lots", values[1], MAX_LOTS)
        if not 0 <= contract_slot < len(self.contracts):
            raise ValueError(f"contract_slot: {contract_slot} is none of the {len(self.contracts)} contracts so far")
        cl_ord_id, self._next_id = self._next_id, self._next_id + 1
        flags = EXEC_POST_ONLY if post_only else 0
        self._send(
            CommandKind.NEW, side, OrdType.LIMIT, tif, flags, OWN_ACCOUNT, contract_slot, cl_ord_id, lots, price
        )  # fmt: skip
        self.orders[cl_ord_id] = OwnOrder(cl_ord_id, contract_slot, int(side), price, lots)
        return cl_ord_id

    def _send(self, *values: int) -> None:
        self.sent.append(values)

    def seen(self) -> None:
        """The strategy has returned: what is next is new to it."""
        self._market.forget()
        self._fills_seen = len(self._book.fills)


def _within(name: str, value: SupportsIndex, largest: int) -> int:
    number = index(value)
    if not 1 <= number <= largest:
        raise ValueError(f"{name}: {number} is not within 1 to {largest}")
    return number


Strategy = Callable[[Session], None]


@dataclass(frozen=True)
class BacktestResult:
    """What a backtest came to.

    `fills` are FILL rows, `stays` are STAY rows: from when to when own orders stood at a price. `samples` has a row for
    each call of the strategy and one for the end, columns as in SAMPLE_FIELDS, of the first contract; prices are 0
    where a side is empty. `corrections` counts recorded orders that were cut back after own trades. `profit` is in the
    quote currency at the middle of the last book, fees taken off.
    """

    contracts: list[ContractSpec]
    messages: int
    calls: int
    fills: Rows
    stays: Rows
    samples: Rows
    refused: dict[str, int]
    corrections: int
    positions: dict[int, int]
    cash_tick_lots: dict[int, int]
    fees_micros: int
    profit: Decimal


def backtest(
    recording: Reader,
    strategy: Strategy,
    every_ns: int = 0,
    every_messages: int = 0,
    latency_ns: int = 0,
    fees: Fees | None = None,
) -> BacktestResult:
    """Run a strategy on a recording; see the module. RecordingError for a recording that cannot be used.

    One of `every_ns` and `every_messages` says how often the strategy is called; ValueError otherwise.
    """
    check_intervals(recording, every_ns, every_messages)
    if not every_ns and not every_messages:
        raise ValueError("every_ns, every_messages: name one of them: it says how often the strategy is called")
    if latency_ns < 0:
        raise ValueError(f"latency_ns: {latency_ns} is less than 0")
    if recording.is_log:
        raise RecordingError("a journal has accounts and money of its own: no strategy runs on it; export its orders")
    if latency_ns and not recording.has_clock:
        raise RecordingError(f"a {recording.format} recording has no clock: no latency applies to it")
    return _Backtest(recording, strategy, (every_ns, every_messages), latency_ns, fees or Fees()).run()


class _Backtest:
    """One run: what is due, and when."""

    def __init__(
        self, recording: Reader, strategy: Strategy, intervals: tuple[int, int], latency_ns: int, fees: Fees
    ) -> None:
        self.recording, self.strategy = recording, strategy
        self.every_ns, self.every_messages = intervals
        self.latency_ns = latency_ns
        self.market = SideBySide(recording)
        self.book = OwnBook(self.market, fees, contracts_of(recording))
        self.book.has_queues = not isinstance(recording, LevelsReader)
        self.session = Session(self.market, self.book)
        self.under_way: deque[tuple[int, tuple[int, ...]]] = deque()
        """Own commands with the times at which they arrive, in order."""
        self.next_ns = 0 if self.every_ns else FOREVER_NS
        self.next_message = 1
        self.samples = array("q")
        self.calls, self.answers = 0, 0

    def run(self) -> BacktestResult:
        for batch in self.recording.batches():
            self.market.open(self.recording)
            self.book.contracts, self.book.shown_levels = contracts_of(self.recording), self.recording.depth
            if len(batch.commands):
                self._batch(batch)
        self._sample()
        book = self.book
        book.end(self.session.time_ns)
        return BacktestResult(
            book.contracts, self.session.messages, self.calls, np.array(book.fills, FILL),
            np.array(book.stays, STAY), np.array(self.samples, np.int64).reshape(-1, len(SAMPLE_FIELDS)),
            book.refused, self.market.corrections, book.positions, book.cash_tick_lots, book.fees_micros,
            book.profit(),
        )  # fmt: skip

    def _batch(self, batch: Batch) -> None:
        times, messages = running_times(batch, self.session.time_ns), batch.messages
        if self.every_ns or self.latency_ns:
            check_times(self.recording, times)
        place, count = 0, len(times)
        if not self.calls and not self.next_ns:
            self.next_ns = int(times[0])
        while True:
            due_ns = min(self.next_ns, self.under_way[0][0] if self.under_way else FOREVER_NS)
            stop = int(np.searchsorted(times, due_ns, "right"))
            if self.every_messages:
                stop = min(stop, int(np.searchsorted(messages, self.next_message, "right")))
            if place < stop:
                place = self._advance(batch, times, (place, stop))
            elif stop < count:
                self._be_due(int(messages[stop]))
            else:
                break
        batch.read = max(batch.read, self.session.messages)

    def _advance(self, batch: Batch, times: Rows, rows: tuple[int, int]) -> int:
        """Recorded commands up to a row, or to the end of a message in which an own order traded; where it stands."""
        place, stop = rows
        place, events = self.market.advance(batch.commands, place, stop)
        has_traded = False
        while len(events):
            has_traded = True
            message = int(batch.messages[place - 1])
            self.book.take(events, message, int(times[place - 1]))
            end = int(np.searchsorted(batch.messages, message, "right"))
            place, events = self.market.advance(batch.commands, place, end)
        self.session.messages, self.answers = int(batch.messages[place - 1]), 0
        self._now(int(times[place - 1]))
        if has_traded:
            self._call()
        return place

    def _be_due(self, next_message: int) -> None:
        """What is due before the next recorded command: own commands that arrive, and a call of the strategy."""
        arrival_ns = self.under_way[0][0] if self.under_way else FOREVER_NS
        if self.every_messages and next_message > self.next_message and arrival_ns > self.session.time_ns:
            self.next_message = -(-next_message // self.every_messages) * self.every_messages
            self._call()
        elif arrival_ns <= self.next_ns:
            self._now(arrival_ns)
            self._arrive()
        else:
            self._now(self.next_ns)
            self.next_ns += self.every_ns
            self._call()

    def _arrive(self) -> None:
        """The first of the own commands under way reaches the venue."""
        _, values = self.under_way.popleft()
        rows = command_rows([(*values, self.session.time_ns)], (*_NAMES, "time_ns"))
        fills = len(self.book.fills)
        self.book.take(self.market.submit(rows), self.session.messages, self.session.time_ns)
        if len(self.book.fills) > fills:
            self._call()

    def _call(self) -> None:
        self.calls += 1
        self.answers += 1
        if self.answers > MAX_ANSWERS:
            raise ValueError(f"strategy: called {MAX_ANSWERS:,} times at one instant, each time after its own trades")
        self._sample()
        self.strategy(self.session)
        self.session.seen()
        arrival_ns = self.session.time_ns + self.latency_ns
        self.under_way.extend((arrival_ns, values) for values in self.session.sent)
        self.session.sent.clear()

    def _now(self, time_ns: int) -> None:
        if time_ns > self.session.time_ns:
            self.session.time_ns, self.answers = time_ns, 0

    def _sample(self) -> None:
        bids, asks = self.market.together.depth(1)
        book = self.book
        self.samples.extend((
            self.session.time_ns, bids[0][0] if bids else 0, asks[0][0] if asks else 0,
            book.positions.get(0, 0), book.cash_tick_lots.get(0, 0), book.fees_micros,
        ))  # fmt: skip
