"""What officers see of all accounts equals what the engine says of each, and forced trades name whose they were."""

from fractions import Fraction

import numpy as np
import pytest

from engine.codes import NIL, EventFlag, EventKind, ExecInst, MarginMode
from engine.schema import LABEL, NOTICE
from engine.statements import account_statement
from engine.statements.margin_ratios import MOST_RATIO_PPB
from gateway.document import sample_rows
from gateway.read_model.operator_views import OperatorViews
from gateway.read_model.projection import Projection
from gateway.registry.registry import ContractRecord
from gateway.wire.views import Span
from tests.build import BUY
from tests.test_adl_ranking import crowd


@pytest.fixture(scope="module")
def crash():
    """A crash whose forced trades are in a read model: the stage and the views."""
    stage = crowd(5)
    stage.order(100, BUY, 4, 1950, flags=ExecInst.REDUCE_ONLY)
    projection = Projection(1 << 16)
    projection.attach(stage.root)
    projection.set_contracts([ContractRecord(0, sample_rows.BTC.name, "BTC", "USDC", "0.5", "0.0001", 5)])
    views = OperatorViews(projection.history, stage.root)
    before = {slot: views.risk(slot) for slot in views.exposed_accounts()}
    stage.index(1780)
    while stage.state["next_due_ns"] <= stage.now_ns:
        stage.settle()
    for commands, events in zip(stage.log, stage.past, strict=True):
        batch = (commands, commands.view(LABEL), events, events.view(NOTICE))
        projection.apply(batch, len(commands), len(events))
    return stage, views, before


def test_every_account_with_a_position_is_there_with_the_engine_s_figures(crash):
    stage, views, before = crash
    rows = stage.state["positions"][: int(stage.state["positions_used"])]
    assert views.exposed_accounts() == sorted({int(row["account_slot"]) for row in rows if row["size_lots"]})
    assert len(before) > len(views.exposed_accounts()) > 0  # the crash has closed some
    for slot in views.exposed_accounts():
        view, found = views.risk(slot), account_statement(stage.root, slot)
        assert (view.equity_micros, view.maintenance_micros) == (found.equity_micros, found.maintenance_micros)
        held = [(one.contract_slot, one.size_lots) for one in found.positions if one.size_lots]
        assert [position[:2] for position in view.positions] == held
        assert view.open_orders == stage.state["accounts"][slot]["open_orders"]


def test_the_ratio_is_above_one_exactly_where_nothing_may_be_lost_any_more(crash):
    stage, views, before = crash
    for view in [*before.values(), *map(views.risk, views.exposed_accounts())]:
        exact = Fraction(view.maintenance_micros, view.equity_micros)
        assert 0 <= exact - Fraction(view.ratio_ppb, 10**9) < Fraction(1, 10**9)
        assert not view.is_flagged and view.ratio_ppb <= 10**9
    slot = views.exposed_accounts()[0]
    account = stage.state["accounts"][slot]
    cash, headroom = int(account["cash_micros"]), account_statement(stage.root, slot).headroom_micros
    try:
        account["cash_micros"] = cash - headroom
        assert views.risk(slot).ratio_ppb == 10**9
        account["cash_micros"] -= 1
        assert views.risk(slot).ratio_ppb > 10**9
        account["cash_micros"] = cash - 10 * headroom - 10**12
        assert views.risk(slot).ratio_ppb == MOST_RATIO_PPB
    finally:
        account["cash_micros"] = cash


def test_the_nearest_pool_counts_also_an_isolated_one(crash):
    """The ratio is that of the pool which is nearest: cross, or one position's own margin."""
    stage, views, _ = crash
    slots = views.exposed_accounts()
    cross = views.ratios_ppb(slots)
    assert views.ratios_ppb(slots[::-1]) == cross[::-1] and views.ratios_ppb([]) == []
    place = next(p for p in account_statement(stage.root, slots[0]).positions if p.size_lots).position_slot
    row = stage.state["positions"][place]
    before = row.copy()
    try:
        row["margin_mode"] = MarginMode.ISOLATED
        need = account_statement(stage.root, slots[0]).positions[0].maintenance_micros
        for spare, least in ((1, 10**9 - 10**6), (-1, 10**9), (-(10**12), MOST_RATIO_PPB)):
            unrealised = account_statement(stage.root, slots[0]).positions[0].unrealised_micros
            row["isolated_micros"] = need + spare - unrealised
            own = account_statement(stage.root, slots[0]).positions[0]
            [ratio] = views.ratios_ppb(slots[:1])
            assert ratio >= least and views.risk(slots[0]).ratio_ppb == ratio
            if own.pool_equity_micros > 0:
                assert ratio == 10**9 * own.maintenance_micros // own.pool_equity_micros
        assert views.ratios_ppb(slots[1:]) == cross[1:]
    finally:
        stage.state["positions"][place] = before


def test_forced_trades_name_the_closed_account_and_who_gave_up_its_profit(crash):
    stage, views, _ = crash
    events = np.concatenate(stage.past)
    forced = events[(events["kind"] == EventKind.FILL) & (events["flags"] & EventFlag.FORCED != 0)]
    by_trade: dict[int, list] = {}
    for fill in forced:
        by_trade.setdefault(int(fill["trade_id"]), []).append(fill)
    found = list(views.forced_trades({0}, Span()))
    assert len(found) == len(by_trade) and {view.against_slot == NIL for view in found} == {True, False}
    for view in found:
        legs = by_trade[view.trade.trade_id]
        if view.against_slot == NIL:
            taker = next(leg for leg in legs if leg["flags"] & EventFlag.TAKER)
            assert view.account_slot == taker["account_slot"]
        else:
            assert [leg["account_slot"] for leg in legs] == [view.against_slot, view.account_slot]
    assert [view.trade.trade_id for view in found] == sorted(by_trade, reverse=True)  # the latest first
    for place, view in enumerate(found):
        assert list(views.forced_trades({0}, Span(last_place=view.place - 1))) == found[place + 1 :]
    assert list(views.forced_trades({1}, Span())) == []


def test_open_orders_are_counted_by_account_by_contract_and_in_all(crash):
    stage, views, _ = crash
    everybody = range(int(stage.state["accounts_used"]))
    total = int(stage.state["orders_live"])
    assert views.open_orders(set(everybody), set()) == views.open_orders(set(), {0}) == total
    assert views.open_orders(set(), set()) == total and views.open_orders(set(), {1}) == 0
