"""The figures of a decision in plain Python, one field at a time: what the compiled reading of them is held against.

It uses the engine's statements of an account and the rows of the state, and nothing of `decision_figures` there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine import cancel_queue
from engine.codes import NIL, AccountAttribute, Asset, CommandKind, ExecInst, MarginMode, OrdType, SelfTrade, Side
from engine.kernels import entry
from engine.schema import DIRECTIVE, LADDERS_PER_CONTRACT, ORDER_SLOT_BITS
from engine.statements import PositionStatement, account_statement, position_slots


@entry
def is_leaving(root, order_slot):
    """Whether a mass cancel in the queue takes an order: it is as good as cancelled."""
    return cancel_queue.covering(root[0], order_slot) != NIL


ATTRIBUTES = {f"account_{attribute.name.lower()}": attribute for attribute in AccountAttribute}


# --- owners' limits --------------------------------------------------

SUBTICKS = 1000
INT64_MAX = (1 << 63) - 1


def limit_figures(state: Any, account_slot: int, contract_slot: int) -> dict[str, int]:
    """The figures of limits that are set; most accounts have no group limit and no exposure limit."""
    account, found = state["accounts"][account_slot], {}
    limit = _group_limit_lots(state, int(account["group"]), contract_slot)
    if limit:
        found = {"group_max_lots": limit, "group_others_lots": _others_lots(state, account_slot, contract_slot)}
    if own_limit_micros(state, account_slot) != INT64_MAX:
        found["account_others_exposure_micros"] = _others_micros(state, account_slot, contract_slot)
    client = _owner_of(state, account_slot)
    if client and int(state["clients"][client]["max_exposure_micros"]):
        found["client_max_exposure_micros"] = int(state["clients"][client]["max_exposure_micros"])
        siblings = (slot for slot in _members(state, client) if slot != account_slot)
        others = _others_micros(state, account_slot, contract_slot)
        found["client_others_exposure_micros"] = others + sum(_others_micros(state, slot, NIL) for slot in siblings)
    return found


def own_limit_micros(state: Any, account_slot: int) -> int:
    """The exposure limit of an account itself, INT64_MAX for none; its client may have a tighter one."""
    return int(state["profiles"][account_slot]["values"][AccountAttribute.MAX_EXPOSURE_MICROS]) or INT64_MAX


def client_figures(state: Any, account_slot: int) -> dict[str, int]:
    """What holds for the client of an account, if it is a client's."""
    client = _owner_of(state, account_slot)
    if not client:
        return {}
    row = state["clients"][client]
    return {"client_frozen": int(row["frozen"]), "client_kill_switch": int(row["killed"])}


def _owner_of(state: Any, account_slot: int) -> int:
    return int(state["profiles"][account_slot]["values"][AccountAttribute.CLIENT])


def _members(state: Any, client: int) -> Iterator[int]:
    member = int(state["clients"][client]["members_head"])
    while member != NIL:
        yield member
        member = int(state["accounts"][member]["client_next_slot"])


def approval_figures(state: Any, account_slot: int, contract_slot: int) -> dict[str, int]:
    """An affiliate's approval for a contract, if it ever had one."""
    for row in state["approvals"][: int(state["approvals_used"])]:
        if int(row["account_slot"]) == account_slot and int(row["contract_slot"]) == contract_slot:
            return {"affiliate_from_ns": int(row["from_ns"]), "affiliate_until_ns": int(row["until_ns"])}
    return {}


def _worst_lots(row: Any) -> int:
    """The largest size that a position can reach on either side when the open orders of that side fill."""
    size = int(row["size_lots"])
    return max(max(size, 0) + int(row["buy_lots"]), max(-size, 0) + int(row["sell_lots"]))


def _group_limit_lots(state: Any, group: int, contract_slot: int) -> int:
    place = int(state["groups"][group]["limits_head"]) if group else NIL
    while place != NIL:
        limit = state["group_limits"][place]
        if int(limit["contract_slot"]) == contract_slot:
            return int(limit["max_lots"])
        place = int(limit["next_place"])
    return 0


def _others_lots(state: Any, account_slot: int, contract_slot: int) -> int:
    """The sum of the worst cases of the group's other accounts in this contract."""
    total, member = 0, int(state["groups"][int(state["accounts"][account_slot]["group"])]["members_head"])
    while member != NIL:
        if member != account_slot:
            rows = (state["positions"][slot] for slot in position_slots([state], member))
            total += sum(_worst_lots(row) for row in rows if int(row["contract_slot"]) == contract_slot)
        member = int(state["accounts"][member]["group_next_slot"])
    return total


def _others_micros(state: Any, account_slot: int, contract_slot: int) -> int:
    """The sum of the worst cases of an account's contracts but one (NIL: of all), valued at their marks."""
    total = 0
    for slot in position_slots([state], account_slot):
        row = state["positions"][slot]
        if int(row["contract_slot"]) != contract_slot:
            contract = state["contracts"][int(row["contract_slot"])]
            value = int(contract["mark_subticks"]) * abs(_worst_lots(row)) * int(contract["micros_per_tick_lot"])
            total += -(-value // SUBTICKS)
    return total


# --- margin --------------------------------------------------

PPB = 1_000_000_000
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


# --- a decision --------------------------------------------------

ORDER_COMMANDS = (CommandKind.NEW, CommandKind.AMEND, CommandKind.CANCEL, CommandKind.MASS_CANCEL)
MONEY_COMMANDS = (
    CommandKind.WITHDRAW, CommandKind.TRANSFER, CommandKind.SET_LEVERAGE, CommandKind.SET_MARGIN_MODE
)  # fmt: skip
Figures = dict[str, int]
_AMEND_FLAGS = ExecInst.FORFEIT_PRIORITY | ExecInst.QTY_IS_LEAVES | ExecInst.CONFIRMED
_OF_CONTRACT = (
    "state", "needs_index", "margin_free", "mark_subticks", "index_subticks", "last_price_ticks", "max_buy_ticks",
    "min_sell_ticks", "open_interest_lots", "max_open_interest_lots", "max_position_lots", "max_order_value_micros",
    "disclosure_product", "disclosure_loss", "disclosure_affiliate", "affiliate_present", "micros_per_tick_lot",
)  # fmt: skip


def named(row: Any) -> dict[str, Any]:
    """A row of the state as a dict."""
    return dict(zip(row.dtype.names, row.item(), strict=True))


def look(root: Any, command: Any) -> Figures:
    """The figures for an order command, and for a movement of a client's own money; other commands have none."""
    kind = int(command["kind"])
    if kind in MONEY_COMMANDS:
        return _money(root, command.view(DIRECTIVE))
    if kind not in ORDER_COMMANDS:
        return {}
    state = root[0]
    account, contract, person = (int(command[name]) for name in ("account_slot", "contract_slot", "person"))
    slot = NIL
    if kind in (CommandKind.AMEND, CommandKind.CANCEL) and _exists(state, account):
        slot = find_order(state, account, int(command["order_id"]), int(command["cl_ord_id"]))
        if slot != NIL:
            contract = int(state["positions"][int(state["orders"][slot]["position_slot"])]["contract_slot"])
    found, position = _standing(root, account, contract, person)
    asked = None
    if kind == CommandKind.NEW:
        asked = _new(command)
    elif kind == CommandKind.AMEND and slot != NIL and is_leaving(root, slot):
        found["order_is_leaving"] = 1
    elif kind == CommandKind.AMEND and slot != NIL:
        asked = _amended(named(state["orders"][slot]), command)
        found["order_form_broken"] = int(_is_broken(asked, command))
    if asked is None or "contract_state" not in found:
        return found
    return found | _order(state["contracts"][contract], position, asked, found)


def _money(root: Any, directive: Any) -> Figures:
    """The account's figures, and for a withdrawal the amount asked for and the amount that may be withdrawn."""
    account = int(directive["account_slot"])
    found, _ = _standing(root, account, int(directive["contract_slot"]), NIL)
    is_cash = int(directive["index"]) == Asset.SETTLEMENT
    if int(directive["kind"]) == CommandKind.WITHDRAW and is_cash and found["account_state"]:
        found["need_micros"] = int(directive["amount_micros"])
        found["have_micros"] = account_statement(root, account).withdrawable_micros
    return found


def standing(root: Any, account_slot: int, contract_slot: int, person: int = NIL) -> Figures:
    """The figures of account, contract and venue; what does not exist is left out."""
    return _standing(root, account_slot, contract_slot, person)[0]


def find_order(state: Any, account_slot: int, order_id: int, cl_ord_id: int) -> int:
    """The slot of an account's open order by either id, NIL when there is none."""
    slots = _own_orders(state, account_slot)
    if order_id:
        slot = order_id & ((1 << ORDER_SLOT_BITS) - 1)
        if slot >= int(state["orders_used"]) or int(state["orders"][slot]["order_id"]) != order_id:
            return NIL
        owner = state["positions"][int(state["orders"][slot]["position_slot"])]["account_slot"]
        return slot if int(owner) == account_slot else NIL
    if not cl_ord_id:
        return NIL
    return next((slot for slot in slots if int(state["orders"][slot]["cl_ord_id"]) == cl_ord_id), NIL)


def _own_orders(state: Any, account_slot: int) -> Any:
    for position in position_slots([state], account_slot):
        slot = int(state["positions"][position]["own_head_slot"])
        while slot != NIL:
            yield slot
            slot = int(state["own"][slot]["next_slot"])


def _exists(state: Any, account_slot: int) -> bool:
    return 0 <= account_slot < int(state["accounts_used"]) and bool(state["accounts"][account_slot]["state"])


def _standing(root: Any, account_slot: int, contract_slot: int, person: int) -> tuple[Figures, dict[str, int]]:
    """The figures, and the row of the account's position in the contract."""
    state, found = root[0], {"account_state": 0}
    found["venue_state"] = int(state["venue_state"])
    found["venue_institutions_skip"] = int(state["institutions_skip_knowledge"])
    found["venue_affiliate_post_only"] = int(state["affiliate_post_only"])
    if 0 <= person < int(state["persons_used"]):
        found["person_knowledge_until_ns"] = int(state["persons"][person])
    if 0 <= contract_slot < int(state["contracts_used"]):
        found |= _contract(state, contract_slot)
    if not _exists(state, account_slot):
        return found, NOTHING
    statement, row = account_statement(root, account_slot), named(state["accounts"][account_slot])
    given = state["profiles"][account_slot]["values"].tolist()
    found |= {name: given[attribute] for name, attribute in ATTRIBUTES.items()}
    found |= {
        "account_state": row["state"],
        "account_in_liquidation": row["liquidating"],
        "account_open_orders": row["open_orders"],
        "account_max_open_orders": row["max_open_orders"],
        "account_max_exposure_micros": own_limit_micros(state, account_slot),
        **client_figures(state, account_slot),
        "account_cash_micros": statement.cash_micros,
        "account_collateral_micros": sum(item.value_micros for item in statement.collateral),
        "account_equity_micros": statement.equity_micros,
        "account_required_micros": statement.requirement_micros,
        "account_maintenance_micros": statement.maintenance_micros,
    }
    if "contract_state" in found:
        found |= limit_figures(state, account_slot, contract_slot)
        found |= approval_figures(state, account_slot, contract_slot)
    for position in statement.positions:
        if position.contract_slot == contract_slot:
            held = named(state["positions"][position.position_slot])
            return found | _position(held, position), held
    return found, NOTHING


def _position(row: dict[str, int], statement: PositionStatement) -> Figures:
    return {
        "position_held_lots": row["size_lots"],
        "position_entry_cost_micros": row["entry_cost_micros"],
        "position_buy_lots": row["buy_lots"],
        "position_sell_lots": row["sell_lots"],
        "position_reduce_only_lots": row["reduce_only_lots"],
        "position_required_micros": statement.requirement_micros,
        "position_leverage": row["leverage"],
        "position_is_isolated": row["margin_mode"],
        "position_equity_micros": statement.pool_equity_micros,
        "position_maintenance_micros": statement.maintenance_micros,
    }


def _contract(state: Any, slot: int) -> Figures:
    row = state["contracts"][slot]
    found = {f"contract_{name}": int(row[name]) for name in _OF_CONTRACT}
    for side, name in ((Side.BUY, "contract_best_bid_ticks"), (Side.SELL, "contract_best_ask_ticks")):
        ladder = state["ladders"][slot * LADDERS_PER_CONTRACT + side - 1]
        found[name] = int(ladder["first_key"]) if int(ladder["first_slot"]) != NIL else NIL
    return found


def _new(command: Any) -> Asked:
    ord_type = int(command["ord_type"])
    waits = ExecInst.CONDITIONAL if ord_type >= OrdType.STOP_MARKET else 0
    price, lots = int(command["price_ticks"]), int(command["qty_lots"])
    return Asked(int(command["side"]), ord_type, price, lots, int(command["flags"]) | waits)


def _amended(order: dict[str, int], command: Any) -> Asked:
    lots, price, flags = int(command["qty_lots"]), int(command["price_ticks"]), int(command["flags"])
    if not price or order["ord_type"] in MARKETS:
        price = order["price_ticks"]
    if not lots:
        lots = order["leaves_lots"]
    elif not flags & ExecInst.QTY_IS_LEAVES:
        lots -= order["filled_lots"]
    asked = Asked(order["side"], order["ord_type"], price, lots, order["flags"])
    if not order["flags"] & ExecInst.CONDITIONAL:
        asked.was_lots, asked.was_price_ticks = order["leaves_lots"], order["price_ticks"]
        asked.was_loss_subticks = order["loss_subticks"]
    return asked


def _is_broken(asked: Asked, command: Any) -> bool:
    """Whether an amendment changes what cannot be amended."""
    trailing = asked.ord_type == OrdType.TRAILING_STOP and asked.flags & ExecInst.CONDITIONAL
    return bool(
        int(command["flags"]) & ~_AMEND_FLAGS
        or not 0 <= int(command["self_trade"]) <= max(SelfTrade)
        or (trailing and int(command["trigger_price_ticks"]))
        or int(command["qty_lots"]) < 0
    )


def _order(contract: Any, position: dict[str, int], asked: Asked, found: Figures) -> Figures:
    """The order's limits, its open quantity, and for a margin decision the margin needed and the equity."""
    best = found["contract_best_ask_ticks" if asked.side == Side.BUY else "contract_best_bid_ticks"]
    price = working_ticks(contract, asked, best)
    asked_ticks = limit_ticks(contract, asked)
    figures = {
        "order_side": asked.side,
        "order_type": asked.ord_type,
        "order_leverage": position["leverage"] or int(contract["bracket_leverage"][0]),
        "order_asked_ticks": asked_ticks,
        "order_price_ticks": price,
        "order_value_micros": asked_ticks * asked.lots * int(contract["micros_per_tick_lot"]),
        "order_lots": asked.lots,
        "order_was_open_lots": asked.was_lots,
        "order_was_price_ticks": asked.was_price_ticks,
        "order_flags": asked.flags,
    }
    if asked.counts and not found["contract_margin_free"] and "account_equity_micros" in found:
        others = found["account_required_micros"] - found.get("position_required_micros", 0)
        figures["need_micros"] = own_need_micros(contract, position, asked, price) + others
        figures["have_micros"] = found["account_equity_micros"]
    return figures
