"""The margin that an order needs, computed in plain integers without the functions by which the engine decides.

An order that nobody can carry may need more than int64 holds: then the largest number stands for it, and
`exact_need_micros` computes it again with Python's integers.
"""

import operator
from types import FunctionType, SimpleNamespace
from typing import Any

import numpy as np

from engine.code_values import SIDE_BUY
from engine.codes import NIL, MarginMode
from engine.kernels import entry, part
from engine.row_access import contract_at, position_at
from engine.units import INT64_MAX, PPB, SUBTICKS, mul_div_ceil, mul_high, wrapping_mul

_ISOLATED = int(MarginMode.ISOLATED)


# --- numbers that may be too large --------------------------------------------------------------------------------


@part
def add(left, right):
    """left + right; once it is too large it stays so."""
    if abs(left) == INT64_MAX:
        return left
    if abs(right) == INT64_MAX:
        return right
    total = left + right
    if (left ^ total) & (right ^ total) < 0:
        return INT64_MAX if left > 0 else -INT64_MAX
    return total


@part
def product(left, right):
    """left * right."""
    low = wrapping_mul(left, right)
    high = mul_high(left, right)
    if high != low >> 63 or low == -INT64_MAX - 1:
        return INT64_MAX if high >= 0 else -INT64_MAX
    return low


@part
def share(amount, factor, parts):
    """ceil(amount * factor / parts)."""
    if abs(amount) == INT64_MAX:
        return amount
    high = mul_high(amount, factor)
    fits = high == wrapping_mul(amount, factor) >> 63
    if not fits and (high >= parts >> 1 or high < -(parts >> 1)):
        return INT64_MAX if high >= 0 else -INT64_MAX
    return mul_div_ceil(amount, factor, parts)


# --- margin -------------------------------------------------------------------------------------------------------


@part
def _weight(side, price_ticks, loss_subticks):
    """The price at which an order counts: a buy its limit, a sell the higher of limit and mark."""
    price_subticks = product(price_ticks, SUBTICKS)
    return price_subticks if side == SIDE_BUY else add(price_subticks, loss_subticks)


@part
def _initial_micros(contract, leverage, notional_micros):
    """Notional / leverage, the leverage not above the cap of the notional's bracket."""
    place = contract.brackets - 1
    while place > 0 and notional_micros <= contract.bracket_floor_micros[place]:
        place -= 1
    cap = contract.bracket_leverage[place]
    return share(notional_micros, 1, leverage if 0 < leverage <= cap else cap)


@part
def _required_micros(contract, held, leverage, buys_micros, sells_micros):
    """IM of the worst case of position and orders, and the dearer fee of the orders. `held`: size, 1 when isolated."""
    size, isolated = held
    held_micros = share(product(contract.mark_subticks, abs(size)), contract.micros_per_tick_lot, SUBTICKS)
    if size > 0:
        worst = max(add(held_micros, buys_micros), add(sells_micros, -held_micros))
    elif size < 0:
        worst = max(add(held_micros, sells_micros), add(buys_micros, -held_micros))
    else:
        worst = max(buys_micros, sells_micros)
    need = _initial_micros(contract, leverage, worst)
    fee_ppb = max(contract.taker_fee_ppb, contract.maker_fee_ppb)
    need = add(need, share(add(buys_micros, sells_micros), fee_ppb, PPB))
    if isolated:
        need = add(need, -_initial_micros(contract, leverage, held_micros))
    return need


@part
def _held(s, slot):
    """Size, isolation, leverage and the sums of the open orders of a position; zeros where there is none."""
    if slot == NIL:
        return (0, False), 0, (0, 0, 0)
    row = position_at(s, slot)
    sums = (row.buy_subtick_lots, row.sell_subtick_lots, row.loss_subtick_lots)
    return (row.size_lots, row.margin_mode == _ISOLATED), np.int64(row.leverage), sums


@part
def own_need_micros(s, contract, row):
    """Initial margin, fees and open loss of a contract's position and all its orders, the judged one among them."""
    held, leverage, (buys, sells, loss) = _held(s, row.position_slot)
    side, unit, was = row.order_side, contract.micros_per_tick_lot, row.order_was_open_lots
    away = add(product(row.order_price_ticks, SUBTICKS), -contract.mark_subticks)
    adverse = max(away if side == SIDE_BUY else -away, 0)
    weight = product(_weight(side, row.order_price_ticks, adverse), row.order_lots)
    weight = add(weight, -product(_weight(side, row.order_was_price_ticks, row.was_loss_subticks), was))
    loss = add(add(loss, product(adverse, row.order_lots)), -product(row.was_loss_subticks, was))
    if side == SIDE_BUY:
        buys = add(buys, weight)
    else:
        sells = add(sells, weight)
    required = _required_micros(contract, held, leverage, share(buys, unit, SUBTICKS), share(sells, unit, SUBTICKS))
    return add(required, share(loss, unit, SUBTICKS))


@entry
def held_need_micros(root, contract_slot, position_slot, leverage):
    """What a contract's position (NIL: none) and its orders need at a leverage."""
    s = root[0]
    contract = contract_at(s, contract_slot)
    held, _, (buys, sells, loss) = _held(s, position_slot)
    unit = contract.micros_per_tick_lot
    required = _required_micros(contract, held, leverage, share(buys, unit, SUBTICKS), share(sells, unit, SUBTICKS))
    return add(required, share(loss, unit, SUBTICKS))


# --- exactly ----------------------------------------------------------------------------------------------------------


def _exact(function: Any) -> Any:
    """The same function on Python's integers, which have no largest."""
    return FunctionType(getattr(function, "py_func", function).__code__, _EXACT)


_EXACT: dict[str, Any] = globals() | {
    "add": operator.add,
    "product": operator.mul,
    "share": lambda amount, factor, parts: -(-amount * factor // parts),
    "_held": lambda held, slot: held,
}
_EXACT |= {name: _exact(globals()[name]) for name in ("_weight", "_initial_micros", "_required_micros")}
_exact_own_need_micros = _exact(own_need_micros)


def plain_row(row: Any) -> SimpleNamespace:
    """A row with Python's integers."""
    return SimpleNamespace(**{name: row[name].tolist() for name in row.dtype.names if row[name].dtype.kind == "i"})


def exact_need_micros(root: Any, row: Any, contract: SimpleNamespace) -> int:
    """`own_need_micros` of a row, however large, as long as `root` is the state that the row was read from."""
    held: Any = ((0, False), 0, (0, 0, 0))
    if row.position_slot != NIL:
        position = plain_row(root[0]["positions"][row.position_slot])
        sums = (position.buy_subtick_lots, position.sell_subtick_lots, position.loss_subtick_lots)
        held = ((position.size_lots, position.margin_mode == _ISOLATED), position.leverage, sums)
    return int(_exact_own_need_micros(held, contract, row))
