"""Channels of a kind and a currency: every trade of their contracts once, and each change of a contract's state."""

import json

import pytest

from engine.codes import MarketState
from gateway.document import sample_rows
from gateway.document.sample_rows import BTC, ETH, NOW
from gateway.market_data.hub import Hub
from gateway.market_data.public_topics import InstrumentStateTopic, KindTradesTopic
from gateway.wire import channels
from gateway.wire.views import TradeView
from tests.gateway.market_data.test_liquidations import NAME, Ear, crash, follow

__all__ = ["crash"]


class Rows(sample_rows.SampleProjection):
    """Sample rows with states and trades that have places."""

    def __init__(self):
        super().__init__()
        self.states = {0: MarketState.OPEN, 1: MarketState.OPEN}
        self.history_end = 0

    def state(self, slot):
        return self.states[slot]

    def trades(self, slots, span):
        found = [row for row in self.public_trades[span.first_place :] if row.contract_slot in slots]
        return found[::-1][: span.count], False


def messages(ear):
    return [json.loads(frame[frame.index(b"{") :])["params"]["data"] for frame in ear.frames]


@pytest.mark.parametrize("name", ["trades.any.any.raw", "trades.future.USDC.raw", "trades.any.usdc.raw"])
@pytest.mark.parametrize("slow", [(), range(5, 60), range(1000)])
def test_every_public_trade_is_heard_once_whoever_is_slow(crash, name, slow):
    ear = follow(crash, name, f"trades.{NAME}.raw", slow=slow)
    trades = [row["trade_id"] for row in ear.heard(name)]
    assert len(trades) == len(set(trades)) > 5
    assert ear.heard(name) == ear.heard(f"trades.{NAME}.raw")


def test_kinds_and_currencies_without_business_hear_nothing(crash):
    names = ["trades.option.any.raw", "trades.future.BTC.raw", "trades.spot.USDC.raw", "user.trades.option.any.raw"]
    assert follow(crash, *names[:3]).frames == []
    assert channels.parse(names[3], lambda name: BTC, 0).currency == channels.NOTHING


@pytest.mark.parametrize(
    "name", ["trades.shares.any.raw", "trades.any.XYZ.raw", "instrument.state.any", "trades.any.any"]
)
def test_other_kinds_and_currencies_are_no_channels(name):
    with pytest.raises(channels.NoChannelError):
        channels.parse(name, lambda name: BTC if name == BTC.name else None)


def test_trades_of_several_contracts_keep_their_order_over_a_slow_time():
    rows, ear = Rows(), Ear()
    topic = KindTradesTopic(channels.parse("trades.any.any.raw", rows.contract), rows)
    topic.join(ear)

    def trade(slot, trade_id):
        rows.public_trades.append(TradeView(slot, trade_id, NOW, 1, 40_000, 10, 0, 0, 0))
        rows.history_end += 1
        topic.traded(b'{"trade_id":"%b-%d"}' % (rows.list[slot].base_name, trade_id))
        topic.flush()

    trade(0, 7)
    ear.is_slow = True
    for slot, trade_id in ((1, 1), (0, 8), (1, 2)):
        trade(slot, trade_id)
    Hub(rows).catch_up(ear)
    trade(1, 3)
    later = KindTradesTopic(channels.parse("trades.any.any.agg2", rows.contract), rows)
    assert not later.is_raw
    heard = [[row["trade_id"] for row in message] for message in messages(ear)]
    assert heard == [["BTC-7"], ["ETH-1", "BTC-8", "ETH-2"], ["ETH-3"]]


@pytest.mark.parametrize(
    "state, said",
    [
        (MarketState.CANCEL_ONLY, "locked"), (MarketState.HALTED, "halted"), (MarketState.SETTLED, "delivered"),
        (MarketState.DRAFT, "inactive"), (MarketState.REDUCE_ONLY, None), (MarketState.POST_ONLY, None),
    ],
)  # fmt: skip
def test_a_change_of_state_is_said_once(state, said):
    rows, ear = Rows(), Ear()
    topic = InstrumentStateTopic(channels.parse("instrument.state.any.any", rows.contract), rows)
    topic.join(ear)
    topic.flush()
    assert ear.frames == []
    rows.states[1] = state
    topic.flush()
    topic.flush()
    expected = [{"timestamp": NOW // 10**6, "state": said, "instrument_name": ETH.name}] if said else []
    assert messages(ear) == expected


def test_a_contract_that_is_listed_later_is_said():
    rows, ear = Rows(), Ear()
    listed, rows.list = rows.list, [BTC]
    topic = InstrumentStateTopic(channels.parse("instrument.state.future.USDC", rows.contract), rows)
    topic.join(ear)
    rows.list = listed
    topic.flush()
    assert [(row["instrument_name"], row["state"]) for row in messages(ear)] == [(ETH.name, "open")]


def test_a_reader_that_was_slow_hears_how_things_stand():
    rows, ear = Rows(), Ear()
    topic = InstrumentStateTopic(channels.parse("instrument.state.any.any", rows.contract), rows)
    topic.join(ear)
    ear.is_slow = True
    rows.states[0] = MarketState.HALTED
    topic.flush()
    assert ear.frames == []
    Hub(rows).catch_up(ear)
    said = [(row["instrument_name"], row["state"]) for row in messages(ear)]
    assert said == [(BTC.name, "halted"), (ETH.name, "open")]
