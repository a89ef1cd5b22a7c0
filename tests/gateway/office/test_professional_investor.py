"""Thresholds and civil dates of professional investors: each boundary, and one step beyond it."""

from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

import pytest

from engine.codes import InvestorClass
from gateway.office.evidence_params import Item
from gateway.office.portfolio import DATES, judge
from gateway.office.professional_investor import EvidenceError, in_date, read_amount, read_date
from gateway.wire.civil_dates import add_months, civil_date, lapse_ns, last_day_of

TODAY = date(2026, 11, 26)


def verdict(investor, document, day, measure, amount, rate="1", today=TODAY):
    """What one document proves."""
    foreign = {} if rate == "1" else {"currency": "USD", "rate": rate, "rate_source": "HKMA", "rate_date": str(today)}
    item = Item(
        document=document, date=str(day), date_means=DATES[document][0], hash="ab" * 32, amount=amount,
        asset="securities" if measure == "portfolio" else None, **foreign,
    )  # fmt: skip
    return judge(investor, measure, [(1, item)], today)


@pytest.mark.parametrize(
    ("day", "months", "wanted"),
    [
        ("2025-11-26", 12, "2026-11-26"),
        ("2024-02-29", 12, "2025-02-28"),
        ("2024-02-29", 48, "2028-02-29"),
        ("2023-02-28", 12, "2024-02-28"),
        ("2025-08-31", 6, "2026-02-28"),
        ("2023-08-31", 6, "2024-02-29"),
        ("2025-10-31", 16, "2027-02-28"),
        ("2025-01-31", 16, "2026-05-31"),
        ("2024-10-31", 16, "2026-02-28"),
        ("2025-12-31", 12, "2026-12-31"),
    ],
)
def test_months_clamp_back_to_the_end_of_a_shorter_month(day, months, wanted):
    assert add_months(date.fromisoformat(day), months) == date.fromisoformat(wanted)


def test_a_day_lapses_at_midnight_in_hong_kong_of_the_next():
    until = lapse_ns(date(2030, 3, 31))
    assert until == int(datetime(2030, 3, 31, 16, tzinfo=UTC).timestamp()) * 10**9
    assert civil_date(until - 1) == date(2030, 3, 31) == last_day_of(until)
    assert civil_date(until) == date(2030, 4, 1)
    assert civil_date(int(datetime(2026, 1, 1, 15, 59, 59, tzinfo=UTC).timestamp()) * 10**9) == date(2026, 1, 1)


@pytest.mark.parametrize(
    ("document", "document_date", "last_day"),
    [
        ("custodian_statement", "2025-11-26", "2026-11-26"),
        ("custodian_statement", "2025-11-25", None),
        ("auditor_certificate", "2025-11-26", "2026-11-26"),
        ("public_filing", "2025-11-25", None),
        ("audited_accounts", "2025-07-26", "2026-11-26"),
        ("audited_accounts", "2025-07-25", None),
        ("custodian_statement", "2026-11-26", "2027-11-26"),
        ("custodian_statement", "2026-11-27", None),
    ],
)
def test_exactly_twelve_and_sixteen_months_old_count_and_one_day_older_does_not(document, document_date, last_day):
    case = ("corporation", document, document_date, "portfolio", "8000000")
    if last_day is None:
        with pytest.raises(EvidenceError, match="item 1, date: "):
            verdict(*case)
    else:
        assert verdict(*case).last_day == date.fromisoformat(last_day)


def test_a_statement_of_29_february_counts_through_28_february():
    case = ("individual", "custodian_statement", "2024-02-29", "portfolio", "8000000")
    assert verdict(*case, today=date(2025, 2, 28)).last_day == date(2025, 2, 28)
    with pytest.raises(EvidenceError, match="through 2025-02-28"):
        verdict(*case, today=date(2025, 3, 1))
    with pytest.raises(EvidenceError, match="through 2026-02-28"):
        in_date(date(2024, 10, 31), 16, date(2026, 3, 1))


N, C = InvestorClass.INDIVIDUAL, InvestorClass.CORPORATE


@pytest.mark.parametrize(
    ("investor", "measure", "amount", "rate", "wanted"),
    [
        ("individual", "portfolio", "8000000", "1", N),
        ("individual", "portfolio", "8000000.000000000001", "1", N),
        ("individual", "portfolio", "7999999.99", "1", "below the HK[$]8000000"),
        ("individual", "total_assets", "99000000", "1", "does not count"),
        ("corporation", "portfolio", "8000000", "1", C),
        ("corporation", "portfolio", "7999999.99", "1", "below"),
        ("corporation", "total_assets", "40000000", "1", C),
        ("corporation", "total_assets", "39999999.99", "1", "below the HK[$]40000000"),
        ("partnership", "portfolio", "8000000", "1", C),
        ("partnership", "total_assets", "40000000", "1", C),
        ("partnership", "total_assets", "8000000", "1", "below"),
        ("trust_corporation", "total_assets", "40000000", "1", C),
        ("trust_corporation", "total_assets", "39999999.999999999999", "1", "below"),
        ("trust_corporation", "portfolio", "40000000", "1", "does not count"),
        ("individual", "portfolio", "1025641.025641025641", "7.8", "below"),
        ("individual", "portfolio", "1025641.025641025642", "7.8", N),
        ("individual", "portfolio", "1000000", "8", N),
    ],
)
def test_thresholds_are_exact(investor, measure, amount, rate, wanted):
    case = (investor, "custodian_statement", TODAY, measure, amount, rate)
    if isinstance(wanted, str):
        with pytest.raises(EvidenceError, match=wanted):
            verdict(*case)
    else:
        found = verdict(*case)
        assert (found.investor_class, found.total_hkd) == (wanted, Fraction(Decimal(amount)) * Fraction(Decimal(rate)))


def test_an_individual_has_no_audited_accounts():
    with pytest.raises(EvidenceError, match=r"item 1, document: .* an individual has none"):
        verdict("individual", "audited_accounts", TODAY, "portfolio", "9" * 12)


@pytest.mark.parametrize("text", ["", "0", "0.00", "-8", "8e6", "1_000", "NaN", "8.0000000000001", "٨"])
def test_amounts_have_one_grammar(text):
    with pytest.raises(EvidenceError, match="amount"):
        read_amount(text, "amount")


@pytest.mark.parametrize("text", ["", "2026-02-30", "20260101", "2026-W01-1", "1999-12-31", "2201-01-01", "soon"])
def test_dates_have_one_form(text):
    with pytest.raises(EvidenceError, match="document_date"):
        read_date(text, "document_date")
