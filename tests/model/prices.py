"""Index, impact prices, samples and mark of a contract, and the locks of a thin index (Rulebook 7).

Prices are in subticks, rates in ppb; both round down (Rulebook 1).
"""

from dataclasses import dataclass
from fractions import Fraction
from math import floor

from engine.codes import ContractParameter as P
from engine.codes import EventKind, MarketState, Reason, Side
from engine.codes import VenueParameter as V
from tests.model.ledger import PPB
from tests.model.records import SUBTICKS

CLAMP = Fraction(5, 1000)
"""Each source is clamped to the median +/- 0.5 % (Rulebook 7)."""
BASIS_SAMPLES = 30
"""P2 is the mean of the last 30 samples (Rulebook 7)."""


@dataclass(eq=False)
class Source:
    """What an index source said last, and since when it has been live without a break (0: it is not)."""

    price: int = 0
    time_ns: int = 0
    live_since_ns: int = 0


def median(values):
    """Of an even count the floor of the mean of the two in the middle (Rulebook 1)."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) // 2


def clamp(value, lowest, highest):
    """The value, or the bound that it has passed."""
    return max(lowest, min(value, highest))


# --- the index -----------------------------------------------------------------------------------------------------


def weights(contract):
    """The sources that a contract has, with their weights."""
    given = {number: contract.parameters[P.SOURCE_WEIGHT, number] for number in range(8)}
    return {number: weight for number, weight in given.items() if weight}


def live(model, contract):
    """The sources that are not stale: those that said something in the last 10 s (Rulebook 7)."""
    oldest = model.now_ns - model.venue_values[V.INDEX_STALE_NS]
    said = contract.sources
    return [number for number in weights(contract) if number in said and said[number].time_ns >= oldest]


def has_live_index(model, contract):
    """Whether enough sources are live for an index that moves."""
    return len(live(model, contract)) >= max(contract.parameters[P.MIN_SOURCES, 0], 1)


def index_of(model, contract):
    """The weighted mean of the live sources, each clamped to their median +/- 0.5 %, weights renormalised (Rulebook 7)."""
    alive, heavy = live(model, contract), weights(contract)
    middle = median(contract.sources[number].price for number in alive)
    lowest, highest = floor(middle * (1 - CLAMP)), floor(middle * (1 + CLAMP))
    total = sum(clamp(contract.sources[number].price, lowest, highest) * heavy[number] for number in alive)
    return total // sum(heavy[number] for number in alive)


# --- the book ------------------------------------------------------------------------------------------------------


def impact(model, contract, side):
    """The average price of the impact notional against the orders of one side, None where they are too few."""
    wanted = Fraction(contract.parameters[P.IMPACT_NOTIONAL_MICROS, 0])
    unit = contract.parameters[P.MICROS_PER_TICK_LOT, 0]
    levels = contract.levels[side]
    spent = lots = Fraction(0)
    for price in reversed(levels) if side == Side.BUY else levels:
        for order in levels[price]:
            if order.affiliated and contract.parameters[P.IMPACT_EXCLUDES_AFFILIATES, 0]:
                continue  # Rulebook 6: left out when the contract says so
            part = min(order.leaves * price * unit, wanted - spent)
            spent += part
            lots += part / (price * unit)
            if spent == wanted:
                return floor(spent * SUBTICKS / (lots * unit))
    return None


def lowest_mmr(contract):
    """The maintenance rate of the first bracket, which is the lowest."""
    return contract.parameters[P.BRACKET_MMR_PPB, 0]


def sample_basis(contract, bid, ask):
    """Impact mid - index, clamped to +/- half the lowest MMR; with a thin side there is none (Rulebook 7)."""
    if bid is None or ask is None:
        return
    most = contract.index * lowest_mmr(contract) // (2 * PPB)
    contract.basis.append(clamp((bid + ask) // 2 - contract.index, -most, most))
    del contract.basis[:-BASIS_SAMPLES]


def premium(contract, bid, ask):
    """(max(0, impact bid - index) - max(0, index - impact ask)) / index; a thin side adds nothing (Rulebook 10)."""
    over = max(0, bid - contract.index) if bid is not None else 0
    under = max(0, contract.index - ask) if ask is not None else 0
    return (over - under) * PPB // contract.index


def sample(model, contract):
    """One sample of the basis for the mark and of the premium for funding."""
    bid, ask = impact(model, contract, Side.BUY), impact(model, contract, Side.SELL)
    sample_basis(contract, bid, ask)
    contract.premiums.append(premium(contract, bid, ask))


# --- the mark ------------------------------------------------------------------------------------------------------


def mark_of(model, contract):
    """The median of P1, P2 and P3, within the index +/- the mark clamp (Rulebook 7)."""
    index = contract.index
    interval = contract.parameters[P.FUNDING_INTERVAL_S, 0] * 10**9
    left = max(contract.next_funding_ns - model.now_ns, 0)
    first = floor(index * (1 + Fraction(contract.funding_rate, PPB) * Fraction(left, interval)))
    second = index + (sum(contract.basis) // len(contract.basis) if contract.basis else 0)
    third = contract.big_trade * SUBTICKS if contract.big_trade else first
    room = contract.parameters[P.MARK_CLAMP_PPB, 0]
    return clamp(median([first, second, third]), index * (PPB - room) // PPB, index * (PPB + room) // PPB)


def tick_contract(model, contract):
    """New index and mark of one contract at a mark tick."""
    if contract.state in (MarketState.DRAFT, MarketState.SETTLED) or not contract.parameters[P.NEEDS_INDEX, 0]:
        return
    if has_live_index(model, contract):
        contract.index = index_of(model, contract)
    if contract.index:
        contract.mark = mark_of(model, contract)


# --- what a source says --------------------------------------------------------------------------------------------


def record(model, directive):
    """INDEX_PRICE: what a source says is only recorded when it arrives (Rulebook 4)."""
    contract = model.contracts.get(directive.contract_slot)
    if contract is None:
        return Reason.UNKNOWN_CONTRACT
    if directive.code not in weights(contract):
        return Reason.UNKNOWN_SOURCE
    if not 0 < directive.price_subticks <= contract.parameters[P.MAX_PRICE_TICKS, 0] * SUBTICKS:
        return Reason.PRICE_IMPLAUSIBLE
    if model.now_ns - directive.source_time_ns > model.venue_values[V.INDEX_STALE_NS]:
        return Reason.STALE_PRICE
    source = contract.sources.setdefault(directive.code, Source())
    source.price, source.time_ns = directive.price_subticks, directive.source_time_ns
    model.notice(EventKind.INDEX_RECORDED, directive, price_subticks=directive.price_subticks)
    return Reason.NONE
