"""Funding: the rate from the premium samples of the interval, and what every position pays or gets (Rulebook 10)."""

from fractions import Fraction
from math import floor

from engine.codes import ContractParameter as P
from engine.codes import EventKind, MarketState, Reason
from tests.model.ledger import PPB, clamp
from tests.model.records import SUBTICKS

NS = 1_000_000_000
EIGHT_HOURS_S = 8 * 3600


def next_weight(contract):
    """1 to n from the interval's first sample to its last, or all equal, as the parameter is when a sample is taken
    (Rulebook 10)."""
    return 1 if contract.parameters[P.FUNDING_EQUAL_WEIGHTS, 0] else len(contract.samples)


def weighted_sum(contract):
    """The sum of weight * premium."""
    return sum(weight * premium for weight, premium in zip(contract.weights, contract.samples, strict=True))


def average(contract):
    """The weighted mean of the interval's samples, rounded down; missing ones are skipped."""
    return weighted_sum(contract) // sum(contract.weights) if contract.samples else 0


def rate(contract):
    """F8 = avg + clamp(interest - avg), within the cap; then scaled to the interval (Rulebook 10)."""
    mean, interest = average(contract), contract.parameters[P.FUNDING_INTEREST_PPB, 0]
    most, cap = contract.parameters[P.FUNDING_CLAMP_PPB, 0], contract.parameters[P.FUNDING_CAP_PPB, 0]
    eight = clamp(mean + clamp(interest - mean, -most, most), -cap, cap)
    return eight * contract.funding_interval_s // EIGHT_HOURS_S


def payment(contract, size, rate_ppb):
    """What a position gets (negative: pays) at the mark: down in both directions, so that who owes pays more."""
    unit = contract.parameters[P.MICROS_PER_TICK_LOT, 0]
    return floor(-Fraction(contract.mark * size * unit, SUBTICKS) * Fraction(rate_ppb, PPB))


def begin(model, contract):
    """The first index starts it. It is paid at whole intervals of UTC: by default at 00:00, 08:00 and 16:00."""
    contract.funding_start_ns = model.now_ns
    take_intervals(contract)
    contract.next_funding_ns = next_instant(model, contract)


def take_intervals(contract):
    """An interval keeps the length and the samples that it began with: a change counts from the next one on."""
    contract.funding_interval_s = contract.parameters[P.FUNDING_INTERVAL_S, 0]
    contract.sample_interval_s = contract.parameters[P.SAMPLE_INTERVAL_S, 0]


def next_instant(model, contract):
    """The first instant after now; one that was missed is not paid twice (Rulebook 4)."""
    interval = contract.funding_interval_s * NS
    return (model.now_ns // interval + 1) * interval


def is_payable(contract):
    """Not paid at all below half of the interval's samples (Rulebook 4), nor without a mark."""
    wanted = Fraction(contract.funding_interval_s, contract.sample_interval_s)
    return bool(contract.mark) and len(contract.samples) >= wanted / 2


def settle(model, contract):
    """Fix the rate of the interval that ends and pay it, all at one instant; the dust goes to the fund."""
    payable = is_payable(contract)
    contract.funding_rate = rate(contract) if payable else 0
    _reach(model, contract)
    model.tell_of(
        EventKind.FUNDING_RATE,
        contract,
        code=int(payable),
        old_value=average(contract),
        new_value=len(contract.samples),
        amount_micros=weighted_sum(contract),
        price_subticks=contract.mark,
        other_price_subticks=contract.index,
        rate_ppb=contract.funding_rate,
    )
    if contract.funding_rate:
        for position in model.positions:
            if position.contract == contract.slot and position.size:
                _pay(model, contract, position)
    contract.samples, contract.weights = [], []
    contract.funding_start_ns = contract.next_funding_ns
    take_intervals(contract)
    contract.next_funding_ns = next_instant(model, contract)


def _reach(model, contract):
    mean, interest = average(contract), contract.parameters[P.FUNDING_INTEREST_PPB, 0]
    most, cap = contract.parameters[P.FUNDING_CLAMP_PPB, 0], contract.parameters[P.FUNDING_CAP_PPB, 0]
    eight = mean + clamp(interest - mean, -most, most)
    model.reach("10 interest within the clamp", abs(interest - mean) <= most)
    model.reach("10 clamped to avg + 0.05 %", interest - mean > most)
    model.reach("10 clamped to avg - 0.05 %", interest - mean < -most)
    model.reach("10 rate at its cap", eight > cap)
    model.reach("10 rate at its floor", eight < -cap)
    model.reach("10 premium above the index", any(sample > 0 for sample in contract.samples))
    model.reach("10 premium below the index", any(sample < 0 for sample in contract.samples))
    model.reach("10 equal weights", contract.samples and contract.parameters[P.FUNDING_EQUAL_WEIGHTS, 0])
    model.reach("10 weights 1 to n", contract.samples and not contract.parameters[P.FUNDING_EQUAL_WEIGHTS, 0])
    model.reach("10 settled while halted", contract.state == MarketState.HALTED and contract.funding_rate)
    model.reach("4 funding missed in an outage, paid once", model.now_ns - contract.next_funding_ns > 10 * NS)


def _pay(model, contract, position):
    """A cross position pays from the account's cash, an isolated one from its own money."""
    got, account = payment(contract, position.size, contract.funding_rate), model.accounts[position.account]
    model.reach("10 a long pays", got < 0 < position.size)
    model.reach("10 a short pays", got < 0 > position.size)
    if position.isolated:
        model.reach("10 an isolated position pays or gets")
        position.isolated_micros += got
    else:
        account.cash += got
    position.funding += got
    model.fund -= got
    model.tell(
        EventKind.FUNDING_PAID,
        account.slot,
        contract.slot,
        Reason.NONE,
        amount_micros=got,
        price_subticks=contract.mark,
        rate_ppb=contract.funding_rate,
        position_lots=position.size,
        cash_micros=account.cash,
    )
