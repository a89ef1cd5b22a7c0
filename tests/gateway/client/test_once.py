"""The client over lost connections: whatever message is lost, each fact of the account comes once and in order."""

import asyncio
import itertools
import random

import pytest

from engine.codes import CommandKind
from gateway import clock
from gateway.client import Client
from gateway.office.bootstrap import open_trader
from gateway.registry.records import Intent
from gateway.registry.vault import Vault
from gateway.wire.command_rows import index_row
from tests.gateway.client.cut_link import Network
from tests.gateway.live import BTC, request
from tests.gateway.socketless_venue import SocketlessVenue

ETH = "ETH_USDC-PERPETUAL"
S = 1_000_000_000
CHANNELS = (
    "user.orders.any.any.raw", f"user.orders.{BTC}.raw", f"user.orders.{ETH}.100ms", "user.trades.any.any.raw",
    f"user.trades.{BTC}.100ms", f"user.trades.{BTC}.agg2", "user.changes.any.USDC.raw", f"user.changes.{ETH}.raw",
    "user.changes.any.any.100ms", "user.notices",
)  # fmt: skip


class Market:
    """Carol, whose client is followed, with little money; bob, who trades with her; and a clock that we turn."""

    def __init__(self, folder, patch):
        self.now_ns = clock.wall_ns()
        patch.setattr("gateway.clock.wall_ns", self.read_clock)
        patch.setattr("gateway.clock.steady_ns", self.read_clock)
        self.venue = SocketlessVenue(folder)
        registry = self.venue.venue.registry
        vault = Vault(self.venue.venue.config.vault, registry)
        self.carol = open_trader(registry, vault, "carol", 3_000 * 10**6, self.now_ns)
        self.venue.venue.submit_intents()
        self.venue.sessions.append(self.venue._session(self.carol.key))
        self.bob, self.self = 1, 2
        self.network = Network(self.venue, patch)
        self._ids = itertools.count(1000)

    def read_clock(self):
        self.now_ns += 1000
        return self.now_ns

    def send(self, who, method, **params):
        """A request over another connection than the one that is cut."""
        self.venue.sessions[who].context.settle()
        return self.venue.send([request(next(self._ids), method, **params)], who)

    def order(self, who, side, amount, price, name=BTC, **params):
        params = {"instrument_name": name, "amount": amount, "price": price, **params}
        self.send(who, f"private/{side}", **params)

    def open_ids(self, who=2):
        slot = self.venue.sessions[who].account_slot
        return [view.order_id for view in self.venue.venue.projection.open_orders(slot)]

    def index(self, price):
        """A new index, and the mark ticks that follow."""
        for slot, worth in ((0, price), (1, 1000)):
            contract = self.venue.venue.projection.contract_at(slot)
            for source in range(3):
                row = index_row(slot, source, contract.price_ticks(b"%d" % worth) * 1000, self.read_clock())
                self.venue.sequencer.submit(row, None, None)
        for _ in range(3):
            self.venue.sequencer.settle()
            self.now_ns += S
            self.venue.sequencer.keep_time()
        self.venue.sequencer.settle()

    def tick(self):
        self.venue.sequencer.settle()
        self.venue.venue.hub.tick()

    def reset(self):
        """Nobody has an order, carol has no position and 3000 USDC again."""
        self.index(20_000)
        for who in (self.self, self.bob):
            self.send(who, "private/cancel_all")
        projection = self.venue.venue.projection
        slot = self.venue.sessions[self.self].account_slot
        for position in projection.positions.of_account(slot):
            name = projection.contract_at(position.contract_slot).name
            amount = projection.contract_at(position.contract_slot).amount_text(abs(position.size_lots)).decode()
            price, side = ("20100", "buy") if position.size_lots < 0 else ("19900", "sell")
            price = price if name == BTC else {"20100": "1005", "19900": "995"}[price]
            self.order(self.bob, "sell" if side == "buy" else "buy", amount, price, name)
            self.order(self.self, side, amount, price, name)
        self.send(self.bob, "private/cancel_all")
        assert not projection.positions.of_account(slot) and not self.open_ids() and not self.open_ids(self.bob)
        missing = 3_000 * 10**6 - projection.account(slot).cash_micros
        kind = CommandKind.DEPOSIT if missing > 0 else CommandKind.WITHDRAW
        registry = self.venue.venue.registry
        if missing:
            registry.add_intents([Intent(kind, account_slot=slot, amount_micros=abs(missing))], self.read_clock())
            self.venue.venue.submit_intents()


def script(market):
    """What happens to carol, in steps between which the network has its turns."""
    bob, me = market.bob, market.self
    yield market.order(me, "buy", 0.05, 19_900, label=ETH)
    yield market.order(me, "buy", 0.1, 990, ETH, label=BTC)
    yield market.order(bob, "sell", 0.01, 19_900), market.order(bob, "sell", 0.01, 19_900)
    yield market.tick()
    yield market.order(me, "buy", 0.02, 19_901), market.order(me, "buy", 0.02, 19_902)
    yield market.order(bob, "sell", 0.05, 19_900), market.order(bob, "sell", 0.05, 990, ETH)
    yield market.send(me, "private/edit", order_id=str(market.open_ids()[0]), amount=0.1, price=991)
    stop = {"type": "stop_market", "trigger": "last_price", "trigger_price": 19_850, "reduce_only": True}
    yield market.send(me, "private/sell", instrument_name=BTC, amount=0.05, **stop)
    yield market.order(bob, "buy", 0.06, 19_840), market.order(bob, "buy", 0.02, 19_830)
    yield market.send(me, "private/cancel", order_id=str(market.open_ids()[-1]))
    yield market.order(me, "sell", 0.02, 19_840), market.tick()
    yield [market.order(me, "buy", 0.01, 19_500 + number) for number in range(3)]
    yield market.order(me, "buy", 0.01, 950, ETH), market.send(me, "private/cancel_all")
    yield market.order(bob, "sell", 1, 20_000), market.order(me, "buy", 1, 20_000)
    yield market.order(bob, "buy", 0.2, 17_500), market.order(me, "buy", 0.01, 900, ETH)
    yield market.index(18_000), market.tick()
    yield market.index(17_700), market.tick()
    yield market.index(17_300), market.tick()
    yield market.index(20_000), market.tick()


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        yield Market(tmp_path_factory.mktemp("once"), patch)


def follower(market):
    """A client of carol's and what each of its channels said."""
    client = Client("ws://nowhere", market.carol.key.id, market.carol.key.secret)
    return client, {channel: [] for channel in CHANNELS}


async def follow(market, client, heard):
    joined = asyncio.gather(client.connect())
    while not joined.done():
        market.network.turn()
        await asyncio.sleep(0)
    await joined
    for channel, said in heard.items():
        subscribed = asyncio.ensure_future(client.subscribe(channel, said.append))
        while not subscribed.done():
            market.network.turn()
            await asyncio.sleep(0)
        await subscribed


async def play(market, cut_at):
    """The script for two clients, of which the first is cut: what each heard, and how many messages were carried."""
    market.reset()
    (cut, heard), (whole, everything) = follower(market), follower(market)
    await follow(market, cut, heard)
    await follow(market, whole, everything)
    await market.network.rest([cut, whole])
    market.network.attack(cut, cut_at)
    for _ in script(market):
        market.network.turn()
        await asyncio.sleep(0)
    carried = market.network.carried
    market.network.attack(None, None)
    await market.network.rest([cut, whole])
    market.tick()
    await market.network.rest([cut, whole])
    for client in (cut, whole):
        await client.close()
    return heard, everything, carried


def facts(heard):
    """What was said, however it was cut into messages: orders and trades of each channel and contract in order."""
    found = {}
    for channel, said in heard.items():
        if channel.startswith("user.changes"):
            for message in said:
                for kind in ("orders", "trades"):
                    found.setdefault((channel, message["instrument_name"], kind), []).extend(message[kind])
        else:
            rows = [row for message in said for row in (message if isinstance(message, list) else [message])]
            found[channel] = rows
    return found


def run(market, cut_at):
    """Play it, and see that both clients were told the same. How many messages were carried."""
    heard, everything, carried = asyncio.run(play(market, cut_at))
    told, whole = facts(heard), facts(everything)
    assert told.keys() == whole.keys()
    for place, rows in whole.items():
        assert told[place] == rows, place
    return whole, carried


def test_a_whole_connection_hears_what_happened(market):
    whole, _ = run(market, lambda number: False)
    projection, slot = market.venue.venue.projection, market.venue.sessions[2].account_slot
    states = [row["order_state"] for row in whole["user.orders.any.any.raw"]]
    assert {"open", "filled", "cancelled", "untriggered"} <= set(states)
    assert {row.get("cancel_reason") for row in whole["user.orders.any.any.raw"]} >= {"user_request", "autoliquidation"}
    trades = whole["user.trades.any.any.raw"]
    assert len({(row["trade_id"], row["order_id"]) for row in trades}) == len(trades) > 10
    assert {row["instrument_name"] for row in trades} == {BTC, ETH}
    assert whole["user.notices"] and not projection.open_orders(slot)


def test_cut_at_every_message(market):
    _, count = run(market, lambda number: False)
    for place in range(1, count + 1):
        run(market, lambda number, place=place: number == place)


@pytest.mark.parametrize("seed", range(40))
def test_cut_again_and_again(market, seed):
    rng = random.Random(seed)
    chance = rng.choice((0.02, 0.1, 0.3))
    run(market, lambda number: rng.random() < chance)
