"""What a contract must satisfy to be listed (rulebook, sections 1 and 2), one reason each."""

from itertools import pairwise

from engine.codes import ContractParameter as P
from engine.codes import MarketState, Mode, Reason
from tests.model.ledger import PPB

MAX_TICKS = (1 << 30) - 1
MAX_LOTS = 1 << 52
NOTIONAL_BOUND = 1 << 61
MAX_POSITION = 1 << 56
HEAVIEST_SOURCE = 1 << 20
MIN_IMPACT_MICROS = 20_000 * 1_000_000
DAY_S = 24 * 3600


def may_be_negative(code):
    """A rebate, and a negative interest rate."""
    return code in (P.MAKER_FEE_PPB, P.FUNDING_INTEREST_PPB)


def _bound(contract):
    given = contract.parameters
    return 1000 * given[P.MAX_PRICE_TICKS, 0] * given[P.MAX_POSITION_LOTS, 0] * given[P.MICROS_PER_TICK_LOT, 0]


def _range(model, contract):
    given = {code: contract.parameters[code, 0] for code in P}
    least = 0 if model.mode == Mode.RESEARCH and not contract.has_margin else 1
    if given[P.MICROS_PER_TICK_LOT] < least:
        return Reason.BAD_UNIT
    others = [c for c in model.contracts.values() if c is not contract and c.state != MarketState.DRAFT]
    fine = (
        1 <= given[P.MAX_PRICE_TICKS] <= MAX_TICKS
        and given[P.LOT_STEP] >= 1
        and 1 <= given[P.MIN_ORDER_LOTS] <= given[P.MAX_ORDER_LOTS] <= min(MAX_LOTS, given[P.MAX_POSITION_LOTS])
        and given[P.MAX_POSITION_LOTS] <= MAX_POSITION
        and _bound(contract) + sum(_bound(other) for other in others) <= NOTIONAL_BOUND
    )
    return Reason.NONE if fine else Reason.BAD_RANGE


def brackets(contract):
    """The table as (floor, leverage, mmr), up to the first bracket without a rate."""
    made = contract.parameters.made
    if "brackets" not in made:
        made["brackets"] = _brackets(contract)
    return made["brackets"]


def _brackets(contract):
    table = []
    for index in range(10):
        mmr = contract.parameters[P.BRACKET_MMR_PPB, index]
        if not mmr:
            break
        leverage = contract.parameters[P.BRACKET_LEVERAGE, index]
        table.append((contract.parameters[P.BRACKET_FLOOR_MICROS, index], leverage, mmr))
    return table


def _brackets_reason(contract):
    table = brackets(contract)
    fine = bool(table) and table[0][0] == 0
    fine = fine and all(1 <= leverage <= 1000 and 0 < mmr * leverage < PPB for _, leverage, mmr in table)
    for (floor, leverage, mmr), (next_floor, next_leverage, next_mmr) in pairwise(table):
        fine = fine and next_floor > floor and next_mmr >= mmr and next_leverage <= leverage
        fine = fine and next_floor * (next_mmr - mmr) % PPB == 0
    return Reason.NONE if fine else Reason.BAD_BRACKETS


def _interval_reason(given):
    funding, sample = given[P.FUNDING_INTERVAL_S], given[P.SAMPLE_INTERVAL_S]
    fine = 1 <= funding <= DAY_S and DAY_S % funding == 0 and sample >= 1 and funding % sample == 0
    fine = fine and 0 <= given[P.FUNDING_CAP_PPB] <= PPB and 0 <= given[P.FUNDING_CLAMP_PPB] <= PPB
    fine = fine and -PPB <= given[P.FUNDING_INTEREST_PPB] <= PPB
    return Reason.NONE if fine else Reason.BAD_INTERVAL


def _risk_reason(given, lowest_mmr):
    if not 0 < given[P.BAND_PPB] <= lowest_mmr - given[P.TAKER_FEE_PPB]:
        return Reason.BAND_TOO_WIDE
    if not 0 < 2 * given[P.MARK_CLAMP_PPB] <= lowest_mmr:
        return Reason.MARK_CLAMP_TOO_WIDE
    if not 0 <= given[P.LIQUIDATION_FEE_PPB] <= lowest_mmr - given[P.TAKER_FEE_PPB]:
        return Reason.LIQUIDATION_FEE_TOO_HIGH
    if given[P.TAKER_FEE_PPB] < 0 or given[P.TAKER_FEE_PPB] + given[P.MAKER_FEE_PPB] < 0:
        return Reason.FEES_NEGATIVE
    return Reason.NONE


def _reference_reason(contract, given):
    if max(contract.parameters[P.SOURCE_WEIGHT, index] for index in range(8)) > HEAVIEST_SOURCE:
        return Reason.SOURCE_WEIGHT_TOO_HIGH
    sources = sum(contract.parameters[P.SOURCE_WEIGHT, index] > 0 for index in range(8))
    enough = sources >= (1 if given[P.ALLOW_THIN_INDEX] else 3) and 1 <= given[P.MIN_SOURCES] <= sources
    if not enough or not given[P.NEEDS_INDEX]:
        return Reason.THIN_INDEX
    if given[P.IMPACT_NOTIONAL_MICROS] < MIN_IMPACT_MICROS:
        return Reason.IMPACT_NOTIONAL_TOO_SMALL
    versions = [given[P.DISCLOSURE_PRODUCT], given[P.DISCLOSURE_LOSS]]
    if given[P.AFFILIATE_PRESENT]:
        versions.append(given[P.DISCLOSURE_AFFILIATE])
    return Reason.NONE if min(versions) >= 1 else Reason.DISCLOSURE_VERSIONS_MISSING


def listing_reason(model, contract):
    """Why a contract may not be listed as it is. One without margin and fees is for research alone."""
    given = {code: contract.parameters[code, 0] for code in P}
    reason = _range(model, contract)
    if reason:
        return reason
    if not contract.has_margin:
        return Reason.NONE if model.mode == Mode.RESEARCH else Reason.RESEARCH_ONLY
    if not given[P.BASE_ELIGIBLE]:
        return Reason.BASE_NOT_ELIGIBLE
    return (
        _interval_reason(given)
        or _brackets_reason(contract)
        or _risk_reason(given, contract.parameters[P.BRACKET_MMR_PPB, 0])
        or _reference_reason(contract, given)
    )
