"""Index and mark: sources, staleness, locks, and that no small quote or trade moves what accounts are judged by."""

import pytest

from engine.codes import ContractParameter as P
from engine.codes import EventKind, MarketState, Reason
from tests import build
from tests import perpetual as p
from tests.build import BUY, SELL
from tests.perpetual import Bench
from tests.stage import WORKED, Stage

THREE = WORKED | {P.MIN_SOURCES: 2, P.IMPACT_NOTIONAL_MICROS: 40_000_000_000}


def sources(*prices: float, weights: tuple[int, ...] = (1, 1, 1, 1, 1, 1)) -> Bench:
    bench = Bench(1, 1)
    for place, price in enumerate(prices):
        row = bench.contract["source"][place]
        row["weight"], row["price_subticks"], row["time_ns"] = weights[place], round(price * 1000), 10
    return bench


@pytest.mark.parametrize(
    ("prices", "median", "index"),
    [((100,), 100_000, 100_000), ((100, 101), 100_500, 100_500), ((100, 101, 120), 101_000, 101_000),
     ((100, 100, 100, 900), 100_000, 100_125), ((1, 100, 101, 100), 100_000, 100_000)],
)  # fmt: skip
def test_index_is_a_mean_of_sources_near_their_median(prices: tuple[float, ...], median: int, index: int) -> None:
    bench = sources(*prices)
    assert p.median(bench.root, 0) == median
    assert abs(p.index(bench.root, 0) - index) <= 1


def test_weights_are_renormalised_over_the_live_sources() -> None:
    bench = sources(100, 100.4, 100.2, weights=(1, 3, 4))
    assert p.index(bench.root, 0) == (100_000 + 3 * 100_400 + 4 * 100_200) // 8
    bench.contract["source"][2]["time_ns"] = 1
    assert p.index(bench.root, 5) == (100_000 + 3 * 100_400) // 4
    assert p.index(bench.root, 11) == 0


def test_mark_is_the_median_of_three_within_the_clamp() -> None:
    bench = sources(1000)
    contract = bench.contract
    contract["index_subticks"], contract["mark_clamp_ppb"] = 1_000_000, 20_000_000
    contract["funding_interval_s"], contract["next_funding_ns"] = 28_800, 28_800 * 10**9
    contract["funding_rate_ppb"] = 1_000_000
    assert p.mark(bench.root, 0) == 1_001_000, "P1 = P3, half of them decides"
    assert p.mark(bench.root, 14_400 * 10**9) == 1_000_500
    contract["basis_subticks"][:2], contract["basis_count"] = (4000, 2001), 2
    contract["last_big_trade_ticks"] = 1010
    assert p.mark(bench.root, 0) == 1_003_000, "P2 is in the middle: the mean of 4000 and 2001, down"
    contract["basis_subticks"][:2] = 50_000
    contract["last_big_trade_ticks"] = 1050
    assert p.mark(bench.root, 0) == 1_020_000, "clamped"


def test_a_stale_source_is_dropped_and_two_few_lock_the_market() -> None:
    stage = Stage((THREE,))
    stage.deposit(0, 10_000)
    stage.index(2000)
    stage.order(0, BUY, 1, 1990)
    for _ in range(12):
        stage.index(2010, sources=(0,))
    contract = stage.state["contracts"][0]
    assert contract["state"] == MarketState.REDUCE_ONLY
    assert contract["index_subticks"] == 2_000_000 or contract["index_frozen_since_ns"] > 0
    assert [row["reason"] for row in stage.history(EventKind.CANCELLED)] == [Reason.MARKET_STATE]
    frozen = int(contract["index_subticks"])
    stage.pass_time(12)
    assert contract["state"] == MarketState.HALTED and contract["index_subticks"] == frozen
    stage.order(0, BUY, 1, 1990)
    assert stage.of(EventKind.REJECTED)[0]["reason"] == Reason.MARKET_HALTED
    stage.send(build.contract_state(0, MarketState.OPEN))
    assert stage.of(EventKind.REFUSED)[0]["reason"] == Reason.REFERENCE_PRICE_UNAVAILABLE
    for second in range(32):
        stage.index(2020)
        assert (contract["state"] == MarketState.OPEN) == (second >= 30)
    assert contract["index_subticks"] == 2_020_000


def test_a_frozen_mark_closes_nobody() -> None:
    stage = Stage((THREE,))
    stage.deposit(0, 1100)
    stage.deposit(1, 100_000)
    stage.index(2000)
    stage.order(1, SELL, 5, 2000)
    stage.order(0, BUY, 5, 2000)
    stage.pass_time(15)
    assert stage.state["contracts"][0]["mark_frozen"] == 1
    assert stage.size(0) == 5 and stage.state["contracts"][0]["mark_subticks"] == 2_000_000


WILD = [
    (0, 0, Reason.PRICE_IMPLAUSIBLE),
    (0, -5, Reason.PRICE_IMPLAUSIBLE),
    (0, 200_000_000, Reason.PRICE_IMPLAUSIBLE),
    (0, 4_000_001, Reason.PRICE_IMPLAUSIBLE),
    (0, 999_999, Reason.PRICE_IMPLAUSIBLE),
    (3, 2_000_000, Reason.UNKNOWN_SOURCE),
    (-1, 2_000_000, Reason.UNKNOWN_SOURCE),
    (9, 2_000_000, Reason.UNKNOWN_SOURCE),
]


@pytest.mark.parametrize(("source", "price", "reason"), WILD)
def test_wrong_and_wild_index_prices_change_nothing(source: int, price: int, reason: int) -> None:
    stage = Stage((THREE,))
    stage.index(2000)
    before = stage.state["contracts"][0].tobytes()
    stage.send(stage.source_price(source, price))
    assert stage.of(EventKind.REFUSED)[0]["reason"] == reason
    assert stage.state["contracts"][0].tobytes() == before


@pytest.mark.parametrize("age_s", [-2, 11, 5])
def test_old_and_future_index_prices_are_refused(age_s: int) -> None:
    stage = Stage((THREE,))
    stage.index(2000)
    row = stage.source_price(0, 2_001_000)
    row.view(build.DIRECTIVE)["source_time_ns"] -= age_s * build.SECOND
    stage.send(row)
    assert stage.of(EventKind.REFUSED)[0]["reason"] == Reason.STALE_PRICE


def test_one_source_cannot_move_the_index_far() -> None:
    stage = Stage((THREE,))
    stage.index(2000)
    stage.index(3900, sources=(2,))
    assert stage.state["contracts"][0]["index_subticks"] == pytest.approx(2_003_333, abs=1), "half a percent of a third"


def quoted(stage: Stage, bid: int, ask: int, lots: int) -> None:
    stage.order(1, BUY, lots, bid)
    stage.order(2, SELL, lots, ask)


def rich() -> Stage:
    stage = Stage((THREE,))
    for account in range(4):
        stage.deposit(account, 10_000_000)
    stage.index(2000)
    return stage


def test_one_lot_quotes_and_trades_move_neither_mark_nor_funding() -> None:
    stage = rich()
    quoted(stage, 2050, 2051, 1)
    stage.order(3, BUY, 1, 2051)
    for _ in range(70):
        stage.index(2000)
    contract = stage.state["contracts"][0]
    assert contract["last_price_ticks"] == 2051
    assert contract["mark_subticks"] == 2_000_000
    assert contract["premium_samples"] > 5 and contract["premium_sum_ppb"] == 0


def test_deep_quotes_move_the_mark_by_their_basis() -> None:
    stage = rich()
    quoted(stage, 2010, 2012, 100)
    stage.order(3, BUY, 1, 2012)
    for _ in range(70):
        stage.index(2000)
    contract = stage.state["contracts"][0]
    assert contract["basis_count"] > 5 and contract["premium_sum_ppb"] > 0
    assert contract["mark_subticks"] == 2_000_000, "P1 and P3 still say the index"
    stage.order(3, BUY, 10, 2012)
    stage.index(2000)
    assert contract["mark_subticks"] == 2_011_000, "with a big trade at 2012 the basis is in the middle"


def test_sample_instants_differ_from_window_to_window() -> None:
    stage = rich()
    offsets = set()
    for _ in range(60):
        stage.index(2000)
        offsets.add(int(stage.state["contracts"][0]["next_sample_ns"]) % (5 * build.SECOND))
    assert len(offsets) > 5 and max(offsets) - min(offsets) > build.SECOND


def test_own_quotes_cannot_steer_a_mark_that_is_already_taken() -> None:
    """Between ticks nothing moves: whatever quotes come and go, the mark is the last tick's."""
    stage = rich()
    mark = int(stage.state["contracts"][0]["mark_subticks"])
    quoted(stage, 1950, 2050, 1000)
    stage.order(3, SELL, 500, 1950)
    stage.send(stage.source_price(0, 1_900_000))
    assert stage.state["contracts"][0]["mark_subticks"] == mark
