"""What clients may ask: the parameters of every method as msgspec Structs, and the table of the methods.

A `Number` stays raw bytes until `gateway.wire.decimals` reads it by the one grammar: no number is ever a float.
Orders refuse parameters that they do not know, because ignoring one could change what is traded; queries ignore them.
JSON null is the same as an absent parameter.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, cast

import msgspec
from msgspec import Struct

from gateway.office import officer_params as admin
from gateway.office.changes import KINDS
from gateway.registry.authentication import AuthParams
from gateway.sessions import operating_params as operating
from gateway.sessions import record_params as records
from gateway.wire.decimals import ABSENT, Number

OrderTypeName = Literal[
    "limit", "market", "stop_limit", "stop_market", "take_limit", "take_market", "trailing_stop"
]  # fmt: skip
TimeInForceName = Literal["good_til_cancelled", "good_til_day", "immediate_or_cancel", "fill_or_kill"]
TriggerName = Literal["mark_price", "index_price", "last_price"]
SelfTradeName = Literal["cancel_maker", "cancel_taker", "cancel_both", "decrement"]


class Params(Struct, kw_only=True, gc=False):
    """Parameters of a method without any."""


class Strict(Params, forbid_unknown_fields=True):
    """Parameters that refuse what they do not know; some clients send the token of their login with each call."""

    access_token: str | None = None


# --- session ------------------------------------------------------------------------------------------------------


class ChannelsParams(Params):
    channels: list[str]


class HelloParams(Params):
    client_name: str | None = None
    client_version: str | None = None


class TestParams(Params):
    expected_result: str | None = None


class HeartbeatParams(Params):
    interval: Number


class LogoutParams(Params):
    invalidate_token: bool | None = True


class DisconnectParams(Params):
    scope: Literal["connection", "account"] | None = None


# --- market -------------------------------------------------------------------------------------------------------


class InstrumentsParams(Params):
    currency: str | None = None
    kind: str | None = None
    expired: bool | None = None


class InstrumentParams(Params):
    instrument_name: str


class OrderBookParams(Params):
    instrument_name: str
    depth: Number = ABSENT


class TradesParams(Params):
    instrument_name: str
    start_seq: Number = ABSENT
    end_seq: Number = ABSENT
    start_timestamp: Number = ABSENT
    end_timestamp: Number = ABSENT
    count: Number = ABSENT
    sorting: Literal["asc", "desc", "default"] | None = None


class TradesTimeParams(Params):
    instrument_name: str
    start_timestamp: Number
    end_timestamp: Number = ABSENT
    count: Number = ABSENT
    sorting: Literal["asc", "desc", "default"] | None = None


class IndexParams(Params):
    index_name: str


class FundingParams(Params):
    instrument_name: str
    start_timestamp: Number
    end_timestamp: Number


class ChartParams(Params):
    instrument_name: str
    start_timestamp: Number
    end_timestamp: Number
    resolution: str


class CurrencyParams(Params):
    currency: str
    kind: str | None = None


# --- trading ------------------------------------------------------------------------------------------------------


class OrderParams(Strict, kw_only=True):
    """buy and sell, with the other spellings that clients send.

    `reduceOnly` is `reduce_only`, `max_show` is `display_amount`; `contracts` is `amount`, since every contract has the
    size 1; `clientOrderId` is `cl_ord_id` if it is one, a whole number from 1 to 2^63 - 1, and else `label`;
    `direction` may repeat what the method says.
    """

    instrument_name: str
    amount: Number = ABSENT
    contracts: Number = ABSENT
    direction: Literal["buy", "sell"] | None = None
    type: OrderTypeName = "limit"
    price: Number = ABSENT
    time_in_force: TimeInForceName | None = None
    valid_until: Number = ABSENT
    post_only: bool | None = None
    reject_post_only: bool | None = None
    reduce_only: bool | None = None
    reduceOnly: bool | None = None  # noqa: N815 - the spelling that one client sends
    trigger: TriggerName | None = None
    trigger_price: Number = ABSENT
    trigger_offset: Number = ABSENT
    display_amount: Number = ABSENT
    max_show: Number = ABSENT
    label: str | None = None
    cl_ord_id: Number = ABSENT
    clientOrderId: int | str | None = None  # noqa: N815 - the spelling that one client sends
    expires_at: Number = ABSENT
    stp: SelfTradeName | None = None
    confirm: bool | None = None


class PreviewParams(OrderParams, kw_only=True):
    """An order as buy and sell take it, with its side; `with_max` also asks for the largest amount that would pass.

    What fill-or-kill asks of the book is left out of that amount.
    """

    direction: Literal["buy", "sell"]
    with_max: bool | None = None


class _Change(Strict, kw_only=True):
    amount: Number = ABSENT
    price: Number = ABSENT
    trigger_price: Number = ABSENT
    trigger_offset: Number = ABSENT
    valid_until: Number = ABSENT
    post_only: bool | None = None
    reject_post_only: bool | None = None
    reduce_only: bool | None = None
    display_amount: Number = ABSENT
    forfeit_priority: bool | None = None
    confirm: bool | None = None


class EditParams(_Change, kw_only=True):
    order_id: str


class EditByLabelParams(_Change, kw_only=True):
    label: str
    instrument_name: str


class CancelParams(Strict, kw_only=True):
    order_id: str | None = None
    cl_ord_id: Number = ABSENT


class CancelAllParams(Params):
    detailed: bool | None = None


class CancelInstrumentParams(Params):
    instrument_name: str
    type: str | None = None
    detailed: bool | None = None
    side: Literal["buy", "sell"] | None = None


class CancelCurrencyParams(Params):
    currency: str
    kind: str | None = None
    type: str | None = None
    detailed: bool | None = None


class CancelKindParams(Params):
    currency: str | list[str]
    kind: str | None = None
    type: str | None = None
    detailed: bool | None = None


class CancelLabelParams(Params):
    label: str
    currency: str | None = None
    detailed: bool | None = None


class ClosePositionParams(Strict, kw_only=True):
    instrument_name: str
    type: Literal["limit", "market"]
    price: Number = ABSENT


class OrderIdParams(Params):
    order_id: str


class OpenOrdersParams(Params):
    kind: str | None = None
    type: str | None = None


class OpenOrdersInstrumentParams(Params):
    instrument_name: str
    type: str | None = None


class OpenOrdersCurrencyParams(Params):
    currency: str
    kind: str | None = None
    type: str | None = None


class HistoryInstrumentParams(Params):
    instrument_name: str
    count: Number = ABSENT
    offset: Number = ABSENT
    include_old: bool | None = None
    include_unfilled: bool | None = None


class HistoryCurrencyParams(Params):
    currency: str
    kind: str | None = None
    count: Number = ABSENT
    offset: Number = ABSENT
    include_old: bool | None = None
    include_unfilled: bool | None = None


class UserTradesInstrumentParams(TradesParams):
    include_old: bool | None = None


class UserTradesCurrencyParams(records.LastTradesCurrency, kw_only=True):
    include_old: bool | None = None


class UserTradesOrderParams(Params):
    order_id: str
    sorting: Literal["asc", "desc", "default"] | None = None


# --- account ------------------------------------------------------------------------------------------------------


class SummaryParams(Params):
    currency: str
    extended: bool | None = None


class SummariesParams(Params):
    extended: bool | None = None


class PositionsParams(Params):
    currency: str | None = None
    kind: str | None = None


class TransactionLogParams(Params):
    currency: str
    start_timestamp: Number
    end_timestamp: Number
    query: str | None = None
    count: Number = ABSENT
    continuation: Number = ABSENT


class SetLeverageParams(Params):
    instrument_name: str
    leverage: Number


# --- ours ---------------------------------------------------------------------------------------------------------


class AdmissionParams(Params):
    instrument_name: str | None = None


class CountdownParams(Params):
    timeout_ms: Number


class ResumeParams(Params):
    sequence: Number = ABSENT
    until: Number = ABSENT
    channels: list[str] | None = None
    count: Number = ABSENT


# --- the table ----------------------------------------------------------------------------------------------------

Scope = Literal["", "read", "trade", "transfer", "compliance", "admin", "officer"]
"""What a key must hold to call a method; "officer" is compliance or admin, whichever."""
Bucket = Literal["orders", "cancels", "queries", "logins"]


class Method(NamedTuple):
    """One method: what it takes, who may call it, which rate limit it counts against, what it is for."""

    params: type[Struct]
    scope: Scope
    bucket: Bucket
    result: str
    summary: str


_LOGIN: dict[str, tuple[type[Struct], str, str]] = {
    "public/auth": (AuthParams, "Token", "Log in, or renew a login with a refresh token"),
}
_SESSION: dict[str, tuple[type[Struct], str, str]] = {
    "public/subscribe": (ChannelsParams, "[string]", "Subscribe to channels; answers those that were subscribed"),
    "public/unsubscribe": (ChannelsParams, "[string]", "Leave channels"),
    "public/unsubscribe_all": (Params, "string", "Leave all channels"),
    "public/hello": (HelloParams, "Version", "Introduce the client"),
    "public/test": (TestParams, "Version", "Answer a heartbeat's test_request, or test the connection"),
    "public/set_heartbeat": (HeartbeatParams, "string", "Ask for heartbeats every so many seconds, at least 10"),
    "public/disable_heartbeat": (Params, "string", "Stop heartbeats"),
}
_PRIVATE_SESSION: dict[str, tuple[type[Params], str, str]] = {
    "private/subscribe": (ChannelsParams, "[string]", "Subscribe to channels, the user's own included"),
    "private/unsubscribe": (ChannelsParams, "[string]", "Leave channels"),
    "private/unsubscribe_all": (Params, "string", "Leave all channels"),
    "private/logout": (LogoutParams, "nothing", "Close the session cleanly; orders stay"),
    "private/get_cancel_on_disconnect": (DisconnectParams, "Disconnect", "Whether a connection's orders go with it"),
}
_MARKET: dict[str, tuple[type[Params], str, str]] = {
    "public/get_time": (Params, "integer", "The venue's time in ms"),
    "public/get_currencies": (Params, "[Currency]", "Currencies of the venue"),
    "public/get_instruments": (InstrumentsParams, "[Instrument]", "Contracts; a currency is the one they settle in"),
    "public/get_instrument": (InstrumentParams, "Instrument", "One contract"),
    "public/ticker": (InstrumentParams, "Ticker", "Best prices, mark, index, funding and statistics of a contract"),
    "public/get_order_book": (OrderBookParams, "Book", "The book to a depth, with the ticker's fields"),
    "public/get_last_trades_by_instrument": (TradesParams, "Trades", "The latest trades"),
    "public/get_last_trades_by_instrument_and_time": (TradesTimeParams, "Trades", "Trades of a period"),
    "public/get_index_price": (IndexParams, "IndexPrice", "An index such as btc_usdc"),
    "public/get_funding_rate_value": (FundingParams, "number", "The funding rate of a period, added up"),
    "public/get_funding_rate_history": (FundingParams, "[Funding]", "Funding rates of a period"),
    "public/get_tradingview_chart_data": (ChartParams, "Chart", "Candles of a period"),
    "public/get_price_chart_data": (ChartParams, "PriceChart", "Mark and index at the end of each candle of a period"),
    "public/get_book_summary_by_currency": (CurrencyParams, "[Summary]", "Summaries by settlement currency"),
    "public/get_book_summary_by_instrument": (InstrumentParams, "[Summary]", "The summary of one contract"),
    "public/status": (Params, "Status", "Whether trading is locked"),
}
_MARKET_RECORDS: dict[str, tuple[type[Struct], str, str]] = {
    "public/get_contract_size": (InstrumentParams, "ContractSize", "The size of a contract: 1, amounts are in coin"),
    "public/get_last_trades_by_currency": (records.LastTradesCurrency, "Trades", "The latest trades of one currency"),
    "public/get_last_trades_by_currency_and_time": (records.LastTradesCurrencyTime, "Trades", "Those of a period"),
    "public/get_last_settlements_by_instrument": (records.SettlementsInstrument, "Settlements", "Funding, deliveries"),
    "public/get_last_settlements_by_currency": (records.SettlementsCurrency, "Settlements", "Those of one currency"),
    "public/get_delivery_prices": (records.DeliveryPrices, "DeliveryPrices", "Prices at which contracts have ended"),
    "public/get_index_price_names": (records.IndexNames, "[string]", "The names of the indices"),
    "public/get_supported_index_names": (records.SupportedIndexNames, "[string]", "The indices of one kind of market"),
    "public/get_mark_price_history": (records.MarkHistory, "[MarkPoint]", "The latest changes of a mark price"),
    "public/get_funding_chart_data": (records.FundingChart, "FundingChart", "Settled rates and the running one"),
    "public/get_trade_volumes": (records.TradeVolumes, "[TradeVolume]", "What was traded in each contract"),
}
_ACCOUNT_RECORDS: dict[str, tuple[type[Struct], str, str]] = {
    "private/get_subaccounts": (records.Subaccounts, "[Subaccount]", "The account and its sub-accounts"),
    "private/list_api_keys": (Params, "[ApiKey]", "The account's keys, without their secrets"),
    "private/get_margins": (records.Margins, "Margins", "What one order alone would take"),
    "private/get_deposits": (records.Movements, "Deposits", "What was paid in"),
    "private/get_withdrawals": (records.Movements, "Withdrawals", "What was paid out"),
    "private/get_transfers": (records.Movements, "Transfers", "Money moved into isolated positions or out of them"),
    "private/get_settlement_history_by_instrument": (records.SettlementsInstrument, "Settlements", "Own funding"),
    "private/get_settlement_history_by_currency": (records.SettlementsCurrency, "Settlements", "That of one currency"),
    "private/get_open_orders_by_label": (records.OrdersByLabel, "[Order]", "Open orders with a label"),
    "private/get_order_state_by_label": (records.OrderStateByLabel, "[Order]", "All orders with a label"),
    "private/get_trigger_order_history": (records.TriggerHistory, "TriggerHistory", "Conditional orders that ended"),
}
_ORDERS: dict[str, tuple[type[Params], str, str]] = {
    "private/buy": (OrderParams, "Placed", "Place a buy order"),
    "private/sell": (OrderParams, "Placed", "Place a sell order"),
    "private/edit": (EditParams, "Placed", "Amend an order; the amount is the total including what is filled"),
    "private/edit_by_label": (EditByLabelParams, "Placed", "Amend the one open order with this label"),
    "private/close_position": (ClosePositionParams, "Placed", "Close a position with a reduce-only order"),
}
_CANCELS: dict[str, tuple[type[Params], str, str]] = {
    "private/cancel": (CancelParams, "Order", "Cancel an order by order_id or cl_ord_id"),
    "private/cancel_all": (CancelAllParams, "integer", "Cancel all orders; answers how many, or which if detailed"),
    "private/cancel_all_by_instrument": (CancelInstrumentParams, "integer", "Cancel the orders of one contract"),
    "private/cancel_all_by_currency": (CancelCurrencyParams, "integer", "Cancel the orders settled in one currency"),
    "private/cancel_all_by_kind_or_type": (CancelKindParams, "integer", "Cancel the orders of one or more currencies"),
    "private/cancel_by_label": (CancelLabelParams, "integer", "Cancel the orders with this label"),
    "venue/countdown_cancel_all": (CountdownParams, "Countdown", "Cancel all orders unless asked again; 0 stops"),
    "private/enable_cancel_on_disconnect": (DisconnectParams, "string", "Cancel the orders of a lost connection"),
    "private/disable_cancel_on_disconnect": (DisconnectParams, "string", "Keep orders when the connection is lost"),
}
_QUERIES: dict[str, tuple[type[Struct], str, str]] = {
    "private/get_order_state": (OrderIdParams, "Order", "One order"),
    "private/get_open_orders": (OpenOrdersParams, "[Order]", "Open and untriggered orders"),
    "private/get_open_orders_by_instrument": (OpenOrdersInstrumentParams, "[Order]", "Those of one contract"),
    "private/get_open_orders_by_currency": (OpenOrdersCurrencyParams, "[Order]", "Those of one currency"),
    "private/get_order_history_by_instrument": (HistoryInstrumentParams, "[Order]", "Closed orders of one contract"),
    "private/get_order_history_by_currency": (HistoryCurrencyParams, "[Order]", "Closed orders of one currency"),
    "private/get_user_trades_by_instrument": (UserTradesInstrumentParams, "UserTrades", "Own trades of one contract"),
    "private/get_user_trades_by_instrument_and_time": (TradesTimeParams, "UserTrades", "Those of a period"),
    "private/get_user_trades_by_currency": (UserTradesCurrencyParams, "UserTrades", "Own trades of one currency"),
    "private/get_user_trades_by_currency_and_time": (records.LastTradesCurrencyTime, "UserTrades", "Those of a period"),
    "private/get_user_trades_by_order": (UserTradesOrderParams, "[UserTrade]", "The trades of one order"),
    "private/get_account_summary": (SummaryParams, "Account", "Balance and margin in one currency"),
    "private/get_account_summaries": (SummariesParams, "Accounts", "Balance and margin in every currency"),
    "private/get_position": (InstrumentParams, "Position", "The position in one contract"),
    "private/get_positions": (PositionsParams, "[Position]", "All positions"),
    "private/get_transaction_log": (TransactionLogParams, "Transactions", "Trades, fees, funding and transfers"),
    "private/get_leverage": (InstrumentParams, "Leverage", "The leverage chosen for a contract"),
    "private/preview_order": (PreviewParams, "Preview", "What an order would do now: fills, fees, margin; sends none"),
    "private/preview_edit": (EditParams, "Preview", "What an amendment would do now, its priority too; sends none"),
    "venue/get_admission": (AdmissionParams, "Admission", "Why this account may or may not trade, rule by rule"),
    "venue/explain_account": (Params, "AccountStatement", "Own margin line by line, in millionths of the currency"),
    "venue/resume": (ResumeParams, "Resumed", "What the account's own channels said after a sequence"),
}
_VENUE: dict[str, tuple[type[Struct], str, str]] = {
    "venue/get_reject_reasons": (Params, "[RejectReason]", "Every reason of a refusal, its meaning and remedy"),
    "venue/get_rules": (Params, "Rules", "Fees, margin brackets, funding and limits of every contract"),
    "venue/get_disclosures": (admin.GetDisclosures, "[Disclosure]", "The texts to acknowledge, with version and hash"),
}
_MONEY: dict[str, tuple[type[Params], str, str]] = {
    "private/set_leverage": (SetLeverageParams, "Leverage", "Choose the leverage for a contract"),
}
_OWN_STANDING: dict[str, tuple[type[Struct], str, str]] = {
    "venue/acknowledge_disclosure": (admin.AcknowledgeDisclosure, "Acknowledged", "Acknowledge a disclosure's version"),
    "venue/withdraw_professional_status": (admin.WithdrawOwnStatus, "OwnChange", "No new risk from now on"),
}
_OFFICE: dict[str, tuple[type[Struct], str, str]] = {
    "venue/admin/approve": (admin.Decide, "Change", "Carry out a proposal, as another person than who made it"),
    "venue/admin/reject": (admin.Decide, "Change", "End a proposal"),
    "venue/admin/list_changes": (admin.ListChanges, "Changes", "Changes in a state, newest first, by pages"),
    "venue/admin/get_change": (admin.GetChange, "Change", "One change, and what the engine made of it"),
    "venue/admin/list_lapses": (admin.ListLapses, "Lapses", "What lapses soon or has lapsed, by pages"),
    "venue/admin/get_client_record": (admin.GetClientRecord, "ClientRecord", "A client's file"),
}
_OPERATING: dict[str, tuple[type[Struct], str, str]] = {
    "venue/admin/preview_change": (operating.PreviewChange, "ChangePreview", "What a change would do, written nowhere"),
    "venue/admin/list_parameters": (operating.ListParameters, "[Parameter]", "Parameters in force, and who set them"),
    "venue/admin/list_sessions": (operating.ListSessions, "[SessionInfo]", "Who is connected by websocket"),
    "venue/admin/list_risks": (operating.ListRisks, "Risks", "Accounts by nearness to liquidation, by pages"),
    "venue/admin/list_forced_trades": (operating.ListForcedTrades, "ForcedTrades", "Forced trades by pages"),
    "venue/admin/explain_account": (operating.ExplainAccount, "AccountExplained", "An account's margin and admission"),
    "venue/admin/list_orders": (operating.ListOrders, "[Order]", "An account's orders, open ones first"),
    "venue/admin/explain_order": (operating.ExplainOrder, "OrderStory", "An order's decisions and life"),
    "venue/admin/list_clients": (operating.ListClients, "[ClientSummary]", "Clients, what each lacks and what lapses"),
    "venue/admin/list_affiliates": (operating.ListAffiliates, "[Affiliate]", "Group companies and their approvals"),
    "venue/admin/list_alerts": (operating.ListAlerts, "Alerts", "Alerts in a state, newest first, by pages"),
    "venue/admin/get_alert": (operating.GetAlert, "AlertEvidence", "One alert with its orders, trades and reviews"),
}
_CUT: dict[str, tuple[type[Struct], str, str]] = {
    "venue/admin/end_session": (operating.EndSession, "SessionEnded", "End a websocket; its client may connect again"),
}
_REVIEWS: dict[str, tuple[type[Struct], str, str]] = {
    "venue/admin/review_alert": (operating.ReviewAlert, "Alert", "Say what became of an alert, and why"),
}


def _changes(scope: str) -> dict[str, tuple[type[Struct], str, str]]:
    """A method for each change of a scope."""
    return {
        f"venue/admin/{name}": (kind.params, "Change", kind.summary)
        for name, kind in KINDS.items()
        if kind.scope == scope
    }


def _methods() -> dict[str, Method]:
    groups: list[tuple[Mapping[str, tuple[type[Struct], str, str]], Scope, Bucket]] = [
        (_LOGIN, "", "logins"),
        (_SESSION, "", "queries"),
        (_PRIVATE_SESSION, "read", "queries"),
        (_MARKET, "", "queries"),
        (_MARKET_RECORDS, "", "queries"),
        (_ORDERS, "trade", "orders"),
        (_CANCELS, "trade", "cancels"),
        (_QUERIES, "read", "queries"),
        (_ACCOUNT_RECORDS, "read", "queries"),
        (_MONEY, "trade", "orders"),
        (_VENUE, "", "queries"),
        (_OWN_STANDING, "trade", "queries"),
        (_changes("compliance"), "compliance", "queries"),
        (_changes("admin"), "admin", "queries"),
        (_OFFICE, "officer", "queries"),
        (_OPERATING, "officer", "queries"),
        (_CUT, "admin", "queries"),
        (_REVIEWS, "compliance", "queries"),
    ]
    return {
        name: Method(params, scope, bucket, result, summary)
        for group, scope, bucket in groups
        for name, (params, result, summary) in group.items()
    }


METHODS = _methods()
"""Every method of the protocol by its name."""


class Request(Struct, kw_only=True, gc=False, tag_field="method"):
    """A call; its id comes back with the answer."""

    jsonrpc: Literal["2.0"] = "2.0"
    id: int | str | None = None


def _request_type(name: str, params: type[Struct]) -> type[Request]:
    """The tagged request of one method; `params` may be left out when none of them is required."""
    required = any(field.required for field in msgspec.structs.fields(params))
    default = [] if required else [msgspec.field(default_factory=params)]
    kind = "".join(part.title() for part in name.replace("/", "_").split("_"))
    fields: list[Any] = [("params", params, *default)]
    made = msgspec.defstruct(kind, fields, bases=(Request,), tag=name, kw_only=True, gc=False)
    return cast(type[Request], made)


REQUESTS = {name: _request_type(name, method.params) for name, method in METHODS.items()}
