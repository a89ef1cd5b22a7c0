"""Index, mark and funding: the rulebook's words in worked figures, and a flow that moves prices through the pair."""

from collections import Counter

import pytest

from engine.codes import CommandKind, EventKind, MarketState, Mode, Side
from engine.codes import ContractParameter as P
from tests import build, price_flow
from tests.build import BUY, SECOND, SELL, START_NS
from tests.model import Model, funding, prices
from tests.model.records import Contract, Order, Source
from tests.pair import Pair, Script
from tests.price_flow import LIMITS, ROUND

HOUR = 3600
SEEDS, COMMANDS = range(3), 1500


def contract(**parameters: int) -> Contract:
    """A contract by itself, with an index at 1000."""
    found = Contract(0, state=MarketState.OPEN, index=1_000_000, mark=1_000_000)
    found.parameters = {(code, index): 0 for code in P for index in range(10)}
    found.parameters |= {(code, 0): value for code, value in ROUND.items()}
    found.parameters |= {(P[name], 0): value for name, value in parameters.items()}
    funding.take_intervals(found)
    return found


def exchange(one: Contract, now_ns: int = START_NS) -> Model:
    """A model that has nothing but this contract."""
    model = Model(LIMITS, Mode.EXCHANGE)
    model.now_ns, model.contracts = now_ns, {0: one}
    return model


def quote(one: Contract, side: int, lots: int, price: int, shown: int = 0, flags: int = 0) -> None:
    """An order rests."""
    order = Order(0, 0, 0, side, 2, 1, flags, price, lots, display=shown)
    order.show()
    if shown:
        order.shown = shown
    one.join(order)


def said(one: Contract, price: int, weight: int, place: int, age_ns: int = 0) -> None:
    """A source of a weight said a price some time ago."""
    one.parameters[P.SOURCE_WEIGHT, place] = weight
    one.sources[place] = Source(price, START_NS - age_ns)


# --- the index (Rulebook 7) ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "index"),
    [
        ([(1000, 1), (1002, 1), (1001, 1)], 1_001_000),
        ([(1000, 1), (1002, 3)], 1_001_500),  # two: their mean is the median, and the weights count
        ([(1000, 1), (1001, 1), (2000, 1)], 1_002_335),  # 2000 is clamped to 1001 + 0.5 % = 1006.005, all rounded down
        ([(10, 1), (1000, 1), (1001, 1)], 998_666),  # 10 is clamped to 1000 - 0.5 % = 995
    ],
)
def test_index_is_a_weighted_mean_of_clamped_sources(told: list[tuple[int, int]], index: int) -> None:
    one = contract()
    for place, (price, weight) in enumerate(told):
        said(one, price * 1000, weight, place)
    assert prices.index_of(exchange(one), one) == index


def test_a_source_is_stale_after_ten_seconds_and_one_without_weight_is_none() -> None:
    one = contract()
    said(one, 1_000_000, 1, 0, age_ns=10 * SECOND)
    said(one, 1_000_000, 1, 1, age_ns=10 * SECOND + 1)
    said(one, 1_000_000, 0, 2)
    assert prices.live(exchange(one), one) == [0]


# --- impact prices and samples (Rulebook 7, 10) -------------------------------------------------------------------


def test_impact_price_is_the_average_of_the_notional_and_cuts_the_last_level() -> None:
    """20,000 units: 10 lots at 990 are 9,900, the other 10,100 buy 10.1 lots at 1000: 20,000 / 20.1."""
    one = contract()
    quote(one, SELL, 10, 990)
    quote(one, SELL, 50, 1000)
    assert prices.impact(exchange(one), one, SELL) == 20_000_000 * 10 // 201


def test_impact_price_leaves_out_what_is_hidden_and_affiliates_and_is_none_on_a_thin_side() -> None:
    one = contract(IMPACT_EXCLUDES_AFFILIATES=1)
    quote(one, BUY, 50, 1000, shown=19)
    assert prices.impact(exchange(one), one, BUY) is None
    quote(one, BUY, 50, 999, flags=16)
    assert prices.impact(exchange(one), one, BUY) is None
    quote(one, BUY, 50, 900)
    assert prices.impact(exchange(one), one, BUY) == 994_475  # 19 lots at 1000, and 1000 / 900 lots
    one.parameters[P.IMPACT_EXCLUDES_AFFILIATES, 0] = 0
    assert prices.impact(exchange(one), one, BUY) == 999_949


@pytest.mark.parametrize(
    ("bid", "ask", "basis"),
    [
        (999_000, 1_004_001, 1500),  # the mid of both, rounded down
        (1_100_000, 1_200_000, 25_000),  # half of the lowest rate, 5 %
        (900_000, 950_000, -25_000),
    ],
)
def test_basis_is_the_mid_less_the_index_within_half_of_the_lowest_rate(bid: int, ask: int, basis: int) -> None:
    one = contract()
    prices.sample_basis(one, bid, ask)
    assert one.basis == [basis]
    prices.sample_basis(one, None, ask)
    prices.sample_basis(one, bid, None)
    assert one.basis == [basis]


def test_the_mean_takes_the_last_thirty_samples() -> None:
    one = contract()
    for _ in range(31):
        prices.sample_basis(one, 1_001_000, 1_001_000)
    prices.sample_basis(one, 1_000_000, 1_000_000)
    assert one.basis == [1000] * 29 + [0]


@pytest.mark.parametrize(
    ("bid", "ask", "premium"),
    [
        (1_001_000, 1_002_000, 1_000_000),
        (998_000, 999_000, -1_000_000),
        (999_000, 1_001_000, 0),
        (None, 999_000, -1_000_000),
        (1_001_000, None, 1_000_000),
        (None, None, 0),
    ],
)
def test_premium_of_an_index_at_1000(bid: int | None, ask: int | None, premium: int) -> None:
    assert prices.premium(contract(), bid, ask) == premium


# --- the mark (Rulebook 7) ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "basis", "trade", "mark"),
    [
        (0, [], 0, 1_000_000),
        (1_000_000, [], 0, 1_000_500),  # half of the interval is left: half of 0.1 %; without samples P2 is the index
        (1_000_000, [2000], 1003, 1_002_000),  # P1 1000.5, P2 1002, P3 1003
        (0, [2000, 2001], 1001, 1_001_000),  # the trade is between
        (0, [-3, -4], 0, 1_000_000),  # P3 is P1 where nothing big was traded
        (0, [24_000], 1100, 1_020_000),  # the clamp of 2 %
        (0, [-24_000], 900, 980_000),
    ],
)
def test_mark_is_the_median_of_three_within_the_clamp(rate: int, basis: list[int], trade: int, mark: int) -> None:
    one = contract()
    one.funding_rate, one.basis, one.big_trade = rate, basis, trade
    one.next_funding_ns = START_NS + 30 * SECOND
    assert prices.mark_of(exchange(one), one) == mark


def test_the_clamp_never_lets_the_mark_out() -> None:
    one = contract(MARK_CLAMP_PPB=1)
    one.basis, one.big_trade = [-24_000], 900
    assert prices.mark_of(exchange(one), one) == 1_000_000


# --- funding (Rulebook 10) ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("samples", "equal", "average"),
    [([], 0, 0), ([600], 0, 600), ([0, 0, 600], 0, 300), ([0, 0, 600], 1, 200), ([-1, 0], 0, -1), ([1, 0], 0, 0)],
)
def test_average_has_weights_from_one_to_n(samples: list[int], equal: int, average: int) -> None:
    one = contract(FUNDING_EQUAL_WEIGHTS=equal)
    for sample in samples:
        one.samples.append(sample)
        one.weights.append(funding.next_weight(one))
    assert funding.average(one) == average


@pytest.mark.parametrize(
    ("average", "interval_s", "rate"),
    [
        (0, 8 * HOUR, 100_000),  # within 0.05 % of the interest: the interest
        (600_000, 8 * HOUR, 100_000),
        (700_000, 8 * HOUR, 200_000),
        (-500_000, 8 * HOUR, 0),
        (90_000_000, 8 * HOUR, 37_500_000),  # the cap: 0.75 of the lowest rate
        (-90_000_000, 8 * HOUR, -37_500_000),
        (90_000_000, HOUR, 4_687_500),  # scaled after the cap
        (-600_007, HOUR, -12_501),  # and rounded down
    ],
)
def test_rate_of_an_interval(average: int, interval_s: int, rate: int) -> None:
    one = contract(FUNDING_INTERVAL_S=interval_s)
    one.samples, one.weights = [average], [1]
    assert funding.rate(one) == rate


def test_who_pays_rounds_up_and_who_gets_rounds_down() -> None:
    one = contract(MICROS_PER_TICK_LOT=7)
    one.mark = 1_000_001
    # 1000.001 x 7 = 7000.007 micros of one lot, at 0.1 %: 7.000007
    assert (funding.payment(one, 1, 1_000_000), funding.payment(one, -1, 1_000_000)) == (-8, 7)
    assert (funding.payment(one, 1, -1_000_000), funding.payment(one, -1, -1_000_000)) == (7, -8)


@pytest.mark.parametrize(("taken", "paid"), [(5, False), (6, True), (12, True)])
def test_funding_needs_half_of_the_intervals_samples(taken: int, paid: bool) -> None:
    one = contract()  # 60 s, one sample each 5 s
    one.samples, one.weights = [0] * taken, [1] * taken
    assert funding.is_payable(one) == paid
    one.mark = 0
    assert not funding.is_payable(one)


# --- engine and model ---------------------------------------------------------------------------------------------


def test_engine_and_model_agree_on_prices() -> None:
    kinds = Counter[int]()
    for seed in SEEDS:
        pair = Pair(LIMITS, Mode.EXCHANGE, audited=True, watched=True)
        pair.play(price_flow.stage())
        for rows in price_flow.flow(seed, COMMANDS):
            kinds.update(report["kind"] for report in pair.send(rows))
    assert min(kinds[kind] for kind in (EventKind.MARK_CHANGED, EventKind.PREMIUM_SAMPLED, EventKind.FILL)) > 100
    assert kinds[EventKind.FUNDING_PAID] > 20


def source(price: int, place: int, now_ns: int) -> build.Rows:
    """One source says a price now."""
    values = {"price_subticks": price, "source_time_ns": now_ns, "time_ns": now_ns}
    return build.directive(CommandKind.INDEX_PRICE, contract_slot=0, code=place, **values)


def test_engine_and_model_agree_while_sources_fall_silent_and_return() -> None:
    """All sources, then two, one, none, and all again; the market opens 30 s after that."""
    pair = Pair(LIMITS, Mode.EXCHANGE, audited=True, watched=True)
    script: Script = [build.person(1), *build.opened(0), *build.listed(0, ROUND)]
    pair.play(script)
    states: list[tuple[int, int]] = []
    for second in range(130):
        for place in range(3):
            if second < 20 + 15 * place or second >= 80:
                pair.send(source(1_000_000 + 100 * second, place, pair.now_ns))
        pair.now_ns += SECOND
        pair.play([build.new(0, Side.BUY, 1, 990), build.time()])
        state = pair.model.contracts[0].state
        if not states or states[-1][1] != state:
            states.append((second, state))
    assert states == [
        (0, MarketState.OPEN),
        (44, MarketState.REDUCE_ONLY),  # 10 s after the second of three fell silent, with min_sources 2
        (59, MarketState.HALTED),
        (110, MarketState.OPEN),
    ]


@pytest.mark.parametrize(("bid", "ask"), [(985, 986), (1013, 1014)])
def test_engine_and_model_agree_on_the_edges_of_the_clamp(bid: int, ask: int) -> None:
    """A book and a trade far from the index push the mark to an edge that is no whole subtick."""
    pair = Pair(LIMITS, Mode.EXCHANGE, audited=True, watched=True)
    pair.play([build.person(1), *build.opened(0), *build.opened(1)])
    pair.play(build.listed(0, ROUND | {P.MARK_CLAMP_PPB: 1}))
    for second in range(15):
        for place in range(3):
            pair.send(source(999_425, place, pair.now_ns))
        if second == 1:
            quotes = [build.new(0, BUY, 50, bid), build.new(1, SELL, 50, ask), build.new(0, BUY, 3, ask)]
            pair.play(quotes)
        pair.now_ns += SECOND
        pair.send(build.time())
    assert pair.model.contracts[0].big_trade == ask and pair.model.contracts[0].basis
    assert pair.model.contracts[0].mark == 999_425


@pytest.mark.parametrize(
    ("price", "recorded"), [(499_712, False), (499_713, True), (1_998_850, True), (1_998_851, False)]
)
def test_engine_and_model_agree_on_what_is_implausible(price: int, recorded: bool) -> None:
    """More than twice the index or less than half of it, as long as the index moves."""
    pair = Pair(LIMITS, Mode.EXCHANGE, audited=True, watched=True)
    pair.play(build.listed(0, ROUND))
    for place in range(3):
        pair.send(source(999_425, place, pair.now_ns))
    pair.now_ns += SECOND
    (report,) = pair.send(source(price, 0, pair.now_ns))[-1:]
    assert (report["kind"] == EventKind.INDEX_RECORDED) == recorded
    pair.now_ns += 11 * SECOND
    (report,) = pair.send(source(price, 0, pair.now_ns))[-1:]
    assert report["kind"] == EventKind.INDEX_RECORDED


def test_engine_and_model_agree_at_exact_edges() -> None:
    """Half of an even index, a source's clock a second ahead, and a trade of exactly a tenth of the impact notional."""
    pair = Pair(LIMITS, Mode.EXCHANGE, audited=True, watched=True)
    pair.play([build.person(1), *build.opened(0), *build.opened(1), *build.listed(0, ROUND)])
    for place in range(3):
        pair.send(source(1_000_000, place, pair.now_ns))
    pair.now_ns += SECOND
    reports = [pair.send(source(price, 0, pair.now_ns))[-1] for price in (499_999, 500_000)]
    assert [report["kind"] for report in reports] == [EventKind.REFUSED, EventKind.INDEX_RECORDED]
    ahead = source(1_000_000, 1, pair.now_ns)
    ahead.view(build.DIRECTIVE)["source_time_ns"] += SECOND
    pair.send(ahead)
    assert pair.model.contracts[0].sources[1].time_ns == pair.now_ns
    pair.play([build.new(0, BUY, 3, 999), build.new(1, SELL, 2, 999)])
    assert pair.model.contracts[0].big_trade == 0
    pair.play([build.new(0, BUY, 2, 1000), build.new(1, SELL, 2, 1000)])
    assert pair.model.contracts[0].big_trade == 1000


def test_engine_and_model_agree_that_the_stricter_of_lock_and_officer_holds() -> None:
    pair = Pair(LIMITS, Mode.EXCHANGE, audited=True, watched=True)
    pair.play(build.listed(0, ROUND))
    for place in range(3):
        pair.send(source(1_000_000, place, pair.now_ns))
    for seconds in (1, 12):
        pair.now_ns += seconds * SECOND
        pair.send(build.time())
    for asked in (MarketState.REDUCE_ONLY, MarketState.HALTED, MarketState.CANCEL_ONLY, MarketState.OPEN):
        pair.send(build.contract_state(0, asked))
        assert pair.model.contracts[0].state == MarketState.HALTED
    assert pair.model.contracts[0].open_state == MarketState.CANCEL_ONLY
