"""Command rows for tests: one function for each thing that a test wants to say."""

from typing import Any

import numpy as np

from engine.codes import AccountAttribute as A
from engine.codes import CommandKind, ExecInst, OrdType, Side, TimeInForce
from engine.codes import ContractParameter as P
from engine.schema import COMMAND, DIRECTIVE, LABEL

NIL = -1
START_NS = 1_772_442_000_000_000_000
"""2026-03-02 09:00:00 UTC, a Monday: when every script begins."""
SECOND = 1_000_000_000
FAR_NS = (1 << 62) + START_NS
BUY, SELL = Side.BUY, Side.SELL
CENTRE_TICKS = 1000

Rows = np.ndarray[Any, Any]

PLAIN_CONTRACT = {
    P.MICROS_PER_TICK_LOT: 100,
    P.MAX_PRICE_TICKS: 100_000,
    P.MIN_ORDER_LOTS: 1,
    P.MAX_ORDER_LOTS: 1000,
    P.MAX_POSITION_LOTS: 2000,
    P.NEEDS_INDEX: 0,
}
"""A market of recorded flow: no index, no band, no fee, no margin."""

WITHOUT_MONEY = PLAIN_CONTRACT | {P.MICROS_PER_TICK_LOT: 0}
"""The same where a tick on a lot is worth nothing."""

PERPETUAL = PLAIN_CONTRACT | {
    P.LOT_STEP: 2,
    P.MIN_ORDER_LOTS: 4,
    P.NEEDS_INDEX: 1,
    P.BASE_ELIGIBLE: 1,
    P.BAND_PPB: 30_000_000,
    P.TAKER_FEE_PPB: 500_000,
    P.MAKER_FEE_PPB: -200_000,
    P.LIQUIDATION_FEE_PPB: 10_000_000,
    P.MARK_CLAMP_PPB: 20_000_000,
    P.FUNDING_INTERVAL_S: 86_400,
    P.SAMPLE_INTERVAL_S: 86_400,
    P.FUNDING_INTEREST_PPB: 100_000,
    P.FUNDING_CLAMP_PPB: 500_000,
    P.FUNDING_CAP_PPB: 37_500_000,
    P.IMPACT_NOTIONAL_MICROS: 20_000_000_000,
    P.MIN_SOURCES: 1,
    P.DISCLOSURE_PRODUCT: 1,
    P.DISCLOSURE_LOSS: 1,
    P.BRACKET_LEVERAGE: 10,
    P.BRACKET_MMR_PPB: 50_000_000,
}
"""A perpetual with everything on; its index sources follow in `listed`."""

ELIGIBLE = {
    A.KYC_UNTIL_NS: FAR_NS,
    A.SCREENING_UNTIL_NS: FAR_NS,
    A.JURISDICTION_PERMITTED: 1,
    A.EVIDENCE_UNTIL_NS: FAR_NS,
    A.CONFIRMATION_UNTIL_NS: FAR_NS,
    A.VA_KNOWLEDGE: 1,
    A.RISK_PROFILE: 1,
    A.AGREEMENT: 1,
    A.DISCLOSURE_PRODUCT: 1,
    A.DISCLOSURE_LOSS: 1,
    A.DISCLOSURE_AFFILIATE: 1,
}
"""What makes an individual account eligible; a person's own knowledge comes on top."""


def command(kind: int, **fields: Any) -> Rows:
    """One COMMAND row."""
    rows = np.zeros(1, COMMAND)
    rows["kind"] = kind
    for name, value in fields.items():
        rows[name] = value
    return rows


def directive(kind: int, **fields: Any) -> Rows:
    """One DIRECTIVE row, as the log keeps it."""
    rows = np.zeros(1, DIRECTIVE)
    rows["kind"] = kind
    for name, value in fields.items():
        rows[name] = value
    return rows.view(COMMAND)


def new(account: int, side: int, qty: int, price: int = 0, **fields: Any) -> Rows:
    """A limit order that stays until cancelled, or with price 0 a market order; `fields` change any of it."""
    row = {
        "account_slot": account,
        "side": side,
        "qty_lots": qty,
        "price_ticks": price,
        "ord_type": OrdType.LIMIT if price else OrdType.MARKET,
        "tif": TimeInForce.GTC,
        "person": 1,
    }
    return command(CommandKind.NEW, **(row | fields))


def labelled(rows: Rows, text: str) -> Rows:
    """A NEW or MASS_CANCEL with a label: the row and the one behind it."""
    label = np.zeros(1, LABEL)
    label["kind"] = CommandKind.LABEL
    label["text"][0] = np.frombuffer(text.encode().ljust(64, b"\0"), np.int64)
    rows["flags"] |= ExecInst.LABELLED
    return np.concatenate([rows, label.view(COMMAND)])


def amend(account: int, **fields: Any) -> Rows:
    """Amend an order, named by `order_id` or `cl_ord_id`."""
    return command(CommandKind.AMEND, account_slot=account, **({"person": 1} | fields))


def cancel(account: int, **fields: Any) -> Rows:
    """Cancel an order, named by `order_id` or `cl_ord_id`."""
    return command(CommandKind.CANCEL, account_slot=account, **fields)


def mass_cancel(account: int = NIL, contract: int = NIL, **fields: Any) -> Rows:
    """Cancel all orders of an account, of a contract, of both, or all there are."""
    scope = {"account_slot": account, "contract_slot": contract, "group": NIL}
    return command(CommandKind.MASS_CANCEL, **(scope | fields))


def time(**fields: Any) -> Rows:
    """Time passes."""
    return command(CommandKind.TIME, **fields)


def account_set(account: int, attribute: int, value: int) -> Rows:
    """Set one attribute of an account."""
    return directive(CommandKind.ACCOUNT_SET, account_slot=account, code=attribute, value=value)


def client_set(client: int, attribute: int, value: int) -> Rows:
    """Set one attribute of a client, for all its accounts."""
    return directive(
        CommandKind.CLIENT_SET, account_slot=NIL, contract_slot=NIL, index=client, code=attribute, value=value
    )


def group_set(group: int, contract: int, lots: int) -> Rows:
    """Limit what all accounts of a group may hold in a contract."""
    return directive(CommandKind.GROUP_SET, index=group, contract_slot=contract, value=lots)


def approval(account: int, contract: int, until_ns: int, from_ns: int = 0) -> Rows:
    """Approve a company of the operator's group for a contract."""
    dates = {"value": until_ns, "source_time_ns": from_ns}
    return directive(CommandKind.AFFILIATE_APPROVAL, account_slot=account, contract_slot=contract, **dates)


def contract_set(contract: int, parameter: int, value: int, index: int = 0) -> Rows:
    """Set one parameter of a contract."""
    return directive(CommandKind.CONTRACT_SET, contract_slot=contract, code=parameter, index=index, value=value)


def contract_state(contract: int, state: int) -> Rows:
    """Change a contract's state."""
    return directive(CommandKind.CONTRACT_STATE, contract_slot=contract, code=state)


def venue_state(state: int) -> Rows:
    """Halt or resume the venue."""
    return directive(CommandKind.VENUE_STATE, code=state)


def deposit(account: int, amount_micros: int) -> Rows:
    """Put money into an account."""
    return directive(CommandKind.DEPOSIT, account_slot=account, amount_micros=amount_micros)


def opened(account: int, group: int = 0, amount_micros: int = 1 << 52, client: int = 0) -> list[Rows]:
    """An eligible account with money, of a client if one is named."""
    rows = [directive(CommandKind.ACCOUNT_OPEN, account_slot=account, value=1)]
    if client:
        rows.append(account_set(account, A.CLIENT, client))
    rows += [account_set(account, attribute, value) for attribute, value in ELIGIBLE.items()]
    if group:
        rows.append(account_set(account, A.GROUP, group))
    return [*rows, deposit(account, amount_micros)]


def draft(contract: int, parameters: dict[Any, int]) -> list[Rows]:
    """A contract that is not listed yet."""
    rows = [directive(CommandKind.CONTRACT_CREATE, contract_slot=contract)]
    rows += [contract_set(contract, parameter, value) for parameter, value in parameters.items()]
    if parameters[P.NEEDS_INDEX]:
        rows += [contract_set(contract, P.SOURCE_WEIGHT, 1, index) for index in range(3)]
    return rows


def listed(contract: int, parameters: dict[Any, int]) -> list[Rows]:
    """A contract that is open for trading."""
    return [*draft(contract, parameters), directive(CommandKind.CONTRACT_LIST, contract_slot=contract)]


def person(number: int, until_ns: int = FAR_NS) -> Rows:
    """Somebody who knows derivatives, until some time."""
    return directive(CommandKind.PERSON_SET, person=number, value=until_ns)


def venue(accounts: int = 4, groups: tuple[int, ...] = (), contract: dict[Any, int] | None = None) -> list[Rows]:
    """The usual stage: eligible accounts, of which the first ones may be in groups, and contract 0."""
    rows = [person(1)]
    for account in range(accounts):
        rows += opened(account, groups[account] if account < len(groups) else 0)
    return rows + listed(0, contract or PLAIN_CONTRACT)


def key_revoked(account: int, number: int) -> Rows:
    """A person has no key of an account any more."""
    return directive(CommandKind.KEY_REVOKE, account_slot=account, person=number)


def numbered(groups: list[Rows], first_seq: int = 1, time_ns: int = START_NS) -> list[Rows]:
    """Stamp commands with sequence and, where they have none, time."""
    seq = first_seq
    for rows in groups:
        for index in range(len(rows)):
            rows["seq"][index] = seq
            rows["time_ns"][index] = rows["time_ns"][index] or time_ns
            seq += 1
    return groups
