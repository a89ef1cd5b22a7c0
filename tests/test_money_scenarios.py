"""One scenario for each reason of margin, money and the index; after a refusal nothing has changed."""

from collections.abc import Callable

import pytest

from engine import invariants
from engine.codes import CommandKind, EventKind, MarginMode, MarketState, Reason
from engine.codes import ContractParameter as P
from tests import build, state
from tests.build import BUY, SECOND, SELL, Rows, new
from tests.stage import WORKED, Stage

MICROS = 1_000_000


def exchange(fund: float = 1_000_000, **parameters: int) -> Stage:
    """Account 0 has 2,600 and is long 10 lots at 2000, which need 2,000; account 1 is rich and short."""
    stage = Stage((WORKED | {P[name]: value for name, value in parameters.items()},), accounts=4)
    stage.fund(fund)
    stage.deposit(0, 2_600)
    for account in (1, 2):
        stage.deposit(account, 1_000_000)
    stage.index(2000)
    stage.order(1, SELL, 10, 2000)
    stage.order(0, BUY, 10, 2000)
    return stage


def flagged() -> Stage:
    """Account 0 is below its maintenance margin, nobody may liquidate it, and its flag stands."""
    stage = exchange(LIQUIDATION_ENABLED=0)
    stage.index(1800)
    return stage


def liquidatable() -> Stage:
    """The same with liquidation: its open orders are about to be cancelled."""
    stage = exchange()
    stage.order(0, BUY, 1, 1900)
    for source in range(3):
        stage.send(stage.source_price(source, 1_800_000))
    stage.now_ns = (stage.now_ns // SECOND + 1) * SECOND
    return stage


def settling() -> Stage:
    """The contract's settlement has begun."""
    stage = exchange()
    stage.send(build.contract_state(0, MarketState.SETTLED))
    return stage


def of(kind: CommandKind, **fields: int) -> Callable[[Stage], Rows]:
    """A directive about account 0 and contract 0, whatever the stage."""
    return lambda stage: build.directive(kind, **({"account_slot": 0, "contract_slot": 0} | fields))


def price(source: int, subticks: int, age_ns: int = 0) -> Callable[[Stage], Rows]:
    """A source's price of some age."""

    def rows(stage: Stage) -> Rows:
        row = stage.source_price(source, subticks)
        row.view(build.DIRECTIVE)["source_time_ns"] -= age_ns
        return row

    return rows


REFUSED = [
    (Reason.INSUFFICIENT_MARGIN, exchange, lambda stage: new(0, BUY, 10, 2000)),
    (Reason.INSUFFICIENT_MARGIN, exchange, of(CommandKind.SET_LEVERAGE, value=5)),
    (Reason.LEVERAGE_LIMIT, exchange, of(CommandKind.SET_LEVERAGE, value=11)),
    (Reason.WITHDRAWAL_LIMIT, exchange, of(CommandKind.WITHDRAW, amount_micros=600 * MICROS + 1)),
    (Reason.BAD_AMOUNT, exchange, of(CommandKind.WITHDRAW, amount_micros=0)),
    (Reason.HAS_POSITION, exchange, of(CommandKind.SET_MARGIN_MODE, value=MarginMode.ISOLATED)),
    (Reason.BAD_PARAMETER, exchange, of(CommandKind.TRANSFER, amount_micros=MICROS)),
    (Reason.ACCOUNT_IN_LIQUIDATION, flagged, lambda stage: new(0, BUY, 1, 1700)),
    (Reason.ACCOUNT_IN_LIQUIDATION, flagged, of(CommandKind.WITHDRAW, amount_micros=1)),
    (Reason.UNKNOWN_SOURCE, exchange, price(5, 2_000_000)),
    (Reason.PRICE_IMPLAUSIBLE, exchange, price(0, 0)),
    (Reason.PRICE_IMPLAUSIBLE, exchange, price(0, -1)),
    (Reason.PRICE_IMPLAUSIBLE, exchange, price(0, 200_000_000)),
    (Reason.SETTLEMENT_UNDER_WAY, settling, of(CommandKind.CONTRACT_STATE, code=MarketState.OPEN)),
    (Reason.SETTLEMENT_UNDER_WAY, settling, of(CommandKind.CONTRACT_STATE, code=MarketState.SETTLED)),
    (Reason.STALE_PRICE, exchange, price(0, 2_000_000, age_ns=3600 * SECOND)),
]
REACHED = {reason for reason, _, _ in REFUSED} | {Reason.LIQUIDATION}


@pytest.mark.parametrize(("reason", "begin", "command"), REFUSED, ids=lambda value: getattr(value, "name", ""))
def test_command_is_refused_and_changes_nothing(
    reason: Reason, begin: Callable[[], Stage], command: Callable[[Stage], Rows]
) -> None:
    stage = begin()
    stage.settle()
    before = state.parts(stage.root)
    reports = stage.send(command(stage))
    kinds = (EventKind.REJECTED, EventKind.REFUSED)
    assert [(row["reason"], row["kind"] in kinds) for row in stage.of(*range(1, 64))] == [(reason, True)], reports
    assert state.changed(before, state.parts(stage.root)) == []


def test_most_that_can_be_withdrawn() -> None:
    stage = exchange()
    stage.send(build.directive(CommandKind.WITHDRAW, account_slot=0, amount_micros=600 * MICROS))
    assert stage.cash(0) == 2000
    invariants.check(stage.root)


def test_liquidation_cancels_the_accounts_orders() -> None:
    stage = liquidatable()
    stage.send(build.time())
    stage.settle()
    own = [row["reason"] for row in stage.history(EventKind.CANCELLED) if row["account_slot"] == 0]
    assert own[0] == Reason.LIQUIDATION
    invariants.check(stage.root)
