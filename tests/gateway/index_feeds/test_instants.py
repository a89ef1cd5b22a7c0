"""From the venues' bytes to the market's state: freeze, REDUCE_ONLY, HALTED and recovery at the rulebook's instants.

Three scripted feeds, the source connections, the publisher, the sequencer and the engine; the clock is the script's.
"""

import numpy as np
import pytest

from engine.codes import MarketState
from engine.schema import DIRECTIVE
from gateway import clock
from gateway.index_feeds.index_publisher import IndexPublisher, routes_of
from gateway.index_feeds.source_connection import STALE_NS
from gateway.index_feeds.sources import configured
from gateway.net.index_prices import INDEX_SECONDS
from gateway.office.listings import VENUE_SETTINGS
from gateway.venue.venue import Venue
from tests.gateway.index_feeds.feeds import FEEDS, NS_PER_S, connected
from tests.gateway.live import BTC, config_of, set_up

ROUTES = f"{BTC}=kraken:XBT/USD,okx:BTC-USDT,coinbase:BTC-USD"
STEP_NS = int(INDEX_SECONDS * NS_PER_S)
MARK_TICK_NS, VENUE_STALE_NS, RECOVERY_NS = (value for _, value in VENUE_SETTINGS)
OPEN, REDUCE_ONLY, HALTED = MarketState.OPEN, MarketState.REDUCE_ONLY, MarketState.HALTED


class FedVenue:
    """A venue whose index comes from three scripted feeds; all of it moves in steps of the publisher."""

    def __init__(self, folder, monkeypatch):
        self.now_ns = 1_790_000_000 * NS_PER_S
        monkeypatch.setattr(clock, "wall_ns", lambda: self.now_ns)
        monkeypatch.setattr(clock, "steady_ns", lambda: self.now_ns)
        config = config_of(folder / "venue", scripted_index="", index_feeds=ROUTES)
        config.registry.parent.mkdir(parents=True)
        set_up(config)
        self.venue = Venue(config)
        self.venue.take_intents()
        routes = routes_of(configured(ROUTES, ""))
        self.publisher = IndexPublisher(routes, self.venue.projection.contract, self.venue.time)
        self.sources = {source.adapter.name: source for source in self.publisher.sources}
        self.feeds = {}
        self.seen = []
        for name in self.sources:
            self.connect(name)
            self.snapshot(name)
        self.talking = set(self.sources)
        self.run(5)
        self.seen = []

    def connect(self, name):
        self.feeds[name] = next(feed for feed in FEEDS if feed.name == name)()
        connected(self.sources[name])

    def say(self, name, message):
        self.sources[name].received(message)

    def snapshot(self, name, bid=20_000):
        feed = self.feeds[name]
        self.say(name, feed.snapshot(feed.pair, [(bid, 1)], [(bid + 1, 1)]))

    def update(self, name, bids=(), asks=()):
        feed = self.feeds[name]
        self.say(name, feed.update(feed.pair, bids, asks))

    @property
    def contract(self):
        return self.venue.engine.root[0]["contracts"][0]

    def step(self):
        """Half a second: who talks says something about a level far above; heartbeats come from everybody."""
        self.now_ns += STEP_NS
        for name, feed in self.feeds.items():
            if self.sources[name].state == "connected":
                self.say(name, feed.heartbeat())
                if name in self.talking:
                    self.update(name, [], [(30_000, self.now_ns // STEP_NS)])
        for row in self.publisher.rows(self.now_ns):
            self.venue.sequencer.submit(row, None, None)
        self.venue.sequencer.settle()
        self.venue.sequencer.keep_time()
        while self.venue.sequencer.has_work:
            self.venue.sequencer.keep_time()
        state = MarketState(int(self.contract["state"]))
        if not self.seen or self.seen[-1][0] != state:
            self.seen.append((state, self.now_ns))

    def states(self):
        return [state for state, _ in self.seen]

    def run(self, seconds):
        for _ in range(round(seconds * NS_PER_S / STEP_NS)):
            self.step()


@pytest.fixture
def fed(tmp_path, monkeypatch):
    fed = FedVenue(tmp_path, monkeypatch)
    yield fed
    fed.venue.close()


def first_tick_after(time_ns):
    """The first step at which a mark tick comes later than a time; ticks are a second apart, steps half of it."""
    return range(time_ns + 1, time_ns + MARK_TICK_NS + STEP_NS + 1)


def test_the_gateway_and_the_engine_have_one_stale_time():
    assert STALE_NS == VENUE_STALE_NS == 10 * NS_PER_S


def test_the_market_is_open_while_all_three_books_live(fed):
    fed.run(60)
    assert fed.states() == [OPEN]
    assert fed.contract["index_subticks"] == 40_001_000


def say_nothing_more(fed, name):
    fed.talking.discard(name)


def hang_up_and_say_a_status(fed, name):
    fed.sources[name].closed()
    fed.connect(name)
    fed.say(name, fed.feeds[name].status())
    fed.talking.discard(name)


def lose_a_message(fed, name):
    feed = fed.feeds[name]
    fed.say(name, feed.gap(feed.pair))
    fed.talking.discard(name)


BREAKS = {
    "one-sided": lambda fed, name: fed.update(name, [(20_000, 0)]),
    "15,000 to 16,000": lambda fed, name: fed.update(name, [(20_000, 0), (15_000, 1)], [(20_001, 0), (16_000, 1)]),
    "crossed": lambda fed, name: fed.update(name, [(20_002, 1)]),
    "silent": say_nothing_more,
    "gap": lose_a_message,
    "reconnected": hang_up_and_say_a_status,
}


def mend(fed, name):
    """A new snapshot, over a new connection where the old one ended."""
    if fed.sources[name].state != "connected":
        fed.connect(name)
    fed.snapshot(name)
    fed.talking.add(name)


@pytest.mark.parametrize("kind", BREAKS)
def test_broken_books_lock_and_unlock_the_market_at_the_rulebooks_instants(fed, kind):
    break_book = BREAKS[kind]
    break_book(fed, "kraken")
    fed.run(40)
    assert fed.states() == [OPEN], "two of three are enough"

    frozen_ns = fed.now_ns
    break_book(fed, "okx")
    fed.run(9.5)
    assert fed.states() == [OPEN], "not before ten seconds"
    fed.run(30)
    assert fed.states() == [OPEN, REDUCE_ONLY] and fed.seen[1][1] in first_tick_after(frozen_ns + STALE_NS)
    frozen_since_ns = int(fed.contract["index_frozen_since_ns"])
    assert frozen_since_ns in first_tick_after(frozen_ns + STALE_NS)
    fed.update("coinbase", [(20_000, 0), (20_040, 1)], [(20_001, 0), (20_041, 1)])
    fed.run(5)
    assert fed.contract["index_subticks"] == 40_001_000, "frozen, though the last one moves"
    fed.update("coinbase", [(20_040, 0), (20_000, 1)], [(20_041, 0), (20_001, 1)])

    halted_ns = fed.now_ns
    break_book(fed, "coinbase")
    fed.run(40)
    assert fed.states() == [OPEN, REDUCE_ONLY, HALTED] and fed.seen[2][1] in first_tick_after(halted_ns + STALE_NS)
    mark = int(fed.contract["mark_subticks"])
    fed.run(60)
    assert fed.states()[-1] == HALTED and fed.contract["mark_subticks"] == mark

    one_ns = fed.now_ns
    mend(fed, "okx")
    fed.run(60)
    assert fed.states()[3:] == [REDUCE_ONLY] and fed.seen[3][1] in first_tick_after(one_ns)

    two_ns = fed.now_ns
    mend(fed, "kraken")
    fed.run(29.5)
    assert fed.states()[-1] == REDUCE_ONLY, "not before thirty seconds"
    fed.run(5)
    assert fed.states()[4:] == [OPEN] and fed.seen[4][1] in first_tick_after(two_ns + RECOVERY_NS)


def test_recovery_begins_anew_when_a_book_is_lost_meanwhile(fed):
    for name in ("kraken", "okx"):
        lose_a_message(fed, name)
    fed.run(15)
    mend(fed, "okx")
    fed.run(15)
    lose_a_message(fed, "okx")
    fed.run(15)
    again_ns = fed.now_ns
    mend(fed, "okx")
    fed.run(40)
    assert fed.states() == [OPEN, REDUCE_ONLY, OPEN] and fed.seen[2][1] in first_tick_after(again_ns + RECOVERY_NS)


def test_a_snapshot_on_a_new_connection_in_time_is_no_break(fed):
    for _ in range(4):
        for name in fed.sources:
            hang_up_and_say_a_status(fed, name)
        fed.run(8)
        for name in fed.sources:
            mend(fed, name)
        fed.run(2)
    assert fed.states() == [OPEN]


def test_the_engine_hears_the_time_of_the_message_not_of_the_row(fed):
    said_ns = fed.now_ns
    fed.talking.clear()
    fed.run(9)
    rows = np.frombuffer(b"".join(fed.publisher.rows(fed.now_ns)), DIRECTIVE)
    assert [int(time_ns) for time_ns in rows["source_time_ns"]] == [said_ns] * 3
    assert [int(time_ns) for time_ns in fed.contract["source"]["time_ns"][:3]] == [said_ns] * 3
