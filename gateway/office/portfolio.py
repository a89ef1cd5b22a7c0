"""What a professional investor's documents prove together: each item's share, the sum, and the last day of all of it.

Section 5 of Cap. 571D composes an individual's portfolio: own account, joint account with an associate in full, the
share of a joint account with others, and the portfolio of a wholly owned corporation that holds investments. Amounts
are exact fractions of Hong Kong dollars: an equal share of a third has no last decimal, and nothing is rounded before
it is compared.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from engine.codes import InvestorClass
from gateway.office.currencies import CODES
from gateway.office.evidence_params import Item
from gateway.office.professional_investor import (
    AUDITED_MONTHS,
    OTHER_MONTHS,
    THRESHOLDS_HKD,
    EvidenceError,
    hkd_text,
    in_date,
    not_in_future,
    read_amount,
    read_date,
)

DATES = {
    "audited_accounts": ("prepared", "period_end"),
    "custodian_statement": ("issued", "period_end"),
    "auditor_certificate": ("issued",),
    "public_filing": ("filed", "period_end"),
}
"""What a document's date may mean: the day from which the statute counts, or a period's end, which is no later."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What documents prove: the investor's class, the last day of all of them, the sum and what each item counts."""

    investor_class: InvestorClass
    last_day: date
    total_hkd: Fraction
    counted_hkd: tuple[Fraction, ...]


Numbered = Sequence[tuple[int, Item]]
"""Items with their numbers in the record, which errors name."""


def judge(investor: str, measure: str, items: Numbered, today: date) -> Verdict:
    """The class that these documents prove today; raises EvidenceError that names item, field, value and remedy."""
    threshold = THRESHOLDS_HKD.get((investor, measure))
    if threshold is None:
        counted = " or ".join(kind for who, kind in THRESHOLDS_HKD if who == investor)
        raise EvidenceError(f"measure: {measure} does not count for {investor}; {counted} does")
    amounts = [_of_item(number, item, investor, measure, today) for number, item in items]
    _check_once(items)
    last_day = _last_day(items, amounts, threshold, today)
    total = sum(amounts, Fraction(0))
    if total < threshold:
        raise EvidenceError(f"amount: HK${hkd_text(total)} is below the HK${threshold:f} that {investor} needs")
    is_person = investor == "individual"
    investor_class = InvestorClass.INDIVIDUAL if is_person else InvestorClass.CORPORATE
    return Verdict(investor_class, last_day, total, tuple(amounts))


def _check_once(items: Numbered) -> None:
    """Refuse the same amount of the same document twice."""
    seen: dict[tuple[object, ...], int] = {}
    for number, item in items:
        amount = read_amount(item.amount, _at(number, "amount"))
        what = (item.hash, item.asset, item.holding, item.currency, amount)
        first = seen.setdefault(what, number)
        if first != number:
            raise _error(number, "hash", f"this amount of this document is item {first} already; leave one out")


def _last_day(items: Numbered, amounts: list[Fraction], threshold: Decimal, today: date) -> date:
    """The day through which every item counts; an item that is too old may be left out when the rest is enough."""
    days: list[date] = []
    old: list[EvidenceError] = []
    rest = Fraction(0)
    for (number, item), amount in zip(items, amounts, strict=True):
        months = AUDITED_MONTHS if item.document == "audited_accounts" else OTHER_MONTHS
        try:
            days.append(in_date(read_date(item.date, _at(number, "date")), months, today, _at(number, "date")))
        except EvidenceError as error:
            old.append(error)
        else:
            rest += amount
    if not old:
        return min(days)
    remedy = f"leave it out: the others come to HK${hkd_text(rest)}" if rest >= threshold else "give a newer one"
    raise EvidenceError(f"{old[0]}; {remedy}")


def _of_item(number: int, item: Item, investor: str, measure: str, today: date) -> Fraction:
    """What one item counts, in Hong Kong dollars."""
    _check_document(number, item, investor)
    _check_asset(number, item, measure)
    amount = Fraction(read_amount(item.amount, _at(number, "amount"))) * _rate(number, item, today)
    if investor != "individual" and item.holding != "own":
        raise _error(number, "holding", f"{item.holding} is for an individual; {investor} counts its own: leave it out")
    for field, holdings in _GIVEN_FOR.items():
        if getattr(item, field) is not None and item.holding not in holdings:
            raise _error(number, field, f"it is for {' or '.join(holdings)}, not for {item.holding}; leave it out")
    return amount * _SHARES[item.holding](number, item)


def _check_document(number: int, item: Item, investor: str) -> None:
    if investor == "individual" and item.document == "audited_accounts":
        raise _error(number, "document", "audited_accounts are a corporation's; an individual has none")
    meanings = DATES[item.document]
    if item.date_means not in meanings:
        told = " or ".join(meanings)
        raise _error(number, "date_means", f"{item.date_means}: {item.document} counts from when it was {told}")


def _check_asset(number: int, item: Item, measure: str) -> None:
    if item.asset == "virtual_assets":
        why = "virtual_assets are none of securities, certificates of deposit and money (Cap. 571D, section 2)"
        raise _error(number, "asset", f"{why}; they do not count: leave them out")
    if (measure == "portfolio") != (item.asset is not None):
        raise _error(number, "asset", "say for each item of a portfolio what it is, and leave it out for total_assets")


def _rate(number: int, item: Item, today: date) -> Fraction:
    if item.currency not in CODES:
        told = f"{item.currency} is no currency of ISO 4217 (virtual assets do not count)"
        raise _error(number, "currency", f"{told}; give the amount in one")
    fields = {"rate": item.rate, "rate_source": item.rate_source, "rate_date": item.rate_date}
    for field, value in fields.items():
        if (item.currency == "HKD") != (value is None):
            raise _error(number, field, "give it for an amount in another currency than HKD, and only then")
    if item.rate is None or item.rate_date is None:
        return Fraction(1)
    not_in_future(read_date(item.rate_date, _at(number, "rate_date")), today, _at(number, "rate_date"))
    return Fraction(read_amount(item.rate, _at(number, "rate")))


# --- whose it is: section 5(1)(a) to (d) ----------------------------------------------------------------------------


def _own(number: int, item: Item) -> Fraction:
    return Fraction(1)


def _with_associate(number: int, item: Item) -> Fraction:
    """A joint account with the spouse or a child counts in full."""
    if item.associate is None:
        raise _error(number, "associate", "say spouse or child; with anybody else it is joint_with_others")
    return Fraction(1)


def _with_others(number: int, item: Item) -> Fraction:
    """The share by the holders' written agreement, or an equal one."""
    if (item.share_percent is None) == (item.holders is None):
        raise _error(number, "share_percent", "give it with the agreement, or holders for an equal share: one of them")
    if item.holders is not None:
        return Fraction(1, item.holders)
    percent = read_amount(item.share_percent or "", _at(number, "share_percent"))
    if percent >= 100:
        raise _error(number, "share_percent", f"{percent:f} is not below 100; with others there is a rest")
    if item.proof_hash is None:
        raise _error(number, "proof_hash", "it is missing; a share that is not equal needs the holders' agreement")
    return Fraction(percent) / 100


def _of_corporation(number: int, item: Item) -> Fraction:
    """The portfolio of a corporation that the individual wholly owns and whose principal business is investments."""
    if item.proof_hash is None:
        raise _error(
            number, "proof_hash", "it is missing; show the whole ownership and the business of the corporation"
        )
    return Fraction(1)


_SHARES: dict[str, Callable[[int, Item], Fraction]] = {
    "own": _own,
    "joint_with_associate": _with_associate,
    "joint_with_others": _with_others,
    "corporation": _of_corporation,
}
_GIVEN_FOR = {
    "associate": ("joint_with_associate",),
    "holders": ("joint_with_others",),
    "share_percent": ("joint_with_others",),
    "proof_hash": ("joint_with_associate", "joint_with_others", "corporation"),
}
"""Fields that only some holdings have."""


def _at(number: int, field: str) -> str:
    return f"item {number}, {field}"


def _error(number: int, field: str, why: str) -> EvidenceError:
    return EvidenceError(f"{_at(number, field)}: {why}")
