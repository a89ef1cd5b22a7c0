"""A refused order command with its figures, as the words of a refusal need them."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

from engine.codes import NIL, CommandKind, OrdType, Side
from engine.schema import LADDERS_PER_CONTRACT
from engine.statements import account_statement
from engine.statements.decision_figures import look
from gateway.wire.decimals import Contract
from gateway.wire.errors import Explanation

MARKETS = (OrdType.MARKET, OrdType.STOP_MARKET, OrdType.TAKE_MARKET, OrdType.TRAILING_STOP)
"""Types of order that have no limit of their own."""
ShownLots = Callable[[int, int, int], int]
"""(contract's slot, side, price in ticks) -> what its book shows on a side at a price or better."""


class Case:
    """A refused order command in its contract, with the questions that the reasons ask about it."""

    def __init__(self, root: Any, contract: Contract, command: Any, shown_lots: ShownLots) -> None:
        self.root = root
        self.state = root[0]
        self.contract = contract
        self.row = self.state["contracts"][contract.slot]
        self.command = command
        self.shown_lots = shown_lots
        self.is_new = int(command["kind"]) == CommandKind.NEW

    @cached_property
    def figures(self) -> dict[str, int]:
        """What the audit trail tells of such a decision."""
        return look(self.root, self.command)

    def __getitem__(self, name: str) -> int:
        return int(self.figures.get(name, 0))

    @property
    def account_slot(self) -> int:
        """Whose order it is."""
        return int(self.command["account_slot"])

    @property
    def buys(self) -> bool:
        """Its side."""
        return (int(self.command["side"]) if self.is_new else self["order_side"]) == Side.BUY

    @property
    def ord_type(self) -> int:
        """Its type."""
        return int(self.command["ord_type"]) if self.is_new else self["order_type"]

    @property
    def price_ticks(self) -> int:
        """Its limit; a market order's is the band's edge."""
        if self.is_new and self.ord_type not in MARKETS:
            return int(self.command["price_ticks"])
        return self["order_asked_ticks"]

    @property
    def total_lots(self) -> int:
        """Its whole amount, what is filled included."""
        return int(self.command["qty_lots"]) or self["order_lots"]

    @property
    def filled_lots(self) -> int:
        """What is filled of an order whose amendment named a whole amount."""
        return max(self.total_lots - self["order_lots"], 0)

    def price(self, ticks: int) -> str:
        """A price as the wire has it."""
        return self.contract.price_text(ticks).decode()

    def reference(self, subticks: int) -> str:
        """A mark or an index as the wire has it."""
        return self.contract.subticks_text(subticks).decode()

    def amount(self, lots: int) -> str:
        """A quantity as the wire has it."""
        return self.contract.amount_text(lots).decode()

    def money(self, micros: int) -> str:
        """Money with its currency, to be read; what is to be sent is as the wire has it."""
        return self.contract.money_words(micros)

    def best_ticks(self) -> int:
        """The best price of the other side, NIL when there is none."""
        ladder = self.state["ladders"][self.contract.slot * LADDERS_PER_CONTRACT + int(self.buys)]
        return int(ladder["first_key"]) if int(ladder["first_slot"]) != NIL else NIL

    def closable_lots(self) -> int:
        """What of the position the order's side can still close, its own old part included."""
        held = -self["position_held_lots"] if self.buys else self["position_held_lots"]
        others = self["position_buy_lots" if self.buys else "position_sell_lots"] - self["order_was_open_lots"]
        return held - others - self["position_reduce_only_lots"]

    @cached_property
    def closing_limit_ticks(self) -> int:
        """The worst price at which the position may be closed: beyond it a fill would leave equity below 0."""
        held = account_statement(self.root, self.account_slot).positions
        return next((one.closing_limit_ticks for one in held if one.contract_slot == self.contract.slot), 0)

    def closes_at_best(self) -> bool:
        """Whether the position may be closed at the best price of the other side, or the order does not reach that."""
        best, limit = self.best_ticks(), self.closing_limit_ticks
        if best == NIL:
            return True
        return best <= limit or self.price_ticks < best if self.buys else best >= limit or self.price_ticks > best

    def steps(self, lots: int) -> int:
        """So many lots in whole steps of the contract; 0 when that is below its minimum."""
        step = int(self.row["lot_step"])
        whole = max(lots, 0) // step * step
        return whole if whole >= int(self.row["min_order_lots"]) else 0

    def total_steps(self, open_lots: int) -> int:
        """The whole amount to send so that so many lots are open: what an amended order has filled counts in it."""
        return self.steps(self.filled_lots + open_lots) if open_lots > 0 else 0


Explain = Callable[[Case], Explanation]


def as_ending(remedy: str) -> str:
    """A remedy as the end of a line."""
    return remedy[:1].lower() + remedy[1:].rstrip(".")
