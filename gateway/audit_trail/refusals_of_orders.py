"""Why an order is refused, for the client who sent it: the parameter at fault, its value, the limit, what would pass.

One function for each reason reads the figures from the contract's parameters and the state; the decision itself is the
engine's. Where later orders of the same batch have moved the state on, the figures are those after them.
"""

from collections.abc import Sequence
from typing import Any

from engine.codes import NIL, CommandKind, ExecInst, MarketState, Reason, Side, TimeInForce, VenueState
from engine.statements.decision_figures import find_order
from engine.units import SUBTICKS
from gateway.audit_trail.refusal_case import Case, Explain, ShownLots, as_ending
from gateway.audit_trail.refusals_of_form import FORM
from gateway.read_model.admission_view import rule_states, while_suspended
from gateway.wire.decimals import Contract, micros_text
from gateway.wire.errors import Explanation
from gateway.wire.reasons import REASONS, shown


def explain(root: Any, contracts: Sequence[Contract], command: Any, reason: int, shown_lots: ShownLots) -> Explanation:
    """Why an order command was refused for a reason; `shown_lots` gives what a contract's book shows.

    Where its contract is not known it says only what the reason means.
    """
    known = Reason(shown(reason))
    if known == Reason.UNKNOWN_ORDER:
        return _unknown_order(command)
    slot = _contract_slot(root, command)
    if not 0 <= slot < len(contracts):
        meaning, remedy = REASONS[known]
        return Explanation("instrument_name", str(slot), "listed", meaning.rstrip("."), as_ending(remedy))
    case = Case(root, contracts[slot], command, shown_lots)
    function = _REASONS.get(known)
    return function(case) if function else by_rule(root[0], command, case.contract, known)


def _contract_slot(root: Any, command: Any) -> int:
    """The contract that an order command is about, NIL when it names an order that is not there."""
    if int(command["kind"]) not in (CommandKind.AMEND, CommandKind.CANCEL):
        return int(command["contract_slot"])
    account, order_id, cl_ord_id = (int(command[name]) for name in ("account_slot", "order_id", "cl_ord_id"))
    slot, state = find_order(root, account, order_id, cl_ord_id), root[0]
    return int(state["positions"][int(state["orders"][slot]["position_slot"])]["contract_slot"]) if slot != NIL else NIL


# --- rows 1 to 15: who, and in which market ---------------------------------------------------------------------------


def by_rule(state: Any, command: Any, contract: Contract, reason: Reason) -> Explanation:
    """A rule about the account, the client or the market: what is the case, and what is asked for."""
    meaning, remedy = REASONS[reason]
    rules = rule_states(state, int(command["account_slot"]), int(command["person"]), [contract])
    detail = next((rule.detail for rule in rules if rule.reason == reason and not rule.is_met), "")
    fault = f"{meaning.rstrip('.')}: {detail}" if detail else meaning.rstrip(".")
    return Explanation("account", detail or "not met", "met", fault, as_ending(remedy))


def _closed(case: Case) -> Explanation:
    return Explanation("account", "closed", "open", f"account {case.account_slot} is closed", "use an open account")


def _restricted(case: Case) -> Explanation:
    """The same words for every cause: a client must not learn of a legal freeze."""
    return Explanation("account", "restricted", "open", "the account is restricted", "contact the venue")


def _suspended(case: Case) -> Explanation:
    opens = not case["order_flags"] & ExecInst.REDUCE_ONLY
    words = while_suspended(case.state, case.account_slot)
    remedy = f"{'set reduce_only: ' if opens and words.endswith('accepted') else ''}{words}; or contact the venue"
    return Explanation("account", "suspended", "open", "the account is suspended", remedy)


def _in_liquidation(case: Case) -> Explanation:
    equity, needed = case["position_equity_micros"], case["position_maintenance_micros"]
    if not case["position_held_lots"]:
        equity, needed = case["account_equity_micros"], case["account_maintenance_micros"]
    fault = f"equity {case.money(equity)} against a maintenance margin of {case.money(needed)}: it is being liquidated"
    remedy = f"deposit {case.money(max(needed - equity, 0))} or more, or wait until it is cured"
    return Explanation("account", micros_text(equity), micros_text(needed), fault, remedy)


def _venue_halted(case: Case) -> Explanation:
    state = VenueState(int(case.state["venue_state"])).name.lower()
    return Explanation(
        "instrument_name", state, "open", f"the venue is {state}", "cancels work; wait for platform_state"
    )


def _market(remedy: str) -> Explain:
    def function(case: Case) -> Explanation:
        state = MarketState(int(case.row["state"])).name.lower()
        return Explanation("instrument_name", state, "open", f"{case.contract.name} is {state}", remedy)

    return function


# --- rows 17 to 22: price, limits, book, margin -----------------------------------------------------------------------


def _no_reference(case: Case) -> Explanation:
    missing = [name for name in ("index", "mark") if not int(case.row[f"{name}_subticks"])] or ["last"]
    what = " and ".join(missing)
    fault = f"{case.contract.name} has no {what} price"
    return Explanation("instrument_name", "none", f"{what} price", fault, "wait until the ticker shows one")


def _out_of_band(case: Case) -> Explanation:
    edge = int(case.row["max_buy_ticks" if case.buys else "min_sell_ticks"])
    value, limit, mark = case.price(case.price_ticks), case.price(edge), case.reference(int(case.row["mark_subticks"]))
    most, way = ("most", "or less") if case.buys else ("least", "or more")
    side = "buy" if case.buys else "sell"
    fault = f"price {value} is outside the band around the mark of {mark}: a {side} is at {most} {limit}"
    return Explanation("price", value, limit, fault, f"send {limit} {way}")


def _order_value(case: Case) -> Explanation:
    value, limit = case["order_value_micros"], case["contract_max_order_value_micros"]
    each = case["order_asked_ticks"] * case["contract_micros_per_tick_lot"]
    lots = case.total_steps(limit // each)
    fault = f"the order is worth {case.money(value)}, above the limit of {case.money(limit)}"
    remedy = f"at this price send {case.amount(lots)} or less" if lots else "send a lower price"
    return Explanation("amount", micros_text(value), micros_text(limit), fault, remedy)


def _fewer(case: Case, lots: int, otherwise: str) -> str:
    """What would pass when an order may have so many open lots."""
    whole = case.total_steps(lots)
    return f"send {case.amount(whole)} or less, or {otherwise}" if whole else otherwise


def _too_many(case: Case) -> Explanation:
    value, limit = str(case["account_open_orders"]), str(case["account_max_open_orders"])
    fault = f"the account has {value} open orders, and {limit} is the most it may have"
    return Explanation("account", value, limit, fault, "cancel some")


def _worst_lots(case: Case) -> int:
    """The position with the order and all others of its side filled."""
    held = case["position_held_lots"] if case.buys else -case["position_held_lots"]
    others = case["position_buy_lots" if case.buys else "position_sell_lots"] - case["order_was_open_lots"]
    return max(held, 0) + others + case["order_lots"]


def _position_limit(case: Case) -> Explanation:
    worst, most = _worst_lots(case), case["contract_max_position_lots"]
    value, limit = case.amount(worst), case.amount(most)
    fault = f"with all orders of its side filled the position would be {value}, above the limit of {limit}"
    fault += f" {case.contract.base}"
    remedy = _fewer(case, case["order_lots"] - (worst - most), "cancel others of that side")
    return Explanation("amount", value, limit, fault, remedy)


def _either_lots(case: Case) -> int:
    """The larger of the order's side and of what the account could reach on the other."""
    size = case["position_held_lots"]
    reached = max(max(size, 0) + case["position_buy_lots"], max(-size, 0) + case["position_sell_lots"])
    return max(_worst_lots(case), reached)


def _group_limit(case: Case) -> Explanation:
    worst, most = _either_lots(case) + case["group_others_lots"], case["group_max_lots"]
    value, limit = case.amount(worst), case.amount(most)
    fault = f"the accounts of the group could hold {value}, above its limit of {limit} {case.contract.base}"
    remedy = _fewer(case, case["order_lots"] - (worst - most), "cancel orders of the group")
    return Explanation("amount", value, limit, fault, remedy)


def _exposure(case: Case) -> Explanation:
    each = case["contract_mark_subticks"] * case["contract_micros_per_tick_lot"]
    own = -(-each * _either_lots(case) // SUBTICKS)
    worst, most, whose = own + case["account_others_exposure_micros"], case["account_max_exposure_micros"], "exposure"
    if worst <= most:
        worst, most = own + case["client_others_exposure_micros"], case["client_max_exposure_micros"]
        whose = "exposure of all accounts of the client"
    fault = f"with all orders filled the {whose} would be {case.money(worst)}, above the limit of {case.money(most)}"
    over = -(-(worst - most) * SUBTICKS // each) if each else case["order_lots"]
    remedy = _fewer(case, case["order_lots"] - over, "cancel others, or ask the venue for a higher limit")
    return Explanation("amount", micros_text(worst), micros_text(most), fault, remedy)


def _open_interest(case: Case) -> Explanation:
    interest, most = case["contract_open_interest_lots"], case["contract_max_open_interest_lots"]
    value, limit = case.amount(interest + case["order_lots"]), case.amount(most)
    fault = f"open interest could be {value}, above the contract's cap of {limit} {case.contract.base}"
    remedy = _fewer(case, most - interest, "send a reduce-only order")
    return Explanation("amount", value, limit, fault, remedy)


def _leverage(case: Case) -> Explanation:
    value, limit = case["order_leverage"], case["account_max_leverage"]
    fault = f"the leverage in {case.contract.name} is {value}, above the account's limit of {limit}"
    remedy = f"set {limit} or less with private/set_leverage"
    return Explanation("leverage", str(value), str(limit), fault, remedy)


def _nothing_to_reduce(case: Case) -> Explanation:
    held = case["position_held_lots"]
    side, value = "buy" if case.buys else "sell", f"{'-' if held < 0 else ''}{case.amount(abs(held))}"
    fault = f"a reduce-only {side} needs a {'short' if case.buys else 'long'} position, and the position is {value}"
    remedy = f"send a {'sell' if case.buys else 'buy'}, or leave out reduce_only" if held else "leave out reduce_only"
    return Explanation("reduce_only", value, "below 0" if case.buys else "above 0", fault, remedy)


def _would_cross(case: Case) -> Explanation:
    best, price = case.best_ticks(), case.price_ticks
    if best == NIL:
        fault = "the best price of the other side leaves no price behind it"
        return Explanation("price", case.price(price), "none", fault, "try again")
    bound, side = (best - 1, "ask") if case.buys else (best + 1, "bid")
    value, limit, way = case.price(price), case.price(max(bound, 0)), "or less" if case.buys else "or more"
    fault = f"price {value} would trade with the best {side} of {case.price(best)}"
    remedy = f"send {limit} {way}" if 1 <= bound <= int(case.row["max_price_ticks"]) else "leave out post_only"
    return Explanation("price", value, limit, fault, remedy)


def _cannot_fill(case: Case) -> Explanation:
    """What the book shows within the order's limit; hidden quantity is not told."""
    seen, needed = _visible_lots(case), case["order_lots"]
    value, limit = case.amount(needed), case.amount(seen)
    fault = (
        f"amount {value} cannot be filled at once: the book shows {limit} at {case.price(case.price_ticks)} or better"
    )
    remedy = "send immediate_or_cancel, or another price"
    if seen >= needed:
        fault += ", but not all of it can trade with this order"
        return Explanation("amount", value, limit, fault, remedy)
    whole = case.total_steps(seen)
    return Explanation(
        "amount", value, limit, fault, f"send {case.amount(whole)} or less, or {remedy}" if whole else remedy
    )


def _visible_lots(case: Case) -> int:
    """What is shown within an order's limit on the other side."""
    return case.shown_lots(case.contract.slot, Side.SELL if case.buys else Side.BUY, case.price_ticks)


def _short_of_margin(case: Case) -> Explanation:
    """Equity against what all positions and orders need; closing needs none."""
    closable = case.closable_lots()
    if "need_micros" not in case.figures or case["order_lots"] <= closable:
        return _not_carried(case)
    whole = case.total_steps(closable) if closable > 0 and case.closes_at_best() else 0
    close = f"send {case.amount(whole)} or less, which only closes" if whole else ""
    need, have = case["need_micros"], case["have_micros"]
    missing = need - have
    if missing <= 0:
        fault = "the margin did not carry the order when it was judged"
        return Explanation("amount", micros_text(have), micros_text(need), fault, "send it again")
    fault = f"the order needs {case.money(need)} of margin with all that is open, and equity is {case.money(have)}"
    remedies = [f"deposit {case.money(missing)}", "reduce the order", "cancel others", close]
    return Explanation("amount", micros_text(have), micros_text(need), fault, ", or ".join(filter(None, remedies)))


def _not_carried(case: Case) -> Explanation:
    """An order that only closes may cost no more than the equity of the position's pool, whatever its amount."""
    equity = case.money(case["position_equity_micros"])
    best, limit = case.best_ticks(), case.price(case.closing_limit_ticks)
    value = case.price(best) if best != NIL else "none"
    remedy = f"deposit margin, or wait for {limit} or {'less' if case.buys else 'more'}"
    if case.is_new and int(case.command["tif"]) == TimeInForce.FOK and case.closes_at_best():
        fault = f"filled as a whole the order could cost more than the equity of {equity}"
        remedy += ", or send immediate_or_cancel"
    else:
        fault = f"at the best price of {value} the order would cost more than the equity of {equity}"
    return Explanation("price", value, limit, fault, remedy)


def _unknown_order(command: Any) -> Explanation:
    by_venue = int(command["order_id"])
    param, value = ("order_id", by_venue) if by_venue else ("cl_ord_id", int(command["cl_ord_id"]))
    fault, remedy = f"{param} {value} is no open order of this account", "see private/get_open_orders"
    return Explanation(param, str(value), "open", fault, remedy)


_REASONS: dict[Reason, Explain] = {
    **FORM,
    Reason.ACCOUNT_CLOSED: _closed,
    Reason.ACCOUNT_RESTRICTED: _restricted,
    Reason.ACCOUNT_SUSPENDED: _suspended,
    Reason.ACCOUNT_IN_LIQUIDATION: _in_liquidation,
    Reason.VENUE_HALTED: _venue_halted,
    Reason.MARKET_HALTED: _market("cancels work; wait until its state is open"),
    Reason.MARKET_CANCEL_ONLY: _market("cancels work; wait until its state is open"),
    Reason.MARKET_REDUCE_ONLY: _market("set reduce_only, or wait until its state is open"),
    Reason.MARKET_POST_ONLY: _market("set post_only, or wait until its state is open"),
    Reason.REFERENCE_PRICE_UNAVAILABLE: _no_reference,
    Reason.PRICE_OUT_OF_BAND: _out_of_band,
    Reason.ORDER_VALUE_LIMIT: _order_value,
    Reason.TOO_MANY_ORDERS: _too_many,
    Reason.POSITION_LIMIT: _position_limit,
    Reason.GROUP_POSITION_LIMIT: _group_limit,
    Reason.EXPOSURE_LIMIT: _exposure,
    Reason.OPEN_INTEREST_CAP: _open_interest,
    Reason.LEVERAGE_LIMIT: _leverage,
    Reason.REDUCE_ONLY_WOULD_INCREASE: _nothing_to_reduce,
    Reason.POST_ONLY_WOULD_CROSS: _would_cross,
    Reason.FOK_CANNOT_FILL: _cannot_fill,
    Reason.INSUFFICIENT_MARGIN: _short_of_margin,
}
