"""The account rows of the admission ladder, shown to a client who asks; the engine is what decides."""

from typing import Any

from engine.codes import AccountAttribute as A
from engine.codes import Affiliation, InvestorClass, Reason, Restriction
from gateway.views import RuleState

_EXEMPT = (InvestorClass.INSTITUTIONAL, InvestorClass.QUALIFIED_CORPORATE)


def rule_states(account: Any, profile: Any, now_ns: int) -> list[RuleState]:
    """Each rule in order of precedence: met or not, with what is known of it."""
    value = [int(word) for word in profile]
    restriction = int(account["restriction"])
    investor = int(account["investor_class"])
    is_exempt = investor in _EXEMPT
    rows = [
        (Reason.ACCOUNT_CLOSED, restriction != Restriction.CLOSED, ""),
        (Reason.ACCOUNT_RESTRICTED, restriction != Restriction.FROZEN, ""),
        (Reason.ACCOUNT_SUSPENDED, restriction != Restriction.CANCEL_ONLY, ""),
        (Reason.ACCOUNT_IN_LIQUIDATION, int(account["liquidating"]) == 0, ""),
        (Reason.KYC_NOT_VALID, value[A.KYC_UNTIL_NS] > now_ns, _until(value[A.KYC_UNTIL_NS])),
        (Reason.SCREENING_STALE, value[A.SCREENING_UNTIL_NS] > now_ns, _until(value[A.SCREENING_UNTIL_NS])),
        (Reason.JURISDICTION_NOT_PERMITTED, value[A.JURISDICTION_PERMITTED] != 0, ""),
        (Reason.NOT_PROFESSIONAL_INVESTOR, investor != InvestorClass.NONE, InvestorClass(investor).name.lower()),
        (Reason.PI_WITHDRAWN, value[A.PI_WITHDRAWN] == 0, ""),
        (Reason.PI_EVIDENCE_EXPIRED, value[A.EVIDENCE_UNTIL_NS] > now_ns, _until(value[A.EVIDENCE_UNTIL_NS])),
        (
            Reason.PI_CONFIRMATION_OVERDUE,
            value[A.CONFIRMATION_UNTIL_NS] > now_ns,
            _until(value[A.CONFIRMATION_UNTIL_NS]),
        ),
        (Reason.VA_KNOWLEDGE_REQUIRED, is_exempt or value[A.VA_KNOWLEDGE] != 0, ""),
        (Reason.RISK_PROFILE_MISMATCH, is_exempt or value[A.RISK_PROFILE] != 0, ""),
        (Reason.AGREEMENT_MISSING, value[A.AGREEMENT] != 0, ""),
        (Reason.DISCLOSURE_NOT_ACKNOWLEDGED, value[A.DISCLOSURE_PRODUCT] != 0 and value[A.DISCLOSURE_LOSS] != 0, ""),
        (
            Reason.AFFILIATE_PROHIBITED,
            value[A.AFFILIATION] not in (Affiliation.OPERATOR, Affiliation.CUSTODY),
            "",
        ),
    ]
    return [RuleState(int(reason), is_met, detail) for reason, is_met, detail in rows]


def _until(valid_until_ns: int) -> str:
    return f"until {valid_until_ns // 1_000_000} ms" if valid_until_ns else "never given"
