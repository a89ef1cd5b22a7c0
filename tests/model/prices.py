"""Index, impact prices, samples and mark of a contract, and the locks of a thin index (Rulebook 7).

Prices are in subticks, rates in ppb; both round down (Rulebook 1).
"""

from fractions import Fraction
from math import floor

from engine.codes import ContractParameter as P
from engine.codes import EventKind, MarketState, PriceSource, Reason, Side
from engine.codes import VenueParameter as V
from tests.model import funding, work
from tests.model.ledger import PPB, ceil_div, clamp, median
from tests.model.records import SUBTICKS, Source

NS = 1_000_000_000
HASH_FACTOR = -7046029254386353131
CLAMP = Fraction(5, 1000)
"""Each source is clamped to the median +/- 0.5 % (Rulebook 7)."""
BASIS_SAMPLES = 30
"""P2 is the mean of the last 30 samples (Rulebook 7)."""


# --- the index -----------------------------------------------------------------------------------------------------


def weight(contract, number):
    """A source's weight; one without weight is none."""
    return contract.parameters.get((P.SOURCE_WEIGHT, number), 0)


def is_live(model, contract, number):
    """A source is stale 10 s after the time of its last price (Rulebook 7); the 10 s are a parameter."""
    source = contract.sources.get(number)
    oldest = model.now_ns - model.venue_values[V.INDEX_STALE_NS]
    return bool(weight(contract, number) and source and source.time_ns >= oldest)


def live(model, contract):
    """The numbers of the sources that count now."""
    return [number for number in contract.sources if is_live(model, contract, number)]


def has_live_index(model, contract):
    """Whether enough sources are live for an index that moves."""
    return len(live(model, contract)) >= contract.parameters[P.MIN_SOURCES, 0]


def index_of(model, contract):
    """The weighted mean of the live sources, each clamped to their median +/- 0.5 %, weights renormalised
    (Rulebook 7)."""
    alive = live(model, contract)
    model.reach("7 even count of sources", len(alive) % 2 == 0)
    model.reach("7 stale source dropped", len(alive) < len(contract.sources))
    middle = median(contract.sources[number].price for number in alive)
    lowest, highest = floor(middle * (1 - CLAMP)), floor(middle * (1 + CLAMP))
    total = heavy = 0
    for number in alive:
        model.reach("7 source clamped from above", contract.sources[number].price > highest)
        model.reach("7 source clamped from below", contract.sources[number].price < lowest)
        total += clamp(contract.sources[number].price, lowest, highest) * weight(contract, number)
        heavy += weight(contract, number)
    return total // heavy


# --- the book ------------------------------------------------------------------------------------------------------


def quotes(contract, side):
    """(price, lots) of the orders of one side as the book shows them, the best first. Hidden quantity does not count,
    and an affiliate's quotes are left out when the contract says so (Rulebook 6)."""
    levels = contract.levels[side]
    excluded = contract.parameters[P.IMPACT_EXCLUDES_AFFILIATES, 0]
    for price in reversed(levels) if side == Side.BUY else levels:
        for order in levels[price]:
            if not (order.affiliated and excluded):
                yield price, order.shown


def impact(model, contract, side):
    """The average price of the impact notional against the orders of one side, None where they are too few."""
    unit = contract.parameters[P.MICROS_PER_TICK_LOT, 0]
    left = wanted = contract.parameters[P.IMPACT_NOTIONAL_MICROS, 0]
    lots = Fraction(0)  # the last of them in part
    for price, shown in quotes(contract, side):
        part = min(shown * price * unit, left)
        lots += Fraction(part, price * unit)
        left -= part
        if not left:
            model.reach("7 impact price")
            return floor(Fraction(wanted * SUBTICKS, unit) / lots)
    model.reach("7 side too thin")
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
    """(max(0, impact bid - index) - max(0, index - impact ask)) / index; a thin side adds nothing, and none
    is beyond 100 % (Rulebook 10)."""
    over = max(0, bid - contract.index) if bid is not None else 0
    under = max(0, contract.index - ask) if ask is not None else 0
    return clamp((over - under) * PPB // contract.index, -PPB, PPB)


def has_index(contract):
    """Whether an index is asked for at all, so that a mark tick has something to do here."""
    traded = contract.state not in (MarketState.DRAFT, MarketState.SETTLED)
    return bool(traded and contract.parameters[P.NEEDS_INDEX, 0] and contract.has_margin)


def sample(model, contract):
    """The sample that is due, of the basis for the mark and of the premium for funding; missed ones are skipped."""
    due = contract.next_sample_ns
    missed = model.now_ns - due > contract.sample_interval_s * NS
    model.reach("4 sample skipped after an outage", missed)
    model.reach("7 no sample while the mark is frozen", contract.mark_frozen)
    if has_index(contract) and not contract.mark_frozen and not missed:
        bid, ask = impact(model, contract, Side.BUY), impact(model, contract, Side.SELL)
        sample_basis(contract, bid, ask)
        contract.samples.append(premium(contract, bid, ask))
        contract.weights.append(funding.next_weight(contract))
        model.tell_of(
            EventKind.PREMIUM_SAMPLED,
            contract,
            old_value=contract.index,
            new_value=len(contract.samples),
            amount_micros=contract.parameters[P.IMPACT_NOTIONAL_MICROS, 0],
            price_subticks=bid or 0,
            other_price_subticks=ask or 0,
            rate_ppb=contract.samples[-1],
        )
    schedule_sample(model, contract, due)


def schedule_sample(model, contract, due_ns):
    """One sample in each interval of 5 s, at an instant that nobody can know long before (Rulebook 7)."""
    interval = contract.sample_interval_s * NS
    place = due_ns // interval + 1
    if (place + 1) * interval <= model.now_ns:
        model.reach("4 sample intervals skipped")
        place = model.now_ns // interval + 1
    contract.next_sample_ns = place * interval + scatter(model, contract) % interval


def scatter(model, contract):
    """The hash of the log so far, as the format has it: signed words of 64 bits that wrap."""
    word = contract.slot + 1
    for value in (model.seq, model.serial, model.fees, model.refusals, contract.trades, contract.mark):
        word = signed_word((word ^ value) * HASH_FACTOR)
        word ^= (word >> 29) & ((1 << 35) - 1)
    return word & ((1 << 62) - 1)


def signed_word(value):
    """The signed word with the same low 64 bits."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


# --- the mark ------------------------------------------------------------------------------------------------------


def mark_of(model, contract):
    """The median of P1, P2 and P3, within the index +/- the mark clamp (Rulebook 7).

    What is left of the funding rate is a rate of its own, so it rounds down by itself.
    The clamp's lower edge rounds up, or the mark would leave it. A mark is a price of the contract, whatever the index
    says: from one tick to the largest one.
    """
    index = contract.index
    interval = contract.funding_interval_s * NS
    left = max(contract.next_funding_ns - model.now_ns, 0)
    first = index * (PPB + contract.funding_rate * left // interval) // PPB
    second = index + (sum(contract.basis) // len(contract.basis) if contract.basis else 0)
    third = contract.big_trade * SUBTICKS if contract.big_trade else first
    room = contract.parameters[P.MARK_CLAMP_PPB, 0]
    lowest, highest = ceil_div(index * (PPB - room), PPB), index * (PPB + room) // PPB
    middle = median([first, second, third])
    mark = clamp(middle, lowest, highest)
    if len({first, second, third}) == 3:
        model.reach("7 mark is P1", middle == first)
        model.reach("7 mark is P2", middle == second)
        model.reach("7 mark is P3", middle == third)
    model.reach("7 mark clamped from above", middle > highest)
    model.reach("7 mark clamped from below", middle < lowest)
    return clamp(mark, SUBTICKS, contract.parameters[P.MAX_PRICE_TICKS, 0] * SUBTICKS)


def tick_contract(model, contract):
    """New index and mark of one contract at a mark tick, and what the index does to the contract's state."""
    if not has_index(contract):
        return
    if has_live_index(model, contract):
        _set_index(model, contract, index_of(model, contract))
        _unlock(model, contract)
    elif not contract.index:
        return  # there was never an index: nothing to freeze, and row 17 lets nobody open
    else:
        _lock(model, contract)
    if not contract.mark_frozen:
        set_mark(model, contract, mark_of(model, contract))
    for source in PriceSource:  # last too: what was frozen is evaluated at the first tick after OPEN (Rulebook 2)
        contract.notice(source)
        work.observe(model, contract, source)


def _set_index(model, contract, index):
    old, contract.index = contract.index, index
    if old != index:
        changed = {"old_value": old, "new_value": index, "price_subticks": index}
        model.tell_of(EventKind.INDEX_CHANGED, contract, **changed)
    if not contract.next_funding_ns:
        funding.begin(model, contract)
        schedule_sample(model, contract, model.now_ns)


def set_mark(model, contract, mark):
    """A new mark, with the index beside it."""
    old, contract.mark = contract.mark, mark
    if old != mark:
        changed = {"old_value": old, "new_value": mark, "price_subticks": mark}
        model.tell_of(EventKind.MARK_CHANGED, contract, other_price_subticks=contract.index, **changed)


# --- locks ---------------------------------------------------------------------------------------------------------


def lock_state(contract):
    """What a thin index makes of a market: REDUCE_ONLY, and HALTED without any source (Rulebook 7)."""
    return MarketState.HALTED if contract.mark_frozen else MarketState.REDUCE_ONLY


def _lock(model, contract):
    """Too few sources. The stricter of the lock and of what the operator has ordered holds."""
    contract.live_since_ns = 0
    if not model.has_job_room():
        return
    model.reach("7 lock while locked", contract.open_state)
    if not contract.open_state:
        contract.open_state, contract.frozen_since_ns = contract.state, model.now_ns
    contract.mark_frozen = not live(model, contract)
    state = max(contract.open_state, lock_state(contract))
    set_state(model, contract, state, Reason.REFERENCE_PRICE_UNAVAILABLE)


def _unlock(model, contract):
    """Enough sources: the mark moves at once, the market opens when they have been live for 30 s (Rulebook 7)."""
    if not contract.open_state:
        return
    contract.live_since_ns = contract.live_since_ns or model.now_ns
    contract.mark_frozen = False
    lasted = model.now_ns - contract.live_since_ns
    model.reach("7 live again, not long enough", lasted < model.venue_values[V.INDEX_RECOVERY_NS])
    if lasted >= model.venue_values[V.INDEX_RECOVERY_NS] and model.has_job_room():
        state, contract.open_state = contract.open_state, 0
        contract.frozen_since_ns = 0
        set_state(model, contract, state, Reason.NONE)


def set_state(model, contract, state, reason):
    """A state that no directive asked for; REDUCE_ONLY cancels resting opening orders (Rulebook 2)."""
    if state == contract.state:
        return
    old, contract.state = contract.state, state
    model.tell_state(contract, old, reason)
    if state == MarketState.REDUCE_ONLY:
        reduce_only(model, contract)


def reduce_only(model, contract):
    """The contract's opening orders are cancelled (Rulebook 2)."""
    model.add_job(contract=contract.slot, reason=Reason.MARKET_STATE, spare_reducing=True, quiet=True)


# --- what a source says --------------------------------------------------------------------------------------------


def _recording_reason(model, contract, directive):
    if contract is None:
        return Reason.UNKNOWN_CONTRACT
    if not weight(contract, directive.code):
        return Reason.UNKNOWN_SOURCE
    price, made_ns = directive.price_subticks, directive.source_time_ns
    if not 0 < price <= contract.parameters[P.MAX_PRICE_TICKS, 0] * SUBTICKS:
        return Reason.PRICE_IMPLAUSIBLE
    known = contract.sources.get(directive.code)
    if made_ns > model.now_ns + NS or (known and made_ns < known.time_ns):
        return Reason.STALE_PRICE
    if made_ns < model.now_ns - model.venue_values[V.INDEX_STALE_NS]:
        return Reason.STALE_PRICE
    moves = contract.index and has_live_index(model, contract)
    if moves and not contract.index <= 2 * price <= 4 * contract.index:
        return Reason.PRICE_IMPLAUSIBLE
    return Reason.NONE


def record(model, directive):
    """INDEX_PRICE: what a source says is only recorded when it arrives (Rulebook 4)."""
    contract = model.contracts.get(directive.contract_slot)
    reason = _recording_reason(model, contract, directive)
    if reason:
        return reason
    known, price = contract.sources.get(directive.code), directive.price_subticks
    values = {"old_value": known.price if known else 0, "new_value": price, "price_subticks": price}
    model.notice(EventKind.INDEX_RECORDED, directive, **values)
    contract.sources[directive.code] = Source(price, min(directive.source_time_ns, model.now_ns))
    return Reason.NONE
