"""Funding: the rate from the premium samples of the interval, and what every position pays or gets (Rulebook 10)."""

from fractions import Fraction
from math import floor

from engine.codes import ContractParameter as P
from tests.model.ledger import PPB
from tests.model.prices import clamp
from tests.model.records import SUBTICKS

EIGHT_HOURS_S = 8 * 3600


def average(contract):
    """The mean of the interval's samples with weights 1 to n, or with equal ones (Rulebook 10)."""
    count = len(contract.premiums)
    if not count:
        return 0
    equal = contract.parameters[P.FUNDING_EQUAL_WEIGHTS, 0]
    heavy = [1] * count if equal else range(1, count + 1)
    return sum(weight * value for weight, value in zip(heavy, contract.premiums, strict=True)) // sum(heavy)


def rate(contract):
    """F8 = avg + clamp(interest - avg), within the cap; then scaled to the interval (Rulebook 10)."""
    mean, interest = average(contract), contract.parameters[P.FUNDING_INTEREST_PPB, 0]
    most, cap = contract.parameters[P.FUNDING_CLAMP_PPB, 0], contract.parameters[P.FUNDING_CAP_PPB, 0]
    eight = clamp(mean + clamp(interest - mean, -most, most), -cap, cap)
    return eight * contract.parameters[P.FUNDING_INTERVAL_S, 0] // EIGHT_HOURS_S


def payment(contract, size, rate_ppb):
    """What a position gets (negative: pays) at the mark: down in both directions, so that who owes pays more."""
    unit = contract.parameters[P.MICROS_PER_TICK_LOT, 0]
    return floor(-Fraction(contract.mark * size * unit, SUBTICKS) * Fraction(rate_ppb, PPB))


def has_enough(contract):
    """Not paid at all below half of the interval's samples (Rulebook 4)."""
    wanted = contract.parameters[P.FUNDING_INTERVAL_S, 0] // contract.parameters[P.SAMPLE_INTERVAL_S, 0]
    return 2 * len(contract.premiums) >= wanted


def settle(model, contract):
    """Fix the rate of the interval that ends now, and pay it, everybody at one instant; the dust goes to the fund."""
    if has_enough(contract):
        contract.funding_rate = rate(contract)
        for account in model.accounts.values():
            for position in account.positions:
                if position.contract == contract.slot and position.size:
                    paid = payment(contract, position.size, contract.funding_rate)
                    account.cash += paid
                    model.fund -= paid
    contract.premiums = []
