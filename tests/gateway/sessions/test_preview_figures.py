"""The figures of a preview, worked out by hand from what the engine says that an order would do."""

from dataclasses import replace

import pytest
from msgspec import structs

from engine.codes import Reason
from engine.statements.what_if import Holding, Played, Pool
from gateway.read_model import order_previews, render_preview
from gateway.sessions.methods import preview
from tests.gateway.desk import BTC, Desk, ask

NAME = BTC.name
BEFORE = Pool(1_000_000_000, 0, 1_000_000_000, 0, 0, 1_000_000_000)
AFTER = Pool(995_000_000, -2_000_000, 993_000_000, 50_000_000, 100_000_000, 893_000_000)


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    desk.rows.previews.pool, desk.rows.previews.held = BEFORE, Holding()
    yield desk
    desk.registry.close()


def previewed(desk, played, **params):
    desk.rows.previews.played = played
    order = {"instrument_name": NAME, "direction": "buy", "amount": 0.5, "price": 20_001, **params}
    return ask(desk.session("alice"), "private/preview_order", **order)["result"]


def test_fills_are_weighed_and_compared_with_the_best_price_and_the_mark(desk):
    ticker = desk.rows.ticker_rows[0]
    ticker.best_ask_ticks, ticker.best_bid_ticks, ticker.mark_subticks = 40_000, 39_998, 39_990_000
    fills = ((40_000, 2_000), (40_002, 3_000))
    told = previewed(desk, Played(Reason.NONE, AFTER, Holding(5_000, 10_000_300_000, 10), fills, 5_000_150))
    assert (told["filled_amount"], told["average_price"], told["worst_price"]) == (0.5, 20_000.6, 20_001)
    assert told["slippage_best"] == pytest.approx(100 * 0.6 / 20_000, abs=1e-6)
    assert told["slippage_mark"] == pytest.approx(100 * 5.6 / 19_995, abs=1e-6)
    assert (told["order_value"], told["taker_fee"], told["cost"]) == (10_000.3, 5.00015, 107)
    assert told["position_after"]["average_price"] == 20_000.6 and told["order_state"] == "filled"
    sold = previewed(desk, Played(Reason.NONE, AFTER, Holding(), ((39_998, 1), (39_990, 1))), direction="sell")
    assert sold["slippage_best"] == pytest.approx(100 * 4 / 39_998, abs=1e-6)
    assert sold["slippage_mark"] == pytest.approx(100 * -4 / 39_990, abs=1e-6)


def test_the_rest_pays_the_fee_of_a_maker_rounded_up_for_the_venue(desk):
    rests = Played(Reason.NONE, AFTER, Holding(), resting_lots=1, resting_ticks=40_001)
    assert previewed(desk, rests)["maker_fee"] == 0.000401
    rebate = structs.replace(desk.rows.terms(0), maker_fee_ppb=-200_000)
    desk.rows.terms = lambda slot: rebate
    told = previewed(desk, rests)
    assert told["maker_fee"] == -0.0004 and told["order_state"] == "open"
    assert (told["resting_amount"], told["resting_price"], told["order_value"]) == (0.0001, 20_000.5, 2.00005)


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"waits": True}, "untriggered"),
        ({"repeats": True}, "open"),
        ({"cancelled_lots": 5_000, "cancel_reason": Reason.IOC_REMAINDER}, "cancelled"),
        ({"reason": Reason.INSUFFICIENT_MARGIN}, "rejected"),
    ],
)
def test_every_end_of_an_order_has_its_name(desk, fields, state):
    told = previewed(desk, replace(Played(Reason.NONE, BEFORE, Holding()), **fields))
    assert told["order_state"] == state and told["admitted"] == (state != "rejected")
    assert told["order_value"] == 10_000.5 and told["cost"] == 0
    assert told["cancel_reason"] == ("ioc_remainder" if state == "cancelled" else None)
    assert (told["refusal"] or {}).get("reason") == ("INSUFFICIENT_MARGIN" if state == "rejected" else None)


def test_a_freeze_by_law_is_told_as_any_other_restriction(desk):
    told = previewed(desk, Played(Reason.SANCTIONS, BEFORE, Holding()))
    assert told["refusal"]["reason"] == "ACCOUNT_RESTRICTED" and "sanction" not in str(told).lower()


def test_funds_that_are_too_few_already_are_shown_as_none(desk):
    short = replace(AFTER, requirement_micros=1_500_000_000)
    told = previewed(desk, Played(Reason.NONE, short, Holding()))
    assert told["after"]["available_funds"] == 0 and told["cost"] == 1507


@pytest.mark.parametrize("module", [order_previews, render_preview, preview])
def test_no_first_preview_compiles_code_while_the_loop_waits(module):
    assert [name for name, value in vars(module).items() if hasattr(value, "signatures")] == []
