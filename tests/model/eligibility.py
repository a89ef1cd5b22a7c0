"""Who may open risk, and what is lost when that ends: rows 6 to 15 of the ladder as the rulebook's table has them."""

from engine.codes import AccountAttribute as A
from engine.codes import Affiliation, EventKind, ExecInst, InvestorClass, OrdType, Reason
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


def _knows_derivatives(model, account, person):
    spared = account.values.get(A.INVESTOR_CLASS) == InvestorClass.INSTITUTIONAL
    if spared and model.venue_values[V.INSTITUTIONS_SKIP_DERIVATIVES_KNOWLEDGE]:
        return True
    return model.persons.get(person, 0) > model.now_ns


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


def contract(model, slot, contract_slot):
    """Rows 13 and 14."""
    account, parameters = model.accounts[slot], model.contracts[contract_slot].parameters
    for attribute, parameter in DISCLOSURES:
        wanted = parameters[parameter, 0]
        if parameter == P.DISCLOSURE_AFFILIATE and not parameters[P.AFFILIATE_PRESENT, 0]:
            wanted = 0
        if account.values.get(attribute, 0) < wanted:
            return Reason.DISCLOSURE_NOT_ACKNOWLEDGED
    affiliation = account.values.get(A.AFFILIATION, Affiliation.CLIENT)
    if affiliation in (Affiliation.OPERATOR, Affiliation.CUSTODY):
        return Reason.AFFILIATE_PROHIBITED
    if affiliation == Affiliation.GROUP_COMPANY:
        begins, ends = model.approvals.get((slot, contract_slot), (0, 0))
        if not begins <= model.now_ns < ends:
            return Reason.AFFILIATE_NOT_APPROVED
    return Reason.NONE


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


def schedule(model, slot):
    """When the account next loses something; at one instant they come in the order of their scheduling."""
    account = model.accounts[slot]
    account.lapse_ns = 0
    if client(model, slot):
        return
    dates = [account.values.get(date, 0) for date in DATES]
    if is_group_company(model, slot):
        dates += [ends for (owner, _), (_, ends) in model.approvals.items() if owner == slot and ends]
    second = -(-min(dates) // NS) - FIRST_SECOND
    if 1 <= second <= LAST_SECOND:
        account.lapse_ns = (second + FIRST_SECOND) * NS
        model.entries += 1
        account.lapse_entered = model.entries


def next_lapse(model):
    """The account whose lapse comes first."""
    waiting = [account for account in model.accounts.values() if account.lapse_ns]
    return min(waiting, key=lambda account: (account.lapse_ns, account.lapse_entered), default=None)


def lose(model, slot, contract_slot, reason):
    """Opening orders are cancelled with the cause, in one contract or in all."""
    model.add_job(account=slot, contract=contract_slot, reason=reason, spare_reducing=True, quiet=True)
    model.tell(EventKind.ELIGIBILITY_LAPSED, slot, contract_slot, reason)


def is_overdue(model, slot):
    """A date has passed whose lapse is still to come."""
    return bool(model.accounts[slot].lapse_ns and client(model, slot))


def catch_up(model, slot):
    """An overdue lapse comes before a command on the account."""
    if is_overdue(model, slot):
        lose(model, slot, NIL, client(model, slot))


def lapse(model, account):
    """An account's instant has come."""
    reason = client(model, account.slot)
    if reason:
        lose(model, account.slot, NIL, reason)
    else:
        for (owner, contract_slot), (begins, ends) in model.approvals.items():
            if owner == account.slot and 0 < ends <= model.now_ns:
                model.approvals[owner, contract_slot] = begins, 0
                lose(model, owner, contract_slot, Reason.AFFILIATE_NOT_APPROVED)
                break
    schedule(model, account.slot)
