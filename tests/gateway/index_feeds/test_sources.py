"""Live index feeds: recorded captures with every checksum, documented messages, and a local server that replays."""

import asyncio
import json
import lzma
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from gateway import clock
from gateway.clock import VenueTime
from gateway.index_feeds.adapter import Adapter, Book, DesyncError
from gateway.index_feeds.coinbase import Coinbase
from gateway.index_feeds.index_publisher import routes_of
from gateway.index_feeds.kraken import Kraken
from gateway.index_feeds.okx import Okx
from gateway.index_feeds.source_connection import FIRST_PAUSE_S, LONGEST_PAUSE_S, OutlierFilter, Source
from gateway.index_feeds.sources import FeedScriptError, configured
from tests.gateway.index_feeds.feeds import CoinbaseFeed, LocalVenue, OkxFeed
from tests.gateway.live import until

CAPTURES = Path(__file__).parents[4] / "shared" / "data" / "ws_captures"
needs_captures = pytest.mark.skipif(not CAPTURES.exists(), reason="the captures are not there: ../shared/data")
KRAKEN_PAIRS = ["WAVES/EUR", "XMR/USD", "KSM/XBT", "GRT/ETH", "SC/EUR", "ETH/CHF", "OCEAN/XBT", "OMG/USD"]
KRAKEN_PAIRS += ["XBT/CHF", "ADA/XBT"]
OKX_PAIRS = ["BTC-USDT", "BTC-USD-220527", "UNI-USD-SWAP"]
"""The capture is of 2022: checksums that are not 0 yet, and no numbers."""


def messages(name: str) -> Iterator[bytes]:
    """What a venue sent, in order."""
    with lzma.open(CAPTURES / name, "rb") as file:
        for line in file:
            stamp, _, text = line.rstrip(b"\n").partition(b": ")
            if stamp[:1].isdigit():
                yield text


@needs_captures
def test_kraken_capture_with_every_checksum() -> None:
    adapter = Kraken(KRAKEN_PAIRS, depth=1000)
    quotes = [quote for message in messages("KRAKEN.ws.50.0.xz") for quote in adapter.receive(message)]
    assert {quote.pair for quote in quotes} == set(KRAKEN_PAIRS)
    assert len(quotes) > 3000
    bitcoin = [quote.price for quote in quotes if quote.pair == "XBT/CHF"]
    assert all(price and Decimal(55_000) < price < Decimal(58_000) for price in bitcoin)


@needs_captures
def test_okx_capture_with_every_checksum() -> None:
    adapter = Okx(OKX_PAIRS)
    quotes = [quote for message in messages("OKX.ws.1.0.xz") for quote in adapter.receive(message)]
    assert {quote.pair for quote in quotes} == set(OKX_PAIRS)
    spot = [quote.price for quote in quotes if quote.pair == "BTC-USDT"]
    assert len(spot) > 50
    assert all(price and Decimal(30_200) < price < Decimal(30_300) for price in spot)


@needs_captures
@pytest.mark.parametrize("name", ["KRAKEN.ws.50.0.xz", "OKX.ws.1.0.xz"])
def test_a_lost_update_is_noticed_and_costs_its_own_pair_only(name: str) -> None:
    adapter: Adapter = Kraken(KRAKEN_PAIRS, depth=1000) if "KRAKEN" in name else Okx(OKX_PAIRS)
    lost = "XMR/USD" if "KRAKEN" in name else "BTC-USDT"
    updates, broken = 0, set()
    for message in messages(name):
        if f'"{lost}"'.encode() in message and (b'"c":"' in message or b'"action":"update"' in message):
            updates += 1
            if updates == 30:
                continue
        try:
            adapter.receive(message)
        except DesyncError as error:
            assert ("checksum" in str(error)) == (not broken), error
            broken.add(error.pair)
    assert updates > 30 and broken == {lost} and set(adapter.books) == set(adapter.pairs) - broken


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        (Coinbase(["BTC-USD"]), CoinbaseFeed().update("BTC-USD", [(1, 1)])),
        (Coinbase(["BTC-USD"]), b'{"type":"error","message":"Failed to subscribe"}'),
        (Coinbase(["BTC-USD"]), b"not json"),
        (Coinbase(["BTC-USD"]), CoinbaseFeed().snapshot("BTC-USD", [("NaN", 1)], [])),
        (Coinbase(["BTC-USD"]), CoinbaseFeed().snapshot("BTC-USD", [(1, -1)], [])),
        (Okx(["BTC-USDT"]), b'{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update","data":[{}]}'),
        (Okx(["BTC-USDT"]), b"[1]"),
        (Kraken(["XBT/USD"]), b'{"event":"subscriptionStatus","status":"error","errorMessage":"no such pair"}'),
        (Kraken(["XBT/USD"]), b'[1,{"as":[["1"]]},"book-10","XBT/USD"]'),
        (Kraken(["XBT/USD"]), b'[1,{"a":[["1","1","1"]],"c":"1"},"book-10","XBT/USD"]'),
    ],
)
def test_what_cannot_be_trusted_is_an_error(adapter: Adapter, message: bytes) -> None:
    with pytest.raises(DesyncError):
        adapter.receive(message)


def test_requests_as_the_venues_want_them() -> None:
    asked = {adapter.name: [json.loads(part) for part in adapter.subscribe() + adapter.resubscribe(adapter.pairs[0])]
             for adapter in (Kraken(["XBT/USD", "ETH/USD"]), Okx(["BTC-USDT"]), Coinbase(["BTC-USD"]))}  # fmt: skip
    book = {"name": "book", "depth": 10}
    assert asked["kraken"] == [
        {"event": "subscribe", "pair": ["XBT/USD", "ETH/USD"], "subscription": book},
        {"event": "unsubscribe", "pair": ["XBT/USD"], "subscription": book},
        {"event": "subscribe", "pair": ["XBT/USD"], "subscription": book},
    ]
    assert asked["okx"] == [
        {"op": operation, "args": [{"channel": "books", "instId": "BTC-USDT"}]}
        for operation in ("subscribe", "unsubscribe", "subscribe")
    ]
    assert asked["coinbase"] == [
        {"type": "subscribe", "product_ids": ["BTC-USD"], "channel": "level2"},
        {"type": "subscribe", "channel": "heartbeats"},
        {"type": "unsubscribe", "product_ids": ["BTC-USD"], "channel": "level2"},
        {"type": "subscribe", "product_ids": ["BTC-USD"], "channel": "level2"},
    ]


def test_crossed_and_wide_books_say_nothing() -> None:
    book = Book()
    book.put([("100", "1")], [("101", "1")])
    assert book.middle() == Decimal("100.5")
    book.put([("101.5", "1")], [])
    assert book.middle() is None, "crossed"
    book.put([("101.5", "0"), ("100", "0"), ("90", "1")], [])
    assert book.middle() is None, "wide"


def test_an_outlier_counts_when_it_is_repeated() -> None:
    outliers = OutlierFilter()
    prices = ["100", "101", "150", "100.5", "150", "151", "152"]
    taken = [price for price in prices if outliers.accepts("X", Decimal(price))]
    assert taken == ["100", "101", "100.5", "151", "152"]


def test_routes() -> None:
    routes = routes_of(configured("BTC_USDC-PERPETUAL=kraken:XBT/USD,okx:BTC-USDT,coinbase:BTC-USD", ""))
    assert [(route.source, route.venue, route.pair) for route in routes] == [
        (0, "kraken", "XBT/USD"),
        (1, "okx", "BTC-USDT"),
        (2, "coinbase", "BTC-USD"),
    ]
    for wrong in ("BTC", "BTC=nowhere:X", "BTC=kraken", "=kraken:X"):
        with pytest.raises(FeedScriptError, match="index_feeds"):
            configured(wrong, "")


def _follow(adapter: Adapter, venue: LocalVenue, done: Callable[[Source], bool], silence_s: float = 8) -> Source:
    """Follow a local venue until something is true."""

    async def followed() -> Source:
        async with venue:
            adapter.url = venue.url
            source = Source(adapter, VenueTime(), silence_s)
            task = asyncio.create_task(source.run())
            try:
                await until(lambda: done(source))
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            return source

    return asyncio.run(followed())


def _price(source: Source) -> Decimal | None:
    found = source.price(source.adapter.pairs[0], clock.steady_ns())
    return found and found.price


def _script(feed: CoinbaseFeed | OkxFeed, bid: int = 10_101) -> list[bytes]:
    return [feed.snapshot(feed.pair, [(bid, 1)], [(bid + 2, 1)])]


def test_a_local_venue_is_followed() -> None:
    feed = CoinbaseFeed()
    venue = LocalVenue([*_script(feed), feed.update("BTC-USD", [(10_102, 1)])])
    _follow(Coinbase(["BTC-USD"]), venue, lambda source: _price(source) == Decimal("10102.5"))
    assert venue.subscriptions == 1


def test_a_message_in_several_frames_is_one_message() -> None:
    feed = CoinbaseFeed()
    venue = LocalVenue([*_script(feed), feed.update("BTC-USD", [(10_102, 1)])], frame_bytes=40)
    source = _follow(Coinbase(["BTC-USD"]), venue, lambda source: _price(source) == Decimal("10102.5"))
    assert (venue.subscriptions, source.connections) == (1, 1)


def test_a_hung_up_connection_is_made_again() -> None:
    venue = LocalVenue(_script(CoinbaseFeed()), hangs_up=True)
    source = _follow(Coinbase(["BTC-USD"]), venue, lambda source: venue.subscriptions >= 2)
    assert source.connections >= 2


def test_a_lost_message_of_a_connection_ends_it_and_the_next_one_begins_anew() -> None:
    feed = CoinbaseFeed()
    venue = LocalVenue([*_script(feed), feed.gap("BTC-USD")], _script(CoinbaseFeed(), 10_105))
    source = _follow(Coinbase(["BTC-USD"]), venue, lambda source: _price(source) == Decimal(10_106))
    assert venue.subscriptions == source.connections == 2


def test_a_lost_update_of_a_pair_is_mended_on_the_same_connection() -> None:
    feed = OkxFeed()
    broken = [*_script(feed), feed.gap("BTC-USDT"), feed.update("BTC-USDT", [(10_102, 1)])]
    venue = LocalVenue(broken, _script(feed, 10_105))
    source = _follow(Okx(["BTC-USDT"]), venue, lambda source: _price(source) == Decimal(10_106))
    assert (venue.subscriptions, source.connections) == (2, 1)


def test_a_pair_that_is_silent_on_a_live_connection_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    renew_silent = Source.renew_silent

    def look(source: Source, steady_ns: int) -> None:
        looks.append(steady_ns)
        renew_silent(source, steady_ns)

    monkeypatch.setattr(Source, "renew_silent", look)
    monkeypatch.setattr("gateway.index_feeds.source_connection.RESUBSCRIBE_S", 0.1)
    feed = OkxFeed()
    venue = LocalVenue(_script(feed), _script(feed, 10_105))
    _follow(Okx(["BTC-USDT"]), venue, lambda source: bool(looks) and _price(source) == Decimal(10_106), silence_s=0.4)
    assert venue.subscriptions >= 2


def test_a_silent_venue_is_left() -> None:
    venue = LocalVenue(_script(CoinbaseFeed()))
    source = _follow(Coinbase(["BTC-USD"]), venue, lambda source: source.connections >= 2, silence_s=0.2)
    assert venue.subscriptions >= 1 and source.quotes >= 1


def test_a_venue_that_says_nothing_useful_is_asked_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    real_sleep = asyncio.sleep

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await real_sleep(0)

    monkeypatch.setattr("gateway.index_feeds.source_connection.asyncio.sleep", sleep)
    venue = LocalVenue([b'{"type":"error","message":"Failed to subscribe","reason":"no such product"}'])
    _follow(Coinbase(["BTC-USD"]), venue, lambda source: source.connections >= 4)
    apart = [pause for pause in pauses if pause >= FIRST_PAUSE_S]
    assert apart[:3] == [1.0, 2.0, 4.0] and max(apart) <= LONGEST_PAUSE_S
