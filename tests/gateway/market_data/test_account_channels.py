"""An account's own channels: their shapes, whose facts they say, and the sequence of each message."""

import json

import pytest

from bench.gateway_load import client_frame
from engine.codes import EventKind, Reason
from gateway.wire import channels
from gateway.wire.views import LapseWarning, Report
from tests.gateway.live import BTC, request
from tests.gateway.socketless_venue import SocketlessVenue, frame_at

ETH = "ETH_USDC-PERPETUAL"


class Ear:
    """A reader that keeps what it hears."""

    def __init__(self, venue, *names):
        self.behind, self.is_slow, self.frames = {}, False, []
        for name in names:
            venue.hub.join(self, channels.parse(name, venue.projection.contract, 0))

    def stage(self, frame):
        self.frames.append(frame)

    def heard(self, name):
        """The `params` of the messages of a channel."""
        texts = [frame_at(frame, 0)[3] for frame in self.frames]
        pushes = [json.loads(bytes(text))["params"] for text in texts]
        return [push for push in pushes if push["channel"] == name]


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    return SocketlessVenue(tmp_path_factory.mktemp("channels"))


@pytest.fixture(autouse=True)
def clean(market):
    yield
    for who in (0, 1):
        market.send([request(1, "private/cancel_all")], who)


def place(side, price, amount=0.1, name=BTC, **params):
    return request(1, f"private/{side}", instrument_name=name, amount=amount, price=price, **params)


def test_a_raw_channel_of_orders_says_one_object_and_a_gathered_one_an_array(market):
    raw, gathered = "user.orders.any.any.raw", "user.orders.any.any.100ms"
    ear = Ear(market.venue, raw, gathered)
    market.send([place("buy", 19_900), place("buy", 19_800), place("buy", 990, name=ETH)])
    said = ear.heard(raw)
    assert [push["data"]["price"] for push in said] == [19_900, 19_800, 990]
    assert not any("more" in push for push in said)
    assert ear.heard(gathered) == []
    market.venue.hub.tick()
    [push] = ear.heard(gathered)
    assert push["data"] == [row["data"] for row in said] and push["sequence"] == said[-1]["sequence"]


def test_several_orders_of_one_command_say_that_they_belong_together(market):
    market.send([place("buy", 19_900), place("buy", 19_800), place("buy", 19_700)])
    ear = Ear(market.venue, "user.orders.any.any.raw")
    market.send([request(1, "private/cancel_all")])
    said = ear.heard("user.orders.any.any.raw")
    assert [push["data"]["order_state"] for push in said] == ["cancelled"] * 3
    assert [push.get("more", False) for push in said] == [True, True, False]
    assert len({push["sequence"] for push in said}) == 1


def test_an_order_that_is_placed_and_filled_in_one_turn_is_said_in_both_states(market):
    raw, trades = "user.orders.any.any.raw", "user.trades.any.any.raw"
    ear = Ear(market.venue, raw, trades)
    reader, _, _ = market.reader(0)
    other, _, _ = market.reader(1)
    reader.take(client_frame(place("buy", 19_900)))
    other.take(client_frame(place("sell", 19_900)))
    market.sequencer.settle()
    said = ear.heard(raw)
    assert [push["data"]["order_state"] for push in said] == ["open", "filled"]
    [trade] = ear.heard(trades)
    assert trade["sequence"] == said[1]["sequence"] == said[0]["sequence"] + 1


@pytest.mark.parametrize("interval", ["raw", "100ms"])
def test_changes_go_by_the_orders_own_contract_whatever_it_is_labelled(market, interval):
    name = f"user.changes.any.any.{interval}"
    ear = Ear(market.venue, name, f"user.changes.{BTC}.{interval}", f"user.changes.{ETH}.{interval}")
    market.send([place("buy", 990, name=ETH, label=BTC), place("buy", 19_900, label=ETH)])
    market.send([place("sell", 990, name=ETH), place("sell", 19_900)], 1)
    market.venue.hub.tick()
    for channel, wanted in ((name, {BTC, ETH}), (f"user.changes.{BTC}.{interval}", {BTC})):
        said = [push["data"] for push in ear.heard(channel)]
        assert {data["instrument_name"] for data in said} == wanted
        for data in said:
            rows = [*data["orders"], *data["trades"], *data["positions"]]
            assert rows and {row["instrument_name"] for row in rows} == {data["instrument_name"]}
    states = [row["order_state"] for push in ear.heard(name) for row in push["data"]["orders"]]
    assert states == (["open", "open", "filled", "filled"] if interval == "raw" else ["open", "filled"] * 2)
    flags = [push.get("more", False) for push in ear.heard(name)]
    assert flags == ([False] * 4 if interval == "raw" else [True, False])


def test_a_channel_of_one_contract_or_currency_says_nothing_of_others(market):
    names = [f"user.{kind}.{what}.raw" for kind in ("orders", "trades") for what in (BTC, ETH, "any.USDC", "any.BTC")]
    ear = Ear(market.venue, *names)
    market.send([place("buy", 19_900, label=ETH)])
    market.send([place("sell", 19_900, label=ETH)], 1)
    assert {name: len(ear.heard(name)) for name in names} == {
        f"user.orders.{BTC}.raw": 2, f"user.orders.{ETH}.raw": 0, "user.orders.any.USDC.raw": 2,
        "user.orders.any.BTC.raw": 0, f"user.trades.{BTC}.raw": 1, f"user.trades.{ETH}.raw": 0,
        "user.trades.any.USDC.raw": 1, "user.trades.any.BTC.raw": 0,
    }  # fmt: skip


def test_who_joins_a_gathered_channel_hears_nothing_of_before(market):
    name = "user.orders.any.any.100ms"
    first = Ear(market.venue, name)
    market.send([place("buy", 19_900)])
    late = Ear(market.venue, name)
    market.send([place("buy", 19_800)])
    market.venue.hub.tick()
    assert [[row["price"] for row in push["data"]] for push in first.heard(name)] == [[19_900], [19_800]]
    assert [[row["price"] for row in push["data"]] for push in late.heard(name)] == [[19_800]]


def test_money_says_its_sequence(market):
    ear = Ear(market.venue, "user.portfolio.usdc")
    market.send([place("buy", 19_900)])
    market.venue.hub.tick()
    market.venue.hub.tick()
    said = ear.heard("user.portfolio.usdc")
    assert len(said) == 2 and said[1]["sequence"] == market.venue.projection.durable_seq
    assert said[1]["data"]["initial_margin"] > said[0]["data"]["initial_margin"]


def test_a_second_subscription_to_a_book_sends_its_snapshot_again(market):
    name = f"book.{BTC}.raw"
    ear = Ear(market.venue, name)
    market.send([place("buy", 19_900)])
    market.venue.hub.join(ear, channels.parse(name, market.venue.projection.contract, 0))
    market.send([place("buy", 19_800)])
    data = [push["data"] for push in ear.heard(name)]
    assert [row["type"] for row in data] == ["snapshot", "change", "snapshot", "change"]
    assert data[2]["bids"] == [["new", 19_900, 0.1]] and data[3]["prev_change_id"] == data[2]["change_id"]


@pytest.mark.parametrize("currency, is_heard", [("USDC", True), ("any", True), ("BTC", False), ("ETH", False)])
def test_money_in_a_currency_without_business_says_nothing(market, currency, is_heard):
    assert len(Ear(market.venue, f"user.portfolio.{currency}").frames) == is_heard


def test_a_warning_waits_until_all_facts_of_its_sequence_are_told(market, monkeypatch):
    projection = market.venue.projection
    ear = Ear(market.venue, "user.notices")
    warning = LapseWarning(int(Reason.PI_EVIDENCE_EXPIRED), "2027-01-01", 7, 7)
    monkeypatch.setattr(projection, "warnings", lambda account_slot: [warning])
    topic = market.venue.hub._topics["user.notices", 0]
    topic.touched(frozenset({int(EventKind.ACCOUNT_CHANGED)}))
    earlier = projection.durable_seq - 1
    topic.take([Report(earlier, "notice", -1, b'{"type":"lapsed"}')])
    assert [push["sequence"] for push in ear.heard("user.notices")] == [earlier]
    market.venue.hub.tick()
    [_, last] = ear.heard("user.notices")
    assert (last["sequence"], last["data"][0]["type"]) == (earlier + 1, "lapse_warning")
    market.venue.hub.leave(ear, "user.notices", 0)
