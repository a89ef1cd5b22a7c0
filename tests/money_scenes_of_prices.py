"""Directed scenes of index, mark, impact prices, locks and funding, each with the figures that must come out."""

from typing import Any

from engine.codes import EventKind, ExecInst, MarketState, Reason
from engine.codes import VenueParameter as V
from tests import build
from tests.scene import (
    BUY,
    DAY_NS,
    MICROS,
    SELL,
    A,
    Begin,
    K,
    P,
    answer,
    index,
    isolate,
    isolated,
    mark,
    market,
    micros,
    move,
    order,
    patient,
    scene,
    trade,
)
from tests.stage import Stage

# --- index --------------------------------------------------------------------------------------------------------


def say(stage: Stage, *prices: float, first: int = 0) -> None:
    """Some sources' prices now, without waiting for the tick."""
    stage.send(*[stage.source_price(first + place, round(price * 1000)) for place, price in enumerate(prices)])


@scene
def a_source_counts_for_ten_seconds_to_the_end(begin: Begin) -> None:
    """At ten seconds of age it still counts, at eleven it is gone."""
    stage = market(begin, MIN_SOURCES=2)
    stage.now_ns += 8 * build.SECOND
    say(stage, 2010, 2010)
    stage.pass_time(1)
    assert index(stage) == 2_006_666, "2010, 2010 and 2000"
    stage.pass_time(1)
    assert index(stage) == 2_010_000


@scene
def an_even_median_is_the_mean_of_the_middle_two(begin: Begin) -> None:
    """2000 and 2030: each clamped to 2015 +/- 0.5 %."""
    stage = market(begin, MIN_SOURCES=2)
    stage.now_ns += 11 * build.SECOND
    stage.send(stage.source_price(0, 2_000_000), stage.source_price(1, 2_030_001))
    stage.pass_time(1)
    assert index(stage) == (2_004_925 + 2_025_075) // 2


@scene
def sources_are_weighed_and_clamped(begin: Begin) -> None:
    """Weights 1, 3, 4: all of them, then only the first two."""
    stage = market(begin, MIN_SOURCES=2)
    for place, weight in ((1, 3), (2, 4)):
        stage.send(build.contract_set(0, P.SOURCE_WEIGHT, weight, place))
    say(stage, 2000, 2005, 2030)
    stage.pass_time(1)
    assert index(stage) == (2_000_000 + 3 * 2_005_000 + 4 * 2_015_025) // 8
    stage.now_ns += 9 * build.SECOND
    say(stage, 2000, 2005)
    stage.pass_time(2)
    assert index(stage) == (2_000_000 + 3 * 2_005_000) // 4


@scene
def wild_and_old_prices_are_refused(begin: Begin) -> None:
    """Twice the index is the last that is taken, and a source never goes back in time."""
    stage = market(begin)
    for price, reason in (
        (4_000_001, Reason.PRICE_IMPLAUSIBLE),
        (4_000_000, Reason.NONE),
        (999_999, Reason.PRICE_IMPLAUSIBLE),
    ):
        stage.send(stage.source_price(0, price))
        assert answer(stage) == reason, price
    stage.send(stage.source_price(0, 1_000_000))
    assert answer(stage) == Reason.NONE
    row = stage.source_price(0, 2_000_000)
    row.view(build.DIRECTIVE)["source_time_ns"] -= 1
    stage.send(row)
    assert answer(stage) == Reason.STALE_PRICE


def short_lived(begin: Begin, **parameters: int) -> Stage:
    """Sources count for two seconds and are trusted again after three."""
    stage = market(begin, MIN_SOURCES=2, **parameters)
    stage.send(build.directive(K.VENUE_SET, code=V.INDEX_STALE_NS, value=2 * build.SECOND))
    stage.send(build.directive(K.VENUE_SET, code=V.INDEX_RECOVERY_NS, value=3 * build.SECOND))
    return stage


def states(stage: Stage, *live: int) -> list[int]:
    """The contract's state after each tick at which so many sources have just spoken."""
    found = []
    for count in live:
        say(stage, *[2000] * count)
        stage.pass_time(1)
        found.append(int(stage.state["contracts"][0]["state"]))
    return found


@scene
def a_lock_ends_after_its_time_of_live_sources(begin: Begin) -> None:
    """One source: only reducing. None: halted. Two again for three seconds on end: open."""
    stage = short_lived(begin)
    reduce, halted, free = MarketState.REDUCE_ONLY, MarketState.HALTED, MarketState.OPEN
    assert states(stage, 1, 1, 1) == [free, reduce, reduce]
    assert states(stage, 0, 0, 0) == [reduce, halted, halted]
    assert states(stage, 2, 2, 0, 0, 0) == [halted, halted, halted, halted, halted], "gone too soon"
    assert states(stage, 2, 2, 2, 2, 2) == [halted, halted, halted, free, free]


@scene
def a_lock_leaves_what_is_stricter(begin: Begin) -> None:
    """What an operator halted stays halted, and is halted again when the lock ends."""
    stage = short_lived(begin)
    stage.send(build.contract_state(0, MarketState.HALTED))
    assert set(states(stage, 1, 1, 1, 2, 2, 2, 2, 2)) == {MarketState.HALTED}
    stage.send(build.contract_state(0, MarketState.OPEN))
    assert answer(stage) == Reason.NONE


# --- impact prices, basis and mark ----------------------------------------------------------------------------------


def quoted(begin: Begin, *quotes: tuple[int, int, int], notional: int = 40_000, **parameters: int) -> Stage:
    """A sample each second, an impact notional in units, and quotes (side, lots, price) of accounts 1 and 2."""
    settings = {"FUNDING_INTERVAL_S": 28_800, "SAMPLE_INTERVAL_S": 1, "IMPACT_NOTIONAL_MICROS": notional * MICROS}
    stage = market(begin, **settings | parameters)
    move(stage, 2000)
    quote(stage, *quotes)
    return stage


def quote(stage: Stage, *quotes: tuple[int, int, int]) -> None:
    """Quotes of accounts 1 to buy and 2 to sell, instead of those before."""
    stage.send(build.mass_cancel(1), build.mass_cancel(2))
    for side, lots, price in quotes:
        stage.order(1 if side == BUY else 2, side, lots, price)


def sample(stage: Stage) -> tuple[int, int, int]:
    """The impact prices and the premium of the next sample."""
    move(stage, 2000)
    rows = stage.of(EventKind.PREMIUM_SAMPLED)
    return rows[-1]["price_subticks"], rows[-1]["other_price_subticks"], rows[-1]["rate_ppb"]


@scene
def impact_prices_are_exact(begin: Begin) -> None:
    """A level that just carries the notional does; the average over two; an iceberg counts for what it shows."""
    stage = quoted(begin, (BUY, 20, 2000), (SELL, 10, 2010), (SELL, 10, 2020))
    assert sample(stage) == (2_000_000, 40_000 * 2020 * 1000 // (10 * 2020 + 40_000 - 10 * 2010), 0)
    stage.send(build.mass_cancel(1), build.mass_cancel(2))
    stage.order(1, BUY, 100, 2000, flags=ExecInst.ICEBERG, display_lots=10)
    stage.order(2, SELL, 19, 1990)
    assert sample(stage) == (0, 0, 0), "both sides are too thin"


@scene
def a_premium_of_one_side_rounds_down(begin: Begin) -> None:
    """Bids at 2017 alone, then offers at 1977 alone; what is too thin counts for nothing."""
    stage = quoted(begin, (BUY, 20, 2017))
    move(stage, 2000)
    assert sample(stage) == (2_017_000, 0, 8_500_000)
    quote(stage, (SELL, 30, 1977))
    assert sample(stage) == (0, 1_977_000, -11_500_000)
    for source in range(3):
        stage.send(stage.source_price(source, 2_000_001))
    stage.pass_time(1)
    move(stage, 2000)
    row = stage.history(EventKind.PREMIUM_SAMPLED)[-1]
    assert row["old_value"] == 2_000_001
    assert row["rate_ppb"] == -(23_001 * 10**9 // 2_000_001 + 1)


@scene
def a_thin_side_is_no_basis(begin: Begin) -> None:
    """Only bids: the index is P1 and P2, whatever the last big trade was."""
    stage = quoted(begin, (BUY, 100, 1960))
    stage.order(2, SELL, 10, 1960)
    for _ in range(3):
        move(stage, 2000)
    assert mark(stage) == 2_000_000


@scene
def a_tenth_of_the_impact_notional_is_a_big_trade(begin: Begin) -> None:
    """2 lots at 2012 are 4,024: with one lot the mark stays, with two it is the basis, 2011."""
    stage = quoted(begin, (BUY, 100, 2010), (SELL, 100, 2012), notional=40_240)
    move(stage, 2000)
    move(stage, 2000)
    stage.order(3, BUY, 1, 2012)
    move(stage, 2000)
    assert mark(stage) == 2_000_000
    stage.order(3, BUY, 2, 2012)
    move(stage, 2000)
    assert mark(stage) == 2_011_000


@scene
def the_mark_stays_within_its_clamp(begin: Begin) -> None:
    """Basis and last big trade are 2 % above, the clamp is 1 %."""
    stage = quoted(begin, (BUY, 100, 2040), (SELL, 100, 2042), MARK_CLAMP_PPB=10_000_000)
    stage.order(3, BUY, 10, 2042)
    move(stage, 2000)
    move(stage, 2000)
    assert mark(stage) == 2_020_000


@scene
def each_basis_sample_is_clamped(begin: Begin) -> None:
    """91 counts for 50, half of the lowest MMR; the mean rounds down."""
    stage = quoted(begin, (BUY, 100, 2090), (SELL, 100, 2092))
    stage.order(3, BUY, 10, 2092)
    move(stage, 2000)
    quote(stage, (BUY, 100, 2001), (SELL, 100, 2002))
    move(stage, 2000)
    samples = stage.history(EventKind.PREMIUM_SAMPLED)
    basis = [(row["price_subticks"] + row["other_price_subticks"]) // 2 for row in samples if row["price_subticks"]]
    assert basis == [2_091_000, 2_001_500]
    assert mark(stage) == 2_000_000 + (50_000 + 1_500) // 2


@scene
def the_mean_is_over_the_last_thirty(begin: Begin) -> None:
    """Five samples of 21, then thirty of 11: the first are forgotten one by one."""
    stage = quoted(begin, (BUY, 100, 2020), (SELL, 100, 2022))
    patient(stage)
    stage.order(3, BUY, 10, 2022)
    for _ in range(5):
        stage.pass_time(1)
    quote(stage, (BUY, 100, 2010), (SELL, 100, 2012))
    marks = []
    for _ in range(31):
        stage.pass_time(1)
        marks.append(mark(stage))
    high = sum(row["price_subticks"] == 2_020_000 for row in stage.history(EventKind.PREMIUM_SAMPLED))
    for low, found in enumerate(marks, start=1):
        kept = max(high - max(high + low - 30, 0), 0)
        assert found == 2_000_000 + (kept * 21_000 + min(low, 30) * 11_000) // (kept + min(low, 30))


@scene
def affiliates_quotes_are_left_out(begin: Begin) -> None:
    """Where the contract says so, a group company's bids make no impact price."""
    for present in (1, 0):
        stage = quoted(begin, DISCLOSURE_AFFILIATE=1, AFFILIATE_PRESENT=present, IMPACT_EXCLUDES_AFFILIATES=1)
        stage.send(build.account_set(1, A.AFFILIATION, 1))
        stage.send(build.approval(1, 0, build.FAR_NS))
        assert order(stage, 1, BUY, 100, 2010, flags=ExecInst.POST_ONLY) == Reason.NONE
        stage.order(2, SELL, 100, 2012)
        stage.order(3, BUY, 100, 1990)
        assert sample(stage)[:2] == (1_990_000, 2_012_000)


# --- funding ------------------------------------------------------------------------------------------------------


def funded(begin: Begin, *cash: float, samples: int = 4, **parameters: int) -> Stage:
    """Eight hours of so many samples; sources count for days, so that a command can be hours later."""
    settings = {"FUNDING_INTERVAL_S": 28_800, "SAMPLE_INTERVAL_S": 28_800 // samples, "FUNDING_CAP_PPB": 37_500_000}
    stage = market(begin, *cash, **settings | parameters)
    patient(stage)
    return stage


def later(stage: Stage, hours: float) -> None:
    """Time passes in one command."""
    stage.now_ns += round(hours * 3600 * build.SECOND)
    stage.send(build.time())


def rates(stage: Stage) -> list[dict[str, Any]]:
    """The rates of all intervals so far."""
    return stage.history(EventKind.FUNDING_RATE)


def premiums(stage: Stage) -> list[int]:
    """All samples so far."""
    return [row["rate_ppb"] for row in stage.history(EventKind.PREMIUM_SAMPLED)]


def through(stage: Stage, bids: tuple[int, ...]) -> int:
    """A whole interval from its start, with one bid for each sample; how many samples it had."""
    before = len(premiums(stage))
    for price in bids:
        quote(stage, (BUY if price > 2000 else SELL, 100, price))
        later(stage, 8 / len(bids))
    return len(premiums(stage)) - before


def at_an_instant(begin: Begin, *cash: float, samples: int = 4, **parameters: int) -> Stage:
    """The same at an instant of funding, 16:00, with an interval that begins."""
    stage = funded(begin, *cash, samples=samples, **parameters)
    stage.now_ns = stage.now_ns // DAY_NS * DAY_NS + 8 * 3600 * build.SECOND
    for _ in range(samples):
        later(stage, 8 / samples)
    return stage


@scene
def later_samples_weigh_more(begin: Begin) -> None:
    """1, 2, 3, 4, or all the same; the average of negative ones rounds down too; each interval begins anew."""
    inexact = []
    for equal in (0, 1):
        stage = at_an_instant(begin, FUNDING_EQUAL_WEIGHTS=equal)
        for bids in ((2001, 2003, 2011, 2031), (1999, 1997, 1983, 1978)):
            say(stage, 2000.003, 2000.003, 2000.003)
            assert through(stage, bids) == 4
            found, weights = premiums(stage)[-4:], (1, 1, 1, 1) if equal else (1, 2, 3, 4)
            assert len(set(found)) == 4
            total = sum(weight * value for weight, value in zip(weights, found, strict=True))
            average = total // sum(weights)
            inexact.append(total % sum(weights) != 0)
            assert (rates(stage)[-1]["old_value"], rates(stage)[-1]["new_value"]) == (average, 4)
    assert any(inexact)


@scene
def the_rate_is_average_and_interest_within_the_cap(begin: Begin) -> None:
    """avg + clamp(0.01 % - avg, 0.05 %), within 3.75 % both ways, and scaled to the interval."""
    stage = at_an_instant(begin, samples=1)
    for bid, rate in ((2031, 15_000_000), (1939, -30_000_000), (2090, 37_500_000), (1910, -37_500_000), (2001, 1)):
        through(stage, (bid,))
        average = (bid - 2000) * 500_000
        expected = {2001: 100_000}.get(bid, max(min(average - (500_000 if bid > 2000 else -500_000), 37_500_000), rate))
        assert rates(stage)[-1]["rate_ppb"] == expected, bid
    stage = at_an_instant(begin, samples=1, FUNDING_INTERVAL_S=14_400, SAMPLE_INTERVAL_S=14_400)
    quote(stage, (BUY, 100, 2031))
    later(stage, 4)
    later(stage, 4)
    assert rates(stage)[-1]["rate_ppb"] == 7_500_000


@scene
def below_half_of_the_samples_nothing_is_paid(begin: Begin) -> None:
    """Two of four are enough, one is not; what is not paid is not carried over, and the rate is 0."""
    stage = at_an_instant(begin)
    trade(stage, 3, 4, 10, 2000)
    quote(stage, (BUY, 100, 2050))
    later(stage, 2)
    later(stage, 2)
    later(stage, 4)
    assert (rates(stage)[-1]["code"], rates(stage)[-1]["new_value"]) in ((1, 2), (1, 3))
    paid = len(stage.history(EventKind.FUNDING_PAID))
    assert paid == 2
    later(stage, 8.5)
    assert [(row["code"], row["rate_ppb"]) for row in rates(stage)[-1:]] == [(0, 0)]
    assert len(stage.history(EventKind.FUNDING_PAID)) == paid


@scene
def funding_is_paid_at_the_mark_and_its_dust_is_the_funds(begin: Begin) -> None:
    """After a first rate the mark is above the index; payers round up, receivers down, 7 micros a tick."""
    stage = at_an_instant(begin, samples=1, MICROS_PER_TICK_LOT=7, fund=0)
    isolate(stage, 3)
    for buyer, lots in ((3, 3), (4, 5), (5, 1)):
        trade(stage, buyer, 6, lots, 2000)
    money, cash = isolated(stage, 3), stage.cash(3)
    for price in (2031, 2047):
        through(stage, (price,))
        move(stage, 2000)
    first, second = rates(stage)[-2:]
    assert first["price_subticks"] == 2_000_000 and second["price_subticks"] == 2_000_000
    later(stage, 4)
    assert mark(stage) == 2_000_000 + second["rate_ppb"] * 2_000_000 * 14_399 // 28_800 // 10**9
    paid = stage.history(EventKind.FUNDING_PAID)
    assert len(paid) == 8
    for row, rate in zip(paid, [first] * 4 + [second] * 4, strict=True):
        worth = rate["price_subticks"] * row["position_lots"] * 7
        assert row["amount_micros"] == worth * -rate["rate_ppb"] // (1000 * 10**9)
    dust = -sum(row["amount_micros"] for row in paid)
    assert dust > 0 and stage.state["fund_micros"] == dust and stage.state["fees_micros"] == 0
    own = sum(row["amount_micros"] for row in paid if row["account_slot"] == 3)
    assert own < 0 and round((isolated(stage, 3) - money) * MICROS) == own and stage.cash(3) == cash


@scene
def what_fell_due_while_ticks_were_off_is_done_when_they_are_on(begin: Begin) -> None:
    """Hours without ticks: at the instant at which they are switched on again the funding of 16:00 is settled."""
    stage = funded(begin)
    stage.send(build.directive(K.VENUE_SET, code=V.MARK_TICK_NS, value=0))
    later(stage, 8)
    assert rates(stage) == []
    stage.send(build.directive(K.VENUE_SET, code=V.MARK_TICK_NS, value=build.SECOND))
    stage.send(build.time())
    assert len(rates(stage)) == 1


@scene
def the_first_price_draws_nearer_to_the_index(begin: Begin) -> None:
    """P1 at the beginning, in the middle and at the end of an interval; frozen while no source is live."""
    stage = at_an_instant(begin, samples=1)
    through(stage, (2031,))
    quote(stage)
    rate = rates(stage)[-1]["rate_ppb"]
    assert rate == 15_000_000
    for hours, price in ((4, 2_015_000), (3, 2_003_750)):
        later(stage, hours)
        assert mark(stage) == price
    stage.send(build.directive(K.VENUE_SET, code=V.INDEX_STALE_NS, value=build.SECOND))
    later(stage, 0.5)
    assert mark(stage) == 2_003_750


@scene
def funding_goes_on_when_the_mark_is_another_than_the_index(begin: Begin) -> None:
    """A big trade and the basis hold the mark at 2031: payments are made at it, not at 2000."""
    stage = at_an_instant(begin, samples=1)
    quote(stage, (BUY, 100, 2030), (SELL, 100, 2032))
    stage.order(3, BUY, 10, 2032)
    later(stage, 8)
    micros(stage, 3, 1)
    later(stage, 8)
    paid = [row for row in stage.history(EventKind.FUNDING_PAID) if row["account_slot"] == 3]
    assert [row["price_subticks"] for row in paid][-1] == 2_031_000
    assert paid[-1]["amount_micros"] == -20_310 * rates(stage)[-1]["rate_ppb"] // 1000
