"""The rules of the admission ladder about account, client and contract, for a client who asks; the engine decides.

Dates are given as the last civil day in Hong Kong on which something counts.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from engine.codes import AccountAttribute as A
from engine.codes import Affiliation, InvestorClass, MarketState, Reason, Restriction, VenueState
from engine.units import FOREVER_NS
from gateway.registry.required_attributes import DATED, DISCLOSURES
from gateway.wire.civil_dates import civil_date, last_day_of
from gateway.wire.decimals import Contract
from gateway.wire.views import LapseWarning, RuleState

WARNING_DAYS = (1, 7, 30, 60)
"""How many days before the last day a client is warned."""
PERSONAL = (Reason.DERIVATIVES_KNOWLEDGE_REQUIRED,)
"""The rules that are about the person who places an order, not about the client."""
_CLOSED = 2
"""The state of a closed account, which may also be a frozen client's."""
_EXEMPT = (InvestorClass.INSTITUTIONAL, InvestorClass.QUALIFIED_CORPORATE)
_BY_STATE = {
    MarketState.DRAFT: Reason.UNKNOWN_CONTRACT,
    MarketState.POST_ONLY: Reason.MARKET_POST_ONLY,
    MarketState.REDUCE_ONLY: Reason.MARKET_REDUCE_ONLY,
    MarketState.CANCEL_ONLY: Reason.MARKET_CANCEL_ONLY,
}


def warnings(state: Any, account_slot: int) -> list[LapseWarning]:
    """What lapses for an account within 60 days, each with the step of 60, 30, 7 or 1 days that it has reached."""
    values, now_ns = state["profiles"][account_slot]["values"], int(state["now_ns"])
    today = civil_date(now_ns)
    found = []
    for attribute, reason in DATED.items():
        until_ns = int(values[attribute])
        if until_ns <= now_ns:
            continue
        last_day = last_day_of(until_ns)
        days_left = (last_day - today).days
        if days_left <= WARNING_DAYS[-1]:
            step = next(days for days in WARNING_DAYS if days_left <= days)
            found.append(LapseWarning(int(reason), str(last_day), days_left, step))
    return found


def rule_states(state: Any, account_slot: int, person: int, contracts: Sequence[Contract]) -> list[RuleState]:
    """Each rule in order of precedence for an order of this person in these contracts: met or not, and why."""
    rows = [
        *_account_rules(state, account_slot),
        *_market_rules(state, contracts),
        *_client_rules(state, account_slot, person),
    ]
    for contract in contracts:
        rows += _contract_rules(state, account_slot, contract)
    return [RuleState(int(reason), bool(is_met), detail) for reason, is_met, detail in rows]


Rule = tuple[Reason, bool, str]


def _account_rules(state: Any, account_slot: int) -> Iterator[Rule]:
    account = state["accounts"][account_slot]
    restriction = int(account["restriction"])
    yield Reason.ACCOUNT_CLOSED, int(account["state"]) != _CLOSED, ""
    yield Reason.ACCOUNT_RESTRICTED, restriction not in (Restriction.FROZEN, Restriction.REDUCE_ONLY), ""
    is_suspended = restriction == Restriction.SUSPENDED or bool(account["killed"])
    yield Reason.ACCOUNT_SUSPENDED, not is_suspended, while_suspended(state, account_slot) if is_suspended else ""
    yield Reason.ACCOUNT_IN_LIQUIDATION, not account["liquidating"], ""


def while_suspended(state: Any, account_slot: int) -> str:
    """What a suspended account, or one whose kill switch is on, may do."""
    until_ns = int(state["profiles"][account_slot]["values"][A.REDUCING_STOPPED_UNTIL_NS])
    is_suspended = int(state["accounts"][account_slot]["restriction"]) == Restriction.SUSPENDED
    if not is_suspended or until_ns <= int(state["now_ns"]):
        return "reducing orders are accepted"
    return f"reducing orders are not accepted through {last_day_of(until_ns)} (Hong Kong); cancels are"


def _market_rules(state: Any, contracts: Iterable[Contract]) -> Iterator[Rule]:
    yield Reason.VENUE_HALTED, int(state["venue_state"]) == VenueState.OPEN, ""
    for contract in contracts:
        market = MarketState(int(state["contracts"][contract.slot]["state"]))
        if market != MarketState.OPEN:
            yield _BY_STATE.get(market, Reason.MARKET_HALTED), False, f"{contract.name} is {market.name.lower()}"


def _client_rules(state: Any, account_slot: int, person: int) -> Iterator[Rule]:
    values = state["profiles"][account_slot]["values"]
    investor = InvestorClass(int(state["accounts"][account_slot]["investor_class"]))
    now_ns, name = int(state["now_ns"]), investor.name.lower()
    spared = f"not asked of {name} investors" if investor in _EXEMPT else ""
    evidence_ns = int(values[A.EVIDENCE_UNTIL_NS])
    yield _dated(Reason.KYC_NOT_VALID, values[A.KYC_UNTIL_NS], now_ns)
    yield _dated(Reason.SCREENING_STALE, values[A.SCREENING_UNTIL_NS], now_ns)
    yield Reason.JURISDICTION_NOT_PERMITTED, values[A.JURISDICTION_PERMITTED] != 0, ""
    yield Reason.NOT_PROFESSIONAL_INVESTOR, investor != InvestorClass.NONE, name
    yield Reason.PI_WITHDRAWN, values[A.PI_WITHDRAWN] == 0, ""
    yield Reason.PI_EVIDENCE_MISSING, evidence_ns != 0, ""
    if evidence_ns:
        yield _dated(Reason.PI_EVIDENCE_EXPIRED, evidence_ns, now_ns)
    yield _dated(Reason.PI_CONFIRMATION_OVERDUE, values[A.CONFIRMATION_UNTIL_NS], now_ns)
    yield Reason.VA_KNOWLEDGE_REQUIRED, spared != "" or values[A.VA_KNOWLEDGE] != 0, spared
    yield _derivatives_knowledge(state, investor, person)
    yield Reason.RISK_PROFILE_MISMATCH, spared != "" or values[A.RISK_PROFILE] != 0, spared
    yield Reason.AGREEMENT_MISSING, values[A.AGREEMENT] != 0, ""


def _derivatives_knowledge(state: Any, investor: InvestorClass, person: int) -> Rule:
    """The knowledge of the person who places the order; here, of the person who asks."""
    reason = Reason.DERIVATIVES_KNOWLEDGE_REQUIRED
    if investor == InvestorClass.INSTITUTIONAL and state["institutions_skip_knowledge"]:
        return reason, True, "not asked of institutional investors"
    until_ns = int(state["persons"][person]) if 0 < person < int(state["persons_used"]) else 0
    _, is_met, detail = _dated(reason, until_ns, int(state["now_ns"]))
    return reason, is_met, f"the person who holds this key: {detail}"


def _contract_rules(state: Any, account_slot: int, contract: Contract) -> Iterator[Rule]:
    values, row = state["profiles"][account_slot]["values"], state["contracts"][contract.slot]
    missing = [
        f"{name} version {wanted} is in force, acknowledged is {int(values[attribute]) or 'none'}"
        for name, attribute in DISCLOSURES.items()
        for wanted in [int(row[f"disclosure_{name}"])]
        if values[attribute] < wanted and (name != "affiliate" or row["affiliate_present"])
    ]
    detail = "; ".join(missing) or "acknowledged as in force"
    yield Reason.DISCLOSURE_NOT_ACKNOWLEDGED, not missing, f"{contract.name}: {detail}"
    affiliation = Affiliation(int(values[A.AFFILIATION]))
    yield Reason.AFFILIATE_PROHIBITED, affiliation not in (Affiliation.OPERATOR, Affiliation.CUSTODY), ""
    if affiliation == Affiliation.GROUP_COMPANY:
        yield _approval(state, account_slot, contract)
        if state["affiliate_post_only"]:
            yield Reason.AFFILIATE_ORDER_STYLE, True, "only post-only limit orders are taken from this account"
    if row["needs_index"] and not (row["index_subticks"] and row["mark_subticks"]):
        yield Reason.REFERENCE_PRICE_UNAVAILABLE, False, f"{contract.name} has no index or mark price yet"


def _approval(state: Any, account_slot: int, contract: Contract) -> Rule:
    """The committee's approval of one affiliate in one contract, and whether it is in force."""
    now_ns, reason = int(state["now_ns"]), Reason.AFFILIATE_NOT_APPROVED
    for row in state["approvals"][: int(state["approvals_used"])]:
        if int(row["account_slot"]) == account_slot and int(row["contract_slot"]) == contract.slot and row["until_ns"]:
            start_ns, until_ns = int(row["from_ns"]), int(row["until_ns"])
            period = f"from {civil_date(start_ns)} through {last_day_of(until_ns)}"
            return reason, start_ns <= now_ns < until_ns, f"{contract.name}: approved {period}"
    return reason, False, f"{contract.name}: there is no approval"


def _dated(reason: Reason, until_ns: Any, now_ns: int) -> Rule:
    until_ns = int(until_ns)
    if not until_ns:
        return reason, False, "never given"
    if until_ns == FOREVER_NS:
        return reason, True, "valid without end"
    if until_ns > now_ns:
        return reason, True, f"valid through {last_day_of(until_ns)} (Hong Kong)"
    return reason, False, f"lapsed after {last_day_of(until_ns)} (Hong Kong)"
