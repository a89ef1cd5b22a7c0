"""An example call of every method: the document shows it with the answer of a real session."""

from typing import Any

from gateway.document.officer_examples import ADMIN_EXAMPLES
from gateway.document.sample_rows import BTC, MS, NOW

_I = {"instrument_name": BTC.name}
_NOW_MS = NOW // MS
_PERIOD = {"start_timestamp": _NOW_MS - 28_800_000, "end_timestamp": _NOW_MS}
_CHANNELS = {"channels": [f"book.{BTC.name}.100ms", f"trades.{BTC.name}.raw"]}
_USER_CHANNELS = {"channels": ["user.orders.any.any.raw", "user.portfolio.USDC"]}

EXAMPLES: dict[str, dict[str, Any]] = {
    "public/auth": {"grant_type": "client_credentials", "client_id": "KEY_ID", "client_secret": "SECRET"},
    "public/hello": {"client_name": "my bot", "client_version": "1.0"},
    "public/test": {},
    "public/set_heartbeat": {"interval": 30},
    "public/disable_heartbeat": {},
    "public/subscribe": _CHANNELS,
    "public/unsubscribe": _CHANNELS,
    "public/unsubscribe_all": {},
    "private/subscribe": _USER_CHANNELS,
    "private/unsubscribe": _USER_CHANNELS,
    "private/unsubscribe_all": {},
    "private/enable_cancel_on_disconnect": {"scope": "connection"},
    "private/get_cancel_on_disconnect": {},
    "private/disable_cancel_on_disconnect": {},
    "public/get_time": {},
    "public/get_currencies": {},
    "public/get_instruments": {"currency": "USDC"},
    "public/get_instrument": _I,
    "public/ticker": _I,
    "public/get_order_book": {**_I, "depth": 5},
    "public/get_last_trades_by_instrument": {**_I, "count": 10},
    "public/get_last_trades_by_instrument_and_time": {**_I, **_PERIOD},
    "public/get_index_price": {"index_name": "btc_usdc"},
    "public/get_funding_rate_value": {**_I, **_PERIOD},
    "public/get_funding_rate_history": {**_I, **_PERIOD},
    "public/get_tradingview_chart_data": {**_I, **_PERIOD, "resolution": "1"},
    "public/get_book_summary_by_currency": {"currency": "USDC"},
    "public/get_book_summary_by_instrument": _I,
    "public/status": {},
    "private/buy": {**_I, "amount": 0.5, "price": 20000.5, "label": "bot", "post_only": True},
    "private/sell": {**_I, "amount": 0.5, "type": "stop_market", "trigger_price": 19000, "reduce_only": True},
    "private/edit": {"order_id": "77", "amount": 0.4, "price": 20001},
    "private/edit_by_label": {**_I, "label": "bot", "amount": 0.4},
    "private/close_position": {**_I, "type": "market"},
    "private/cancel": {"order_id": "77"},
    "private/cancel_all": {},
    "private/cancel_all_by_instrument": {**_I, "side": "buy"},
    "private/cancel_by_label": {"label": "bot"},
    "venue/countdown_cancel_all": {"timeout_ms": 5000},
    "private/get_order_state": {"order_id": "77"},
    "private/get_open_orders": {},
    "private/get_open_orders_by_instrument": _I,
    "private/get_open_orders_by_currency": {"currency": "USDC"},
    "private/get_order_history_by_instrument": {**_I, "count": 20, "include_unfilled": True},
    "private/get_order_history_by_currency": {"currency": "USDC", "include_unfilled": True},
    "private/get_user_trades_by_instrument": _I,
    "private/get_user_trades_by_instrument_and_time": {**_I, **_PERIOD},
    "private/get_user_trades_by_currency": {"currency": "USDC"},
    "private/get_user_trades_by_currency_and_time": {"currency": "USDC", **_PERIOD},
    "private/get_user_trades_by_order": {"order_id": "77"},
    "private/get_account_summary": {"currency": "USDC", "extended": True},
    "private/get_account_summaries": {},
    "private/get_position": _I,
    "private/get_positions": {"currency": "any"},
    "private/get_transaction_log": {"currency": "USDC", **_PERIOD},
    "private/get_leverage": _I,
    "private/set_leverage": {**_I, "leverage": 5},
    "venue/get_admission": {},
    "venue/explain_account": {},
    "venue/resume": {"sequence": 0},
    "venue/get_reject_reasons": {},
    "venue/get_rules": {},
    **ADMIN_EXAMPLES,
    "venue/acknowledge_disclosure": {"disclosure": "product", "version": 1},
    "venue/withdraw_professional_status": {"confirm": True},
    "private/logout": {},
}
"""Parameters of one call of each method, in an order in which one session can make all calls."""

CHANNELS = {
    "book.{instrument}.{raw|100ms}": "a snapshot, then changes [new|change|delete, price, amount] as a chain",
    "book.{instrument}.none.{depth}.{raw|100ms}": "the best levels as [price, amount], complete each time",
    "trades.{instrument}.{raw|100ms}": "a list of public trades",
    "liquidations.{instrument}": "a list of forced trades: side and amount that were closed, price, type, time",
    "ticker.{instrument}.{raw|100ms}": "the ticker, at once and when it changes",
    "incremental_ticker.{instrument}": "the ticker as snapshots",
    "quote.{instrument}": "the best prices",
    "perpetual.{instrument}.{raw|100ms}": "the running funding rate",
    "deribit_price_index.{index}": "an index such as btc_usdc",
    "chart.trades.{instrument}.{resolution}": "the running candle",
    "user.orders.{instrument|kind.currency}.{raw|100ms}": "own orders, each state: raw an object, else an array",
    "user.trades.{instrument|kind.currency}.{raw|100ms}": "own trades, an array",
    "user.changes.{instrument|kind.currency}.{raw|100ms}": "all of these and positions, by contract",
    "user.portfolio.{currency|any}": "own balance and margin",
    "user.notices": "what is about to lapse, what has lapsed, margin calls: a list",
    "platform_state": "whether the venue is halted",
}
"""Channel names and the data of their messages."""
