"""What clients can ask about: the views that the projection answers with, and its interface.

Everything is in the engine's units and as of the durable sequence; `render` makes text of it. The projection builds
the views from durable events and from the engine's state, and can be rebuilt from the journal.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from msgspec import Struct

from engine.codes import OrdStatus, Reason
from engine.statements.what_if import Holding, Played, Pool
from gateway.wire.command_rows import Signer
from gateway.wire.decimals import Contract
from gateway.wire.errors import Explanation


class OrderView(Struct, gc=False):
    """One order as its owner sees it. `label_json` is the label as JSON text, quotes included."""

    order_id: int
    account_slot: int
    contract_slot: int
    side: int
    ord_type: int
    tif: int
    flags: int
    price_ticks: int
    amount_lots: int
    created_ns: int
    updated_ns: int
    filled_lots: int = 0
    filled_tick_lots: int = 0
    fee_micros: int = 0
    cl_ord_id: int = 0
    label_json: bytes = b'""'
    status: int = OrdStatus.NEW
    reason: int = 0
    trigger_source: int = 0
    trigger_price_ticks: int = 0
    offset_ticks: int = 0
    display_lots: int = 0
    expire_ns: int = 0
    triggered: bool = False
    replaced: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it rests or waits for its trigger."""
        return self.status in (OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED, OrdStatus.UNTRIGGERED)


class TradeView(Struct, gc=False):
    """One public trade. `tick_direction` is 0 plus, 1 zero plus, 2 minus, 3 zero minus.

    `affiliated_maker`: the order that was hit belongs to an account of the operator's group.
    """

    contract_slot: int
    trade_id: int
    time_ns: int
    side: int
    price_ticks: int
    lots: int
    tick_direction: int
    mark_subticks: int
    index_subticks: int
    forced: bool = False
    affiliated_maker: bool = False


class UserTradeView(Struct, gc=False):
    """One side of a trade as its owner sees it; `time_ns` and the rest are in `trade`."""

    trade: TradeView
    account_slot: int
    order_id: int
    side: int
    is_taker: bool
    fee_micros: int
    ord_type: int
    flags: int
    state: int
    cl_ord_id: int = 0
    label_json: bytes = b'""'


class PositionView(Struct, gc=False):
    """One position; margins and the liquidation price are 0 when there is none."""

    contract_slot: int
    size_lots: int = 0
    entry_cost_micros: int = 0
    mark_subticks: int = 0
    index_subticks: int = 0
    unrealised_micros: int = 0
    realised_micros: int = 0
    funding_micros: int = 0
    initial_margin_micros: int = 0
    maintenance_margin_micros: int = 0
    leverage: int = 0
    liquidation_subticks: int = 0
    adl_lights: int = 0
    is_isolated: bool = False
    settlement_subticks: int = 0
    """The mark at which funding was last settled, 0 before the first time."""


class AccountView(Struct, gc=False):
    """The money of one account in the settlement currency."""

    account_slot: int
    cash_micros: int = 0
    equity_micros: int = 0
    unrealised_micros: int = 0
    realised_micros: int = 0
    initial_margin_micros: int = 0
    maintenance_margin_micros: int = 0
    available_micros: int = 0
    withdrawable_micros: int = 0
    deltas: Sequence[tuple[int, int, int]] = ()
    """(contract slot, lots, mark in subticks) of the positions, lots negative when short."""


class TickerView(Struct, gc=False):
    """A contract's market; 0 where there is no value yet. The statistics cover 24 hours."""

    contract_slot: int
    time_ns: int
    state: int
    best_bid_ticks: int = 0
    best_bid_lots: int = 0
    best_ask_ticks: int = 0
    best_ask_lots: int = 0
    last_price_ticks: int = 0
    mark_subticks: int = 0
    index_subticks: int = 0
    min_price_ticks: int = 0
    max_price_ticks: int = 0
    high_ticks: int = 0
    low_ticks: int = 0
    open_ticks: int = 0
    volume_lots: int = 0
    volume_tick_lots: int = 0
    open_interest_lots: int = 0
    current_funding_ppb: int = 0
    funding_8h_ppb: int = 0
    liquidation_enabled: bool = True
    next_funding_ns: int = 0
    funding_interval_s: int = 0


class BookView(Struct, gc=False):
    """The visible book: (price_ticks, lots), the best price first."""

    contract_slot: int
    time_ns: int
    change_id: int
    bids: Sequence[tuple[int, int]] = ()
    asks: Sequence[tuple[int, int]] = ()


class Candle(Struct, gc=False):
    """Trades of one period beginning at `start_ns`; without a trade all prices are the last one's."""

    start_ns: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume_lots: int = 0
    volume_tick_lots: int = 0


class ReferenceView(NamedTuple):
    """The mark and the index as they were at the end of a period beginning at `start_ns`, or as they are in it now."""

    start_ns: int
    mark_subticks: int
    index_subticks: int


class FundingView(Struct, gc=False):
    """One settled funding interval."""

    time_ns: int
    index_subticks: int
    previous_index_subticks: int
    rate_ppb: int
    interval_s: int


class TransactionView(Struct, gc=False):
    """One change of an account's cash. A trade that turns a position round closes and opens."""

    number: int
    time_ns: int
    kind: str
    contract_slot: int
    side: int
    lots: int
    price_ticks: int
    fee_micros: int
    change_micros: int
    cash_micros: int
    order_id: int = 0
    trade_id: int = 0
    is_taker: bool = False
    opens: bool = False
    closes: bool = False
    forced: bool = False


class MovementView(Struct, gc=False):
    """One deposit, withdrawal or transfer; `amount` is in micros, of collateral in 1e-8 coin, negative if paid out."""

    number: int
    time_ns: int
    amount: int
    contract_slot: int


class SettlementView(Struct, gc=False):
    """What a settlement of funding or the delivery of a contract paid to one account, or to all of them together.

    `funding_micros` is what was paid as funding: by the account, or by all longs.
    """

    number: int
    contract_slot: int
    time_ns: int
    kind: str
    position_lots: int
    mark_subticks: int
    index_subticks: int
    change_micros: int
    funding_micros: int


class ContractTerms(Struct, gc=False):
    """A listed contract's rules, as the engine has them."""

    state: int
    min_order_lots: int
    max_order_lots: int
    max_position_lots: int
    taker_fee_ppb: int
    maker_fee_ppb: int
    liquidation_fee_ppb: int
    band_ppb: int
    funding_interval_s: int
    max_leverage: int
    brackets: Sequence[tuple[int, int, int]] = ()
    """(from notional in micros, largest leverage, maintenance rate in ppb)."""
    max_order_value_micros: int = 0
    lot_step: int = 1
    has_affiliate: bool = False
    """Whether an affiliated maker may be present."""
    excludes_affiliates: bool = False
    """Whether impact prices leave its quotes out."""


class RuleState(Struct, gc=False):
    """One rule of the admission ladder for one account: the reason of its refusal, and whether the rule is met."""

    reason: int
    is_met: bool
    detail: str = ""


class LapseWarning(Struct, gc=False):
    """Something without which an account cannot open risk, and which will lapse: reason, last civil day, days left."""

    reason: int
    last_day: str
    days_left: int
    step: int


class RiskView(Struct, gc=False):
    """How far an account is from liquidation, for officers. Amounts are of the cross pool.

    `ratio_ppb`: maintenance margin as a share of equity, of the pool that is nearest; liquidation begins above 1.
    """

    account_slot: int
    equity_micros: int
    maintenance_micros: int
    requirement_micros: int
    ratio_ppb: int
    is_flagged: bool
    warning_level: int
    open_orders: int
    positions: Sequence[tuple[int, int, int, bool]]
    """(contract slot, lots, liquidation price in subticks or 0, whether isolated)."""


class ForcedTradeView(Struct, gc=False):
    """A trade that closed a position by force: whose, and by deleveraging who gave up its profit, else NIL."""

    place: int
    """Of its row in the history."""
    trade: TradeView
    account_slot: int
    against_slot: int


class Outcome(Struct, gc=False):
    """The outcome of one command: a refusal's reason, or the order and its trades."""

    reason: int = 0
    order_id: int = 0
    count: int = 0
    trades: Sequence[UserTradeView] = ()
    seq: int = 0
    why: Explanation | None = None


class NoticeView(Struct, gc=False):
    """A notice for one account: an EventKind, the contract or NIL, the notice's code or reason, and its two figures."""

    kind: int
    contract_slot: int
    code: int
    old_value: int
    new_value: int
    time_ns: int


class Report(NamedTuple):
    """One fact for an account: `kind` is order, trade or notice, `data` its JSON; NIL: about no single contract."""

    sequence: int
    kind: str
    contract_slot: int
    data: bytes


HasMore = Callable[[], bool]
"""Whether there is more than a page: to be called when the page is made."""


class Span(Struct, frozen=True, gc=False):
    """Which part of a history: bounds of time in ns, of ids or sequences, and of places in the whole history, each
    included; how many; which order."""

    start_ns: int = 0
    end_ns: int = (1 << 63) - 1
    first_id: int = 0
    last_id: int = (1 << 63) - 1
    count: int = 10
    offset: int = 0
    ascending: bool = False
    first_place: int = 0
    last_place: int = (1 << 63) - 1


class MoneyRecords(Protocol):
    """Records of money, newest first; see `gateway.read_model.money_records`."""

    def movements(self, account_slot: int, command: int, asset: int, span: Span) -> tuple[list[MovementView], int]: ...
    def own_settlements(
        self, account_slot: int, slots: frozenset[int], kind: str | None, span: Span
    ) -> tuple[list[SettlementView], int]: ...
    def settlements(self, slots: frozenset[int], kind: str | None, span: Span) -> tuple[list[SettlementView], int]: ...
    def deliveries(self, slots: frozenset[int]) -> list[tuple[int, int, int]]: ...


class Positions(Protocol):
    """Accounts' positions; see `gateway.read_model.positions`."""

    def one(self, account_slot: int, contract_slot: int) -> PositionView: ...
    def size_lots(self, account_slot: int, contract_slot: int) -> int: ...
    def of_account(self, account_slot: int) -> list[PositionView]: ...
    def heard(self, account_slot: int, contract_slot: int) -> list[PositionView]: ...
    def has_any(self, account_slot: int) -> bool: ...
    def leverage(self, account_slot: int, contract_slot: int) -> int: ...


class OrderPreviews(Protocol):
    """What orders would do that nobody has sent; see `gateway.read_model.order_previews`."""

    def before(self, account_slot: int, contract_slot: int) -> tuple[Pool, Holding]: ...
    def play(self, command: Any, now_ns: int) -> Played: ...
    def play_amended(self, command: Any, contract_slot: int, now_ns: int) -> Played: ...
    def largest_lots(self, command: Any, now_ns: int) -> int: ...
    def why(self, explain: Any, command: Any, reason: Reason) -> Explanation | None: ...


class OperatorViews(Protocol):
    """Reads over all accounts, for officers; see `gateway.read_model.operator_views`."""

    def exposed_accounts(self) -> Sequence[int]: ...
    def ratios_ppb(self, account_slots: Sequence[int]) -> list[int]: ...
    def risk(self, account_slot: int) -> RiskView: ...
    def forced_trades(self, slots: Collection[int], span: Span) -> Iterator[ForcedTradeView]: ...
    def open_orders(self, accounts: Collection[int], contracts: Collection[int]) -> int: ...


class Switches(Protocol):
    """The dead-man's switches that are on; see `gateway.read_model.switches`."""

    connections: dict[int, Signer]
    accounts: dict[int, Signer]
    countdowns: dict[int, tuple[int, Signer]]


class Projection(Protocol):
    """Reads of the projection, all as of `durable_seq`. Slots and ids that do not exist give nothing, not an error."""

    @property
    def durable_seq(self) -> int: ...
    @property
    def now_ns(self) -> int: ...
    @property
    def money_records(self) -> MoneyRecords: ...
    @property
    def positions(self) -> Positions: ...
    @property
    def switches(self) -> Switches: ...
    def contracts(self) -> Sequence[Contract]: ...
    def contract(self, name: str) -> Contract | None: ...
    def contract_at(self, slot: int) -> Contract: ...
    def terms(self, contract_slot: int) -> ContractTerms: ...
    def state(self, contract_slot: int) -> int: ...
    def instruments(self) -> Sequence[bytes]: ...
    def ticker(self, contract_slot: int) -> TickerView: ...
    def mark(self, contract_slot: int) -> int: ...
    def book(self, contract_slot: int, depth: int) -> BookView: ...
    def trades(self, slots: frozenset[int], span: Span) -> tuple[Iterable[TradeView], HasMore]: ...
    def candles(self, contract_slot: int, resolution_s: int, start_ns: int, end_ns: int) -> list[Candle]: ...
    def references(self, contract_slot: int, resolution_s: int, start_ns: int, end_ns: int) -> list[ReferenceView]: ...
    def funding(self, contract_slot: int, start_ns: int, end_ns: int) -> list[FundingView]: ...
    def volume_lots(self, contract_slot: int, since_ns: int) -> int: ...
    def marks(self, contract_slot: int, start_ns: int, end_ns: int) -> list[tuple[int, int]]: ...
    def funding_start_ns(self, contract_slot: int) -> int: ...
    def is_halted(self) -> bool: ...
    def is_post_only_for_affiliates(self) -> bool: ...
    def order(self, account_slot: int, order_id: int) -> OrderView | None: ...
    def open_orders(self, account_slot: int) -> list[OrderView]: ...
    def order_history(
        self,
        account_slot: int,
        slots: frozenset[int],
        span: Span,
        *,
        with_unfilled: bool = True,
        label: str = "",
        conditional: bool = False,
    ) -> Iterable[OrderView]: ...
    def trade_place(self, contract_slot: int, trade_id: int, is_last: bool) -> int: ...
    def user_trades(
        self, account_slot: int, slots: frozenset[int], span: Span
    ) -> tuple[Iterable[UserTradeView], HasMore]: ...
    def order_trades(self, account_slot: int, order_id: int) -> list[UserTradeView]: ...
    @property
    def mark_ticks(self) -> int: ...
    @property
    def previews(self) -> OrderPreviews: ...
    def account(self, account_slot: int) -> AccountView: ...
    def transactions(
        self, account_slot: int, span: Span, is_wanted: Callable[[TransactionView], bool]
    ) -> tuple[list[TransactionView], int]: ...
    def explanation(self, account_slot: int) -> dict[str, Any]: ...
    def admission(self, account_slot: int, contract_slot: int, person: int) -> list[RuleState]: ...
    def warnings(self, account_slot: int) -> list[LapseWarning]: ...
    def connection_orders(self, account_slot: int, connection: int) -> list[OrderView]: ...
    def reports_floor(self, account_slot: int) -> int: ...
    def reports_since(self, account_slot: int, after: int, until: int, count: int) -> tuple[Sequence[Report], bool]: ...
