"""Reference prices: records what the index sources say, and at mark ticks turns it into index, mark, band and locks.

Between ticks nothing moves: a price that arrives is only recorded.
"""

import numpy as np

from engine import cancel_queue, events, funding, index_and_mark, listing, triggers
from engine.code_values import MARKET_HALTED, MARKET_REDUCE_ONLY
from engine.codes import NIL, EventKind, MarketState, PriceSource, Reason, Side
from engine.kernels import kernel
from engine.row_access import contract_at
from engine.schema import BASIS_SAMPLES, MAX_SOURCES
from engine.units import NS_PER_S, SUBTICKS, wrapping_mul

CLOCK_SKEW_NS = NS_PER_S
"""How far a source's clock may be ahead of ours."""
_HASH_FACTOR = -7046029254386353131  # 2^64 / golden ratio, as int64


# --- recording ----------------------------------------------------------------------------------------------------


@kernel
def _price_reason(s, d):
    """Why a source's price is not recorded."""
    if d.contract_slot < 0 or d.contract_slot >= s.contracts_used:
        return Reason.UNKNOWN_CONTRACT
    contract = contract_at(s, d.contract_slot)
    if d.code < 0 or d.code >= MAX_SOURCES or contract.source[d.code].weight == 0:
        return Reason.UNKNOWN_SOURCE
    if d.price_subticks <= 0 or d.price_subticks > contract.max_price_ticks * SUBTICKS:
        return Reason.PRICE_IMPLAUSIBLE
    if d.source_time_ns > s.now_ns + CLOCK_SKEW_NS or d.source_time_ns < contract.source[d.code].time_ns:
        return Reason.STALE_PRICE
    oldest_ns = s.now_ns - s.index_stale_ns
    if d.source_time_ns < oldest_ns:
        return Reason.STALE_PRICE
    if index_and_mark.is_wild(contract, d.price_subticks, oldest_ns):
        return Reason.PRICE_IMPLAUSIBLE
    return Reason.NONE


@kernel
def record_price(s, d):
    """Record one source's price: it counts from the next mark tick on. A wild or old one is refused."""
    reason = _price_reason(s, d)
    if reason != Reason.NONE:
        return events.refused(s, d, reason)
    source = contract_at(s, d.contract_slot).source[d.code]
    row = events.directive_notice(s, EventKind.INDEX_RECORDED, d)
    row.old_value = source.price_subticks
    row.new_value = d.price_subticks
    row.price_subticks = d.price_subticks
    source.price_subticks = d.price_subticks
    source.time_ns = min(d.source_time_ns, s.now_ns)


# --- the tick of one contract -------------------------------------------------------------------------------------


@kernel
def is_ticking(contract):
    """Whether a contract has a mark of its own."""
    traded = contract.state != MarketState.DRAFT and contract.state != MarketState.SETTLED
    return traded and contract.needs_index != 0 and contract.margin_free == 0


@kernel
def lock_state(contract):
    """The state that missing index sources force on a contract."""
    return MARKET_HALTED if contract.mark_frozen else MARKET_REDUCE_ONLY


@kernel
def change_state(s, contract_slot, state):
    """Put a contract into a state; REDUCE_ONLY also cancels its resting opening orders. The caller reports it."""
    contract = contract_at(s, contract_slot)
    contract.state = state
    listing.set_gate(s, contract)
    if state == MarketState.REDUCE_ONLY:
        cancel_queue.add_opening(s, NIL, contract_slot, Reason.MARKET_STATE)


@kernel
def force_state(s, contract_slot, state, reason):
    """Put a contract into a state and report why."""
    contract = contract_at(s, contract_slot)
    if contract.state == state:
        return
    row = events.notice(s, EventKind.CONTRACT_STATE_CHANGED, NIL, contract_slot)
    row.code = state
    row.reason = reason
    row.old_value = contract.state
    row.new_value = state
    change_state(s, contract_slot, state)


@kernel
def _lock(s, contract_slot, live):
    """Too few sources freeze the index and allow reducing only; none at all halts the contract and freezes the mark."""
    contract = contract_at(s, contract_slot)
    contract.index_live_since_ns = 0
    if not cancel_queue.has_room(s):
        return
    if contract.open_state == 0:
        contract.open_state = contract.state
        contract.index_frozen_since_ns = s.now_ns
    contract.mark_frozen = 1 if live == 0 else 0
    force_state(s, contract_slot, max(contract.open_state, lock_state(contract)), Reason.REFERENCE_PRICE_UNAVAILABLE)


@kernel
def _unlock(s, contract_slot):
    """The lock ends when the sources have been live again for long enough."""
    contract = contract_at(s, contract_slot)
    if contract.index_live_since_ns == 0:
        contract.index_live_since_ns = s.now_ns
    contract.mark_frozen = 0
    if s.now_ns - contract.index_live_since_ns < s.index_recovery_ns or not cancel_queue.has_room(s):
        return
    state = contract.open_state
    contract.open_state = 0
    contract.index_frozen_since_ns = 0
    force_state(s, contract_slot, state, Reason.NONE)


@kernel
def _set_index(s, contract_slot, index):
    contract = contract_at(s, contract_slot)
    if index == contract.index_subticks:
        return
    row = events.notice(s, EventKind.INDEX_CHANGED, NIL, contract_slot)
    row.old_value = contract.index_subticks
    row.new_value = index
    row.price_subticks = index
    if contract.index_subticks == 0:
        _start_timers(s, contract_slot)
    contract.index_subticks = index
    contract.index_high_subticks = max(index, contract.index_high_subticks)
    contract.index_low_subticks = min(index, contract.index_low_subticks) if contract.index_low_subticks else index


@kernel
def set_mark(s, contract_slot, mark):
    """Put a contract's mark at a value: the band and what triggers answer to follow."""
    contract = contract_at(s, contract_slot)
    if mark == contract.mark_subticks:
        return
    row = events.notice(s, EventKind.MARK_CHANGED, NIL, contract_slot)
    row.old_value = contract.mark_subticks
    row.new_value = mark
    row.price_subticks = mark
    row.other_price_subticks = contract.index_subticks
    contract.mark_subticks = mark
    contract.mark_high_subticks = max(mark, contract.mark_high_subticks)
    contract.mark_low_subticks = min(mark, contract.mark_low_subticks) if contract.mark_low_subticks else mark
    listing.set_band(contract)


@kernel
def tick_contract(s, contract_slot):
    """Index, locks, mark, band and price triggers of one contract at a mark tick."""
    contract = contract_at(s, contract_slot)
    if not is_ticking(contract):
        return
    oldest_ns = s.now_ns - s.index_stale_ns
    live = index_and_mark.live_sources(contract, oldest_ns)
    if live >= contract.min_sources:
        _set_index(s, contract_slot, index_and_mark.index_subticks(contract, oldest_ns))
        if contract.open_state != 0:
            _unlock(s, contract_slot)
    elif contract.index_subticks == 0:
        return
    else:
        _lock(s, contract_slot, live)
    if contract.mark_frozen == 0:
        set_mark(s, contract_slot, index_and_mark.mark_subticks(contract, s.now_ns))
    triggers.observe(s, contract_slot, PriceSource.MARK)
    triggers.observe(s, contract_slot, PriceSource.INDEX)
    triggers.observe(s, contract_slot, PriceSource.LAST)  # what was frozen until the market opened


# --- premium samples ----------------------------------------------------------------------------------------------


@kernel
def _scatter(s, contract_slot, interval_ns):
    """An instant inside an interval by a hash of the log so far, so that nobody can aim at a sample."""
    contract = contract_at(s, contract_slot)
    mixed = np.int64(contract_slot + 1)
    for word in (s.last_seq, s.order_serial, s.fees_micros, s.refusals, contract.trade_serial, contract.mark_subticks):
        mixed = wrapping_mul(mixed ^ word, _HASH_FACTOR)
        mixed ^= (mixed >> 29) & ((1 << 35) - 1)
    return (mixed & ((1 << 62) - 1)) % interval_ns


@kernel
def _start_timers(s, contract_slot):
    """Samples and funding begin with the first index."""
    contract = contract_at(s, contract_slot)
    contract.next_funding_ns = funding.next_boundary_ns(contract, s.now_ns)
    contract.funding_start_ns = s.now_ns
    _schedule_sample(s, contract_slot, s.now_ns)


@kernel
def _schedule_sample(s, contract_slot, due_ns):
    """The next sample lies in the next interval; those missed in an outage are skipped."""
    contract = contract_at(s, contract_slot)
    interval_ns = contract.sample_interval_s * NS_PER_S
    place = due_ns // interval_ns + 1
    if (place + 1) * interval_ns <= s.now_ns:
        place = s.now_ns // interval_ns + 1
    contract.next_sample_ns = place * interval_ns + _scatter(s, contract_slot, interval_ns)


@kernel
def sample(s, contract_slot):
    """Take the premium sample that is due; a missed one is skipped, never back-filled."""
    contract = contract_at(s, contract_slot)
    due_ns = np.int64(contract.next_sample_ns)
    missed = s.now_ns - due_ns > contract.sample_interval_s * NS_PER_S
    if not missed and contract.mark_frozen == 0 and is_ticking(contract):
        _take_sample(s, contract_slot)
    _schedule_sample(s, contract_slot, due_ns)


@kernel
def _take_sample(s, contract_slot):
    contract = contract_at(s, contract_slot)
    bid = index_and_mark.impact_subticks(s, contract_slot, Side.BUY)
    ask = index_and_mark.impact_subticks(s, contract_slot, Side.SELL)
    premium = funding.premium_ppb(contract.index_subticks, bid, ask)
    weight = funding.sample_weight(contract)
    contract.premium_sum_ppb += weight * premium
    contract.premium_weight += weight
    contract.premium_samples += 1
    if bid != 0 and ask != 0:
        place = contract.basis_count % BASIS_SAMPLES
        contract.basis_subticks[place] = index_and_mark.basis_subticks(contract, bid, ask)
        contract.basis_count += 1
    row = events.notice(s, EventKind.PREMIUM_SAMPLED, NIL, contract_slot)
    row.old_value = contract.index_subticks
    row.new_value = contract.premium_samples
    row.amount_micros = contract.impact_notional_micros
    row.price_subticks = bid
    row.other_price_subticks = ask
    row.rate_ppb = premium
