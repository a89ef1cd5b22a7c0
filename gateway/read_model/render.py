"""The JSON of every kind of object that clients get, from one template each.

Numbers are exact decimal text made from the engine's integers; a missing price is null. Timestamps on the wire are
milliseconds.
"""

from collections.abc import Iterable

from engine.code_values import (
    EXEC_POST_ONLY,
    EXEC_REDUCE_ONLY,
    MARKET_CANCEL_ONLY,
    MARKET_DRAFT,
    MARKET_HALTED,
    MARKET_OPEN,
    MARKET_POST_ONLY,
    MARKET_REDUCE_ONLY,
    MARKET_SETTLED,
    REASON_BY_CLIENT,
    REASON_DISCONNECT,
    REASON_LIQUIDATION,
    REASON_MASS_CANCEL,
    SIDE_BUY,
    SIDE_SELL,
    SOURCE_INDEX,
    SOURCE_LAST,
    SOURCE_MARK,
    STATUS_CANCELED,
    STATUS_FILLED,
    STATUS_NEW,
    STATUS_PARTIALLY_FILLED,
    STATUS_REJECTED,
    STATUS_UNTRIGGERED,
    TIF_FOK,
    TIF_GTC,
    TIF_GTD,
    TIF_IOC,
    TYPE_LIMIT,
)
from engine.codes import MarketState, OrdType, Reason, Side
from engine.units import SUBTICKS
from gateway.wire.decimals import Contract, micros_text, ppb_text, ratio_text
from gateway.wire.jsonrpc_answers import encode
from gateway.wire.reasons import shown
from gateway.wire.views import (
    BookView,
    Candle,
    ContractTerms,
    FundingView,
    LapseWarning,
    OrderView,
    PositionView,
    ReferenceView,
    TickerView,
    TradeView,
    TransactionView,
    UserTradeView,
)

SIDE: dict[int, bytes] = {0: b"zero", SIDE_BUY: b"buy", SIDE_SELL: b"sell"}
ORDER_TYPE = {0: b"liquidation", **{kind.value: kind.name.lower().encode() for kind in OrdType}}
"""0: a trade without an order, by deleveraging."""
TIME_IN_FORCE: dict[int, bytes] = {
    TIF_GTC: b"good_til_cancelled",
    TIF_GTD: b"good_til_day",
    TIF_IOC: b"immediate_or_cancel",
    TIF_FOK: b"fill_or_kill",
}
TRIGGER: dict[int, bytes] = {
    SOURCE_MARK: b"mark_price",
    SOURCE_INDEX: b"index_price",
    SOURCE_LAST: b"last_price",
}
STATE: dict[int, bytes] = {
    STATUS_NEW: b"open",
    STATUS_PARTIALLY_FILLED: b"open",
    STATUS_FILLED: b"filled",
    STATUS_CANCELED: b"cancelled",
    STATUS_REJECTED: b"rejected",
    STATUS_UNTRIGGERED: b"untriggered",
}
CANCEL_REASON: dict[int, bytes] = {
    **{reason.value: Reason(shown(reason)).name.lower().encode() for reason in Reason},
    REASON_BY_CLIENT: b"user_request",
    REASON_MASS_CANCEL: b"user_request",
    REASON_DISCONNECT: b"cancel_on_disconnect",
    REASON_LIQUIDATION: b"autoliquidation",
}
MARKET_STATE: dict[int, bytes] = {
    MARKET_DRAFT: b"draft",
    MARKET_OPEN: b"open",
    MARKET_POST_ONLY: b"post_only",
    MARKET_REDUCE_ONLY: b"reduce_only",
    MARKET_CANCEL_ONLY: b"cancel_only",
    MARKET_HALTED: b"halted",
    MARKET_SETTLED: b"closed",
}
INSTRUMENT_STATE: dict[int, bytes] = {
    MARKET_DRAFT: b"inactive",
    MARKET_OPEN: b"open",
    MARKET_POST_ONLY: b"open",
    MARKET_REDUCE_ONLY: b"open",
    MARKET_CANCEL_ONLY: b"locked",
    MARKET_HALTED: b"halted",
    MARKET_SETTLED: b"delivered",
}
"""The states of the protocol's instruments; `market_state` of the ticker says more exactly what may be done."""
_BOOL = (b"false", b"true")
MARKETS = frozenset(int(kind) for kind in OrdType if kind.name.endswith(("MARKET", "STOP")))
_NS_PER_MS = 1_000_000
FOREVER_MS = 32_503_708_800_000
"""The expiration timestamp of a perpetual contract: the year 3000."""


# --- orders and trades --------------------------------------------------------------------------------------------

ORDER = (
    b'{"order_id":"%d","instrument_name":%b,"direction":"%b","order_type":"%b","order_state":"%b","price":%b,'
    b'"amount":%b,"filled_amount":%b,"average_price":%b,"time_in_force":"%b","post_only":%b,"reduce_only":%b,'
    b'"label":%b,"creation_timestamp":%d,"last_update_timestamp":%d,"commission":%b,"replaced":%b,"api":true,'
    b'"web":false,"is_liquidation":false%b}'
)


CLIENT_ID_EXTRA = b',"cl_ord_id":%d'
MARKET_PRICE = b'"market_price"'
"""The price of a conditional market order that waits for its trigger, as in the Deribit API."""
CANCEL_REASON_EXTRA = b',"cancel_reason":"%b"'


def order(contract: Contract, view: OrderView) -> bytes:
    """An order as its owner sees it; a market order shows its average price, and none before its trigger fired."""
    average = contract.average_text(view.filled_tick_lots, view.filled_lots)
    at_market = average if view.ord_type <= TYPE_LIMIT or view.triggered else MARKET_PRICE
    return ORDER % (
        view.order_id,
        contract.json_name,
        SIDE[view.side],
        ORDER_TYPE[view.ord_type],
        STATE[view.status],
        at_market if view.ord_type in MARKETS else contract.price_text(view.price_ticks),
        contract.amount_text(view.amount_lots),
        contract.amount_text(view.filled_lots),
        average,
        TIME_IN_FORCE[view.tif],
        _BOOL[view.flags & EXEC_POST_ONLY != 0],
        _BOOL[view.flags & EXEC_REDUCE_ONLY != 0],
        view.label_json,
        view.created_ns // _NS_PER_MS,
        view.updated_ns // _NS_PER_MS,
        micros_text(view.fee_micros).encode() if view.fee_micros else b"0",
        _BOOL[view.replaced],
        _order_extras(contract, view),
    )


def _order_extras(contract: Contract, view: OrderView) -> bytes:
    """The fields that only some orders have."""
    extras = CLIENT_ID_EXTRA % view.cl_ord_id if view.cl_ord_id else b""
    if view.status == STATUS_CANCELED:
        extras += CANCEL_REASON_EXTRA % CANCEL_REASON.get(view.reason, b"unknown")
    if view.display_lots:
        extras += b',"display_amount":%b' % contract.amount_text(view.display_lots)
    if view.expire_ns:
        extras += b',"expires_at":%d' % (view.expire_ns // _NS_PER_MS)
    if view.ord_type > TYPE_LIMIT:
        extras += b',"trigger":"%b","trigger_price":%b,"triggered":%b' % (
            TRIGGER[view.trigger_source],
            contract.price_text(view.trigger_price_ticks),
            _BOOL[view.triggered],
        )
    if view.offset_ticks:
        extras += b',"trigger_offset":%b' % contract.price_text(view.offset_ticks)
    return extras


TRADE = (
    b'{"trade_id":"%b-%d","trade_seq":%d,"timestamp":%d,"instrument_name":%b,"price":%b,"amount":%b,'
    b'"direction":"%b","tick_direction":%d,"mark_price":%b,"index_price":%b,"affiliated_maker":%b%b'
)


USER_TRADE = (
    b',"order_id":"%d","label":%b,"liquidity":"%b","fee":%b,"fee_currency":"%b","state":"%b","order_type":"%b",'
    b'"reduce_only":%b,"post_only":%b,"matching_id":null,"api":true%b%b}'
)
FORCED_EXTRA = b',"liquidation":"T"'


def _trade_fields(contract: Contract, view: TradeView, side: int, extras: bytes) -> bytes:
    return TRADE % (
        contract.base_name,
        view.trade_id,
        view.trade_id,
        view.time_ns // _NS_PER_MS,
        contract.json_name,
        contract.price_text(view.price_ticks),
        contract.amount_text(view.lots),
        SIDE[side],
        view.tick_direction,
        reference(contract, view.mark_subticks),
        reference(contract, view.index_subticks),
        _BOOL[view.affiliated_maker],
        extras,
    )


def trade(contract: Contract, view: TradeView) -> bytes:
    """A public trade; its direction is the taker's."""
    return _trade_fields(contract, view, view.side, FORCED_EXTRA + b"}" if view.forced else b"}")


LIQUIDATION = (
    b'{"instrument_name":%b,"timestamp":%d,"trade_id":"%b-%d","direction":"%b","amount":%b,"price":%b,"type":"%b"}'
)


def liquidation(contract: Contract, view: TradeView, is_deleveraging: bool) -> bytes:
    """A forced closing, without its account; its direction is that of the closing trade."""
    return LIQUIDATION % (
        contract.json_name, view.time_ns // _NS_PER_MS, contract.base_name, view.trade_id, SIDE[view.side],
        contract.amount_text(view.lots), contract.price_text(view.price_ticks),
        b"deleveraging" if is_deleveraging else b"liquidation",
    )  # fmt: skip


def user_trade(contract: Contract, view: UserTradeView) -> bytes:
    """One side of a trade as its owner sees it."""
    extras = USER_TRADE % (
        view.order_id,
        view.label_json,
        b"T" if view.is_taker else b"M",
        micros_text(view.fee_micros).encode(),
        contract.settlement_name,
        STATE[view.state],
        ORDER_TYPE[view.ord_type],
        _BOOL[view.flags & EXEC_REDUCE_ONLY != 0],
        _BOOL[view.flags & EXEC_POST_ONLY != 0],
        CLIENT_ID_EXTRA % view.cl_ord_id if view.cl_ord_id else b"",
        FORCED_EXTRA if view.trade.forced else b"",
    )
    return _trade_fields(contract, view.trade, view.side, extras)


def closed(orders: list[bytes], trades: Iterable[bytes], refused: str) -> bytes:
    """The answer to close_position: as of one order, and with more than one also all; why others were refused."""
    more = b',"orders":%b' % array(orders) if len(orders) > 1 else b""
    if refused:
        more += b',"refused":"%b"' % refused.encode()
    return placed(orders[0], trades)[:-1] + more + b"}"


def array(items: Iterable[bytes]) -> bytes:
    """A JSON array of encoded items."""
    return b"[" + b",".join(items) + b"]"


PLACED = b'{"order":%b,"trades":%b}'


def placed(order_json: bytes, trades: Iterable[bytes]) -> bytes:
    """The answer to buy, sell and edit."""
    return PLACED % (order_json, array(trades))


def changes(contract: Contract, orders: Iterable[bytes], trades: Iterable[bytes], positions: Iterable[bytes]) -> bytes:
    """The data of a user.changes push."""
    return b'{"instrument_name":%b,"orders":%b,"trades":%b,"positions":%b}' % (
        contract.json_name, array(orders), array(trades), array(positions),
    )  # fmt: skip


# --- market -------------------------------------------------------------------------------------------------------


def _price(contract: Contract, ticks: int) -> bytes:
    return contract.price_text(ticks) if ticks else b"null"


def reference(contract: Contract, subticks: int) -> bytes:
    """A mark or index price, null while there is none."""
    return contract.subticks_text(subticks) if subticks else b"null"


def _notional(contract: Contract, tick_lots: int) -> bytes:
    return micros_text(tick_lots * contract.micros_per_tick_lot).encode()


def _change_percent(view: TickerView) -> bytes:
    if not view.open_ticks:
        return b"null"
    return ratio_text((view.last_price_ticks - view.open_ticks) * 100, view.open_ticks, 4).encode()


def stats(contract: Contract, view: TickerView) -> bytes:
    """The statistics of 24 hours."""
    notional = _notional(contract, view.volume_tick_lots)
    return (
        b'{"high":%b,"low":%b,"price_change":%b,"volume":%b,"volume_usd":%b,"volume_notional":%b}'
        % (_price(contract, view.high_ticks), _price(contract, view.low_ticks), _change_percent(view),
           contract.amount_text(view.volume_lots), notional, notional)
    )  # fmt: skip


def _ticker_fields(contract: Contract, view: TickerView) -> bytes:
    index = reference(contract, view.index_subticks)
    return (
        b'"timestamp":%d,"instrument_name":%b,"state":"%b","market_state":"%b","best_bid_price":%b,"best_bid_amount":%b,'
        b'"best_ask_price":%b,"best_ask_amount":%b,"last_price":%b,"mark_price":%b,"index_price":%b,"min_price":%b,'
        b'"max_price":%b,"stats":%b,"current_funding":%b,"funding_8h":%b,"open_interest":%b,"settlement_price":%b,'
        b'"estimated_delivery_price":%b,"liquidation_enabled":%b,"next_funding_timestamp":%b,"funding_interval":%d'
    ) % (
        view.time_ns // _NS_PER_MS,
        contract.json_name,
        INSTRUMENT_STATE[view.state],
        MARKET_STATE[view.state],
        _price(contract, view.best_bid_ticks),
        contract.amount_text(view.best_bid_lots),
        _price(contract, view.best_ask_ticks),
        contract.amount_text(view.best_ask_lots),
        _price(contract, view.last_price_ticks),
        reference(contract, view.mark_subticks),
        index,
        _price(contract, view.min_price_ticks),
        _price(contract, view.max_price_ticks),
        stats(contract, view),
        ppb_text(view.current_funding_ppb).encode(),
        ppb_text(view.funding_8h_ppb).encode(),
        contract.amount_text(view.open_interest_lots),
        reference(contract, view.mark_subticks),
        index,
        _BOOL[view.liquidation_enabled],
        b"%d" % (view.next_funding_ns // _NS_PER_MS) if view.next_funding_ns else b"null",
        view.funding_interval_s,
    )


def ticker(contract: Contract, view: TickerView) -> bytes:
    """A contract's ticker."""
    return b"{%b}" % _ticker_fields(contract, view)


def incremental_ticker(contract: Contract, view: TickerView) -> bytes:
    """The ticker as a full snapshot of the incremental channel."""
    return b'{"type":"snapshot",%b}' % _ticker_fields(contract, view)


def quote(contract: Contract, view: TickerView) -> bytes:
    """The best bid and ask alone."""
    return (
        b'{"timestamp":%d,"instrument_name":%b,"best_bid_price":%b,"best_bid_amount":%b,"best_ask_price":%b,'
        b'"best_ask_amount":%b}'
    ) % (
        view.time_ns // _NS_PER_MS,
        contract.json_name,
        _price(contract, view.best_bid_ticks),
        contract.amount_text(view.best_bid_lots),
        _price(contract, view.best_ask_ticks),
        contract.amount_text(view.best_ask_lots),
    )


def levels(contract: Contract, rows: Iterable[tuple[int, int]]) -> bytes:
    """[[price, amount], ...] best first."""
    return array(b"[%b,%b]" % (contract.price_text(price), contract.amount_text(lots)) for price, lots in rows)


def order_book(contract: Contract, view: BookView, at_a_glance: TickerView) -> bytes:
    """The answer of public/get_order_book: the ticker with the levels."""
    return b'{%b,"change_id":%d,"bids":%b,"asks":%b}' % (
        _ticker_fields(contract, at_a_glance),
        view.change_id,
        levels(contract, view.bids),
        levels(contract, view.asks),
    )


def book_summary(contract: Contract, view: TickerView) -> bytes:
    """One row of the book summaries."""
    middle = b"null"
    if view.best_bid_ticks and view.best_ask_ticks:
        middle = contract.subticks_text((view.best_bid_ticks + view.best_ask_ticks) * SUBTICKS // 2)
    notional = _notional(contract, view.volume_tick_lots)
    return (
        b'{"instrument_name":%b,"base_currency":"%b","quote_currency":"%b","creation_timestamp":%d,"high":%b,"low":%b,'
        b'"last":%b,"bid_price":%b,"ask_price":%b,"mid_price":%b,"mark_price":%b,"estimated_delivery_price":%b,'
        b'"volume":%b,"volume_usd":%b,"volume_notional":%b,"open_interest":%b,"current_funding":%b,"funding_8h":%b,'
        b'"price_change":%b}'
    ) % (
        contract.json_name, contract.base_name, contract.settlement_name, view.time_ns // _NS_PER_MS,
        _price(contract, view.high_ticks), _price(contract, view.low_ticks), _price(contract, view.last_price_ticks),
        _price(contract, view.best_bid_ticks), _price(contract, view.best_ask_ticks), middle,
        reference(contract, view.mark_subticks), reference(contract, view.index_subticks),
        contract.amount_text(view.volume_lots), notional, notional, contract.amount_text(view.open_interest_lots),
        ppb_text(view.current_funding_ppb).encode(), ppb_text(view.funding_8h_ppb).encode(), _change_percent(view),
    )  # fmt: skip


def instrument(contract: Contract, terms: ContractTerms) -> bytes:
    """A contract's description. Amounts are in base currency, so the contract size is 1."""
    return (
        b'{"instrument_name":%b,"instrument_id":%d,"kind":"future","instrument_type":"linear","future_type":"linear",'
        b'"base_currency":"%b","counter_currency":"%b","quote_currency":"%b","settlement_currency":"%b",'
        b'"settlement_period":"perpetual","is_active":%b,"state":"%b","tick_size":%b,"tick_size_steps":[],'
        b'"min_trade_amount":%b,"max_trade_amount":%b,"amount_step":%b,"contract_size":1,"maker_commission":%b,'
        b'"taker_commission":%b,"max_liquidation_commission":%b,"max_leverage":%d,"creation_timestamp":%d,'
        b'"expiration_timestamp":%d,"price_index":"%b","underlying_type":"crypto","block_trade_commission":0,"rfq":false}'
    ) % (
        contract.json_name, contract.instrument_id, contract.base_name, contract.settlement_name,
        contract.settlement_name, contract.settlement_name,
        _BOOL[terms.state not in (MarketState.DRAFT, MarketState.SETTLED)], INSTRUMENT_STATE[terms.state],
        contract.price_text(1), contract.amount_text(max(terms.min_order_lots, 1)),
        contract.amount_text(terms.max_order_lots), contract.amount_text(1), ppb_text(terms.maker_fee_ppb).encode(),
        ppb_text(terms.taker_fee_ppb).encode(), ppb_text(terms.liquidation_fee_ppb).encode(), terms.max_leverage,
        contract.created_ms, FOREVER_MS, contract.index_name.encode(),
    )  # fmt: skip


def candle(contract: Contract, view: Candle) -> bytes:
    """The data of a chart push."""
    return b'{"tick":%d,"open":%b,"high":%b,"low":%b,"close":%b,"volume":%b,"cost":%b}' % (
        view.start_ns // _NS_PER_MS,
        contract.price_text(view.open_ticks),
        contract.price_text(view.high_ticks),
        contract.price_text(view.low_ticks),
        contract.price_text(view.close_ticks),
        contract.amount_text(view.volume_lots),
        _notional(contract, view.volume_tick_lots),
    )


def chart(contract: Contract, candles: list[Candle]) -> bytes:
    """The answer of public/get_tradingview_chart_data: one array for each column."""
    price = contract.price_text
    return (
        b'{"status":"%b","ticks":%b,"open":%b,"high":%b,"low":%b,"close":%b,"volume":%b,"cost":%b}'
    ) % (
        b"ok" if candles else b"no_data",
        array(b"%d" % (row.start_ns // _NS_PER_MS) for row in candles),
        array(price(row.open_ticks) for row in candles),
        array(price(row.high_ticks) for row in candles),
        array(price(row.low_ticks) for row in candles),
        array(price(row.close_ticks) for row in candles),
        array(contract.amount_text(row.volume_lots) for row in candles),
        array(_notional(contract, row.volume_tick_lots) for row in candles),
    )  # fmt: skip


def reference_chart(contract: Contract, periods: list[ReferenceView]) -> bytes:
    """The answer of public/get_price_chart_data: one array for each column."""
    price = contract.subticks_text
    return b'{"status":"%b","ticks":%b,"mark":%b,"index":%b}' % (
        b"ok" if periods else b"no_data",
        array(b"%d" % (row.start_ns // _NS_PER_MS) for row in periods),
        array(price(row.mark_subticks) for row in periods),
        array(price(row.index_subticks) for row in periods),
    )


def funding(contract: Contract, view: FundingView) -> bytes:
    """One settled funding rate; interest_1h is an eighth of the rate of 8 hours."""
    eight_hours_ppb = view.rate_ppb * 28_800 // view.interval_s
    return (
        b'{"timestamp":%d,"index_price":%b,"prev_index_price":%b,"interest_8h":%b,"interest_1h":%b,'
        b'"funding_rate":%b,"interval_s":%d}'
    ) % (
        view.time_ns // _NS_PER_MS,
        reference(contract, view.index_subticks),
        reference(contract, view.previous_index_subticks),
        ppb_text(eight_hours_ppb).encode(),
        ppb_text(eight_hours_ppb // 8).encode(),
        ppb_text(view.rate_ppb).encode(),
        view.interval_s,
    )


def perpetual(contract: Contract, view: TickerView) -> bytes:
    """The data of a perpetual push: the running interval's funding."""
    return b'{"timestamp":%d,"index_price":%b,"interest":%b}' % (
        view.time_ns // _NS_PER_MS,
        reference(contract, view.index_subticks),
        ppb_text(view.current_funding_ppb).encode(),
    )


def index_price(contract: Contract, view: TickerView) -> bytes:
    """The data of a price index push."""
    return b'{"index_name":"%b","price":%b,"timestamp":%d}' % (
        contract.index_name.encode(),
        reference(contract, view.index_subticks),
        view.time_ns // _NS_PER_MS,
    )


def instrument_state(contract: Contract, state: bytes, now_ns: int) -> bytes:
    """The data of an instrument.state push."""
    return b'{"timestamp":%d,"state":"%b","instrument_name":%b}' % (now_ns // _NS_PER_MS, state, contract.json_name)


def platform_state(is_locked: bool) -> bytes:
    """The data of a platform_state push."""
    return b'{"price_index":"all","locked":%b}' % _BOOL[is_locked]


def cancelled(contract: Contract, is_trigger: bool, orders: Iterable[bytes]) -> bytes:
    """What a detailed cancel did in one contract, to trigger orders or to the others."""
    return b'{"currency":"%b","type":"%b","instrument_name":%b,"result":%b}' % (
        contract.settlement_name, b"trigger" if is_trigger else b"limit", contract.json_name, array(orders),
    )  # fmt: skip


# --- account ------------------------------------------------------------------------------------------------------


def position(contract: Contract, view: PositionView) -> bytes:
    """One position: `size` and `size_currency` in base currency, negative when short, as of linear contracts."""
    side = 0 if view.size_lots == 0 else Side.BUY if view.size_lots > 0 else Side.SELL
    size = contract.amount_text(view.size_lots)
    total = view.realised_micros + view.funding_micros + view.unrealised_micros
    return (
        b'{"instrument_name":%b,"kind":"future","direction":"%b","size":%b,"size_currency":%b,"average_price":%b,'
        b'"mark_price":%b,"index_price":%b,"floating_profit_loss":%b,"realized_profit_loss":%b,"realized_funding":%b,'
        b'"total_profit_loss":%b,"initial_margin":%b,"maintenance_margin":%b,"leverage":%d,'
        b'"estimated_liquidation_price":%b,"adl_lights":%d,"margin_mode":"%b","settlement_currency":"%b","delta":%b,'
        b'"settlement_price":%b,"roe":%b}'
    ) % (
        contract.json_name, SIDE[side], size, size,
        contract.subticks_text(contract.subticks_of(view.entry_cost_micros, view.size_lots)),
        reference(contract, view.mark_subticks), reference(contract, view.index_subticks),
        micros_text(view.unrealised_micros).encode(), micros_text(view.realised_micros).encode(),
        micros_text(view.funding_micros).encode(), micros_text(total).encode(),
        micros_text(view.initial_margin_micros).encode(), micros_text(view.maintenance_margin_micros).encode(),
        view.leverage, reference(contract, view.liquidation_subticks), view.adl_lights,
        b"isolated" if view.is_isolated else b"cross", contract.settlement_name, contract.amount_text(view.size_lots),
        reference(contract, view.settlement_subticks or view.mark_subticks), _return_on_equity(view),
    )  # fmt: skip


def _return_on_equity(view: PositionView) -> bytes:
    """Per cent of profit on the initial margin, rounded down; null without a position."""
    margin = view.initial_margin_micros
    return ratio_text(100 * view.unrealised_micros, margin, 4).encode() if margin else b"null"


def transaction(contract: Contract | None, currency: str, view: TransactionView, account_slot: int) -> bytes:
    """One row of an account's transaction log."""
    fields: dict[str, object] = {
        "id": view.number,
        "user_id": account_slot,
        "timestamp": view.time_ns // _NS_PER_MS,
        "currency": currency,
        "type": view.kind,
        "user_seq": view.number,
    }
    head = encode(fields)[:-1]
    money = b',"change":%b,"cashflow":%b,"balance":%b,"commission":%b' % (
        *[micros_text(value).encode() for value in (view.change_micros, view.change_micros, view.cash_micros)],
        micros_text(view.fee_micros).encode(),
    )
    if contract is None or view.kind != "trade":
        name = contract.json_name if contract else b"null"
        return head + money + b',"instrument_name":%b,"info":{}}' % name
    return head + money + (
        b',"instrument_name":%b,"side":"%b","user_role":"%b","amount":%b,"price":%b,"order_id":"%d","trade_id":"%b-%d",'
        b'"info":{}}'
    ) % (
        contract.json_name, SIDE[view.side], b"taker" if view.is_taker else b"maker",
        contract.amount_text(view.lots), contract.price_text(view.price_ticks),
        view.order_id, contract.base_name, view.trade_id,
    )  # fmt: skip


# --- notices ------------------------------------------------------------------------------------------------------


def lapse_warning(warning: LapseWarning, now_ns: int) -> bytes:
    """A warning before something lapses; the reason is the one that orders will then be refused with."""
    return b'{"type":"lapse_warning","timestamp":%d,"reason":"%b","valid_through":"%b","days_left":%d,"step":%d}' % (
        now_ns // _NS_PER_MS, Reason(warning.reason).name.encode(), warning.last_day.encode(), warning.days_left,
        warning.step,
    )  # fmt: skip


def lapsed(contract: Contract | None, reason: int, time_ns: int) -> bytes:
    """Something has lapsed, so opening orders are cancelled with this reason, in one contract or in all."""
    name = contract.json_name if contract is not None else b"null"
    head = b'{"type":"lapsed","timestamp":%d,"reason":"%b","instrument_name":%b}'
    return head % (time_ns // _NS_PER_MS, Reason(reason).name.encode(), name)


def margin_call(level: int, equity_micros: int, maintenance_micros: int, time_ns: int) -> bytes:
    """The account's equity has come near its maintenance margin."""
    return b'{"type":"margin_call","timestamp":%d,"level":%d,"equity":%b,"maintenance_margin":%b}' % (
        time_ns // _NS_PER_MS, level, micros_text(equity_micros).encode(), micros_text(maintenance_micros).encode(),
    )  # fmt: skip
