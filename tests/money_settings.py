"""What changes around the orders of the money flow: money in and out, leverage, modes, limits, rights and parameters.

`flow` is the `MoneyFlow` that asks; what stops trading is given back after a while.
"""

from collections.abc import Iterator
from typing import Any

from engine.codes import AccountAttribute as A
from engine.codes import ClientAttribute as C
from engine.codes import CommandKind as K
from engine.codes import ContractParameter as P
from engine.codes import MarginMode, MarketState, Restriction, VenueState
from engine.codes import VenueParameter as V
from tests import build
from tests.build import SECOND, Rows
from tests.money_stage import ACCOUNTS, GAMBLERS, GROUPS, UNIT

COIN = 100_000_000
"""Units of a collateral asset in a coin."""


# --- money --------------------------------------------------------------------------------------------------------


def money(flow: Any) -> Rows:
    """Money of one account: in, out, into an isolated position, its leverage, its mode."""
    draw, account = flow.chance(), flow.below(ACCOUNTS)
    if draw < 0.25:
        return top_up(flow, flow.gambler())
    if draw < 0.45:
        return withdrawal(flow, account)
    if draw < 0.60:
        return coins(flow, account)
    if draw < 0.75:
        return transfer(flow, account)
    if draw < 0.88:
        return leverage(flow, account)
    return mode(flow, flow.gambler())


def top_up(flow: Any, account: int) -> Rows:
    """What a gambler needs to go on; at times a little, or what brings it exactly to an edge of its margin."""
    equity, maintenance, requirement, _ = flow.sight.figures(account)
    off = flow.one(-1, 0, 1)
    edges = [maintenance - equity, -(-maintenance // 2) - equity, requirement - equity, -equity]
    edges += [maintenance + maintenance // 5 - equity, maintenance + maintenance // 2 - equity]
    edge = flow.one(*edges) + off
    if edge > 0 and flow.chance() < 0.5:
        return build.deposit(account, edge)
    if equity > 2_000 * UNIT:
        return build.deposit(account, flow.one(1, 7, UNIT, 50 * UNIT))
    return build.deposit(account, flow.one(50, 500, 2_000, 10_000, 40_000) * UNIT + flow.below(UNIT))


def withdrawal(flow: Any, account: int) -> Rows:
    """All that may go, one micro more, a part."""
    free = flow.sight.figures(account)[3]
    amount = flow.one(free, free + 1, free - 1, free // 2, UNIT, 0, 1 << 60)
    return build.directive(K.WITHDRAW, account_slot=account, amount_micros=amount)


def coins(flow: Any, account: int) -> Rows:
    """Coins in, up to the cap and beyond, or out."""
    asset = flow.one(1, 1, 2, 2, 2, 3)
    held = int(flow.sight.accounts[account]["collateral_units"][asset - 1]) if asset < 3 else 0
    if held and flow.chance() < 0.4:
        units = flow.one(held, held, held + 1, held // 2, 1)
        return build.directive(K.WITHDRAW, account_slot=account, index=asset, amount_micros=units)
    units = flow.one(1, COIN // 100, COIN // 10, COIN // 3, COIN, 100 * COIN) + flow.below(100)
    return build.directive(K.DEPOSIT, account_slot=account, index=asset, amount_micros=units)


def transfer(flow: Any, account: int) -> Rows:
    """Money into an isolated position or out of it, also exactly what may go."""
    contract = flow.contract()
    row = flow.sight.row(account, contract)
    inside = 0 if row is None else int(row["isolated_micros"])
    free = flow.sight.figures(account)[3]
    amount = flow.one(free, free + 1, free // 3, -inside, -(inside // 2), -inside // 10, UNIT, -UNIT, 0)
    return build.directive(K.TRANSFER, account_slot=account, contract_slot=contract, amount_micros=amount)


def leverage(flow: Any, account: int) -> Rows:
    """Any leverage up to the cap, and one beyond."""
    contract = flow.contract()
    cap = flow.market(contract).brackets[0][1]
    value = flow.one(0, 1, 2, 3, cap // 2, cap, cap + 1, 1 + flow.below(cap), -1)
    return build.directive(
        K.SET_LEVERAGE, account_slot=account, contract_slot=contract, value=value, person=flow.one(1, 1, 2, 0)
    )


def mode(flow: Any, account: int, value: int | None = None) -> Rows:
    """Cross or isolated, mostly refused because something is open."""
    value = flow.one(0, 1, 1, 2) if value is None else value
    contract = flow.contract()
    flats = flow.flat(contract)
    account = flow.one(*flats) if flats and flow.chance() < 0.7 else account
    return build.directive(K.SET_MARGIN_MODE, account_slot=account, contract_slot=contract, value=value)


# --- what stops and comes back ------------------------------------------------------------------------------------


def setting(flow: Any) -> Iterator[Rows]:
    """A change of an account, a client, a contract or the venue, and later the way back."""
    draw = flow.chance()
    if draw < 0.30:
        change, back = _of_account(flow, flow.one(*GAMBLERS, flow.below(ACCOUNTS)))
    elif draw < 0.60:
        change, back = _of_contract(flow, flow.contract())
    elif draw < 0.72:
        change, back = _of_collateral(flow)
    elif draw < 0.82:
        change, back = _of_venue(flow)
    elif draw < 0.90:
        change, back = _of_state(flow, flow.contract())
    else:
        change, back = _of_fund(flow), None
    yield change
    if back is not None:
        flow.restore(back, flow.one(0.2, 1, 3, 10))


def _of_account(flow: Any, account: int) -> tuple[Rows, Rows | None]:
    soon = flow.now_ns + flow.one(0, 1, SECOND // 2, SECOND, 2 * SECOND)
    date = flow.one(A.KYC_UNTIL_NS, A.SCREENING_UNTIL_NS, A.EVIDENCE_UNTIL_NS, A.CONFIRMATION_UNTIL_NS)
    worth = flow.one(5, 20, 100) * 1000 * UNIT
    number, value, usual = flow.one(
        (date, soon, build.FAR_NS),
        (date, soon, build.FAR_NS),
        (A.RESTRICTION, flow.one(1, 2, 3), Restriction.NONE),
        (A.RESTRICTION, Restriction.CLOSED if account == 10 else 1, Restriction.NONE),
        (A.KILL_SWITCH, 1, 0),
        (A.MAX_LEVERAGE, flow.one(1, 3, 9), 0),
        (A.MAX_EXPOSURE_MICROS, worth, 0),
        (A.MAX_EXPOSURE_MICROS, worth, 0),
        (A.MAX_OPEN_ORDERS, flow.one(1, 3), 1000),
        (A.GROUP, flow.one(0, 1, 2), GROUPS.get(account, 0)),
        (A.SELF_TRADE_MODE, flow.below(4), 0),
    )
    if number == A.MAX_EXPOSURE_MICROS and flow.chance() < 0.4:
        client = flow.one(1, 2)
        limits = [build.client_set(client, C.MAX_EXPOSURE_MICROS, amount) for amount in (worth, 0)]
        return limits[0], limits[1]
    if number == A.RESTRICTION and flow.chance() < 0.2:
        switch = flow.one(C.FROZEN, C.KILL_SWITCH)
        return build.client_set(1, switch, 1), build.client_set(1, switch, 0)
    return build.account_set(account, number, value), build.account_set(account, number, usual)


def _of_contract(flow: Any, contract: int) -> tuple[Rows, Rows | None]:
    given, brackets = flow.market(contract).parameters, flow.market(contract).brackets
    lowest = brackets[0][2]
    place = flow.below(len(brackets))
    floor, cap, rate = brackets[place]
    number, value, index = flow.one(
        (P.TAKER_FEE_PPB, flow.one(0, 400_000, 900_000), 0),
        (P.MAKER_FEE_PPB, flow.one(0, -200_000, 300_000), 0),
        (P.LIQUIDATION_FEE_PPB, flow.one(0, 2_000_000, lowest // 2), 0),
        (P.LIQUIDATION_ENABLED, 0, 0),
        (P.LIQUIDATION_ENABLED, 0, 0),
        (P.BAND_PPB, flow.one(2, 3, 8) * lowest // 10, 0),
        (P.MARK_CLAMP_PPB, flow.one(1, 3, 5) * lowest // 10, 0),
        (P.MAX_ORDER_VALUE_MICROS, flow.one(2, 20, 60) * 1000 * UNIT, 0),
        (P.MAX_OPEN_INTEREST_LOTS, flow.one(20, 200, 2000), 0),
        (P.MAX_POSITION_LOTS, flow.one(4000, 5000), 0),
        (P.FUNDING_CAP_PPB, flow.one(0, 100_000, 75_000_000), 0),
        (P.FUNDING_CLAMP_PPB, flow.one(0, 200_000), 0),
        (P.IMPACT_NOTIONAL_MICROS, flow.one(20, 30, 90) * 1000 * UNIT, 0),
        (P.IMPACT_EXCLUDES_AFFILIATES, 1 - given[P.IMPACT_EXCLUDES_AFFILIATES], 0),
        (P.MIN_SOURCES, flow.one(1, 2, 3), 0),
        (P.SOURCE_WEIGHT, flow.one(0, 1, 9), flow.below(len(flow.market(contract).weights))),
        (P.BRACKET_MMR_PPB, rate + flow.one(-5_000_000, 5_000_000), place),
        (P.BRACKET_LEVERAGE, max(cap - 1, 1), place),
        (P.BRACKET_FLOOR_MICROS, floor * UNIT + flow.one(-2, 3) * 1000 * UNIT * (place > 0), place),
        (P.DISCLOSURE_LOSS, 2, 0),
    )
    usual = {P.SOURCE_WEIGHT: 0, P.BRACKET_MMR_PPB: rate, P.BRACKET_LEVERAGE: cap, P.BRACKET_FLOOR_MICROS: floor * UNIT}
    if number == P.SOURCE_WEIGHT:
        usual[number] = flow.market(contract).weights[index]
    before = usual.get(number, given.get(number, 1 if number == P.LIQUIDATION_ENABLED else 0))
    return build.contract_set(contract, number, value, index), build.contract_set(contract, number, before, index)


def venue_set(code: int, value: int, index: int = 0) -> Rows:
    """Set one parameter of the venue."""
    return build.directive(K.VENUE_SET, code=code, index=index, value=value)


def _of_collateral(flow: Any) -> tuple[Rows, Rows | None]:
    asset = flow.one(1, 2)
    code, value = flow.one(
        (V.COLLATERAL_HAIRCUT_PPB, flow.one(600_000_000, 990_000_000, 1_000_000_000, 599_999_999, 599_999_999)),
        (V.COLLATERAL_HAIRCUT_PPB, flow.one(620_000_003, 800_000_000)),
        (V.COLLATERAL_CAP_MICROS, flow.one(1, 300, 5_000, 60_000) * UNIT),
        (V.COLLATERAL_ENABLED, flow.one(0, 1, 2)),
        (V.COLLATERAL_LOTS_PER_COIN, 11),
        (V.COLLATERAL_CONTRACT, flow.one(0, 1, 9)),
    )
    back = venue_set(V.COLLATERAL_ENABLED, 1, asset) if code == V.COLLATERAL_ENABLED else None
    if code == V.COLLATERAL_HAIRCUT_PPB and value > 900_000_000:
        back = venue_set(code, 600_000_000, asset)
    return venue_set(code, value, flow.one(asset, asset, asset, 0)), back


def _of_venue(flow: Any) -> tuple[Rows, Rows | None]:
    code, value, usual = flow.one(
        (V.MARK_TICK_NS, flow.one(200_000_000, 2 * SECOND, 500_000), SECOND),
        (V.INDEX_STALE_NS, flow.one(2, 4, 20) * SECOND, 10 * SECOND),
        (V.INDEX_RECOVERY_NS, flow.one(0, 3) * SECOND, 30 * SECOND),
        (V.INDEX_RECOVERY_NS, flow.one(0, 3) * SECOND, 5 * SECOND),
        (0, VenueState.HALTED, VenueState.OPEN),
        (1, 0, 0),
    )
    if code == 0:
        return build.venue_state(value), build.venue_state(usual)
    if code == 1:
        group, contract = flow.one(1, 2), flow.contract()
        return build.group_set(group, contract, flow.one(5, 60, 500)), build.group_set(group, contract, 0)
    return venue_set(code, value), venue_set(code, usual)


def _of_state(flow: Any, contract: int) -> tuple[Rows, Rows | None]:
    state = flow.one(MarketState.POST_ONLY, MarketState.REDUCE_ONLY, MarketState.CANCEL_ONLY, MarketState.HALTED)
    return build.contract_state(contract, state), build.contract_state(contract, MarketState.OPEN)


def _of_fund(flow: Any) -> Rows:
    if flow.chance() < 0.5:
        return top_up(flow, flow.gambler())
    return build.directive(K.FUND_DEPOSIT, amount_micros=flow.one(0, 1, 30 * UNIT, 900 * UNIT, 20_000 * UNIT))


def isolate(account: int, contract: int, value: int = MarginMode.ISOLATED) -> Rows:
    """Choose the mode of a position."""
    return build.directive(K.SET_MARGIN_MODE, account_slot=account, contract_slot=contract, value=value)
