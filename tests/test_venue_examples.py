"""Worked examples that venues published or tested, through the engine's own functions.

Each topic has a check that sets the product up with the example's parameters; topics whose formula is not ours are
listed with the reason. An example of an unknown topic fails, so that new ones must be decided on.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.codes import CommandKind, MarketState, Side
from engine.codes import ContractParameter as P
from tests import build
from tests import perpetual as p
from tests.perpetual import MICROS, Bench, ppb
from tests.stage import WORKED, Stage

DATA = Path(__file__).parents[2] / "shared" / "data" / "vectors" / "venue_examples.json"
EXAMPLES = json.loads(DATA.read_text()) if DATA.exists() else []

OTHER_RULES = {
    "maintenance_margin.size_linear": "a rate that grows with the size itself; ours is by notional bracket",
    "initial_margin.size_linear": "a rate that grows with the size itself; ours is by notional bracket",
    "initial_margin.oi_scaled": "a rate that grows with the venue's open interest; ours has an open-interest cap",
    "risk_limit.step_margin": "steps that raise both rates of the whole position; ours has deductions",
    "mark_price.legacy": "a historical rule: the last price clamped into the spread",
    "mark_price.ema_step": "an exponential average; ours is the mean of the last samples (rulebook section 7)",
    "funding.trim_tails": "samples are trimmed; ours are weighted linearly, each clamped by construction",
    "funding.sample_median": "a median of validators' votes; the venue has one index",
    "funding.index_delta": "a running funding index; ours settles in cash at its instant",
    "funding.settlement": "a running funding index; ours settles in cash at its instant",
    "funding.window": "a rolling window; ours starts with each interval",
    "funding.cap": "a cap as a multiple of IM - MM; ours is a parameter of its own",
    "liquidation.fillable_price": "a price between oracle and bankruptcy by a penalty curve; ours is the close price",
    "reduce_only.counts_as_opening": "reduce-only counted with other closing orders; ours trims resting ones instead",
}
"""Topics whose rule is not the rulebook's, with the reason."""


def close(found: float, wanted: float, rel: float = 1e-9, absolute: float = 0.0) -> None:
    assert found == pytest.approx(wanted, rel=rel, abs=absolute)


def fine(entry: float) -> Bench:
    """A bench whose tick is fine enough for a price of this size."""
    if entry < 1:
        return Bench(1e-6, 1)
    return Bench(1e-4, 1e-2) if entry < 500 else Bench(1e-3, 1e-3)


# --- margin -------------------------------------------------------------------------------------------------------


def open_limit(given: dict[str, Any], expected: dict[str, Any]) -> None:
    bench = Bench(0.01, 0.001)
    bench.brackets((0, given["leverage"], 0.004))
    bench.contract["mark_subticks"] = bench.subticks(given["mark_price"])
    side = Side.BUY if given["side"] == "long" else Side.SELL
    value = round(given["order_price"] * given["qty"] * MICROS)
    close(p.initial(bench.root, given["leverage"], value) / MICROS, expected["initial_margin"], absolute=0.01)
    loss = bench.price(p.adverse(bench.root, side, bench.ticks(given["order_price"]))) * given["qty"]
    close(loss, expected["open_loss"])
    close(p.initial(bench.root, given["leverage"], value) / MICROS + loss, expected["cost"], absolute=0.01)


def order_cost(given: dict[str, Any], expected: dict[str, Any]) -> None:
    """Ours asks for the fee of opening; the venue's fee of closing is checked through the bankruptcy price."""
    bench = Bench(0.1, 0.001)
    bench.brackets((0, given["leverage"], 0.005))
    bench.contract["taker_fee_ppb"] = ppb(given["taker"])
    bench.contract["mark_subticks"] = bench.subticks(given["price"])
    row = bench.hold(0, 0)
    row["buy_subtick_lots"] = bench.subticks(given["price"]) * bench.lots(given["qty"])
    needed = p.requirement(bench.root, 0) / MICROS
    close(needed, expected["initial_margin"] + expected["fee_open"])
    margin = round(expected["initial_margin"] * MICROS)
    bankruptcy = p.close_price(bench.root, bench.lots(given["qty"]), margin) * bench.tick
    close(bankruptcy * given["qty"] * given["taker"], expected["fee_close"])
    close(needed + bankruptcy * given["qty"] * given["taker"], expected["order_cost"])


def position_plus_orders(given: dict[str, Any], expected: dict[str, Any]) -> None:
    bench = Bench(1, 0.001)
    bench.brackets((0, given["leverage"], 0.01))
    bench.contract["mark_subticks"] = bench.subticks(given["mark"])
    row = bench.hold(given["position_qty"], given["mark"])
    for name, orders in (("buy_subtick_lots", given["buy_orders"]), ("sell_subtick_lots", given["sell_orders"])):
        row[name] = sum(bench.subticks(order["price"]) * bench.lots(order["qty"]) for order in orders)
    close(p.requirement(bench.root, 0) / MICROS, expected["initial_margin"])


def im_rounding(given: dict[str, Any], expected: dict[str, Any]) -> None:
    """Requirements round up: a rate of 1 / leverage for IM where it is one, else the same ceiling through MM."""
    bench = Bench(1e-3, 1e-3)
    bench.contract["bracket_mmr_ppb"][0] = given["im_ppm"] * 1000
    bench.contract["mark_subticks"] = 1000
    assert p.notional(bench.root, 0, given["notional"]) == given["notional"]
    assert p.maintenance(bench.root, 0, given["notional"]) == expected["im"]


def maintenance_table(given: dict[str, Any], expected: dict[str, Any]) -> None:
    rows, floor = [], 0
    for bracket in given["brackets"]:
        rows.append((floor, 1, bracket["mmr"]))
        floor = bracket["cap"]
    bench = Bench()
    bench.brackets(*rows)
    deductions = [int(value) / MICROS for value in bench.contract["bracket_deduction_micros"]]
    assert deductions[: len(rows)] == expected["maint_amounts"]
    parameters = WORKED | {P.BAND_PPB: ppb(rows[0][2]), P.MARK_CLAMP_PPB: ppb(rows[0][2]) // 2}
    parameters[P.LIQUIDATION_FEE_PPB] = 0
    stage = Stage(accounts=1)
    stage.send(*build.draft(1, parameters))
    for place, (floor, leverage, mmr) in enumerate(rows):
        stage.send(build.contract_set(1, P.BRACKET_FLOOR_MICROS, round(floor * MICROS), place))
        stage.send(build.contract_set(1, P.BRACKET_LEVERAGE, leverage, place))
        stage.send(build.contract_set(1, P.BRACKET_MMR_PPB, ppb(mmr), place))
    stage.send(build.directive(CommandKind.CONTRACT_LIST, contract_slot=1))
    listed = stage.state["contracts"][1]
    assert listed["state"] == MarketState.OPEN
    found = [int(value) / MICROS for value in listed["bracket_deduction_micros"]]
    assert found[: len(rows)] == expected["maint_amounts"]


def maintenance_rate(given: dict[str, Any], expected: dict[str, Any]) -> None:
    bench = Bench()
    bench.brackets((0, given["max_leverage"], 0.5 / given["max_leverage"]))
    bench.contract["mark_subticks"] = bench.subticks(1000)
    close(p.maintenance(bench.root, 0, bench.lots(5)) / MICROS / 5000, expected["mm_rate"])


# --- liquidation prices -------------------------------------------------------------------------------------------


def _set_bracket(contract: Any, mmr: float, deduction: float) -> None:
    contract["bracket_mmr_ppb"][0] = ppb(mmr)
    contract["bracket_deduction_micros"][0] = round(deduction * MICROS)


def liquidation_cross(given: dict[str, Any], expected: dict[str, Any]) -> None:
    bench = Bench(0.01, 0.001)
    bench.cash(given["wallet_balance"])
    state = bench.root[0]
    state["contracts_used"] = 2
    state["contracts"][1] = state["contracts"][0]
    for place, held in enumerate(given["positions"]):
        contract = state["contracts"][place]
        contract["mark_subticks"] = bench.subticks(held["mark"])
        _set_bracket(contract, held["mmr"], held["maint_amount"])
        bench.hold(held["qty"], held["entry"], slot=place, contract=place)
        if held["symbol"] == given["symbol"]:
            asked = place
    other = given["positions"][1 - asked]
    close(p.maintenance(bench.root, 1 - asked, bench.lots(other["qty"])) / MICROS, expected["tmm_others"])
    close(bench.price(p.liquidation_price(bench.root, asked)), expected["liq_price"], absolute=0.01)


def _isolated_money(given: dict[str, Any]) -> float:
    for name in ("wallet_balance", "isolated_margin"):
        if name in given:
            money = given[name]
            return money
    return given.get("qty", 1) * given["entry"] / given["leverage"]


def liquidation_isolated(given: dict[str, Any], expected: dict[str, Any], venue: str = "") -> None:
    """Money alone against one position; rates that a venue derives from its fee or leverage become the bracket's."""
    bench = fine(given["entry"])
    qty = given.get("qty", 1) * (1 if given["side"] == "long" else -1)
    mmr = given.get("mmr", 0) + given.get("taker", 0) or 0.5 / given["max_leverage"]
    _set_bracket(bench.contract, mmr, given.get("maint_amount", 0))
    scale = 1000 if abs(qty) < 1 else 1
    row = bench.hold(qty * scale, given["entry"])
    row["margin_mode"] = 1
    money = _isolated_money(given)
    if "maint_amount" not in given and "mmr" in given and "taker" not in given:
        # These venues take MM of the value at entry, not at the mark: entry * qty * mmr is fixed, our rate is 0.
        bench.contract["bracket_mmr_ppb"][0] = 0
        money -= given.get("qty", 1) * given["entry"] * given["mmr"]
    row["isolated_micros"] = round(money * scale * MICROS)
    bench.contract["mark_subticks"] = bench.subticks(given["entry"])
    found = bench.price(p.liquidation_price(bench.root, 0))
    rel = 1e-4 if "max_leverage" in given else 1e-6
    close(found, expected["liq_price"], rel=rel, absolute=0.005 if "wallet_balance" in given else 0.01 * bench.tick)


def bankruptcy_quote(given: dict[str, Any], expected: dict[str, Any]) -> None:
    """The close price times the quantity, for the full size and pro rata for a part."""
    bench = Bench(1, 0.0001)
    sign = 1 if given["side"] == "long" else -1
    bench.contract["mark_subticks"] = bench.subticks(given["oracle"])
    equity = given["quote_balance"] + sign * given["position"] * given["oracle"]
    size = bench.lots(given["position"]) * sign
    price = p.close_price(bench.root, size, round(equity * MICROS)) * bench.tick
    close(sign * price * given["close_qty"], expected["bankruptcy_quote"])


def fund_delta(given: dict[str, Any], expected: dict[str, Any]) -> None:
    """The liquidation fee: its rate on the closed notional, at most the equity that is left."""
    sign = 1 if given["side"] == "long" else -1
    left = given["quote_balance"] + sign * given["position"] * given["fill_price"]
    bench = Bench(1, 0.0001)
    bench.contract["mark_subticks"] = bench.subticks(given["fill_price"])
    bench.contract["liquidation_fee_ppb"] = ppb(given["max_fee"])
    fee = min(p.liquidation_fee(bench.root, bench.lots(given["position"])) / MICROS, left)
    close(fee, expected["insurance_delta"])


# --- index, band, impact, premium ---------------------------------------------------------------------------------


def capped_median(given: dict[str, Any], expected: dict[str, Any]) -> None:
    bench = Bench(0.001, 0.001)
    total = 0.0
    for place, source in enumerate(given["sources"]):
        row = bench.contract["source"][place]
        row["weight"], row["price_subticks"], row["time_ns"] = round(source["w"] * 100), bench.subticks(source["p"]), 1
        total += source["w"] * expected["capped"][place]
    close(bench.price(p.median(bench.root, 0)), expected["median"])
    close(bench.price(p.index(bench.root, 0)), total)


def price_band(given: dict[str, Any], expected: dict[str, Any]) -> None:
    stage = Stage((WORKED | {P.BAND_PPB: ppb(given["band"]), P.MARK_CLAMP_PPB: ppb(given["band"]) // 2},))
    stage.index(given["mark"])
    contract = stage.state["contracts"][0]
    assert (contract["min_sell_ticks"], contract["max_buy_ticks"]) == (expected["min_price"], expected["max_price"])


def _quoted(levels: dict[str, list[dict[str, float]]], impact_notional: float) -> Any:
    """A book with these levels in a contract of tick 0.5 and lot 0.001; the impact notional is the example's."""
    stage = Stage((WORKED | {P.MICROS_PER_TICK_LOT: 500, P.MAX_PRICE_TICKS: 200_000, P.MAX_POSITION_LOTS: 1_000_000},))
    for account in range(2):
        stage.deposit(account, 1e9)
    prices = [level["price"] for rows in levels.values() for level in rows]
    stage.index(prices[0] * 2)
    for name, rows in levels.items():
        for level in rows:
            price = round(level["price"] / TICKS[name])
            stage.order(0, Side.BUY if name == "bids" else Side.SELL, round(level["qty"] * 1000), price)
    stage.state["contracts"][0]["impact_notional_micros"] = round(impact_notional * MICROS)
    return stage


TICKS = {"bids": 0.5, "asks": 0.5}


def impact_price(given: dict[str, Any], expected: dict[str, Any]) -> None:
    side = "asks" if given["side"] == "ask" else "bids"
    stage = _quoted({side: given["book"]}, given["impact_notional"])
    found = p.impact(stage.root, Side.SELL if given["side"] == "ask" else Side.BUY) / 1000 * 0.5
    assert (found != 0) == expected["enough_liquidity"]
    if expected["impact_price"] is not None:
        close(found, expected["impact_price"])


def premium_impact(given: dict[str, Any], expected: dict[str, Any]) -> None:
    """Impact prices as published for the book, then the premium; ppm truncate towards zero there, ours floors ppb."""
    tenth = {name: [{**row, "price": row["price"] * 5} for row in given[name]] for name in ("bids", "asks")}
    stage = _quoted(tenth, given["impact_notional"] * 5)
    bid, ask = p.impact(stage.root, Side.BUY), p.impact(stage.root, Side.SELL)
    found = p.premium(round(given["index"] * 10_000), bid, ask)
    assert int(found / 1000) == expected["premium_ppm"]


# --- funding ------------------------------------------------------------------------------------------------------


def _funding(interval_h: float = 8, interest: float = 0.0001, clamp: float = 0.0005, cap: float = 0.04) -> Bench:
    bench = Bench()
    bench.contract["funding_interval_s"] = round(interval_h * 3600)
    bench.contract["funding_interest_ppb"] = ppb(interest)
    bench.contract["funding_clamp_ppb"] = ppb(clamp)
    bench.contract["funding_cap_ppb"] = ppb(cap)
    return bench


def twap_weights(given: dict[str, Any], expected: dict[str, Any]) -> None:
    bench = _funding()
    for minute in range(given["minutes"]):
        p.add_sample(bench.root, minute)
    assert int(bench.contract["premium_weight"]) == expected["sum_weights"]
    weighted = sum((minute + 1) * minute for minute in range(given["minutes"]))
    assert p.average(bench.root) == weighted // expected["sum_weights"]


def dampener(given: dict[str, Any], expected: dict[str, Any]) -> None:
    """max(d, P) + min(-d, P) is avg + clamp(0 - avg, -d, +d): our formula with no interest."""
    bench = _funding(interest=0, clamp=given["dampener"])
    assert p.rate_8h(bench.root, ppb(given["premium"])) == ppb(expected["funding_rate_8h"])


def funding_rate(given: dict[str, Any], expected: dict[str, Any]) -> None:
    bench = _funding(interval_h=1, interest=given["interest_8h"], clamp=given["clamp"], cap=0.32)
    found = p.premium(given["oracle"] * 1000, given["impact_bid"] * 1000, 0)
    assert found == ppb(expected["premium"])
    assert p.rate_8h(bench.root, found) == ppb(expected["rate_8h"])
    assert p.interval_rate(bench.root, found) == ppb(expected["rate_1h"])


def funding_tick(given: dict[str, Any], expected: dict[str, Any]) -> None:
    """Missing samples count as 0 there: equal weights over all expected samples; no interest, no dampener."""
    bench = _funding(interval_h=given["hours"], interest=0, clamp=0, cap=given["cap_8h_ppm"] / 1e6)
    bench.contract["funding_equal_weights"] = 1
    for place in range(given["expected_samples"]):
        p.add_sample(bench.root, given["premium_ppm"] * 1000 if place < given["samples"] else 0)
    found = p.rate_8h(bench.root, p.average(bench.root))
    assert found == expected["rate_8h_ppm"] * 1000
    # A base quantum is worth 5 quote quantums at this price; the index is truncated.
    hourly = p.interval_rate(bench.root, p.average(bench.root))
    assert int(hourly * 5 / 1000) == expected["funding_index_delta"]


def impact_notional(given: dict[str, Any], expected: dict[str, Any]) -> None:
    """The notional that 200 units carry at the highest leverage: IM of it is 200 again."""
    bench = Bench()
    bench.brackets((0, given["max_leverage"], 0.004))
    assert p.initial(bench.root, 0, round(expected["imn"] * MICROS)) == given["base_usdt"] * MICROS


def adl_queue(given: dict[str, Any], expected: dict[str, Any]) -> None:
    """Scores are given: they rank by our comparison, and the queue's fifths are our lights."""
    ranked: list[dict[str, Any]] = []
    for account in given["accounts"]:
        place = 0
        while place < len(ranked) and not p.outranks(account["score"], 1, ranked[place]["score"], 1):
            place += 1
        ranked.insert(place, account)
    assert [account["id"] for account in ranked] == expected["queue"]
    total, cumulated, left = sum(account["qty"] for account in ranked), 0, given["liquidated"]["qty"]
    fills = []
    for account in ranked:
        cumulated += account["qty"]
        percentile = 120 - 20 * p.light(cumulated, total)
        assert percentile == expected["percentiles"][str(account["id"])]
        if left:
            fills.append((account["id"], min(left, account["qty"])))
            left -= fills[-1][1]
    assert fills == [(fill["id"], fill["qty"]) for fill in expected["fills"]]


CHECKS: dict[str, Any] = {
    "order_cost.open_limit": open_limit,
    "order_cost": order_cost,
    "initial_margin.position_plus_orders.one_way": position_plus_orders,
    "initial_margin.rounding": im_rounding,
    "maintenance_amount.table": maintenance_table,
    "maintenance_margin": maintenance_rate,
    "liquidation_price.cross": liquidation_cross,
    "liquidation_price.isolated": liquidation_isolated,
    "bankruptcy_price.quote": bankruptcy_quote,
    "liquidation.insurance_fund_delta": fund_delta,
    "index.capped_median": capped_median,
    "price_band": price_band,
    "impact_price": impact_price,
    "premium.impact": premium_impact,
    "funding.premium_twap_weights": twap_weights,
    "funding.dampener": dampener,
    "funding.rate": funding_rate,
    "funding.tick": funding_tick,
    "impact_margin_notional": impact_notional,
    "adl.ranking_queue": adl_queue,
}


@pytest.mark.skipif(not EXAMPLES, reason="the recorded data is not there: ../shared/data/vectors/venue_examples.json")
@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_example(number: int) -> None:
    example = EXAMPLES[number]
    topic = example["topic"]
    if topic in OTHER_RULES:
        assert topic not in CHECKS
        pytest.skip(f"{topic}: {OTHER_RULES[topic]}")
    CHECKS[topic](example["inputs"], example["expected"])
