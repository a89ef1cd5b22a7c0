"""What clients ask about, folded from the event stream and read from the engine's state.

Present state (positions, cash, marks, the market's state) is read from the engine's state. What the engine does not
keep (an order's history, own trades, candles, funding) is folded here from the events, with the last applied sequence,
and can be rebuilt from the journal. The server releases an answer when everything applied so far is durable, so no
answer is ahead of the log.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from engine import disk, host, statements
from engine.code_values import FLAG_FORCED, FLAG_TAKER
from engine.codes import NIL, Mode, VenueState
from engine.kernels import direct
from engine.schema import COMMAND, EVENT, LABEL, NOTICE, SMALL
from engine.statements import decision_figures, margin_ratios
from gateway.read_model import account_index, event_fold, market_minutes, order_previews, render, saved_rows
from gateway.read_model.account_views import account_view
from gateway.read_model.admission_view import rule_states, warnings
from gateway.read_model.books import Books
from gateway.read_model.candles import Candles
from gateway.read_model.funding_rates import FundingRates
from gateway.read_model.history import History, OrderFilter
from gateway.read_model.history_views import (
    HISTORY_ROW_BYTES,
    candle_view,
    closed_by_force,
    funding_rate,
    order_view,
    reference_view,
    trade_view,
    transaction_view,
    user_trade_view,
)
from gateway.read_model.instruments import Instruments, terms_of
from gateway.read_model.margin_explanation import explanation
from gateway.read_model.money_records import MoneyRecords
from gateway.read_model.positions import Positions
from gateway.read_model.reference_prices import ReferencePrices, latest_marks
from gateway.read_model.reports import REPORT_ROWS, Reports
from gateway.read_model.saved_rows import SavedRows
from gateway.read_model.segments import Segment
from gateway.read_model.switches import Switches
from gateway.registry.registry import ContractRecord
from gateway.wire.decimals import Contract, Unit
from gateway.wire.views import (
    AccountView,
    BookView,
    Candle,
    ContractTerms,
    FundingView,
    HasMore,
    LapseWarning,
    OrderView,
    ReferenceView,
    Report,
    RuleState,
    Span,
    TickerView,
    TradeView,
    TransactionView,
    UserTradeView,
)

_APPLIED_SEQ, _RARE, _REPORTED, _SWITCHED = (
    event_fold.VIEW.fields[name][1] // 8 for name in ("applied_seq", "rare", "reported", "switched")  # type: ignore[index]
)
_HEAD = np.dtype([("seq", "i8")])
Batch = tuple[Any, Any, Any, Any]
"""COMMAND rows, the same as LABEL rows, EVENT rows, the same as NOTICE rows."""


def _is_any(view: TransactionView) -> bool:
    return True


class Projection:
    """Reads of everything applied so far. A read changes nothing; who must see all that came in settles first."""

    def __init__(
        self, event_rows: int = 1 << 16, report_rows: int = REPORT_ROWS, history: History | None = None
    ) -> None:
        """Without a history that has a store, all that happens stays in memory."""
        self.is_locked = False
        self.books = Books(event_rows)
        self._view = event_fold.empty_view()
        self.history = history or History()
        self._recent: tuple[Segment, int] = (self.history.segments[0], 0)
        self._candles = Candles(self.history.store)
        self._reference_prices = ReferencePrices(self.history.store)
        self.switches = Switches()
        self.money_records = MoneyRecords(self.history)
        self._funding = FundingRates(self.history.store)
        self._contracts: list[Contract] = []
        self._instruments = Instruments()
        self._reports = Reports(self.history, self._contracts, report_rows)
        self._by_name: dict[str, Contract] = {}
        self._row = self._view[0]
        self._numbers = self._view.view(np.uint8).data[: event_fold.VIEW.fields["noted"][1]].cast("q")  # type: ignore[index]
        self._orders = memoryview(self._row["orders"].view(np.uint8).reshape(-1))
        self._heads = self._row["accounts"]
        self._next_slots = self._row["orders"]["next_slot"]
        self._markets = self._row["markets"]
        self._fold = self._compiled()

    # --- writing --------------------------------------------------------------------------------------------------

    def _compiled(self) -> Callable[..., tuple[int, int]]:
        """The fold, compiled for the types of the batches."""
        commands, events, segment = np.zeros(1, COMMAND), np.zeros(1, EVENT), self.history.segments[0]
        batch = (commands, commands.view(LABEL), events, events.view(NOTICE))
        history = (segment.legs, segment.orders, segment.legs, segment.orders)
        compiled: Callable[..., tuple[int, int]] = direct(
            event_fold.fold, self._view, batch, (0, 0, 0, 0), history, self.books.room(1)
        )
        return compiled

    def attach(self, root: Any) -> None:
        """Read present state from this engine state."""
        self._root = root
        self._state = root[0]
        self._engine_accounts = self._state["accounts"]
        self._engine_contracts = self._state["contracts"]
        self._ladders = self._state["ladders"]
        self._levels = self._state["levels"]
        self.positions = Positions(root, self._funding.settled_mark)
        self.previews = order_previews.OrderPreviews(root, self._contracts, self.shown_lots)

    def warm_up(self) -> None:
        """Compile what the first question about an account and the first full segment need, before they come."""
        account_index.warm_up()
        root = host.create(SMALL, Mode.RESEARCH)
        root["accounts_used"] = root["accounts"][0][0]["state"] = root["positions_used"] = 1
        root["accounts"][0][0]["positions_head"] = root["positions"][0][0]["next_slot"] = NIL
        root["accounts"][0][0]["collateral_units"][0] = 1
        statements.warm_up(root)
        margin_ratios.margin_ratios_ppb(root, [0])
        decision_figures.warm_up(root)
        order_previews.warm_up(root)

    def set_contracts(self, records: Sequence[ContractRecord]) -> None:
        """Set the names and units of the contracts, by slot."""
        for record in records[len(self._contracts) :]:
            contract = Contract(
                record.slot, record.name, record.base, record.settlement, Unit.parse(record.tick),
                Unit.parse(record.lot), record.slot + 1, record.created_ns // 1_000_000,
            )  # fmt: skip
            self._contracts.append(contract)
            self._by_name[contract.name] = contract

    def apply(self, batch: Batch, commands_count: int, events_count: int) -> tuple[Segment, int, int]:
        """Fold so many rows of a batch; returns where its history rows are: (segment, first, end)."""
        segment = self.history.room(3 * events_count, self._numbers[_APPLIED_SEQ])
        reports = self._reports.room(events_count)
        first = segment.used
        spans = (commands_count, events_count, first, reports.used)
        history = (segment.legs, segment.orders, reports.legs, reports.orders)
        end, noted = self._fold(self._view, batch, spans, history, self.books.room(events_count))
        segment.used = end
        self._reports.noted(reports, self._numbers[_REPORTED])
        self._recent = (segment, first)
        if self._numbers[_RARE]:
            self._note_rare(segment, first)
        if self._numbers[_SWITCHED]:
            self.switches.fold(batch[0], batch[3][:events_count])
        self.books.noted(noted, self._numbers[_APPLIED_SEQ])
        return segment, first, end

    def replay(self, commands: Any, events: Any) -> None:
        """Fold a batch of the journal."""
        if len(commands):
            batch = (commands, commands.view(LABEL), events, events.view(NOTICE))
            self.apply(batch, len(commands), len(events))

    def _note_rare(self, segment: Segment, first: int) -> None:
        """Keep minutes that are over and funding rates where a question finds them without a walk through all."""
        kinds = segment.legs["kind"][first : segment.used]
        for index in np.flatnonzero(kinds == market_minutes.CANDLE_KIND).tolist():
            self._candles.add(*candle_view(segment.data, (first + index) * HISTORY_ROW_BYTES))
        for index in np.flatnonzero(kinds == market_minutes.REFERENCE_KIND).tolist():
            self._reference_prices.add(*reference_view(segment.data, (first + index) * HISTORY_ROW_BYTES))
        for index in np.flatnonzero(kinds == event_fold.FUNDING_KIND).tolist():
            self._funding.add(*funding_rate(segment.data, (first + index) * HISTORY_ROW_BYTES))

    @property
    def report_rows(self) -> int:
        """How many order states and notices are kept."""
        return self._reports.rows_in_memory

    @property
    def last_connection(self) -> int:
        """The highest number of a connection that an order was made over, or that has a switch on."""
        used = int(self._row["orders_used"])
        made_over = int(self._row["connections"][:used].max(initial=0))
        return max(made_over, self.switches.last_connection)

    @property
    def view(self) -> Any:
        """The folded state itself, one VIEW record: for compiled readers."""
        return self._view

    @property
    def applied_seq(self) -> int:
        """The last command whose events are applied."""
        return int(self._row["applied_seq"])

    # --- saving ---------------------------------------------------------------------------------------------------

    @property
    def _saved_parts(self) -> tuple[Any, ...]:
        series = self._candles.series, self._reference_prices.series, self._funding.series
        return self.history, self._reports, *series, self.switches

    def save(self, path: Path, pace: disk.Pace | None = None) -> None:
        """Write everything durably to a file, which gets its name when it is complete. With a pace in pieces."""
        row = self._row
        arrays = {
            "head": np.array([(self.applied_seq,)], _HEAD),
            "orders": row["orders"][: int(row["orders_used"])],
            "accounts": row["accounts"][: int(row["accounts_used"])],
            "connections": row["connections"][: int(row["orders_used"])],
            "markets": row["markets"],
        }
        for part in self._saved_parts:
            arrays |= part.saved()
        saved_rows.write(path, arrays, pace)

    def load(self, path: Path) -> None:
        """Load what `save` wrote. SavedRowsError before anything is changed, when it cannot be used."""
        saved, row = SavedRows(path), self._row
        (head,), markets = saved.array("head", _HEAD), saved.array("markets", event_fold.MARKET_ROW)
        accounts, orders = saved.array("accounts", event_fold.ACCOUNT_ROW), saved.array("orders", event_fold.ORDER_ROW)
        connections = saved.array("connections", np.int64)
        kept = [part.saved_rows(saved) for part in self._saved_parts]
        for part, rows in zip(self._saved_parts, kept, strict=True):
            part.load(*rows)
        row["applied_seq"], row["orders_used"], row["accounts_used"] = head["seq"], len(orders), len(accounts)
        row["orders"][: len(orders)], row["connections"][: len(orders)] = orders, connections
        row["accounts"][: len(accounts)], row["markets"] = accounts, markets
        self._recent = (self.history.segments[-1], self.history.segments[-1].used)

    # --- contracts ------------------------------------------------------------------------------------------------

    @property
    def durable_seq(self) -> int:
        """The sequence that an answer given now is released at."""
        return int(self._state["last_seq"])

    @property
    def now_ns(self) -> int:
        """The engine's now."""
        return int(self._state["now_ns"])

    def contracts(self) -> Sequence[Contract]:
        """All contracts by slot."""
        return self._contracts

    def contract(self, name: str) -> Contract | None:
        """The contract of this name."""
        return self._by_name.get(name)

    def contract_at(self, slot: int) -> Contract:
        """The contract in this slot."""
        return self._contracts[slot]

    def terms(self, contract_slot: int) -> ContractTerms:
        """The rules of a contract."""
        return terms_of(self._engine_contracts[contract_slot])

    def instruments(self) -> Sequence[bytes]:
        """The description of each contract as JSON, by slot."""
        return self._instruments.texts(self._contracts, self._engine_contracts, self.terms)

    def state(self, contract_slot: int) -> int:
        """A contract's market state."""
        return int(self._engine_contracts[contract_slot]["state"])

    @property
    def history_end(self) -> int:
        """The place behind the history's last row."""
        return self.history.end

    def is_halted(self) -> bool:
        """Whether the venue is halted, or takes no orders for a reason of its own."""
        return self.is_locked or int(self._state["venue_state"]) == VenueState.HALTED

    def is_post_only_for_affiliates(self) -> bool:
        """Whether opening orders of affiliated makers must be post-only limit orders."""
        return int(self._state["affiliate_post_only"]) != 0

    # --- market ---------------------------------------------------------------------------------------------------

    def ticker(self, contract_slot: int) -> TickerView:
        """A contract's market as it stands."""
        row = self._engine_contracts[contract_slot]
        now_ns = self.now_ns
        day = self._candles.day(contract_slot, now_ns, self._running(contract_slot))
        bid, ask = self._best(contract_slot, 0), self._best(contract_slot, 1)
        running = statements.funding_statement(self._root, contract_slot)
        is_banded = int(row["band_ppb"]) > 0 and int(row["mark_subticks"]) > 0
        return TickerView(
            contract_slot, now_ns, int(row["state"]), *bid, *ask, int(row["last_price_ticks"]),
            int(row["mark_subticks"]), int(row["index_subticks"]), int(row["min_sell_ticks"]) if is_banded else 0,
            int(row["max_buy_ticks"]) if is_banded else 0, day.high_ticks, day.low_ticks, day.open_ticks,
            day.volume_lots, day.volume_tick_lots, int(row["open_interest_lots"]), running.rate_ppb,
            running.rate_8h_ppb, int(row["liquidation_enabled"]) != 0, int(row["next_funding_ns"]),
            int(row["funding_interval_s"]),
        )  # fmt: skip

    def mark(self, contract_slot: int) -> int:
        """The mark price in subticks, 0 when there is none yet."""
        return int(self._engine_contracts[contract_slot]["mark_subticks"])

    def _best(self, contract_slot: int, ladder: int) -> tuple[int, int]:
        """(price, visible quantity) of the first level of a side, zeros when it is empty."""
        row = self._ladders[contract_slot * 8 + ladder]
        if not row["entries"]:
            return 0, 0
        level = self._levels[row["first_slot"]]
        return int(level["price_ticks"]), int(level["leaves_lots"] - level["hidden_lots"])

    def book(self, contract_slot: int, depth: int) -> BookView:
        """The visible book; depth 0 is all of it."""
        book = self.books.book(contract_slot)
        return BookView(contract_slot, self.now_ns, book.change_id, book.best(1, depth), book.best(2, depth))

    def shown_lots(self, contract_slot: int, side: int, ticks: int) -> int:
        """What a side of the visible book has at a price or better."""
        return self.books.book(contract_slot).shown_lots(side, ticks)

    def trades(self, slots: frozenset[int], span: Span) -> tuple[Iterator[TradeView], HasMore]:
        """Public trades of some contracts, each found when it is asked for; then whether there are more."""
        found = self.history.of_contracts(slots, FLAG_TAKER, span)
        return _cut(found, trade_view, span)

    def liquidations(self, contract_slot: int, first_id: int, count: int) -> list[bytes]:
        """Forced trades from a trade id on, the latest so many, as the channel says them."""
        found: list[bytes] = []
        for segment, index in self.history.of_contracts((contract_slot,), FLAG_FORCED, Span(first_id=first_id)):
            if len(found) == count:
                break
            closed = closed_by_force(segment.data, index * HISTORY_ROW_BYTES)
            if closed:
                found.append(render.liquidation(self._contracts[contract_slot], *closed))
        return found[::-1]

    def latest_candle(self, contract_slot: int, resolution_s: int) -> Candle | None:
        """The candle that holds the last trade, also when its period is over."""
        running = self._running(contract_slot)
        if running is None:
            return None
        start_ns = running.start_ns - running.start_ns % (resolution_s * 1_000_000_000)
        return self._candles.period(contract_slot, resolution_s, start_ns, start_ns, running)[-1]

    def candles(self, contract_slot: int, resolution_s: int, start_ns: int, end_ns: int) -> list[Candle]:
        """Candles from the one that holds the start to the one that holds the end, up to now."""
        running = self._running(contract_slot)
        return self._candles.period(contract_slot, resolution_s, start_ns, end_ns, running, self.now_ns)

    def references(self, contract_slot: int, resolution_s: int, start_ns: int, end_ns: int) -> list[ReferenceView]:
        """Mark and index as they were at the end of each period, up to now."""
        market, end_ns = self._markets[contract_slot], min(end_ns, self.now_ns)
        return self._reference_prices.period(contract_slot, resolution_s, start_ns, end_ns, market)

    def _running(self, contract_slot: int) -> Candle | None:
        row = self._markets[contract_slot]
        if not row["candle_ns"]:
            return None
        return Candle(
            int(row["candle_ns"]), int(row["open_ticks"]), int(row["high_ticks"]), int(row["low_ticks"]),
            int(row["last_ticks"]), int(row["volume_lots"]), int(row["volume_tick_lots"]),
        )  # fmt: skip

    def volume_lots(self, contract_slot: int, since_ns: int) -> int:
        """What was traded in the minutes that began since an instant."""
        return self._candles.volume_lots(contract_slot, since_ns, self._running(contract_slot))

    def marks(self, contract_slot: int, start_ns: int, end_ns: int) -> list[tuple[int, int]]:
        """(time in ns, mark in subticks) of the latest marks, oldest first."""
        return latest_marks(self._markets[contract_slot], start_ns, end_ns)

    def funding(self, contract_slot: int, start_ns: int, end_ns: int) -> list[FundingView]:
        """Settled funding rates."""
        return self._funding.between(contract_slot, start_ns, end_ns)

    def funding_start_ns(self, contract_slot: int) -> int:
        """When the running funding interval began."""
        return int(self._engine_contracts[contract_slot]["funding_start_ns"])

    # --- orders and own trades ------------------------------------------------------------------------------------

    def order(self, account_slot: int, order_id: int) -> OrderView | None:
        """An order of the account, open or closed."""
        return self.order_now(account_slot, order_id)

    def order_now(self, account_slot: int, order_id: int) -> OrderView | None:
        """An order of the account as of what is applied. A closed one stays in its slot until that is used again."""
        if order_id <= 0:
            return None
        view = order_view(self._orders, (order_id & event_fold.SLOT_MASK) * HISTORY_ROW_BYTES)
        if view.order_id == order_id:
            return view if view.account_slot == account_slot else None
        return self._closed_order(account_slot, order_id)

    def _closed_order(self, account_slot: int, order_id: int) -> OrderView | None:
        """An order whose slot is used again. Most of these ended in the last batch, so its rows are searched first."""
        segment, first = self._recent
        rows = segment.legs[first : segment.used]
        ended = np.flatnonzero((rows["order_id"] == order_id) & (rows["kind"] == event_fold.ORDER_KIND))
        if len(ended):
            view = order_view(segment.data, (first + int(ended[-1])) * HISTORY_ROW_BYTES)
            return view if view.account_slot == account_slot else None
        for segment, index in self.history.of_order(account_slot, order_id, event_fold.ORDER_KIND):
            return order_view(segment.data, index * HISTORY_ROW_BYTES)
        return None

    def open_orders(self, account_slot: int) -> list[OrderView]:
        """Open and untriggered orders, the latest first."""
        return [order_view(self._orders, slot * HISTORY_ROW_BYTES) for slot in self._open_slots(account_slot)]

    def connection_orders(self, account_slot: int, connection: int) -> list[OrderView]:
        """Open and untriggered orders of the account that were made over one connection."""
        connections = self._row["connections"]
        slots = [slot for slot in self._open_slots(account_slot) if connections[slot] == connection]
        return [order_view(self._orders, slot * HISTORY_ROW_BYTES) for slot in slots]

    def order_history(
        self,
        account_slot: int,
        slots: frozenset[int],
        span: Span,
        *,
        with_unfilled: bool = True,
        label: str = "",
        conditional: bool = False,
    ) -> Iterator[OrderView]:
        """Closed orders of some contracts that ended within a span's times, the latest first, made when asked for."""
        wanted = OrderFilter(slots, span.start_ns, span.end_ns, not with_unfilled, conditional, label.encode())
        found = self.history.closed_orders(account_slot, wanted)
        wanted_part = islice(found, span.offset, span.offset + span.count)
        return (order_view(segment.data, index * HISTORY_ROW_BYTES) for segment, index in wanted_part)

    def user_trades(
        self, account_slot: int, slots: frozenset[int], span: Span
    ) -> tuple[Iterator[UserTradeView], HasMore]:
        """Own trades of some contracts, each found when it is asked for; then whether there are more."""
        return _cut(self.history.trades(account_slot, slots, span), user_trade_view, span)

    def trade_place(self, contract_slot: int, trade_id: int, is_last: bool) -> int:
        """Where a contract's trade is in the whole history: its first row, or with `is_last` its last one."""
        return self.history.trade_place(contract_slot, trade_id, is_last)

    def order_trades(self, account_slot: int, order_id: int) -> list[UserTradeView]:
        """The trades of one order, oldest first."""
        return [
            user_trade_view(segment.data, index * HISTORY_ROW_BYTES)
            for segment, index in self.history.of_order(account_slot, order_id, event_fold.TRADE_KIND)
        ]

    # --- account --------------------------------------------------------------------------------------------------

    @property
    def mark_ticks(self) -> int:
        """How many mark ticks there were."""
        return int(self._state["mark_ticks"])

    def account(self, account_slot: int) -> AccountView:
        """The money of an account; money of isolated positions is theirs and does not count."""
        return account_view(self._root, account_slot)

    def explanation(self, account_slot: int) -> dict[str, Any]:
        """The account's statement, line by line."""
        return explanation(self._root, account_slot)

    def transactions(
        self, account_slot: int, span: Span, is_wanted: Callable[[TransactionView], bool] = _is_any
    ) -> tuple[list[TransactionView], int]:
        """Changes of cash that are wanted, newest first, and the number to continue before (0: no more)."""
        found: list[TransactionView] = []
        for number, segment, index in self.history.money(account_slot, span):
            view = transaction_view(segment.data, index * HISTORY_ROW_BYTES, number)
            if not is_wanted(view):
                continue
            if len(found) == span.count:
                return found, number
            found.append(view)
        return found, 0

    def admission(self, account_slot: int, contract_slot: int, person: int) -> list[RuleState]:
        """The ladder's rows for an order of this person in one contract, or (NIL) in any, one by one."""
        if not self._is_judged(account_slot):
            return []
        wanted = self._contracts if contract_slot == NIL else [self._contracts[contract_slot]]
        return rule_states(self._state, account_slot, person, wanted)

    def warnings(self, account_slot: int) -> list[LapseWarning]:
        """What of the account lapses within 60 days."""
        return warnings(self._state, account_slot) if self._is_judged(account_slot) else []

    def _is_judged(self, account_slot: int) -> bool:
        return int(self._state["mode"]) != Mode.RESEARCH and 0 <= account_slot < int(self._state["accounts_used"])

    # --- reports --------------------------------------------------------------------------------------------------

    def reports_floor(self, account_slot: int) -> int:
        """An account's reports after this sequence are all kept."""
        return self._reports.floor(account_slot)

    def reports_since(self, account_slot: int, after: int, until: int, count: int) -> tuple[list[Report], bool]:
        """An account's orders, trades and notices after a sequence and up to another, and whether there are more.

        Oldest first. A sequence is never split, so there may be more than `count`.
        """
        return self._reports.since(account_slot, after, until, count)

    def batch_reports(self, account_slot: int) -> list[Report]:
        """The same of the batch that was applied last."""
        segment, first = self._recent
        return self._reports.of_batch(account_slot, (segment, first, segment.used))

    def _open_slots(self, account_slot: int) -> Iterator[int]:
        if 0 <= account_slot < len(self._heads) and self._heads[account_slot]["known"]:
            slot = int(self._heads[account_slot]["head_slot"])
            while slot != NIL:
                yield slot
                slot = int(self._next_slots[slot])


def _cut(found: Iterator[Any], make: Callable[[Any, int], Any], span: Span) -> tuple[Iterator[Any], HasMore]:
    """The views of the first `count` rows after `offset`; when they are made, whether there are more.

    Rows are found one by one, as those on disk have to be read.
    """
    rest = islice(found, span.offset, None)
    views = (make(segment.data, index * HISTORY_ROW_BYTES) for segment, index in islice(rest, span.count))
    return views, lambda: next(rest, None) is not None
