"""The model's margin by hand: worked examples, and the edges of brackets, limits, collateral and fills."""

from typing import Any

import pytest

from engine.codes import AccountAttribute as A
from engine.codes import CommandKind as K
from engine.codes import ContractParameter as P
from engine.codes import EventKind, MarginMode, MarketState, Reason, Side
from engine.codes import VenueParameter as V
from tests import build
from tests.model import Model, collateral, isolated, margin
from tests.model.records import Account, Contract, Order, Parameters, Position
from tests.pair import Pair, Reference
from tests.stage import MICROS, WORKED

BUY, SELL = Side.BUY, Side.SELL
STEPS = ((0, 10, 50_000_000), (4_000, 5, 100_000_000), (20_000, 2, 250_000_000))
"""Brackets: floors in units, leverage, maintenance rate."""
Parts = tuple[Model, Account, Contract]


def venue(mark: float, cash: float = 0, brackets: Any = STEPS[:1], **fees: int) -> Parts:
    """A model of one account and one contract whose lot is worth a unit a tick."""
    model, contract, account = Model(), Contract(0, state=MarketState.OPEN), Account(0, cash=round(cash * MICROS))
    contract.parameters = Parameters({(code, index): 0 for code in P for index in range(10)})
    contract.parameters.update({(code, 0): value for code, value in WORKED.items()})
    contract.parameters.update({(P[name], 0): value for name, value in fees.items()})
    for place, (floor, leverage, rate) in enumerate(brackets):
        contract.parameters[P.BRACKET_FLOOR_MICROS, place] = floor * MICROS
        contract.parameters[P.BRACKET_LEVERAGE, place] = leverage
        contract.parameters[P.BRACKET_MMR_PPB, place] = rate
    contract.mark = contract.index = round(mark * 1000)
    model.contracts[0], model.accounts[0] = contract, account
    return model, account, contract


def holding(parts: Parts, size: int, price: int, **fields: Any) -> Position:
    """The account's position, entered at a price."""
    position = parts[0].position(0, 0, create=True)
    position.size, position.entry_cost = size, size * price * MICROS
    for name, value in fields.items():
        setattr(position, name, value)
    return position


def resting(parts: Parts, side: int, lots: int, price: int, flags: int = 0) -> Order:
    """One of the account's orders on the book, admitted at the mark of now."""
    order = Order(0, 0, 0, side, 2, 1, flags, price, lots, resting=True)
    parts[0].accept(order)
    margin.fix(parts[0], order, price)
    return order


# --- requirements -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("held", "expected"), [(1, 5950), (-1, 6100)])
def test_the_published_example(held: int, expected: int) -> None:
    """Rulebook 8, in tenths of a coin: long 0.5 at 20,000, a buy and a sell of 0.1, 2x; and the same held short."""
    parts = venue(20_000)
    position = holding(parts, held * 5, 20_000, leverage=2)
    position.entry_cost = position.size * 20_000 * MICROS
    resting(parts, BUY, 1, 19_000)
    resting(parts, SELL, 1, 22_000)
    assert margin.need(parts[0], position) == 10 * expected * MICROS


def test_orders_of_the_other_side_count_beyond_the_position() -> None:
    parts = venue(1000)
    position = holding(parts, 4, 1000)
    order = resting(parts, SELL, 7, 1000)
    assert margin.need(parts[0], position) == 400 * MICROS, "7 - 4 is less than 4"
    order.leaves = 9
    assert margin.need(parts[0], position) == 500 * MICROS, "9 - 4 is more"
    resting(parts, SELL, 90, 1000, flags=1)
    assert margin.need(parts[0], position) == 500 * MICROS, "reduce-only orders add nothing"


def test_a_sell_counts_at_the_mark_when_its_limit_is_lower_and_stays_so() -> None:
    """Two at 990 with the mark at 1000: margin of 2000, loss 20, and 0.05 % of 2000; later marks change nothing."""
    parts = venue(1000, TAKER_FEE_PPB=500_000)
    resting(parts, SELL, 2, 990)
    resting(parts, SELL, 1, 1010)
    position = parts[0].position(0, 0)
    before = margin.need(parts[0], position)
    assert before == (301 + 20) * MICROS + 3010 * MICROS // 2000
    parts[2].mark = 1_050_000
    assert margin.need(parts[0], position) == before


@pytest.mark.parametrize(("worth", "leverage", "maintenance"), [
    (4_000, 10, 200.0), (4_000.000001, 5, 200.0), (20_000, 5, 1_800.0), (20_000.000001, 2, 1_800.0),
    (24_000, 2, 2_800.0),
])  # fmt: skip
def test_a_bracket_ends_with_its_last_micro(worth: float, leverage: int, maintenance: float) -> None:
    """Deductions 0, 200 and 3200: maintenance is continuous, leverage is not; at a floor the lower bracket holds."""
    _, _, contract = venue(1000, brackets=STEPS)
    micros = round(worth * MICROS)
    _, cap, rate, deduction = margin.bracket(contract, micros)
    assert cap == leverage
    assert -(-micros * rate // 10**9) - deduction == pytest.approx(maintenance * MICROS, abs=1)
    assert margin.initial(Position(0, 0, leverage=7), contract, micros) == -(-micros // min(7, leverage))


def test_requirements_round_up_and_equity_rounds_down() -> None:
    parts = venue(333.333, TAKER_FEE_PPB=333)
    parts[2].parameters[P.MICROS_PER_TICK_LOT, 0] = 1
    position = holding(parts, -7, 0, entry_cost=-2300)
    assert margin.unrealised(parts[0], position) == -34, "-2333.331 rounds down"
    assert margin.notional(parts[2], -7) == 2334
    assert margin.maintenance(parts[0], position) == 117, "5 % of 2334 is 116.7"
    assert margin.own_initial(parts[0], position) == 234


# --- what may leave ---------------------------------------------------------------------------------------------------


def test_withdrawable_counts_losses_and_no_profit() -> None:
    for mark, expected in ((1000, 600), (1100, 560), (900, 240)):
        parts = venue(mark, cash=1000)
        holding(parts, 4, 1000)
        assert margin.withdrawable(parts[0], parts[1]) == expected * MICROS, mark
    parts[1].liquidating = True
    assert margin.withdrawable(parts[0], parts[1]) == 0


def test_collateral_carries_positions_and_is_not_paid_out() -> None:
    parts = venue(1000, cash=300)
    asset = parts[0].assets[1]
    asset.coin_micros, asset.weight_ppb, asset.limit = 1000 * MICROS + 1, 333_333_333, 200 * MICROS
    parts[1].collateral[1] = 30_000_000
    assert collateral.value(parts[0], parts[1]) == 99_999_999, "300.0000003 and then a third, each rounded down"
    holding(parts, 3, 1000)
    assert margin.withdrawable(parts[0], parts[1]) == 99_999_999
    parts[1].collateral[1] = 90_000_000
    assert collateral.value(parts[0], parts[1]) == 200 * MICROS, "the cap"
    parts[0].position(0, 0).size = 0
    assert margin.withdrawable(parts[0], parts[1]) == 300 * MICROS


@pytest.mark.parametrize(("fund", "units", "cash"), [(10**9, 51_021, 0), (100, 10_205, -400), (0, 0, -500)])
def test_the_fund_takes_as_much_as_it_can_pay(fund: int, units: int, cash: int) -> None:
    """A coin at 1 unit, paid 0.98: whole units, rounded up, and what is paid for them down."""
    parts = venue(1000)
    model, account, _ = parts
    model.fund, account.cash, account.collateral[1] = fund, -500, 10**8
    model.assets[1].coin_micros = 1_000_000
    assert collateral.take(model, account) == ([(1, units, 500 + cash)] if units else [])
    assert (account.cash, model.fund) == (cash, fund - 500 - cash)


# --- fills ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "equity", "expected"), [
    (14, 0, 1001), (14, 1, 1001), (14, 7, 1000), (14, 20, 1000), (14, 21, 999),
    (-14, 0, 999), (-14, 6, 999), (-14, 7, 1000), (-14, 21, 1000), (-14, 22, 1001),
])  # fmt: skip
def test_a_closing_limit_is_the_bankruptcy_price_less_the_fee(size: int, equity: int, expected: int) -> None:
    """14 at a mark of 1000 and 0.05 %: at an equity of 0 a long needs 1000.5, in whole ticks away from its loss."""
    parts = venue(1000, cash=equity, TAKER_FEE_PPB=500_000)
    holding(parts, size, 1000)
    order = Order(0, 0, 0, SELL if size > 0 else BUY, 2, 1, 1, 1 if size > 0 else 60_000, 5)
    assert margin.closing_limit(parts[0], order) == expected


def test_a_fill_may_use_up_all_but_the_micro_that_rounding_may_cost() -> None:
    """A sell at 900 loses 100 and pays 45; a rebate does not help, and a gain needs no money."""
    for cash, expected in ((145.000001, True), (145, False)):
        parts = venue(1000, cash=cash)
        position = parts[0].position(0, 0, create=True)
        assert margin.bears(parts[0], position, -1, 900, 50_000_000) is expected
        assert margin.bears(parts[0], position, -1, 855, -50_000_000) is expected
        assert margin.bears(parts[0], position, 1, 900, 50_000_000) is True


def test_money_of_an_isolated_position_comes_at_its_fills_and_goes_with_them() -> None:
    """Buys 7 at 1003, sells 3 of them at 1001, then turns short; mark 1000, taker 0.05 %, 10x."""
    parts = venue(1000, cash=10_000, TAKER_FEE_PPB=500_000)
    model, account, contract = parts
    position = holding(parts, 0, 0, isolated=True)
    for lots, price, inside, cash in (
        (7, 1003, 723.1, 9273.3895),
        (-3, 1001, 414.056286, 9574.931714),
        (-5, 1001, 100.6005, 9877.885),
    ):
        before = position.size
        from_ledger = pay(model, position, contract, lots, price)
        isolated.after_fill(model, position, before, price)
        assert from_ledger == abs(lots) * price * 500
        assert (position.isolated_micros, account.cash) == (round(inside * MICROS), round(cash * MICROS)), price


def pay(model: Model, position: Position, contract: Contract, lots: int, price: int) -> int:
    """Book a fill as a taker."""
    return margin.ledger.settle(model, position, contract, lots, price, margin.fee_rate(contract, taker=True))


# --- beside the engine ------------------------------------------------------------------------------------------------


def both(cash: int, brackets: Any = STEPS) -> Pair:
    """Engine and model with a contract of three brackets, accounts 0 with so much and 1 with plenty."""
    pair = Pair(watched=True)
    parameters = WORKED | {P.TAKER_FEE_PPB: 500_000, P.BAND_PPB: 49_000_000}
    listing = [build.person(1), *build.opened(0, amount_micros=cash * MICROS), *build.opened(1, amount_micros=1 << 50)]
    listing += build.draft(0, parameters)
    for place, (floor, leverage, rate) in enumerate(brackets):
        listing.append(build.contract_set(0, P.BRACKET_FLOOR_MICROS, floor * MICROS, place))
        listing.append(build.contract_set(0, P.BRACKET_LEVERAGE, leverage, place))
        listing.append(build.contract_set(0, P.BRACKET_MMR_PPB, rate, place))
    pair.play([*listing, build.directive(K.CONTRACT_LIST, contract_slot=0), Reference(0, 1_000_000, 1_000_000)])
    return pair


def reason(pair: Pair, rows: Any) -> int:
    """Why a command was refused, 0 when it was not."""
    return next((row["reason"] for row in pair.send(rows) if row["kind"] in (EventKind.REJECTED, EventKind.REFUSED)), 0)


def test_an_order_needs_all_of_its_margin_to_the_micro() -> None:
    """5 at 1000 in the bracket of 5x: 1000 and a fee of 2.5."""
    for extra, expected in ((0, 0), (-1, Reason.INSUFFICIENT_MARGIN)):
        pair = both(1003)
        pair.send(build.directive(K.WITHDRAW, account_slot=0, amount_micros=MICROS // 2 - extra))
        assert reason(pair, build.new(0, BUY, 5, 1000)) == expected
        assert reason(pair, build.new(0, BUY, 5, 1001)) != 0, "in any case no more"


def test_leverage_is_lowered_only_as_far_as_margin_carries_it_and_never_above_the_accounts_own() -> None:
    pair = both(1000)

    def leverage(value: int) -> int:
        return reason(pair, build.directive(K.SET_LEVERAGE, account_slot=0, contract_slot=0, value=value, person=1))

    pair.play([build.new(1, SELL, 4, 1000), build.new(0, BUY, 4, 1000)])
    assert [leverage(value) for value in (5, 11, -1, 6)] == [0, Reason.LEVERAGE_LIMIT, Reason.BAD_PARAMETER, 0]
    assert leverage(4) == Reason.INSUFFICIENT_MARGIN, "the fees took 2"
    pair.send(build.account_set(0, A.MAX_LEVERAGE, 5))
    assert [leverage(value) for value in (0, 6, 5)] == [Reason.LEVERAGE_LIMIT, Reason.LEVERAGE_LIMIT, 0]
    assert reason(pair, build.new(1, BUY, 1, 999)) == 0
    pair.send(build.account_set(0, A.MAX_LEVERAGE, 4))
    assert reason(pair, build.new(0, BUY, 1, 900)) == Reason.LEVERAGE_LIMIT


def test_what_no_asset_may_be_and_what_no_haircut_may_be() -> None:
    pair = both(1000)
    cases = {
        (V.COLLATERAL_HAIRCUT_PPB, 1, 599_999_999): Reason.HAIRCUT_TOO_LOW,
        (V.COLLATERAL_HAIRCUT_PPB, 1, 600_000_000): 0,
        (V.COLLATERAL_HAIRCUT_PPB, 3, 600_000_000): Reason.BAD_PARAMETER,
        (V.COLLATERAL_ENABLED, 1, 1): Reason.BAD_PARAMETER,
        (V.COLLATERAL_CAP_MICROS, 1, 0): Reason.BAD_PARAMETER,
        (V.COLLATERAL_LOTS_PER_COIN, 1, 100): 0,
        (V.COLLATERAL_CAP_MICROS, 1, 5): 0,
        (V.COLLATERAL_ENABLED, 1, 2): Reason.BAD_PARAMETER,
        (V.COLLATERAL_CONTRACT, 1, 0): Reason.BAD_PARAMETER,
    }
    for (code, index, value), expected in cases.items():
        assert reason(pair, build.directive(K.VENUE_SET, code=code, index=index, value=value)) == expected, (
            code,
            value,
        )
    assert reason(pair, build.directive(K.DEPOSIT, account_slot=0, index=3, amount_micros=1)) != 0


def test_an_isolated_position_of_several_brackets_beside_the_engine() -> None:
    pair = both(20_000)
    pair.send(build.directive(K.SET_MARGIN_MODE, account_slot=0, contract_slot=0, value=MarginMode.ISOLATED))
    pair.play([build.new(1, SELL, 50, 1000)])
    for lots in (3, 1, 1, 2, 9):
        pair.send(build.new(0, BUY, lots, 1003))
    pair.play([build.new(1, BUY, 50, 999), build.new(0, SELL, 7, 990), build.new(0, SELL, 10, 990)])
    assert pair.model.position(0, 0).size == -1
