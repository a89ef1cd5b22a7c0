"""Row 16 in words: which part of an order's form is wrong, and what would pass."""

from engine.codes import NIL, ExecInst, OrdType, PriceSource, Reason, TimeInForce
from engine.schema import MAX_REDUCE_ONLY_ORDERS, MAX_TRAILING_ORDERS
from engine.statements import position_slots
from engine.statements.decision_figures import find_order
from engine.units import EPOCH_2025_S, MAX_TICKS, NS_PER_S, SUBTICKS
from gateway.audit_trail.refusal_case import MARKETS, Case, Explain, as_ending
from gateway.wire.errors import Explanation
from gateway.wire.reasons import REASONS

_NS_PER_MS = 1_000_000
_SOURCES = {PriceSource.MARK: "mark_price", PriceSource.INDEX: "index_price", PriceSource.LAST: "last_price"}
_TAKES = (OrdType.TAKE_MARKET, OrdType.TAKE_LIMIT)


def _unsupported(case: Case) -> Explanation:
    """Parts of an order that do not go together."""
    found = _stays(case) if case.is_new else _amended(case)
    found = found or _iceberg(case)
    if found:
        return found
    meaning, remedy = REASONS[Reason.UNSUPPORTED_ORDER]
    flags = str(int(case.command["flags"]))
    return Explanation("flags", flags, "see the order's rules", meaning.rstrip("."), as_ending(remedy))


def _stays(case: Case) -> Explanation | None:
    """Post-only orders and icebergs rest; market, immediate and fill-or-kill orders do not."""
    flags, tif = int(case.command["flags"]), TimeInForce(int(case.command["tif"]))
    if flags & ExecInst.REJECT_POST_ONLY and not flags & ExecInst.POST_ONLY:
        fault, remedy = "reject_post_only is only for post-only orders", "set post_only, or leave out reject_post_only"
        return Explanation("reject_post_only", "true", "false", fault, remedy)
    if not flags & (ExecInst.POST_ONLY | ExecInst.ICEBERG):
        return None
    style = "post_only" if flags & ExecInst.POST_ONLY else "display_amount"
    if case.ord_type in MARKETS:
        kind = OrdType(case.ord_type).name.lower()
        fault = f"{style} is for orders that rest, and one of type {kind} does not"
        return Explanation("type", kind, "limit", fault, f"send a limit order, or leave out {style}")
    if tif in (TimeInForce.IOC, TimeInForce.FOK):
        name = "immediate_or_cancel" if tif == TimeInForce.IOC else "fill_or_kill"
        fault = f"{style} is for orders that rest, and {name} does not"
        remedy = f"send good_til_cancelled, or leave out {style}"
        return Explanation("time_in_force", name, "good_til_cancelled", fault, remedy)
    return None


def _amended(case: Case) -> Explanation | None:
    """What of an order cannot be amended."""
    if not int(case.command["trigger_price_ticks"]) or case.ord_type != OrdType.TRAILING_STOP:
        return None
    fault, value = (
        "the trigger of a trailing stop follows its source",
        case.price(int(case.command["trigger_price_ticks"])),
    )
    return Explanation("trigger_price", value, "none", fault, "leave trigger_price out, or place another order")


def _iceberg(case: Case) -> Explanation | None:
    """What an iceberg shows: at least the minimum amount and a hundredth of the order, at most all of it."""
    total, step = case.total_lots, int(case.row["lot_step"])
    lots, param = int(case.command["display_lots"]), "display_amount"
    if case.is_new and not int(case.command["flags"]) & ExecInst.ICEBERG:
        return None
    if not case.is_new:
        slot = find_order(case.root, case.account_slot, int(case.command["order_id"]), int(case.command["cl_ord_id"]))
        if slot == NIL or not int(case.state["orders"][slot]["flags"]) & ExecInst.ICEBERG:
            return None
        lots, param = min(int(case.state["details"][slot]["display_lots"]), total), "amount"
    least = max(int(case.row["min_order_lots"]), -(-total // 100))
    least = -(-least // step) * step
    value, low, high = (case.amount(count) for count in (lots, least, total))
    if lots > total:
        fault = f"display_amount {value} is larger than the amount of {high} {case.contract.base}"
        return Explanation(param, value, high, fault, f"send {high} or less, at least {low}")
    if lots < least:
        fault = f"display_amount {value} is below {low}, the larger of the minimum amount and a hundredth of {high}"
        remedy = f"send {low} or more, at most {high}" if case.is_new else f"send {case.amount(100 * lots)} or less"
        return Explanation(param, value, low, fault, remedy)
    if lots % step:
        fault = f"display_amount {value} is not a multiple of {case.amount(step)}"
        return Explanation(
            param, value, case.amount(step), fault, f"send {case.amount(max(lots // step * step, least))}"
        )
    return None


def _bad_tick(case: Case) -> Explanation:
    highest = int(case.row["max_price_ticks"])
    named = [("price", case.price_ticks)] if case.ord_type not in MARKETS else []
    if case.is_new and case.ord_type > OrdType.LIMIT:
        trailing = case.ord_type == OrdType.TRAILING_STOP
        name, field = ("trigger_offset", "offset_ticks") if trailing else ("trigger_price", "trigger_price_ticks")
        named.append((name, int(case.command[field])))
    param, ticks = next(
        ((name, ticks) for name, ticks in named if not 1 <= ticks <= highest), ("price", case.price_ticks)
    )
    value, limit, tick = case.price(ticks), case.price(highest), case.price(1)
    fault = f"{param} {value} is not within {tick} and {limit}"
    return Explanation(param, value, limit if ticks > highest else tick, fault, f"send a price from {tick} to {limit}")


def _bad_lot(case: Case) -> Explanation:
    step, total = int(case.row["lot_step"]), case.total_lots
    near = [count for count in (total // step * step, (total // step + 1) * step) if count > 0]
    value, limit = case.amount(total), case.amount(step)
    fault = f"amount {value} is not a positive multiple of {limit} {case.contract.base}"
    remedy = f"send {' or '.join(case.amount(count) for count in near)}"
    return Explanation("amount", value, limit, fault, remedy)


def _too_small(case: Case) -> Explanation:
    value, limit = case.amount(case.total_lots), case.amount(int(case.row["min_order_lots"]))
    fault, remedy = f"amount {value} is below the minimum of {limit} {case.contract.base}", f"send {limit} or more"
    held = -case["position_held_lots"] if case.buys else case["position_held_lots"]
    if 0 < held < int(case.row["min_order_lots"]):
        remedy += f", or {case.amount(held)} with reduce_only, which closes the position"
    return Explanation("amount", value, limit, fault, remedy)


def _too_large(case: Case) -> Explanation:
    value, limit = case.amount(case.total_lots), case.amount(int(case.row["max_order_lots"]))
    fault = f"amount {value} is above the maximum of {limit} {case.contract.base}"
    return Explanation("amount", value, limit, fault, f"send {limit} or less")


def _bad_expiry(case: Case) -> Explanation:
    """An expiry is a whole second that is still to come."""
    expire_ns, now_ns = int(case.command["expire_ns"]), int(case.state["now_ns"])
    value = str(expire_ns // _NS_PER_MS)
    earliest, latest = (now_ns // NS_PER_S + 1) * NS_PER_S, (EPOCH_2025_S + MAX_TICKS) * NS_PER_S
    whole = -(-expire_ns // NS_PER_S) * NS_PER_S
    if expire_ns > latest:
        limit = str(latest // _NS_PER_MS)
        return Explanation(
            "expires_at", value, limit, f"expires_at {value} is after {limit} ms", f"send {limit} or less"
        )
    limit = str(max(earliest, min(whole, latest)) // _NS_PER_MS)
    if expire_ns <= now_ns:
        fault = f"expires_at {value} is not after now, {now_ns // _NS_PER_MS} ms"
    else:
        fault = f"expires_at {value} ms is not a whole second"
    return Explanation("expires_at", value, limit, fault, f"send a whole second in ms, such as {limit}, or later")


def _duplicate(case: Case) -> Explanation:
    value = str(int(case.command["cl_ord_id"]))
    slot = find_order(case.root, case.account_slot, 0, int(value))
    order = str(int(case.state["orders"][slot]["order_id"])) if slot != NIL else "an order that is open"
    fault = f"cl_ord_id {value} names the open order {order}, which is another one"
    return Explanation("cl_ord_id", value, order, fault, "choose a number that no open order has, or edit that order")


def _trigger_fires(case: Case) -> Explanation:
    """A stop to buy waits above its source, a stop to sell below; takes the other way round."""
    ticks, source = int(case.command["trigger_price_ticks"]), PriceSource(int(case.command["trigger_source"]))
    slot = find_order(case.root, case.account_slot, int(case.command["order_id"]), int(case.command["cl_ord_id"]))
    if not case.is_new and slot != NIL:
        detail = case.state["details"][slot]
        ticks, source = ticks or int(detail["trigger_price_ticks"]), PriceSource(int(detail["trigger_source"]))
    name = _SOURCES[source]
    subticks = int(case.row["last_price_ticks"]) * SUBTICKS if source == PriceSource.LAST else 0
    subticks = subticks or int(case.row["mark_subticks" if source == PriceSource.MARK else "index_subticks"])
    rising = case.buys != (case.ord_type in _TAKES)
    value, now = case.price(ticks), case.reference(subticks)
    bound = subticks // SUBTICKS + 1 if rising else -(-subticks // SUBTICKS) - 1
    limit, way = case.price(max(bound, 1)), "or more" if rising else "or less"
    fault = f"trigger_price {value} is not {'above' if rising else 'below'} the {name} of {now}: it would fire at once"
    return Explanation("trigger_price", value, limit, fault, f"send {limit} {way}, or the order without a trigger")


def _capacity(case: Case) -> Explanation:
    """Which of the places that an order needs is not there."""
    state, resting = case.state, 0
    for slot in position_slots(case.root, case.account_slot):
        row = state["positions"][slot]
        if int(row["contract_slot"]) == case.contract.slot:
            resting = int(row["reduce_only_orders"])
    if resting >= MAX_REDUCE_ONLY_ORDERS:
        limit = str(MAX_REDUCE_ONLY_ORDERS)
        fault = f"{resting} reduce-only orders rest on this position, and no more than {limit} may"
        return Explanation("reduce_only", str(resting), limit, fault, "cancel one of them, or send a market order")
    trailing = int(case.row["trailing_orders"])
    if case.ord_type == OrdType.TRAILING_STOP and trailing >= MAX_TRAILING_ORDERS:
        fault = f"{trailing} trailing stops wait in {case.contract.name}, and no more than {MAX_TRAILING_ORDERS} may"
        return Explanation("type", str(trailing), str(MAX_TRAILING_ORDERS), fault, "send a stop_market order")
    used, limit = str(int(state["orders_live"])), str(int(state["orders_capacity"]))
    fault = (
        f"the venue has no room for more: {used} orders are open, and it keeps at most {limit}, or less at new prices"
    )
    return Explanation("instrument_name", used, limit, fault, "cancel what is not needed, or try again later")


FORM: dict[Reason, Explain] = {
    Reason.UNSUPPORTED_ORDER: _unsupported,
    Reason.BAD_TICK: _bad_tick,
    Reason.BAD_LOT: _bad_lot,
    Reason.BAD_EXPIRY: _bad_expiry,
    Reason.QTY_TOO_SMALL: _too_small,
    Reason.QTY_TOO_LARGE: _too_large,
    Reason.DUPLICATE_ID: _duplicate,
    Reason.TRIGGER_WOULD_FIRE: _trigger_fires,
    Reason.CAPACITY: _capacity,
}
