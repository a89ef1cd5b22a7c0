"""Worked examples that venues published or tested, through the engine and through the model of money.

Each example is put on both with the parameters as they were published. Everything that it expects is compared with
what either says, and what the two say with each other, to the last digit. One whose rule is not the rulebook's is not
made to fit: it stands in `OTHER_RULES` with the reason, and in the table of this folder's README. An example of an
unknown topic fails, so that new ones must be decided on; how many run is written down, so that none gets lost.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import floor
from pathlib import Path
from typing import Any

import pytest

from engine.codes import CommandKind, EventKind, MarketState, Reason, Side, TimeInForce
from engine.codes import ContractParameter as P
from engine.index_and_mark import INDEX_CAP_PPB
from tests import build
from tests.perpetual import MICROS, ppb
from tests.stage import WORKED
from tests.two_benches import EngineBench, EngineStage, ModelBench, ModelStage

DATA = Path(__file__).parents[2] / "shared" / "data" / "vectors" / "venue_examples.json"
EXAMPLES = json.loads(DATA.read_text()) if DATA.exists() else []
README = Path(__file__).parent / "README.md"

RUN, NOT_RUN = 45, 46
"""How many of the examples are put on engine and model, and how many are of another rule."""

Given = dict[str, Any]
Found = list[Any]
"""The figures that a check has compared with the published ones, in whole units."""
Bench = Any


@dataclass(frozen=True)
class Make:
    """What an example is put on."""

    bench: Callable[..., Bench]
    stage: Callable[..., EngineStage]


ENGINE, MODEL = Make(EngineBench, EngineStage), Make(ModelBench, ModelStage)


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


def exact(make: Make, qty: float) -> Bench:
    """A bench whose lot is the quantity's last decimal, and whose tick is as fine as whole micros allow."""
    decimals = len(f"{qty:.8f}".rstrip("0").partition(".")[2])
    return make.bench(10.0 ** (decimals - 6), 10.0**-decimals)


# --- margin -------------------------------------------------------------------------------------------------------


def open_limit(make: Make, given: Given, expected: Given) -> Found:
    """The venue prints the initial margin cut behind two decimals."""
    bench = make.bench(0.01, 0.001)
    bench.set_brackets((0, given["leverage"], 0.004))
    bench.set_mark(given["mark_price"])
    side = Side.BUY if given["side"] == "long" else Side.SELL
    micros = bench.initial_micros(given["leverage"], round(given["order_price"] * given["qty"] * MICROS))
    adverse = bench.adverse_subticks(side, given["order_price"])
    margin, loss = micros / MICROS, bench.price(adverse) * given["qty"]
    assert printed(margin) == expected["initial_margin"]
    assert loss == expected["open_loss"]
    assert printed(margin + loss) == expected["cost"]
    return [micros, adverse]


def position_plus_orders(make: Make, given: Given, expected: Given) -> Found:
    bench = make.bench(1, 0.001)
    bench.set_brackets((0, given["leverage"], 0.01))
    bench.set_mark(given["mark"])
    bench.own(given["position_qty"], given["mark"])
    for side, orders in ((Side.BUY, given["buy_orders"]), (Side.SELL, given["sell_orders"])):
        bench.rest(side, [(order["price"], order["qty"]) for order in orders])
    needed = bench.requirement_micros()
    close(needed / MICROS, expected["initial_margin"])
    return [needed]


def im_rounding(make: Make, given: Given, expected: Given) -> Found:
    bench = make.bench(1e-3, 1e-3)
    found = bench.initial_micros(MICROS // given["im_ppm"], given["notional"])
    assert found == expected["im"]
    return [found]


def maintenance_table(make: Make, given: Given, expected: Given) -> Found:
    """Listed through the door; what the table leaves open is chosen so that listing accepts it."""
    rows, floor_units = [], 0
    for bracket in given["brackets"]:
        rows.append((floor_units, bracket["mmr"]))
        floor_units = bracket["cap"]
    lowest = ppb(rows[0][1])
    parameters = WORKED | {P.BAND_PPB: lowest, P.MARK_CLAMP_PPB: lowest // 2, P.LIQUIDATION_FEE_PPB: 0}
    stage = make.stage(accounts=1)
    stage.send(*build.draft(1, parameters))
    for place, (floor_units, mmr) in enumerate(rows):
        stage.send(build.contract_set(1, P.BRACKET_FLOOR_MICROS, round(floor_units * MICROS), place))
        stage.send(build.contract_set(1, P.BRACKET_LEVERAGE, 1, place))
        stage.send(build.contract_set(1, P.BRACKET_MMR_PPB, ppb(mmr), place))
    stage.send(build.directive(CommandKind.CONTRACT_LIST, contract_slot=1))
    assert stage.contract_state(1) == MarketState.OPEN
    found = stage.deductions(1)
    assert [micros / MICROS for micros in found] == expected["maint_amounts"]
    return found


# --- liquidation prices -------------------------------------------------------------------------------------------


def table(mmr: float, deduction: float) -> list[tuple[float, int, float]]:
    """Brackets of which the last has this rate and this deduction."""
    return [(0, 1, mmr / 2), (2 * deduction / mmr, 1, mmr)] if deduction else [(0, 1, mmr)]


def liquidation_cross(make: Make, given: Given, expected: Given) -> Found:
    bench = make.bench(0.01, 0.001)
    bench.cash(given["wallet_balance"])
    bench.contracts(2)
    for place, held in enumerate(given["positions"]):
        bench.set_mark(held["mark"], place)
        bench.set_brackets(*table(held["mmr"], held["maint_amount"]), slot=place)
        bench.own(held["qty"], held["entry"], place)
        if held["symbol"] == given["symbol"]:
            asked = place
    needed, gained = bench.maintenance_micros(1 - asked), bench.unrealised_micros(1 - asked)
    close(needed / MICROS, expected["tmm_others"])
    close(gained / MICROS, expected["upnl_others"], absolute=0.005)
    price = bench.liquidation_price_subticks(asked)
    assert round(bench.price(price), 2) == expected["liq_price"]
    return [needed, gained, micros_at(bench, price, given["positions"][asked]["qty"])]


def micros_at(bench: Bench, subticks: int, qty: float) -> Any:
    """What a quantity is worth at a price. A price is known to a subtick, and to what whole micros of margin allow."""
    return pytest.approx(bench.price(subticks) * qty * MICROS, abs=bench.price(1) * qty * MICROS + 3)


def _isolated_money(given: Given) -> float:
    for name in ("wallet_balance", "isolated_margin"):
        if name in given:
            return float(given[name])
    return float(given["qty"] * given["entry"] / given["leverage"])


def liquidation_isolated(make: Make, given: Given, expected: Given) -> Found:
    """Money alone against one position; where the venue takes half of the initial rate for MM, so does the bracket."""
    bench = exact(make, given["qty"])
    bench.set_brackets(*table(*_maintenance(given)))
    bench.own(given["qty"] * (1 if given["side"] == "long" else -1), given["entry"])
    bench.isolate(_isolated_money(given))
    bench.set_mark(given["entry"])
    price = bench.liquidation_price_subticks(0)
    found = bench.price(price)
    if "wallet_balance" in given:
        assert round(found, 2) == expected["liq_price"]
    else:
        # The recorded margins are rounded to a millionth, those of the tests are not.
        close(found, expected["liq_price"], rel=1e-4 if "max_leverage" in given else 1e-9, absolute=bench.tick)
    return [micros_at(bench, price, given["qty"])]


def _maintenance(given: Given) -> tuple[float, float]:
    """Rate and deduction of an example."""
    if "max_leverage" in given:
        return 0.5 / given["max_leverage"], 0.0
    return given["mmr"], given["maint_amount"]


def bankruptcy_quote(make: Make, given: Given, expected: Given) -> Found:
    """The close price times the quantity, for the full size and pro rata for a part."""
    bench = make.bench(1, 0.0001)
    sign = 1 if given["side"] == "long" else -1
    bench.set_mark(given["oracle"])
    equity = given["quote_balance"] + sign * given["position"] * given["oracle"]
    price = bench.close_price_ticks(sign * given["position"], equity)
    close(sign * price * bench.tick * given["close_qty"], expected["bankruptcy_quote"])
    return [price]


def fund_delta(make: Make, given: Given, expected: Given) -> Found:
    """The liquidation fee: its rate on the closed notional, within the equity that is left."""
    sign = 1 if given["side"] == "long" else -1
    left = given["quote_balance"] + sign * given["position"] * given["fill_price"]
    bench = make.bench(1, 0.0001)
    bench.set_mark(given["fill_price"])
    bench.set_liquidation_fee(given["max_fee"])
    fee = bench.liquidation_fee_micros(given["position"])
    assert fee / MICROS < left
    close(fee / MICROS, expected["insurance_delta"])
    return [fee]


# --- index, band, impact, premium ---------------------------------------------------------------------------------


def _index(make: Make, sources: list[Given], weights: list[int]) -> Bench:
    bench = make.bench(0.001, 0.001)
    bench.set_sources((source["p"], weight) for source, weight in zip(sources, weights, strict=True))
    return bench


def capped_median(make: Make, given: Given, expected: Given) -> Found:
    """A source's own share follows from two means: with its weight doubled, and without."""
    assert given["band"] == INDEX_CAP_PPB / 1e9
    sources, ones = given["sources"], [1] * len(given["sources"])
    bench = _index(make, sources, [round(source["w"] * 100) for source in sources])
    found = [bench.median_subticks(), bench.index_subticks(), _index(make, sources, ones).index_subticks()]
    close(bench.price(found[0]), expected["median"])
    weighted = sum(source["w"] * capped for source, capped in zip(sources, expected["capped"], strict=True))
    close(bench.price(found[1]), weighted)
    plain = bench.price(found[2]) * len(sources)
    for place, capped in enumerate(expected["capped"]):
        doubled = _index(make, sources, [1 + (other == place) for other in range(len(sources))]).index_subticks()
        close(bench.price(doubled) * (len(sources) + 1) - plain, capped, absolute=1e-4)
        found.append(doubled)
    return found


def price_band(make: Make, given: Given, expected: Given) -> Found:
    """The limits around the mark, and that orders are judged by them: the last price inside, and the first outside."""
    band = {P.BAND_PPB: ppb(given["band"]), P.MARK_CLAMP_PPB: ppb(given["band"]) // 2}
    stage = make.stage((WORKED | band,))
    stage.deposit(0, 1e6)
    stage.index(given["mark"])
    assert stage.mark_subticks() == given["mark"] * 1000
    lowest, highest = expected["min_price"], expected["max_price"]
    assert stage.band_ticks() == (lowest, highest)
    for side, inside, outside in ((Side.BUY, highest, highest + 1), (Side.SELL, lowest, lowest - 1)):
        stage.order(0, side, 1, inside, tif=TimeInForce.IOC)
        assert not stage.of(EventKind.REJECTED)
        stage.order(0, side, 1, outside, tif=TimeInForce.IOC)
        assert [row["reason"] for row in stage.of(EventKind.REJECTED)] == [Reason.PRICE_OUT_OF_BAND]
    return [stage.mark_subticks(), *stage.band_ticks()]


def _quoted(make: Make, levels: dict[str, list[Given]], impact_notional: float, tick: float) -> EngineStage:
    """A book with these levels in lots of 0.001; the impact notional is the example's, below what listing asks for."""
    unit = {P.MICROS_PER_TICK_LOT: round(tick * 1000), P.MAX_PRICE_TICKS: 200_000, P.MAX_POSITION_LOTS: 1_000_000}
    stage = make.stage((WORKED | unit,))
    for account in range(2):
        stage.deposit(account, 1e9)
    stage.index(next(level["price"] for rows in levels.values() for level in rows) / tick)
    for name, rows in levels.items():
        for level in rows:
            side = Side.BUY if name == "bids" else Side.SELL
            stage.order(0, side, round(level["qty"] * 1000), round(level["price"] / tick))
    assert len(stage.history(EventKind.RESTED, EventKind.ACCEPTED)) == sum(map(len, levels.values()))
    stage.set_impact_notional(round(impact_notional * MICROS))
    return stage


def impact_price(make: Make, given: Given, expected: Given) -> Found:
    side, tick = "asks" if given["side"] == "ask" else "bids", 0.5
    stage = _quoted(make, {side: given["book"]}, given["impact_notional"], tick)
    found = stage.impact_subticks(Side.SELL if given["side"] == "ask" else Side.BUY)
    assert (found != 0) == expected["enough_liquidity"]
    if expected["impact_price"] is not None:
        close(found / 1000 * tick, expected["impact_price"])
    return [found]


def premium_impact(make: Make, given: Given, expected: Given) -> Found:
    """Impact prices of the book, then the premium; ppm truncate towards zero there, ours floors ppb."""
    tick = 0.1
    stage = _quoted(make, {"bids": given["bids"], "asks": given["asks"]}, given["impact_notional"], tick)
    bid, ask = stage.impact_subticks(Side.BUY), stage.impact_subticks(Side.SELL)
    found = make.bench().premium_ppb(round(given["index"] / tick * 1000), bid, ask)
    assert int(found / 1000) == expected["premium_ppm"]
    return [bid, ask, found]


# --- funding ------------------------------------------------------------------------------------------------------


def _funding(make: Make, interval_h: float = 8, interest: float = 0.0001, clamp: float = 0.0005, cap: float = 0.04,
             equal: bool = False) -> Bench:  # fmt: skip
    bench = make.bench()
    bench.set_funding(round(interval_h * 3600), interest, clamp, cap, equal)
    return bench


def twap_weights(make: Make, given: Given, expected: Given) -> Found:
    bench = _funding(make)
    for minute in range(given["minutes"]):
        bench.add_sample(minute)
    assert bench.sum_of_weights() == expected["sum_weights"]
    weighted = sum((minute + 1) * minute for minute in range(given["minutes"]))
    assert bench.average_ppb() == weighted // expected["sum_weights"]
    return [bench.sum_of_weights(), bench.average_ppb()]


def dampener(make: Make, given: Given, expected: Given) -> Found:
    """max(d, P) + min(-d, P) is avg + clamp(0 - avg, -d, +d): our formula with no interest."""
    bench = _funding(make, interest=0, clamp=given["dampener"])
    bench.add_sample(ppb(given["premium"]))
    assert bench.rate_ppb() == ppb(expected["funding_rate_8h"])
    return [bench.rate_ppb()]


def funding_rate(make: Make, given: Given, expected: Given) -> Found:
    """An hourly payment with a cap of 4 %; nothing is published of the asks, so that side contributes nothing."""
    found = make.bench().premium_ppb(given["oracle"] * 1000, given["impact_bid"] * 1000, 0)
    assert found == ppb(expected["premium"])
    rates = []
    for hours in (8, 1):
        bench = _funding(make, hours, given["interest_8h"], given["clamp"], cap=0.32)
        bench.add_sample(found)
        rates.append(bench.rate_ppb())
    assert rates[0] == ppb(expected["rate_8h"])
    assert rates[0] - found == ppb(expected["clamp_term"])
    assert rates[1] == ppb(expected["rate_1h"])
    return [found, *rates]


def funding_tick(make: Make, given: Given, expected: Given) -> Found:
    """Equal weights, no interest, no dampener: parameters of ours. The index there grows by what one quantum pays."""
    rates = []
    for hours in (8, given["hours"]):
        bench = _funding(make, hours, interest=0, clamp=0, cap=given["cap_8h_ppm"] / 1e6, equal=True)
        bench.set_mark(given["oracle"])
        for _ in range(given["samples"]):
            bench.add_sample(given["premium_ppm"] * 1000)
        rates.append(bench.rate_ppb())
    assert bench.sum_of_weights() == given["expected_samples"]
    assert rates[0] == expected["rate_8h_ppm"] * 1000
    paid = bench.paid_micros(bench.lots(1), rates[1])
    quanta_in_one = 10 ** -given["atomic_resolution"]
    assert paid * 1_000_000 == expected["funding_index_delta"] * quanta_in_one
    return [*rates, paid]


def adl_queue(make: Make, given: Given, expected: Given) -> Found:
    """The published scores rank by our comparison, and the fifths of the queue are our lights."""
    bench, accounts = make.bench(), {account["id"]: account for account in given["accounts"]}
    ranked = bench.ranked({number: account["score"] for number, account in accounts.items()})
    assert ranked == expected["queue"]
    total, cumulated, lights = sum(account["qty"] for account in accounts.values()), 0, []
    for number in ranked:
        cumulated += accounts[number]["qty"]
        lights.append(bench.light(cumulated, total))
        assert 120 - 20 * lights[-1] == expected["percentiles"][str(number)]
    return [*ranked, *lights, *_deleverage(make, given, expected)]


def _deleverage(make: Make, given: Given, expected: Given) -> Found:
    """The same accounts in an exchange: the higher the score, the lower the entry. The short fails at an empty book."""
    assert (given["side"], given["liquidated"]["side"]) == ("long", "short")
    failing, other = 0, 9
    lots, bankruptcy = given["liquidated"]["qty"], given["liquidated"]["bankruptcy_price"]
    stage = make.stage((WORKED,), accounts=10)
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
    cash, entry_cost = stage.money(failing)
    spare = cash - (lots * bankruptcy * MICROS + entry_cost)
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
    return [figure for held in range(10) if stage.size(held) for figure in (stage.size(held), *stage.money(held))]


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
    found = []
    for make in (ENGINE, MODEL):
        given, expected = Published(example["inputs"]), Published(example["expected"])
        found.append(CHECKS[example["topic"]](make, given, expected))
        assert given.unread() <= set(NOT_ASKED), "every parameter is the published one"
        assert expected.unread() <= set(STEPS), "all that was published is compared"
    assert found[0] and found[0] == found[1], "engine and model"


@needs_examples
def test_none_is_lost() -> None:
    others = sum(bool(other_rule(example)) for example in EXAMPLES)
    assert (len(EXAMPLES) - others, others) == (RUN, NOT_RUN)
    assert f"{RUN} of {len(EXAMPLES)} examples" in README.read_text()


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
            for make in (ENGINE, MODEL):
                with pytest.raises((AssertionError, KeyError)):
                    CHECKS[example["topic"]](make, example["inputs"], wrong)
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
