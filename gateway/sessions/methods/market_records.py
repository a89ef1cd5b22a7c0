"""Records for everyone: settlements, deliveries, indices, marks, funding charts and volumes."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from gateway.read_model import render, render_records
from gateway.sessions import method_table
from gateway.sessions import record_params as m
from gateway.sessions.methods.common import (
    NS_PER_MS,
    contract_of,
    contracts_of,
    count_of,
    id_of,
    period,
    slots_of,
    time_ns,
)
from gateway.sessions.state import Call, SessionState
from gateway.wire.decimals import Contract, ppb_text
from gateway.wire.errors import bad_param
from gateway.wire.jsonrpc_answers import encode
from gateway.wire.views import SettlementView, Span

_LENGTHS_S = {"8h": 8 * 3600, "24h": 24 * 3600, "1m": 30 * 24 * 3600}
_DAY_NS = 86_400 * 10**9
_DAYS = (1, 7, 30)


def get_contract_size(session: SessionState, params: method_table.InstrumentParams, call: Call) -> bytes:
    """Amounts are in base currency, so that every contract has the size 1."""
    contract_of(call.projection, params.instrument_name)
    return b'{"contract_size":1}'


# --- settlements --------------------------------------------------------------------------------------------------


def page_of(params: Any, now_ns: int) -> Span:
    """The page that a request for settlements asks for: from the newest before an instant, or where one left off."""
    text = params.continuation or ""
    if text and not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise bad_param("continuation", f"{text[:20]!r} is not one of an answer; leave it out to begin at the newest")
    end_ns = time_ns(params.search_start_timestamp, "search_start_timestamp", now_ns) + NS_PER_MS - 1
    return Span(end_ns=end_ns, last_id=int(text) if text else (1 << 63) - 1, count=count_of(params.count, 20))


def settlements_of(call: Call, found: tuple[list[SettlementView], int]) -> bytes:
    """An answer's page; an empty `continuation` says that there is no more."""
    views, next_id = found
    contract_at = call.projection.contract_at
    rows = render.array(render_records.settlement(contract_at(view.contract_slot), view) for view in views)
    return b'{"settlements":%b,"continuation":"%b"}' % (rows, b"%d" % next_id if next_id else b"")


def settled_contracts(call: Call, params: Any) -> list[Contract]:
    """The contracts that a request by instrument or by currency means."""
    if hasattr(params, "instrument_name"):
        return [contract_of(call.projection, params.instrument_name)]
    return contracts_of(call.projection, params.currency)


def get_last_settlements(session: SessionState, params: Any, call: Call) -> bytes:
    """Settled funding and deliveries, added up over all accounts, newest first."""
    slots = slots_of(settled_contracts(call, params))
    page = page_of(params, call.now_ns)
    return settlements_of(call, call.projection.money_records.settlements(slots, params.type, page))


def get_delivery_prices(session: SessionState, params: m.DeliveryPrices, call: Call) -> bytes:
    """The prices at which contracts on an index have ended, newest first."""
    contracts = _on_index(call, params.index_name)
    found = call.projection.money_records.deliveries(slots_of(contracts))
    offset = id_of(params.offset, "offset", 0)
    page = found[offset : offset + count_of(params.count, 10)]
    rows = render.array(_delivery(call.projection.contract_at(slot), at_ns, price) for slot, at_ns, price in page)
    return b'{"data":%b,"records_total":%d}' % (rows, len(found))


def _delivery(contract: Contract, at_ns: int, price_subticks: int) -> bytes:
    date = datetime.fromtimestamp(at_ns // 10**9, UTC).date().isoformat()
    return b'{"date":"%b","delivery_price":%b}' % (date.encode(), contract.subticks_text(price_subticks))


# --- indices and marks --------------------------------------------------------------------------------------------


def _on_index(call: Call, name: str) -> list[Contract]:
    found = [contract for contract in call.projection.contracts() if contract.index_name == name.lower()]
    if not found:
        raise bad_param("index_name", f"{name[:40]!r} is no index here; public/get_index_price_names lists them")
    return found


def _index_names(call: Call) -> list[str]:
    return list(dict.fromkeys(contract.index_name for contract in call.projection.contracts()))


def get_index_price_names(session: SessionState, params: m.IndexNames, call: Call) -> bytes:
    """The indices; none of them has combinations."""
    names = _index_names(call)
    if not params.extended:
        return encode(names)
    none = {"future_combo_creation_enabled": False, "option_combo_creation_enabled": False}
    return encode([{"name": name, **none} for name in names])


def get_supported_index_names(session: SessionState, params: m.SupportedIndexNames, call: Call) -> bytes:
    """The indices of derivatives, which are all: nothing is traded on the spot here."""
    return encode([] if params.type == "spot" else _index_names(call))


def get_mark_price_history(session: SessionState, params: m.MarkHistory, call: Call) -> bytes:
    """[time, mark price] of each change in a period, oldest first; the latest 512 changes are kept."""
    contract = contract_of(call.projection, params.instrument_name)
    start_ns, end_ns = period(params.start_timestamp, params.end_timestamp, call.now_ns)
    return render.array(
        b"[%d,%b]" % (at_ns // NS_PER_MS, contract.subticks_text(mark))
        for at_ns, mark in call.projection.marks(contract.slot, start_ns, end_ns)
    )


def get_funding_chart_data(session: SessionState, params: m.FundingChart, call: Call) -> bytes:
    """The rates settled in the last 8 hours, day or month (30 days), and the running one."""
    contract = contract_of(call.projection, params.instrument_name)
    start_ns = call.now_ns - _LENGTHS_S[params.length] * 10**9
    rows = call.projection.funding(contract.slot, start_ns, call.now_ns)
    now = call.projection.ticker(contract.slot)
    points = render.array(render_records.funding_point(contract, row) for row in rows)
    return b'{"current_interest":%b,"interest_8h":%b,"data":%b}' % (
        ppb_text(now.current_funding_ppb).encode(), ppb_text(now.funding_8h_ppb).encode(), points,
    )  # fmt: skip


def get_trade_volumes(session: SessionState, params: m.TradeVolumes, call: Call) -> bytes:
    """What was traded in 24 hours (and 7 and 30 days) in each contract, in base currency."""
    return render.array(_volumes(call, contract, bool(params.extended)) for contract in call.projection.contracts())


def _volumes(call: Call, contract: Contract, extended: bool) -> bytes:
    fields = b""
    for days in _DAYS if extended else _DAYS[:1]:
        traded = contract.amount_text(call.projection.volume_lots(contract.slot, call.now_ns - days * _DAY_NS))
        tail = b"" if days == 1 else b"_%dd" % days
        fields += b',"futures_volume%b":%b,"calls_volume%b":0,"puts_volume%b":0,"spot_volume%b":0' % (
            tail, traded, tail, tail, tail,
        )  # fmt: skip
    names = contract.settlement_name, contract.index_name.encode()
    return b'{"currency":"%b","currency_pair":"%b"%b}' % (*names, fields)


HANDLERS: dict[str, Callable[..., Any]] = {
    "public/get_contract_size": get_contract_size,
    "public/get_last_settlements_by_instrument": get_last_settlements,
    "public/get_last_settlements_by_currency": get_last_settlements,
    "public/get_delivery_prices": get_delivery_prices,
    "public/get_index_price_names": get_index_price_names,
    "public/get_supported_index_names": get_supported_index_names,
    "public/get_mark_price_history": get_mark_price_history,
    "public/get_funding_chart_data": get_funding_chart_data,
    "public/get_trade_volumes": get_trade_volumes,
}
