"""The JSON of a previewed order or amendment: what the engine's own functions say that it would do."""

from typing import Any

from msgspec import Struct

from engine.code_values import EXEC_ICEBERG, EXEC_POST_ONLY, EXEC_REDUCE_ONLY, EXEC_REJECT_POST_ONLY, TYPE_LIMIT
from engine.codes import NIL, Reason, SelfTrade, Side
from engine.statements.what_if import Holding, Played, Pool
from engine.units import PPB, SUBTICKS
from gateway.read_model.render import CANCEL_REASON, MARKETS, ORDER_TYPE, SIDE, TIME_IN_FORCE, TRIGGER, reference
from gateway.wire.decimals import Contract, micros_text, ratio_text
from gateway.wire.jsonrpc_answers import encode

_NULL = b"null"
_BOOL = (b"false", b"true")
_NS_PER_MS = 1_000_000


class Previewed(Struct, gc=False):
    """An order as it was asked for, the market that it met, and what it would do."""

    side: int
    ord_type: int
    amount_lots: int
    open_lots: int
    """What of the amount is not filled yet: all of it for a new order."""
    price_ticks: int
    best_ticks: int
    """The best price of the other side, NIL when there is none."""
    mark_subticks: int
    maker_fee_ppb: int
    before: Pool
    held: Holding
    played: Played


def _micros(value: int) -> bytes:
    return micros_text(value).encode()


def _pool(pool: Pool) -> bytes:
    return (
        b'{"equity":%b,"balance":%b,"initial_margin":%b,"maintenance_margin":%b,"available_funds":%b}'
        % tuple(_micros(value) for value in (
            pool.equity_micros, pool.cash_micros, pool.requirement_micros, pool.maintenance_micros,
            max(pool.free_micros, 0),
        ))
    )  # fmt: skip


def _holding(contract: Contract, held: Holding) -> bytes:
    average = contract.subticks_of(held.entry_cost_micros, held.size_lots)
    return (
        b'{"size":%b,"average_price":%b,"leverage":%d,"initial_margin":%b,"maintenance_margin":%b,'
        b'"floating_profit_loss":%b,"estimated_liquidation_price":%b}'
    ) % (
        contract.amount_text(held.size_lots), reference(contract, average), held.leverage,
        _micros(held.initial_micros), _micros(held.maintenance_micros), _micros(held.unrealised_micros),
        reference(contract, held.liquidation_subticks),
    )  # fmt: skip


def _fee_micros(notional_micros: int, rate_ppb: int) -> int:
    """`engine.units.fee_micros`, whose first call from here would compile it while the venue's loop waits."""
    return -(-notional_micros * rate_ppb // PPB)


def _slippage(paid: int, wanted: int, side: int) -> bytes:
    """Per cent by which fills are worse than a price, both as sums over the filled amount; better ones are negative."""
    worse = paid - wanted if side == Side.BUY else wanted - paid
    return ratio_text(100 * worse, wanted, 6).encode() if wanted else _NULL


def _state(seen: Previewed) -> bytes:
    played = seen.played
    if played.reason != Reason.NONE:
        return b"rejected"
    if played.waits:
        return b"untriggered"
    if played.resting_lots or played.repeats:
        return b"open"
    return b"cancelled" if played.cancelled_lots else b"filled"


def _order_value(contract: Contract, seen: Previewed, tick_lots: int) -> int:
    """What is filled at its prices and the rest at its own; with neither, what is open at its price or at the mark."""
    played = seen.played
    total = tick_lots + played.resting_lots * played.resting_ticks
    if total:
        return total * contract.micros_per_tick_lot
    if seen.price_ticks:
        return seen.price_ticks * seen.open_lots * contract.micros_per_tick_lot
    return contract.notional_micros(seen.mark_subticks, seen.open_lots)


def terms(contract: Contract, row: Any, label: str) -> bytes:
    """What an order asks for beyond its side, type, amount and price, from its COMMAND row."""
    flags, is_conditional = int(row["flags"]), int(row["ord_type"]) > TYPE_LIMIT

    def price(name: str) -> bytes:
        return contract.price_text(int(row[name])) if row[name] else _NULL

    return (
        b'"time_in_force":"%b","post_only":%b,"reject_post_only":%b,"reduce_only":%b,"stp":"%b","trigger":%b,'
        b'"trigger_price":%b,"trigger_offset":%b,"display_amount":%b,"expires_at":%b,"cl_ord_id":%b,"label":%b'
    ) % (
        TIME_IN_FORCE[int(row["tif"])],
        _BOOL[flags & EXEC_POST_ONLY != 0],
        _BOOL[flags & EXEC_REJECT_POST_ONLY != 0],
        _BOOL[flags & EXEC_REDUCE_ONLY != 0],
        SelfTrade(int(row["self_trade"])).name.lower().encode(),
        b'"%b"' % TRIGGER[int(row["trigger_source"])] if is_conditional else _NULL,
        price("trigger_price_ticks"),
        price("offset_ticks"),
        contract.amount_text(int(row["display_lots"])) if flags & EXEC_ICEBERG else _NULL,
        b"%d" % (int(row["expire_ns"]) // _NS_PER_MS) if row["expire_ns"] else _NULL,
        b"%d" % int(row["cl_ord_id"]) if row["cl_ord_id"] else _NULL,
        encode(label),
    )


def amended_terms(contract: Contract, order_id: int, trigger_price_ticks: int, keeps_priority: bool) -> bytes:
    """What an amendment is about beyond the order's side, type, amount and price."""
    return b'"order_id":"%d","trigger_price":%b,"keeps_priority":%b' % (
        order_id,
        contract.price_text(trigger_price_ticks) if trigger_price_ticks else _NULL,
        _BOOL[keeps_priority],
    )


def preview(contract: Contract, seen: Previewed, refusal: bytes, more: bytes) -> bytes:
    """The answer of a preview. `refusal` is null or an object, `more` are further fields."""
    played = seen.played
    lots = sum(count for _, count in played.fills)
    tick_lots = sum(price * count for price, count in played.fills)
    resting = played.resting_lots * played.resting_ticks * contract.micros_per_tick_lot
    at_best = seen.best_ticks * lots if seen.best_ticks != NIL else 0
    is_limited = seen.ord_type not in MARKETS and seen.price_ticks
    return (
        b'{"instrument_name":%b,"direction":"%b","order_type":"%b","amount":%b,"price":%b,"admitted":%b,"refusal":%b,'
        b'"made_reduce_only":%b,"order_state":"%b","filled_amount":%b,"average_price":%b,"worst_price":%b,'
        b'"resting_amount":%b,"resting_price":%b,"cancelled_amount":%b,"cancel_reason":%b,"best_price":%b,'
        b'"mark_price":%b,"slippage_best":%b,"slippage_mark":%b,"order_value":%b,"taker_fee":%b,"maker_fee":%b,'
        b'"cost":%b,"before":%b,"after":%b,"position_before":%b,"position_after":%b%b}'
    ) % (
        contract.json_name,
        SIDE[seen.side],
        ORDER_TYPE[seen.ord_type],
        contract.amount_text(seen.amount_lots),
        contract.price_text(seen.price_ticks) if is_limited else _NULL,
        _BOOL[played.reason == Reason.NONE],
        refusal,
        _BOOL[played.made_reduce_only],
        _state(seen),
        contract.amount_text(lots),
        contract.average_text(tick_lots, lots) if lots else _NULL,
        contract.price_text(played.fills[-1][0]) if lots else _NULL,
        contract.amount_text(played.resting_lots),
        contract.price_text(played.resting_ticks) if played.resting_lots else _NULL,
        contract.amount_text(played.cancelled_lots),
        b'"%b"' % CANCEL_REASON[played.cancel_reason] if played.cancelled_lots else _NULL,
        contract.price_text(seen.best_ticks) if seen.best_ticks != NIL else _NULL,
        reference(contract, seen.mark_subticks),
        _slippage(tick_lots, at_best, seen.side) if lots else _NULL,
        _slippage(tick_lots * SUBTICKS, seen.mark_subticks * lots, seen.side) if lots else _NULL,
        _micros(_order_value(contract, seen, tick_lots)),
        _micros(played.fee_micros),
        _micros(_fee_micros(resting, seen.maker_fee_ppb)),
        _micros(seen.before.free_micros - played.pool.free_micros),
        _pool(seen.before),
        _pool(played.pool),
        _holding(contract, seen.held),
        _holding(contract, played.holding),
        more,
    )  # fmt: skip
