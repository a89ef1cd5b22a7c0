"""What orders and amendments would do now: the engine's answer to "what if", with what the account has before."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.codes import CommandKind, Reason
from engine.schema import COMMAND
from engine.statements import account_statement
from engine.statements.what_if import Holding, Played, Pool, WhatIf
from gateway.wire.decimals import Contract
from gateway.wire.errors import Explanation

ShownLots = Callable[[int, int, int], int]
Why = Callable[[Any, Sequence[Contract], Any, int, ShownLots], Explanation | None]


class OrderPreviews:
    """Questions about orders that nobody has sent, as of what is applied. They change nothing."""

    def __init__(self, root: Any, contracts: Sequence[Contract], shown_lots: ShownLots) -> None:
        self._root = root
        self._contracts = contracts
        self._shown_lots = shown_lots
        self._what_if: WhatIf | None = None

    @property
    def _asked(self) -> WhatIf:
        if self._what_if is None:
            self._what_if = WhatIf(self._root)
        return self._what_if

    def before(self, account_slot: int, contract_slot: int) -> tuple[Pool, Holding]:
        """The money of an account and its position in a contract, as they are."""
        try:
            found = account_statement(self._root, account_slot)
        except ValueError:
            return Pool(), Holding()
        pool = Pool(
            found.cash_micros, found.unrealised_micros, found.equity_micros, found.maintenance_micros,
            found.requirement_micros, found.withdrawable_micros,
        )  # fmt: skip
        for one in found.positions:
            if one.contract_slot == contract_slot:
                return pool, Holding(
                    one.size_lots, one.entry_cost_micros, one.leverage, one.unrealised_micros, one.initial_micros,
                    one.maintenance_micros, one.liquidation_subticks, one.is_isolated,
                )  # fmt: skip
        return pool, Holding()

    def play(self, command: Any, now_ns: int) -> Played:
        """What a NEW command would do at a time, with what the book shows: nobody finds others' icebergs by asking."""
        return self._asked.new_order(command, now_ns, shown_only=True)

    def play_amended(self, command: Any, contract_slot: int, now_ns: int) -> Played:
        """The same for an AMEND command of an order in a contract."""
        return self._asked.amended_order(command, contract_slot, now_ns, shown_only=True)

    def largest_lots(self, command: Any, now_ns: int) -> int:
        """The largest quantity that limits and margin would take; 0 for none."""
        return self._asked.largest_lots(command, now_ns)

    def why(self, explain: Why, command: Any, reason: Reason) -> Explanation | None:
        """Why a command is refused, in the words of whoever explains refusals."""
        return explain(self._root, self._contracts, command, reason, self._shown_lots)


def warm_up(root: Any) -> None:
    """Compile what the first question needs, before a client asks it."""
    command = np.zeros(1, COMMAND)
    command["kind"] = CommandKind.NEW
    WhatIf(root).new_order(command, 0)
