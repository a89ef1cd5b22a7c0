"""A pair's price is given only while that pair's own book is alive, stamped with the book's last message."""

from decimal import Decimal

import numpy as np
import pytest

from engine.schema import DIRECTIVE
from gateway.index_feeds.adapters import ADAPTERS
from gateway.index_feeds.index_publisher import IndexPublisher, routes_of
from gateway.index_feeds.source_connection import RESUBSCRIBE_S, STALE_NS, Price, Source
from gateway.index_feeds.sources import configured
from gateway.wire.decimals import Contract, Unit
from tests.gateway.index_feeds.feeds import FEEDS, NS_PER_S, CoinbaseFeed, KrakenFeed, OkxFeed, ScriptedTime, connected

T0 = 1_790_000_000 * NS_PER_S
GOOD = Price(Decimal("20000.5"), T0)


class Rig:
    """A source of one venue with two pairs, and the venue's voice."""

    def __init__(self, feed_type):
        self.feed = feed_type()
        self.time = ScriptedTime()
        self.source = Source(ADAPTERS[self.feed.name]([self.feed.pair, self.feed.other]), self.time)
        self.wire = connected(self.source)
        self.begin(self.feed.pair, T0)
        self.begin(self.feed.other, T0)

    def begin(self, pair, now_ns):
        self.say(self.feed.snapshot(pair, [(20_000, 2)], [(20_001, 2)]), now_ns)

    def say(self, message, now_ns):
        self.time.at_ns = now_ns
        self.source.received(message)

    def price(self, now_ns, pair=None):
        return self.source.price(pair or self.feed.pair, now_ns)


@pytest.fixture(params=FEEDS, ids=lambda feed: feed.name)
def rig(request):
    return Rig(request.param)


def test_a_live_book_has_the_price_and_the_time_of_its_last_message(rig):
    assert rig.price(T0) == GOOD
    rig.say(rig.feed.update(rig.feed.pair, [(20_000.5, 1)]), T0 + 3 * NS_PER_S)
    assert rig.price(T0 + 5 * NS_PER_S) == (Decimal("20000.75"), T0 + 3 * NS_PER_S)


@pytest.mark.parametrize(
    ("bids", "asks"),
    [([(20_000, 0)], []), ([], [(20_001, 0)]), ([(20_000, 0), (15_000, 1)], [(20_001, 0), (16_000, 1)]),
     ([(20_000, 0), (19_799, 1)], []), ([(20_002, 1)], []), ([(20_001, 1)], [])],
    ids=["no bid", "no ask", "15,000 to 16,000", "just wider than 1 %", "crossed", "locked"],
)  # fmt: skip
def test_a_book_that_gives_no_price_publishes_none_however_busy_it_is(rig, bids, asks):
    now_ns = T0 + NS_PER_S
    rig.say(rig.feed.update(rig.feed.pair, bids, asks), now_ns)
    for second in range(60):
        now_ns += NS_PER_S
        rig.say(rig.feed.update(rig.feed.pair, [(100, second + 1)]), now_ns)
        assert rig.price(now_ns) is None
    assert rig.wire.is_open and len(rig.wire.sent) <= 2, "nothing is wrong with the connection"
    rig.say(rig.feed.update(rig.feed.pair, [(20_002, 0), (20_001, 0), (20_000, 1)], [(16_000, 0), (20_001, 1)]), now_ns)
    assert rig.price(now_ns) == (Decimal("20000.5"), now_ns), "the same connection, the same book, a price again"


def test_a_book_of_just_one_percent_gives_a_price(rig):
    rig.say(rig.feed.update(rig.feed.pair, [(20_000, 0), (19_900, 1)], [(20_001, 0), (20_100, 1)]), T0)
    assert rig.price(T0) == (Decimal(20_000), T0)


def test_one_silent_pair_among_several_on_a_live_connection_counts_for_itself(rig):
    for second in range(1, 21):
        now_ns = T0 + second * NS_PER_S
        rig.say(rig.feed.heartbeat(), now_ns)
        rig.say(rig.feed.update(rig.feed.other, [(20_000, second)]), now_ns)
        assert rig.price(now_ns) == (GOOD if now_ns - T0 <= STALE_NS else None)
        assert rig.price(now_ns, rig.feed.other) == (Decimal("20000.5"), now_ns)
    assert rig.wire.is_open


def test_a_reconnect_publishes_nothing_until_a_fresh_snapshot(rig):
    rig.source.closed()
    assert rig.price(T0) is None
    rig.say(rig.feed.update(rig.feed.pair, [(20_000, 3)]), T0)
    assert rig.price(T0) is None, "what still arrives over the old connection"
    rig.feed = type(rig.feed)()
    connected(rig.source)
    for message in (rig.feed.status(), rig.feed.heartbeat()):
        rig.say(message, T0)
        assert rig.price(T0) is None
    rig.begin(rig.feed.pair, T0 + 1)
    assert rig.price(T0 + 1) == (Decimal("20000.5"), T0 + 1) and rig.price(T0 + 1, rig.feed.other) is None


def test_a_gap_ends_the_book_until_the_next_snapshot(rig):
    rig.say(rig.feed.gap(rig.feed.pair), T0)
    assert rig.price(T0) is None
    if rig.feed.name == "coinbase":
        assert not rig.wire.is_open and "coinbase: message 3 after 1" in rig.source.state
        assert rig.price(T0, rig.feed.other) is None, "the numbers are the connection's: no book of it can be trusted"
        rig.feed = CoinbaseFeed()
        connected(rig.source)
    else:
        assert rig.wire.is_open
        assert rig.price(T0, rig.feed.other) == GOOD
        unsubscribed, subscribed = rig.wire.sent[-2:]
        for request in (unsubscribed, subscribed):
            assert rig.feed.pair in str(request) and rig.feed.other not in str(request)
        assert "unsubscribe" in str(unsubscribed) and "unsubscribe" not in str(subscribed)
        rig.say(rig.feed.update(rig.feed.pair, [(20_000, 3)]), T0)
        assert rig.price(T0) is None, "an update in flight is of the book that was left"
        assert len(rig.wire.sent) == 3, "and no reason to ask again"
    rig.begin(rig.feed.pair, T0 + 1)
    assert rig.price(T0 + 1) == (Decimal("20000.5"), T0 + 1)


@pytest.mark.parametrize("rig", [KrakenFeed, OkxFeed], ids=["kraken", "okx"], indirect=True)
def test_a_pair_that_is_lost_again_and_again_is_not_asked_for_again_and_again(rig, monkeypatch):
    steady_ns = 10**12
    monkeypatch.setattr("gateway.clock.steady_ns", lambda: steady_ns)
    asked = len(rig.wire.sent)
    for _ in range(5):
        rig.begin(rig.feed.pair, T0)
        rig.say(rig.feed.gap(rig.feed.pair), T0)
        rig.say(rig.feed.update(rig.feed.pair, [(20_000, 3)]), T0)
        assert rig.price(T0) is None
    assert len(rig.wire.sent) == asked + 2
    steady_ns += int(RESUBSCRIBE_S * NS_PER_S)
    rig.begin(rig.feed.pair, T0)
    rig.say(rig.feed.gap(rig.feed.pair), T0)
    assert len(rig.wire.sent) == asked + 4


def test_a_pair_that_is_silent_for_long_is_subscribed_to_again(rig, monkeypatch):
    steady_ns = begin_ns = 10**12
    monkeypatch.setattr("gateway.clock.steady_ns", lambda: steady_ns)
    rig = Rig(type(rig.feed))
    asked = len(rig.wire.sent)
    while steady_ns < begin_ns + 100 * NS_PER_S:
        steady_ns += 4 * NS_PER_S
        rig.say(rig.feed.update(rig.feed.other, [(20_000, 3)]), T0)
        rig.source.renew_silent(steady_ns)
    again = rig.wire.sent[asked:]
    assert len(again) == 2 * 3 and rig.feed.other not in str(again), "after 30 s, and each 30 s"
    assert rig.price(T0, rig.feed.other) is not None


def test_an_outlier_is_published_when_it_is_repeated_and_nothing_meanwhile(rig):
    up = [(20_000, 0), (20_001, 0), (26_000, 1)], [(20_001, 0), (26_001, 1)]
    rig.say(rig.feed.update(rig.feed.pair, *up), T0 + 1)
    assert rig.price(T0 + 1) is None and rig.source.outliers == 1
    rig.say(rig.feed.update(rig.feed.pair, [(26_000, 2)]), T0 + 2)
    assert rig.price(T0 + 2) == (Decimal("26000.5"), T0 + 2)


# --- each venue's own check ---------------------------------------------------------------------------------------


def okx_rig():
    return Rig(OkxFeed), "BTC-USDT"


def test_okx_numbers_may_jump_stay_and_begin_anew():
    rig, pair = okx_rig()
    for sequence in (40, 40, 3, 5):
        rig.say(rig.feed.message(pair, "update", [(20_000, sequence)], [], seqId=sequence), T0 + sequence)
        assert rig.price(T0 + sequence) == (Decimal("20000.5"), T0 + sequence)


@pytest.mark.parametrize(
    "changes", [{"prevSeqId": 15}, {"prevSeqId": -1}, {"prevSeqId": None}, {"prevSeqId": "17"}, {"checksum": 1}]
)
def test_okx_calls_a_gap_a_gap_though_the_checksum_is_zero(changes):
    rig, pair = okx_rig()
    rig.say(rig.feed.message(pair, "update", [(20_000, 3)], [], **changes), T0)
    assert rig.price(T0) is None and rig.wire.is_open


def test_okx_snapshot_10_then_an_update_after_15_is_a_gap():
    rig, pair = okx_rig()
    rig.say(rig.feed.message(pair, "snapshot", [(20_000, 1)], [(20_001, 1)], seqId=10), T0)
    assert rig.price(T0) == GOOD
    rig.say(rig.feed.message(pair, "update", [(20_000, 3)], [], prevSeqId=15, seqId=17), T0)
    assert rig.price(T0) is None


def test_okx_without_a_number_and_without_a_checksum_checks_nothing():
    rig, pair = okx_rig()
    for action in ("snapshot", "update"):
        message = rig.feed.message(pair, action, [(20_000, 1)], [(20_001, 1)])
        rig.say(message.replace(b'"seqId"', b'"sequence"').replace(b'"prevSeqId"', b'"previous"'), T0)
        assert rig.price(T0) is None


@pytest.mark.parametrize("check", ["0", 0, "1"])
def test_kraken_without_its_checksum_is_not_believed(check):
    rig = Rig(KrakenFeed)
    rig.say(rig.feed.update("XBT/USD", [(20_000, 3)], c=check), T0)
    assert rig.price(T0) is None and rig.price(T0, "ETH/USD") == GOOD


def test_kraken_whose_checksum_is_absent_is_not_believed():
    rig = Rig(KrakenFeed)
    rig.say(rig.feed.update("XBT/USD", [(20_000, 3)]).replace(b'"c"', b'"d"'), T0)
    assert rig.price(T0) is None


def test_kraken_refuses_one_pair_and_the_others_go_on():
    rig = Rig(KrakenFeed)
    rig.say(b'{"event":"subscriptionStatus","status":"error","errorMessage":"no such pair","pair":"XBT/USD"}', T0)
    assert rig.wire.is_open and rig.price(T0) is None and rig.price(T0, "ETH/USD") == GOOD


def test_okx_refuses_one_pair_and_the_others_go_on():
    rig, pair = okx_rig()
    words = f"Wrong URL or channel:books,instId:{rig.feed.other} doesn't exist."
    rig.say(b'{"event":"error","msg":"%b","code":"60018","connId":"a4d3ae55"}' % words.encode(), T0 + NS_PER_S)
    rig.say(rig.feed.update(pair, [(20_000.5, 1)]), T0 + 2 * NS_PER_S)
    assert rig.price(T0 + 2 * NS_PER_S) == (Decimal("20000.75"), T0 + 2 * NS_PER_S)
    assert words in rig.source.state and rig.wire.is_open


@pytest.mark.parametrize("changed", [b'"sequence_num": 3', b'"sequence_num": 1', b'"sequence": 2'])
def test_coinbase_counts_every_message_of_the_connection(changed):
    rig = Rig(CoinbaseFeed)
    rig.say(rig.feed.heartbeat().replace(b'"sequence_num": 2', changed), T0)
    assert not rig.wire.is_open and rig.price(T0) is None and rig.price(T0, "ETH-USD") is None


@pytest.mark.parametrize("broken", [0, 1])
def test_coinbase_says_two_things_at_once_and_one_is_wrong(broken):
    rig = Rig(CoinbaseFeed)
    update = {"side": "bid", "price_level": "20000", "new_quantity": "0", "event_time": "1970-01-01T00:00:00Z"}
    events = [{"type": "update", "product_id": pair, "updates": [update]} for pair in ("BTC-USD", "ETH-USD")]
    events[broken]["updates"] = [update | {"new_quantity": "-1"}]
    rig.say(rig.feed.message("l2_data", *events), T0)
    assert rig.price(T0) is None and rig.price(T0, "ETH-USD") is None


def test_a_level_that_is_none_costs_its_own_pair():
    rig = Rig(KrakenFeed)
    rig.say(rig.feed.update("XBT/USD", [(20_000, 3)]).replace(b'"20000", "3"', b'"20000", "x"'), T0)
    assert rig.wire.is_open and rig.price(T0) is None and rig.price(T0, "ETH/USD") == GOOD


def test_a_pair_that_nobody_asked_for_is_not_kept(rig):
    stranger = {"kraken": "DOGE/USD", "okx": "DOGE-USDT", "coinbase": "DOGE-USD"}[rig.feed.name]
    rig.begin(stranger, T0)
    assert rig.price(T0, stranger) is None and stranger not in rig.source.adapter.books


# --- rows ---------------------------------------------------------------------------------------------------------


def test_rows_are_of_live_books_only_and_carry_the_time_of_their_last_message():
    contract = Contract(0, "BTC_USDC-PERPETUAL", "BTC", "USDC", Unit.parse("0.5"), Unit.parse("0.001"))
    routes = routes_of(configured("BTC_USDC-PERPETUAL=kraken:XBT/USD,okx:BTC-USDT,coinbase:BTC-USD", ""))
    time = ScriptedTime()
    publisher = IndexPublisher(routes, lambda name: contract, time)
    feeds = {feed.name: feed() for feed in FEEDS}
    for source in publisher.sources:
        connected(source)

    def rows(now_ns):
        found = np.frombuffer(b"".join(publisher.rows(now_ns)), DIRECTIVE)
        return [(int(row["code"]), int(row["price_subticks"]), int(row["source_time_ns"]) - T0) for row in found]

    assert rows(T0) == []
    for place, source in enumerate(publisher.sources):
        feed = feeds[source.adapter.name]
        time.at_ns = T0 + place
        source.received(feed.snapshot(feed.pair, [(20_000, 1)], [(20_001, 1)]))
    by_name = {source.adapter.name: place for place, source in enumerate(publisher.sources)}
    fresh = [(code, 40_001_000, by_name[name]) for code, name in enumerate(("kraken", "okx", "coinbase"))]
    assert rows(T0 + 5) == fresh
    assert rows(T0 + 5 * NS_PER_S) == fresh, "no message, no newer stamp"
    okx = publisher.sources[by_name["okx"]]
    time.at_ns = T0 + 6 * NS_PER_S
    okx.received(feeds["okx"].update("BTC-USDT", [(20_000, 0)]))
    assert rows(T0 + 6 * NS_PER_S) == [fresh[0], fresh[2]]
    assert rows(T0 + STALE_NS + max(by_name.values()) + 1) == []
