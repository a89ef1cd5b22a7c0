"""Who is a professional investor, by which evidence and until which day: thresholds and civil dates, exact and pure.

A document counts by its date in Hong Kong: audited accounts for 16 months, anything else for 12, where the end of a
shorter month stands for a day that it does not have. Evidence is valid **through** its last day and lapses at 00:00 in
Hong Kong of the next. Amounts are exact decimals in Hong Kong dollars, converted at the rate that the record names;
nothing is rounded before it is compared.
"""

import re
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from gateway.wire.civil_dates import add_months

Investor = Literal["individual", "corporation", "partnership", "trust_corporation"]
"""Who is a professional investor by figures: Cap. 571D, sections 5, 6, 7 and 4."""
Document = Literal["audited_accounts", "custodian_statement", "auditor_certificate", "public_filing"]
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
"""The minimum, by kind of investor and what is measured. An institution is proved by its limb instead."""
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


def in_date(document_date: date, months: int, today: date, field: str = "document_date") -> date:
    """The last day of something that counts for so many months from its date; refused when that day is past."""
    last_day = add_months(not_in_future(document_date, today, field), months)
    if today > last_day:
        raise EvidenceError(f"{field}: {document_date} counts for {months} months, through {last_day}")
    return last_day


# --- amounts -------------------------------------------------------------------------------------------------------


def read_amount(text: str, field: str) -> Decimal:
    """A positive amount or rate as an exact decimal: up to 18 digits and 12 decimals."""
    if _AMOUNT.fullmatch(text) is None or not Decimal(text):
        raise EvidenceError(f"{field}: {text[:40]!r} is not a positive number such as 8000000.00")
    return Decimal(text)


def hkd_text(amount: Fraction) -> str:
    """An amount in Hong Kong dollars to the cent, for people; a part of a cent is left out, never rounded up."""
    cents = amount.numerator * 100 // amount.denominator
    return f"{cents // 100}.{cents % 100:02d}"
