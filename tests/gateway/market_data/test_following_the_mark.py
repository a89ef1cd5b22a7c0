"""Channels of an account's money and positions follow the mark, and cost nothing for accounts without a position."""

import pytest

from gateway.market_data import hub
from gateway.wire import channels
from gateway.wire.command_rows import index_row
from tests.gateway.live import BTC
from tests.gateway.market_data.test_account_channels import Ear
from tests.gateway.query_venue import ETH, QueryVenue

PORTFOLIO, POSITIONS = "user.portfolio.USDC", "user.positions.any"
OF_BTC, OF_ETH = f"user.positions.{BTC}", f"user.positions.{ETH}"
S = 10**9


@pytest.fixture
def market(tmp_path, monkeypatch):
    return QueryVenue(tmp_path, monkeypatch)


def move(market, price):
    """A second later the index is there, and a mark tick has seen it."""
    for _ in range(3):
        market.clock.now_ns += S
        contract = market.venue.projection.contract_at(0)
        for source in range(3):
            row = index_row(0, source, contract.price_ticks(b"%d" % price) * 1000, market.clock())
            market.sequencer.submit(row, None, None)
        market.sequencer.settle()
    market.venue.hub.tick()


def clear(ear):
    ear.frames.clear()


def test_profit_margin_and_roe_move_with_the_mark(market):
    market.trade(0.2, 20_000)
    ear = Ear(market.venue, PORTFOLIO, POSITIONS, OF_BTC, OF_ETH)
    [[flat]] = [push["data"] for push in ear.heard(OF_ETH)]
    assert flat["instrument_name"] == ETH and flat["size"] == 0 and flat["roe"] is None
    [[first]] = [push["data"] for push in ear.heard(POSITIONS)]
    clear(ear)
    move(market, 20_100)
    [push] = ear.heard(POSITIONS)
    [row] = push["data"]
    assert row == market.result(0, "private/get_position", instrument_name=BTC)
    assert row["mark_price"] > first["mark_price"] and row["floating_profit_loss"] > first["floating_profit_loss"]
    assert row["roe"] == pytest.approx(100 * row["floating_profit_loss"] / row["initial_margin"], abs=1e-4)
    assert [push["data"] for push in ear.heard(OF_BTC)] == [[row]]
    [push] = ear.heard(PORTFOLIO)
    assert push["data"]["session_upl"] == pytest.approx(row["floating_profit_loss"])
    assert push["sequence"] == market.venue.projection.durable_seq


def test_between_two_mark_ticks_nothing_is_said_again(market):
    market.trade(0.2, 20_000)
    ear = Ear(market.venue, PORTFOLIO, POSITIONS)
    move(market, 20_050)
    clear(ear)
    market.venue.hub.tick()
    assert ear.frames == []


def test_own_events_are_said_at_once_and_the_end_of_a_position_too(market):
    market.trade(0.2, 20_000)
    ear = Ear(market.venue, POSITIONS, OF_BTC)
    clear(ear)
    market.result(1, "private/buy", instrument_name=BTC, amount=0.2, price=20_000)
    market.result(0, "private/close_position", instrument_name=BTC, type="market")
    market.venue.hub.tick()
    assert [push["data"] for push in ear.heard(POSITIONS)] == [[]]
    [[row]] = [push["data"] for push in ear.heard(OF_BTC)]
    assert row["size"] == 0


def test_an_account_without_a_position_hears_nothing_of_the_mark(market):
    ear = Ear(market.venue, PORTFOLIO, POSITIONS)
    clear(ear)
    move(market, 20_100)
    assert ear.frames == []


def test_with_many_channels_some_wait_for_their_turn_and_none_is_forgotten(market, monkeypatch):
    monkeypatch.setattr(hub, "MARKED_PER_TURN", 2)
    market.trade(0.2, 20_000)
    names = [PORTFOLIO, POSITIONS, OF_BTC, "user.positions.USDC", "user.portfolio.any"]
    ear = Ear(market.venue, *names)
    clear(ear)
    move(market, 20_100)
    heard = [len(ear.frames)]
    for _ in range(3):
        market.venue.hub.tick()
        heard.append(len(ear.frames))
    assert heard == [2, 4, 5, 5]
    assert all(len(ear.heard(name)) == 1 for name in names)


def test_a_closed_channel_is_not_told(market):
    market.trade(0.2, 20_000)
    ear = Ear(market.venue, POSITIONS)
    clear(ear)
    market.venue.hub.leave(ear, POSITIONS, 0)
    move(market, 20_100)
    assert ear.frames == []


def test_a_channel_of_positions_that_is_none_is_refused(market):
    find = market.venue.projection.contract
    with pytest.raises(channels.NoChannelError, match="not a currency"):
        channels.parse("user.positions.DOGE-PERPETUAL", find, 0)
    with pytest.raises(channels.NoChannelError, match="log in"):
        channels.parse("user.positions.any", find)
