"""BTC and ETH as collateral: what they count for, what is refused, margin calls, and what the fund takes.

The worked contract has lot 1 and tick 1 unit, so one coin is one lot and is worth the index in units.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import host, invariants
from engine.codes import AccountAttribute as A
from engine.codes import Asset, CommandKind, EventKind, ExecInst, MarketState, Reason
from engine.codes import VenueParameter as V
from engine.journal import snapshot, write_snapshot
from engine.schema import POOLED, SMALL, STATE
from tests import build, state
from tests.build import BUY, SELL
from tests.risk_flow import ACCOUNTS, MAKERS, flow, run, start
from tests.stage import MICROS, WORKED, Stage

COIN = 100_000_000
PARAMETERS = {V.COLLATERAL_CONTRACT: 0, V.COLLATERAL_LOTS_PER_COIN: 1, V.COLLATERAL_HAIRCUT_PPB: 600_000_000}
CAP = 10_000 * MICROS


def setting(code: V, value: int, asset: int = Asset.BTC) -> build.Rows:
    """A parameter of a collateral asset."""
    return build.directive(CommandKind.VENUE_SET, code=code, index=asset, value=value)


def moved(kind: CommandKind, account: int, units: int, asset: int = Asset.BTC) -> build.Rows:
    """A deposit or withdrawal of an asset, in units of 1e-8 coin."""
    return build.directive(kind, account_slot=account, index=asset, amount_micros=units)


def exchange(fund: float = 100_000) -> Stage:
    """BTC is accepted with a haircut of 60 % and counts for at most 10,000 units; the index is 2000."""
    stage = Stage((WORKED,), accounts=4)
    for code, value in (PARAMETERS | {V.COLLATERAL_CAP_MICROS: CAP, V.COLLATERAL_ENABLED: 1}).items():
        stage.send(setting(code, value))
    if fund:
        stage.fund(fund)
    stage.deposit(1, 1_000_000)
    stage.index(2000)
    return stage


def reason_of(stage: Stage, row: build.Rows) -> Reason:
    """Why a directive is refused, NONE when it is not; a refusal leaves no trace."""
    before = state.parts(stage.root)
    stage.send(row)
    refused = stage.of(EventKind.REFUSED)
    if refused:
        assert state.changed(before, state.parts(stage.root)) == []
        return Reason(refused[0]["reason"])
    invariants.check(stage.root)
    return Reason.NONE


# --- what is accepted ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asset", [Asset.ETH, 3, -1, 1 << 20])
def test_other_assets_are_refused(asset: int) -> None:
    """ETH is not enabled here, and nothing but BTC and ETH can ever be."""
    assert reason_of(exchange(), moved(CommandKind.DEPOSIT, 0, COIN, asset)) == Reason.COLLATERAL_NOT_ACCEPTED


def test_off_by_default() -> None:
    stage = Stage((WORKED,), accounts=2)
    stage.index(2000)
    assert reason_of(stage, moved(CommandKind.DEPOSIT, 0, COIN)) == Reason.COLLATERAL_NOT_ACCEPTED


def test_cannot_be_enabled_before_it_is_described() -> None:
    stage = Stage((WORKED,), accounts=2)
    assert reason_of(stage, setting(V.COLLATERAL_ENABLED, 1)) == Reason.BAD_PARAMETER


REFUSED_COLLATERAL = [
    (setting(V.COLLATERAL_HAIRCUT_PPB, 599_999_999), Reason.HAIRCUT_TOO_LOW),
    (setting(V.COLLATERAL_HAIRCUT_PPB, 1_000_000_001), Reason.BAD_PARAMETER),
    (setting(V.COLLATERAL_HAIRCUT_PPB, 600_000_000, 3), Reason.BAD_PARAMETER),
    (setting(V.COLLATERAL_HAIRCUT_PPB, 600_000_000, 0), Reason.BAD_PARAMETER),
    (setting(V.COLLATERAL_CONTRACT, 7, Asset.ETH), Reason.UNKNOWN_CONTRACT),
    (setting(V.COLLATERAL_CONTRACT, 0), Reason.BAD_PARAMETER),
    (setting(V.COLLATERAL_CAP_MICROS, 0), Reason.BAD_PARAMETER),
    (setting(V.COLLATERAL_LOTS_PER_COIN, 10_001, Asset.ETH), Reason.BAD_PARAMETER),
    (setting(V.COLLATERAL_ENABLED, 2), Reason.BAD_PARAMETER),
    (moved(CommandKind.DEPOSIT, 0, 0), Reason.BAD_AMOUNT),
    (moved(CommandKind.DEPOSIT, 0, 1 << 61), Reason.BAD_AMOUNT),
    (moved(CommandKind.DEPOSIT, 0, 12 * COIN + COIN // 2 + 1), Reason.CONCENTRATION_CAP),
    (moved(CommandKind.WITHDRAW, 0, 1), Reason.WITHDRAWAL_LIMIT),
    (moved(CommandKind.WITHDRAW, 0, 1, 9), Reason.COLLATERAL_NOT_ACCEPTED),
    (build.contract_state(0, MarketState.SETTLED), Reason.VALUES_COLLATERAL),
]


@pytest.mark.parametrize(("row", "reason"), REFUSED_COLLATERAL)
def test_refused_with_reason_and_nothing_changed(row: build.Rows, reason: Reason) -> None:
    stage = exchange()
    stage.send(moved(CommandKind.DEPOSIT, 2, COIN))
    assert reason_of(stage, row.copy()) == reason


def test_concentration_cap_is_exact() -> None:
    """12.5 coins at 2000 less 60 % are 10,000 units: the cap, and not a unit of 1e-8 more."""
    stage = exchange()
    assert reason_of(stage, moved(CommandKind.DEPOSIT, 0, 12 * COIN + COIN // 2)) == Reason.NONE
    stage.index(2040)
    assert stage.order(0, BUY, 5, 2040)["reason"][0] == Reason.NONE
    assert reason_of(stage, moved(CommandKind.DEPOSIT, 0, 1)) == Reason.CONCENTRATION_CAP


# --- what it counts for -------------------------------------------------------------------------------------------


def test_margin_is_carried_by_forty_percent_of_the_value() -> None:
    """One coin at 2000 counts for 800 units: at 10 x that carries 4 lots (IM 800), not 5."""
    stage = exchange()
    stage.send(moved(CommandKind.DEPOSIT, 0, COIN))
    assert stage.order(0, BUY, 5, 2000)["reason"][0] == Reason.INSUFFICIENT_MARGIN
    assert stage.order(0, BUY, 4, 2000)["reason"][0] == Reason.NONE
    assert reason_of(stage, moved(CommandKind.WITHDRAW, 0, 1)) == Reason.WITHDRAWAL_LIMIT
    stage.send(build.mass_cancel(0))
    assert reason_of(stage, moved(CommandKind.WITHDRAW, 0, COIN)) == Reason.NONE
    assert stage.state["accounts"][0]["has_collateral"] == 0


def test_a_higher_haircut_counts_from_the_next_mark_tick() -> None:
    """A change never moves equity between two re-checks of all accounts."""
    stage = exchange()
    stage.send(moved(CommandKind.DEPOSIT, 0, COIN))
    stage.order(1, SELL, 3, 2000)
    stage.order(0, BUY, 3, 2000)
    stage.send(setting(V.COLLATERAL_HAIRCUT_PPB, 900_000_000))
    assert stage.order(0, BUY, 1, 1990)["reason"][0] == Reason.NONE
    stage.index(2000)
    assert stage.of(EventKind.LIQUIDATION_FLAGGED) != []
    invariants.check(stage.root)


def test_cash_may_be_negative_as_far_as_collateral_covers_it() -> None:
    """A loss of 300 units, taken with no cash: the account owes, stays solvent, and pays when money comes."""
    stage = exchange()
    stage.send(moved(CommandKind.DEPOSIT, 0, COIN))
    stage.order(1, SELL, 3, 2000)
    stage.order(0, BUY, 3, 2000)
    stage.index(1950)
    stage.order(1, BUY, 3, 1900)
    stage.order(0, SELL, 3, 1900, flags=ExecInst.REDUCE_ONLY)
    assert (stage.cash(0), stage.size(0)) == (-300, 0)
    invariants.check(stage.root)
    assert reason_of(stage, build.directive(CommandKind.WITHDRAW, account_slot=0, amount_micros=1)) != Reason.NONE
    assert reason_of(stage, moved(CommandKind.WITHDRAW, 0, 70_000_000)) == Reason.WITHDRAWAL_LIMIT
    assert reason_of(stage, moved(CommandKind.WITHDRAW, 0, 60_000_000)) == Reason.NONE
    stage.deposit(0, 300)
    assert reason_of(stage, moved(CommandKind.WITHDRAW, 0, 40_000_000)) == Reason.NONE


# --- an index that stands still or ends -----------------------------------------------------------------------------


def test_no_deposit_while_the_index_stands_still() -> None:
    """Without live sources the price is old news: what is worth less by now may not be brought in at it."""
    stage = exchange()
    stage.pass_time(12)
    assert reason_of(stage, moved(CommandKind.DEPOSIT, 0, COIN)) == Reason.COLLATERAL_NOT_ACCEPTED
    for _ in range(32):
        stage.index(2000)
    assert reason_of(stage, moved(CommandKind.DEPOSIT, 0, COIN)) == Reason.NONE


def test_a_contract_that_values_collateral_is_settled_only_when_that_counts_for_nothing() -> None:
    """At a haircut of 100 % everybody who needs the coins is dealt with while they can still be sold at an index."""
    stage = exchange()
    stage.send(moved(CommandKind.DEPOSIT, 0, COIN))
    end = build.contract_state(0, MarketState.SETTLED)
    assert reason_of(stage, end.copy()) == Reason.VALUES_COLLATERAL
    stage.send(setting(V.COLLATERAL_HAIRCUT_PPB, 1_000_000_000))
    assert reason_of(stage, end.copy()) == Reason.VALUES_COLLATERAL
    stage.index(2000)
    assert reason_of(stage, end.copy()) == Reason.NONE
    assert reason_of(stage, moved(CommandKind.DEPOSIT, 0, COIN)) == Reason.COLLATERAL_NOT_ACCEPTED
    stage.send(setting(V.COLLATERAL_HAIRCUT_PPB, 600_000_000))
    stage.index(2000)
    assert stage.state["collateral"]["weight_ppb"][0] == 0
    assert reason_of(stage, moved(CommandKind.WITHDRAW, 0, COIN)) == Reason.NONE


def test_after_a_settlement_another_contract_values_the_asset() -> None:
    stage = Stage((WORKED, WORKED), accounts=2)
    for code, value in (PARAMETERS | {V.COLLATERAL_CAP_MICROS: CAP, V.COLLATERAL_ENABLED: 1}).items():
        stage.send(setting(code, value))
    stage.index(2000)
    stage.send(moved(CommandKind.DEPOSIT, 0, COIN), setting(V.COLLATERAL_HAIRCUT_PPB, 1_000_000_000))
    stage.index(2000)
    assert reason_of(stage, setting(V.COLLATERAL_CONTRACT, 1)) == Reason.BAD_PARAMETER
    stage.send(build.contract_state(0, MarketState.SETTLED))
    stage.now_ns += 1900 * build.SECOND
    stage.settle()
    assert stage.state["contracts"]["state"][0] == MarketState.SETTLED
    assert reason_of(stage, setting(V.COLLATERAL_CONTRACT, 0)) == Reason.BAD_PARAMETER
    assert reason_of(stage, setting(V.COLLATERAL_LOTS_PER_COIN, 2)) == Reason.BAD_PARAMETER
    assert reason_of(stage, setting(V.COLLATERAL_CONTRACT, 1)) == Reason.NONE
    assert reason_of(stage, setting(V.COLLATERAL_ENABLED, 1)) == Reason.BAD_PARAMETER
    stage.send(setting(V.COLLATERAL_LOTS_PER_COIN, 2), setting(V.COLLATERAL_HAIRCUT_PPB, 600_000_000))
    stage.index(1000, contract=1)
    assert stage.state["collateral"]["coin_micros"][0] == 2000 * MICROS
    assert stage.order(0, BUY, 8, 1000, contract_slot=1)["reason"][0] == Reason.NONE
    assert reason_of(stage, moved(CommandKind.WITHDRAW, 0, 1)) == Reason.WITHDRAWAL_LIMIT


def test_a_draft_values_nothing() -> None:
    """Its unit may still change, and with it what a number of lots is worth."""
    stage = Stage((), accounts=1)
    stage.send(*build.draft(0, WORKED))
    assert reason_of(stage, setting(V.COLLATERAL_LOTS_PER_COIN, 1)) == Reason.BAD_PARAMETER


# --- margin calls and liquidation ---------------------------------------------------------------------------------


def test_warnings_come_before_liquidation_and_once_each() -> None:
    """2,600 units and 10 lots long at 2000 (MM 5 %): below 1.5 x MM, below 1.2 x MM, then liquidatable."""
    stage = Stage(accounts=3)
    stage.fund(1_000_000)
    stage.deposit(0, 2_600)
    stage.deposit(1, 1_000_000)
    stage.index(2000)
    stage.order(1, SELL, 10, 2000)
    stage.order(0, BUY, 10, 2000)
    levels = []
    for price in (1980, 1930, 1880, 1870, 1850, 1849, 1880, 1850, 1830):
        stage.index(price)
        levels += [(price, call["code"]) for call in stage.of(EventKind.MARGIN_CALL)]
    flagged = stage.history(EventKind.LIQUIDATION_FLAGGED)
    assert levels == [(1880, 1), (1850, 2), (1850, 2)]
    assert [row["account_slot"] for row in flagged] == [0]


def test_fund_takes_collateral_against_what_cash_is_below_zero() -> None:
    """3 lots long lose; after the closing the fund takes units at index * 0.98, and only as many as are needed."""
    stage = exchange()
    stage.send(moved(CommandKind.DEPOSIT, 0, COIN))
    stage.order(1, SELL, 3, 2000)
    stage.order(0, BUY, 3, 2000)
    stage.order(1, BUY, 10, 1790)
    stage.index(1800)
    stage.settle()
    taken = stage.history(EventKind.COLLATERAL_TAKEN)
    assert [row["account_slot"] for row in taken] == [0]
    assert stage.cash(0) >= 0
    units = taken[0]["old_value"] - taken[0]["new_value"]
    assert taken[0]["amount_micros"] == units * 1800 * 98 * MICROS // (100 * COIN)
    assert units + int(stage.state["accounts"][0]["collateral_units"][0]) == COIN
    invariants.check(stage.root)


def test_fund_takes_no_more_than_its_cash_reaches_and_the_account_stays_covered() -> None:
    """A fund that has nothing but the liquidation fee of this round."""
    stage = exchange(fund=0)
    stage.send(moved(CommandKind.DEPOSIT, 0, COIN))
    stage.order(1, SELL, 3, 2000)
    stage.order(0, BUY, 3, 2000)
    stage.order(1, BUY, 10, 1790)
    stage.index(1800)
    stage.settle()
    fee = sum(row["amount_micros"] for row in stage.history(EventKind.LIQUIDATION_FEE))
    paid = sum(row["amount_micros"] for row in stage.history(EventKind.COLLATERAL_TAKEN))
    assert 0 <= fee - paid < 18  # a unit of 1e-8 coin is worth 17.64 micros
    assert stage.cash(0) < 0
    assert stage.state["accounts"][0]["liquidating"] == 0
    invariants.check(stage.root)


def test_owing_account_without_position_is_settled_when_its_collateral_falls() -> None:
    """It owes 300; when 40 % of the coin is worth less than that, the fund takes of it what covers the debt."""
    stage = exchange()
    stage.send(moved(CommandKind.DEPOSIT, 0, COIN))
    stage.order(1, SELL, 3, 2000)
    stage.order(0, BUY, 3, 2000)
    stage.index(1950)
    stage.order(1, BUY, 3, 1900)
    stage.order(0, SELL, 3, 1900, flags=ExecInst.REDUCE_ONLY)
    for price in (1600, 1300, 1000, 740):
        stage.index(price)
        invariants.check(stage.root)
        stage.settle()
    assert len(stage.history(EventKind.COLLATERAL_TAKEN)) == 1
    assert stage.cash(0) >= 0
    assert stage.state["accounts"][0]["collateral_units"][0] > 0
    stage.index(740)
    assert stage.state["accounts"][0]["liquidating"] == 0
    invariants.check(stage.root)


def test_collateral_is_in_snapshots_and_digests(tmp_path: Path) -> None:
    """What was deposited, and what a coin is worth, are there again after a restart."""
    stage = exchange()
    before = host.digest(stage.root)
    stage.send(setting(V.COLLATERAL_CAP_MICROS, CAP - 1))
    haircut = stage.root["collateral"]["haircut_ppb"]
    found = host.digest(stage.root)
    haircut[0][0] += 1
    assert len({before, found, host.digest(stage.root)}) == 3
    haircut[0][0] -= 1
    stage.send(moved(CommandKind.DEPOSIT, 0, COIN))
    restored = host.restore(write_snapshot(tmp_path, stage.root, b"chain"))
    assert restored["collateral"].tobytes() == stage.root["collateral"].tobytes()
    invariants.check(restored)


def test_every_array_of_the_state_is_in_snapshots_or_scratch() -> None:
    """Scratch is what nobody reads between two calls; the cells of the id maps count by their tables."""
    root = host.create(SMALL)
    for used in POOLED.values():
        root[used] = 1
    kept = snapshot.regions(root)
    first = (STATE.fields or {})["contracts"][1]
    arrays = {name: entry[1] for name, entry in (STATE.fields or {}).items() if entry[1] >= first}
    missing = {name for name, place in arrays.items() if not any(start <= place < stop for start, stop in kept)}
    scratch = {"taker", "ahead", "recent", "followers", "branches", "terms_mark", "terms", "regular"}
    assert missing == scratch | {"cells", "totals", "noted", "held"}


def unsettled(seed: int, count: int) -> Any:
    """A risky flow in which standing is lost and given again, haircuts and caps move, and accounts are restricted."""
    rows, rng = flow(seed, count), np.random.default_rng(seed)
    for place in range(20, count, 12):
        account, now_ns = int(rng.integers(MAKERS, ACCOUNTS)), int(rows["time_ns"][place])
        soon = build.account_set(account, A.EVIDENCE_UNTIL_NS, now_ns + int(rng.integers(3 * 10**9)))
        asset, haircut = int(rng.integers(1, 3)), int(rng.integers(600_000_000, 1_000_000_001))
        row = (
            soon,
            soon,
            build.account_set(account, A.EVIDENCE_UNTIL_NS, build.FAR_NS),
            build.account_set(account, A.EVIDENCE_UNTIL_NS, build.FAR_NS),
            build.account_set(account, A.PI_WITHDRAWN, int(rng.integers(5) == 0)),
            build.account_set(account, A.MAX_EXPOSURE_MICROS, int(rng.integers(2)) * 10**9),
            build.account_set(account, A.RESTRICTION, int(rng.choice([0] * 6 + [1, 2]))),
            setting(V.COLLATERAL_HAIRCUT_PPB, haircut, asset),
            setting(V.COLLATERAL_CAP_MICROS, int(rng.integers(10**9, 3 * 10**9)), asset),
        )[rng.integers(9)]
        row["time_ns"] = now_ns
        rows[place] = row[0]
    return rows


@pytest.mark.parametrize("seed", [4, 5])
def test_generated_flow_in_which_standing_and_haircuts_change(seed: int) -> None:
    """Every invariant after each command: no order that opens outlives its account's standing."""
    root, rows = start(), unsettled(seed, 12_000)
    tally, _ = run(root, rows)
    assert tally.lapses > 20 and tally.collateral > 3 and tally.calls > 3 and tally.liquidations > 10, tally


def test_batches_and_rings_change_nothing_when_standing_and_haircuts_change() -> None:
    outcomes = set()
    for ring_rows in (128, 1 << 14):
        root = start()
        _, reports = run(root, unsettled(6, 5000), ring_rows, check_each=False)
        outcomes.add((host.digest(root), np.concatenate(reports).tobytes()))
    each = start()
    run(each, unsettled(6, 5000))
    assert len(outcomes) == 1 and host.digest(each) in next(iter(outcomes))


def test_generated_flow_with_collateral_conserves_each_asset() -> None:
    """Deposits, withdrawals, crashes and sales to the fund, every invariant after each command."""
    root = start()
    tally, _ = run(root, flow(3, 6000))
    assert tally.collateral > 0
    assert root[0]["collateral"]["deposits_units"].min() > 0
