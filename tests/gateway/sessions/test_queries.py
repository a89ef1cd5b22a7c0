"""Queries: market data, own orders and trades, money, and the venue's own methods."""

import pytest
from msgspec import structs

from engine.codes import NIL, MarketState, OrdStatus, OrdType, Reason, Side
from gateway.wire.views import (
    BookView,
    Candle,
    FundingView,
    PositionView,
    ReferenceView,
    Report,
    RuleState,
    TickerView,
    TradeView,
    TransactionView,
)
from tests.gateway.desk import BTC, ETH, MS, NOW, Desk, ask, order, own_trade

NAME = BTC.name
HOUR = 3_600_000_000_000


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    yield desk
    desk.registry.close()


def result(desk, method, name="alice", **params):
    return ask(desk.session(name), method, **params)["result"]


def test_instruments_have_what_clients_read(desk):
    rows = result(desk, "public/get_instruments", name=None)
    assert [row["instrument_name"] for row in rows] == [BTC.name, ETH.name]
    assert {
        "kind": "future", "instrument_type": "linear", "base_currency": "BTC", "counter_currency": "USDC",
        "settlement_currency": "USDC", "settlement_period": "perpetual", "is_active": True, "tick_size": 0.5,
        "min_trade_amount": 0.001, "contract_size": 1, "maker_commission": 0.0002, "taker_commission": 0.0005,
        "max_leverage": 10, "creation_timestamp": 5, "price_index": "btc_usdc", "instrument_id": 1,
        "tick_size_steps": [], "state": "open",
    }.items() <= rows[0].items()  # fmt: skip
    for currency, count in (("any", 2), ("usdc", 2), ("BTC", 0), ("EURR", 0)):
        assert len(result(desk, "public/get_instruments", name=None, currency=currency)) == count
    assert result(desk, "public/get_instruments", kind="option") == []
    assert result(desk, "public/get_instruments", expired=True) == []
    assert result(desk, "public/get_instrument", instrument_name=NAME) == rows[0]
    assert {row["currency"] for row in result(desk, "public/get_currencies")} == {"BTC", "ETH", "USDC"}


def test_an_empty_market_has_nulls_and_a_full_one_numbers(desk):
    empty = result(desk, "public/ticker", instrument_name=NAME)
    assert empty["best_bid_price"] is None and empty["last_price"] is None and empty["mark_price"] is None
    desk.rows.ticker_rows[0] = TickerView(
        0, NOW, MarketState.OPEN, best_bid_ticks=40_000, best_bid_lots=10_000, best_ask_ticks=40_001,
        best_ask_lots=20_000, last_price_ticks=40_001, mark_subticks=40_000_333, index_subticks=39_999_000,
        min_price_ticks=38_800, max_price_ticks=41_200, high_ticks=42_000, low_ticks=39_000, open_ticks=40_000,
        volume_lots=30_000, volume_tick_lots=30_000 * 40_000, open_interest_lots=5_000, current_funding_ppb=-12_345,
        funding_8h_ppb=100_000, next_funding_ns=NOW + 60_000 * MS, funding_interval_s=28_800,
    )  # fmt: skip
    full = result(desk, "public/ticker", instrument_name=NAME)
    assert full == {
        "timestamp": NOW // MS, "instrument_name": NAME, "state": "open", "market_state": "open",
        "best_bid_price": 20000,
        "best_bid_amount": 1, "best_ask_price": 20000.5, "best_ask_amount": 2, "last_price": 20000.5,
        "mark_price": 20000.1665, "index_price": 19999.5, "min_price": 19400, "max_price": 20600,
        "stats": {"high": 21000, "low": 19500, "price_change": 0.0025, "volume": 3, "volume_usd": 60000,
                  "volume_notional": 60000},
        "current_funding": -0.000012345, "funding_8h": 0.0001, "open_interest": 0.5, "settlement_price": 20000.1665,
        "estimated_delivery_price": 19999.5, "liquidation_enabled": True,
        "next_funding_timestamp": NOW // MS + 60_000, "funding_interval": 28_800,
    }  # fmt: skip
    desk.rows.book_rows[0] = BookView(0, NOW, 7, [(40_000, 10_000), (39_999, 5)], [(40_001, 20_000)])
    book = result(desk, "public/get_order_book", instrument_name=NAME, depth=1)
    assert (book["bids"], book["asks"], book["change_id"]) == ([[20000, 1]], [[20000.5, 2]], 7)
    assert book["mark_price"] == 20000.1665
    [summary] = result(desk, "public/get_book_summary_by_instrument", instrument_name=NAME)
    assert (summary["mid_price"], summary["bid_price"], summary["volume_notional"]) == (20000.25, 20000, 60000)
    assert len(result(desk, "public/get_book_summary_by_currency", currency="USDC")) == 2
    assert result(desk, "public/get_index_price", index_name="btc_usdc")["index_price"] == 19999.5
    assert result(desk, "public/get_index_price", index_name="eth_usdc")["index_price"] is None


def test_trades_candles_and_funding(desk):
    desk.rows.public_trades = [TradeView(0, 3, NOW, Side.SELL, 40_001, 5, 2, 40_000_000, 0, forced=True)]
    trades = result(desk, "public/get_last_trades_by_instrument", instrument_name=NAME, count="5", include_old=True)
    assert trades["has_more"] is False
    assert trades["trades"][0] == {
        "trade_id": "BTC-3", "trade_seq": 3, "timestamp": NOW // MS, "instrument_name": NAME, "price": 20000.5,
        "amount": 0.0005, "direction": "sell", "tick_direction": 2, "mark_price": 20000, "index_price": None,
        "affiliated_maker": False, "liquidation": "T",
    }  # fmt: skip
    span = {"instrument_name": NAME, "start_timestamp": 1000, "end_timestamp": 2000}
    result(desk, "public/get_last_trades_by_instrument_and_time", **span, sorting="asc")
    assert (desk.rows.spans[-1].start_ns, desk.rows.spans[-1].end_ns) == (1000 * MS, 2001 * MS - 1)
    assert desk.rows.spans[-1].ascending
    desk.rows.candle_rows = [Candle(NOW, 1, 4, 1, 2, 30_000, 60_000)]
    assert result(desk, "public/get_tradingview_chart_data", **span, resolution="1D") == {
        "status": "ok", "ticks": [NOW // MS], "open": [0.5], "high": [2], "low": [0.5], "close": [1], "volume": [3],
        "cost": [3],
    }  # fmt: skip
    desk.rows.candle_rows = []
    assert result(desk, "public/get_tradingview_chart_data", **span, resolution="1")["status"] == "no_data"
    desk.rows.reference_rows = [ReferenceView(NOW, 40_000_000, 39_998_500)]
    assert result(desk, "public/get_price_chart_data", **span, resolution="240") == {
        "status": "ok", "ticks": [NOW // MS], "mark": [20000], "index": [19999.25],
    }  # fmt: skip
    now = {"instrument_name": NAME, "start_timestamp": NOW // MS - 10**7, "end_timestamp": NOW // MS}
    desk.rows.ticker_rows[0].current_funding_ppb = 7_000
    assert result(desk, "public/get_funding_rate_value", **now) == 0.000007
    past = {**now, "start_timestamp": 0, "end_timestamp": NOW // MS - 10**7}
    desk.rows.funding_start_ns = lambda slot: NOW - HOUR
    assert result(desk, "public/get_funding_rate_value", **past) == 0
    desk.rows.funding_rows = [FundingView(NOW - HOUR, 40_000_000, 39_000_000, 100_000, 28_800)] * 2
    assert result(desk, "public/get_funding_rate_value", **now) == 0.0002
    assert result(desk, "public/get_funding_rate_history", **now)[0] == {
        "timestamp": (NOW - HOUR) // MS, "index_price": 20000, "prev_index_price": 19500, "interest_8h": 0.0001,
        "interest_1h": 0.0000125, "funding_rate": 0.0001, "interval_s": 28800,
    }  # fmt: skip


def test_status_is_text(desk):
    assert result(desk, "public/status")["locked"] == "false"
    desk.rows.halted = True
    assert result(desk, "public/status")["locked"] == "true"


def test_own_orders_by_instrument_currency_and_type(desk):
    desk.rows.orders = {
        1: order(1),
        2: order(2, contract=1),
        3: order(3, ord_type=OrdType.STOP_LIMIT, status=OrdStatus.UNTRIGGERED),
        4: order(4, account=1),
        5: order(5, status=OrdStatus.FILLED, filled_lots=5000, filled_tick_lots=5000 * 40_001),
        6: order(6, status=OrdStatus.CANCELED),
    }

    def ids(method, **params):
        return [row["order_id"] for row in result(desk, method, **params)]

    assert ids("private/get_open_orders") == ["1", "2", "3"]
    assert ids("private/get_open_orders", type="limit") == ["1", "2"]
    assert ids("private/get_open_orders", type="trigger_all") == ["3"]
    assert ids("private/get_open_orders", type="stop_all") == ["3"]
    assert ids("private/get_open_orders", kind="option") == []
    assert ids("private/get_open_orders_by_instrument", instrument_name=ETH.name) == ["2"]
    assert ids("private/get_open_orders_by_currency", currency="BTC") == []
    assert ids("private/get_open_orders_by_currency", currency="USDC") == ["1", "2", "3"]
    history = "private/get_order_history_by_instrument"
    assert ids(history, instrument_name=NAME) == ids(history, instrument_name=NAME, include_unfilled=False) == ["5"]
    assert ids(history, instrument_name=NAME, include_unfilled=True) == ["5", "6"]
    assert ids(history, instrument_name=NAME, include_unfilled=True, count=1, offset=1) == ["6"]
    assert ids("private/get_order_history_by_currency", currency="USDC", count=5, offset=2) == []
    assert (desk.rows.spans[-1].count, desk.rows.spans[-1].offset) == (5, 2)


def test_what_is_asked_of_trades_reaches_the_history(desk):
    def span(method="private/get_user_trades_by_instrument", **params):
        where = {"currency": "USDC"} if "currency" in method else {"instrument_name": NAME}
        result(desk, method, **where, **params)
        return desk.rows.spans[-1]

    by_currency = "private/get_user_trades_by_currency"
    assert not span().ascending and span().start_ns == NOW - 7 * 24 * HOUR
    assert span(include_old=True).start_ns == 0
    assert span(start_seq=5).ascending and span(start_seq=5).first_id == 5 and span(start_seq=5).start_ns == 0
    assert span(start_timestamp=5, sorting="default").ascending and not span(start_seq=5, sorting="desc").ascending
    assert not span(end_seq=5).ascending and span(end_seq=5, sorting="asc").ascending
    bounds = span(by_currency, start_id="BTC-3", end_id="ETH-9", count=7)
    assert (bounds.first_place, bounds.last_place, bounds.count, bounds.ascending) == (3, 9, 7, True)
    history = "private/get_order_history_by_currency"
    assert (span(history).start_ns, span(history).count) == (NOW - 2 * 24 * HOUR, 20)
    assert (span(history, include_old=True, offset=4).start_ns, desk.rows.spans[-1].offset) == (0, 4)


def test_own_trades(desk):
    desk.rows.own_trades = [own_trade(trade_id=3), own_trade(trade_id=2, is_taker=False), own_trade(account=1)]
    mine = result(desk, "private/get_user_trades_by_instrument", instrument_name=NAME)
    assert [(row["trade_id"], row["liquidity"]) for row in mine["trades"]] == [("BTC-3", "T"), ("BTC-2", "M")]
    page = result(desk, "private/get_user_trades_by_currency", currency="USDC", count=1)
    assert page["has_more"] is True and len(page["trades"]) == 1
    since = {"currency": "USDC", "start_timestamp": 1}
    assert len(result(desk, "private/get_user_trades_by_currency_and_time", **since)["trades"]) == 2
    one = result(desk, "private/get_user_trades_by_order", order_id="77")
    assert [row["trade_seq"] for row in one] == [3, 2]
    other = result(desk, "private/get_user_trades_by_order", order_id="77", sorting="desc")
    assert [row["trade_seq"] for row in other] == [2, 3]


def test_money(desk):
    summary = result(desk, "private/get_account_summary", currency="usdc", extended=True)
    assert (summary["currency"], summary["equity"], summary["balance"]) == ("USDC", 10000, 10000)
    assert (summary["username"], summary["type"], summary["margin_model"]) == ("alice", "main", "segregated_sm")
    assert result(desk, "private/get_account_summary", currency="BTC")["equity"] == 0
    assert [row["currency"] for row in result(desk, "private/get_account_summaries")["summaries"]] == ["USDC"]
    assert result(desk, "private/get_leverage", instrument_name=NAME)["leverage"] == 10


def test_positions(desk):
    assert result(desk, "private/get_position", instrument_name=NAME)["direction"] == "zero"
    desk.rows.positions.rows[0] = PositionView(
        0, -10_000, -20_000_000_000, 40_010_000, 40_000_000, -5_000_000, 1_000_000, 500_000, 2_000_500_000,
        1_000_250_000, 10, 43_000_000, 3,
    )  # fmt: skip
    [row] = result(desk, "private/get_positions")
    assert row == {
        "instrument_name": NAME, "kind": "future", "direction": "sell", "size": -1, "size_currency": -1,
        "average_price": 20000, "mark_price": 20005, "index_price": 20000, "floating_profit_loss": -5,
        "realized_profit_loss": 1, "realized_funding": 0.5, "total_profit_loss": -3.5, "initial_margin": 2000.5,
        "maintenance_margin": 1000.25, "leverage": 10, "estimated_liquidation_price": 21500, "adl_lights": 3,
        "margin_mode": "cross", "settlement_currency": "USDC", "delta": -1, "settlement_price": 20005,
        "roe": -0.25,
    }  # fmt: skip
    assert result(desk, "private/get_positions", currency="ETH") == []
    assert len(result(desk, "private/get_positions", currency="USDC", kind="future")) == 1


def test_transactions(desk):
    desk.rows.transaction_rows = [
        TransactionView(5, NOW, "trade", 0, Side.BUY, 5000, 40_001, 5_000_000, -5_000_000, 10**10, 77, 3),
        TransactionView(4, NOW, "deposit", NIL, 0, 0, 0, 0, 10**10, 10**10),
    ]
    span = {"currency": "USDC", "start_timestamp": 0, "end_timestamp": NOW // MS}
    log = result(desk, "private/get_transaction_log", **span)
    assert [(row["type"], row["change"], row["balance"]) for row in log["logs"]] == [
        ("trade", -5, 10000),
        ("deposit", 10000, 10000),
    ]
    assert log["logs"][0]["trade_id"] == "BTC-3" and log["continuation"] is None
    log = result(desk, "private/get_transaction_log", **span, query="deposit")
    assert [row["type"] for row in log["logs"]] == ["deposit"]


def test_admission_in_plain_words(desk):
    expired = RuleState(Reason.PI_EVIDENCE_EXPIRED, False, "2026-01-01")
    desk.rows.rule_rows = [RuleState(Reason.KYC_NOT_VALID, True), expired]
    answer = result(desk, "venue/get_admission")
    assert answer["may_open"] is False
    assert answer["rules"][1]["reason"] == "PI_EVIDENCE_EXPIRED" and answer["rules"][1]["remedy"]
    assert answer["rules"][0]["remedy"] == ""


def test_every_reason_is_published(desk):
    rows = result(desk, "venue/get_reject_reasons", name=None)
    assert {row["reason"] for row in rows} == {reason.name for reason in Reason if reason} - {"SANCTIONS"}
    assert all(row["meaning"] for row in rows)
    assert all(row["remedy"] for row in rows if row["number"] < 1300)


def test_rules(desk):
    rules = result(desk, "venue/get_rules", name=None)
    assert rules["contracts"][0]["price_band"] == 0.03 and rules["contracts"][0]["affiliated_maker"] is False
    assert "10009" in rules["error_codes"]


def test_rules_disclose_each_difference_of_treatment_with_its_source(desk, monkeypatch):
    """And what is in force: the post-only rule, and whose impact prices leave the affiliated maker out."""

    def told():
        return {row["subject"]: row for row in result(desk, "venue/get_rules", name=None)["affiliated_makers"]}

    rows = told()
    circular = "SFC circular 26EC6 of 11 February 2026, "
    sources = {name: row["source"].removeprefix(circular) for name, row in rows.items()}
    assert sources == {
        "priority": "paragraph 7(e)", "post_trade_data": "paragraph 7(f)", "pre_trade_transparency": "paragraph 7(g)",
        "admission": "paragraph 7(c)", "governance": "paragraph 7(c) and (d)", "suspension": "paragraph 7(g)",
        "fees": "paragraph 7(g)", "margin_and_liquidation": "paragraph 7(g)", "conflict_of_interest": "paragraph 7(g)",
        "order_placing": "paragraph 7(g)", "impact_prices": "paragraph 7(g)",
    }  # fmt: skip
    assert "post-only" in rows["order_placing"]["treatment"] and rows["impact_prices"]["favours"] == "nobody"
    monkeypatch.setattr(desk.rows, "is_post_only_for_affiliates", lambda: False)
    terms = [structs.replace(desk.rows.terms(slot), excludes_affiliates=slot == 0) for slot in (0, 1)]
    monkeypatch.setattr(desk.rows, "terms", lambda slot: terms[slot])
    rows = told()
    assert "every kind of order" in rows["order_placing"]["treatment"]
    assert f"in {NAME};" in rows["impact_prices"]["treatment"] and rows["impact_prices"]["favours"] == "clients"


def test_resume(desk):
    desk.rows.reports = [
        Report(5, "order", 0, b'{"a":1}'), Report(5, "order", 1, b'{"a":2}'), Report(6, "trade", 0, b'{"b":2}'),
    ]  # fmt: skip
    trade = {"channel": "user.trades.any.any.raw", "data": [{"b": 2}], "sequence": 6}
    assert result(desk, "venue/resume", sequence=5) == {"sequence": 100, "has_more": False, "events": [trade]}
    orders = [{"channel": "user.orders.any.any.raw", "data": {"a": number}, "sequence": 5} for number in (1, 2)]
    orders[0]["more"] = True
    part = result(desk, "venue/resume", sequence=4, count=2)
    assert part == {"sequence": 5, "has_more": True, "events": orders}
    assert result(desk, "venue/resume", sequence=4, until=5)["sequence"] == 5
    assert result(desk, "venue/resume", sequence=6) == {"sequence": 100, "has_more": False, "events": []}
    assert result(desk, "venue/resume", sequence=None)["sequence"] == 100


def test_resume_by_channel(desk):
    desk.rows.reports = [Report(5, "order", slot, b'{"slot":%d}' % slot) for slot in (0, 1)]
    names = [f"user.orders.{BTC.name}.100ms", f"user.orders.{ETH.name}.raw", "user.orders.any.USDC.100ms"]
    events = result(desk, "venue/resume", sequence=4, channels=names)["events"]
    assert [(event["channel"], event["data"]) for event in events] == [
        (names[0], [{"slot": 0}]), (names[1], {"slot": 1}), (names[2], [{"slot": 0}, {"slot": 1}]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "params, param, words",
    [
        ({"sequence": 101}, "sequence", "101 is ahead of this venue, whose last sequence is 100"),
        ({"sequence": 5, "until": 101}, "until", "ahead"),
        ({"sequence": 5, "until": 4}, "until", "before sequence 5"),
        ({"sequence": 6}, "sequence", "reports after 7 are kept"),
        ({"sequence": 6, "channels": ["user.trades.any.any.raw", "user.changes.any.any.raw"]}, "sequence", "are kept"),
        ({"sequence": 7, "channels": ["user.orders.NOPE.raw"]}, "channels", "no contract 'NOPE'"),
        ({"sequence": 7, "channels": ["user.portfolio.usdc"]}, "channels", "says a state"),
        ({"sequence": 7, "channels": ["platform_state"]}, "channels", "says a state"),
    ],
)
def test_a_resume_that_would_not_be_whole_is_refused(desk, params, param, words):
    desk.rows.floor = 7
    error = ask(desk.session("alice"), "venue/resume", **params)["error"]
    assert (error["code"], error["data"]["param"]) == (-32602, param) and words in error["data"]["reason"]


def test_trades_are_never_too_long_ago(desk):
    desk.rows.floor, desk.rows.reports = 7, [Report(6, "trade", 0, b'{"b":2}')]
    channels = ["user.trades.any.any.100ms", f"user.trades.{BTC.name}.raw"]
    events = result(desk, "venue/resume", sequence=5, channels=channels)["events"]
    assert [(event["channel"], event["sequence"]) for event in events] == [(name, 6) for name in channels]
