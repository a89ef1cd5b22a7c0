"""The attributes that an account needs before it may open risk."""

from engine.codes import AccountAttribute as A
from engine.codes import Reason

DATED = {
    A.KYC_UNTIL_NS: Reason.KYC_NOT_VALID,
    A.SCREENING_UNTIL_NS: Reason.SCREENING_STALE,
    A.EVIDENCE_UNTIL_NS: Reason.PI_EVIDENCE_EXPIRED,
    A.CONFIRMATION_UNTIL_NS: Reason.PI_CONFIRMATION_OVERDUE,
}
"""Attributes that lapse at an instant, each with the reason for which orders are refused from then on."""
DISCLOSURES = {
    "product": A.DISCLOSURE_PRODUCT,
    "loss": A.DISCLOSURE_LOSS,
    "affiliate": A.DISCLOSURE_AFFILIATE,
}
GIVEN = (
    A.KYC_UNTIL_NS, A.SCREENING_UNTIL_NS, A.JURISDICTION_PERMITTED, A.EVIDENCE_UNTIL_NS, A.CONFIRMATION_UNTIL_NS,
    A.VA_KNOWLEDGE, A.RISK_PROFILE, A.AGREEMENT, *DISCLOSURES.values(),
)  # fmt: skip
"""All attributes besides its class that an account needs before it may open risk. 0 means not given; a larger or later
value lets the account do more."""


def given_until(until_ns: int) -> dict[A, int]:
    """Every attribute of an account that may open risk until this instant, but its class; disclosures in version 1."""
    return {attribute: until_ns if attribute in DATED else 1 for attribute in GIVEN}
