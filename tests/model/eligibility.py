"""Who may open risk, and what is lost when that ends: rows 6 to 15 of the ladder as the rulebook's table has them."""

from dataclasses import dataclass

from engine.codes import AccountAttribute as A
from engine.codes import Affiliation, EventKind, ExecInst, InvestorClass, OrdType, Reason, Restriction
from engine.codes import ContractParameter as P
from engine.codes import VenueParameter as V
from tests.model.records import NIL

FIRST_SECOND = 1_735_689_600
LAST_SECOND = (1 << 30) - 1
NS = 1_000_000_000
LIGHT = (InvestorClass.QUALIFIED_CORPORATE, InvestorClass.INSTITUTIONAL)
DATES = (A.KYC_UNTIL_NS, A.SCREENING_UNTIL_NS, A.EVIDENCE_UNTIL_NS, A.CONFIRMATION_UNTIL_NS)
DISCLOSURES = (
    (A.DISCLOSURE_PRODUCT, P.DISCLOSURE_PRODUCT),
    (A.DISCLOSURE_LOSS, P.DISCLOSURE_LOSS),
    (A.DISCLOSURE_AFFILIATE, P.DISCLOSURE_AFFILIATE),
)


def needs_person(model, slot):
    """Whether who places an account's orders must know derivatives."""
    spared = model.accounts[slot].values.get(A.INVESTOR_CLASS) == InvestorClass.INSTITUTIONAL
    return not (spared and model.venue_values[V.INSTITUTIONS_SKIP_DERIVATIVES_KNOWLEDGE])


def _knows_derivatives(model, account, person):
    return not needs_person(model, account.slot) or model.persons.get(person, 0) > model.now_ns


def is_well_placed(model, order, anyhow):
    """Whether the knowledge of who placed an order is in date, or nothing but an institution's account asks for it."""
    institution = model.accounts[order.account].values.get(A.INVESTOR_CLASS) == InvestorClass.INSTITUTIONAL
    return model.persons.get(order.person, 0) > model.now_ns or not (anyhow or institution)


def client(model, slot, person=None):
    """Rows 6 to 12; without a person, what holds for all of them."""
    account = model.accounts[slot]

    def value(attribute):
        return account.values.get(attribute, 0)

    def lasts(attribute):
        return value(attribute) > model.now_ns

    light = value(A.INVESTOR_CLASS) in LIGHT
    rows = (
        (lasts(A.KYC_UNTIL_NS), Reason.KYC_NOT_VALID),
        (lasts(A.SCREENING_UNTIL_NS), Reason.SCREENING_STALE),
        (value(A.JURISDICTION_PERMITTED), Reason.JURISDICTION_NOT_PERMITTED),
        (value(A.INVESTOR_CLASS) != InvestorClass.NONE, Reason.NOT_PROFESSIONAL_INVESTOR),
        (not value(A.PI_WITHDRAWN), Reason.PI_WITHDRAWN),
        (value(A.EVIDENCE_UNTIL_NS), Reason.PI_EVIDENCE_MISSING),
        (lasts(A.EVIDENCE_UNTIL_NS), Reason.PI_EVIDENCE_EXPIRED),
        (lasts(A.CONFIRMATION_UNTIL_NS), Reason.PI_CONFIRMATION_OVERDUE),
        (light or value(A.VA_KNOWLEDGE), Reason.VA_KNOWLEDGE_REQUIRED),
        (person is None or _knows_derivatives(model, account, person), Reason.DERIVATIVES_KNOWLEDGE_REQUIRED),
        (light or value(A.RISK_PROFILE), Reason.RISK_PROFILE_MISMATCH),
        (value(A.AGREEMENT), Reason.AGREEMENT_MISSING),
    )
    return next((reason for met, reason in rows if not met), Reason.NONE)


def acknowledged(model, slot):
    """The version of each disclosure that an account has acknowledged."""
    return {attribute: model.accounts[slot].values.get(attribute, 0) for attribute, _ in DISCLOSURES}


def required(contract):
    """The version of each disclosure that a contract requires."""
    wanted = {attribute: contract.parameters[parameter, 0] for attribute, parameter in DISCLOSURES}
    if not contract.parameters[P.AFFILIATE_PRESENT, 0]:
        wanted[A.DISCLOSURE_AFFILIATE] = 0
    return wanted


def contract(model, slot, contract_slot):
    """Rows 13 and 14."""
    account, given = model.accounts[slot], acknowledged(model, slot)
    if any(given[name] < version for name, version in required(model.contracts[contract_slot]).items()):
        return Reason.DISCLOSURE_NOT_ACKNOWLEDGED
    affiliation = account.values.get(A.AFFILIATION, Affiliation.CLIENT)
    if affiliation in (Affiliation.OPERATOR, Affiliation.CUSTODY):
        return Reason.AFFILIATE_PROHIBITED
    if affiliation == Affiliation.GROUP_COMPANY:
        begins, ends = model.approvals.get((slot, contract_slot), (0, 0))
        if not begins <= model.now_ns < ends:
            return Reason.AFFILIATE_NOT_APPROVED
    return Reason.NONE


def held(model, account):
    """With what cause the operator's hand on an account cancels its orders, and whether those that reduce go too."""
    restriction = account.values.get(A.RESTRICTION, Restriction.NONE)
    stopped = model.now_ns < account.values.get(A.REDUCING_STOPPED_UNTIL_NS, 0)
    if account.is_frozen:
        return Reason.SANCTIONS, True
    if restriction == Restriction.CLOSED:
        return Reason.ACCOUNT_CLOSED, True
    if restriction == Restriction.SUSPENDED:
        return Reason.ACCOUNT_SUSPENDED, stopped
    if account.is_killed:
        return Reason.ACCOUNT_SUSPENDED, False
    return (Reason.ELIGIBILITY if restriction == Restriction.REDUCE_ONLY else Reason.NONE), False


def is_group_company(model, slot):
    """A company of the operator's group, which may be approved to trade."""
    return model.accounts[slot].values.get(A.AFFILIATION) == Affiliation.GROUP_COMPANY


def is_tagged(model, slot):
    """Whoever is no client: a company of the operator's group, the operator itself, its custodian."""
    return model.accounts[slot].values.get(A.AFFILIATION, Affiliation.CLIENT) != Affiliation.CLIENT


def classify(model, order):
    """An order is of the class that its account has when it comes to the book."""
    order.flags &= ~ExecInst.AFFILIATE
    if is_tagged(model, order.account):
        order.flags |= ExecInst.AFFILIATE


def yield_places(model, slot):
    """An account was tagged: its resting orders go behind all others at their prices, and keep their order."""
    for contract in model.contracts.values():
        for orders in [*contract.levels[1].values(), *contract.levels[2].values()]:
            for order in [order for order in orders if order.account == slot and not order.affiliated]:
                orders.remove(order)
                orders.append(order)
                order.flags |= ExecInst.AFFILIATE


def order_reason(model, order):
    """Rows 6 to 15 for an order that opens."""
    reason = client(model, order.account, order.person) or contract(model, order.account, order.contract)
    if reason or not model.venue_values[V.AFFILIATE_POST_ONLY] or not is_group_company(model, order.account):
        return reason
    fits = order.ord_type == OrdType.LIMIT and order.flags & ExecInst.POST_ONLY
    return Reason.NONE if fits else Reason.AFFILIATE_ORDER_STYLE


# --- what ends -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lapse:
    """What ends at an instant: of an account (0) or of a person (1). Those of one instant come as they were entered."""

    due_ns: int
    kind: int
    entered: int
    slot: int


def _enter(model, kind, slot, until_ns):
    """The first whole second that is not before the end, if it is one that can be waited for."""
    model.lapses.pop((kind, slot), None)
    second = -(-until_ns // NS) - FIRST_SECOND
    if 1 <= second <= LAST_SECOND:
        model.entries += 1
        model.lapses[kind, slot] = Lapse((second + FIRST_SECOND) * NS, kind, model.entries, slot)


def schedule(model, slot):
    """When the account next loses something."""
    account = model.accounts[slot]
    model.lapses.pop((0, slot), None)
    if client(model, slot):
        return
    dates = [account.values.get(date, 0) for date in DATES]
    if is_group_company(model, slot):
        dates += [ends for (owner, _), (_, ends) in model.approvals.items() if owner == slot and ends]
    _enter(model, 0, slot, min(dates))


def schedule_person(model, person):
    """When the person's knowledge ends; what has ended already does not end again."""
    model.lapses.pop((1, person), None)
    if model.persons[person] > model.now_ns:
        _enter(model, 1, person, model.persons[person])


def next_lapse(model):
    """What ends first; of one instant accounts come before persons."""
    return min(model.lapses.values(), key=lambda lapse: (lapse.due_ns, lapse.kind, lapse.entered), default=None)


def lose(model, slot, contract_slot, reason):
    """Opening orders are cancelled with the cause, in one contract or in all."""
    model.add_job(account=slot, contract=contract_slot, reason=reason, spare_reducing=True, quiet=True)
    model.tell(EventKind.ELIGIBILITY_LAPSED, slot, contract_slot, reason)


def lose_person(model, person):
    """What a person placed who does not know derivatives any more: wherever that is asked, opening orders go."""
    reason = Reason.DERIVATIVES_KNOWLEDGE_REQUIRED
    model.add_job(person=person, knowing=True, reason=reason, spare_reducing=True, quiet=True)
    model.tell(EventKind.PERSON_LAPSED, NIL, NIL, reason, person=person)


def is_overdue(model, slot):
    """A date has passed whose lapse is still to come."""
    return bool((0, slot) in model.lapses and client(model, slot))


def catch_up(model, slot):
    """An overdue lapse comes before a command on the account."""
    if is_overdue(model, slot):
        lose(model, slot, NIL, client(model, slot))


def person_overdue(model, person):
    """Somebody's knowledge has ended and the lapse is still to come."""
    return (1, person) in model.lapses and model.persons[person] <= model.now_ns


def do_lapse(model, lapse):
    """An instant has come."""
    if lapse.kind == 1:
        lose_person(model, lapse.slot)
        schedule_person(model, lapse.slot)
        return
    reason = client(model, lapse.slot)
    if reason:
        lose(model, lapse.slot, NIL, reason)
    else:
        for (owner, contract_slot), (begins, ends) in model.approvals.items():
            if owner == lapse.slot and 0 < ends <= model.now_ns:
                model.approvals[owner, contract_slot] = begins, 0
                lose(model, owner, contract_slot, Reason.AFFILIATE_NOT_APPROVED)
                break
    schedule(model, lapse.slot)


# --- what waits and may not trade any more ------------------------------------------------------------------------


def covering(model, order):
    """The mass cancel under way that would take an order when its turn comes: the first of them."""
    return next((job for job in model.jobs if job.takes(model, order)), None)


def lost(model, order):
    """Why an order that waits may not trade, however long the queue in which its cancellation waits; NONE: it may."""
    job, account = covering(model, order), model.accounts[order.account]
    if job:
        return job.reason
    reason, everything = held(model, account)
    if reason and (everything or not order.reduce_only):
        return reason
    if order.reduce_only:
        return Reason.NONE
    if account.liquidating:
        return Reason.LIQUIDATION
    return client(model, order.account, order.person) or contract(model, order.account, order.contract)
