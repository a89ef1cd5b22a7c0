"""Fixed sample data for the protocol's document: contracts, an order, trades, money, as a projection gives them."""

from collections.abc import Callable
from typing import Any

from engine.code_values import REASON_BY_CLIENT
from engine.codes import NIL, Asset, CommandKind, MarketState, OrdStatus, OrdType, Reason, Side, TimeInForce
from engine.statements.what_if import Holding, Played, Pool
from gateway.read_model import render
from gateway.read_model.switches import Switches
from gateway.wire.decimals import Contract, Unit
from gateway.wire.errors import Explanation
from gateway.wire.views import (
    AccountView,
    BookView,
    Candle,
    ContractTerms,
    FundingView,
    HasMore,
    LapseWarning,
    MovementView,
    OrderView,
    PositionView,
    ReferenceView,
    Report,
    RuleState,
    SettlementView,
    Span,
    TickerView,
    TradeView,
    TransactionView,
    UserTradeView,
)

NOW = 1_800_000_000_000_000_000
MS = 1_000_000
S = 1_000_000_000
BTC = Contract(0, "BTC_USDC-PERPETUAL", "BTC", "USDC", Unit.parse("0.5"), Unit.parse("0.0001"), 1, 5)
ETH = Contract(1, "ETH_USDC-PERPETUAL", "ETH", "USDC", Unit.parse("0.05"), Unit.parse("0.001"), 2, 5)
TERMS = ContractTerms(MarketState.OPEN, 10, 10**9, 10**10, 500_000, 200_000, 1_000_000, 30_000_000, 28800, 10)


class SampleMoneyRecords:
    """Fixed records of money."""

    def __init__(self) -> None:
        self.movement_rows: dict[int, list[MovementView]] = {}
        self.settlement_rows: list[SettlementView] = []
        self.delivery_rows: list[tuple[int, int, int]] = []

    def movements(self, account: int, command: int, asset: int, span: Span) -> tuple[list[MovementView], int]:
        found = self.movement_rows.get(command, []) if asset == Asset.SETTLEMENT else []
        return found[span.offset : span.offset + span.count], len(found)

    def own_settlements(
        self, account: int, slots: frozenset[int], kind: str | None, span: Span
    ) -> tuple[list[SettlementView], int]:
        return self.settlements(slots, kind, span)

    def settlements(self, slots: frozenset[int], kind: str | None, span: Span) -> tuple[list[SettlementView], int]:
        found = [row for row in self.settlement_rows if row.contract_slot in slots and kind in (None, row.kind)]
        return found[: span.count], 0

    def deliveries(self, slots: frozenset[int]) -> list[tuple[int, int, int]]:
        return [(slot, time_ns, price) for slot, time_ns, price in self.delivery_rows if slot in slots]


class SamplePositions:
    """Fixed positions, one for each contract, of any account."""

    def __init__(self) -> None:
        self.rows: dict[int, PositionView] = {}

    def one(self, account: int, slot: int) -> PositionView:
        return self.rows.get(slot, PositionView(slot))

    def size_lots(self, account: int, slot: int) -> int:
        return self.one(account, slot).size_lots

    def of_account(self, account: int) -> list[PositionView]:
        return list(self.rows.values())

    def heard(self, account: int, slot: int) -> list[PositionView]:
        return self.of_account(account) if slot == NIL else [self.one(account, slot)]

    def has_any(self, account: int) -> bool:
        return bool(self.rows)

    def leverage(self, account: int, slot: int) -> int:
        return 0


class SamplePreviews:
    """The preview of one order: it takes what the book shows."""

    def __init__(self) -> None:
        self.pool = Pool(10_000_000_000, -250_000, 9_999_750_000, 500_000_000, 1_000_000_000, 8_999_750_000)
        self.held = Holding(5_000, 10_000_250_000, 10, -250_000, 1_000_000_000, 500_000_000, 36_000_000)
        after = Pool(9_994_999_875, -500_000, 9_994_499_875, 1_000_000_000, 2_000_000_000, 7_994_499_875)
        held = Holding(10_000, 20_000_500_000, 10, -500_000, 2_000_000_000, 1_000_000_000, 38_000_000)
        self.played = Played(Reason.NONE, after, held, ((40_001, 5_000),), 5_000_125)

    def before(self, account: int, slot: int) -> tuple[Pool, Holding]:
        return self.pool, self.held

    def play(self, command: Any, now_ns: int) -> Played:
        return self.played

    def play_amended(self, command: Any, contract_slot: int, now_ns: int) -> Played:
        return self.played

    def largest_lots(self, command: Any, now_ns: int) -> int:
        return 44_000

    def why(self, explain: Any, command: Any, reason: Reason) -> Explanation | None:
        return None


class SampleProjection:
    """A projection of fixed rows, for the protocol's document and for tests, which add their own."""

    def __init__(self) -> None:
        self.durable_seq = 100
        self.switches = Switches()
        self.now_ns = NOW
        self.list = [BTC, ETH]
        self.orders: dict[int, OrderView] = {}
        self.own_trades: list[UserTradeView] = []
        self.public_trades: list[TradeView] = []
        self.positions = SamplePositions()
        self.account_row = AccountView(0, cash_micros=10_000_000_000, equity_micros=10_000_000_000)
        self.ticker_rows = {0: TickerView(0, NOW, MarketState.OPEN), 1: TickerView(1, NOW, MarketState.OPEN)}
        self.book_rows = {0: BookView(0, NOW, 7), 1: BookView(1, NOW, 8)}
        self.candle_rows: list[Candle] = []
        self.funding_rows: list[FundingView] = []
        self.transaction_rows: list[TransactionView] = []
        self.rule_rows: list[RuleState] = []
        self.warning_rows: list[LapseWarning] = []
        self.reports: list[Report] = []
        self.floor = 0
        self.connections: dict[int, int] = {}
        self.spans: list[Span] = []
        self.reference_rows: list[ReferenceView] = []
        self.mark_rows: list[tuple[int, int]] = []
        self.money_records = SampleMoneyRecords()
        self.previews = SamplePreviews()
        self.mark_ticks = 0
        self.halted = False

    def contracts(self) -> list[Contract]:
        return self.list

    def contract(self, name: str) -> Contract | None:
        return {c.name: c for c in self.list}.get(name)

    def contract_at(self, slot: int) -> Contract:
        return self.list[slot]

    def terms(self, slot: int) -> ContractTerms:
        return TERMS

    def state(self, slot: int) -> int:
        return self.terms(slot).state

    def instruments(self) -> list[bytes]:
        return [render.instrument(contract, self.terms(contract.slot)) for contract in self.list]

    def ticker(self, slot: int) -> TickerView:
        return self.ticker_rows[slot]

    def mark(self, slot: int) -> int:
        return self.ticker_rows[slot].mark_subticks

    def book(self, slot: int, depth: int) -> BookView:
        row = self.book_rows[slot]
        return BookView(slot, row.time_ns, row.change_id, row.bids[:depth], row.asks[:depth])

    def trades(self, slots: frozenset[int], span: Span) -> tuple[list[TradeView], HasMore]:
        self.spans.append(span)
        return [row for row in self.public_trades if row.contract_slot in slots][: span.count], lambda: False

    def volume_lots(self, slot: int, since_ns: int) -> int:
        return sum(row.volume_lots for row in self.candle_rows if row.start_ns >= since_ns)

    def marks(self, slot: int, start_ns: int, end_ns: int) -> list[tuple[int, int]]:
        return [(time_ns, mark) for time_ns, mark in self.mark_rows if start_ns <= time_ns <= end_ns]

    def candles(self, slot: int, resolution_s: int, start_ns: int, end_ns: int) -> list[Candle]:
        return self.candle_rows

    def references(self, slot: int, resolution_s: int, start_ns: int, end_ns: int) -> list[ReferenceView]:
        return self.reference_rows

    def funding(self, slot: int, start_ns: int, end_ns: int) -> list[FundingView]:
        return [row for row in self.funding_rows if start_ns <= row.time_ns <= end_ns]

    def funding_start_ns(self, slot: int) -> int:
        return 0

    def is_halted(self) -> bool:
        return self.halted

    def is_post_only_for_affiliates(self) -> bool:
        return True

    def order(self, account: int, order_id: int) -> OrderView | None:
        view = self.orders.get(order_id)
        return view if view is not None and view.account_slot == account else None

    def open_orders(self, account: int) -> list[OrderView]:
        return [view for view in self.orders.values() if view.account_slot == account and view.is_open]

    def order_history(
        self, account: int, slots: frozenset[int], span: Span, *, with_unfilled: bool = True, label: str = "",
        conditional: bool = False,
    ) -> list[OrderView]:  # fmt: skip
        self.spans.append(span)
        closed = [v for v in self.orders.values() if v.account_slot == account and not v.is_open]
        found = [v for v in closed if v.contract_slot in slots and (with_unfilled or v.filled_lots)]
        found = [v for v in found if not label or v.label_json == render.encode(label)]
        found = [v for v in found if not conditional or v.ord_type > OrdType.LIMIT]
        return found[span.offset : span.offset + span.count]

    def trade_place(self, slot: int, trade_id: int, is_last: bool) -> int:
        return trade_id

    def user_trades(
        self, account: int, slots: frozenset[int], span: Span
    ) -> tuple[list[UserTradeView], HasMore]:
        self.spans.append(span)
        found = [t for t in self.own_trades if t.account_slot == account and t.trade.contract_slot in slots]
        return found[: span.count], lambda: len(found) > span.count

    def order_trades(self, account: int, order_id: int) -> list[UserTradeView]:
        return [t for t in self.own_trades if t.account_slot == account and t.order_id == order_id]

    def account(self, account: int) -> AccountView:
        return self.account_row

    def transactions(
        self, account: int, span: Span, is_wanted: Callable[[TransactionView], bool]
    ) -> tuple[list[TransactionView], int]:
        self.spans.append(span)
        return [row for row in self.transaction_rows if is_wanted(row)], 0

    def explanation(self, account: int) -> dict[str, Any]:
        return {"account_slot": account, "cash_micros": 10_000_000_000, "positions": [], "orders": [], "seq": 100}

    def admission(self, account: int, slot: int, person: int) -> list[RuleState]:
        return self.rule_rows

    def warnings(self, account: int) -> list[LapseWarning]:
        return self.warning_rows

    def connection_orders(self, account: int, connection: int) -> list[OrderView]:
        return [view for view in self.open_orders(account) if self.connections.get(view.order_id) == connection]

    def reports_floor(self, account: int) -> int:
        return self.floor

    def reports_since(self, account: int, after: int, until: int, count: int) -> tuple[list[Report], bool]:
        found = [report for report in self.reports if after < report.sequence <= until]
        return found[:count], len(found) > count


def order(order_id: int = 77, account: int = 0, contract: int = 0, **fields: Any) -> OrderView:
    """An open limit order; keywords change its fields."""
    view = OrderView(
        order_id, account, contract, Side.BUY, OrdType.LIMIT, TimeInForce.GTC, 0, 40_001, 5_000, NOW, NOW,
    )  # fmt: skip
    for name, value in fields.items():
        setattr(view, name, value)
    return view


def own_trade(order_id: int = 77, trade_id: int = 3, account: int = 0, is_taker: bool = True) -> UserTradeView:
    """One side of a trade of 0.5 at 20000.5."""
    trade = TradeView(0, trade_id, NOW, Side.BUY, 40_001, 5_000, 0, 40_000_000, 40_000_000)
    return UserTradeView(trade, account, order_id, Side.BUY, is_taker, 5_000_125, OrdType.LIMIT, 0, OrdStatus.FILLED)


def sample_projection() -> SampleProjection:
    """A projection with at least one row of each kind."""
    rows = SampleProjection()
    rows.orders = {
        77: order(77, label_json=b'"bot"', cl_ord_id=9, display_lots=1000),
        78: order(78, ord_type=OrdType.STOP_LIMIT, status=OrdStatus.UNTRIGGERED, trigger_price_ticks=40_100),
        79: order(79, status=OrdStatus.CANCELED, reason=REASON_BY_CLIENT),
        80: order(80, ord_type=OrdType.STOP_LIMIT, status=OrdStatus.FILLED, trigger_price_ticks=40_100, triggered=True),
    }
    rows.own_trades = [own_trade()]
    rows.public_trades = [rows.own_trades[0].trade]
    rows.positions.rows = {
        0: PositionView(
            0, 5_000, 10_000_250_000, 40_000_000, 40_000_000, -250_000, 0, 0, 1_000_000_000, 500_000_000, 10,
            36_000_000, 2,
        )
    }  # fmt: skip
    rows.ticker_rows[0] = TickerView(
        0, NOW, MarketState.OPEN, 40_000, 10_000, 40_001, 20_000, 40_001, 40_000_000, 40_000_000, 38_800, 41_200,
        40_500, 39_500, 39_900, 30_000, 1_200_000_000, 5_000, 100_000, 100_000, True, NOW + 7200 * S, 28_800,
    )  # fmt: skip
    rows.book_rows[0] = BookView(0, NOW, 7, [(40_000, 10_000)], [(40_001, 20_000)])
    rows.candle_rows = [Candle(NOW - 60 * S, 39_990, 40_010, 39_980, 40_001, 5_000, 200_005_000)]
    rows.funding_rows = [FundingView(NOW, 40_000_000, 39_900_000, 100_000, 28_800)]
    rows.transaction_rows = [
        TransactionView(2, NOW, "trade", 0, Side.BUY, 5_000, 40_001, 5_000_125, -5_000_125, 9_994_999_875, 77, 3),
        TransactionView(1, NOW, "deposit", NIL, 0, 0, 0, 0, 10_000_000_000, 10_000_000_000),
    ]
    rows.reference_rows = [ReferenceView(NOW - 60 * S, 40_000_000, 39_998_000)]
    rows.mark_rows = [(NOW - 2 * S, 39_999_000), (NOW - S, 40_000_000)]
    rows.money_records.movement_rows = {
        CommandKind.DEPOSIT: [MovementView(1, NOW, 10_000_000_000, NIL)],
        CommandKind.WITHDRAW: [MovementView(4, NOW, -2_500_000_000, NIL)],
        CommandKind.TRANSFER: [MovementView(5, NOW, -1_000_000_000, 0)],
    }
    rows.money_records.settlement_rows = [
        SettlementView(6, 0, NOW, "settlement", 5_000, 40_000_000, 39_990_000, -1_000_000, 1_000_000)
    ]
    rows.money_records.delivery_rows = [(0, NOW, 40_000_000)]
    rows.rule_rows = [
        RuleState(Reason.KYC_NOT_VALID, True, "valid through 2027-01-31 (Hong Kong)"),
        RuleState(Reason.PI_EVIDENCE_EXPIRED, False, "lapsed after 2026-12-31 (Hong Kong)"),
    ]
    rows.warning_rows = [LapseWarning(Reason.KYC_NOT_VALID, "2027-01-31", 16, 30)]
    rows.reports = [Report(99, "order", 0, render.order(BTC, rows.orders[77]))]
    return rows
