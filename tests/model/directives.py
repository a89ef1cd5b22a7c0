"""Commands of accounts, contracts, the venue and money."""

from engine.codes import AccountAttribute as A
from engine.codes import Affiliation, CommandKind, EventKind, MarketState, Reason, Restriction, SelfTrade, VenueState
from engine.codes import ClientAttribute as C
from engine.codes import ContractParameter as P
from engine.codes import VenueParameter as V
from tests.model import eligibility, money, prices, settlement
from tests.model.listing import listing_reason, may_be_negative
from tests.model.records import NIL, Account, Contract, Parameters

DEFAULT_MAX_OPEN_ORDERS = 1000
MAX_GROUP_MEMBERS, MAX_GROUP_LIMITS, MAX_APPROVALS, MAX_CLIENT_MEMBERS = 64, 1024, 256, 256
INDEXED = {P.BRACKET_FLOOR_MICROS: 10, P.BRACKET_LEVERAGE: 10, P.BRACKET_MMR_PPB: 10, P.SOURCE_WEIGHT: 8}
FIXED_ONCE_LISTED = (P.MICROS_PER_TICK_LOT, P.MAX_PRICE_TICKS, P.LOT_STEP)
SHORTEST_TICK, LONGEST_TICK = 1_000_000, 60_000_000_000
MAX_CONTRACTS, MAX_SOURCES, MAX_THRESHOLDS = 256, 8, 128
ACKNOWLEDGED = (A.DISCLOSURE_PRODUCT, A.DISCLOSURE_LOSS, A.DISCLOSURE_AFFILIATE)
COLLATERAL = (*range(V.COLLATERAL_ENABLED, V.COLLATERAL_CAP_MICROS + 1), V.COLLATERAL_LOTS_PER_COIN)
DISCLOSURES = (P.DISCLOSURE_PRODUCT, P.DISCLOSURE_LOSS, P.DISCLOSURE_AFFILIATE, P.AFFILIATE_PRESENT)


def _refuse(model, directive, reason):
    model.refusals += 1
    model.notice(
        EventKind.REFUSED, directive, code=directive.kind, reason=int(reason), price_subticks=directive.price_subticks
    )


def _account_unknown(model, slot):
    account = model.accounts.get(slot)
    return Reason.UNKNOWN_ACCOUNT if account is None or account.closed else Reason.NONE


def _open_account(model, directive):
    slot = directive.account_slot
    if not 0 <= slot < model.limits.accounts:
        return Reason.CAPACITY
    if slot in model.accounts:
        return Reason.ALREADY_EXISTS
    account = Account(slot, max_open_orders=DEFAULT_MAX_OPEN_ORDERS)
    account.values[A.INVESTOR_CLASS] = min(max(directive.value, 0), 4)
    model.accounts[slot] = account
    model.notice(EventKind.ACCOUNT_OPENED, directive)
    return Reason.NONE


def _attribute_reason(model, directive):
    code, value = directive.code, directive.value
    reason = _account_unknown(model, directive.account_slot)
    if reason and not (code == A.CLIENT and directive.account_slot in model.accounts):
        return reason
    highest = {
        A.RESTRICTION: Restriction.CLOSED,
        A.INVESTOR_CLASS: 4,
        A.SELF_TRADE_MODE: SelfTrade.DECREMENT,
        A.GROUP: model.limits.groups - 1,
        A.MAX_OPEN_ORDERS: model.limits.orders,
        A.MAX_LEVERAGE: 1_000_000,
        A.AFFILIATION: Affiliation.CUSTODY,
        A.CLIENT: model.limits.clients - 1,
    }
    if code not in range(1, max(A) + 1) or value < 0 or value > highest.get(code, value):
        return Reason.BAD_PARAMETER
    if code == A.RESTRICTION and value == Restriction.CLOSED:
        if any(position.size for position in model.accounts[directive.account_slot].positions):
            return Reason.HAS_POSITION
        if model.accounts[directive.account_slot].values.get(A.RESTRICTION) == Restriction.FROZEN:
            return Reason.ACCOUNT_RESTRICTED
    if code == A.CLIENT:
        bound = model.accounts[directive.account_slot].values.get(A.CLIENT, 0)
        if not value or (bound and bound != value):
            return Reason.BAD_PARAMETER
        if not bound and len(model.client(value).accounts) >= MAX_CLIENT_MEMBERS:
            return Reason.CAPACITY
    if code == A.GROUP and value and model.accounts[directive.account_slot].group != value:
        if sum(account.group == value for account in model.accounts.values()) >= MAX_GROUP_MEMBERS:
            return Reason.CAPACITY
    overdue = eligibility.is_overdue(model, directive.account_slot)
    return Reason.NONE if model.has_job_room(overdue) else Reason.CAPACITY


def _set_attribute(model, directive):
    reason = _attribute_reason(model, directive)
    if reason:
        return reason
    account, code, value = model.accounts[directive.account_slot], directive.code, directive.value
    if code == A.CLIENT and account.client:
        model.notice(EventKind.ACCOUNT_CHANGED, directive, old_value=value)
        return Reason.NONE
    eligibility.catch_up(model, account.slot)
    was, before = eligibility.client(model, account.slot), account.values.get(code, 0)
    needed = eligibility.needs_person(model, account.slot)
    model.notice(EventKind.ACCOUNT_CHANGED, directive, old_value=account.values.get(code, 0))
    account.values[code] = value
    if code == A.GROUP:
        account.group = value
    elif code == A.MAX_OPEN_ORDERS:
        account.max_open_orders = value
    elif code in (A.RESTRICTION, A.KILL_SWITCH, A.REDUCING_STOPPED_UNTIL_NS):
        _hold(model, account)
    elif code == A.CLIENT:
        account.client = model.client(value)
        account.client.accounts.append(account)
        _hold(model, account)
    elif code == A.AFFILIATION and value != before:
        causes = {Affiliation.CLIENT: Reason.ELIGIBILITY, Affiliation.GROUP_COMPANY: Reason.AFFILIATE_NOT_APPROVED}
        eligibility.lose(model, account.slot, NIL, causes.get(value, Reason.AFFILIATE_PROHIBITED))
        for (owner, contract), (begins, _) in model.approvals.items():
            if owner == account.slot:
                model.approvals[owner, contract] = begins, 0
        if eligibility.is_tagged(model, account.slot):
            eligibility.yield_places(model, account.slot)
    elif code in ACKNOWLEDGED:
        _acknowledge(model, account, code, before)
    now = eligibility.client(model, account.slot)
    if now and not was:
        eligibility.lose(model, account.slot, NIL, now)
    elif eligibility.needs_person(model, account.slot) and not needed:
        _check_persons(model, account=account.slot)
    eligibility.schedule(model, account.slot)
    return Reason.NONE


def _acknowledge(model, account, code, before):
    """What had not been acknowledged when it was required is lost, also when it is made good while the queue waits."""
    now = account.values[code]
    if now == before or (now > before and not any(job.required is not None for job in model.jobs)):
        return
    versions = eligibility.acknowledged(model, account.slot) | {code: min(now, before)}
    scope = {"account": account.slot, "acknowledged": versions, "spare_reducing": True, "quiet": True}
    model.add_job(reason=Reason.DISCLOSURE_NOT_ACKNOWLEDGED, **scope)


def _check_persons(model, **scope):
    """Persons must know derivatives from now on: what one placed who does not is cancelled."""
    scope |= {"unknowing": True, "spare_reducing": True, "quiet": True}
    model.add_job(reason=Reason.DERIVATIVES_KNOWLEDGE_REQUIRED, **scope)


def _hold(model, account):
    """What the operator has put on an account cancels all its orders, or those that open."""
    restriction = account.values.get(A.RESTRICTION, Restriction.NONE)
    account.closed = restriction == Restriction.CLOSED
    reason, everything = eligibility.held(model, account)
    if reason:
        model.add_job(account=account.slot, reason=reason, spare_reducing=not everything, quiet=True)


def _set_client(model, directive):
    code, value = directive.code, directive.value
    if not 1 <= directive.index < model.limits.clients or code not in tuple(C) or value < 0:
        return Reason.BAD_PARAMETER
    if code != C.MAX_EXPOSURE_MICROS and value > 1:
        return Reason.BAD_PARAMETER
    if code != C.MAX_EXPOSURE_MICROS and value and not model.has_job_room():
        return Reason.CAPACITY
    client = model.client(directive.index)
    name = {C.FROZEN: "frozen", C.KILL_SWITCH: "killed", C.MAX_EXPOSURE_MICROS: "max_exposure"}[code]
    model.notice(EventKind.CLIENT_CHANGED, directive, old_value=getattr(client, name))
    setattr(client, name, value)
    if code == C.FROZEN and value:
        model.add_job(client=client, reason=Reason.SANCTIONS)
    elif code == C.KILL_SWITCH and value:
        model.add_job(client=client, reason=Reason.ACCOUNT_SUSPENDED, spare_reducing=True)
    return Reason.NONE


def _set_person(model, directive):
    if not 1 <= directive.person < model.limits.persons or directive.value < 0:
        return Reason.BAD_PARAMETER
    overdue = eligibility.person_overdue(model, directive.person)
    if not model.has_job_room(overdue):
        return Reason.CAPACITY
    if overdue:
        eligibility.lose_person(model, directive.person)
    before = model.persons.get(directive.person, 0)
    model.notice(EventKind.PERSON_CHANGED, directive, old_value=before)
    model.persons[directive.person] = directive.value
    if before > model.now_ns >= directive.value:
        eligibility.lose_person(model, directive.person)
    eligibility.schedule_person(model, directive.person)
    return Reason.NONE


def _revoke_key(model, directive):
    """What a person placed for an account, whose key there is no more."""
    if directive.account_slot not in model.accounts:
        return Reason.UNKNOWN_ACCOUNT
    if directive.person < 1:
        return Reason.BAD_PARAMETER
    if not model.has_job_room():
        return Reason.CAPACITY
    model.notice(EventKind.KEY_REVOKED, directive)
    scope = {"account": directive.account_slot, "person": directive.person, "spare_reducing": True}
    model.add_job(reason=Reason.KEY_REVOKED, **scope)
    return Reason.NONE


def _set_group_limit(model, directive):
    group, contract = directive.index, directive.contract_slot
    if not 1 <= group < model.limits.groups or not 0 <= directive.value <= 1 << 52:
        return Reason.BAD_PARAMETER
    if contract not in model.contracts:
        return Reason.UNKNOWN_CONTRACT
    if (group, contract) not in model.group_limits and len(model.group_limits) >= MAX_GROUP_LIMITS:
        return Reason.CAPACITY
    old = model.group_limits.get((group, contract), 0)
    model.notice(EventKind.GROUP_CHANGED, directive, old_value=old)
    model.group_limits[group, contract] = directive.value
    return Reason.NONE


def _approval_reason(model, directive):
    reason = _account_unknown(model, directive.account_slot)
    if reason:
        return reason
    contract = model.contracts.get(directive.contract_slot)
    if contract is None or contract.state == MarketState.DRAFT:
        return Reason.UNKNOWN_CONTRACT
    begins, ends = directive.source_time_ns, directive.value
    given = (directive.account_slot, directive.contract_slot) in model.approvals
    sensible = 0 <= begins < ends or (ends == 0 and begins >= 0 and given)
    if not sensible or not eligibility.is_group_company(model, directive.account_slot):
        return Reason.BAD_PARAMETER
    overdue = eligibility.is_overdue(model, directive.account_slot)
    if not model.has_job_room(overdue) or (not given and len(model.approvals) >= MAX_APPROVALS):
        return Reason.CAPACITY
    return Reason.NONE


def _approve_affiliate(model, directive):
    reason = _approval_reason(model, directive)
    if reason:
        return reason
    slot, contract = directive.account_slot, directive.contract_slot
    eligibility.catch_up(model, slot)
    was = eligibility.contract(model, slot, contract)
    old = model.approvals.get((slot, contract), (0, 0))[1]
    ended = 0 < old <= model.now_ns
    model.notice(EventKind.AFFILIATE_APPROVED, directive, old_value=old)
    model.approvals[slot, contract] = directive.source_time_ns, directive.value
    now = eligibility.contract(model, slot, contract)
    if ended or (now and not was):
        eligibility.lose(model, slot, contract, Reason.AFFILIATE_NOT_APPROVED if ended else now)
    eligibility.schedule(model, slot)
    return Reason.NONE


def _create_contract(model, directive):
    if len(model.contracts) >= MAX_CONTRACTS:
        return Reason.CAPACITY
    if directive.contract_slot != len(model.contracts):
        return Reason.UNKNOWN_CONTRACT
    contract = Contract(directive.contract_slot)
    given = {(code, index): 0 for code in P for index in range(INDEXED.get(code, 1))}
    given |= {(P.LOT_STEP, 0): 1, (P.NEEDS_INDEX, 0): 1, (P.LIQUIDATION_ENABLED, 0): 1}
    contract.parameters = Parameters(given)
    model.contracts[contract.slot] = contract
    model.notice(EventKind.CONTRACT_CREATED, directive)
    return Reason.NONE


def _parameter_reason(model, directive):
    contract = model.contracts.get(directive.contract_slot)
    if contract is None:
        return Reason.UNKNOWN_CONTRACT
    if directive.code not in tuple(P) or not 0 <= directive.index < INDEXED.get(directive.code, 1):
        return Reason.BAD_PARAMETER
    if directive.value < 0 and not may_be_negative(directive.code):
        return Reason.BAD_PARAMETER
    if contract.state == MarketState.SETTLED:
        return Reason.NOT_LISTED
    if directive.code in FIXED_ONCE_LISTED and contract.state != MarketState.DRAFT:
        return Reason.BAD_PARAMETER
    if directive.code in DISCLOSURES and contract.state != MarketState.DRAFT and not model.has_job_room():
        return Reason.CAPACITY
    return Reason.NONE


def _set_parameter(model, directive):
    reason = _parameter_reason(model, directive)
    if reason:
        return reason
    contract = model.contracts[directive.contract_slot]
    old = contract.parameters[directive.code, directive.index]
    contract.parameters[directive.code, directive.index] = directive.value
    if contract.state != MarketState.DRAFT:
        reason = listing_reason(model, contract)
    if reason:
        contract.parameters[directive.code, directive.index] = old
        return reason
    model.notice(EventKind.CONTRACT_CHANGED, directive, old_value=old)
    if contract.state != MarketState.DRAFT and directive.code in DISCLOSURES:
        scope = {"contract": contract.slot, "required": eligibility.required(contract)}
        model.add_job(reason=Reason.DISCLOSURE_NOT_ACKNOWLEDGED, spare_reducing=True, quiet=True, **scope)
    return Reason.NONE


def _list_contract(model, directive):
    contract = model.contracts.get(directive.contract_slot)
    if contract is None:
        return Reason.UNKNOWN_CONTRACT
    if contract.state != MarketState.DRAFT:
        return Reason.ALREADY_EXISTS
    reason = listing_reason(model, contract)
    if not reason:
        contract.state = MarketState.OPEN
        model.notice(EventKind.CONTRACT_LISTED, directive)
    return reason


def _contract_state_reason(model, contract, code):
    if contract is None:
        return Reason.UNKNOWN_CONTRACT
    if contract.state in (MarketState.DRAFT, MarketState.SETTLED):
        return Reason.NOT_LISTED
    if code not in tuple(MarketState) or code == MarketState.DRAFT:
        return Reason.BAD_PARAMETER
    if contract.delivery_ns and (code < MarketState.REDUCE_ONLY or code == MarketState.SETTLED):
        return Reason.SETTLEMENT_UNDER_WAY
    if code == MarketState.REDUCE_ONLY and not model.has_job_room():
        return Reason.CAPACITY
    if contract.open_state and code < MarketState.REDUCE_ONLY:
        return Reason.REFERENCE_PRICE_UNAVAILABLE  # Rulebook 7: only live sources open a market that they closed
    return Reason.NONE


def _set_contract_state(model, directive):
    contract, code = model.contracts.get(directive.contract_slot), directive.code
    reason = _contract_state_reason(model, contract, code)
    if reason or code == MarketState.SETTLED:
        return reason or settlement.begin(model, contract, directive)
    old, contract.state = contract.state, code
    if contract.open_state:  # the stricter of the operator's order and the lock holds
        contract.open_state, contract.state = code, max(code, prices.lock_state(contract))
    if contract.state == MarketState.REDUCE_ONLY:
        prices.reduce_only(model, contract)
    model.notice(EventKind.CONTRACT_STATE_CHANGED, directive, old_value=old, new_value=contract.state)
    return Reason.NONE


def _set_venue_state(model, directive):
    if directive.code not in tuple(VenueState):
        return Reason.BAD_PARAMETER
    model.notice(EventKind.VENUE_STATE_CHANGED, directive, old_value=model.venue_state, new_value=directive.code)
    model.venue_state = directive.code
    return Reason.NONE


def _set_venue_value(model, directive):
    if V.SURVEILLANCE <= directive.code <= V.ONE_PAIR_MAY_GRANT_AND_PAY:
        return _keep_setting(model, directive)
    if directive.code in COLLATERAL:
        return money.set_collateral(model, directive)
    known = (V.MARK_TICK_NS, V.INDEX_STALE_NS, V.INDEX_RECOVERY_NS)
    if directive.code == V.MARK_TICK_NS and directive.value and not SHORTEST_TICK <= directive.value <= LONGEST_TICK:
        return Reason.BAD_PARAMETER
    policies = (V.AFFILIATE_POST_ONLY, V.INSTITUTIONS_SKIP_DERIVATIVES_KNOWLEDGE)
    if directive.value < 0 or directive.code not in known + policies:
        return Reason.BAD_PARAMETER
    asks = directive.code == V.INSTITUTIONS_SKIP_DERIVATIVES_KNOWLEDGE and directive.value == 0
    asks = asks and model.venue_values[directive.code] != 0
    if asks and not model.has_job_room():
        return Reason.CAPACITY
    model.notice(EventKind.VENUE_CHANGED, directive, old_value=model.venue_values.get(directive.code, 0))
    model.venue_values[directive.code] = directive.value
    if directive.code == V.MARK_TICK_NS:
        model.next_mark_tick_ns = model.now_ns + directive.value
    if asks:
        _check_persons(model)
    return Reason.NONE


def _attest(model, directive):
    model.notice(EventKind.ATTESTED, directive)
    return Reason.NONE


def _set_switch(model, directive):
    """Who has asked to be cancelled when it falls silent: only told."""
    if directive.account_slot not in model.accounts:
        return Reason.UNKNOWN_ACCOUNT
    if directive.code not in (1, 2, 3) or directive.value < 0:
        return Reason.BAD_PARAMETER
    model.notice(EventKind.SWITCHED, directive)
    return Reason.NONE


def _keep_setting(model, directive):
    """What is kept for others: its own key for each threshold, and for each source of each contract."""
    code, index, value = directive.code, directive.index, directive.value
    allowed = {
        V.SURVEILLANCE: 1 <= index < MAX_THRESHOLDS,
        V.INDEX_SOURCE: directive.contract_slot in range(len(model.contracts)) and 0 <= index < MAX_SOURCES,
        V.ONE_PAIR_MAY_GRANT_AND_PAY: value <= 1,
    }[code]
    if not allowed or value < 0 or value == 2**63 - 1:
        return Reason.BAD_PARAMETER
    of_contract = directive.contract_slot if code == V.INDEX_SOURCE else 0
    key = (code, of_contract, 0 if code == V.ONE_PAIR_MAY_GRANT_AND_PAY else index)
    model.notice(EventKind.VENUE_CHANGED, directive, old_value=model.settings.get(key, -1))
    model.settings[key] = value
    return Reason.NONE


HANDLERS = {
    CommandKind.ATTEST: _attest,
    CommandKind.SWITCH: _set_switch,
    CommandKind.ACCOUNT_OPEN: _open_account,
    CommandKind.ACCOUNT_SET: _set_attribute,
    CommandKind.PERSON_SET: _set_person,
    CommandKind.KEY_REVOKE: _revoke_key,
    CommandKind.GROUP_SET: _set_group_limit,
    CommandKind.CLIENT_SET: _set_client,
    CommandKind.AFFILIATE_APPROVAL: _approve_affiliate,
    CommandKind.DEPOSIT: money.deposit,
    CommandKind.WITHDRAW: money.withdraw,
    CommandKind.TRANSFER: money.transfer,
    CommandKind.SET_LEVERAGE: money.set_leverage,
    CommandKind.SET_MARGIN_MODE: money.set_margin_mode,
    CommandKind.FUND_DEPOSIT: money.deposit_fund,
    CommandKind.CONTRACT_CREATE: _create_contract,
    CommandKind.CONTRACT_SET: _set_parameter,
    CommandKind.CONTRACT_LIST: _list_contract,
    CommandKind.CONTRACT_STATE: _set_contract_state,
    CommandKind.VENUE_STATE: _set_venue_state,
    CommandKind.VENUE_SET: _set_venue_value,
    CommandKind.INDEX_PRICE: prices.record,
}


def apply(model, directive):
    """The switch on directives."""
    handler = HANDLERS.get(directive.kind)
    reason = handler(model, directive) if handler else Reason.BAD_COMMAND
    if reason:
        _refuse(model, directive, reason)
