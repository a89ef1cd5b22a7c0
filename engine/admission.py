"""The admission ladder: may this order of this account do this, now? Pure; the first failing row is the answer.

The order that is judged stands in `s.taker`. "Opens" means that it may increase risk: everything but a reduce-only
order. An ordinary order of an eligible account in an open market costs two comparisons for all the account rows.
"""

import numpy as np

from engine import book, eligibility, exposure_limits, fill_or_kill, margin
from engine.code_values import (
    EXEC_CONDITIONAL,
    EXEC_ICEBERG,
    EXEC_NEW_BITS,
    EXEC_POST_ONLY,
    EXEC_REDUCE_ONLY,
    EXEC_REJECT_POST_ONLY,
    FLAG_MADE_REDUCE_ONLY,
)
from engine.codes import (
    NIL,
    CommandKind,
    MarketState,
    OrdType,
    PriceSource,
    Reason,
    Restriction,
    SelfTrade,
    Side,
    Stage,
    TimeInForce,
    VenueState,
)
from engine.fill_or_kill import in_band as in_band
from engine.fill_or_kill import reaches
from engine.kernels import inlined, kernel, rare
from engine.row_access import (
    TIF_SHIFT,
    account_at,
    contract_at,
    detail_at,
    kind_and_style,
    of_side,
    order_at,
    position_at,
    style_of,
)
from engine.schema import MAX_REDUCE_ONLY_ORDERS, MAX_TRAILING_ORDERS
from engine.units import EPOCH_2025_S, MAX_TICKS, NS_PER_S, SUBTICKS, against, below, clamp, opposite

_BOOK_FLAGS = EXEC_POST_ONLY | EXEC_ICEBERG
_PLAIN_STYLE = TimeInForce.GTC << TIF_SHIFT | OrdType.LIMIT << 8
_PLAIN_CHOICE = (TimeInForce.IOC - TimeInForce.GTC) << TIF_SHIFT | Side.BUY | Side.SELL
"""A style without options has the first bits; of the second ones it may have any, but one side."""
_PLAIN_NEW = CommandKind.NEW | _PLAIN_STYLE << 8
_NEW_MASK = 0xFF | (0xFFFFFFFF & ~_PLAIN_CHOICE) << 8
"""Of a command's first word: kind and style, without the bits of which a plain order may have any."""
OPEN_ACCOUNT = 1
CLOSED_ACCOUNT = 2


@inlined
def is_conditional(ord_type):
    """Whether a type waits for its trigger."""
    return ord_type >= OrdType.STOP_MARKET


@inlined
def is_market(ord_type):
    """Whether a type has no limit of its own."""
    return (
        ord_type == OrdType.MARKET
        or ord_type == OrdType.STOP_MARKET
        or ord_type == OrdType.TAKE_MARKET
        or ord_type == OrdType.TRAILING_STOP
    )


@kernel
def source_range(contract, source):
    """The lowest and highest value of a price source that triggers still answer to, in ticks rounded inwards; 0: none.

    A rising trigger t fires when t <= highest, a falling one when t >= lowest.
    """
    if source == PriceSource.LAST:
        return contract.last_low_ticks, contract.last_high_ticks
    if source == PriceSource.MARK:
        return -(-contract.mark_low_subticks // SUBTICKS), contract.mark_high_subticks // SUBTICKS
    return -(-contract.index_low_subticks // SUBTICKS), contract.index_high_subticks // SUBTICKS


@kernel
def fires_rising(ord_type, side):
    """Whether a conditional order fires when its source rises to the trigger: stops to buy, takes to sell."""
    takes = ord_type == OrdType.TAKE_MARKET or ord_type == OrdType.TAKE_LIMIT
    return (side == Side.BUY) != takes


# --- rows 1 to 5: the account and the market ----------------------------------------------------------------------


@inlined
def is_open_account(s, account_slot):
    """Whether an account exists and is not closed."""
    return below(account_slot, s.accounts_used) and account_at(s, account_slot).state == OPEN_ACCOUNT


@rare
def not_open_reason(s, account_slot):
    """Why an account is not open: it was closed, or there is none."""
    closed = below(account_slot, s.accounts_used) and account_at(s, account_slot).state == CLOSED_ACCOUNT
    return Reason.ACCOUNT_CLOSED if closed else Reason.UNKNOWN_ACCOUNT


@inlined
def known_reason(s, account_slot, contract_slot):
    """Row 1: account and contract exist, the account is not closed."""
    if not is_open_account(s, account_slot):
        return not_open_reason(s, account_slot)
    if not below(contract_slot, s.contracts_used):
        return Reason.UNKNOWN_CONTRACT
    if contract_at(s, contract_slot).state == MarketState.DRAFT:
        return Reason.UNKNOWN_CONTRACT
    return Reason.NONE


@rare
def account_reason(s):
    """Rows 2 to 4: what the operator or a liquidation has put on the account."""
    account = account_at(s, s.taker.account_slot)
    opens = s.taker.flags & EXEC_REDUCE_ONLY == 0
    if account.restriction == Restriction.FROZEN:
        return Reason.ACCOUNT_RESTRICTED
    if opens and (account.restriction == Restriction.SUSPENDED or account.killed):
        return Reason.ACCOUNT_SUSPENDED
    if eligibility.reducing_is_stopped(s, s.taker.account_slot):
        return Reason.ACCOUNT_SUSPENDED
    if account.liquidating:
        return Reason.ACCOUNT_IN_LIQUIDATION
    if opens and account.restriction == Restriction.REDUCE_ONLY:
        return Reason.ACCOUNT_RESTRICTED
    return Reason.NONE


@rare
def market_reason(s, contract):
    """Row 5: the state of the venue and of the contract."""
    if s.venue_state == VenueState.HALTED:
        return Reason.VENUE_HALTED
    if contract.state == MarketState.HALTED or contract.state == MarketState.SETTLED:
        return Reason.MARKET_HALTED
    if contract.state == MarketState.CANCEL_ONLY:
        return Reason.MARKET_CANCEL_ONLY
    if contract.state == MarketState.REDUCE_ONLY and s.taker.flags & EXEC_REDUCE_ONLY == 0:
        return Reason.MARKET_REDUCE_ONLY
    if contract.state == MarketState.POST_ONLY and s.taker.flags & EXEC_POST_ONLY == 0:
        return Reason.MARKET_POST_ONLY
    return Reason.NONE


@rare
def _only_closes(s):
    """Whether the order in `s.taker` lies wholly within the position, less the account's other orders of its side.

    Its form may not be judged yet.
    """
    taker = s.taker
    if taker.position_slot == NIL or taker.leaves_lots <= 0 or (taker.side != Side.BUY and taker.side != Side.SELL):
        return False
    closable = margin.closable_lots(position_at(s, taker.position_slot), taker.side)
    return taker.leaves_lots <= closable + taker.old_leaves_lots


@rare
def _full_reason(s, contract):
    """Rows 2 to 15, each asked in turn. Who may not open may still close: that goes on as a reduce-only order."""
    reason = account_reason(s)
    if reason == Reason.NONE and contract.gate != 0:
        reason = market_reason(s, contract)
    if reason == Reason.NONE and s.taker.flags & EXEC_REDUCE_ONLY == 0:
        reason = eligibility.opening_reason(s)
        if reason != Reason.NONE and _only_closes(s):
            s.taker.flags |= EXEC_REDUCE_ONLY
            s.taker.made_reduce_only = 1
            return Reason.NONE
    return reason


@inlined
def _gate_reason(s):
    """Rows 2 to 15, for an account and a contract that are known."""
    account, contract = account_at(s, s.taker.account_slot), contract_at(s, s.taker.contract_slot)
    if not eligibility.passes(s, account, s.taker.person, s.now_ns):
        return _full_reason(s, contract)
    if contract.gate != 0:
        return market_reason(s, contract)
    return Reason.NONE


@inlined
def gate_reason(s):
    """Rows 1 to 15: who, and in which market."""
    reason = known_reason(s, s.taker.account_slot, s.taker.contract_slot)
    return _gate_reason(s) if reason == Reason.NONE else reason


# --- row 16: form -------------------------------------------------------------------------------------------------


@rare
def _style_reason(s, contract):
    taker = s.taker
    if taker.side != Side.BUY and taker.side != Side.SELL:
        return Reason.UNSUPPORTED_ORDER
    if taker.ord_type < OrdType.MARKET or taker.ord_type > OrdType.TRAILING_STOP:
        return Reason.UNSUPPORTED_ORDER
    tif = taker.tif
    if tif != TimeInForce.GTC and tif != TimeInForce.IOC and tif != TimeInForce.FOK and tif != TimeInForce.GTD:
        return Reason.UNSUPPORTED_ORDER
    if taker.self_trade < SelfTrade.CANCEL_MAKER or taker.self_trade > SelfTrade.DECREMENT:
        return Reason.UNSUPPORTED_ORDER
    own_flags = EXEC_CONDITIONAL if is_conditional(taker.ord_type) else 0
    if taker.stage == Stage.NEW and taker.flags & ~(EXEC_NEW_BITS | own_flags) != 0:
        return Reason.UNSUPPORTED_ORDER
    if taker.flags & EXEC_REJECT_POST_ONLY and taker.flags & EXEC_POST_ONLY == 0:
        return Reason.UNSUPPORTED_ORDER
    if taker.flags & _BOOK_FLAGS:
        if is_market(taker.ord_type) or tif == TimeInForce.IOC or tif == TimeInForce.FOK:
            return Reason.UNSUPPORTED_ORDER
    if taker.flags & EXEC_CONDITIONAL:
        if taker.trigger_source < PriceSource.MARK or taker.trigger_source > PriceSource.LAST:
            return Reason.UNSUPPORTED_ORDER
    return _iceberg_reason(s, contract)


@inlined
def price_form_reason(taker, contract):
    """Of row 16: limit and trigger are prices of the contract."""
    if not is_market(taker.ord_type):
        if taker.price_ticks < 1 or taker.price_ticks > contract.max_price_ticks:
            return Reason.BAD_TICK
    if is_conditional(taker.ord_type) and taker.flags & EXEC_CONDITIONAL:
        if taker.ord_type == OrdType.TRAILING_STOP:
            if taker.offset_ticks < 1 or taker.offset_ticks > MAX_TICKS:
                return Reason.BAD_TICK
        elif taker.trigger_price_ticks < 1 or taker.trigger_price_ticks > contract.max_price_ticks:
            return Reason.BAD_TICK
    return Reason.NONE


@rare
def _is_odd(lot_step, open_lots, filled_lots):
    """Whether a quantity is no multiple of a contract's step."""
    return (open_lots % lot_step + filled_lots) % lot_step != 0


@inlined
def is_in_steps(taker, contract):
    """Whether the quantity is a multiple of the contract's step."""
    return contract.lot_step == 1 or not _is_odd(contract.lot_step, taker.leaves_lots, taker.filled_lots)


@rare
def _closes_whole(s, flags, position_slot, side, open_lots):
    """Whether a reduce-only order asks for the whole position: only such a one may be below the smallest order."""
    if flags & EXEC_REDUCE_ONLY == 0 or position_slot == NIL:
        return False
    size = position_at(s, position_slot).size_lots
    return size != 0 and (size > 0) == (side == Side.SELL) and open_lots >= abs(size)


@inlined
def quantity_reason(s, taker, contract):
    """Of row 16: whole steps within the contract's sizes, and an expiry ahead."""
    open_lots, filled = taker.leaves_lots, taker.filled_lots
    if open_lots <= 0 or not is_in_steps(taker, contract):
        return Reason.BAD_LOT
    if taker.tif == TimeInForce.GTD and taker.stage == Stage.NEW:
        second = taker.expire_ns // NS_PER_S - EPOCH_2025_S
        if taker.expire_ns % NS_PER_S != 0 or taker.expire_ns <= s.now_ns or second > MAX_TICKS or second < 0:
            return Reason.BAD_EXPIRY
    if open_lots < contract.min_order_lots - filled:
        if not _closes_whole(s, taker.flags, taker.position_slot, taker.side, open_lots):
            return Reason.QTY_TOO_SMALL
    if open_lots > contract.max_order_lots - filled:
        return Reason.QTY_TOO_LARGE
    return Reason.NONE


@rare
def _iceberg_reason(s, contract):
    taker = s.taker
    if taker.flags & EXEC_ICEBERG == 0:
        return Reason.NONE
    total = taker.leaves_lots + taker.filled_lots
    if taker.display_lots < contract.min_order_lots or taker.display_lots > total:
        return Reason.UNSUPPORTED_ORDER
    if taker.display_lots < -(-total // 100) or taker.display_lots % contract.lot_step != 0:
        return Reason.UNSUPPORTED_ORDER
    return Reason.NONE


@rare
def _trigger_reason(s, contract):
    """A condition that holds at entry is refused; a source without a value cannot be watched."""
    taker = s.taker
    low, high = source_range(contract, taker.trigger_source)
    if low == 0 or high == 0:
        return Reason.REFERENCE_PRICE_UNAVAILABLE
    if taker.ord_type == OrdType.TRAILING_STOP:
        return Reason.NONE
    rising = fires_rising(taker.ord_type, taker.side)
    if (rising and taker.trigger_price_ticks <= high) or (not rising and taker.trigger_price_ticks >= low):
        return Reason.TRIGGER_WOULD_FIRE
    return Reason.NONE


@inlined
def capacity_reason(s, taker, contract):
    """Of row 16: a row of every pool that the order may need is free."""
    if not book.has_room(s):
        return Reason.CAPACITY
    if taker.position_slot == NIL:
        if s.positions_used >= s.positions_capacity:
            return Reason.CAPACITY
    if taker.ord_type == OrdType.TRAILING_STOP and contract.trailing_orders >= MAX_TRAILING_ORDERS:
        return Reason.CAPACITY
    return Reason.NONE


@inlined
def _may_rest(taker):
    """Whether what is not filled at once stays in the book."""
    return not is_market(taker.ord_type) and (taker.tif == TimeInForce.GTC or taker.tif == TimeInForce.GTD)


@rare
def _moved_reason(s):
    """With no level left an order that waits already may shrink or end, but not come to rest at another price."""
    taker = s.taker
    if taker.stage == Stage.TRIGGER:
        return Reason.CAPACITY if _may_rest(taker) else Reason.NONE
    moved = taker.price_ticks != order_at(s, taker.order_slot).price_ticks
    if taker.flags & EXEC_CONDITIONAL:
        moved = taker.trigger_price_ticks != detail_at(s, taker.order_slot).trigger_price_ticks
    return Reason.CAPACITY if moved else Reason.NONE


@rare
def _reduce_only_capacity(s):
    """A reduce-only order that may rest needs a place: what one fill can cut is bounded."""
    position_slot = s.taker.position_slot
    if position_slot == NIL or not _may_rest(s.taker):
        return Reason.NONE
    if position_at(s, position_slot).reduce_only_orders >= MAX_REDUCE_ONLY_ORDERS:
        return Reason.CAPACITY
    return Reason.NONE


@inlined
def is_plain_new(c):
    """Whether a command is a NEW that uses no option, as far as its style says: its flags are to be looked at."""
    word = kind_and_style(c)
    return word & _NEW_MASK == _PLAIN_NEW and (word + (1 << 8)) & (2 << 8) != 0


@inlined
def is_plain_style(style):
    """Whether what `row_access.style_of` reads is the style of most orders: GTC or IOC, a limit and no option.

    Nothing of such a style is left to check. Of a side's two bits exactly one is set.
    """
    return style == plain_style(style) and (style + 1) & 2 != 0


@inlined
def plain_style(style):
    """The style of an order without options that has this side, and GTC or IOC as this one has."""
    return style & _PLAIN_CHOICE | _PLAIN_STYLE


@inlined
def is_plain_resting(order):
    """Whether a waiting order uses no option and rests on the book."""
    return is_plain_style(style_of(order))


@inlined
def form_reason(s, contract):
    """Row 16: order form, ids, capacity."""
    taker = s.taker
    if taker.flags != 0 or not is_plain_style(style_of(taker)):
        reason = _style_reason(s, contract)
        if reason != Reason.NONE:
            return reason
    reason = price_form_reason(taker, contract)
    if reason != Reason.NONE:
        return reason
    reason = quantity_reason(s, taker, contract)
    if reason != Reason.NONE:
        return reason
    if taker.stage == Stage.NEW:
        if book.find_client_order(s, taker.tag, taker.account_slot, taker.cl_ord_id) != NIL:
            return Reason.DUPLICATE_ID
    if taker.flags & EXEC_CONDITIONAL:
        reason = _trigger_reason(s, contract)
        if reason != Reason.NONE:
            return reason
    if taker.stage == Stage.NEW:
        reason = capacity_reason(s, taker, contract)
    elif not book.has_level_room(s):
        reason = _moved_reason(s)
    if reason == Reason.NONE and (taker.stage != Stage.AMEND or taker.made_reduce_only):
        if taker.flags & (EXEC_REDUCE_ONLY | EXEC_CONDITIONAL) == EXEC_REDUCE_ONLY:
            return _reduce_only_capacity(s)
    return reason


# --- rows 17 to 22: price, limits, flags, margin ------------------------------------------------------------------


@inlined
def reference_reason(taker, contract):
    """Row 17: an order that opens needs an index and a mark where the contract does."""
    if taker.flags & EXEC_REDUCE_ONLY == 0 and contract.needs_index and contract.mark_subticks == 0:
        return Reason.REFERENCE_PRICE_UNAVAILABLE
    return Reason.NONE


@inlined
def is_within_value(taker, contract):
    """Whether the order's value is within the contract's limit on one order; 0: there is none."""
    if contract.max_order_value_micros == 0:
        return True
    return taker.price_ticks * taker.leaves_lots * contract.micros_per_tick_lot <= contract.max_order_value_micros


@inlined
def price_reason(taker, contract):
    """Row 18: the band is one-sided, far passive prices are fine; then the value of the order."""
    if against(taker.side, taker.price_ticks - of_side(contract, taker.side).max_buy_ticks) > 0:
        return Reason.PRICE_OUT_OF_BAND
    return Reason.NONE if is_within_value(taker, contract) else Reason.ORDER_VALUE_LIMIT


@rare
def reduce_only_reason(s):
    """Row 20: a reduce-only order needs a position of the other side, and never asks for more than it."""
    if s.taker.position_slot == NIL:
        return Reason.REDUCE_ONLY_WOULD_INCREASE
    size = position_at(s, s.taker.position_slot).size_lots
    if size == 0 or (size > 0) == (s.taker.side == Side.BUY):
        return Reason.REDUCE_ONLY_WOULD_INCREASE
    s.taker.leaves_lots = min(s.taker.leaves_lots, abs(size))
    return Reason.NONE


@rare
def flag_reason(s, contract):
    """Row 21: what post-only and fill-or-kill demand of the book as it is."""
    taker = s.taker
    if taker.flags & EXEC_POST_ONLY:
        if taker.flags & EXEC_REJECT_POST_ONLY:
            best = book.best_price(s, taker.contract_slot, opposite(taker.side))
            if reaches(taker.side, taker.price_ticks, best):
                return Reason.POST_ONLY_WOULD_CROSS
        if taker.sweep_ticks < 1 or taker.sweep_ticks > contract.max_price_ticks:
            return Reason.POST_ONLY_WOULD_CROSS
    if taker.tif == TimeInForce.FOK:
        if fill_or_kill.fillable_lots(s, contract) < taker.leaves_lots:
            return Reason.FOK_CANNOT_FILL
    return Reason.NONE


@rare
def _make_reduce_only(s):
    """Closing is never refused for margin: the order goes on as a reduce-only one, with a place if it may rest."""
    s.taker.flags |= EXEC_REDUCE_ONLY | FLAG_MADE_REDUCE_ONLY
    s.taker.loss_subticks = 0
    return _reduce_only_capacity(s)


@kernel
def margin_reason(s, contract):
    """Row 22: margin. A reduce-only order is tightened instead; a fill-or-kill one must still fill after that.

    An order that margin does not carry but that only closes becomes reduce-only, and is judged as one.
    """
    taker = s.taker
    if taker.flags & EXEC_REDUCE_ONLY == 0:
        reason = margin.order_reason(s, taker, contract)
        if reason == Reason.NONE or not _only_closes(s):
            return reason
        reason = _make_reduce_only(s)
        if reason != Reason.NONE:
            return reason
    asked = np.int64(taker.sweep_ticks)
    reason = margin.reducing_reason(s, contract, book.best_price(s, taker.contract_slot, opposite(taker.side)))
    if reason == Reason.NONE and taker.tif == TimeInForce.FOK:
        if taker.sweep_ticks != asked:
            reason = flag_reason(s, contract)
        if reason == Reason.NONE and not fill_or_kill.carries_itself(s, contract):
            return Reason.INSUFFICIENT_MARGIN
    return reason


@inlined
def book_reason(s, contract):
    """Rows 17 to 22, for an order that goes to the book now."""
    taker = s.taker
    opens = taker.flags & EXEC_REDUCE_ONLY == 0
    reason = reference_reason(taker, contract)
    if reason == Reason.NONE:
        reason = price_reason(taker, contract)
    if reason == Reason.NONE:
        reason = exposure_limits.opening_reason(s, contract) if opens else reduce_only_reason(s)
    if reason == Reason.NONE and (taker.flags & EXEC_POST_ONLY or taker.tif == TimeInForce.FOK):
        reason = flag_reason(s, contract)
    if reason == Reason.NONE and not contract.margin_free:
        reason = margin_reason(s, contract)
    return reason


@inlined
def known_order_reason(s):
    """Rows 2 to 22 for the order in `s.taker`, whose account and contract are known."""
    taker = s.taker
    reason = _gate_reason(s)
    if reason != Reason.NONE:
        return reason
    contract = contract_at(s, taker.contract_slot)
    reason = form_reason(s, contract)
    if reason != Reason.NONE:
        return reason
    if taker.made_reduce_only:
        taker.flags |= FLAG_MADE_REDUCE_ONLY
    if taker.flags & EXEC_CONDITIONAL:
        reason = reference_reason(taker, contract)
        return exposure_limits.opening_reason(s, contract) if reason == Reason.NONE else reason
    working_price(s, contract)
    return book_reason(s, contract)


@kernel
def order_reason(s):
    """The whole ladder for the order in `s.taker`; its contract and account may not even exist."""
    reason = known_reason(s, s.taker.account_slot, s.taker.contract_slot)
    return known_order_reason(s) if reason == Reason.NONE else reason


@inlined
def working_price(s, contract):
    """Set the limits that the order in `s.taker` works with: a market order's band edge, a post-only order's slide."""
    taker = s.taker
    if is_market(taker.ord_type):
        edge = contract.max_buy_ticks if taker.side == Side.BUY else contract.min_sell_ticks
        taker.price_ticks = clamp(edge, 1, contract.max_price_ticks)
    taker.sweep_ticks = taker.price_ticks
    if taker.flags & EXEC_POST_ONLY:
        best = book.best_price(s, taker.contract_slot, opposite(taker.side))
        if reaches(taker.side, taker.price_ticks, best):
            taker.sweep_ticks = best - 1 if taker.side == Side.BUY else best + 1
