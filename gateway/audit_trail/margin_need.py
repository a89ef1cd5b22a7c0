"""The margin that an order needs, computed in plain integers from the state without the engine's functions."""

from dataclasses import dataclass
from typing import Any

from engine.codes import NIL, ExecInst, MarginMode, OrdType, Side

SUBTICKS, PPB = 1000, 1_000_000_000
MARKETS = (OrdType.MARKET, OrdType.STOP_MARKET, OrdType.TAKE_MARKET, OrdType.TRAILING_STOP)
NOTHING = dict.fromkeys(
    ("size_lots", "leverage", "margin_mode", "buy_subtick_lots", "sell_subtick_lots", "loss_subtick_lots"), 0
)
"""An empty row, for a position that does not exist."""


@dataclass
class Asked:
    """An order after its command: a new one, or one as amended."""

    side: int
    ord_type: int
    price_ticks: int
    lots: int
    flags: int
    was_lots: int = 0
    was_price_ticks: int = 0
    was_loss_subticks: int = 0

    @property
    def counts(self) -> bool:
        """Whether it takes margin: neither a reducing order nor one that waits for its trigger."""
        return self.side in (Side.BUY, Side.SELL) and not self.flags & (ExecInst.REDUCE_ONLY | ExecInst.CONDITIONAL)


def _up(amount: int, parts: int = SUBTICKS) -> int:
    return -(-amount // parts)


def limit_ticks(contract: Any, asked: Asked) -> int:
    """An order's limit; for a market order, the band's edge."""
    if asked.ord_type not in MARKETS or asked.flags & ExecInst.CONDITIONAL:
        return asked.price_ticks
    edge = int(contract["max_buy_ticks"] if asked.side == Side.BUY else contract["min_sell_ticks"])
    return max(min(edge, int(contract["max_price_ticks"])), 1)


def working_ticks(contract: Any, asked: Asked, best_opposite_ticks: int) -> int:
    """The limit after sliding: a post-only order goes behind the best price of the other side."""
    price, best, buys = limit_ticks(contract, asked), best_opposite_ticks, asked.side == Side.BUY
    if asked.flags & ExecInst.POST_ONLY and best != NIL and (price >= best if buys else price <= best):
        return best - 1 if buys else best + 1
    return price


def own_need_micros(contract: Any, position: dict[str, int], asked: Asked, price_ticks: int) -> int:
    """Initial margin, fees and open loss of a contract's position and all its orders, the judged one among them."""
    unit = int(contract["micros_per_tick_lot"])
    buys, sells, loss = (position[f"{name}_subtick_lots"] for name in ("buy", "sell", "loss"))
    away = price_ticks * SUBTICKS - int(contract["mark_subticks"])
    adverse = max(away if asked.side == Side.BUY else -away, 0)
    weight = _weight(asked.side, price_ticks, adverse) * asked.lots
    weight -= _weight(asked.side, asked.was_price_ticks, asked.was_loss_subticks) * asked.was_lots
    loss += adverse * asked.lots - asked.was_loss_subticks * asked.was_lots
    if asked.side == Side.BUY:
        buys += weight
    else:
        sells += weight
    return _required_micros(contract, position, _up(buys * unit), _up(sells * unit)) + _up(loss * unit)


def held_need_micros(contract: Any, position: dict[str, int], leverage: int) -> int:
    """What a contract's position and orders need at a leverage."""
    unit = int(contract["micros_per_tick_lot"])
    buys, sells, loss = (_up(position[f"{name}_subtick_lots"] * unit) for name in ("buy", "sell", "loss"))
    return _required_micros(contract, position | {"leverage": leverage}, buys, sells) + loss


def _weight(side: int, price_ticks: int, loss_subticks: int) -> int:
    """The price at which an order counts: a buy its limit, a sell the higher of limit and mark."""
    return price_ticks * SUBTICKS + (0 if side == Side.BUY else loss_subticks)


def _required_micros(contract: Any, position: dict[str, int], buys_micros: int, sells_micros: int) -> int:
    """IM of the worst case of position and orders, and the dearer fee of the orders."""
    size = position["size_lots"]
    held = _up(int(contract["mark_subticks"]) * abs(size) * int(contract["micros_per_tick_lot"]))
    if size > 0:
        worst = max(held + buys_micros, sells_micros - held)
    elif size < 0:
        worst = max(held + sells_micros, buys_micros - held)
    else:
        worst = max(buys_micros, sells_micros)
    need = _initial_micros(contract, position["leverage"], worst)
    fee_ppb = max(int(contract["taker_fee_ppb"]), int(contract["maker_fee_ppb"]))
    need += _up((buys_micros + sells_micros) * fee_ppb, PPB)
    if position["margin_mode"] == MarginMode.ISOLATED:
        need -= _initial_micros(contract, position["leverage"], held)
    return need


def _initial_micros(contract: Any, leverage: int, notional_micros: int) -> int:
    """Notional / leverage, the leverage not above the cap of the notional's bracket."""
    place = int(contract["brackets"]) - 1
    while place > 0 and notional_micros <= int(contract["bracket_floor_micros"][place]):
        place -= 1
    cap = int(contract["bracket_leverage"][place])
    return _up(notional_micros, leverage if 0 < leverage <= cap else cap)
