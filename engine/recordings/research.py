"""The market in which a recording from outside runs: research is a mode of the state and parameters, not code.

A recording knows no accounts, margin or index. Its contract has no brackets, no fees and no band and needs no index,
which listing allows only in a state created in research mode. A tick on a lot is worth nothing there, so prices and
quantities have no bound but their own. All orders are of one institutional account in no self-trade group.
"""

from typing import Any

import numpy as np

from engine.codes import AccountAttribute, CommandKind, ContractParameter, EventKind, InvestorClass, Reason
from engine.recordings.batches import ContractSpec, Reader
from engine.recordings.runner import Rows, Runner
from engine.recordings.source import RecordingError
from engine.schema import COMMAND, DIRECTIVE, NOTICE
from engine.units import FOREVER_NS, MAX_LOTS, MAX_POSITION_LOTS, MAX_TICKS

ELIGIBLE = {
    AccountAttribute.KYC_UNTIL_NS: FOREVER_NS,
    AccountAttribute.SCREENING_UNTIL_NS: FOREVER_NS,
    AccountAttribute.JURISDICTION_PERMITTED: 1,
    AccountAttribute.EVIDENCE_UNTIL_NS: FOREVER_NS,
    AccountAttribute.CONFIRMATION_UNTIL_NS: FOREVER_NS,
    AccountAttribute.VA_KNOWLEDGE: 1,
    AccountAttribute.RISK_PROFILE: 1,
    AccountAttribute.AGREEMENT: 1,
}


def open_market(runner: Runner, reader: Reader) -> None:
    """List a recording's contract and open its account. RecordingError when the engine refuses a part of it."""
    commands = opening(reader.contract, int(runner.engine.root[0]["orders_capacity"]))
    runner.stamp(commands)
    refused: list[str] = []

    def look(events: Rows) -> None:
        notices = events.view(NOTICE)
        for notice in notices[notices["kind"] == EventKind.REFUSED]:
            refused.append(f"{CommandKind(int(notice['code'])).name} is refused, {Reason(int(notice['reason'])).name}")

    runner.feed(commands, look)
    if refused:
        raise RecordingError(f"{reader.contract}: the market cannot be opened: {refused[0]}")


def opening(spec: ContractSpec, max_orders: int) -> np.ndarray[Any, Any]:
    """The commands that list the recorded contract in slot 0 and open account 0, in an empty research state."""
    rows: list[dict[str, int]] = [{"kind": CommandKind.CONTRACT_CREATE}]
    for parameter, value in _parameters(spec).items():
        rows.append({"kind": CommandKind.CONTRACT_SET, "code": parameter, "value": value})
    rows.append({"kind": CommandKind.CONTRACT_LIST})
    rows.append({"kind": CommandKind.ACCOUNT_OPEN, "value": InvestorClass.INSTITUTIONAL})
    for attribute, value in (ELIGIBLE | {AccountAttribute.MAX_OPEN_ORDERS: max_orders}).items():
        rows.append({"kind": CommandKind.ACCOUNT_SET, "code": attribute, "value": value})
    directives = np.zeros(len(rows), DIRECTIVE)
    for directive, row in zip(directives, rows, strict=True):
        for name, value in row.items():
            directive[name] = value
    return directives.view(COMMAND)


def _parameters(spec: ContractSpec) -> dict[int, int]:
    return {
        ContractParameter.MICROS_PER_TICK_LOT: 0,
        ContractParameter.MAX_PRICE_TICKS: spec.max_price_ticks or MAX_TICKS,
        ContractParameter.MIN_ORDER_LOTS: 1,
        ContractParameter.MAX_ORDER_LOTS: MAX_LOTS,
        ContractParameter.LOT_STEP: 1,
        ContractParameter.MAX_POSITION_LOTS: MAX_POSITION_LOTS,
        ContractParameter.NEEDS_INDEX: 0,
        ContractParameter.LIQUIDATION_ENABLED: 0,
    }
