"""Who is a professional investor, by which evidence and until which day: thresholds and civil dates, exact and pure.

A document counts by its date in Hong Kong: audited accounts for 16 months, anything else for 12, where the end of a
shorter month stands for a day that it does not have. Evidence is valid **through** its last day and lapses at 00:00 in
Hong Kong of the next. Amounts are exact decimals in Hong Kong dollars, converted at the rate that the record names;
nothing is rounded before it is compared.
"""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from typing import Literal

from engine.codes import InvestorClass
from gateway.wire.civil_dates import add_months

Investor = Literal["individual", "corporation", "partnership", "trust_corporation", "institution"]
Document = Literal[
    "audited_accounts", "custodian_statement", "auditor_certificate", "public_filing", "register_check"
]  # fmt: skip
Measure = Literal["portfolio", "total_assets"]
AUDITED_MONTHS, OTHER_MONTHS, CONFIRMATION_MONTHS = 16, 12, 12
THRESHOLDS_HKD: dict[tuple[str, str], Decimal] = {
    ("individual", "portfolio"): Decimal(8_000_000),
    ("corporation", "portfolio"): Decimal(8_000_000),
    ("corporation", "total_assets"): Decimal(40_000_000),
    ("partnership", "portfolio"): Decimal(8_000_000),
    ("partnership", "total_assets"): Decimal(40_000_000),
    ("trust_corporation", "total_assets"): Decimal(40_000_000),
}
"""The minimum, by kind of investor and what is measured. An institution is proved by a register instead."""
_EXACT = Context(prec=80)
_AMOUNT = re.compile(r"[0-9]{1,18}(\.[0-9]{1,12})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FIRST, _LAST = date(2000, 1, 1), date(2200, 12, 31)


class EvidenceError(ValueError):
    """Evidence that is not enough: one line that names the field, the value and what is needed."""


# --- dates of documents ------------------------------------------------------------------------------------------


def read_date(text: str, field: str) -> date:
    """A date such as 2027-03-31."""
    try:
        day = date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None or not _FIRST <= day <= _LAST:
        raise EvidenceError(f"{field}: {text[:20]!r} is not a date such as 2027-03-31, from {_FIRST} to {_LAST}")
    return day


def not_in_future(day: date, today: date, field: str) -> date:
    """A date that is not in the future, or a refusal."""
    if day > today:
        raise EvidenceError(f"{field}: {day} has not come yet; today is {today} in Hong Kong")
    return day


def in_date(document_date: date, months: int, today: date) -> date:
    """The last day of something that counts for so many months from its date; refused when that day is past."""
    last_day = add_months(not_in_future(document_date, today, "document_date"), months)
    if today > last_day:
        raise EvidenceError(f"document_date: {document_date} counts for {months} months, through {last_day}")
    return last_day


# --- evidence -----------------------------------------------------------------------------------------------------


def read_amount(text: str, field: str) -> Decimal:
    """A positive amount or rate as an exact decimal: up to 18 digits and 12 decimals."""
    if _AMOUNT.fullmatch(text) is None or not Decimal(text):
        raise EvidenceError(f"{field}: {text[:40]!r} is not a positive number such as 8000000.00")
    return Decimal(text)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A document as a verifier saw it; `rate` is how many Hong Kong dollars one unit of its currency is."""

    investor: Investor
    document: Document
    document_date: date
    measure: Measure = "portfolio"
    amount: Decimal = Decimal(0)
    rate: Decimal = Decimal(1)
    is_qualified: bool = False
    """A corporation whose structure, experience and awareness of risk were assessed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a document proves: the investor's class, its last day, and the amount."""

    investor_class: InvestorClass
    last_day: date
    amount_hkd: Decimal


def judge(evidence: Evidence, today: date) -> Verdict:
    """The class that a document proves today and its last day; raises EvidenceError with what is missing."""
    investor, document = evidence.investor, evidence.document
    if (investor == "institution") != (document == "register_check"):
        raise EvidenceError(f"document: {document} does not prove {investor}; an institution is found in a register")
    if investor == "individual" and document == "audited_accounts":
        raise EvidenceError("document: audited_accounts are a corporation's; an individual has none")
    if evidence.is_qualified and investor in ("individual", "institution"):
        raise EvidenceError(f"assessment_hash: {investor} is not assessed as a qualified corporation; leave it out")
    months = AUDITED_MONTHS if document == "audited_accounts" else OTHER_MONTHS
    last_day = in_date(evidence.document_date, months, today)
    if investor == "institution":
        return Verdict(InvestorClass.INSTITUTIONAL, last_day, Decimal(0))
    amount_hkd = _EXACT.multiply(evidence.amount, evidence.rate)
    threshold = THRESHOLDS_HKD.get((investor, evidence.measure))
    if threshold is None:
        counted = " or ".join(measure for kind, measure in THRESHOLDS_HKD if kind == investor)
        raise EvidenceError(f"measure: {evidence.measure} does not count for {investor}; {counted} does")
    if amount_hkd < threshold:
        raise EvidenceError(f"amount: HK${amount_hkd:f} is below the HK${threshold:f} that {investor} needs")
    return Verdict(_class(evidence), last_day, amount_hkd)


def _class(evidence: Evidence) -> InvestorClass:
    if evidence.investor == "individual":
        return InvestorClass.INDIVIDUAL
    return InvestorClass.QUALIFIED_CORPORATE if evidence.is_qualified else InvestorClass.CORPORATE
