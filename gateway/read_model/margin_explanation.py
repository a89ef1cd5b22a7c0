"""An account's statement as plain values: what `lionrock explain --json` prints and `venue/explain_account` answers."""

from dataclasses import asdict
from typing import Any

from engine.codes import NIL, ExecInst, Side
from engine.statements import AccountStatement, account_statement, position_slots


def explanation(root: Any, account_slot: int) -> dict[str, Any]:
    """The whole statement of an account as of the state. ValueError for an account that was never opened."""
    statement = account_statement(root, account_slot)
    return as_values(root, statement, open_orders(root, account_slot))


def as_values(root: Any, statement: AccountStatement, orders: list[dict[str, Any]]) -> dict[str, Any]:
    """A statement and the orders that it counts, with the sequence as of which they hold."""
    figures = asdict(statement) | {"headroom_micros": statement.headroom_micros, "orders": orders}
    return figures | {"seq": int(root[0]["last_seq"])}


def open_orders(root: Any, account_slot: int) -> list[dict[str, Any]]:
    """An account's orders, oldest first in each contract, with what each adds to the margin."""
    state, found = root[0], []
    for position_slot in sorted(position_slots(root, account_slot)):
        row = state["positions"][position_slot]
        slot = int(row["own_head_slot"])
        while slot != NIL:
            found.append(_order(state, row, slot))
            slot = int(state["own"][slot]["next_slot"])
    return found


def _order(state: Any, row: Any, slot: int) -> dict[str, Any]:
    order, contract = state["orders"][slot], state["contracts"][int(row["contract_slot"])]
    flags, lots = int(order["flags"]), int(order["leaves_lots"])
    counts = not flags & (ExecInst.REDUCE_ONLY | ExecInst.CONDITIONAL)
    extra = int(order["loss_subticks"]) if int(order["side"]) == Side.SELL else 0
    weight = (int(order["price_ticks"]) * 1000 + extra) * lots if counts else 0
    unit = int(contract["micros_per_tick_lot"])
    return {
        "order_id": int(order["order_id"]),
        "contract_slot": int(row["contract_slot"]),
        "side": Side(int(order["side"])).name.lower(),
        "leaves_lots": lots,
        "price_ticks": int(order["price_ticks"]),
        "notional_micros": -(-weight * unit // 1000),
        "open_loss_micros": -(-int(order["loss_subticks"]) * lots * unit // 1000) if counts else 0,
        "reduce_only": bool(flags & ExecInst.REDUCE_ONLY),
        "made_reduce_only": bool(flags & ExecInst.REDUCE_ONLY and state["details"][slot]["made_reduce_only"]),
        "untriggered": bool(flags & ExecInst.CONDITIONAL),
    }
