"""The JSON of records: settlements, points of the funding chart, ends of conditional orders."""

from engine.code_values import EXEC_POST_ONLY, EXEC_REDUCE_ONLY
from gateway.read_model.render import MARKETS, SIDE, TRIGGER, reference
from gateway.wire.decimals import Contract, micros_text, ppb_text
from gateway.wire.views import FundingView, OrderView, SettlementView

_BOOL = (b"false", b"true")
_NS_PER_MS = 1_000_000


def funding_point(contract: Contract, view: FundingView) -> bytes:
    """One point of the funding chart."""
    return b'{"timestamp":%d,"index_price":%b,"interest_8h":%b}' % (
        view.time_ns // _NS_PER_MS,
        reference(contract, view.index_subticks),
        ppb_text(view.rate_ppb * 28_800 // view.interval_s).encode(),
    )


def settlement(contract: Contract, view: SettlementView) -> bytes:
    """A settlement of funding or a delivery; its profit is what it paid, since nothing else is settled then."""
    change = micros_text(view.change_micros).encode()
    return (
        b'{"type":"%b","timestamp":%d,"instrument_name":%b,"position":%b,"mark_price":%b,"index_price":%b,'
        b'"funding":%b,"profit_loss":%b,"session_profit_loss":%b}'
    ) % (
        view.kind.encode(), view.time_ns // _NS_PER_MS, contract.json_name, contract.amount_text(view.position_lots),
        reference(contract, view.mark_subticks), reference(contract, view.index_subticks),
        micros_text(view.funding_micros).encode(), change, change,
    )  # fmt: skip


def trigger_record(contract: Contract, view: OrderView) -> bytes:
    """The end of a conditional order's wait. It keeps its id when it is triggered."""
    is_market = view.ord_type in MARKETS
    price = b'"market_price"' if is_market else contract.price_text(view.price_ticks)
    spawned = b'"%d"' % view.order_id if view.triggered else b"null"
    offset = contract.price_text(view.offset_ticks) if view.offset_ticks else b"null"
    return (
        b'{"timestamp":%d,"last_update_timestamp":%d,"trigger_order_id":"%d","order_id":%b,"order_state":"%b",'
        b'"request":"%b","instrument_name":%b,"direction":"%b","order_type":"%b","price":%b,"amount":%b,'
        b'"trigger":"%b","trigger_price":%b,"trigger_offset":%b,"reduce_only":%b,"post_only":%b,"label":%b}'
    ) % (
        view.updated_ns // _NS_PER_MS, view.updated_ns // _NS_PER_MS, view.order_id, spawned,
        b"triggered" if view.triggered else b"cancelled", b"trigger:order" if view.triggered else b"cancel",
        contract.json_name, SIDE[view.side], b"market" if is_market else b"limit", price,
        contract.amount_text(view.amount_lots), TRIGGER[view.trigger_source],
        contract.price_text(view.trigger_price_ticks), offset, _BOOL[view.flags & EXEC_REDUCE_ONLY != 0],
        _BOOL[view.flags & EXEC_POST_ONLY != 0], view.label_json,
    )  # fmt: skip
