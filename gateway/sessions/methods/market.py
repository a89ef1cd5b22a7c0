"""Market data for everyone."""

from collections.abc import Callable
from typing import Any

from engine.codes import MarketState, Reason
from gateway.read_model import render
from gateway.sessions import method_table, slices
from gateway.sessions.methods.common import NS_PER_MS, contract_of, contracts_of, period, slots_of, span_of
from gateway.sessions.methods.queries import between_ids
from gateway.sessions.slices import Slices
from gateway.sessions.state import Call, SessionState
from gateway.wire.channels import RESOLUTIONS_S
from gateway.wire.decimals import Contract, given, parse_integer, ppb_text
from gateway.wire.errors import bad_param
from gateway.wire.jsonrpc_answers import encode

MAX_CANDLES = 5000
DEFAULT_DEPTH, MAX_DEPTH = 20, 10_000


def get_time(session: SessionState, params: method_table.Params, call: Call) -> bytes:
    """The venue's time in ms."""
    return b"%d" % (call.now_ns // NS_PER_MS)


def get_currencies(session: SessionState, params: method_table.Params, call: Call) -> bytes:
    """Every base and settlement currency once."""
    names: dict[str, None] = {}
    for contract in call.projection.contracts():
        names[contract.settlement] = None
        names[contract.base] = None
    return encode([_currency(name) for name in names])


def _currency(name: str) -> dict[str, object]:
    return {
        "currency": name,
        "currency_long": name,
        "coin_type": name,
        "decimals": 6,
        "fee_precision": 6,
        "min_confirmations": 1,
        "withdrawal_fee": 0,
        "network_fee": 0,
        "network_currency": name,
        "coinbase_networks": [],
        "in_cross_collateral_pool": False,
    }


def get_instruments(session: SessionState, params: method_table.InstrumentsParams, call: Call) -> bytes:
    """Contracts by settlement currency and kind; with `expired` the settled ones instead of the others."""
    contracts = contracts_of(call.projection, params.currency, params.kind, with_any=True)
    texts = call.projection.instruments()
    return render.array(texts[c.slot] for c in contracts if _has_expired(call, c) is bool(params.expired))


def _has_expired(call: Call, contract: Contract) -> bool:
    return call.projection.state(contract.slot) == MarketState.SETTLED


def get_instrument(session: SessionState, params: method_table.InstrumentParams, call: Call) -> bytes:
    """One contract."""
    contract = contract_of(call.projection, params.instrument_name)
    return render.instrument(contract, call.projection.terms(contract.slot))


def ticker(session: SessionState, params: method_table.InstrumentParams, call: Call) -> bytes:
    """A contract at a glance."""
    contract = contract_of(call.projection, params.instrument_name)
    return render.ticker(contract, call.projection.ticker(contract.slot))


def get_order_book(session: SessionState, params: method_table.OrderBookParams, call: Call) -> bytes:
    """The book to a depth of any number of levels."""
    contract = contract_of(call.projection, params.instrument_name)
    depth = parse_integer(params.depth, "depth", 1, MAX_DEPTH) if given(params.depth) else DEFAULT_DEPTH
    view = call.projection.book(contract.slot, depth)
    return render.order_book(contract, view, call.projection.ticker(contract.slot))


def get_last_trades(session: SessionState, params: Any, call: Call) -> Slices:
    """Public trades of a contract or a currency; see `span_of` for their order."""
    if hasattr(params, "instrument_name"):
        contracts = [contract_of(call.projection, params.instrument_name)]
    else:
        contracts = contracts_of(call.projection, params.currency, params.kind)
    span = between_ids(params, call, contracts, span_of(params, call.now_ns))
    rows, has_more = call.projection.trades(slots_of(contracts), span)
    trades = (render.trade(call.projection.contract_at(row.contract_slot), row) for row in rows)
    return slices.trades(trades, has_more)


def get_index_price(session: SessionState, params: method_table.IndexParams, call: Call) -> bytes:
    """An index; the estimated delivery price of a perpetual is the index itself."""
    for contract in call.projection.contracts():
        if contract.index_name == params.index_name.lower():
            view = call.projection.ticker(contract.slot)
            price = contract.subticks_text(view.index_subticks) if view.index_subticks else b"null"
            return b'{"index_price":%b,"estimated_delivery_price":%b}' % (price, price)
    raise bad_param("index_name", f"{params.index_name[:40]!r} is no index here; say one like btc_usdc")


def get_funding_rate_value(session: SessionState, params: method_table.FundingParams, call: Call) -> bytes:
    """The rates settled in the period, added up; within the running interval the rate of that so far."""
    contract = contract_of(call.projection, params.instrument_name)
    start_ns, end_ns = period(params.start_timestamp, params.end_timestamp, call.now_ns)
    rows = call.projection.funding(contract.slot, start_ns, end_ns)
    if not rows and end_ns >= call.projection.funding_start_ns(contract.slot):
        return ppb_text(call.projection.ticker(contract.slot).current_funding_ppb).encode()
    return ppb_text(sum(row.rate_ppb for row in rows)).encode()


def get_funding_rate_history(session: SessionState, params: method_table.FundingParams, call: Call) -> bytes:
    """The rates settled in the period, oldest first."""
    contract = contract_of(call.projection, params.instrument_name)
    start_ns, end_ns = period(params.start_timestamp, params.end_timestamp, call.now_ns)
    rows = call.projection.funding(contract.slot, start_ns, end_ns)
    return render.array(render.funding(contract, row) for row in rows)


def get_tradingview_chart_data(session: SessionState, params: method_table.ChartParams, call: Call) -> bytes:
    """Candles of a period up to now, at most 5000: the latest ones when the period has more."""
    contract = contract_of(call.projection, params.instrument_name)
    return render.chart(contract, call.projection.candles(contract.slot, *_chart_span(params, call)))


def get_price_chart_data(session: SessionState, params: method_table.ChartParams, call: Call) -> bytes:
    """Mark and index as they were at the end of each candle's time, or are now; at most 5000, the latest ones."""
    contract = contract_of(call.projection, params.instrument_name)
    periods = call.projection.references(contract.slot, *_chart_span(params, call))
    return render.reference_chart(contract, periods)


def _chart_span(params: method_table.ChartParams, call: Call) -> tuple[int, int, int]:
    """(resolution in seconds, start, end) of a chart that is asked for: up to now, at most `MAX_CANDLES`."""
    resolution_s = RESOLUTIONS_S.get(params.resolution)
    if resolution_s is None:
        raise bad_param("resolution", f"{params.resolution[:10]!r}; choose from {', '.join(RESOLUTIONS_S)}")
    start_ns, end_ns = period(params.start_timestamp, params.end_timestamp, call.now_ns)
    step_ns = resolution_s * 1_000_000_000
    end_ns = min(end_ns, call.now_ns)
    return resolution_s, max(start_ns, end_ns - end_ns % step_ns - (MAX_CANDLES - 1) * step_ns), end_ns


def get_book_summary_by_currency(session: SessionState, params: method_table.CurrencyParams, call: Call) -> bytes:
    """Summaries of the contracts settled in a currency, by kind if asked."""
    found = contracts_of(call.projection, params.currency, params.kind)
    return render.array(render.book_summary(c, call.projection.ticker(c.slot)) for c in found)


def get_book_summary_by_instrument(session: SessionState, params: method_table.InstrumentParams, call: Call) -> bytes:
    """The summary of one contract, in a list."""
    contract = contract_of(call.projection, params.instrument_name)
    return render.array([render.book_summary(contract, call.projection.ticker(contract.slot))])


def status(session: SessionState, params: method_table.Params, call: Call) -> bytes:
    """Whether the venue takes orders; `locked` is text, as known clients compare it. `reason` says why not."""
    answer: dict[str, object] = {"locked": "false", "locked_indices": []}
    if "orders" in call.context.not_taken:
        refusal = call.context.refusal()
        answer |= {"locked": "true", "reason": refusal.reason, **refusal.data}
    elif call.projection.is_halted():
        answer |= {"locked": "true", "reason": Reason.VENUE_HALTED.name}
    if call.context.cluster is not None:
        answer["cluster"] = call.context.cluster()
    return encode(answer)


HANDLERS: dict[str, Callable[..., Any]] = {
    "public/get_time": get_time,
    "public/get_currencies": get_currencies,
    "public/get_instruments": get_instruments,
    "public/get_instrument": get_instrument,
    "public/ticker": ticker,
    "public/get_order_book": get_order_book,
    "public/get_last_trades_by_instrument": get_last_trades,
    "public/get_last_trades_by_instrument_and_time": get_last_trades,
    "public/get_last_trades_by_currency": get_last_trades,
    "public/get_last_trades_by_currency_and_time": get_last_trades,
    "public/get_index_price": get_index_price,
    "public/get_funding_rate_value": get_funding_rate_value,
    "public/get_funding_rate_history": get_funding_rate_history,
    "public/get_tradingview_chart_data": get_tradingview_chart_data,
    "public/get_price_chart_data": get_price_chart_data,
    "public/get_book_summary_by_currency": get_book_summary_by_currency,
    "public/get_book_summary_by_instrument": get_book_summary_by_instrument,
    "public/status": status,
}
