"""An individual's portfolio as section 5 of Cap. 571D composes it: each share, the sum, and the day of all of it."""

import random
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import count

import pytest

from gateway.office import portfolio
from gateway.office.evidence_params import Item
from gateway.office.professional_investor import EvidenceError, hkd_text
from gateway.wire.civil_dates import add_months

TODAY = date(2026, 11, 26)
HASH = "ab" * 32
MILLION = 1_000_000
_NUMBERS = count(1)


def judge(investor, measure, items, today):
    return portfolio.judge(investor, measure, list(enumerate(items, 1)), today)


def item(amount="8000000", **fields):
    """An item of a document of its own."""
    given = {
        "document": "custodian_statement", "date": str(TODAY), "date_means": "issued", "hash": f"{next(_NUMBERS):064x}",
        "asset": "securities", **fields,
    }  # fmt: skip
    return Item(amount=amount, **given)


def usd(amount, rate="7.8", **fields):
    return item(amount, currency="USD", rate=rate, rate_source="HKMA", rate_date="2026-11-25", **fields)


def total(*items, investor="individual"):
    return judge(investor, "portfolio", items, TODAY).total_hkd


def refused(word, *items, investor="individual"):
    with pytest.raises(EvidenceError, match=word):
        judge(investor, "portfolio", items, TODAY)


def test_own_joint_and_corporate_accounts_count_together():
    found = judge(
        "individual", "portfolio",
        [
            item("3000000"),
            usd("500000", holding="joint_with_associate", associate="spouse"),
            item("1200000", holding="joint_with_others", holders=3),
            item("1000000", holding="joint_with_others", share_percent="12.5", proof_hash=HASH),
            item("575000", holding="corporation", proof_hash=HASH),
        ],
        TODAY,
    )  # fmt: skip
    assert found.counted_hkd == (3 * MILLION, 3_900_000, 400_000, 125_000, 575_000)
    assert found.total_hkd == 8 * MILLION and hkd_text(found.total_hkd) == "8000000.00"


def test_an_equal_third_is_exact_and_a_cent_too_little_is_too_little():
    third = {"holding": "joint_with_others", "holders": 3}
    assert total(item("24000000", **third)) == 8 * MILLION
    assert total(*(item("8000000.01", **third) for _ in range(3))) == Fraction(800_000_001, 100)
    # Two thirds of a cent above the threshold: shown to the cent, but enough.
    assert hkd_text(total(item("24000000.02", **third))) == "8000000.00"
    refused("below the HK[$]8000000", item("23999999.99", **third))
    refused("HK[$]7999999.99 is below", item("7999999.999999999999"))


def test_all_documents_must_be_in_date_and_the_first_to_end_bounds_them():
    old, new = {"date": "2025-11-26", "date_means": "period_end"}, {"date": "2026-06-30"}
    found = judge("individual", "portfolio", [item("4000000", **old), item("4000000", **new)], TODAY)
    assert found.last_day == TODAY
    assert judge("individual", "portfolio", [item("8000000", **new)], TODAY).last_day == date(2027, 6, 30)
    too_old = {"date": "2025-11-25"}
    refused(r"item 2, date: .* through 2026-11-25; give a newer one", item("4000000"), item("5", **too_old))
    why = "item 1, date: 2025-11-25 counts for 12 months, through 2026-11-25; leave it out: the others come to HK[$]9"
    refused(why, item("4000000", **too_old), item("9000000"))


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"asset": "virtual_assets"}, "item 1, asset: virtual_assets .* section 2.*leave them out"),
        ({"asset": None}, "item 1, asset: say"),
        ({"document": "audited_accounts", "date_means": "prepared"}, "item 1, document: .*an individual has none"),
        ({"date_means": "prepared"}, "item 1, date_means: prepared: .* issued or period_end"),
        ({"date": "2026-11-27"}, "item 1, date: 2026-11-27 has not come"),
        ({"date": "2026-02-30"}, "item 1, date: '2026-02-30' is not a date"),
        ({"amount": "0"}, "item 1, amount: '0' is not a positive number"),
        ({"amount": "8,000,000"}, "item 1, amount"),
        ({"rate": "7.8"}, "item 1, rate: give it"),
        ({"rate_source": "HKMA"}, "item 1, rate_source: give it"),
        ({"currency": "USD"}, "item 1, rate: give it"),
        ({"currency": "USD", "rate": "7.8"}, "item 1, rate_source: give it"),
        ({"currency": "USD", "rate": "7.8", "rate_source": "HKMA"}, "item 1, rate_date: give it"),
        (
            {"currency": "USD", "rate": "7.8", "rate_source": "HKMA", "rate_date": "2026-11-27"},
            "item 1, rate_date: 2026-11-27 has not come",
        ),
        ({"holding": "joint_with_associate"}, "item 1, associate: say spouse or child"),
        ({"holding": "joint_with_others"}, "item 1, share_percent: give it"),
        ({"holding": "joint_with_others", "holders": 2, "share_percent": "50"}, "item 1, share_percent: give it"),
        ({"holding": "joint_with_others", "share_percent": "50"}, "item 1, proof_hash: .*holders' agreement"),
        ({"holding": "joint_with_others", "share_percent": "100", "proof_hash": HASH}, "is not below 100"),
        ({"holding": "corporation"}, "item 1, proof_hash: .*ownership"),
        ({"currency": "BTC"}, "item 1, currency: BTC is no currency of ISO 4217"),
        ({"currency": "XAU"}, "item 1, currency: XAU is no currency"),
        ({"holders": 2}, "item 1, holders: it is for joint_with_others, not for own"),
        ({"associate": "child"}, "item 1, associate: it is for joint_with_associate"),
        ({"proof_hash": HASH}, "item 1, proof_hash: it is for"),
        ({"holding": "joint_with_associate", "associate": "child", "holders": 2}, "item 1, holders"),
    ],
)
def test_an_item_that_says_too_little_or_too_much_is_refused_by_number_and_field(fields, word):
    refused(word, item(**{"amount": "99000000", **fields}))
    with pytest.raises(EvidenceError, match=word.replace("item 1", "item 2")):
        judge("individual", "portfolio", [item(), item(**{"amount": "99000000", **fields})], TODAY)


def test_one_amount_of_one_document_counts_once():
    twice = item("4000000", hash=HASH), item("4000000.00", hash=HASH)
    refused("item 2, hash: .* is item 1 already; leave one out", *twice)
    assert total(twice[0], item("4000000")) == 8 * MILLION
    assert total(twice[0], item("4000000", hash=HASH, asset="money")) == 8 * MILLION


def test_what_is_an_individuals_is_no_corporations():
    refused("item 1, holding: corporation is for an individual", item(holding="corporation"), investor="corporation")
    accounts = {"document": "audited_accounts", "date": "2025-12-31", "date_means": "period_end", "asset": None}
    found = judge("corporation", "total_assets", [item("40000000", **accounts)], TODAY)
    assert found.last_day == date(2027, 4, 30)
    with pytest.raises(EvidenceError, match="item 1, asset"):
        judge("corporation", "total_assets", [item("40000000", **{**accounts, "asset": "money"})], TODAY)


# --- against the statute's words, naively -------------------------------------------------------------------------

WHOLE_MONTHS = 12


def naive_last_day(day):
    """Day by day: the last date that lies within twelve months of a document's date."""
    year, month = day.year + 1, day.month
    last = day.day
    while True:
        try:
            return date(year, month, last)
        except ValueError:
            last -= 1


def naive(items):
    """Section 5(1) as it reads: what is on the own account, with an associate, the share with others, the company's."""
    sum_in_hkd, days = Fraction(0), []
    for given in items:
        money = Fraction(given.amount) * Fraction(given.rate or "1")
        if given.holding == "joint_with_others" and given.share_percent is None:
            money /= given.holders
        elif given.holding == "joint_with_others":
            money *= Fraction(given.share_percent) / 100
        sum_in_hkd += money
        days.append(naive_last_day(date.fromisoformat(given.date)))
    return sum_in_hkd, min(days)


def random_item(draw):
    holding = draw.choice(["own", "joint_with_associate", "joint_with_others", "joint_with_others", "corporation"])
    fields = {"holding": holding, "date": str(TODAY - timedelta(draw.choice([0, 1, 30, 364, 365, 366])))}
    if holding == "joint_with_associate":
        fields["associate"] = draw.choice(["spouse", "child"])
    elif holding == "joint_with_others" and draw.random() < 0.5:
        fields["holders"] = draw.randint(2, 7)
    elif holding != "own":
        fields["proof_hash"] = HASH
        if holding == "joint_with_others":
            fields["share_percent"] = f"{draw.randint(1, 9999) / 100:.2f}"
    whole = draw.choice([draw.randint(1, 9_000_000), 8_000_000, 24_000_000, 1_025_641])
    amount = f"{whole}{draw.choice(['', '.01', '.333333333333', '.99'])}"
    if draw.random() < 0.4:
        return usd(amount, rate=draw.choice(["7.8", "7.7512", "1"]), **fields)
    return item(amount, **fields)


@pytest.mark.parametrize("seed", range(8))
def test_the_sum_and_its_last_day_are_the_statutes(seed):
    draw = random.Random(seed)
    outcomes = set()
    for _ in range(400):
        items = [random_item(draw) for _ in range(draw.randint(1, 5))]
        wanted, last = naive(items)
        is_enough, is_in_date = wanted >= Decimal(8_000_000), last >= TODAY
        outcomes.add((is_enough, is_in_date))
        if is_enough and is_in_date:
            found = judge("individual", "portfolio", items, TODAY)
            assert (found.total_hkd, found.last_day) == (wanted, last)
            assert sum(found.counted_hkd) == wanted
        else:
            refused("is below the HK[$]8000000 that" if is_in_date else "counts for 12 months", *items)
    assert len(outcomes) == 4
    assert naive_last_day(date(2024, 2, 29)) == add_months(date(2024, 2, 29), WHOLE_MONTHS)
