"""The market in which a recording from outside runs: research is a mode of the state and parameters, not code.

A recording knows no accounts, margin or index. Its contract has no brackets, no fees and no band and needs no index,
which listing allows only in a state created in research mode. A tick on a lot is worth nothing there, so prices and
quantities have no bound but their own. Orders are of institutional accounts in no self-trade group: of one, unless
the recording names several. Contracts and accounts are opened as they appear, so that a recording is read once.
"""

from typing import Any

import numpy as np

from engine.codes import AccountAttribute, CommandKind, ContractParameter, EventKind, InvestorClass, Reason
from engine.recordings.batches import ContractSpec, Reader, accounts_of, contracts_of
from engine.recordings.runner import Rows, Runner
from engine.recordings.source import RecordingError
from engine.schema import COMMAND, DIRECTIVE, MAX_CONTRACTS, NOTICE
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
    """List the recording's contracts that have appeared since the last call, and open its accounts.

    RecordingError when the engine refuses a part of it.
    """
    contracts, accounts = contracts_of(reader), accounts_of(reader)
    if runner.contracts >= len(contracts) and runner.accounts >= accounts:
        return
    if len(contracts) > MAX_CONTRACTS:
        raise RecordingError(
            f"the recording has more than {MAX_CONTRACTS} contracts, which is all that fit; choose some with --symbols"
        )
    rows: list[dict[str, int]] = []
    for slot in range(runner.contracts, len(contracts)):
        rows += _listing(slot, contracts[slot])
    for slot in range(runner.accounts, accounts):
        rows += _account(slot, int(runner.engine.root[0]["orders_capacity"]))
    commands = _directives(rows)
    runner.stamp(commands)
    refused: list[str] = []

    def look(events: Rows) -> None:
        notices = events.view(NOTICE)
        for notice in notices[notices["kind"] == EventKind.REFUSED]:
            refused.append(f"{CommandKind(int(notice['code'])).name} is refused, {Reason(int(notice['reason'])).name}")

    runner.feed(commands, look)
    if refused:
        named = contracts[min(runner.contracts, len(contracts) - 1)] if contracts else reader.contract
        raise RecordingError(f"{named}: the market cannot be opened: {refused[0]}")
    runner.contracts, runner.accounts = len(contracts), accounts


def opening(spec: ContractSpec, max_orders: int) -> np.ndarray[Any, Any]:
    """The commands that list one contract in slot 0 and open account 0, in an empty research state."""
    return _directives(_listing(0, spec) + _account(0, max_orders))


def _listing(slot: int, spec: ContractSpec) -> list[dict[str, int]]:
    """The commands that list a contract in its slot."""
    rows = [{"kind": CommandKind.CONTRACT_CREATE, "contract_slot": slot}]
    for parameter, value in _parameters(spec).items():
        rows.append({"kind": CommandKind.CONTRACT_SET, "contract_slot": slot, "code": parameter, "value": value})
    return [*rows, {"kind": CommandKind.CONTRACT_LIST, "contract_slot": slot}]


def _account(slot: int, max_orders: int) -> list[dict[str, int]]:
    """The commands that open an account that may do everything."""
    rows = [{"kind": CommandKind.ACCOUNT_OPEN, "account_slot": slot, "value": InvestorClass.INSTITUTIONAL}]
    for attribute, value in (ELIGIBLE | {AccountAttribute.MAX_OPEN_ORDERS: max_orders}).items():
        rows.append({"kind": CommandKind.ACCOUNT_SET, "account_slot": slot, "code": attribute, "value": value})
    return rows


def _directives(rows: list[dict[str, int]]) -> np.ndarray[Any, Any]:
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
