"""Funding, statistics and candles as clients ask for them, over a venue that really traded."""

import json

import pytest

from engine.codes import ContractParameter as P
from gateway.market_data.public_topics import make_topic
from gateway.wire.channels import parse
from gateway.wire.command_rows import index_row
from tests.gateway.live import BTC
from tests.gateway.query_venue import MINUTE_NS, START_NS, QueryVenue

MS = 1_000_000
HOUR_MS = 3_600_000
DAY_NS = 1440 * MINUTE_NS


@pytest.fixture
def venue(tmp_path, monkeypatch):
    return QueryVenue(tmp_path, monkeypatch)


def next_minute(venue):
    venue.pass_time(venue.clock.now_ns - venue.clock.now_ns % MINUTE_NS + MINUTE_NS)


# --- funding ------------------------------------------------------------------------------------------------------


def figures(venue):
    """The running rate as every place says it."""
    ticker = venue.result(0, "public/ticker", instrument_name=BTC)
    book = venue.result(0, "public/get_order_book", instrument_name=BTC)
    [one] = venue.result(0, "public/get_book_summary_by_instrument", instrument_name=BTC)
    projection = venue.venue.projection
    channel = make_topic(parse(f"perpetual.{BTC}.raw", projection.contract), projection)
    assert ticker["funding_8h"] == book["funding_8h"] == one["funding_8h"]
    assert ticker["current_funding"] == book["current_funding"] == one["current_funding"]
    assert json.loads(channel.said(channel.view(), projection.now_ns))["interest"] == ticker["current_funding"]
    return ticker["current_funding"], ticker["funding_8h"]


def value(venue, start_ms, end_ms):
    span = {"start_timestamp": start_ms, "end_timestamp": end_ms}
    return venue.result(0, "public/get_funding_rate_value", instrument_name=BTC, **span)


def test_the_rate_of_the_first_interval_is_the_interest_alone(venue):
    now_ms = venue.clock.now_ns // MS
    assert figures(venue) == (0.0001, 0.0001)
    assert value(venue, now_ms - 8 * HOUR_MS, now_ms) == value(venue, now_ms, now_ms) == 0.0001
    assert value(venue, now_ms - 48 * HOUR_MS, now_ms - 24 * HOUR_MS) == 0


def test_the_running_rate_is_what_the_engine_pays_when_the_interval_ends(venue):
    venue.set_parameter(P.FUNDING_INTERVAL_S, 60)
    venue.trade(1, 20_000)
    for name, amount, price in (("private/buy", 3, 20_100), ("private/sell", 3, 20_200)):
        venue.result(1, name, instrument_name=BTC, amount=amount, price=price)
    midnight = START_NS - START_NS % DAY_NS + DAY_NS
    venue.pass_time(midnight)
    rates = []
    for second in range(5, 65, 5):
        venue.pass_time(midnight + second * 10**9)
        rates.append(figures(venue))
    settled = venue.result(0, "private/get_transaction_log", currency="USDC", start_timestamp=midnight // MS,
                           end_timestamp=venue.clock.now_ns // MS, query="settlement")["logs"]  # fmt: skip
    before, after = rates[-2], rates[-1]
    assert before == (pytest.approx(0.0045 / 480, abs=1e-9), 0.0045)
    assert after == (0.000000208, 0.0001), "a new interval begins with the interest"
    [paid] = venue.result(0, "public/get_funding_rate_history", instrument_name=BTC,
                          start_timestamp=midnight // MS + 1, end_timestamp=venue.clock.now_ns // MS)  # fmt: skip
    assert paid["funding_rate"] == before[0]
    mark = venue.venue.projection.mark(0) / 1000 * 0.5
    assert settled[0]["change"] == pytest.approx(-mark * before[0], rel=0.01)


def test_past_periods_sum_what_was_paid_in_them(venue):
    venue.set_parameter(P.FUNDING_INTERVAL_S, 60)
    midnight = START_NS - START_NS % DAY_NS + DAY_NS
    for second in range(0, 215, 5):
        venue.pass_time(midnight + second * 10**9)
    start_ms, rate = midnight // MS, 0.000000208
    history = venue.result(0, "public/get_funding_rate_history", instrument_name=BTC, start_timestamp=0,
                           end_timestamp=venue.clock.now_ns // MS)  # fmt: skip
    assert [(row["timestamp"] - start_ms, row["funding_rate"]) for row in history] == [
        (0, 0), (60_000, rate), (120_000, rate), (180_000, rate),
    ]  # fmt: skip
    assert history[0]["prev_index_price"] is None and history[1]["prev_index_price"] == 20_000
    assert value(venue, start_ms + 1, start_ms + 180_000) == pytest.approx(3 * rate, abs=1e-12)
    assert value(venue, start_ms + 60_001, start_ms + 179_999) == rate
    assert value(venue, start_ms + 60_001, start_ms + 60_002) == 0, "nothing was paid in a past period"
    assert value(venue, start_ms + 180_001, start_ms + 200_000) == rate, "the running interval"


# --- statistics ---------------------------------------------------------------------------------------------------


def stats(venue):
    found = venue.result(0, "public/ticker", instrument_name=BTC)["stats"]
    return found["volume"], found["high"], found["low"]


def test_the_day_includes_the_minute_that_just_closed(venue):
    next_minute(venue)
    venue.trade(0.4, 20_100)
    assert stats(venue) == (0.4, 20_100, 20_100)
    next_minute(venue)
    assert stats(venue) == (0.4, 20_100, 20_100)
    venue.trade(0.1, 20_010)
    assert stats(venue) == (0.5, 20_100, 20_010)
    venue.pass_time(venue.clock.now_ns + DAY_NS - 30 * 10**9)
    assert stats(venue) == (0.5, 20_100, 20_010)
    venue.pass_time(venue.clock.now_ns + 2 * MINUTE_NS)
    assert stats(venue) == (0, None, None)


# --- candles ------------------------------------------------------------------------------------------------------


def chart(venue, start_ms, end_ms, resolution="1"):
    span = {"start_timestamp": start_ms, "end_timestamp": end_ms}
    found = venue.result(0, "public/get_tradingview_chart_data", instrument_name=BTC, resolution=resolution, **span)
    columns = ("open", "high", "low", "close", "volume", "cost")
    return {tick: tuple(found[name][at] for name in columns) for at, tick in enumerate(found["ticks"])}


def test_candles_are_the_same_in_every_window_and_reach_to_now(venue):
    next_minute(venue)
    first_ms = venue.clock.now_ns // MS // 60_000 * 60_000
    venue.trade(0.4, 20_100)
    venue.pass_time(venue.clock.now_ns + 4 * MINUTE_NS)
    venue.trade(0.1, 20_010)
    venue.pass_time(venue.clock.now_ns + 6 * MINUTE_NS)
    now_ms = venue.clock.now_ns // MS
    whole = chart(venue, first_ms - HOUR_MS, now_ms + HOUR_MS)
    assert sorted(whole) == [first_ms + minute * 60_000 for minute in range(11)]
    assert whole[first_ms] == (20_100, 20_100, 20_100, 20_100, 0.4, 8040)
    assert whole[first_ms + 60_000] == (20_100,) * 4 + (0, 0) and whole[max(whole)] == (20_010,) * 4 + (0, 0)
    for first in range(11):
        for last in range(first, 11):
            found = chart(venue, first_ms + first * 60_000, first_ms + last * 60_000)
            assert found == {tick: whole[tick] for tick in list(whole)[first : last + 1]}
    assert set(chart(venue, first_ms, now_ms, "5")) <= {tick - tick % 300_000 for tick in whole}
    assert chart(venue, first_ms - HOUR_MS, first_ms - 1) == {}


def test_a_chart_has_at_most_5000_candles_the_latest(venue):
    next_minute(venue)
    venue.trade(0.4, 20_100)
    start_ms = venue.clock.now_ns // MS
    venue.pass_time(venue.clock.now_ns + 6000 * MINUTE_NS)
    found = chart(venue, start_ms, venue.clock.now_ns // MS)
    assert len(found) == 5000 and max(found) == venue.clock.now_ns // MS // 60_000 * 60_000


# --- mark and index of past periods -------------------------------------------------------------------------------


def move_index(venue, price, until_ns):
    """Let time go on to an instant at which all sources of the index say another price."""
    venue.clock.now_ns = until_ns
    subticks = venue.venue.projection.contract_at(0).price_ticks(b"%d" % price) * 1000
    for source in range(3):
        venue.sequencer.submit(index_row(0, source, subticks, until_ns), None, None)
    venue.sequencer.settle()


def price_chart(venue, start_ms, end_ms, resolution="1"):
    span = {"start_timestamp": start_ms, "end_timestamp": end_ms, "resolution": resolution}
    found = venue.result(0, "public/get_price_chart_data", instrument_name=BTC, **span)
    assert found["status"] == ("ok" if found["ticks"] else "no_data")
    return dict(zip(found["ticks"], zip(found["mark"], found["index"], strict=True), strict=True))


def test_a_price_chart_says_mark_and_index_at_the_end_of_each_minute(venue, tmp_path):
    next_minute(venue)
    first_ns = venue.clock.now_ns - venue.clock.now_ns % MINUTE_NS
    seen = {}
    for minute, price in enumerate((20_000, 20_020, 20_010, 20_030)):
        for second in (1, 30, 58):
            move_index(venue, price - 60 + second, first_ns + minute * MINUTE_NS + second * 10**9)
        ticker = venue.result(0, "public/ticker", instrument_name=BTC)
        seen[(first_ns + minute * MINUTE_NS) // MS] = ticker["mark_price"], ticker["index_price"]
    assert len({index for _, index in seen.values()}) == 4
    first_ms, now_ms = first_ns // MS, venue.clock.now_ns // MS
    assert price_chart(venue, first_ms, now_ms + HOUR_MS) == seen
    quarter_ms = first_ms - first_ms % 900_000
    assert price_chart(venue, first_ms, now_ms, "15")[quarter_ms + (now_ms - quarter_ms) // 900_000 * 900_000] == (
        seen[max(seen)]
    )
    assert price_chart(venue, 0, START_NS // MS - HOUR_MS) == {}

    projection = venue.venue.projection
    projection.save(tmp_path / "saved.rows")
    again = type(projection)()
    again.load(tmp_path / "saved.rows")
    again.attach(projection._root)
    span = 0, 60, first_ns, venue.clock.now_ns
    assert again.references(*span) == projection.references(*span) != []
