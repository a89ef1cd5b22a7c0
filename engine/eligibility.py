"""Who may open risk: rows 6 to 15 of the ladder, and the gate word that lets an ordinary order pass them at once.

Attributes change only by commands, so what they mean together is worked out when one changes: `gate` says what is left
to check of an order, `eligible_until_ns` until when that holds. An order of a cleared account costs two comparisons,
and one look at the knowledge of the person who places it where that is required.
"""

import numpy as np

from engine.code_values import EXEC_AFFILIATE, EXEC_POST_ONLY
from engine.codes import (
    NIL,
    AccountAttribute,
    Affiliation,
    InvestorClass,
    MarketState,
    OrdType,
    Reason,
    Restriction,
)
from engine.kernels import inlined, kernel
from engine.row_access import account_at, approval_at, contract_at, known_until_ns, profile_at
from engine.units import FOREVER_NS

CLEARED, PERSONAL, FULL = range(3)
"""What is left to check of an order: the dates alone; the person's knowledge too; the whole ladder."""
ANYONE = -(1 << 62)
"""No person: no order carries this number."""


# --- rows 6 to 12: the client ---------------------------------------------------------------------------------------


@inlined
def skips_client_rules(investor_class):
    """Institutional and qualified corporate investors skip knowledge of virtual assets, risk profile and exposure."""
    return investor_class == InvestorClass.INSTITUTIONAL or investor_class == InvestorClass.QUALIFIED_CORPORATE


@inlined
def needs_person(s, account):
    """Whether the person who places the order must know derivatives; institutions are spared by the venue's policy."""
    return s.institutions_skip_knowledge == 0 or account.investor_class != InvestorClass.INSTITUTIONAL


@inlined
def knows(s, person, now_ns):
    """Whether a person's knowledge of derivatives is in date at an instant."""
    return 0 <= person < s.persons_used and now_ns < known_until_ns(s, person)


@kernel
def _evidence_reason(s, account_slot):
    """Rows 6 to 11: the client's standing and its evidence, each valid while now is before its date."""
    values = profile_at(s, account_slot).values
    if values[AccountAttribute.KYC_UNTIL_NS] <= s.now_ns:
        return Reason.KYC_NOT_VALID
    if values[AccountAttribute.SCREENING_UNTIL_NS] <= s.now_ns:
        return Reason.SCREENING_STALE
    if values[AccountAttribute.JURISDICTION_PERMITTED] == 0:
        return Reason.JURISDICTION_NOT_PERMITTED
    if account_at(s, account_slot).investor_class == InvestorClass.NONE:
        return Reason.NOT_PROFESSIONAL_INVESTOR
    if values[AccountAttribute.PI_WITHDRAWN] != 0:
        return Reason.PI_WITHDRAWN
    if values[AccountAttribute.EVIDENCE_UNTIL_NS] == 0:
        return Reason.PI_EVIDENCE_MISSING
    if values[AccountAttribute.EVIDENCE_UNTIL_NS] <= s.now_ns:
        return Reason.PI_EVIDENCE_EXPIRED
    if values[AccountAttribute.CONFIRMATION_UNTIL_NS] <= s.now_ns:
        return Reason.PI_CONFIRMATION_OVERDUE
    return Reason.NONE


@kernel
def client_reason(s, account_slot, person):
    """Rows 6 to 12 for an order of this person, or with ANYONE for the account whoever places it."""
    reason = _evidence_reason(s, account_slot)
    if reason != Reason.NONE:
        return reason
    account, values = account_at(s, account_slot), profile_at(s, account_slot).values
    skips = skips_client_rules(account.investor_class)
    if not skips and values[AccountAttribute.VA_KNOWLEDGE] == 0:
        return Reason.VA_KNOWLEDGE_REQUIRED
    if person != ANYONE and needs_person(s, account):
        if not knows(s, person, s.now_ns):
            return Reason.DERIVATIVES_KNOWLEDGE_REQUIRED
    if not skips and values[AccountAttribute.RISK_PROFILE] == 0:
        return Reason.RISK_PROFILE_MISMATCH
    if values[AccountAttribute.AGREEMENT] == 0:
        return Reason.AGREEMENT_MISSING
    return Reason.NONE


# --- rows 2 and 3: what the operator has put on the account ---------------------------------------------------------


@kernel
def reducing_is_stopped(s, account_slot):
    """Whether a suspended account may not even reduce: until an instant that two officers have set."""
    until_ns = profile_at(s, account_slot).values[AccountAttribute.REDUCING_STOPPED_UNTIL_NS]
    return account_at(s, account_slot).restriction == Restriction.SUSPENDED and s.now_ns < until_ns


@kernel
def held_reason(s, account_slot, opens):
    """With what cause none of an account's waiting orders may trade, with `opens` none that opens; NONE: they may."""
    account = account_at(s, account_slot)
    if account.restriction == Restriction.CLOSED:
        return Reason.ACCOUNT_CLOSED
    if account.restriction == Restriction.FROZEN:
        return Reason.SANCTIONS
    if reducing_is_stopped(s, account_slot):
        return Reason.ACCOUNT_SUSPENDED
    if opens and (account.restriction == Restriction.SUSPENDED or account.killed):
        return Reason.ACCOUNT_SUSPENDED
    if opens and account.restriction == Restriction.REDUCE_ONLY:
        return Reason.ELIGIBILITY
    return Reason.NONE


# --- rows 13 to 15: this contract -----------------------------------------------------------------------------------


@kernel
def approval_of(s, account_slot, contract_slot):
    """The place of an affiliate's approval for a contract, NIL when it never had one."""
    for place in range(s.approvals_used):
        approval = approval_at(s, place)
        if approval.account_slot == account_slot and approval.contract_slot == contract_slot:
            return place
    return NIL


@kernel
def requires_more(contract, product, loss, affiliate):
    """Whether a contract requires a later version of any disclosure than these."""
    if product < contract.disclosure_product or loss < contract.disclosure_loss:
        return True
    return contract.affiliate_present != 0 and affiliate < contract.disclosure_affiliate


@kernel
def has_acknowledged(s, account_slot, product, loss, affiliate):
    """Whether an account has acknowledged each disclosure at this version or a later one."""
    values = profile_at(s, account_slot).values
    return (
        values[AccountAttribute.DISCLOSURE_PRODUCT] >= product
        and values[AccountAttribute.DISCLOSURE_LOSS] >= loss
        and values[AccountAttribute.DISCLOSURE_AFFILIATE] >= affiliate
    )


@kernel
def contract_reason(s, account_slot, contract_slot):
    """Rows 13 and 14: disclosures at the version this contract requires, and what affiliates may not trade."""
    values = profile_at(s, account_slot).values
    product, loss = values[AccountAttribute.DISCLOSURE_PRODUCT], values[AccountAttribute.DISCLOSURE_LOSS]
    affiliate = values[AccountAttribute.DISCLOSURE_AFFILIATE]
    if requires_more(contract_at(s, contract_slot), product, loss, affiliate):
        return Reason.DISCLOSURE_NOT_ACKNOWLEDGED
    affiliation = account_at(s, account_slot).affiliation
    if affiliation == Affiliation.OPERATOR or affiliation == Affiliation.CUSTODY:
        return Reason.AFFILIATE_PROHIBITED
    if affiliation == Affiliation.GROUP_COMPANY:
        place = approval_of(s, account_slot, contract_slot)
        if place == NIL:
            return Reason.AFFILIATE_NOT_APPROVED
        if s.now_ns < approval_at(s, place).from_ns or s.now_ns >= approval_at(s, place).until_ns:
            return Reason.AFFILIATE_NOT_APPROVED
    return Reason.NONE


@kernel
def opening_reason(s):
    """Rows 6 to 15 for the order in `s.taker`, which opens."""
    taker = s.taker
    reason = client_reason(s, taker.account_slot, taker.person)
    if reason == Reason.NONE:
        reason = contract_reason(s, taker.account_slot, taker.contract_slot)
    if reason == Reason.NONE and s.affiliate_post_only != 0:
        if is_tagged(account_at(s, taker.account_slot)):
            if taker.ord_type != OrdType.LIMIT or taker.flags & EXEC_POST_ONLY == 0:
                return Reason.AFFILIATE_ORDER_STYLE
    return reason


@inlined
def is_tagged(account):
    """Whether an account is no client's but of the operator's group: its orders yield to all clients at their price."""
    return account.affiliation != Affiliation.CLIENT


@inlined
def classify(s, taker):
    """An order is of the class that its account has when it comes to the book, whatever it was before."""
    taker.flags &= ~EXEC_AFFILIATE
    if is_tagged(account_at(s, taker.account_slot)):
        taker.flags |= EXEC_AFFILIATE


# --- the gate -----------------------------------------------------------------------------------------------------


@inlined
def passes(s, account, person, now_ns):
    """Whether an order of this person passes rows 2 to 4 and 6 to 15 at an instant without a further look."""
    if now_ns >= account.eligible_until_ns:
        return False
    if account.gate == CLEARED:
        return True
    return account.gate == PERSONAL and knows(s, person, now_ns)


@kernel
def standing_until_ns(s, account_slot):
    """The earliest of the dates on which an account's evidence ends."""
    values = profile_at(s, account_slot).values
    until_ns = min(values[AccountAttribute.KYC_UNTIL_NS], values[AccountAttribute.SCREENING_UNTIL_NS])
    until_ns = min(until_ns, values[AccountAttribute.EVIDENCE_UNTIL_NS])
    return min(until_ns, values[AccountAttribute.CONFIRMATION_UNTIL_NS])


@kernel
def set_gate(s, account_slot):
    """Work out what is left to check of an order of this account, and until when that holds.

    FULL also while a mass cancel on the account waits: what it takes may not trade.
    """
    account = account_at(s, account_slot)
    account.eligible_until_ns = standing_until_ns(s, account_slot)
    account.gate = PERSONAL if needs_person(s, account) else CLEARED
    if account.restriction != Restriction.NONE or account.killed or account.liquidating or account.pending_jobs != 0:
        account.gate = FULL
    if account.affiliation != Affiliation.CLIENT:
        account.gate = FULL
    if not has_acknowledged(s, account_slot, s.required_product, s.required_loss, s.required_affiliate):
        account.gate = FULL
    if client_reason(s, account_slot, ANYONE) != Reason.NONE:
        account.gate = FULL


@kernel
def set_all_gates(s):
    """A rule of the whole venue has changed: one pass over all accounts, as a mark tick makes one."""
    for slot in range(s.accounts_used):
        if account_at(s, slot).state != 0:
            set_gate(s, slot)


@kernel
def require_disclosures(s):
    """The strictest disclosure versions that any listed contract requires. True when they have changed."""
    product, loss, affiliate = np.int64(0), np.int64(0), np.int64(0)
    for slot in range(s.contracts_used):
        contract = contract_at(s, slot)
        if contract.state != MarketState.DRAFT:
            product = max(product, contract.disclosure_product)
            loss = max(loss, contract.disclosure_loss)
            if contract.affiliate_present:
                affiliate = max(affiliate, contract.disclosure_affiliate)
    changed = product != s.required_product or loss != s.required_loss or affiliate != s.required_affiliate
    s.required_product = product
    s.required_loss = loss
    s.required_affiliate = affiliate
    return changed


@kernel
def next_lapse_ns(s, account_slot):
    """When the account next loses something that lets it open risk; FOREVER_NS when it has nothing to lose."""
    if client_reason(s, account_slot, ANYONE) != Reason.NONE:
        return FOREVER_NS
    due = standing_until_ns(s, account_slot)
    if account_at(s, account_slot).affiliation == Affiliation.GROUP_COMPANY:
        for place in range(s.approvals_used):
            approval = approval_at(s, place)
            if approval.account_slot == account_slot and approval.until_ns != 0:
                due = min(due, approval.until_ns)
    return due
