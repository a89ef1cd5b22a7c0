"""Commands of accounts, contracts, the venue and money: each a ladder of refusals, then the writes and one notice."""

import numpy as np

from engine import admission, book, listing, mass_cancel, money, reference, reports, timers
from engine.codes import (
    NIL,
    AccountAttribute,
    CommandKind,
    ContractParameter,
    EventKind,
    MarketState,
    Reason,
    Restriction,
    SelfTrade,
    VenueParameter,
    VenueState,
)
from engine.kernels import kernel, rare
from engine.rows import account_at, contract_at, job_at, profile_at
from engine.schema import ATTRIBUTES, MAX_BRACKETS, MAX_CONTRACTS, MAX_SOURCES, PARAMETERS
from engine.units import FOREVER_NS, INT64_MAX, NS_PER_S

DEFAULT_MAX_OPEN_ORDERS = 1000
MIN_TICK_NS = NS_PER_S // 1000
MAX_TICK_NS = 60 * NS_PER_S
_FIRST_INDEXED = int(ContractParameter.BRACKET_FLOOR_MICROS)


# --- accounts -----------------------------------------------------------------------------------------------------


@kernel
def open_account(s, d):
    """Open an account in a slot that never had one, with an investor class and nothing else."""
    slot = np.int64(d.account_slot)
    if slot < 0 or slot >= s.accounts_capacity:
        return reports.refused(s, d, Reason.CAPACITY)
    if account_at(s, slot).state != 0:
        return reports.refused(s, d, Reason.ALREADY_EXISTS)
    s.accounts_used = max(s.accounts_used, slot + 1)
    account = account_at(s, slot)
    account.state = admission.OPEN_ACCOUNT
    account.positions_head = NIL
    account.position_slot = NIL
    account.lapse_next_slot = NIL
    account.lapse_prev_slot = NIL
    account.queue_next_slot = NIL
    account.max_open_orders = DEFAULT_MAX_OPEN_ORDERS
    account.max_exposure_micros = INT64_MAX
    account.eligible_until_ns = FOREVER_NS
    account.investor_class = min(max(d.value, 0), 4)
    profile_at(s, slot).values[AccountAttribute.INVESTOR_CLASS] = account.investor_class
    reports.directive_notice(s, EventKind.ACCOUNT_OPENED, d)


@kernel
def _attribute_reason(s, d):
    if not money.known_account(s, d.account_slot):
        return Reason.UNKNOWN_ACCOUNT
    if d.code < 1 or d.code >= ATTRIBUTES or d.value < 0:
        return Reason.BAD_PARAMETER
    if d.code == AccountAttribute.RESTRICTION and d.value > Restriction.CLOSED:
        return Reason.BAD_PARAMETER
    if d.code == AccountAttribute.INVESTOR_CLASS and d.value > 4:
        return Reason.BAD_PARAMETER
    if d.code == AccountAttribute.SELF_TRADE_MODE and d.value > SelfTrade.DECREMENT:
        return Reason.BAD_PARAMETER
    if d.code == AccountAttribute.GROUP and d.value >= s.groups_capacity:
        return Reason.BAD_PARAMETER
    if d.code == AccountAttribute.MAX_OPEN_ORDERS and d.value > s.orders_capacity:
        return Reason.BAD_PARAMETER
    return Reason.NONE


@kernel
def set_attribute(s, d):
    """Set one attribute of an account; the account's gate follows from all of them."""
    reason = _attribute_reason(s, d)
    if reason == Reason.NONE and d.code == AccountAttribute.RESTRICTION and not mass_cancel.has_room(s):
        reason = Reason.CAPACITY
    if reason != Reason.NONE:
        return reports.refused(s, d, reason)
    account, values = account_at(s, d.account_slot), profile_at(s, d.account_slot).values
    row = reports.directive_notice(s, EventKind.ACCOUNT_CHANGED, d)
    row.old_value = values[d.code]
    values[d.code] = d.value
    if d.code == AccountAttribute.GROUP:
        account.group = d.value
        s.groups_used = max(s.groups_used, d.value + 1)
    elif d.code == AccountAttribute.MAX_OPEN_ORDERS:
        account.max_open_orders = d.value
    elif d.code == AccountAttribute.MAX_EXPOSURE_MICROS:
        account.max_exposure_micros = d.value
    elif d.code == AccountAttribute.MAX_LEVERAGE:
        account.max_leverage = d.value
    elif d.code == AccountAttribute.SELF_TRADE_MODE:
        account.self_trade = d.value
    elif d.code == AccountAttribute.AFFILIATION:
        account.affiliation = d.value
    elif d.code == AccountAttribute.INVESTOR_CLASS:
        account.investor_class = d.value
    elif d.code == AccountAttribute.KILL_SWITCH:
        account.killed = 1 if d.value != 0 else 0
    elif d.code == AccountAttribute.RESTRICTION:
        _restrict(s, d.account_slot, d.value)
    set_account_gate(s, d.account_slot)


@kernel
def _restrict(s, account_slot, restriction):
    """What a restriction cancels: all orders when frozen or closed, opening ones when only reducing is allowed."""
    account = account_at(s, account_slot)
    account.restriction = restriction
    account.state = admission.CLOSED_ACCOUNT if restriction == Restriction.CLOSED else admission.OPEN_ACCOUNT
    if restriction == Restriction.NONE or restriction == Restriction.CANCEL_ONLY:
        return
    job = job_at(s, mass_cancel.add(s, account_slot, NIL, 0))
    if restriction == Restriction.REDUCE_ONLY:
        job.scope = mass_cancel.OPENING_ONLY | mass_cancel.QUIET
        job.reason = Reason.ELIGIBILITY
    else:
        job.scope = mass_cancel.QUIET
        job.reason = Reason.SANCTIONS if restriction == Restriction.FROZEN else Reason.ACCOUNT_CLOSED


@kernel
def set_account_gate(s, account_slot):
    """An order needs the full account rows as soon as anything but eligibility dates is unusual."""
    account = account_at(s, account_slot)
    plain = account.restriction == Restriction.NONE and not account.killed and not account.liquidating
    account.gate = 0 if plain else 1


@kernel
def set_person(s, d):
    """Until when a person's derivatives knowledge counts."""
    if d.person < 1 or d.person >= s.persons_capacity or d.value < 0:
        return reports.refused(s, d, Reason.BAD_PARAMETER)
    row = reports.directive_notice(s, EventKind.PERSON_CHANGED, d)
    row.old_value = s.persons[d.person]
    s.persons_used = max(s.persons_used, np.int64(d.person) + 1)
    s.persons[d.person] = d.value


# --- contracts and the venue --------------------------------------------------------------------------------------


@kernel
def create_contract(s, d):
    """Create a contract in the next slot, as a draft that nobody can trade."""
    if s.contracts_used >= MAX_CONTRACTS:
        return reports.refused(s, d, Reason.CAPACITY)
    slot = s.contracts_used
    if d.contract_slot != slot:
        return reports.refused(s, d, Reason.UNKNOWN_CONTRACT)
    s.contracts_used += 1
    contract = contract_at(s, slot)
    contract.state = MarketState.DRAFT
    contract.gate = 1
    contract.parameters[ContractParameter.LOT_STEP] = 1
    contract.parameters[ContractParameter.NEEDS_INDEX] = 1
    contract.parameters[ContractParameter.LIQUIDATION_ENABLED] = 1
    book.reset_contract(s, slot)
    listing.derive(contract)
    listing.set_band(contract)
    reports.directive_notice(s, EventKind.CONTRACT_CREATED, d)


@kernel
def _known_contract(s, slot):
    return 0 <= slot < s.contracts_used


@kernel
def _swap_parameter(contract, code, index, value):
    """Put in a value and return the one it replaces."""
    if code == ContractParameter.BRACKET_FLOOR_MICROS:
        old = contract.bracket_floor_micros[index]
        contract.bracket_floor_micros[index] = value
    elif code == ContractParameter.BRACKET_LEVERAGE:
        old = contract.bracket_leverage[index]
        contract.bracket_leverage[index] = value
    elif code == ContractParameter.BRACKET_MMR_PPB:
        old = contract.bracket_mmr_ppb[index]
        contract.bracket_mmr_ppb[index] = value
    elif code == ContractParameter.SOURCE_WEIGHT:
        old = contract.source[index].weight
        contract.source[index].weight = value
    else:
        old = contract.parameters[code]
        contract.parameters[code] = value
    return old


@kernel
def _parameter_reason(s, d):
    if not _known_contract(s, d.contract_slot):
        return Reason.UNKNOWN_CONTRACT
    if d.code < 1 or d.code > ContractParameter.SOURCE_WEIGHT or d.code >= PARAMETERS:
        return Reason.BAD_PARAMETER
    indexed = d.code >= _FIRST_INDEXED
    places = MAX_SOURCES if d.code == ContractParameter.SOURCE_WEIGHT else MAX_BRACKETS
    if d.index < 0 or d.index >= (places if indexed else 1):
        return Reason.BAD_PARAMETER
    if d.value < 0 and d.code != ContractParameter.MAKER_FEE_PPB and d.code != ContractParameter.FUNDING_INTEREST_PPB:
        return Reason.BAD_PARAMETER
    fixed = d.code <= ContractParameter.MAX_PRICE_TICKS or d.code == ContractParameter.LOT_STEP
    if fixed and contract_at(s, d.contract_slot).state != MarketState.DRAFT:
        return Reason.BAD_PARAMETER
    return Reason.NONE


@kernel
def set_parameter(s, d):
    """Set one parameter; a listed contract must stay listable as a whole, or the change is taken back."""
    reason = _parameter_reason(s, d)
    if reason != Reason.NONE:
        return reports.refused(s, d, reason)
    contract = contract_at(s, d.contract_slot)
    listed = contract.state != MarketState.DRAFT
    bound = listing.notional_bound(contract) if listed else np.int64(0)
    old = _swap_parameter(contract, d.code, d.index, d.value)
    listing.derive(contract)
    if listed:
        reason = listing.reason(s, contract, s.listed_submicros - bound)
        if reason != Reason.NONE:
            _swap_parameter(contract, d.code, d.index, old)
            listing.derive(contract)
            return reports.refused(s, d, reason)
        s.listed_submicros += listing.notional_bound(contract) - bound
    listing.set_band(contract)
    row = reports.directive_notice(s, EventKind.CONTRACT_CHANGED, d)
    row.old_value = old


@kernel
def list_contract(s, d):
    """Open a draft for trading when it satisfies every rule of listing."""
    if not _known_contract(s, d.contract_slot):
        return reports.refused(s, d, Reason.UNKNOWN_CONTRACT)
    contract = contract_at(s, d.contract_slot)
    if contract.state != MarketState.DRAFT:
        return reports.refused(s, d, Reason.ALREADY_EXISTS)
    reason = listing.reason(s, contract, s.listed_submicros)
    if reason != Reason.NONE:
        return reports.refused(s, d, reason)
    s.listed_submicros += listing.notional_bound(contract)
    contract.state = MarketState.OPEN
    listing.set_gate(s, contract)
    listing.set_band(contract)
    reports.directive_notice(s, EventKind.CONTRACT_LISTED, d)


@kernel
def set_contract_state(s, d):
    """Change a listed contract's state; REDUCE_ONLY also cancels its resting opening orders."""
    if not _known_contract(s, d.contract_slot):
        return reports.refused(s, d, Reason.UNKNOWN_CONTRACT)
    contract = contract_at(s, d.contract_slot)
    if contract.state == MarketState.DRAFT or contract.state == MarketState.SETTLED:
        return reports.refused(s, d, Reason.NOT_LISTED)
    if d.code < MarketState.OPEN or d.code > MarketState.HALTED:
        return reports.refused(s, d, Reason.BAD_PARAMETER)
    if d.code == MarketState.REDUCE_ONLY and not mass_cancel.has_room(s):
        return reports.refused(s, d, Reason.CAPACITY)
    old, state = np.int64(contract.state), np.int64(d.code)
    if contract.open_state != 0:
        if state < MarketState.REDUCE_ONLY:
            return reports.refused(s, d, Reason.REFERENCE_PRICE_UNAVAILABLE)
        contract.open_state = state
        state = max(state, reference.lock_state(contract))
    reference.change_state(s, d.contract_slot, state)
    row = reports.directive_notice(s, EventKind.CONTRACT_STATE_CHANGED, d)
    row.old_value = old
    row.new_value = state


@kernel
def set_venue_state(s, d):
    """Halt or resume the whole venue."""
    if d.code != VenueState.OPEN and d.code != VenueState.HALTED:
        return reports.refused(s, d, Reason.BAD_PARAMETER)
    row = reports.directive_notice(s, EventKind.VENUE_STATE_CHANGED, d)
    row.old_value = s.venue_state
    row.new_value = d.code
    s.venue_state = d.code
    for slot in range(s.contracts_used):
        listing.set_gate(s, contract_at(s, slot))


@kernel
def set_venue_parameter(s, d):
    """Set one parameter of the whole venue."""
    row_kind = EventKind.VENUE_CHANGED
    if d.value < 0:
        return reports.refused(s, d, Reason.BAD_PARAMETER)
    if d.code == VenueParameter.MARK_TICK_NS:
        if d.value != 0 and (d.value < MIN_TICK_NS or d.value > MAX_TICK_NS):
            return reports.refused(s, d, Reason.BAD_PARAMETER)
        old = s.mark_tick_ns
        s.mark_tick_ns = d.value
        s.next_mark_tick_ns = s.now_ns + d.value
        timers.schedule(s, s.next_mark_tick_ns)
    elif d.code == VenueParameter.INDEX_STALE_NS:
        old = s.index_stale_ns
        s.index_stale_ns = d.value
    elif d.code == VenueParameter.INDEX_RECOVERY_NS:
        old = s.index_recovery_ns
        s.index_recovery_ns = d.value
    else:
        return reports.refused(s, d, Reason.BAD_PARAMETER)
    row = reports.directive_notice(s, row_kind, d)
    row.old_value = old


@rare
def apply(s, d):
    """The switch on directives."""
    kind = d.kind
    if kind == CommandKind.ACCOUNT_OPEN:
        open_account(s, d)
    elif kind == CommandKind.ACCOUNT_SET:
        set_attribute(s, d)
    elif kind == CommandKind.PERSON_SET:
        set_person(s, d)
    elif kind == CommandKind.DEPOSIT:
        money.deposit(s, d)
    elif kind == CommandKind.WITHDRAW:
        money.withdraw(s, d)
    elif kind == CommandKind.TRANSFER:
        money.transfer(s, d)
    elif kind == CommandKind.SET_LEVERAGE:
        money.set_leverage(s, d)
    elif kind == CommandKind.SET_MARGIN_MODE:
        money.set_margin_mode(s, d)
    elif kind == CommandKind.INDEX_PRICE:
        reference.record_price(s, d)
    elif kind == CommandKind.FUND_DEPOSIT:
        money.deposit_fund(s, d)
    elif kind == CommandKind.CONTRACT_CREATE:
        create_contract(s, d)
    elif kind == CommandKind.CONTRACT_SET:
        set_parameter(s, d)
    elif kind == CommandKind.CONTRACT_LIST:
        list_contract(s, d)
    elif kind == CommandKind.CONTRACT_STATE:
        set_contract_state(s, d)
    elif kind == CommandKind.VENUE_STATE:
        set_venue_state(s, d)
    elif kind == CommandKind.VENUE_SET:
        set_venue_parameter(s, d)
    else:
        reports.refused(s, d, Reason.BAD_COMMAND)
