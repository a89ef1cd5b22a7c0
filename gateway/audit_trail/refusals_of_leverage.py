"""Why a change of leverage is refused, in words: the caps, and what position and orders need at the new leverage."""

from typing import Any

from engine.codes import NIL, Reason
from engine.statements import account_statement
from engine.statements.order_need import held_need_micros
from gateway.audit_trail.refusals_of_orders import by_rule
from gateway.wire.decimals import Contract
from gateway.wire.errors import Explanation
from gateway.wire.reasons import shown


def explain_leverage(root: Any, contract: Contract, directive: Any, reason: int) -> Explanation:
    """Why this leverage was refused in a contract; 0 asks for the contract's cap."""
    known, state = Reason(shown(reason)), root[0]
    if known == Reason.LEVERAGE_LIMIT:
        return _above_cap(state, contract, directive)
    if known == Reason.INSUFFICIENT_MARGIN:
        return _not_carried(root, contract, directive)
    return by_rule(state, directive, contract, known)


def _cap(state: Any, contract: Contract, account_slot: int) -> tuple[int, str]:
    """The largest leverage, and whose limit it is."""
    cap, own = (
        int(state["contracts"][contract.slot]["bracket_leverage"][0]),
        int(state["accounts"][account_slot]["max_leverage"]),
    )
    return (own, "the account's limit") if 0 < own < cap else (cap, "the limit of the contract")


def _above_cap(state: Any, contract: Contract, directive: Any) -> Explanation:
    limit, whose = _cap(state, contract, int(directive["account_slot"]))
    value = int(directive["value"]) or int(state["contracts"][contract.slot]["bracket_leverage"][0])
    fault = f"leverage {value} is above {whose}, {limit}"
    return Explanation("leverage", str(value), str(limit), fault, f"send {limit} or less")


def _not_carried(root: Any, contract: Contract, directive: Any) -> Explanation:
    """Equity against the margin of all positions and orders at the new leverage; the lowest one that is carried."""
    state, account_slot, asked = root[0], int(directive["account_slot"]), int(directive["value"])
    statement = account_statement(root, account_slot)
    own = next((found for found in statement.positions if found.contract_slot == contract.slot), None)
    position_slot = own.position_slot if own else NIL
    others = statement.requirement_micros - (own.requirement_micros if own else 0)
    isolated = own if own and own.is_isolated else None

    def need(leverage: int) -> int:
        return others + int(held_need_micros(root, contract.slot, position_slot, leverage))

    def carries(leverage: int) -> bool:
        bears = isolated is None or isolated.pool_equity_micros >= -(-isolated.notional_micros // leverage)
        return bears and statement.equity_micros >= need(leverage)

    lowest = next(
        (leverage for leverage in range(asked + 1, _cap(state, contract, account_slot)[0]) if carries(leverage)), 0
    )
    have, needed = statement.equity_micros, need(asked)
    if isolated is not None and have >= needed:
        have, needed = isolated.pool_equity_micros, -(-isolated.notional_micros // asked)
    fault = f"at leverage {asked} positions and orders need {contract.money_words(needed)}"
    fault += f", and equity is {contract.money_words(have)}"
    remedy = f"deposit {contract.money_words(max(needed - have, 0))}, cancel orders"
    remedy += f", or send {lowest} or more" if lowest else ", or keep the leverage"
    return Explanation("leverage", str(asked), str(lowest or "as it is"), fault, remedy)
