"""What an account must be given before it may open risk, as attributes of the engine."""

from engine.codes import AccountAttribute as A
from engine.codes import Reason

DATED = {
    A.KYC_UNTIL_NS: Reason.KYC_NOT_VALID,
    A.SCREENING_UNTIL_NS: Reason.SCREENING_STALE,
    A.EVIDENCE_UNTIL_NS: Reason.PI_EVIDENCE_EXPIRED,
    A.CONFIRMATION_UNTIL_NS: Reason.PI_CONFIRMATION_OVERDUE,
}
"""What of an account ends at an instant, and the reason that orders are refused with from then on."""
DISCLOSURES = {
    "product": A.DISCLOSURE_PRODUCT,
    "loss": A.DISCLOSURE_LOSS,
    "affiliate": A.DISCLOSURE_AFFILIATE,
}
GIVEN = (
    A.KYC_UNTIL_NS, A.SCREENING_UNTIL_NS, A.JURISDICTION_PERMITTED, A.EVIDENCE_UNTIL_NS, A.CONFIRMATION_UNTIL_NS,
    A.VA_KNOWLEDGE, A.RISK_PROFILE, A.AGREEMENT, *DISCLOSURES.values(),
)  # fmt: skip
"""All that an account must be given, besides its class, before it may open risk: 0 is nothing; more, or later, lets it
do more."""


def given_until(until_ns: int) -> dict[A, int]:
    """Every attribute of an account that may open risk until this instant, but its class; disclosures in version 1."""
    return {attribute: until_ns if attribute in DATED else 1 for attribute in GIVEN}
