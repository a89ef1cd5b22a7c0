"""What a fill-or-kill order is sure to get: it fills as a whole or is refused, and a refusal touches no maker.

What may vanish on the way does not count. A maker's margin is judged for the worst that the sweep can bring it: all its
orders of that side, at the best price there is for the taker. A healthy account passes; a distressed one is left out.
"""

import numpy as np

from engine import book, margin, standing
from engine.code_values import EXEC_AFFILIATE, EXEC_CONDITIONAL, EXEC_ICEBERG, EXEC_REDUCE_ONLY
from engine.codes import NIL, MarginMode, SelfTrade, Side
from engine.kernels import inlined, kernel, rare
from engine.row_access import account_at, contract_at, detail_at, ladder_at, level_at, order_at, own_at, position_at
from engine.units import SUBTICKS, against, fee_micros, opposite

ROUNDING_MICROS = 4
"""What the rounding of one fill can cost a pool: its notional, its fee, its value at the mark and the check's own."""
FILLS_PER_ORDER = 102
"""An iceberg shows at least a hundredth of itself."""
MAX_DILUTION = 40
"""Closing bit by bit hands an isolated position's money back pro rata: 1 + 1/2 + ... + 1/2^52 stays below this."""


# --- what an order reaches ----------------------------------------------------------------------------------------


@inlined
def reaches(side, limit_ticks, price_ticks):
    """Whether an order with this limit trades at this price of the other side."""
    return price_ticks != NIL and against(side, price_ticks - limit_ticks) <= 0


@inlined
def in_band(contract, maker_side, price_ticks):
    """Whether a resting order is still within the band on its losing side."""
    if maker_side == Side.BUY:
        return price_ticks <= contract.max_buy_ticks
    return price_ticks >= contract.min_sell_ticks


# --- what a pool can carry ----------------------------------------------------------------------------------------


@kernel
def _loss_micros(contract, side, lots, price_ticks, fee_ppb):
    """The most that fills of so many lots can cost a pool when none has a worse price than this; never negative."""
    unit = np.int64(contract.micros_per_tick_lot)
    signed = lots if side == Side.BUY else -lots
    gain = margin.floor_micros((contract.mark_subticks - price_ticks * SUBTICKS) * signed * unit)
    return max(max(fee_micros(lots * price_ticks * unit, fee_ppb), 0) - gain, 0)


@kernel
def _parts(s, slot):
    """In how many fills an order can be taken."""
    order = order_at(s, slot)
    if order.flags & EXEC_ICEBERG == 0:
        return np.int64(1)
    return -(-order.leaves_lots // detail_at(s, slot).display_lots) + 1


@kernel
def _own_fills(s, position_slot, side):
    """In how many fills a position's resting orders of a side can be taken by the taker."""
    taker, count = s.taker, np.int64(0)
    slot = np.int64(position_at(s, position_slot).own_head_slot)
    while slot != NIL:
        order = order_at(s, slot)
        if order.side == side and order.flags & EXEC_CONDITIONAL == 0:
            if reaches(taker.side, taker.sweep_ticks, order.price_ticks):
                count += _parts(s, slot)
        slot = np.int64(own_at(s, slot).next_slot)
    return count


@kernel
def _closes_in(s, position_slot, loss_micros, fills):
    """Whether an isolated position bears a loss that comes in so many fills, its money leaving pro rata with each."""
    needed = min(fills, MAX_DILUTION) * loss_micros + fills * ROUNDING_MICROS
    return margin.isolated_equity_micros(s, position_slot) >= needed


@kernel
def _side_lots(position, side):
    """All that a position's orders of a side may trade; resting reduce-only ones are on the side that reduces."""
    if side == Side.BUY:
        return position.buy_lots + (position.reduce_only_lots if position.size_lots < 0 else np.int64(0))
    return position.sell_lots + (position.reduce_only_lots if position.size_lots > 0 else np.int64(0))


@kernel
def _isolated_carries(s, position_slot, side, lots, price_ticks):
    """An isolated maker: the position bears what closes, its account's cash brings what opens."""
    position = position_at(s, position_slot)
    contract = contract_at(s, position.contract_slot)
    if position.account_slot == s.taker.account_slot:
        return False
    size = np.int64(position.size_lots)
    closed = min(abs(size), lots) if size != 0 and (size > 0) == (side == Side.SELL) else np.int64(0)
    fills = _own_fills(s, position_slot, side)
    if closed != 0:
        loss = _loss_micros(contract, side, closed, price_ticks, contract.maker_fee_ppb)
        if not _closes_in(s, position_slot, loss, fills):
            return False
    opened = lots - closed
    if opened == 0:
        return True
    signed = lots if side == Side.BUY else -lots
    highest = max(price_ticks, s.taker.sweep_ticks)
    needed = margin.opening_micros(contract, position.leverage, size + signed, opened, highest)
    needed += _loss_micros(contract, side, opened, price_ticks, 0) + fills * ROUNDING_MICROS
    return margin.cross_equity_micros(s, position.account_slot) >= needed


@kernel
def _maker_carries(s, position_slot, side, price_ticks):
    """Whether a pool survives whatever the taker takes of its orders of a side, none worse than this price."""
    position, taker = position_at(s, position_slot), s.taker
    contract = contract_at(s, position.contract_slot)
    lots = np.int64(_side_lots(position, side))
    if position.margin_mode == MarginMode.ISOLATED:
        return _isolated_carries(s, position_slot, side, lots, price_ticks)
    needed = _loss_micros(contract, side, lots, price_ticks, contract.maker_fee_ppb)
    if position.account_slot == taker.account_slot:
        needed += _loss_micros(contract, taker.side, taker.leaves_lots, taker.sweep_ticks, contract.taker_fee_ppb)
    fills = FILLS_PER_ORDER * np.int64(account_at(s, position.account_slot).open_orders)
    return margin.cross_equity_micros(s, position.account_slot) >= needed + fills * ROUNDING_MICROS


# --- what is sure to be there -------------------------------------------------------------------------------------


@kernel
def _sure_lots(s, order, best_ticks):
    """What is sure to be there of a resting order when its turn comes.

    One that its owner could not carry by then counts for nothing. A reduce-only one shrinks with its owner's position,
    so it counts for what it keeps if all its owner's other orders of that side fill first.
    """
    position = position_at(s, order.position_slot)
    if not contract_at(s, position.contract_slot).margin_free:
        if not _maker_carries(s, order.position_slot, order.side, best_ticks):
            return np.int64(0)
    if order.flags & EXEC_REDUCE_ONLY == 0 or position.account_slot == s.taker.account_slot:
        return np.int64(order.leaves_lots)
    others = position.sell_lots if order.side == Side.SELL else position.buy_lots
    slack = abs(position.size_lots) - position.reduce_only_lots
    return max(order.leaves_lots - max(others - slack, 0), 0)


@kernel
def _is_own_group(s, order):
    return s.taker.group != 0 and account_at(s, position_at(s, order.position_slot).account_slot).group == s.taker.group


@kernel
def _stop_in_level(s, level):
    """The order of its own group in this level at which the taker would end, NIL when there is none."""
    slot = np.int64(level.head_slot)
    if s.taker.group == 0 or s.taker.self_trade == SelfTrade.CANCEL_MAKER:
        return np.int64(NIL)
    while slot != NIL and not (_is_own_group(s, order_at(s, slot)) and standing.lost_reason(s, slot) == 0):
        slot = np.int64(order_at(s, slot).next_slot)
    return slot


@kernel
def _take_level(s, level, best_ticks, stop_slot):
    """(lots, fills) that a taker gets of one level, up to an order that stops it.

    Ahead of that order an iceberg of its own queue gives what it shows, since the rest comes behind it; ahead of an
    affiliate's order a client's iceberg gives all of itself.
    """
    total, fills = np.int64(0), np.int64(0)
    slot = np.int64(level.head_slot)
    while slot != NIL and slot != stop_slot:
        order = order_at(s, slot)
        if standing.lost_reason(s, slot) != 0:
            pass  # cancelled on contact: it neither trades nor stops the taker
        elif not _is_own_group(s, order):
            sure = _sure_lots(s, order, best_ticks)
            rest_is_behind = stop_slot != NIL and (order.flags ^ order_at(s, stop_slot).flags) & EXEC_AFFILIATE == 0
            total += min(sure, book.shown_lots(s, slot)) if rest_is_behind else sure
            fills += _parts(s, slot)
        slot = np.int64(order.next_slot)
    return total, fills


@kernel
def _take(s, contract):
    """(lots, best price, last price, fills): what the taker is sure to get in reach and band, hidden included."""
    taker, side = s.taker, opposite(s.taker.side)
    level_slot = np.int64(ladder_at(s, book.ladder_of(taker.contract_slot, side)).first_slot)
    total, fills, stop_slot = np.int64(0), np.int64(0), np.int64(NIL)
    best, last = np.int64(NIL), np.int64(NIL)
    while level_slot != NIL and total < taker.leaves_lots and stop_slot == NIL:
        level = level_at(s, level_slot)
        if not reaches(taker.side, taker.sweep_ticks, level.price_ticks):
            break
        if in_band(contract, side, level.price_ticks):
            last = np.int64(level.price_ticks)
            best = last if best == NIL else best
            stop_slot = _stop_in_level(s, level)
            lots, parts = _take_level(s, level, best, stop_slot)
            total += lots
            fills += parts
        level_slot = book.next_level(s, level_slot)
    return total, best, last, fills


@rare
def fillable_lots(s, contract):
    """What the order in `s.taker` is sure to get; it counts no further than the order needs."""
    total, _, _, _ = _take(s, contract)
    return total


@rare
def carries_itself(s, contract):
    """Whether a reduce-only order keeps its pool's equity >= 0 through all of its fills, so that none stops it."""
    taker = s.taker
    _, best, last, fills = _take(s, contract)
    loss = _loss_micros(contract, taker.side, taker.leaves_lots, last, contract.taker_fee_ppb)
    position = position_at(s, taker.position_slot)
    own = np.int64(_side_lots(position, opposite(taker.side)))
    if position.margin_mode == MarginMode.ISOLATED:
        return own == 0 and _closes_in(s, taker.position_slot, loss, fills)
    if own != 0:
        loss += _loss_micros(contract, opposite(taker.side), own, best, contract.maker_fee_ppb)
    return margin.cross_equity_micros(s, taker.account_slot) >= loss + 2 * fills * ROUNDING_MICROS
