"""Worked examples that venues published or tested, through the engine's own functions.

Each example is run with the parameters as they were published, and everything that it expects is compared. One whose
rule is not the rulebook's is not made to fit: it stands in `OTHER_RULES` with the reason, and in the table of this
folder's README. An example of an unknown topic fails, so that new ones must be decided on.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import floor
from pathlib import Path
from typing import Any

import pytest

from engine.codes import CommandKind, EventKind, MarginMode, MarketState, Reason, Side, TimeInForce
from engine.codes import ContractParameter as P
from engine.index_and_mark import INDEX_CAP_PPB
from tests import build
from tests import perpetual as p
from tests.perpetual import MICROS, Bench, ppb
from tests.stage import WORKED, Stage

DATA = Path(__file__).parents[2] / "shared" / "data" / "vectors" / "venue_examples.json"
EXAMPLES = json.loads(DATA.read_text()) if DATA.exists() else []
README = Path(__file__).parent / "README.md"

Given = dict[str, Any]


@dataclass(frozen=True)
class Other:
    """A rule that is not the rulebook's: its topic, theirs, ours, and which examples of the topic are of it."""

    topic: str
    theirs: str
    ours: str
    which: Callable[[Given], bool] = lambda given: True


OTHER_RULES = (
    Other("maintenance_margin", "half of the initial rate at the highest leverage", "a rate of the bracket"),
    Other("maintenance_margin.size_linear", "a rate that grows with the size itself", "a rate by notional bracket"),
    Other("initial_margin.size_linear", "a rate that grows with the size itself", "a rate by notional bracket"),
    Other("initial_margin.oi_scaled", "a rate that grows with the open interest", "a cap on the open interest"),
    Other(
        "initial_margin.rounding",
        "a rate that is no whole leverage",
        "1 / leverage",
        lambda given: MICROS % given["im_ppm"] != 0,
    ),
    Other("order_cost", "the fee of closing is asked for as well", "the fee of opening is reserved"),
    Other("risk_limit.step_margin", "steps that raise both rates of the whole position", "deductions"),
    Other("impact_margin_notional", "follows from the highest leverage", "a parameter of its own"),
    Other("mark_price.legacy", "the last price clamped into the spread: historical", "a median of three"),
    Other("mark_price.ema_step", "an exponential average", "the mean of the last samples"),
    Other("funding.trim_tails", "samples are trimmed", "samples are weighted linearly"),
    Other("funding.sample_median", "a median of validators' votes", "one index"),
    Other(
        "funding.tick",
        "missing samples count as 0",
        "missing samples are skipped",
        lambda given: given["samples"] != given["expected_samples"],
    ),
    Other("funding.index_delta", "a running funding index", "settled in cash at its instant"),
    Other("funding.settlement", "a running funding index", "settled in cash at its instant"),
    Other("funding.window", "a rolling window", "a window that starts with each interval"),
    Other("funding.cap", "a multiple of IM - MM", "a parameter of its own"),
    Other(
        "liquidation_price.isolated",
        "maintenance of the value at entry",
        "maintenance of the value at the mark",
        lambda given: "mmr" in given and "maint_amount" not in given and "taker" not in given,
    ),
    Other(
        "liquidation_price.isolated",
        "the fee of closing is part of the maintenance rate",
        "that fee is part of the close price alone",
        lambda given: "taker" in given,
    ),
    Other("liquidation.fillable_price", "a penalty curve between oracle and bankruptcy", "the close price"),
    Other(
        "liquidation.insurance_fund_delta",
        "a fee of all the notional",
        "at most the lowest maintenance rate less the taker fee",
        lambda given: given["max_fee"] >= 1,
    ),
    Other("reduce_only.counts_as_opening", "counts with other closing orders", "resting ones are trimmed instead"),
)

NOT_ASKED = {
    "symbol": "a name",
    "coin": "a name",
    "position_mode": "a name",
    "weights": "a name",
    "mmf": "a bankruptcy price does not depend on the maintenance rate",
    "leverage": "where the margin of the position is given, it says nothing more",
}
"""Inputs that a check may leave unread."""
STEPS = {
    "lower_caps": "a step of the venue's arithmetic on the way to `capped`",
    "upper_caps": "a step of the venue's arithmetic on the way to `capped`",
}
"""Expectations that a check may leave uncompared."""


class Published(dict[str, Any]):
    """What was published, and which of it was read."""

    def __init__(self, content: dict[str, Any]) -> None:
        super().__init__(content)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return super().__getitem__(name)

    def unread(self) -> set[str]:
        return set(self) - self.read


def other_rule(example: dict[str, Any]) -> str:
    """Why an example is of another rule; empty when it is of ours."""
    for rule in OTHER_RULES:
        if rule.topic == example["topic"] and rule.which(example["inputs"]):
            return f"{rule.theirs}; ours: {rule.ours}"
    return ""


def close(found: float, wanted: float, rel: float = 1e-9, absolute: float = 0.0) -> None:
    assert found == pytest.approx(wanted, rel=rel, abs=absolute)


def printed(found: float, decimals: int = 2) -> float:
    """A figure as the venue prints it, cut behind so many decimals."""
    return floor(found * 10**decimals + 1e-6) / 10**decimals


def exact(qty: float) -> Bench:
    """A bench whose lot is the quantity's last decimal, and whose tick is as fine as whole micros allow."""
    decimals = len(f"{qty:.8f}".rstrip("0").partition(".")[2])
    return Bench(10.0 ** (decimals - 6), 10.0**-decimals)


# --- margin -------------------------------------------------------------------------------------------------------


def open_limit(given: Given, expected: Given) -> None:
    """The venue prints the initial margin cut behind two decimals."""
    bench = Bench(0.01, 0.001)
    bench.brackets((0, given["leverage"], 0.004))
    bench.contract["mark_subticks"] = bench.subticks(given["mark_price"])
    side = Side.BUY if given["side"] == "long" else Side.SELL
    value = round(given["order_price"] * given["qty"] * MICROS)
    margin = p.initial(bench.root, given["leverage"], value) / MICROS
    loss = bench.price(p.adverse(bench.root, side, bench.ticks(given["order_price"]))) * given["qty"]
    assert printed(margin) == expected["initial_margin"]
    assert loss == expected["open_loss"]
    assert printed(margin + loss) == expected["cost"]


def position_plus_orders(given: Given, expected: Given) -> None:
    bench = Bench(1, 0.001)
    bench.brackets((0, given["leverage"], 0.01))
    bench.contract["mark_subticks"] = bench.subticks(given["mark"])
    row = bench.hold(given["position_qty"], given["mark"])
    for name, orders in (("buy_subtick_lots", given["buy_orders"]), ("sell_subtick_lots", given["sell_orders"])):
        row[name] = sum(bench.subticks(order["price"]) * bench.lots(order["qty"]) for order in orders)
    close(p.requirement(bench.root, 0) / MICROS, expected["initial_margin"])


def im_rounding(given: Given, expected: Given) -> None:
    bench = Bench(1e-3, 1e-3)
    assert p.initial(bench.root, MICROS // given["im_ppm"], given["notional"]) == expected["im"]


def maintenance_table(given: Given, expected: Given) -> None:
    """Listed through the door; what the table leaves open is chosen so that listing accepts it."""
    rows, floor_units = [], 0
    for bracket in given["brackets"]:
        rows.append((floor_units, bracket["mmr"]))
        floor_units = bracket["cap"]
    lowest = ppb(rows[0][1])
    parameters = WORKED | {P.BAND_PPB: lowest, P.MARK_CLAMP_PPB: lowest // 2, P.LIQUIDATION_FEE_PPB: 0}
    stage = Stage(accounts=1)
    stage.send(*build.draft(1, parameters))
    for place, (floor_units, mmr) in enumerate(rows):
        stage.send(build.contract_set(1, P.BRACKET_FLOOR_MICROS, round(floor_units * MICROS), place))
        stage.send(build.contract_set(1, P.BRACKET_LEVERAGE, 1, place))
        stage.send(build.contract_set(1, P.BRACKET_MMR_PPB, ppb(mmr), place))
    stage.send(build.directive(CommandKind.CONTRACT_LIST, contract_slot=1))
    listed = stage.state["contracts"][1]
    assert listed["state"] == MarketState.OPEN
    found = [int(value) / MICROS for value in listed["bracket_deduction_micros"]]
    assert found[: len(rows)] == expected["maint_amounts"]


# --- liquidation prices -------------------------------------------------------------------------------------------


def _set_bracket(contract: Any, mmr: float, deduction: float) -> None:
    contract["bracket_mmr_ppb"][0] = ppb(mmr)
    contract["bracket_deduction_micros"][0] = round(deduction * MICROS)


def liquidation_cross(given: Given, expected: Given) -> None:
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
    lots = bench.lots(other["qty"])
    close(p.maintenance(bench.root, 1 - asked, lots) / MICROS, expected["tmm_others"])
    close(p.unrealised(bench.root, 1 - asked) / MICROS, expected["upnl_others"], absolute=0.005)
    assert round(bench.price(p.liquidation_price(bench.root, asked)), 2) == expected["liq_price"]


def _isolated_money(given: Given) -> float:
    for name in ("wallet_balance", "isolated_margin"):
        if name in given:
            return float(given[name])
    return float(given["qty"] * given["entry"] / given["leverage"])


def liquidation_isolated(given: Given, expected: Given) -> None:
    """Money alone against one position; where the venue takes half of the initial rate for MM, so does the bracket."""
    bench = exact(given["qty"])
    qty = given["qty"] * (1 if given["side"] == "long" else -1)
    _set_bracket(bench.contract, *_maintenance(given))
    row = bench.hold(qty, given["entry"])
    row["margin_mode"] = MarginMode.ISOLATED
    row["isolated_micros"] = round(_isolated_money(given) * MICROS)
    bench.contract["mark_subticks"] = bench.subticks(given["entry"])
    found = bench.price(p.liquidation_price(bench.root, 0))
    if "wallet_balance" in given:
        assert round(found, 2) == expected["liq_price"]
    else:
        # The recorded margins are rounded to a millionth, those of the tests are not.
        close(found, expected["liq_price"], rel=1e-4 if "max_leverage" in given else 1e-9, absolute=bench.tick)


def _maintenance(given: Given) -> tuple[float, float]:
    """Rate and deduction of an example."""
    if "max_leverage" in given:
        return 0.5 / given["max_leverage"], 0.0
    return given["mmr"], given["maint_amount"]


def bankruptcy_quote(given: Given, expected: Given) -> None:
    """The close price times the quantity, for the full size and pro rata for a part."""
    bench = Bench(1, 0.0001)
    sign = 1 if given["side"] == "long" else -1
    bench.contract["mark_subticks"] = bench.subticks(given["oracle"])
    equity = given["quote_balance"] + sign * given["position"] * given["oracle"]
    size = bench.lots(given["position"]) * sign
    price = p.close_price(bench.root, size, round(equity * MICROS)) * bench.tick
    close(sign * price * given["close_qty"], expected["bankruptcy_quote"])


def fund_delta(given: Given, expected: Given) -> None:
    """The liquidation fee: its rate on the closed notional, within the equity that is left."""
    sign = 1 if given["side"] == "long" else -1
    left = given["quote_balance"] + sign * given["position"] * given["fill_price"]
    bench = Bench(1, 0.0001)
    bench.contract["mark_subticks"] = bench.subticks(given["fill_price"])
    bench.contract["liquidation_fee_ppb"] = ppb(given["max_fee"])
    fee = p.liquidation_fee(bench.root, bench.lots(given["position"])) / MICROS
    assert fee < left
    close(fee, expected["insurance_delta"])


# --- index, band, impact, premium ---------------------------------------------------------------------------------


def _index(sources: list[Given], weights: list[int]) -> Bench:
    bench = Bench(0.001, 0.001)
    for place, (source, weight) in enumerate(zip(sources, weights, strict=True)):
        row = bench.contract["source"][place]
        row["weight"], row["price_subticks"], row["time_ns"] = weight, bench.subticks(source["p"]), 1
    return bench


def capped_median(given: Given, expected: Given) -> None:
    """A source's own share follows from two means: with its weight doubled, and without."""
    assert given["band"] == INDEX_CAP_PPB / 1e9
    sources, ones = given["sources"], [1] * len(given["sources"])
    bench = _index(sources, [round(source["w"] * 100) for source in sources])
    close(bench.price(p.median(bench.root, 0)), expected["median"])
    weighted = sum(source["w"] * capped for source, capped in zip(sources, expected["capped"], strict=True))
    close(bench.price(p.index(bench.root, 0)), weighted)
    plain = bench.price(p.index(_index(sources, ones).root, 0)) * len(sources)
    for place, capped in enumerate(expected["capped"]):
        doubled = _index(sources, [1 + (other == place) for other in range(len(sources))])
        close(bench.price(p.index(doubled.root, 0)) * (len(sources) + 1) - plain, capped, absolute=1e-4)


def price_band(given: Given, expected: Given) -> None:
    """The limits around the mark, and that orders are judged by them: the last price inside, and the first outside."""
    stage = Stage((WORKED | {P.BAND_PPB: ppb(given["band"]), P.MARK_CLAMP_PPB: ppb(given["band"]) // 2},))
    stage.deposit(0, 1e6)
    stage.index(given["mark"])
    contract = stage.state["contracts"][0]
    assert int(contract["mark_subticks"]) == given["mark"] * 1000
    lowest, highest = expected["min_price"], expected["max_price"]
    assert (contract["min_sell_ticks"], contract["max_buy_ticks"]) == (lowest, highest)
    for side, inside, outside in ((Side.BUY, highest, highest + 1), (Side.SELL, lowest, lowest - 1)):
        stage.order(0, side, 1, inside, tif=TimeInForce.IOC)
        assert not stage.of(EventKind.REJECTED)
        stage.order(0, side, 1, outside, tif=TimeInForce.IOC)
        assert [row["reason"] for row in stage.of(EventKind.REJECTED)] == [Reason.PRICE_OUT_OF_BAND]


def _quoted(levels: dict[str, list[Given]], impact_notional: float, tick: float) -> Stage:
    """A book with these levels in lots of 0.001; the impact notional is the example's, below what listing asks for."""
    unit = {P.MICROS_PER_TICK_LOT: round(tick * 1000), P.MAX_PRICE_TICKS: 200_000, P.MAX_POSITION_LOTS: 1_000_000}
    stage = Stage((WORKED | unit,))
    for account in range(2):
        stage.deposit(account, 1e9)
    stage.index(next(level["price"] for rows in levels.values() for level in rows) / tick)
    for name, rows in levels.items():
        for level in rows:
            side = Side.BUY if name == "bids" else Side.SELL
            stage.order(0, side, round(level["qty"] * 1000), round(level["price"] / tick))
    assert len(stage.history(EventKind.RESTED, EventKind.ACCEPTED)) == sum(map(len, levels.values()))
    stage.state["contracts"][0]["impact_notional_micros"] = round(impact_notional * MICROS)
    return stage


def impact_price(given: Given, expected: Given) -> None:
    side, tick = "asks" if given["side"] == "ask" else "bids", 0.5
    stage = _quoted({side: given["book"]}, given["impact_notional"], tick)
    found = p.impact(stage.root, Side.SELL if given["side"] == "ask" else Side.BUY) / 1000 * tick
    assert (found != 0) == expected["enough_liquidity"]
    if expected["impact_price"] is not None:
        close(found, expected["impact_price"])


def premium_impact(given: Given, expected: Given) -> None:
    """Impact prices of the book, then the premium; ppm truncate towards zero there, ours floors ppb."""
    tick = 0.1
    stage = _quoted({"bids": given["bids"], "asks": given["asks"]}, given["impact_notional"], tick)
    bid, ask = p.impact(stage.root, Side.BUY), p.impact(stage.root, Side.SELL)
    found = p.premium(round(given["index"] / tick * 1000), bid, ask)
    assert int(found / 1000) == expected["premium_ppm"]


# --- funding ------------------------------------------------------------------------------------------------------


def _funding(interval_h: float = 8, interest: float = 0.0001, clamp: float = 0.0005, cap: float = 0.04) -> Bench:
    bench = Bench()
    bench.contract["funding_interval_s"] = round(interval_h * 3600)
    bench.contract["funding_interest_ppb"] = ppb(interest)
    bench.contract["funding_clamp_ppb"] = ppb(clamp)
    bench.contract["funding_cap_ppb"] = ppb(cap)
    return bench


def twap_weights(given: Given, expected: Given) -> None:
    bench = _funding()
    for minute in range(given["minutes"]):
        p.add_sample(bench.root, minute)
    assert int(bench.contract["premium_weight"]) == expected["sum_weights"]
    weighted = sum((minute + 1) * minute for minute in range(given["minutes"]))
    assert p.average(bench.root) == weighted // expected["sum_weights"]


def dampener(given: Given, expected: Given) -> None:
    """max(d, P) + min(-d, P) is avg + clamp(0 - avg, -d, +d): our formula with no interest."""
    bench = _funding(interest=0, clamp=given["dampener"])
    assert p.rate_8h(bench.root, ppb(given["premium"])) == ppb(expected["funding_rate_8h"])


def funding_rate(given: Given, expected: Given) -> None:
    """An hourly payment with a cap of 4 %; nothing is published of the asks, so that side contributes nothing."""
    bench = _funding(interval_h=1, interest=given["interest_8h"], clamp=given["clamp"], cap=0.32)
    found = p.premium(given["oracle"] * 1000, given["impact_bid"] * 1000, 0)
    assert found == ppb(expected["premium"])
    assert p.rate_8h(bench.root, found) == ppb(expected["rate_8h"])
    assert p.rate_8h(bench.root, found) - found == ppb(expected["clamp_term"])
    assert p.interval_rate(bench.root, found) == ppb(expected["rate_1h"])


def funding_tick(given: Given, expected: Given) -> None:
    """Equal weights, no interest, no dampener: parameters of ours. The index there grows by what one quantum pays."""
    bench = _funding(interval_h=given["hours"], interest=0, clamp=0, cap=given["cap_8h_ppm"] / 1e6)
    bench.contract["funding_equal_weights"] = 1
    bench.contract["mark_subticks"] = bench.subticks(given["oracle"])
    for _ in range(given["samples"]):
        p.add_sample(bench.root, given["premium_ppm"] * 1000)
    assert int(bench.contract["premium_samples"]) == given["expected_samples"]
    assert p.rate_8h(bench.root, p.average(bench.root)) == expected["rate_8h_ppm"] * 1000
    paid = p.payment(bench.root, bench.lots(1), p.interval_rate(bench.root, p.average(bench.root)))
    quanta_in_one = 10 ** -given["atomic_resolution"]
    assert paid * 1_000_000 == expected["funding_index_delta"] * quanta_in_one


def adl_queue(given: Given, expected: Given) -> None:
    """The published scores rank by our comparison, and the fifths of the queue are our lights."""
    ranked: list[Given] = []
    for account in given["accounts"]:
        place = 0
        while place < len(ranked) and not p.outranks(account["score"], 1, ranked[place]["score"], 1):
            place += 1
        ranked.insert(place, account)
    assert [account["id"] for account in ranked] == expected["queue"]
    total, cumulated = sum(account["qty"] for account in ranked), 0
    for account in ranked:
        cumulated += account["qty"]
        assert 120 - 20 * p.light(cumulated, total) == expected["percentiles"][str(account["id"])]
    _deleverage(given, expected)


def _deleverage(given: Given, expected: Given) -> None:
    """The same accounts in an exchange: the higher the score, the lower the entry. The short fails at an empty book."""
    assert (given["side"], given["liquidated"]["side"]) == ("long", "short")
    failing, other = 0, 9
    lots, bankruptcy = given["liquidated"]["qty"], given["liquidated"]["bankruptcy_price"]
    stage = Stage((WORKED,), accounts=10)
    for account in given["accounts"]:
        stage.deposit(account["id"], 1000 * account["qty"])
    stage.deposit(other, 1e6)
    stage.deposit(failing, 1e6)
    left = lots
    for account in sorted(given["accounts"], key=lambda account: account["score"]):
        price = bankruptcy - 90 - 10 * account["score"]
        stage.index(price)
        part = min(left, account["qty"])
        for seller, quantity in ((failing, part), (other, account["qty"] - part)):
            if quantity:
                stage.order(seller, Side.SELL, quantity, price)
                stage.order(account["id"], Side.BUY, quantity, price)
        left -= part
    entry_cost = -int(stage.position(failing)["entry_cost_micros"])
    kept = lots * bankruptcy * MICROS - entry_cost
    spare = int(stage.state["accounts"][failing]["cash_micros"]) - kept
    stage.send(build.directive(CommandKind.WITHDRAW, account_slot=failing, amount_micros=spare))
    assert not stage.of(EventKind.REFUSED)
    stage.index(bankruptcy - 10)
    stage.settle()
    fills = [
        {"id": int(row["account_slot"]), "qty": int(row["amount_micros"]), "price": row["price_subticks"] / 1000}
        for row in stage.history(EventKind.DELEVERAGED)
    ]
    assert fills == expected["fills"] and stage.size(failing) == 0
    for name, quantity in expected["remaining"].items():
        assert stage.size(int(name)) == quantity


CHECKS: dict[str, Any] = {
    "order_cost.open_limit": open_limit,
    "initial_margin.position_plus_orders.one_way": position_plus_orders,
    "initial_margin.rounding": im_rounding,
    "maintenance_amount.table": maintenance_table,
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
    "adl.ranking_queue": adl_queue,
}


needs_examples = pytest.mark.skipif(not EXAMPLES, reason="the data is not there: ../shared/data/vectors")


@needs_examples
@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_example(number: int) -> None:
    example = EXAMPLES[number]
    reason = other_rule(example)
    if reason:
        pytest.skip(f"{example['topic']}: {reason}")
    given, expected = Published(example["inputs"]), Published(example["expected"])
    CHECKS[example["topic"]](given, expected)
    assert given.unread() <= set(NOT_ASKED), "every parameter is the published one"
    assert expected.unread() <= set(STEPS), "all that was published is compared"


def changed(figure: Any) -> Any:
    """A figure, or the first one of a list or of a record, that is a little off."""
    if isinstance(figure, list):
        return [changed(figure[0]), *figure[1:]]
    if isinstance(figure, dict):
        name = next(iter(figure))
        return figure | {name: changed(figure[name])}
    if isinstance(figure, bool) or figure is None:
        return not figure
    return figure * 1.02 + (1 if figure >= 0 else -1)


@needs_examples
def test_no_example_passes_with_another_figure() -> None:
    for number, example in enumerate(EXAMPLES):
        for name in set() if other_rule(example) else set(example["expected"]) - set(STEPS):
            wrong = example["expected"] | {name: changed(example["expected"][name])}
            with pytest.raises((AssertionError, KeyError)):
                CHECKS[example["topic"]](example["inputs"], wrong)
                pytest.fail(f"example {number} does not look at {name}")


@needs_examples
def test_every_other_rule_has_an_example() -> None:
    """A row that no example is of would hide a typing mistake, or an example that could be run by now."""
    for rule in OTHER_RULES:
        assert any(example["topic"] == rule.topic and rule.which(example["inputs"]) for example in EXAMPLES), rule
    assert {example["topic"] for example in EXAMPLES} == {rule.topic for rule in OTHER_RULES} | set(CHECKS)


def rows() -> Iterator[str]:
    """The rows of the table in the README."""
    for rule in OTHER_RULES:
        yield f"| {rule.topic} | {rule.theirs} | {rule.ours} |"


def test_the_table_of_other_rules_is_in_the_readme() -> None:
    text = README.read_text()
    for row in rows():
        assert row in text
    assert text.count("\n| ", text.index("| topic |"), text.index("\n\n", text.index("| topic |"))) == len(OTHER_RULES)
