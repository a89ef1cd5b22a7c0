"""Why a client's command is refused: the one door to the words of each kind of command."""

from collections.abc import Sequence
from typing import Any

from engine.codes import CommandKind
from engine.schema import DIRECTIVE
from gateway.audit_trail.refusal_case import ShownLots
from gateway.audit_trail.refusals_of_leverage import explain_leverage
from gateway.audit_trail.refusals_of_orders import explain
from gateway.wire.decimals import Contract
from gateway.wire.errors import Explanation

_ORDERS = (CommandKind.NEW, CommandKind.AMEND, CommandKind.CANCEL)


def why(
    root: Any, contracts: Sequence[Contract], command: Any, reason: int, shown_lots: ShownLots
) -> Explanation | None:
    """Why a command was refused, with its figures; None for kinds that have none."""
    kind = int(command["kind"])
    if kind in _ORDERS:
        return explain(root, contracts, command, reason, shown_lots)
    if kind == CommandKind.SET_LEVERAGE:
        directive = command.view(DIRECTIVE)
        if 0 <= int(directive["contract_slot"]) < len(contracts):
            return explain_leverage(root, contracts[int(directive["contract_slot"])], directive, reason)
    return None
